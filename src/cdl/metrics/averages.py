"""Precision, recall and their kin: a share for each class, averaged."""
import re

import numpy as np

from cdl._core.check import number
from cdl.extras import nearest
from cdl.metrics.labels import CountsMetric, spread

__all__ = ["F1", "FBeta", "Precision", "Recall", "Specificity", "f1", "fbeta", "precision", "recall", "specificity"]

AVERAGES = ("binary", "micro", "macro", "weighted", None)


class ClassShare(CountsMetric):
    """A share that each class has, and its average. A subclass says of what (`_parts`) and its name without the average."""

    title = ""

    def __init__(self, *, average="binary", pos_label=1, labels=None, zero_division=0.0, threshold=0.5):
        super().__init__(threshold=threshold)
        if average not in AVERAGES:
            raise ValueError(f"{self.title}: average must be 'binary', 'micro', 'macro', 'weighted' or None, got "
                             f"{average!r}{nearest(average, AVERAGES[:-1])}")
        self.average, self.pos_label = average, pos_label
        self.zero_division = number(zero_division, self.title, "zero_division")
        self.labels = None if labels is None else list(labels)
        self.is_number = average is not None

    @property
    def name(self):
        return self._name or (self.title if self.average in ("binary", None) else f"{self.title}_{self.average}")

    @name.setter
    def name(self, name):
        self._name = name

    _name = None

    def _value(self, state):
        classes, sums = state
        whole = sums[0].sum()
        labels = [self._positive(classes)] if self.average == "binary" else self.labels
        if labels is not None:
            sums = spread(classes, sums, labels, 1)
        over, under = self._parts(*sums, whole)
        if self.average == "micro":
            over, under = over.sum(keepdims=True), under.sum(keepdims=True)
        return averaged(shares(over, under, self.zero_division), self.average, sums[0])

    def _positive(self, classes):
        if len(classes) > 2:
            raise ValueError(f"{self.name}: there are {len(classes)} classes, and average='binary' is for two; choose 'micro', "
                             "'macro', 'weighted' or None")
        if len(classes) == 2 and self.pos_label not in classes.tolist():
            raise ValueError(f"{self.name}: pos_label={self.pos_label!r} is none of the labels "
                             f"{' and '.join(map(repr, classes.tolist()))}")
        return self.pos_label

    def _parts(self, true, predicted, hits, whole):
        raise NotImplementedError(f"{type(self).__name__} must define the share")


def shares(over, under, zero_division):
    """over / under, and zero_division where under is 0."""
    empty = under == 0
    return np.where(empty, zero_division, over / np.where(empty, 1, under))


def averaged(values, average, true):
    """The average of the classes' values, those that are NaN left out; all of them for None."""
    if average is None:
        return values
    there = ~np.isnan(values)
    if not there.any():
        return float("nan")
    weights = true[there] if average == "weighted" and true[there].any() else None
    return float(np.average(values[there], weights=weights))


class Precision(ClassShare):
    """Streaming `precision`."""

    title = "precision"

    def _parts(self, true, predicted, hits, whole):
        return hits, predicted


class Recall(ClassShare):
    """Streaming `recall`."""

    title = "recall"

    def _parts(self, true, predicted, hits, whole):
        return hits, true


class Specificity(ClassShare):
    """Streaming `specificity`."""

    title = "specificity"

    def _parts(self, true, predicted, hits, whole):
        return whole - true - predicted + hits, whole - true


class FBeta(ClassShare):
    """Streaming `fbeta`; its name is f2 for beta=2."""

    pattern = re.compile(r"f(\d+(?:\.\d+)?)")

    def __init__(self, beta, *, average="binary", pos_label=1, labels=None, zero_division=0.0, threshold=0.5):
        self.beta = number(beta, "fbeta", "beta")
        if not 0 <= self.beta:
            raise ValueError(f"fbeta: beta must be 0 or more, got {beta!r}")
        self.title = f"f{self.beta:g}"
        super().__init__(average=average, pos_label=pos_label, labels=labels, zero_division=zero_division, threshold=threshold)

    def _parts(self, true, predicted, hits, whole):
        if np.isinf(self.beta):
            return hits, true
        square = self.beta ** 2
        return (1 + square) * hits, square * true + predicted


class F1(FBeta):
    """Streaming `f1`."""

    def __init__(self, *, average="binary", pos_label=1, labels=None, zero_division=0.0, threshold=0.5):
        super().__init__(1.0, average=average, pos_label=pos_label, labels=labels, zero_division=zero_division,
                         threshold=threshold)


def precision(y_true, y_pred, *, sample_weight=None, average="binary", pos_label=1, labels=None, zero_division=0.0,
              threshold=0.5):
    """Of the samples taken for a class, the share that are of it: hits / predicted.

    Parameters
    ----------
    y_true, y_pred : as for `accuracy`
    sample_weight : array_like, optional
        How much each sample counts.
    average : {"binary", "micro", "macro", "weighted", None}
        "binary": of the class `pos_label` alone, where there are two at most. "micro": of all classes together, hits and
        predictions added up. "macro": the mean over the classes. "weighted": that by the classes' true samples. None: an
        array with one value for each class, sorted, or as `labels` has them. The classes are those of y_true or y_pred.
    pos_label : int or str
        The class that "binary" is about.
    labels : sequence, optional
        The classes to average over, and their order.
    zero_division : float
        The value of a class that has nothing to divide by; NaN leaves it out of averages.
    threshold : float
        Of probabilities (N,), as for `accuracy`.

    Raises
    ------
    ValueError
        As `accuracy`, and for an unknown average, or more than two classes with "binary".

    Examples
    --------
    >>> round(precision([0, 1, 1, 0], [0, 1, 1, 1]), 3)
    0.667
    >>> precision(["a", "b", "c"], ["a", "c", "c"], average=None)
    array([1. , 0. , 0.5])
    """
    return Precision(average=average, pos_label=pos_label, labels=labels, zero_division=zero_division,
                     threshold=threshold)(y_true, y_pred, sample_weight)


def recall(y_true, y_pred, *, sample_weight=None, average="binary", pos_label=1, labels=None, zero_division=0.0, threshold=0.5):
    """Of the samples of a class, the share taken for it: hits / true. Arguments and errors as for `precision`.

    Examples
    --------
    >>> round(recall([0, 1, 1, 1], [0.1, 0.9, 0.3, 0.2], threshold=0.25), 3)
    0.667
    """
    return Recall(average=average, pos_label=pos_label, labels=labels, zero_division=zero_division,
                  threshold=threshold)(y_true, y_pred, sample_weight)


def specificity(y_true, y_pred, *, sample_weight=None, average="binary", pos_label=1, labels=None, zero_division=0.0,
                threshold=0.5):
    """Of the samples that are not of a class, the share not taken for it: the recall of all others together.

    Arguments and errors as for `precision`.

    Examples
    --------
    >>> round(specificity([0, 0, 0, 1], [0, 0, 1, 1]), 3)
    0.667
    """
    return Specificity(average=average, pos_label=pos_label, labels=labels, zero_division=zero_division,
                       threshold=threshold)(y_true, y_pred, sample_weight)


def fbeta(y_true, y_pred, beta, *, sample_weight=None, average="binary", pos_label=1, labels=None, zero_division=0.0,
          threshold=0.5):
    """The weighted harmonic mean of precision and recall, which counts as beta times as important::

        (1 + beta²) hits / (beta² true + predicted)

    Other arguments and errors as for `precision`.

    Parameters
    ----------
    beta : float
        0 or more: 0 is precision, infinity recall.

    Source
    ------
    van Rijsbergen, "Information Retrieval", 1979, chapter 7.

    Examples
    --------
    >>> round(fbeta([0, 1, 1, 1], [0, 1, 0, 0], 2), 3)
    0.385
    """
    return FBeta(beta, average=average, pos_label=pos_label, labels=labels, zero_division=zero_division,
                 threshold=threshold)(y_true, y_pred, sample_weight)


def f1(y_true, y_pred, *, sample_weight=None, average="binary", pos_label=1, labels=None, zero_division=0.0, threshold=0.5):
    """The harmonic mean of precision and recall: 2 hits / (true + predicted). Arguments and errors as for `precision`.

    Examples
    --------
    >>> f1([0, 1, 2, 2], [0, 2, 2, 2], average="macro")
    0.6
    """
    return F1(average=average, pos_label=pos_label, labels=labels, zero_division=zero_division,
              threshold=threshold)(y_true, y_pred, sample_weight)
