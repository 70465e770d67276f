"""Stopping a training run when it no longer gets better."""
from cdl.callbacks.callback import Callback
from cdl.callbacks.monitor import Monitor

__all__ = ["EarlyStopping"]


class EarlyStopping(Callback):
    """A callback of `fit` that ends the training when a figure has stopped improving, and brings back the best weights.

    Parameters
    ----------
    monitor : str
        The figure to watch, as the history names it: "val_loss", "val_accuracy", "loss".
    patience : int
        After how many epochs in a row without an improvement the training ends, ≥ 0 (0 is as 1).
    min_delta : float
        By how much a value must beat the best one to be an improvement, ≥ 0.
    mode : {"auto", "min", "max"}
        Whether less or more is better; "auto": what the metric of that name says ("val_f1": more, "val_rmse": less), else
        more for names that end in "accuracy" and less for all others.
    restore_best : bool
        Whether the model gets the weights (and buffers) of its best epoch back when the training ends: early, after its
        last epoch, or by an interrupt.

    Attributes
    ----------
    best : float or None
        The best value so far.
    best_epoch, stopped_epoch : int or None
        The epoch of the best value, and the one after which it ended the training; the first is 0.

    Raises
    ------
    ValueError
        For parameters out of their range; while fitting, if there is no such figure.

    Source
    ------
    The notes, section 7.2; Prechelt, "Early stopping, but when?", 1998, with the criterion of successive epochs.

    Examples
    --------
    >>> import numpy as np
    >>> import cdl
    >>> x = np.linspace(-1, 1, 64)[:, None]
    >>> stop = cdl.EarlyStopping("loss", patience=2, min_delta=0.01)
    >>> history = cdl.Sequential([cdl.Dense(1)]).fit(x, 3 * x, loss="mse", epochs=500, callbacks=[stop], progress=False,
    ...                                              optimizer=lambda parameters: cdl.SGD(parameters, lr=0.2))
    >>> history.epochs < 100
    True
    """

    def __init__(self, monitor="val_loss", patience=5, min_delta=0.0, *, mode="auto", restore_best=True):
        if isinstance(patience, bool) or not hasattr(patience, "__index__") or patience < 0:
            raise ValueError(f"EarlyStopping: patience must be an integer, 0 or more, got {patience!r}")
        self.monitor, self.patience, self.min_delta, self.mode = monitor, patience, min_delta, mode
        self.restore_best = restore_best
        self.on_fit_begin(None)

    def on_fit_begin(self, model):
        """Forget an earlier training."""
        self._watch = Monitor("EarlyStopping", self.monitor, self.min_delta, self.mode)
        self.best_epoch = self.stopped_epoch = self._state = None
        self._waited = 0

    @property
    def best(self):
        """The best value so far, or None."""
        return self._watch.best

    def __call__(self, model, epoch, figures):
        if self._watch.improves(self._watch.value(figures)):
            self.best_epoch, self._waited = epoch, 0
            if self.restore_best:
                self._state = model.state_dict()
            return False
        self._waited += 1
        if self._waited < self.patience:
            return False
        self.stopped_epoch = epoch
        return True

    def on_fit_end(self, model):
        """Bring the best weights back."""
        if self._state is not None:
            model.load_state_dict(self._state)
            self._state = None

    def state_dict(self):
        """The best value, its epoch and weights, and how long it has waited for a better one."""
        weights = {f"weights.{name}": array for name, array in (self._state or {}).items()}
        return {"best": self.best, "best_epoch": self.best_epoch, "waited": self._waited,
                "stopped_epoch": self.stopped_epoch, "monitor": self.monitor} | weights

    def load_state_dict(self, state):
        """Go on from what `state_dict` gave."""
        if state.get("monitor", self.monitor) != self.monitor:
            return      # the best of another figure is none of this one
        self._watch.best, self.best_epoch, self._waited = state["best"], state["best_epoch"], state["waited"]
        self.stopped_epoch = state.get("stopped_epoch")
        weights = {name.removeprefix("weights."): array for name, array in state.items() if name.startswith("weights.")}
        self._state = weights or None

    def __repr__(self):
        return f"EarlyStopping({self.monitor!r}, patience={self.patience}, min_delta={self.min_delta:g})"
