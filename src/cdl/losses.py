"""Losses: how far predictions are from the truth, as one number to be made small. All take (y_true, y_pred)."""
import numpy as np

from cdl._core.tensor import Tensor
from cdl.ops import abs, clip, cross_entropy, log, mean, square, sum

__all__ = ["binary_cross_entropy", "cross_entropy", "mae", "mse"]


def mse(y_true, y_pred, *, reduction="mean"):
    """Mean squared error, mean((y_true - y_pred)²).

    Parameters
    ----------
    y_true, y_pred : array_like or Tensor
        Of the same shape.
    reduction : {"mean", "sum", "none"}
        The mean over all elements, their sum, or every element for itself.

    Returns
    -------
    Tensor or NumPy value
        Without axes, or of the inputs' shape with "none".

    Raises
    ------
    ValueError
        If the shapes differ: (N,) against (N, 1) is a mistake that broadcasting would hide.

    Source
    ------
    The notes, section 2.3.

    Examples
    --------
    >>> import cdl
    >>> float(cdl.mse([1.0, 2.0], [1.0, 4.0]))
    2.0
    """
    y_true, y_pred = _pair(y_true, y_pred, "mse")
    return _reduce(square(y_true - y_pred), reduction, "mse")


def mae(y_true, y_pred, *, reduction="mean"):
    """Mean absolute error, mean(|y_true - y_pred|); its derivative where they are equal is 0.

    Parameters, Returns and Raises as `mse`.

    Examples
    --------
    >>> import cdl
    >>> float(cdl.mae([1.0, 2.0], [1.0, 4.0]))
    1.0
    """
    y_true, y_pred = _pair(y_true, y_pred, "mae")
    return _reduce(abs(y_true - y_pred), reduction, "mae")


def binary_cross_entropy(y_true, y_pred, *, reduction="mean", epsilon=1e-15):
    """Cross-entropy of yes-or-no labels, -mean(y_true log(p) + (1 - y_true) log(1 - p)), p = y_pred off 0 and 1.

    Natural logarithms. p is y_pred clipped to [e, 1 - e], where e is `epsilon` but at least the distance from 1 to the
    number below it (6e-8 in float32), since a smaller one would leave 1 - e = 1 and the loss infinite.

    Parameters
    ----------
    y_true : array_like or Tensor
        Labels in [0, 1].
    y_pred : array_like or Tensor
        Probabilities, of the same shape.
    reduction : {"mean", "sum", "none"}
        As for `mse`.
    epsilon : float
        How near to 0 and 1 a probability is taken seriously, in (0, ½).

    Raises
    ------
    ValueError
        If the shapes differ, or epsilon is out of range.

    Source
    ------
    The notes, section 2.3.

    Examples
    --------
    >>> import cdl
    >>> round(float(cdl.binary_cross_entropy([1.0, 0.0], [0.9, 0.1])), 4)
    0.1054
    """
    y_true, y_pred = _pair(y_true, y_pred, "binary_cross_entropy")
    if not 0 < epsilon < 0.5:
        raise ValueError(f"binary_cross_entropy: epsilon must be in (0, 0.5), got {epsilon}")
    kind = y_pred.dtype if y_pred.dtype.kind == "f" else np.dtype(np.float32)
    epsilon = max(epsilon, float(np.finfo(kind).epsneg))
    p = clip(y_pred, epsilon, 1 - epsilon)
    return _reduce(-(y_true * log(p) + (1 - y_true) * log(1 - p)), reduction, "binary_cross_entropy")


def _pair(y_true, y_pred, who):
    y_true, y_pred = (y if isinstance(y, Tensor) else np.asarray(y) for y in (y_true, y_pred))
    if y_true.shape != y_pred.shape:
        raise ValueError(f"{who}: y_true and y_pred must have the same shape, got {y_true.shape} and {y_pred.shape}")
    return y_true, y_pred


def _reduce(each, reduction, who):
    if reduction == "mean":
        return mean(each)
    if reduction == "sum":
        return sum(each)
    if reduction == "none":
        return each
    raise ValueError(f"{who}: reduction must be 'mean', 'sum' or 'none', got {reduction!r}")
