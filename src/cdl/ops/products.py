"""Products of arrays, all made of one matrix product: dot, inner, outer, tensordot."""
import math

import numpy as np

from cdl._core import shape as _shape
from cdl._core.convert import convert
from cdl._core.matmul import matmul as _matmul
from cdl._core.tensor import Tensor

__all__ = ["dot", "outer", "tensordot"]


def _pair(a, b, who):
    """Both as Tensors or as ndarrays, whichever the result is to be."""
    make = Tensor if isinstance(a, Tensor) or isinstance(b, Tensor) else lambda x: convert(x, who)
    return tuple(x if isinstance(x, Tensor) else make(x) for x in (a, b))


def dot(a, b):
    """The product of two vectors (a number), of two matrices, or of the last axis of a and the last but one of b.

    Parameters
    ----------
    a, b : array_like
        An operand without axes scales the other.

    Returns
    -------
    Tensor or ndarray

    Raises
    ------
    ValueError
        If the lengths of the two axes differ.

    Source: section 1.2 of the notes (``np.dot(X.T, predictions - y)``).

    Examples
    --------
    >>> import cdl
    >>> float(cdl.dot([1.0, 2.0], [3.0, 4.0]))
    11.0
    """
    if np.ndim(a) == 0 or np.ndim(b) == 0:
        if isinstance(a, Tensor) or isinstance(b, Tensor):
            return a * b
        return np.multiply(convert(a, "dot"), convert(b, "dot"))
    if np.ndim(b) == 1 or (np.ndim(a) <= 2 and np.ndim(b) == 2):
        return _matmul(a, b)
    return tensordot(a, b, (-1, -2))


def inner(a, b):
    """The sum of products over the last axes of a and b."""
    if np.ndim(a) == 0 or np.ndim(b) == 0:
        return dot(a, b)
    return tensordot(a, b, (-1, -1))


def outer(a, b):
    """Every element of a times every element of b: y[i, j] = a[i] b[j], both flattened first.

    Examples
    --------
    >>> import cdl
    >>> cdl.ops.outer([1.0, 2.0], [3.0, 4.0])
    array([[3., 4.],
           [6., 8.]])
    """
    a, b = _pair(a, b, "outer")
    return a.reshape(-1, 1) * b.reshape(1, -1)


def tensordot(a, b, axes=2):
    """The sum of products over pairs of axes.

    Parameters
    ----------
    a, b : array_like
    axes : int, or (axes of a, axes of b)
        An integer N takes the last N axes of a with the first N of b, in order.

    Returns
    -------
    Tensor or ndarray
        With the other axes of a, then those of b.

    Raises
    ------
    ValueError
        If the axes of a pair differ in length.

    Examples
    --------
    >>> import cdl, numpy as np
    >>> cdl.ops.tensordot(np.ones((2, 3, 4)), np.ones((4, 3, 5)), ((1, 2), (1, 0))).shape
    (2, 5)
    """
    a, b = _pair(a, b, "tensordot")
    if np.ndim(axes) == 0:
        count = int(axes)
        if not 0 <= count <= min(a.ndim, b.ndim):
            raise ValueError(f"tensordot: axes must be 0 to {min(a.ndim, b.ndim)} for shapes {a.shape} and {b.shape}, "
                             f"got {axes}")
        axes = range(a.ndim - count, a.ndim), range(count)
    first, second = ([k % x.ndim if -x.ndim <= k < x.ndim else x.ndim for k in np.atleast_1d(one).tolist()]
                     for x, one in zip((a, b), axes, strict=True))
    if (len(first) != len(second) or a.ndim in first or b.ndim in second
            or [a.shape[k] for k in first] != [b.shape[k] for k in second]):
        raise ValueError(f"tensordot: expected pairs of axes of one length, got axes {first} of shape {a.shape} and "
                         f"{second} of shape {b.shape}")
    left = [k for k in range(a.ndim) if k not in first]
    right = [k for k in range(b.ndim) if k not in second]
    inside = math.prod(a.shape[k] for k in first)
    shape = tuple(a.shape[k] for k in left) + tuple(b.shape[k] for k in right)
    rows = _shape.transpose(a, (*left, *first)).reshape(math.prod(a.shape[k] for k in left), inside)
    columns = _shape.transpose(b, (*second, *right)).reshape(inside, math.prod(b.shape[k] for k in right))
    return _shape.reshape(_matmul(rows, columns), shape)


def _np_vdot(a, b):
    return _matmul(*(x.reshape(-1) for x in _pair(a, b, "vdot")))


def _np_vecdot(a, b, axis=-1):
    a, b = _pair(a, b, "vecdot")
    return (a * b).sum(axis)


def _np_multi_dot(arrays):
    a, *rest = arrays
    for b in rest:
        a = _matmul(a, b)
    return a


METHODS = {"dot": dot}
NUMPY = {np.dot: dot, np.inner: inner, np.outer: outer, np.tensordot: tensordot, np.vdot: _np_vdot,
         np.linalg.multi_dot: _np_multi_dot}
# In NumPy 2 only.
for _name, _function in (("vecdot", _np_vecdot), ("matvec", lambda a, b: _matmul(a, b[..., None])[..., 0]),
                         ("vecmat", lambda a, b: _matmul(a[..., None, :], b)[..., 0, :])):
    if hasattr(np, _name):
        NUMPY[getattr(np, _name)] = _function
for _name, _function in (("outer", outer), ("tensordot", tensordot), ("vecdot", _np_vecdot), ("matmul", _matmul)):
    if hasattr(np.linalg, _name):
        NUMPY[getattr(np.linalg, _name)] = _function
