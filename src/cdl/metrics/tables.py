"""What the metrics of labels gather: counts of each class, or a table of all pairs of classes."""
import numpy as np

from cdl.metrics.inputs import decided, weights_for
from cdl.metrics.labels import count, encoded, pairs, present, spread, united
from cdl.metrics.metric import Metric

__all__ = ["CountsMetric", "TableMetric"]

_MOST_CLASSES = 8192     # of a table: 512 MB


class CountsMetric(Metric):
    """A metric of the classes' counts. The state is (classes, sums): in the three rows of sums, for each class, the weight
    of the samples that are of it, of those taken for it, and of the hits, which are both.
    """

    def __init__(self, *, threshold=0.5):
        self.threshold = threshold

    def _batch(self, y_true, y_pred, sample_weight):
        y_true, y_pred = decided(y_true, y_pred, self.name, self.threshold)
        weights = weights_for(sample_weight, y_true.shape, self.name)
        return count(*encoded(y_true, y_pred, self.name), weights)

    def _joined(self, one, other):
        return united(one, other, 1)


class TableMetric(Metric):
    """A metric of the table of all pairs of classes. The state is (classes, table), a row for each true class."""

    def __init__(self, *, labels=None, threshold=0.5):
        self.labels, self.threshold = None if labels is None else list(labels), threshold
        if labels is not None and not self.labels:
            raise ValueError(f"{self.name}: labels is empty; name one class at least")

    def _batch(self, y_true, y_pred, sample_weight):
        y_true, y_pred = decided(y_true, y_pred, self.name, self.threshold)
        weights = weights_for(sample_weight, y_true.shape, self.name)
        classes, y_true, y_pred = encoded(y_true, y_pred, self.name)
        if len(classes) > _MOST_CLASSES or len(classes) ** 2 > 4 * len(y_true) + 1024:
            classes, y_true, y_pred = present(classes, y_true, y_pred)
            if len(classes) > _MOST_CLASSES:
                raise ValueError(f"{self.name}: a table of {len(classes)} classes is too large; {_MOST_CLASSES} are the most")
        return self._without_absent(classes, y_true, y_pred, weights)

    def _without_absent(self, classes, y_true, y_pred, weights):
        table = pairs(y_true, y_pred, weights, len(classes))
        seen = table.any(axis=0) | table.any(axis=1)
        if not seen.all():
            if weights is not None and not weights.all():   # a class whose samples all weigh nothing is there all the same
                seen[y_true] = seen[y_pred] = True
            classes, table = classes[seen], table[np.ix_(seen, seen)]
        return classes, table

    def _joined(self, one, other):
        return united(one, other, 2)

    def _table(self, state):
        return state[1] if self.labels is None else spread(*state, self.labels, 2)
