"""A learning rate that goes down where a training no longer gets better."""
from cdl._core.check import number
from cdl.callbacks.callback import Callback
from cdl.callbacks.monitor import Monitor

__all__ = ["ReduceOnPlateau"]


class ReduceOnPlateau(Callback):
    """A callback of `fit` that multiplies the learning rate with `factor` when a figure has stopped improving.

    After every epoch: where the figure beats its best by more than min_delta, the wait begins anew; else, outside a
    cooldown, it is an epoch longer, and at `patience` epochs ::

        lr = max(factor lr, min_lr)         of every group of the optimizer, where lr is above min_lr

    and a cooldown of so many epochs begins. The new rate holds from the next epoch on. It is part of the optimizer's state,
    so that a resumed training goes on with it.

    Parameters
    ----------
    monitor : str
        The figure to watch, as the history names it: "val_loss", "val_accuracy", "loss".
    factor : float in (0, 1)
    patience : int
        After how many epochs without an improvement the rate goes down, ≥ 0 (0 is as 1).
    min_delta : float
        By how much a value must beat the best one to be an improvement, ≥ 0.
    cooldown : int
        How many epochs after a reduction nothing is counted, ≥ 0.
    min_lr : float
        Below which no rate goes, ≥ 0.
    mode : {"auto", "min", "max"}
        As `cdl.EarlyStopping` has it.

    Attributes
    ----------
    best : float or None
        The best value so far.
    reductions : int
        How often it has reduced.

    Raises
    ------
    ValueError
        For parameters out of their range; while fitting, if there is no such figure, or where the learning rate is a schedule,
        which would not hear of it.

    Source
    ------
    Keras's ReduceLROnPlateau, whose counting this is; torch's waits one epoch longer, and has min_delta as a share.

    Examples
    --------
    >>> import numpy as np
    >>> import cdl
    >>> x = np.linspace(-1, 1, 64)[:, None]
    >>> model = cdl.Sequential([cdl.Dense(1)])
    >>> model.ensure_built(x)
    >>> sgd = cdl.SGD(model.parameters(), lr=0.5)
    >>> reduce = cdl.callbacks.ReduceOnPlateau("loss", factor=0.1, patience=2, min_lr=0.001)
    >>> history = model.fit(x, 3 * x, loss="mse", optimizer=sgd, epochs=60, callbacks=[reduce], progress=False)
    >>> sgd.lr
    0.001
    """

    def __init__(self, monitor="val_loss", factor=0.1, patience=10, min_delta=1e-4, *, cooldown=0, min_lr=0.0, mode="auto"):
        who = type(self).__name__
        for name, value in {"patience": patience, "cooldown": cooldown}.items():
            if isinstance(value, bool) or not hasattr(value, "__index__") or value < 0:
                raise ValueError(f"{who}: {name} must be an integer, 0 or more, got {value!r}")
        if not 0 < number(factor, who, "factor") < 1:
            raise ValueError(f"{who}: factor must be in (0, 1), got {factor!r}")
        if not 0 <= number(min_lr, who, "min_lr") < float("inf"):
            raise ValueError(f"{who}: min_lr must be 0 or more and finite, got {min_lr!r}")
        self.monitor, self.factor, self.patience, self.min_delta, self.mode = monitor, factor, patience, min_delta, mode
        self.cooldown, self.min_lr = cooldown, min_lr
        self.on_fit_begin(None)

    def attach(self, training):
        """Refuse an optimizer whose learning rate is not a number of its own."""
        super().attach(training)
        for group in self._groups():
            if getattr(group, "schedule", None) is not None:
                raise ValueError(f"{type(self).__name__}: the learning rate of the optimizer is a schedule, "
                                 f"{group.schedule!r}; give it a number, or leave this callback out")

    def _groups(self):
        groups = getattr(self.training.optimizer, "groups", None)
        if groups is None:
            raise TypeError(f"{type(self).__name__}: expected an optimizer of cdl, with groups that have an lr, got "
                            f"{type(self.training.optimizer).__name__}")
        return groups

    def on_fit_begin(self, model):
        """Forget an earlier training."""
        self._watch = Monitor(type(self).__name__, self.monitor, self.min_delta, self.mode)
        self._waited = self._resting = self.reductions = 0

    @property
    def best(self):
        """The best value so far, or None."""
        return self._watch.best

    def __call__(self, model, epoch, figures):
        value = self._watch.value(figures)
        if self._resting:
            self._resting, self._waited = self._resting - 1, 0
        if self._watch.improves(value):
            self._waited = 0
        elif not self._resting:
            self._waited += 1
            if self._waited >= self.patience:
                self._reduce()

    def _reduce(self):
        high = [group for group in self._groups() if group["lr"] > self.min_lr]
        lower = [max(group["lr"] * self.factor, self.min_lr) for group in high]
        for group, lr in zip(high, lower, strict=True):
            if lr > 0:              # after some three hundred reductions it would be 0, which is no learning rate
                group["lr"] = lr
        if high:
            self.reductions, self._resting, self._waited = self.reductions + 1, self.cooldown, 0

    def state_dict(self):
        """The best value, and how long it has waited and rested; the rates are the optimizer's."""
        return {"best": self.best, "waited": self._waited, "resting": self._resting, "reductions": self.reductions}

    def load_state_dict(self, state):
        """Go on from what `state_dict` gave."""
        self._watch.best, self._waited = state["best"], state["waited"]
        self._resting, self.reductions = state["resting"], state["reductions"]

    def __repr__(self):
        return f"ReduceOnPlateau({self.monitor!r}, factor={self.factor:g}, patience={self.patience})"
