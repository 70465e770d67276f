"""Elementwise functions of one argument."""
from cdl._core.kernels import UNARY
from cdl._core.unary import unary

__all__ = ["relu"]

_RELU = UNARY["relu"]


def relu(x):
    """Rectified linear unit, max(x, 0).

    Examples
    --------
    >>> import cdl
    >>> float(cdl.relu(-3.0))
    0.0
    """
    return unary(_RELU, x)


METHODS = {"relu": relu}
NUMPY = {}
