"""Batches of samples that come one after the other, from an iterator, and batches of arrays in files, read forwards."""
import numpy as np

__all__ = ["Stream", "gathered", "is_stream", "stacked"]

# Orders are drawn for so many samples at a time: one draw costs as much as a few hundred.
_DRAWS = 256


def is_stream(data):
    """Whether data is a function that makes an iterator, or an iterable without data[i]."""
    return (callable(data) and not hasattr(data, "__getitem__")) or (
        hasattr(data, "__iter__") and not hasattr(data, "__getitem__") and not isinstance(data, (set, frozenset)))


class Stream:
    """The batches of a source that is gone through from the beginning for each epoch.

    Parameters
    ----------
    source : iterable or function without arguments
    batch_size : int or None
        None: what comes are batches already.
    buffer_size : int
        How many samples are held to draw from where they are shuffled.
    """

    def __init__(self, source, batch_size, buffer_size):
        if not callable(source) and iter(source) is source:
            raise TypeError(f"Loader: a {type(source).__name__} can be gone through only once, and every epoch needs it; give "
                            "the function that makes it, or a class with __iter__")
        self.source, self.batch_size, self.buffer_size = source, batch_size, buffer_size
        self.count = len(source) if hasattr(source, "__len__") else None

    def items(self):
        made = self.source() if callable(self.source) else self.source
        if not hasattr(made, "__iter__"):
            raise TypeError(f"Loader: the function must return an iterator of samples, got {type(made).__name__}")
        return iter(made)

    def batches(self, rng, drop_last, stop):
        """The batches of an epoch as tuples of arrays, and whether each is of one array; shuffled where rng is given."""
        items, some = self.items(), False
        try:
            held = []
            for item in items if rng is None else shuffled(items, self.buffer_size, rng):
                if stop.is_set():
                    return
                some = True
                if self.batch_size is None:
                    yield _as_batch(item)
                    continue
                held.append(item)
                if len(held) == self.batch_size:
                    yield _stacked(held)
                    held = []
            if held and not drop_last:
                yield _stacked(held)
            if not some:
                raise ValueError("Loader: the iterator gave no samples"
                                 + ("" if callable(self.source) else "; every epoch goes through it from the beginning"))
        finally:
            if hasattr(items, "close"):
                items.close()

    def first(self):
        """The first sample as a batch of one."""
        items = self.items()
        try:
            item = next(items, items)
            if item is items:
                raise ValueError("Loader: the iterator gave no samples")
            if self.batch_size is not None:
                return _stacked([item])
            batch, alone = _as_batch(item)
            return tuple(array[:1] for array in batch), alone
        finally:
            if hasattr(items, "close"):
                items.close()


def shuffled(items, size, rng):
    """The items in a random order, of which `size` are held at a time: each drawn one is replaced by the next."""
    held, draws = [], iter(())
    for item in items:
        if len(held) < size:
            held.append(item)
            continue
        i = next(draws, None)
        if i is None:
            draws = iter(rng.integers(size, size=_DRAWS).tolist())
            i = next(draws)
        held[i], item = item, held[i]
        yield item
    for i in rng.permutation(len(held)).tolist():
        yield held[i]


def _as_batch(item):
    """A batch that came whole, as a tuple of arrays of one length, and whether it is one array."""
    arrays = tuple(np.asarray(part) for part in item) if isinstance(item, (tuple, list)) else (np.asarray(item),)
    if not arrays or len({array.shape[:1] for array in arrays}) > 1 or not arrays[0].ndim or not len(arrays[0]):
        raise ValueError("Loader: with batch_size=None the iterator gives batches, arrays of one length along their first "
                         f"axis; got shapes {[array.shape for array in arrays]}")
    return arrays, not isinstance(item, (tuple, list))


def _stacked(samples):
    alone = not isinstance(samples[0], tuple)
    return stacked([sample if isinstance(sample, tuple) else (sample,) for sample in samples]), alone


def stacked(samples):
    """Samples, tuples of parts, as a tuple of arrays."""
    try:
        return tuple(np.stack([np.asarray(part) for part in parts]) for parts in zip(*samples, strict=True))
    except ValueError:
        shapes = sorted({str(tuple(np.shape(part) for part in sample)) for sample in samples})
        raise ValueError(f"Loader: the samples of a batch must have equal shapes, got {', '.join(shapes)}; give the data set "
                         "a size, or resize them") from None


def in_file(array):
    """Whether an array's memory is that of a mapped file, directly or as a view."""
    while array is not None:
        if isinstance(array, np.memmap):
            return True
        array = getattr(array, "base", None)
    return False


def gathered(array, rows, forwards):
    """Rows of an array as a new one; `forwards`: read in ascending order, as a disk does it best."""
    if len(rows) and rows[-1] - rows[0] == len(rows) - 1 and (rows[1:] > rows[:-1]).all():
        return np.array(array[rows[0]:rows[-1] + 1])
    if not forwards:
        return array.take(rows, axis=0)
    order = rows.argsort()
    out = np.empty((len(rows), *array.shape[1:]), array.dtype)
    out[order] = array[rows[order]]
    return out
