"""Labels of any kind as places among sorted classes, and what is gathered of them: counts of each, a table of all pairs."""
import numpy as np

from cdl.metrics.inputs import decided, weights_for
from cdl.metrics.metric import Metric

__all__ = ["CountsMetric", "TableMetric", "spread"]

# A table of all pairs of labels is counted in one pass while it stays within the caches; a wider one is slower than three
# passes that count each label, each prediction and each hit alone.
_MOST_PAIRED = 1024
_MOST_CLASSES = 8192     # of a table: 512 MB


def encoded(y_true, y_pred, who):
    """Sorted classes, and both arrays, flat, as places among them; of whole numbers, some classes may have no sample."""
    y_true, y_pred = y_true.reshape(-1), y_pred.reshape(-1)
    if y_true.dtype.kind in "iub" and y_pred.dtype.kind in "iub":
        least, most = min(int(y_true.min()), int(y_pred.min())), max(int(y_true.max()), int(y_pred.max()))
        if most - least < 4 * len(y_true) + 1024 and abs(least) < 2**62 and most < 2**62:
            codes = (y.astype(np.int64, copy=False) for y in (y_true, y_pred))
            return np.arange(least, most + 1), *(y - least if least else y for y in codes)
        if np.result_type(y_true, y_pred).kind in "iu":     # not so of signed and unsigned ones of 8 bytes
            classes = np.union1d(np.unique(y_true), np.unique(y_pred))
            return classes, np.searchsorted(classes, y_true), np.searchsorted(classes, y_pred)
    # A dictionary finds the places of texts in half the time of np.unique.
    true, predicted = y_true.tolist(), y_pred.tolist()
    try:
        classes = sorted(set(true) | set(predicted))
    except TypeError:
        raise TypeError(f"{who}: labels must be all numbers or all texts; got dtypes {y_true.dtype} and "
                        f"{y_pred.dtype}") from None
    place = {label: i for i, label in enumerate(classes)}
    codes = (np.fromiter(map(place.__getitem__, labels), np.int64, len(labels)) for labels in (true, predicted))
    return np.array(classes), *codes


def present(classes, y_true, y_pred):
    """What `encoded` gave without the classes that have no sample."""
    seen = np.zeros(len(classes), bool)
    seen[y_true] = seen[y_pred] = True
    if seen.all():
        return classes, y_true, y_pred
    place = np.cumsum(seen) - 1
    return classes[seen], place[y_true], place[y_pred]


def pairs(y_true, y_pred, weights, classes):
    """The table of (classes, classes): the weight of the samples of each class, a row, taken for each, a column."""
    cells = y_true * classes
    cells += y_pred
    return np.bincount(cells, weights, classes * classes).reshape(classes, classes)


def count(classes, y_true, y_pred, weights):
    """The classes that have a sample, and for each the weight of its samples, of those taken for it, and of the hits."""
    n = len(classes)
    if n <= _MOST_PAIRED and n * n <= 4 * len(y_true) + 1024:
        table = pairs(y_true, y_pred, weights, n)
        sums = np.stack([table.sum(axis=1), table.sum(axis=0), table.diagonal()]).astype(np.float64)
    else:
        hit = y_true == y_pred
        sums = np.stack([np.bincount(codes, of, n) for codes, of in (
            (y_true, weights), (y_pred, weights), (y_true[hit], None if weights is None else weights[hit]))]).astype(np.float64)
    seen = sums[0] + sums[1] > 0
    if not seen.all():
        if weights is not None and not weights.all():       # a class whose samples all weigh nothing is there all the same
            seen[y_true] = seen[y_pred] = True
        classes, sums = classes[seen], sums[:, seen]
    return classes, sums


def united(one, other, axes):
    """The classes of two states (classes, array), and the sum of their arrays, whose last axes count classes."""
    if np.array_equal(one[0], other[0]):
        return one[0], one[1] + other[1]
    if (one[0].dtype.kind in "iu") != (other[0].dtype.kind in "iu"):
        raise TypeError(f"labels of two batches must be both numbers or both texts; got {one[0][0]!r} and {other[0][0]!r}")
    classes = np.union1d(one[0], other[0])
    return classes, spread(*one, classes, axes) + spread(*other, classes, axes)


def spread(known, array, classes, axes):
    """An array whose last axes count `known` classes, with the entries of `classes` instead, 0 for one that is not known."""
    place = {label: i for i, label in enumerate(known.tolist())}
    places = np.array([place.get(label, -1) for label in np.asarray(classes).tolist()], np.int64)
    for axis in range(array.ndim - axes, array.ndim):
        array = np.take(array, places, axis) * np.expand_dims(places >= 0, [i for i in range(array.ndim) if i != axis])
    return array


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
