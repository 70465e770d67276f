"""Metrics by their names, as `fit` and `evaluate` take them."""
import inspect
import re

import numpy as np

from cdl import losses
from cdl.extras import nearest
from cdl.metrics import agreement, averages, confusion, correct, probability, ranking, regression, variance
from cdl.metrics.metric import MeanMetric

__all__ = ["METRICS", "larger_is_better", "metric_of", "metrics_for"]

# The plain function of each metric, and its streaming class.
METRICS = {
    correct.accuracy: correct.Accuracy, correct.binary_accuracy: correct.BinaryAccuracy,
    correct.top_k_accuracy: correct.TopKAccuracy, agreement.balanced_accuracy: agreement.BalancedAccuracy,
    averages.precision: averages.Precision, averages.recall: averages.Recall, averages.specificity: averages.Specificity,
    averages.f1: averages.F1, ranking.roc_auc: ranking.ROCAUC, ranking.average_precision: ranking.AveragePrecision,
    probability.log_loss: probability.LogLoss, probability.brier: probability.Brier,
    probability.perplexity: probability.Perplexity, agreement.cohen_kappa: agreement.CohenKappa,
    agreement.matthews: agreement.Matthews, variance.r2: variance.R2,
    variance.explained_variance: variance.ExplainedVariance, regression.mse: regression.MSE, regression.rmse: regression.RMSE,
    regression.mae: regression.MAE, regression.mape: regression.MAPE, regression.max_error: regression.MaxError,
    regression.median_absolute_error: regression.MedianAbsoluteError,
    confusion.confusion_matrix: confusion.ConfusionMatrix, confusion.classification_report: confusion.ClassificationReport,
}
_NAMED = {function.__name__: made for function, made in METRICS.items() if made.is_number}
# What they are called elsewhere, where it is not just with "_score" at the end.
_ALSO = {"auc": "roc_auc", "acc": "accuracy", "mean_squared_error": "mse", "root_mean_squared_error": "rmse",
         "mean_absolute_error": "mae", "mean_absolute_percentage_error": "mape", "brier_score_loss": "brier",
         "matthews_corrcoef": "matthews"}
_AVERAGED = re.compile(r"(precision|recall|specificity|f1)_(micro|macro|weighted)")


def metrics_for(loss):
    """The metrics that go with a loss, by name: streaming ones, new."""
    if loss is losses.cross_entropy:
        return {"accuracy": correct.Accuracy()}
    return {"accuracy": correct.BinaryAccuracy()} if loss is losses.binary_cross_entropy else {}


def metric_of(metric, who="metric_of", loss=None):
    """The streaming metric that a name, a function, a class or an object stands for.

    Names are those of the functions ("accuracy", "roc_auc", "r2"), with an average ("f1_macro"), a number
    ("top_3_accuracy", "f2") or as scikit-learn has them ("f1_score", "mean_squared_error"); the metric keeps the name given.

    Parameters
    ----------
    metric : str, callable, class or Metric
        A function is called as ``f(y_true, y_pred)``, with ``sample_weight=`` where there are weights; of one that is not
        of `cdl.metrics` the figure is the mean over the batches by their weight.
    who : str
        Who asks, as an error begins.
    loss : callable, optional
        What the outputs are trained for: a metric given by its name takes them as logits where `cdl.cross_entropy` does.

    Raises
    ------
    ValueError
        For an unknown name.
    TypeError
        For what is no metric, or one whose result is no single number.

    Examples
    --------
    >>> round(metric_of("f1_macro").update([0, 1], [[2.0, 1.0], [3.0, 1.0]]).result(), 3)
    0.333
    """
    if isinstance(metric, str):
        return _named(metric, who, loss)
    if isinstance(metric, type) and hasattr(metric, "update"):
        made = metric()
    elif all(callable(getattr(metric, part, None)) for part in ("update", "result", "reset")):
        made = metric
    elif callable(metric):
        own = METRICS.get(metric) if inspect.isfunction(metric) else None
        made = own() if own is not None else OfFunction(metric)
    else:
        raise TypeError(f"{who}: a metric is a name, a function of (y_true, y_pred), or an object with update, result and "
                        f"reset; got {metric!r}")
    if not getattr(made, "is_number", True):
        raise TypeError(f"{who}: the result of {made!r} is no single number")
    return made


def larger_is_better(name):
    """Whether more is better of the figure that the history calls so; None if it is no metric's. "val_" is left out.

    Examples
    --------
    >>> larger_is_better("val_f1_macro"), larger_is_better("rmse"), larger_is_better("val_loss")
    (True, False, None)
    """
    try:
        return metric_of(name.removeprefix("val_")).larger_is_better
    except ValueError:
        return None


def _named(name, who, loss):
    plain = _ALSO.get(name, name.removesuffix("_score"))
    if parts := _AVERAGED.fullmatch(plain):
        made = _NAMED[parts[1]](average=parts[2])
    elif parts := correct.TopKAccuracy.pattern.fullmatch(plain):
        made = correct.TopKAccuracy(int(parts[1]))
    elif plain in _NAMED:
        takes_logits = loss is losses.cross_entropy and "from_logits" in inspect.signature(_NAMED[plain]).parameters
        made = _NAMED[plain](**({"from_logits": True} if takes_logits else {}))
    elif parts := averages.FBeta.pattern.fullmatch(plain):
        made = averages.FBeta(float(parts[1]))
    else:
        raise ValueError(f"{who}: unknown metric {name!r}{nearest(name, [*_NAMED, *_ALSO])}; known are {', '.join(_NAMED)}, or "
                         "pass a function of (y_true, y_pred)")
    made.name = name
    return made


class OfFunction(MeanMetric):
    """The mean of a function's values over the batches, each counted by its samples or their weight.

    Examples
    --------
    >>> import numpy as np
    >>> metric = OfFunction(lambda y_true, y_pred: abs(y_true - y_pred).max())
    >>> metric.update(np.ones(3), np.zeros(3)).update(np.ones(1), np.ones(1)).result()
    0.75
    """

    def __init__(self, function):
        self.function = function
        self.name = getattr(function, "__name__", type(function).__name__)

    def _sums(self, y_true, y_pred, sample_weight):
        options = {} if sample_weight is None else {"sample_weight": sample_weight}
        share = float(len(y_true) if sample_weight is None else np.sum(sample_weight))
        return float(self.function(y_true, y_pred, **options)) * share, share
