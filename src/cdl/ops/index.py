"""Elements by index."""
import numpy as np

from cdl._core import index as _index
from cdl._core import shape as _shape

__all__ = ["take"]


def take(x, indices, axis=None):
    """The elements, or slices along an axis, at the places in `indices`: an embedding is ``take(table, ids, 0)``.

    The gradient of x adds up what arrives at each place, as often as it was taken.

    Parameters
    ----------
    x : array_like
    indices : array_like of int
        Of any integer dtype and shape; negative ones count from the end.
    axis : int or None
        None: x is flattened first.

    Returns
    -------
    Tensor or ndarray
        With the axes of `indices` in the place of `axis`.

    Raises
    ------
    IndexError
        For an index out of range, or indices that are not integers.

    Examples
    --------
    >>> import cdl
    >>> cdl.take([1.0, 2.0, 3.0], [2, 0, 2])
    array([3., 1., 3.])
    """
    return _index.take(x, indices, axis)


def _np_take(a, indices, axis=None, *, mode="raise"):
    if mode != "raise":
        length = np.size(a) if axis is None else a.shape[axis]
        indices = np.asarray(indices)
        indices = indices % length if mode == "wrap" else np.clip(indices, 0, length - 1)
    return take(a, indices, axis)


def _take_along_axis(arr, indices, axis=-1):
    """arr[…, indices[…], …], where indices has the axes of arr."""
    if axis is None:
        return _index.take(arr, indices)
    ids = np.asarray(indices)
    if ids.ndim != arr.ndim:
        raise ValueError(f"np.take_along_axis: indices need the {arr.ndim} axes of the array, got shape {ids.shape}")
    axis %= arr.ndim
    grids = np.ogrid[tuple(slice(n) for n in ids.shape)]
    return arr[tuple(ids if k == axis else grids[k] if ids.shape[k] == arr.shape[k] else np.zeros_like(grids[k])
                     for k in range(arr.ndim))]


def _np_sort(a, axis=-1, *, stable=None, kind=None):
    if axis is None:
        a, axis = _shape.reshape(a, -1), 0
    return _take_along_axis(a, np.argsort(a.numpy(), axis=axis, kind="stable"), axis)


def _np_compress(condition, a, axis=None):
    kept = np.flatnonzero(np.asarray(condition))
    return _index.take(a, kept, axis)


def _np_extract(condition, arr):
    return _index.take(arr, np.flatnonzero(np.asarray(condition)))


METHODS = {"take": _index.take}
NUMPY = {np.take: _np_take, np.take_along_axis: _take_along_axis, np.sort: _np_sort, np.compress: _np_compress,
         np.extract: _np_extract}
