"""Matrix products and the dense layer as a function."""
import numpy as np

from cdl._core.dense import dense as _dense
from cdl._core.matmul import matmul as _matmul

__all__ = ["dense", "matmul"]


def matmul(a, b):
    """Matrix product of the last two axes of a and b, with NumPy's rules; also written ``a @ b``.

    Parameters
    ----------
    a : array_like, shape (..., M, K) or (K,)
    b : array_like, shape (..., K, N) or (K,)
        The axes in front broadcast. A vector a is a row and a vector b a column whose axis the result does not have.
        Transposed and broadcast operands are read where they lie, without a copy.

    Returns
    -------
    Tensor or ndarray, shape (..., M, N)

    Raises
    ------
    ValueError
        Where the shapes do not fit, or an operand has no axes.

    Examples
    --------
    >>> import cdl
    >>> cdl.matmul([[1.0, 2.0], [3.0, 4.0]], [1.0, 10.0])
    array([21., 43.])
    """
    return _matmul(a, b)


def dense(x, w, b=None, act=None, p=None, q=0.0):
    """y = act(x w + b), computed in one pass over y.

    Parameters
    ----------
    x : array_like, shape (..., F)
    w : array_like, shape (F, N)
    b : array_like, shape (N,), optional
    act : str, optional
        The name of an elementwise function ("relu", "tanh", "gelu", ...); default: none.
    p, q : float
        Parameters of `act`, where it has any; p default: 0.01 for "leaky_relu", 1 for "elu", else 0.

    Returns
    -------
    Tensor or ndarray, shape (..., N)

    Raises
    ------
    ValueError
        Where the shapes do not fit, or `act` is not known.

    Examples
    --------
    >>> import cdl
    >>> cdl.dense([[1.0, -2.0]], [[1.0, 1.0], [1.0, 3.0]], b=[0.5, 0.5], act="relu")
    array([[0., 0.]])
    """
    return _dense(x, w, b, act, p, q)


METHODS = {"matmul": matmul}
NUMPY = {np.matmul: matmul}
