"""What a training or an evaluation goes through: samples and targets checked and converted, in batches."""
import numpy as np

from cdl._core.tensor import Tensor
from cdl.data.loader import Loader
from cdl.train.weights import weights_of

__all__ = ["Loaded", "Slices", "as_parameters", "checked", "prepared"]

_AS_TENSORS = frozenset(map(np.dtype, (np.float32, np.float64, np.int64, np.bool_)))


def checked(x, y, who):
    """Samples and targets as arrays of one length, at least 1."""
    if y is None:
        raise TypeError(f"{who}: y is missing; without it x must be a cdl.data.Loader, got {type(x).__name__}")
    if isinstance(x, Loader):
        raise TypeError(f"{who}: a Loader has the targets in its batches; leave y out")
    if isinstance(x, np.ma.MaskedArray) or isinstance(y, np.ma.MaskedArray):
        raise TypeError(f"{who}: masked arrays are not supported; fill the masked values first, with x.filled(value)")
    x, y = np.asarray(x), np.asarray(y)
    if x.ndim == 0 or y.ndim == 0 or len(x) != len(y):
        raise ValueError(f"{who}: x and y need one entry per sample along their first axis, got shapes "
                         f"{x.shape} and {y.shape}")
    if len(x) == 0:
        raise ValueError(f"{who}: there are no samples (x has shape {x.shape})")
    return x, y


def prepared(model, x, y):
    """Samples and targets as the ops read them, so that no batch is converted: labels as int64, floats as parameters."""
    y = y.astype(np.int64) if y.dtype.kind in "iu" and y.dtype.itemsize < 8 else y
    return as_parameters(model, x), as_parameters(model, y)


def as_parameters(model, array):
    """Floating samples in the type of the model's parameters; others as they are."""
    if array.dtype.kind != "f":
        return array
    return np.ascontiguousarray(array, dtype=model.parameter_dtype() or np.float32)


class Slices:
    """Batches of prepared arrays, in their order, as views; weights may be None."""

    def __init__(self, x, y, weights, size):
        self.arrays, self.size, self.samples = (x, y, weights), size, len(x)

    def __iter__(self):
        for start in range(0, len(self.arrays[0]), self.size):
            part = slice(start, start + self.size)
            yield tuple(None if array is None else array[part] for array in self.arrays)


class Loaded:
    """The batches of a Loader, checked and prepared as arrays are, and as Tensors where layers and loss are to get those."""

    def __init__(self, model, loader, who, *, tensors=False):
        self.model, self.loader, self.who, self.tensors, self.samples = model, loader, who, tensors, loader.samples
        model.ensure_built(as_parameters(model, self._split(loader.first())[0]))

    def __iter__(self):
        for batch in self.loader:
            x, y, weights = self._split(batch)
            if weights is not None and not np.any(weights):
                continue        # no sample of it counts
            weights = weights_of(y, weights, None, self.who)
            x, y = prepared(self.model, x, y)
            if self.tensors:
                x, y = (Tensor(array) if array.dtype in _AS_TENSORS else array for array in (x, y))
            yield x, y, weights

    def _split(self, batch):
        if not isinstance(batch, (tuple, list)) or len(batch) not in (2, 3):
            raise ValueError(f"{self.who}: the batches of the Loader must be (x, y) or (x, y, sample_weight), got "
                             f"{f'{len(batch)} arrays' if isinstance(batch, (tuple, list)) else type(batch).__name__}")
        return (*checked(*batch[:2], self.who), batch[2] if len(batch) == 3 else None)
