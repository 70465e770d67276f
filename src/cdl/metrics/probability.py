"""How good predicted probabilities are."""
import numpy as np

from cdl.metrics.inputs import arrays, columns_of, no_nan, scored, weights_for
from cdl.metrics.metric import MeanMetric, added

__all__ = ["Brier", "LogLoss", "Perplexity", "brier", "calibration_curve", "log_loss", "perplexity"]

# Rows of probabilities may add up to 1 ± this: float16 and printed ones do, logits do not.
_SUM_SLACK = 2e-3
# Values looked at in one go: their float64 copies stay within the second-level cache.
_BLOCK = 1 << 14


def as_probabilities(scores, from_logits, who):
    """Rows of probabilities, checked, or softmax of logits, in float64."""
    if from_logits:
        scores = no_nan(scores, who, "y_pred").astype(np.float64)
        scores -= scores.max(axis=-1, keepdims=True)
        np.exp(scores, out=scores)
        scores /= scores.sum(axis=-1, keepdims=True)
        return scores
    _check_range(scores, who)
    if scores.ndim > 1 and not _adds_up(scores):
        raise ValueError(f"{who}: rows of y_pred must be probabilities, of sum 1; for logits give from_logits=True")
    return scores


def _adds_up(rows):
    of = np.ones(rows.shape[-1], np.result_type(rows.dtype, np.float32))       # a product adds up rows sooner than sum does
    return abs(rows @ of - 1).max() <= _SUM_SLACK


def _check_floating(scores, who):
    if scores.dtype.kind != "f":
        raise TypeError(f"{who}: y_pred must hold floating probabilities or logits, got dtype {scores.dtype}")


def _check_range(scores, who):
    _check_floating(scores, who)
    least, most = no_nan(scores, who, "y_pred").min(), scores.max()
    if not (least >= 0 and most <= 1 + 1e-6):
        raise ValueError(f"{who}: y_pred holds {least if least < 0 else most}, which is no probability; for logits give "
                         "from_logits=True")


class ProbabilityMetric(MeanMetric):
    """A mean over samples of what their probabilities, or logits, cost."""

    larger_is_better = False

    def __init__(self, *, labels=None, from_logits=False):
        self.labels, self.from_logits = None if labels is None else list(labels), bool(from_logits)

    def _sums(self, y_true, y_pred, sample_weight):
        labels, y_pred, shape = scored(y_true, y_pred, self.name)
        weights = weights_for(sample_weight, shape, self.name)
        _check_floating(y_pred, self.name)
        if y_pred.shape[1] == 1:
            labels, y_pred = self._second(labels), y_pred[:, 0]
        else:
            labels = columns_of(labels, y_pred.shape[1], self.labels, self.name)
        y_pred = y_pred if self.from_logits else as_probabilities(y_pred, False, self.name)
        step, total = max(1, _BLOCK // (y_pred.shape[1] if y_pred.ndim > 1 else 1)), (0.0, 0.0)
        for start in range(0, len(labels), step):
            part = slice(start, start + step)
            cost = self._cost(labels[part], y_pred[part])
            total = added(total, (float((cost if weights is None else cost * weights[part]).sum()), 0.0))
        return sum(total), float(len(labels) if weights is None else weights.sum())

    def _second(self, y_true):
        """Whether each sample is of the second class."""
        if self.labels is not None:
            return columns_of(y_true, 2, self.labels, self.name).astype(bool)
        if y_true.dtype.kind not in "iufb" or not ((y_true == 0) | (y_true == 1)).all():
            classes = sorted(set(y_true.tolist()))
            if len(classes) != 2:
                raise ValueError(f"{self.name}: beside probabilities of one class y_true must hold two labels, 0 and 1 unless "
                                 f"labels names them; got {', '.join(map(repr, classes[:9]))}")
            return np.asarray(y_true == classes[1], bool)
        return y_true.astype(bool)

    def _cost(self, labels, y_pred):
        raise NotImplementedError(f"{type(self).__name__} must define the cost of each sample")


class LogLoss(ProbabilityMetric):
    """Streaming `log_loss`."""

    name = "log_loss"

    def _cost(self, labels, y_pred):
        if y_pred.ndim > 1:
            own = np.take_along_axis(y_pred, labels[:, None].astype(np.int64), axis=1)[:, 0].astype(np.float64)
            if self.from_logits:
                high = y_pred.max(axis=1).astype(np.float64)
                return np.log(np.exp(y_pred - high[:, None]).sum(axis=1)) + high - own
        else:
            values = y_pred.astype(np.float64)
            if self.from_logits:
                return np.logaddexp(0.0, np.where(labels, -values, values))
            own = np.where(labels, values, 1 - values)
        least = float(np.finfo(y_pred.dtype).eps)
        return -np.log(np.clip(own, least, 1 - least))


def log_loss(y_true, y_pred, *, sample_weight=None, labels=None, from_logits=False):
    """The mean of -ln p, p the probability that was predicted for the true class: cross-entropy.

    Parameters
    ----------
    y_true : array_like
        Labels of shape (...,), whole numbers or texts, or one-hot rows.
    y_pred : array_like or Tensor
        Probabilities (..., C), rows of sum 1, or (...,) of the second of two classes, floating; or logits of these shapes.
        Probabilities are held within [e, 1 - e], e the least step of their type (2.2e-16 for float64).
    sample_weight : array_like, optional
        How much each sample counts.
    labels : sequence, optional
        The classes of the columns, in their order. Default: 0 … C - 1, or for texts their sorted values.
    from_logits : bool
        Whether y_pred holds logits, as the outputs of a network trained with `cdl.cross_entropy`, and not probabilities.

    Raises
    ------
    ValueError
        For lengths that differ, no samples, NaN, or what are no probabilities.
    IndexError
        For a label that is none of the columns.

    Examples
    --------
    >>> round(log_loss([0, 1], [[0.5, 0.5], [0.75, 0.25]]), 4)
    1.0397
    >>> round(log_loss([0, 1], [0.0, 2.0], from_logits=True), 4)
    0.41
    """
    return LogLoss(labels=labels, from_logits=from_logits)(y_true, y_pred, sample_weight)


class Perplexity(LogLoss):
    """Streaming `perplexity`."""

    name = "perplexity"

    def _value(self, state):
        return float(np.exp(self._mean(state)))


def perplexity(y_true, y_pred, *, sample_weight=None, labels=None, from_logits=False):
    """exp of the mean cross-entropy: among how many equally likely tokens the model seems to choose.

    Arguments and errors as for `log_loss`: y_pred holds probabilities, or logits with from_logits=True. For sequences
    y_true is (N, T), y_pred (N, T, V), and weights (N, T) leave out padding where they are 0.

    Examples
    --------
    >>> perplexity([[0, 1, 1]], [[[0.5, 0.5], [0.5, 0.5], [0.5, 0.5]]])
    2.0
    """
    return Perplexity(labels=labels, from_logits=from_logits)(y_true, y_pred, sample_weight)


class Brier(ProbabilityMetric):
    """Streaming `brier`."""

    name = "brier"

    def _cost(self, labels, y_pred):
        values = y_pred.astype(np.float64)
        if values.ndim == 1:
            if self.from_logits:
                values = 1 / (1 + np.exp(-values))
            return (values - labels) ** 2
        if self.from_logits:
            values = as_probabilities(y_pred, True, self.name)
        values[np.arange(len(labels)), labels.astype(np.int64)] -= 1
        return np.einsum("ij,ij->i", values, values) * (0.5 if values.shape[1] == 2 else 1)


def brier(y_true, y_pred, *, sample_weight=None, labels=None, from_logits=False):
    """The mean squared difference of the probabilities from what happened, 0 or 1: (p - y)² of two classes, 0 to 1; for
    more the sum over all classes, 0 to 2. Arguments and errors as for `log_loss`.

    Source
    ------
    Brier, "Verification of forecasts expressed in terms of probability", 1950.

    Examples
    --------
    >>> round(brier([0, 1, 1], [0.1, 0.9, 0.8]), 3)
    0.02
    """
    return Brier(labels=labels, from_logits=from_logits)(y_true, y_pred, sample_weight)


def calibration_curve(y_true, y_pred, *, bins=10, strategy="uniform", sample_weight=None):
    """How often what was predicted with about this probability happened.

    Parameters
    ----------
    y_true : array_like of shape (N,)
        Labels 0 and 1.
    y_pred : array_like of shape (N,)
        Probabilities of class 1.
    bins : int
        How many ranges of probabilities; those without samples are left out.
    strategy : {"uniform", "quantile"}
        Ranges of equal width, or with about as many samples each.
    sample_weight : array_like, optional
        How much each sample counts.

    Returns
    -------
    happened, predicted : ndarrays of float64
        For each range the share of class 1 and the mean probability.

    Examples
    --------
    >>> calibration_curve([0, 0, 1, 1], [0.1, 0.3, 0.7, 0.9], bins=2)
    (array([0., 1.]), array([0.2, 0.8]))
    """
    who = "calibration_curve"
    y_true, y_pred = (y.reshape(-1) for y in arrays(y_true, y_pred, who))
    _check_range(y_pred, who)
    weights = weights_for(sample_weight, y_true.shape, who)
    if not isinstance(bins, (int, np.integer)) or bins < 1 or strategy not in ("uniform", "quantile"):
        raise ValueError(f"{who}: bins must be a positive integer and strategy 'uniform' or 'quantile', got {bins!r} and "
                         f"{strategy!r}")
    if len(y_true) != len(y_pred) or not np.isin(y_true, (0, 1)).all():
        raise ValueError(f"{who}: y_true must hold the labels 0 and 1, one for each probability")
    values, steps = y_pred.astype(np.float64), np.linspace(0, 1, bins + 1)
    places = np.searchsorted((steps if strategy == "uniform" else np.quantile(values, steps))[1:-1], values)
    of = np.ones(len(values)) if weights is None else weights
    sums = [np.bincount(places, of * part, bins) for part in (1, y_true, values)]
    there = sums[0] > 0
    return sums[1][there] / sums[0][there], sums[2][there] / sums[0][there]
