"""The samples of a training run, batch by batch."""
import numpy as np

from cdl._core.tensor import Tensor

# Samples up to this size are put in their new order once an epoch; larger ones batch by batch, to save the memory.
_REORDER_BYTES = 1 << 28
# What a Tensor holds as it is.
_TENSOR_DTYPES = frozenset(map(np.dtype, (np.float32, np.float64, np.int64, np.bool_)))


class Batches:
    """Samples x, targets y and weights w in batches, in a new order each time it is gone through.

    A batch is a view of memory that is filled anew every epoch: nothing is copied or converted once more for a batch,
    and Tensors spare each op the look into an ndarray (0.2 µs) and lie where vector instructions read fastest.

    Parameters
    ----------
    x, y : ndarray
    w : ndarray or None
    size : int
        Samples a batch; the last one may be smaller.
    rng : numpy.random.Generator or None
        Where the orders come from; None keeps the order as it is.
    """

    def __init__(self, x, y, w, size, rng):
        self.size, self._rng, self._sources = size, rng, (x, y, w)
        self._held = None
        if x.nbytes + y.nbytes <= _REORDER_BYTES:
            self._held = [None if array is None else _held(array, fill=rng is None) for array in self._sources]

    def __iter__(self):
        n = len(self._sources[0])
        x, y, w = self._held or self._sources
        order = None
        if self._rng is not None:
            order = self._rng.permutation(n)
            if self._held:
                for source, held in zip(self._sources, self._held, strict=True):
                    if held is not None:
                        np.take(source, order, axis=0, out=np.asarray(held), mode="clip")   # "raise" would buffer
                order = None
        for start in range(0, n, self.size):
            part = slice(start, start + self.size) if order is None else order[start:start + self.size]
            yield x[part], y[part], None if w is None else w[part]


def _held(array, fill):
    """Memory for an array like this one, a Tensor where it can be; filled with it or not."""
    if array.dtype in _TENSOR_DTYPES:
        return Tensor(array)
    return array.copy() if fill else np.empty_like(array)
