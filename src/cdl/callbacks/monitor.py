"""Which figure a callback watches, and whether it got better."""
import math

from cdl._core.check import number
from cdl.extras import nearest

__all__ = ["Monitor"]


class Monitor:
    """A figure of the history that is watched: its best value so far, and whether a new one beats it.

    Parameters
    ----------
    who : str
        Which callback asks, for messages.
    name, min_delta, mode
        As `cdl.EarlyStopping` has them.

    Examples
    --------
    >>> monitor = Monitor("EarlyStopping", "val_loss", 0.1, "auto")
    >>> [monitor.improves(loss) for loss in (1.0, 0.95, 0.8)], monitor.best
    ([True, False, True], 0.8)
    """

    def __init__(self, who, name, min_delta, mode):
        if not 0 <= number(min_delta, who, "min_delta") < math.inf:
            raise ValueError(f"{who}: min_delta must be 0 or more, got {min_delta!r}")
        if mode not in ("auto", "min", "max"):
            raise ValueError(f"{who}: mode must be 'auto', 'min' or 'max', got {mode!r}")
        self.who, self.name, self.min_delta, self.best = who, name, min_delta, None
        self.mode = mode if mode != "auto" else "max" if _more_is_better(name) else "min"

    def value(self, figures):
        """The figure's value; ValueError if there is no such figure."""
        if self.name not in figures:
            no_validation = self.name.startswith("val_") and not any(name.startswith("val_") for name in figures)
            hint = "; pass validation_data to fit, or" if no_validation else f"{nearest(self.name, figures)};"
            raise ValueError(f"{self.who}: there is no figure {self.name!r}{hint} monitor one of {', '.join(figures)}")
        return float(figures[self.name])

    def improves(self, value):
        """Whether a value beats the best one so far by more than min_delta, which it then is; NaN never does."""
        if math.isnan(value):
            return False
        gain = math.inf if self.best is None else value - self.best if self.mode == "max" else self.best - value
        if gain > self.min_delta:
            self.best = value
        return gain > self.min_delta


def _more_is_better(name):
    """Whether more of a figure is better: what its metric says, or that its name ends in "accuracy"."""
    from cdl.metrics.lookup import larger_is_better  # when it is needed: most of `import cdl` would be metrics

    known = larger_is_better(name)
    return name.endswith("accuracy") if known is None else known
