"""Anything that follows a schedule."""
import math

from cdl.callbacks.callback import Callback
from cdl.extras import nearest

__all__ = ["Scheduled"]


class Scheduled(Callback):
    """A callback of `fit` that sets an attribute of any object to what a schedule gives: before every epoch or every step.

    For the options of an optimizer it is not needed: they take a schedule themselves. It is for what else changes in a
    training: the drop_prob of a Dropout, the strength of a penalty, a loss object's own numbers.

    Parameters
    ----------
    target : object
        Such as a layer, or `cdl.losses.Penalty`.
    name : str
        The attribute that is set. When the training ends it has the value that the next epoch, or step, would have had.
    schedule : callable
        A `cdl.optim.Schedule`, or a function of how many epochs have passed (or of steps, where its attribute `per` is
        "step"). They count from the beginning of the training, and go on with a resumed one.

    Raises
    ------
    AttributeError
        If the object has no such attribute.
    TypeError
        For a schedule that cannot be called or gives no number.
    ValueError
        For one that gives NaN or an infinite number.

    Examples
    --------
    >>> import numpy as np
    >>> import cdl
    >>> model = cdl.Sequential([cdl.Dense(8, activation="relu"), cdl.Dropout(0.5), cdl.Dense(1)])
    >>> less = cdl.callbacks.Scheduled(model[1], "drop_prob", cdl.optim.PolynomialDecay(0.5, 4))
    >>> x = np.linspace(-1, 1, 64)[:, None]
    >>> history = model.fit(x, x, loss="mse", epochs=3, callbacks=[less], progress=False)
    >>> model[1].drop_prob
    0.125
    """

    def __init__(self, target, name, schedule):
        if not isinstance(name, str) or not hasattr(target, name):
            raise AttributeError(f"Scheduled: {type(target).__name__} has no attribute {name!r}"
                                 f"{nearest(name, getattr(target, '__dict__', ()))}")
        if not callable(schedule):
            raise TypeError(f"Scheduled: expected a schedule, a function of the epoch or step, got {schedule!r}")
        per = getattr(schedule, "per", "epoch")
        if per not in ("epoch", "step"):
            raise ValueError(f"Scheduled: a schedule's per must be 'epoch' or 'step', got {per!r}")
        self.target, self.name, self.schedule, self._per = target, name, schedule, per
        self.position = 0

    def _set(self, position):
        value = self.schedule(position)
        if isinstance(value, (str, bytes)) or not hasattr(value, "__float__"):
            raise TypeError(f"Scheduled: the schedule {self.schedule!r} gave {value!r} at {self._per} {position}, which is no "
                            "number")
        if not math.isfinite(value):
            raise ValueError(f"Scheduled: the schedule {self.schedule!r} gave {value} at {self._per} {position}")
        setattr(self.target, self.name, value)
        self.position = position

    def on_fit_begin(self, model):
        """Set the first value."""
        self._set(0)

    def on_batch_end(self, model):
        """Set the value of the next step, where steps are counted."""
        if self._per == "step":
            self._set(self.position + 1)

    def __call__(self, model, epoch, figures):
        """Set the value of the next epoch, where epochs are counted."""
        if self._per == "epoch":        # here, so that it is set before a checkpoint is made of the epoch
            self._set(self.position + 1)

    def state_dict(self):
        """Where in the schedule it is."""
        return {"position": self.position}

    def load_state_dict(self, state):
        """Go on from what `state_dict` gave, with the value there."""
        self._set(state["position"])

    def __repr__(self):
        return f"Scheduled({type(self.target).__name__}, {self.name!r}, {self.schedule!r})"
