"""How many samples are right."""
import re

import numpy as np

from cdl._core.check import positive_integer
from cdl.metrics.inputs import arrays, decided, in_range, no_nan, weights_for
from cdl.metrics.metric import MeanMetric

__all__ = ["Accuracy", "BinaryAccuracy", "TopKAccuracy", "accuracy", "binary_accuracy", "top_k_accuracy"]


# Values looked at in one go: comparisons of them stay within the second-level cache.
_BLOCK = 1 << 15


class Accuracy(MeanMetric):
    """Streaming `accuracy`."""

    name = "accuracy"

    def __init__(self, *, threshold=0.5):
        self.threshold = threshold

    def _sums(self, y_true, y_pred, sample_weight):
        y_true, y_pred = decided(y_true, y_pred, self.name, self.threshold)
        return _right(y_true == y_pred, sample_weight, self.name)


def accuracy(y_true, y_pred, *, sample_weight=None, threshold=0.5):
    """The share of samples whose predicted label is the true one.

    Parameters
    ----------
    y_true : array_like
        Labels of shape (...,), whole numbers or texts, or one-hot rows (..., C).
    y_pred : array_like or Tensor
        Scores of shape (..., C), whose largest counts: logits or probabilities. Or labels of y_true's shape. Or, for
        labels 0 and 1, floating probabilities of class 1 of shape (N,) or (N, 1).
    sample_weight : array_like, optional
        How much each sample counts.
    threshold : float
        Above it, such a probability of class 1 is one; 0 for logits.

    Raises
    ------
    ValueError
        For lengths or shapes that do not fit, no samples, or NaN.
    IndexError
        For a label that is none of the columns of scores.

    Examples
    --------
    >>> accuracy([0, 1], [[0.9, 0.1], [0.8, 0.2]])
    0.5
    >>> accuracy(["cat", "dog", "dog"], ["cat", "cat", "dog"], sample_weight=[1, 2, 1])
    0.5
    """
    return Accuracy(threshold=threshold)(y_true, y_pred, sample_weight)


class BinaryAccuracy(MeanMetric):
    """Streaming `binary_accuracy`."""

    name = "binary_accuracy"

    def __init__(self, *, threshold=0.5):
        self.threshold = threshold

    def _sums(self, y_true, y_pred, sample_weight):
        y_true, y_pred = arrays(y_true, y_pred, self.name)
        if y_true.shape != y_pred.shape:
            raise ValueError(f"{self.name}: expected labels of y_pred's shape {y_pred.shape}, got {y_true.shape}")
        return _right((no_nan(y_pred, self.name, "y_pred") > self.threshold) == (y_true > 0.5), sample_weight, self.name)


def binary_accuracy(y_true, y_pred, *, sample_weight=None, threshold=0.5):
    """The share of values whose probability lies on the label's side of the threshold.

    Parameters
    ----------
    y_true : array_like
        Labels 0 and 1, of any shape: (N,), (N, 1), or (N, K) for K labels that each sample may have.
    y_pred : array_like or Tensor
        Probabilities of the same shape.
    sample_weight : array_like, optional
        How much each sample counts.
    threshold : float
        0 for logits.

    Raises
    ------
    ValueError
        For shapes that differ, no samples, or NaN.

    Examples
    --------
    >>> binary_accuracy([0, 1], [0.2, 0.4])
    0.5
    """
    return BinaryAccuracy(threshold=threshold)(y_true, y_pred, sample_weight)


class TopKAccuracy(MeanMetric):
    """Streaming `top_k_accuracy`; its name is top_5_accuracy for k=5."""

    pattern = re.compile(r"top_(\d+)_accuracy")

    def __init__(self, k=5):
        self.k = positive_integer(k, "TopKAccuracy", "k")
        self.name = f"top_{k}_accuracy"

    def _sums(self, y_true, y_pred, sample_weight):
        y_true, scores = arrays(y_true, y_pred, self.name)
        if y_true.shape == scores.shape and scores.ndim > 1:
            y_true = y_true.argmax(-1)
        if y_true.shape != scores.shape[:-1]:
            raise ValueError(f"{self.name}: expected scores of shape {(*y_true.shape, 'C')}, got {scores.shape}")
        if scores.shape[-1] <= self.k:
            raise ValueError(f"{self.name}: of {scores.shape[-1]} classes every one is among the {self.k} best; choose a "
                             "smaller k")
        y_true = in_range(y_true, scores.shape[-1], self.name).reshape(-1)
        ranks = _ranks(y_true, no_nan(scores, self.name, "y_pred").reshape(len(y_true), -1))
        return _right((ranks < self.k).reshape(np.shape(scores)[:-1]), sample_weight, self.name)


def top_k_accuracy(y_true, y_pred, *, k=5, sample_weight=None):
    """The share of samples whose label is among the k classes of the highest scores.

    Of equal scores that of the later class counts as the higher, as with scikit-learn.

    Parameters
    ----------
    y_true : array_like
        Integer labels of shape (...,), or one-hot rows (..., C).
    y_pred : array_like or Tensor
        Scores of shape (..., C): logits or probabilities.
    k : int
        Below C, where every sample would be right.
    sample_weight : array_like, optional
        How much each sample counts.

    Raises
    ------
    ValueError
        For shapes that do not fit, no samples, NaN, or a k that is too large.
    IndexError
        For a label that is none of the columns.

    Examples
    --------
    >>> top_k_accuracy([2, 1], [[0.5, 0.2, 0.3], [0.5, 0.2, 0.3]], k=2)
    0.5
    """
    return TopKAccuracy(k)(y_true, y_pred, sample_weight)


def _ranks(labels, scores):
    """How many classes have a higher score than the label's, in each row; an equal score of a later class is higher."""
    columns = scores.shape[1]
    ones, places, ranks = np.ones(columns, np.float32), np.arange(columns), np.empty(len(labels), np.float32)
    for start in range(0, len(labels), max(1, _BLOCK // columns)):
        part = slice(start, start + max(1, _BLOCK // columns))
        rows, places_of = scores[part], labels[part, None].astype(np.intp)
        own = np.take_along_axis(rows, places_of, axis=1)
        ranks[part] = (rows > own).astype(np.float32) @ ones        # a product adds up rows sooner than sum does
        ties = np.flatnonzero((rows == own).astype(np.float32) @ ones > 1)
        ranks[start + ties] += ((rows[ties] == own[ties]) & (places > places_of[ties])).sum(axis=1)
    return ranks


def _right(right, sample_weight, who):
    """The weight of the right ones and of all."""
    weights = weights_for(sample_weight, right.shape, who)
    if weights is None:
        return float(np.count_nonzero(right)), float(right.size)
    return float((weights * right.reshape(-1)).sum()), float(weights.sum())     # quicker than picking them
