"""Metrics by their names, as `fit` and `evaluate` take them."""
from cdl import losses
from cdl.extras import nearest
from cdl.metrics.accuracy import Accuracy, BinaryAccuracy, TopKAccuracy, accuracy, binary_accuracy, top_k_accuracy
from cdl.metrics.metric import MeanMetric

__all__ = ["METRICS", "metric_of", "metrics_for"]

# The plain function and the streaming class of each name.
METRICS = {
    "accuracy": (accuracy, Accuracy), "binary_accuracy": (binary_accuracy, BinaryAccuracy),
    "top_k_accuracy": (top_k_accuracy, TopKAccuracy),
}


def metrics_for(loss):
    """The metrics that go with a loss, by name: streaming ones, new."""
    if loss is losses.cross_entropy:
        return {"accuracy": Accuracy()}
    return {"accuracy": BinaryAccuracy()} if loss is losses.binary_cross_entropy else {}


def metric_of(metric, who="metric_of", loss=None):
    """The streaming metric that a name, a function, a class or an object stands for.

    Parameters
    ----------
    metric : str, callable, class or Metric
        A function is called as ``f(y_true, y_pred)``, with ``sample_weight=`` where there are weights; of one that is not
        of `cdl.metrics` the figure is the mean over the batches by their weight.
    who : str
        Who asks, as an error begins.
    loss : callable, optional
        A metric given by its name takes outputs as this loss does: logits for `cdl.cross_entropy`.

    Raises
    ------
    ValueError
        For an unknown name.
    TypeError
        For what is no metric, or one whose result is no single number.

    Examples
    --------
    >>> metric_of("accuracy").update([0, 1], [[2.0, 1.0], [3.0, 1.0]]).result()
    0.5
    """
    if isinstance(metric, str):
        made = _named(metric, who)
    elif isinstance(metric, type) and hasattr(metric, "update"):
        made = metric()
    elif all(callable(getattr(metric, part, None)) for part in ("update", "result", "reset")):
        made = metric
    elif callable(metric):
        made = next((own() for function, own in METRICS.values() if function is metric), None) or OfFunction(metric)
    else:
        raise TypeError(f"{who}: a metric is a name, a function of (y_true, y_pred), or an object with update, result and "
                        f"reset; got {metric!r}")
    if not getattr(made, "is_number", True):
        raise TypeError(f"{who}: the result of {made!r} is no single number")
    return made


def _named(name, who):
    if name in METRICS:
        return METRICS[name][1]()
    if found := TopKAccuracy.pattern.fullmatch(name):
        return TopKAccuracy(int(found[1]))
    raise ValueError(f"{who}: unknown metric {name!r}{nearest(name, METRICS)}; known are {', '.join(METRICS)}, or pass a "
                     "function of (y_true, y_pred)")


class OfFunction(MeanMetric):
    """The mean of a function's values over the batches, each counted by its samples or their weight.

    Examples
    --------
    >>> metric = OfFunction(lambda y_true, y_pred: abs(y_true - y_pred).max())
    >>> import numpy as np
    >>> metric.update(np.ones(3), np.zeros(3)).update(np.ones(1), np.ones(1)).result()
    0.75
    """

    def __init__(self, function):
        self.function = function
        self.name = getattr(function, "__name__", type(function).__name__)

    def _sums(self, y_true, y_pred, sample_weight):
        options = {} if sample_weight is None else {"sample_weight": sample_weight}
        share = float(len(y_true) if sample_weight is None else sum(map(float, sample_weight)))
        return float(self.function(y_true, y_pred, **options)) * share, share
