"""Reductions along any axes: sums, moments, extremes, where they stand, running sums, norms.

`axis` is an integer, a tuple of integers, or None for all axes; negative axes count from the end. Sums are at least as exact
as NumPy's pairwise ones and have the same bits for every number of threads. A NaN makes the result NaN. Integers and
booleans give what NumPy gives, without a gradient.
"""
import numpy as np

from cdl._core.reduce import NAMES
from cdl._core.reduce import arg as _arg
from cdl._core.reduce import cumsum as _cumsum
from cdl._core.reduce import reduce as _reduce

__all__ = ["argmax", "argmin", "cumsum", "max", "mean", "min", "norm", "prod", "std", "sum", "var"]

_SUM, _MAX, _MIN, _PROD, _MEAN, _VAR, _STD, _NORM = (
    NAMES.index(name) for name in ("sum", "max", "min", "prod", "mean", "var", "std", "norm"))


def sum(x, axis=None, *, keepdims=False):
    """Sum along axes, 0 over nothing.

    Parameters
    ----------
    x : array_like
    axis : int, tuple of int or None
    keepdims : bool
        Keep the reduced axes with length 1.

    Raises
    ------
    ValueError
        For an axis out of range or named twice.

    Examples
    --------
    >>> import cdl
    >>> cdl.sum([[1.0, 2.0], [3.0, 4.0]], axis=0)
    array([4., 6.])
    """
    return _reduce(_SUM, x, axis, keepdims)


def mean(x, axis=None, *, keepdims=False):
    """Arithmetic mean along axes, sum / n; NaN over nothing. Arguments as in `sum`.

    Examples
    --------
    >>> import cdl
    >>> float(cdl.mean([1.0, 2.0, 6.0]))
    3.0
    """
    return _reduce(_MEAN, x, axis, keepdims)


def var(x, axis=None, *, ddof=0, keepdims=False):
    """Variance along axes, sum((x - mean)^2) / (n - ddof), in two passes so that a large mean does not cancel.

    Parameters
    ----------
    x : array_like
    axis : int, tuple of int or None
    ddof : float
        0 for the variance of the data, 1 for the unbiased estimate.
    keepdims : bool

    Examples
    --------
    >>> import cdl
    >>> float(cdl.var([1.0, 3.0])), float(cdl.var([1.0, 3.0], ddof=1))
    (1.0, 2.0)
    """
    return _reduce(_VAR, x, axis, keepdims, ddof)


def std(x, axis=None, *, ddof=0, keepdims=False):
    """Standard deviation, the square root of `var`; its gradient is taken as 0 where it is 0. Arguments as in `var`.

    Examples
    --------
    >>> import cdl
    >>> float(cdl.std([1.0, 3.0]))
    1.0
    """
    return _reduce(_STD, x, axis, keepdims, ddof)


def max(x, axis=None, *, keepdims=False):
    """Largest element along axes; equal ones share the gradient evenly. Arguments as in `sum`.

    Raises
    ------
    ValueError
        Also for an empty axis, which has no largest element.

    Examples
    --------
    >>> import cdl
    >>> cdl.max([[1.0, 5.0], [7.0, 2.0]], axis=1)
    array([5., 7.])
    """
    return _reduce(_MAX, x, axis, keepdims)


def min(x, axis=None, *, keepdims=False):
    """Smallest element along axes; equal ones share the gradient evenly. Arguments and errors as in `max`.

    Examples
    --------
    >>> import cdl
    >>> float(cdl.min([3.0, -1.0]))
    -1.0
    """
    return _reduce(_MIN, x, axis, keepdims)


def prod(x, axis=None, *, keepdims=False):
    """Product along axes, 1 over nothing; the gradient holds with zeros among the factors. Arguments as in `sum`.

    Examples
    --------
    >>> import cdl
    >>> float(cdl.prod([2.0, 3.0]))
    6.0
    """
    return _reduce(_PROD, x, axis, keepdims)


def norm(x, ord=None, axis=None, *, keepdims=False):
    """Length of vectors along axes, sqrt(sum(x^2)); its gradient is taken as 0 where it is 0.

    Parameters
    ----------
    x : array_like
    ord : None, 2, 1, inf or "fro"
        2 (the default): square root of the sum of squares over the axes ("fro": the same, of matrices); 1: sum of |x|;
        inf: largest |x|. The last two take one axis.
    axis : int, tuple of int or None
    keepdims : bool

    Raises
    ------
    ValueError
        For another `ord`, or one that would be a matrix norm.

    Examples
    --------
    >>> import cdl
    >>> float(cdl.norm([3.0, 4.0]))
    5.0
    """
    x = x if hasattr(x, "dtype") else np.asarray(x)
    vector = x.ndim == 1 if axis is None else not isinstance(axis, tuple) or len(axis) == 1
    if ord is None or (ord == 2 and vector) or (ord == "fro" and not vector):
        return _reduce(_NORM, x, axis, keepdims)
    if not vector or ord not in (1, np.inf):
        raise ValueError(f"norm: ord must be None, 2, 1 or inf along one axis, or None or 'fro' of matrices, got {ord!r} for "
                         f"{x.ndim} axes and axis={axis}; np.linalg.norm(x.numpy(), ...) has the others")
    return (sum if ord == 1 else max)(abs(x), axis, keepdims=keepdims)


def argmax(x, axis=None, *, keepdims=False):
    """Index (int64) of the largest element along an axis, the first of equal ones; of the flattened array for None.

    Raises
    ------
    ValueError
        For an empty axis or one out of range.

    Examples
    --------
    >>> import cdl
    >>> cdl.argmax([[1.0, 5.0], [7.0, 2.0]], axis=1)
    array([1, 0])
    """
    return _arg(True, x, axis, keepdims)


def argmin(x, axis=None, *, keepdims=False):
    """Index (int64) of the smallest element along an axis, the first of equal ones. As `argmax`.

    Examples
    --------
    >>> import cdl
    >>> int(cdl.ops.argmin([3.0, -1.0, -1.0]))
    1
    """
    return _arg(False, x, axis, keepdims)


def cumsum(x, axis=None):
    """Running sum along an axis, y[i] = x[0] + … + x[i]; of the flattened array for None.

    Examples
    --------
    >>> import cdl
    >>> cdl.cumsum([1.0, 2.0, 3.0])
    array([1., 3., 6.])
    """
    return _cumsum(x, axis)


METHODS = {name: globals()[name] for name in __all__ if name != "norm"}
NUMPY = {
    np.sum: sum, np.mean: mean, np.var: var, np.std: std, np.max: max, np.amax: max, np.min: min, np.amin: min,
    np.prod: prod, np.argmax: argmax, np.argmin: argmin, np.cumsum: cumsum, np.linalg.norm: norm,
    np.add.reduce: sum, np.multiply.reduce: prod, np.maximum.reduce: max, np.minimum.reduce: min,
    np.add.accumulate: cumsum,
}
