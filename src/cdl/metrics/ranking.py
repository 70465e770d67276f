"""How well scores order the samples: ROC and precision-recall curves, the areas under them."""
from itertools import combinations

import numpy as np

from cdl.extras import nearest
from cdl.metrics.inputs import columns_of, scored, weights_for
from cdl.metrics.metric import KeptMetric
from cdl.metrics.probability import as_probabilities

__all__ = ["ROCAUC", "AveragePrecision", "average_precision", "precision_recall_curve", "roc_auc", "roc_curve"]


class Ranking(KeptMetric):
    """A metric of scores (N,) of one class, or (N, C), that keeps them all."""

    averages = ()

    def _keep(self, y_true, y_pred, sample_weight):
        y_true, scores, shape = scored(y_true, y_pred, self.name)
        return y_true, scores, weights_for(sample_weight, shape, self.name)

    def _check_average(self, average):
        if average not in self.averages:
            raise ValueError(f"{self.name}: average must be one of {', '.join(map(repr, self.averages))}, got "
                             f"{average!r}{nearest(average, [one for one in self.averages if one])}")
        self.average, self.is_number = average, average is not None

    def _two(self, y_true, scores):
        """Which samples are of the positive class, and its scores; None where there are more than two classes."""
        if scores.shape[1] == 1:
            return positives(y_true, self.pos_label, self.name), scores[:, 0]
        if scores.shape[1] > 2:
            return None
        classes = self.labels or ([0, 1] if y_true.dtype.kind in "iufb" else sorted(set(y_true.tolist())))
        codes = columns_of(y_true, 2, classes, self.name)
        if self.pos_label is not None and self.pos_label not in classes:
            _refuse_classes(classes, self.name, self.pos_label)
        place = 1 if self.pos_label is None else classes.index(self.pos_label)
        return codes == place, scores[:, place]


def positives(y_true, pos_label, who):
    """Which samples are of the positive class: pos_label, or of two labels the greater one."""
    if y_true.dtype.kind == "b":
        return y_true if pos_label in (None, True) else ~y_true
    if pos_label is None and y_true.dtype.kind in "iuf":
        least, most = y_true.min(), y_true.max()
        hits = y_true == most
        if least == most or not (hits | (y_true == least)).all():
            _refuse_classes(np.unique(y_true).tolist(), who)
        return hits
    classes = np.unique(y_true).tolist() if y_true.dtype.kind in "iuf" else sorted(set(y_true.tolist()))
    if pos_label is None and len(classes) == 2:
        pos_label = classes[1]
    if pos_label is None or len(classes) < 2 or pos_label not in classes:
        _refuse_classes(classes, who, pos_label)
    return np.asarray(y_true == pos_label, bool)


def _refuse_classes(classes, who, pos_label=None):
    if len(classes) == 1:
        raise ValueError(f"{who}: only one class is in y_true, {classes[0]!r}; it takes samples of both to order them")
    if pos_label is not None:
        raise ValueError(f"{who}: pos_label={pos_label!r} is none of the labels {', '.join(map(repr, classes[:9]))}")
    raise ValueError(f"{who}: there are {len(classes)} classes in y_true; scores of one class take two, or a pos_label; "
                     "of more, y_pred needs a column for each")


def counts_at_thresholds(positive, scores, weights=None):
    """At each different score, from the highest: the weight of positives and of others scored as high, and the score."""
    if weights is not None and not weights.all():       # a sample that weighs nothing is no threshold
        there = weights > 0
        if not there.any():
            return np.zeros(1), np.zeros(1), scores[:1]
        positive, scores, weights = positive[there], scores[there], weights[there]
    order = np.argsort(-scores) if scores.dtype.kind == "f" else np.argsort(scores)[::-1]
    scores, positive = scores[order], positive[order]
    ends = np.flatnonzero(np.append(scores[1:] != scores[:-1], True))
    pick = (lambda counts: counts) if len(ends) == len(scores) else (lambda counts: counts[ends])
    if weights is None:
        hits = pick(np.cumsum(positive, dtype=np.float64))
        return hits, ends + 1 - hits, pick(scores)
    weights = weights[order]
    up = weights * positive
    return pick(np.cumsum(up)), pick(np.cumsum(weights - up)), pick(scores)


def _area(positive, scores, weights=None):
    """The area under the ROC curve by the trapezoidal rule; NaN where all samples are positive or none is."""
    hits, misses, _ = counts_at_thresholds(positive, scores, weights)
    if not hits[-1] or not misses[-1]:
        return float("nan")
    hits, misses = (np.concatenate(([0.0], counts)) for counts in (hits, misses))
    return float(np.diff(misses) @ (hits[1:] + hits[:-1]) / (2 * hits[-1] * misses[-1]))


def _precision_area(positive, scores, weights=None):
    """Σ (change of recall) precision."""
    hits, misses, _ = counts_at_thresholds(positive, scores, weights)
    if not hits[-1]:
        return float("nan")
    taken = hits + misses
    precision = hits / np.where(taken == 0, 1, taken)
    return float(np.diff(hits, prepend=0.0) @ precision / hits[-1])


class ROCAUC(Ranking):
    """Streaming `roc_auc`; it keeps all scores."""

    name, averages = "roc_auc", ("macro", "weighted", "micro", None)

    def __init__(self, *, multi_class="ovr", average="macro", labels=None, pos_label=None, from_logits=False):
        if multi_class not in ("ovr", "ovo"):
            raise ValueError(f"{self.name}: multi_class must be 'ovr' or 'ovo', got {multi_class!r}")
        self._check_average(average)
        if multi_class == "ovo" and average in ("micro", None):
            raise ValueError(f"{self.name}: average must be 'macro' or 'weighted' of pairs of classes ('ovo'), got {average!r}")
        self.multi_class, self.pos_label, self.from_logits = multi_class, pos_label, from_logits
        self.labels = None if labels is None else list(labels)

    def _figure(self, y_true, scores, weights):
        if scores.shape[1] > 2 or (scores.shape[1] == 2 and self.from_logits):
            scores = as_probabilities(scores, self.from_logits, self.name)
        if two := self._two(y_true, scores):
            return _refuse_nan(_area(*two, weights), self.name)
        y_true = columns_of(y_true, scores.shape[1], self.labels, self.name)
        pick = _one_against_one if self.multi_class == "ovo" else one_against_rest
        return pick(_area, y_true, scores, weights, self.average, self.name)


def _refuse_nan(area, who):
    if area != area:
        raise ValueError(f"{who}: only one class is in y_true, or has a weight above 0; it takes samples of both to order them")
    return area


def one_against_rest(area, y_true, scores, weights, average, who):
    """The average over the classes of the area of each against all others."""
    columns = scores.shape[1]
    if average == "micro":
        return area((y_true[:, None] == np.arange(columns)).reshape(-1), scores.reshape(-1),
                    None if weights is None else np.repeat(weights, columns))
    areas = np.array([area(y_true == c, np.ascontiguousarray(scores[:, c]), weights) for c in range(columns)])
    if average is None:
        return areas
    if np.isnan(areas).any():
        raise ValueError(f"{who}: y_true holds no sample of class {int(np.isnan(areas).argmax())} (counted from 0), or no "
                         "other; average=None gives the classes that can be measured")
    return float(np.average(areas, weights=np.bincount(y_true, weights, columns) if average == "weighted" else None))


def _one_against_one(area, y_true, scores, weights, average, who):
    """The average over all pairs of classes of the areas of each against the other (Hand and Till)."""
    rows = [np.flatnonzero(y_true == c) for c in range(scores.shape[1])]
    for c, of_class in enumerate(rows):
        if not len(of_class) or (weights is not None and not weights[of_class].any()):
            raise ValueError(f"{who}: y_true holds no sample of class {c} (counted from 0)")
    areas, shares = [], []
    for a, b in combinations(range(len(rows)), 2):
        both = np.concatenate([rows[a], rows[b]])
        first, of_both = np.arange(len(both)) < len(rows[a]), None if weights is None else weights[both]
        areas.append((area(first, scores[both, a], of_both) + area(~first, scores[both, b], of_both)) / 2)
        shares.append(len(both) if weights is None else of_both.sum())
    return float(np.average(areas, weights=shares if average == "weighted" else None))


class AveragePrecision(Ranking):
    """Streaming `average_precision`; it keeps all scores."""

    name, averages, labels = "average_precision", ("macro", "weighted", "micro", None), None

    def __init__(self, *, average="macro", labels=None, pos_label=None):
        self._check_average(average)
        self.labels, self.pos_label = None if labels is None else list(labels), pos_label

    def _figure(self, y_true, scores, weights):
        if two := self._two(y_true, scores):
            return _refuse_nan(_precision_area(*two, weights), self.name)
        y_true = columns_of(y_true, scores.shape[1], self.labels, self.name)
        return one_against_rest(_precision_area, y_true, scores, weights, self.average, self.name)


def roc_auc(y_true, y_pred, *, sample_weight=None, multi_class="ovr", average="macro", labels=None, pos_label=None,
            from_logits=False):
    """The area under the ROC curve: the chance that a sample of the class has a higher score than one of another class.

    Parameters
    ----------
    y_true : array_like
        Labels (N,), numbers or texts, or one-hot rows (N, C).
    y_pred : array_like or Tensor
        For two classes the scores of the positive one, (N,) or (N, 1), or scores (N, 2). For C classes probabilities (N, C).
    sample_weight : array_like, optional
        How much each sample counts.
    multi_class : {"ovr", "ovo"}
        Of C classes: each against the rest, or each against each other.
    average : {"macro", "weighted", "micro", None}
        Over the classes, or pairs: the mean, the mean by the number of their samples, of all columns as one (ovr), or an
        array with one area for each class (ovr), NaN for one without samples.
    labels : sequence, optional
        The classes of the columns, in their order. Default: 0 … C - 1, or for texts their sorted values.
    pos_label : int or str, optional
        The positive one of two classes. Default: the greater.
    from_logits : bool
        Whether (N, C) are logits, of which softmax makes probabilities first: across samples, these are in another order.

    Raises
    ------
    ValueError
        For NaN, lengths that differ, one class only, a class without a sample, rows of probabilities whose sum is not 1,
        or unknown options.
    IndexError
        For a label that is none of the columns.

    Source
    ------
    Fawcett, "An introduction to ROC analysis", 2006; for pairs Hand and Till, 2001.

    Examples
    --------
    >>> roc_auc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    0.75
    """
    return ROCAUC(multi_class=multi_class, average=average, labels=labels, pos_label=pos_label,
                  from_logits=from_logits)(y_true, y_pred, sample_weight)


def average_precision(y_true, y_pred, *, sample_weight=None, average="macro", labels=None, pos_label=None):
    """The precision at every threshold, weighted by the recall that it adds: Σ (Rᵢ - Rᵢ₋₁) Pᵢ, from the highest score.

    Arguments and errors as for `roc_auc`; of C classes each against the rest, the scores (N, C) as they are.

    Examples
    --------
    >>> round(average_precision([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]), 3)
    0.833
    """
    return AveragePrecision(average=average, labels=labels, pos_label=pos_label)(y_true, y_pred, sample_weight)


def roc_curve(y_true, y_pred, *, sample_weight=None, pos_label=None, drop_intermediate=True):
    """The share of false and of true positives at every threshold, from the highest: the points of the ROC curve.

    Parameters
    ----------
    y_true, y_pred, sample_weight, pos_label : as for `roc_auc` of two classes
    drop_intermediate : bool
        Whether to leave out points on the line between their neighbours.

    Returns
    -------
    fpr, tpr, thresholds : ndarrays of float64
        From (0, 0), at an infinite threshold, to (1, 1); a sample is positive if its score is the threshold at least.

    Examples
    --------
    >>> fpr, tpr, thresholds = roc_curve([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    >>> fpr, tpr
    (array([0. , 0. , 0.5, 0.5, 1. ]), array([0. , 0.5, 0.5, 1. , 1. ]))
    """
    hits, misses, thresholds = _curve(y_true, y_pred, sample_weight, pos_label, "roc_curve")
    if drop_intermediate and len(hits) > 2:
        corner = np.concatenate(([True], (np.diff(misses, 2) != 0) | (np.diff(hits, 2) != 0), [True]))
        hits, misses, thresholds = hits[corner], misses[corner], thresholds[corner]
    hits, misses, thresholds = (np.concatenate(([first], values)) for first, values in (
        (0.0, hits), (0.0, misses), (np.inf, thresholds.astype(np.float64))))
    return misses / misses[-1], hits / hits[-1], thresholds


def precision_recall_curve(y_true, y_pred, *, sample_weight=None, pos_label=None):
    """Precision and recall at every threshold, from the lowest, and at last precision 1 and recall 0.

    Parameters
    ----------
    y_true, y_pred, sample_weight, pos_label : as for `roc_auc` of two classes

    Returns
    -------
    precision, recall : ndarrays of float64, of shape (thresholds + 1,)
    thresholds : ndarray
        The different scores, rising; a sample is positive if its score is the threshold at least.

    Examples
    --------
    >>> precision, recall, thresholds = precision_recall_curve([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    >>> recall, thresholds
    (array([1. , 1. , 0.5, 0.5, 0. ]), array([0.1 , 0.35, 0.4 , 0.8 ]))
    """
    hits, misses, thresholds = _curve(y_true, y_pred, sample_weight, pos_label, "precision_recall_curve")
    taken = hits + misses
    precision = hits / np.where(taken == 0, 1, taken)
    return np.append(precision[::-1], 1.0), np.append(hits[::-1] / hits[-1], 0.0), thresholds[::-1]


def _curve(y_true, y_pred, sample_weight, pos_label, who):
    metric = AveragePrecision(pos_label=pos_label)
    metric.name = who
    y_true, scores, weights = metric._keep(y_true, y_pred, sample_weight)
    two = metric._two(y_true, scores)
    if two is None:
        raise ValueError(f"{who}: expected scores of one class, (N,), got {scores.shape[1]} columns")
    counts = counts_at_thresholds(*two, weights)
    if not counts[0][-1] or not counts[1][-1]:
        _refuse_nan(float("nan"), who)
    return counts
