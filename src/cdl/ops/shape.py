"""Views and joins: the same elements under another shape, in another order, or next to others."""
import numpy as np

from cdl._core import join as _join
from cdl._core import shape as _shape
from cdl._core.index import take as _take

__all__ = ["broadcast_to", "concatenate", "expand_dims", "flip", "moveaxis", "pad", "reshape", "split", "squeeze",
           "stack", "swapaxes", "transpose"]


def reshape(x, shape):
    """The elements of x, in their order, under another shape.

    Parameters
    ----------
    x : array_like
    shape : int or tuple of int
        One axis may be -1: its length is what is left.

    Returns
    -------
    Tensor or ndarray
        Of a Tensor, a view where its memory can be walked that way, else a copy.

    Raises
    ------
    ValueError
        If the product of `shape` is not the size of x.

    Examples
    --------
    >>> import cdl
    >>> cdl.reshape([1.0, 2.0, 3.0, 4.0], (2, -1))
    array([[1., 2.],
           [3., 4.]])
    """
    return _shape.reshape(x, shape)


def transpose(x, *axes):
    """x with its axes in another order; a view.

    Parameters
    ----------
    x : array_like
    *axes : int, or one tuple of int
        None given: the order is reversed. All given: axis i of the result is axis axes[i] of x. Two given of an array
        of more than two axes: these change places, as in ``scores = query @ key.transpose(-2, -1)``.

    Returns
    -------
    Tensor or ndarray

    Raises
    ------
    ValueError
        For an axis out of range, given twice, or missing.

    Source: section 6.2 of the notes, for two axes.

    Examples
    --------
    >>> import cdl
    >>> cdl.Tensor([[[1.0, 2.0]]]).transpose(-2, -1).shape
    (1, 2, 1)
    """
    return _shape.transpose(x, *axes)


def swapaxes(x, axis1, axis2):
    """x with two axes in each other's place; a view.

    Examples
    --------
    >>> import cdl, numpy as np
    >>> cdl.ops.swapaxes(np.zeros((2, 3, 4)), 0, -1).shape
    (4, 3, 2)
    """
    return _shape.swapaxes(x, axis1, axis2)


def moveaxis(x, source, destination):
    """x with the axes `source` at the places `destination` and the others in their order; a view.

    Parameters
    ----------
    x : array_like
    source, destination : int or tuple of int

    Examples
    --------
    >>> import cdl, numpy as np
    >>> cdl.ops.moveaxis(np.zeros((2, 3, 4)), 0, -1).shape
    (3, 4, 2)
    """
    ndim = np.ndim(x)
    sources, places = (_axes(axes, ndim, "moveaxis") for axes in (source, destination))
    if len(sources) != len(places):
        raise ValueError(f"moveaxis: expected as many places as axes, got source {source} and destination "
                         f"{destination}")
    order = [axis for axis in range(ndim) if axis not in sources]
    for place, axis in sorted(zip(places, sources, strict=True)):
        order.insert(place, axis)
    return _shape.transpose(x, tuple(order))


def expand_dims(x, axis):
    """x with an axis of length 1 at the place `axis` (an integer or several) of the result; a view.

    Examples
    --------
    >>> import cdl, numpy as np
    >>> cdl.ops.expand_dims(np.zeros((2, 3)), 1).shape
    (2, 1, 3)
    """
    return _shape.expand_dims(x, axis)


def squeeze(x, axis=None):
    """x without its axes of length 1 (all, or those that `axis` names); a view.

    Examples
    --------
    >>> import cdl, numpy as np
    >>> cdl.ops.squeeze(np.zeros((2, 1, 3, 1)), -1).shape
    (2, 1, 3)
    """
    return _shape.squeeze(x, axis)


def broadcast_to(x, shape):
    """x repeated along new axes in front and along axes of length 1; a view that cannot be assigned to.

    The gradient of x is the sum of that of the result over the repeated axes.

    Examples
    --------
    >>> import cdl
    >>> cdl.broadcast_to([1.0, 2.0], (2, 2))
    array([[1., 2.],
           [1., 2.]])
    """
    return _shape.broadcast_to(x, shape)


def flip(x, axis=None):
    """The elements in reverse order along `axis`: an integer, several, or None for every axis.

    Examples
    --------
    >>> import cdl
    >>> cdl.ops.flip([1.0, 2.0, 3.0])
    array([3., 2., 1.])
    """
    return _shape.flip(x, axis)


def concatenate(arrays, axis=0):
    """The arrays one after the other along an axis.

    Parameters
    ----------
    arrays : sequence of array_like
        Of the same shape but for `axis`. The result has the widest float dtype among them.
    axis : int or None
        None: every array is flattened first.

    Returns
    -------
    Tensor or ndarray
        A Tensor if one of the arrays is.

    Raises
    ------
    ValueError
        For an empty sequence, or shapes that differ elsewhere.

    Examples
    --------
    >>> import cdl
    >>> cdl.concatenate([[1.0, 2.0], [3.0]])
    array([1., 2., 3.])
    """
    return _join.concatenate(arrays, axis)


def stack(arrays, axis=0):
    """The arrays, all of one shape, as the elements of a new axis at the place `axis` of the result.

    Examples
    --------
    >>> import cdl
    >>> cdl.stack([[1.0, 2.0], [3.0, 4.0]], axis=1)
    array([[1., 3.],
           [2., 4.]])
    """
    return _join.stack(arrays, axis)


def split(x, sections, axis=0):
    """x in parts along an axis, each a view.

    Parameters
    ----------
    x : array_like
    sections : int or sequence of int
        How many parts of one length, or the places to cut at.
    axis : int

    Returns
    -------
    list of Tensor or ndarray

    Raises
    ------
    ValueError
        If the axis does not divide into that many parts.

    Examples
    --------
    >>> import cdl
    >>> cdl.split([1.0, 2.0, 3.0], [1])
    [array([1.]), array([2., 3.])]
    """
    return _join.split(x, sections, axis)


_MODES = ("edge", "reflect", "symmetric", "wrap")


def pad(x, widths, mode="constant", *, value=0.0):
    """x with more elements around it.

    Parameters
    ----------
    x : array_like
    widths : int, (before, after), or one (before, after) for each axis
    mode : str
        "constant": `value`; "edge": the outermost element; "reflect" and "symmetric": the elements mirrored, without
        and with the outermost one; "wrap": those of the other end.
    value : float
        For the mode "constant".

    Returns
    -------
    Tensor or ndarray

    Raises
    ------
    ValueError
        For a negative width or an unknown mode.

    Examples
    --------
    >>> import cdl
    >>> cdl.pad([1.0, 2.0], (1, 2))
    array([0., 1., 2., 0., 0.])
    """
    ndim = np.ndim(x)
    try:
        wide = np.broadcast_to(np.asarray(widths), (ndim, 2))
    except ValueError:
        raise ValueError(f"pad: widths must be an integer, (before, after), or that for each of the {ndim} axes, "
                         f"got {widths}") from None
    if wide.dtype.kind not in "iu" or (wide < 0).any():
        raise ValueError(f"pad: widths must be integers that are not negative, got {widths}")
    if mode == "constant":
        return _join.pad(x, tuple(map(tuple, wide.tolist())), value)
    if mode not in _MODES:
        raise ValueError(f"pad: mode must be one of constant, {', '.join(_MODES)}, got {mode!r}")
    y = x if hasattr(x, "backward") else np.asarray(x)
    for axis, pair in enumerate(wide):
        y = _take(y, np.pad(np.arange(y.shape[axis]), pair, mode), axis)
    return y


def _axes(axis, ndim, who):
    """Axes as a tuple of numbers from 0 to ndim-1, each once."""
    axes = tuple(axis) if isinstance(axis, (tuple, list)) else (axis,)
    for k in axes:
        if not -ndim <= k < ndim:
            raise ValueError(f"{who}: axis {k} is out of range for {ndim} axes (-{ndim} to {ndim - 1})")
    axes = tuple(k % ndim for k in axes)
    if len(set(axes)) != len(axes):
        raise ValueError(f"{who}: an axis is given twice in {axis}")
    return axes


# --- NumPy's own names, with NumPy's signatures -----------------------------------------------------------------------
def _np_reshape(a, /, shape=None, order="C", *, newshape=None, copy=None):
    if order not in ("C", "A", "K"):
        raise TypeError(f"np.reshape: a Tensor has only order 'C', got {order!r}; transpose it first")
    y = _shape.reshape(a, newshape if shape is None else shape)
    return _shape.copy(y) if copy else y


def _np_ravel(a, order="C"):
    return _np_reshape(a, -1, order)


def _np_array_split(ary, indices_or_sections, axis=0):
    return _join.split(ary, indices_or_sections, axis, False)


def _np_split(ary, indices_or_sections, axis=0):
    return _join.split(ary, indices_or_sections, axis)


def _np_pad(array, pad_width, mode="constant", *, constant_values=0.0):
    if np.ndim(constant_values):
        raise TypeError("np.pad: on a Tensor constant_values is one number")
    return pad(array, pad_width, mode, value=constant_values)


def _np_copy(a, order="K", subok=False):
    return _shape.copy(a)


def _np_trace(a, offset=0, axis1=0, axis2=1):
    return _shape.diagonal(a, offset, axis1, axis2).sum(-1)


def _np_hstack(tup):
    arrays = [_at_least(x, 1) for x in tup]
    return _join.concatenate(arrays, 0 if arrays and arrays[0].ndim == 1 else 1)


def _np_vstack(tup):
    return _join.concatenate([_at_least(x, 2) for x in tup], 0)


def _np_column_stack(tup):
    return _join.concatenate([x if np.ndim(x) > 1 else _shape.reshape(x, -1, 1) for x in tup], 1)


def _np_append(arr, values, axis=None):
    return _join.concatenate([arr, values], axis)


def _at_least(x, ndim):
    x = x if hasattr(x, "backward") else np.asarray(x)
    return _shape.reshape(x, (1,) * (ndim - x.ndim) + x.shape) if x.ndim < ndim else x


def _np_atleast_1d(*arys):
    out = tuple(_at_least(x, 1) for x in arys)
    return out[0] if len(out) == 1 else out


def _np_atleast_2d(*arys):
    out = tuple(_at_least(x, 2) for x in arys)
    return out[0] if len(out) == 1 else out


def _np_tile(A, reps):
    reps = tuple(np.atleast_1d(reps).tolist())
    y = _at_least(A, len(reps))
    for axis, count in enumerate((1,) * (y.ndim - len(reps)) + reps):
        if count != 1:
            y = _join.concatenate([y] * count, axis) if count > 0 else y[(slice(None),) * axis + (slice(0, 0),)]
    return _shape.copy(y) if y is A else y


def _np_repeat(a, repeats, axis=None):
    x, axis = (_shape.reshape(a, -1), 0) if axis is None else (a, axis)
    return _take(x, np.repeat(np.arange(x.shape[axis]), np.asarray(repeats)), axis)


def _np_roll(a, shift, axis=None):
    if axis is None:
        return _shape.reshape(_np_roll(_shape.reshape(a, -1), shift, 0), a.shape)
    shifts, axes = np.broadcast_arrays(shift, axis)
    y = a
    for by, k in zip(shifts.ravel().tolist(), axes.ravel().tolist(), strict=True):
        cut = -by % max(y.shape[k], 1)
        y = _join.concatenate(_join.split(y, [cut], k)[::-1], k)
    return y


def _np_rot90(m, k=1, axes=(0, 1)):
    first, second = axes
    if k % 4 == 0:
        return _shape.copy(m)
    if k % 4 == 2:
        return _shape.flip(m, (first, second))
    if k % 4 == 1:
        return _shape.swapaxes(_shape.flip(m, second), first, second)
    return _shape.flip(_shape.swapaxes(m, first, second), second)


def _np_diff(a, n=1, axis=-1):
    for _ in range(n):
        length = a.shape[axis]
        first, second = _join.split(a, [max(length - 1, 0)], axis)[0], _join.split(a, [1], axis)[1]
        a = second - first
    return a


def _np_diagonal(a, offset=0, axis1=0, axis2=1):
    return _shape.diagonal(a, offset, axis1, axis2)


def _np_sliding_window_view(x, window_shape, axis=None, *, subok=False, writeable=False):
    lengths = tuple(window_shape) if np.iterable(window_shape) else (window_shape,)
    axes = tuple(range(x.ndim)) if axis is None else tuple(axis) if np.iterable(axis) else (axis,)
    if len(lengths) != len(axes):
        raise ValueError(f"sliding_window_view: expected a window length for each of the axes {axes}, got {lengths}")
    if writeable:
        raise TypeError("sliding_window_view: windows of a Tensor are read only; leave out writeable=True")
    return _shape.sliding_windows(x, lengths, axes)


METHODS = {
    "reshape": _shape.reshape, "transpose": _shape.transpose, "T": property(_shape.transposed),
    "mT": property(_shape.matrix_transposed), "swapaxes": _shape.swapaxes, "ravel": _shape.ravel,
    "flatten": _shape.flatten, "squeeze": _shape.squeeze, "copy": _shape.copy,
    "diagonal": _shape.diagonal, "trace": _np_trace, "repeat": _np_repeat,
}
NUMPY = {
    np.reshape: _np_reshape, np.ravel: _np_ravel, np.transpose: _shape.numpy_transpose, np.swapaxes: _shape.swapaxes,
    np.moveaxis: moveaxis, np.expand_dims: expand_dims, np.squeeze: squeeze, np.broadcast_to: broadcast_to,
    np.flip: flip, np.flipud: lambda m: flip(m, 0), np.fliplr: lambda m: flip(m, 1), np.rot90: _np_rot90,
    np.concatenate: concatenate, np.stack: stack, np.hstack: _np_hstack, np.vstack: _np_vstack,
    np.column_stack: _np_column_stack, np.append: _np_append, np.split: _np_split, np.array_split: _np_array_split,
    np.pad: _np_pad, np.copy: _np_copy, np.diagonal: _np_diagonal, np.trace: _np_trace, np.tile: _np_tile,
    np.repeat: _np_repeat, np.roll: _np_roll, np.diff: _np_diff, np.atleast_1d: _np_atleast_1d,
    np.atleast_2d: _np_atleast_2d, np.lib.stride_tricks.sliding_window_view: _np_sliding_window_view,
    np.positive: lambda x: x,
}
