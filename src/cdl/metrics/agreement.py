"""How far predictions agree with the labels beyond chance."""
import numpy as np

from cdl.metrics.labels import CountsMetric, TableMetric

__all__ = ["BalancedAccuracy", "CohenKappa", "Matthews", "balanced_accuracy", "cohen_kappa", "matthews"]


class BalancedAccuracy(CountsMetric):
    """Streaming `balanced_accuracy`."""

    name = "balanced_accuracy"

    def __init__(self, *, adjusted=False, threshold=0.5):
        super().__init__(threshold=threshold)
        self.adjusted = adjusted

    def _value(self, state):
        true, _, hits = state[1]
        there = true > 0
        if not there.any():
            raise ValueError(f"{self.name}: all sample weights are 0")
        score, chance = float(np.mean(hits[there] / true[there])), 1 / np.count_nonzero(there)
        if not self.adjusted:
            return score
        return (score - chance) / (1 - chance) if chance < 1 else float("nan")


def balanced_accuracy(y_true, y_pred, *, sample_weight=None, adjusted=False, threshold=0.5):
    """The mean over the classes of y_true of the share of their samples that are found: the macro average of recall.

    Parameters
    ----------
    y_true, y_pred, sample_weight, threshold : as for `accuracy`
    adjusted : bool
        Scaled so that chance, 1 of C classes, gives 0 and all right 1.

    Examples
    --------
    >>> balanced_accuracy([0, 0, 0, 1], [0, 0, 0, 0])
    0.5
    """
    return BalancedAccuracy(adjusted=adjusted, threshold=threshold)(y_true, y_pred, sample_weight)


class CohenKappa(TableMetric):
    """Streaming `cohen_kappa`."""

    name = "cohen_kappa"

    def __init__(self, *, weights=None, labels=None, threshold=0.5):
        super().__init__(labels=labels, threshold=threshold)
        if weights not in (None, "linear", "quadratic"):
            raise ValueError(f"{self.name}: weights must be None, 'linear' or 'quadratic', got {weights!r}")
        self.weights = weights

    def _value(self, state):
        table = self._table(state).astype(np.float64)
        apart = np.abs(np.subtract.outer(*[np.arange(len(table))] * 2))
        cost = {None: apart > 0, "linear": apart, "quadratic": apart ** 2}[self.weights]
        whole = table.sum()
        by_chance = (cost * np.outer(table.sum(axis=1), table.sum(axis=0))).sum() / whole if whole else 0.0
        return float(1 - (cost * table).sum() / by_chance) if by_chance else float("nan")


def cohen_kappa(y_true, y_pred, *, sample_weight=None, weights=None, labels=None, threshold=0.5):
    """Agreement beyond chance: 1 - disagreement / that of the same labels and predictions, if they were independent.

    1 is all right, 0 is chance; NaN where both hold one class only, the same.

    Parameters
    ----------
    y_true, y_pred, sample_weight, threshold : as for `accuracy`
    weights : {None, "linear", "quadratic"}
        What a wrong class costs: the same, or by how many places (or its square) it is beside the right one.
    labels : sequence, optional
        The classes, in their order; samples of others are left out. Default: all, sorted.

    Source
    ------
    Cohen, "A coefficient of agreement for nominal scales", 1960; "Weighted kappa", 1968.

    Examples
    --------
    >>> cohen_kappa([0, 1, 1, 0], [0, 1, 0, 0])
    0.5
    """
    return CohenKappa(weights=weights, labels=labels, threshold=threshold)(y_true, y_pred, sample_weight)


class Matthews(CountsMetric):
    """Streaming `matthews`."""

    name = "matthews"

    def _value(self, state):
        true, predicted, hits = state[1]
        whole = true.sum()
        together = hits.sum() * whole - true @ predicted
        spread = (whole * whole - true @ true) * (whole * whole - predicted @ predicted)
        return float(together / np.sqrt(spread)) if spread > 0 else 0.0


def matthews(y_true, y_pred, *, sample_weight=None, threshold=0.5):
    """The correlation of labels and predictions (Matthews), 1 for all right, -1 for two classes taken for each other::

        (hits n - Σ true predicted) / √((n² - Σ true²) (n² - Σ predicted²))

    0 where all labels, or all predictions, are of one class. Arguments and errors as for `accuracy`.

    Source
    ------
    Matthews, 1975; for more than two classes Gorodkin, "Comparing two K-category assignments", 2004.

    Examples
    --------
    >>> round(matthews([1, 1, 1, 0], [1, 0, 1, 1]), 3)
    -0.333
    """
    return Matthews(threshold=threshold)(y_true, y_pred, sample_weight)
