"""Elementwise functions of two arguments, which broadcast against each other, and selection by a mask.

Floor division is not among them: its derivative is 0 where it exists, so `t // 2` is NumPy's, without a gradient. The
remainder's derivative is not 0 and nobody trains through it: it is refused, `t.data % 2` computes it.
"""
import numpy as np

from cdl._core.binary import function
from cdl._core.where import where as _where
from cdl.ops._doc import elementwise

__all__ = ["add", "divide", "maximum", "minimum", "multiply", "power", "subtract", "where"]

_ADD, _SUBTRACT, _MULTIPLY, _DIVIDE = function("add"), function("subtract"), function("multiply"), function("divide")
_POWER, _MAXIMUM, _MINIMUM = function("power"), function("maximum"), function("minimum")
_MIXED = """ where the other operand is
        a float (a Python number takes the type of the other), and stay integers among themselves"""
_SHAPES = "\n    ValueError\n        Where the shapes do not broadcast."


@elementwise("a", "b", but=_MIXED, raises=_SHAPES)
def add(a, b):
    """a + b.

    Examples
    --------
    >>> import cdl
    >>> cdl.ops.add([1.0, 2.0], 10)
    array([11., 12.])
    """
    return _ADD(a, b)


@elementwise("a", "b", but=_MIXED, raises=_SHAPES)
def subtract(a, b):
    """a - b.

    Examples
    --------
    >>> import cdl
    >>> cdl.ops.subtract([1.0, 2.0], 10)
    array([-9., -8.])
    """
    return _SUBTRACT(a, b)


@elementwise("a", "b", but=_MIXED, raises=_SHAPES)
def multiply(a, b):
    """a * b.

    Examples
    --------
    >>> import cdl
    >>> cdl.ops.multiply([[1.0], [2.0]], [3.0, 4.0])
    array([[3., 4.],
           [6., 8.]])
    """
    return _MULTIPLY(a, b)


@elementwise("a", "b", raises=_SHAPES)
def divide(a, b):
    """a / b; ±inf or NaN where b is 0.

    Examples
    --------
    >>> import cdl
    >>> cdl.ops.divide([1.0, 2.0], 4)
    array([0.25, 0.5 ])
    """
    return _DIVIDE(a, b)


@elementwise("a", "b", but=_MIXED, raises=_SHAPES)
def power(a, b):
    """a^b; NaN where a < 0 and b is not an integer. The gradient of b is a^b log(a), and 0 where a is 0.

    Examples
    --------
    >>> import cdl
    >>> cdl.power([2.0, 3.0], 2)
    array([4., 9.])
    """
    return _POWER(a, b)


@elementwise("a", "b", but=_MIXED, raises=_SHAPES)
def maximum(a, b):
    """The larger of a and b, NaN where one of them is. Equal operands share the gradient, half each.

    Examples
    --------
    >>> import cdl
    >>> cdl.maximum([1.0, 5.0], 3)
    array([3., 5.])
    """
    return _MAXIMUM(a, b)


@elementwise("a", "b", but=_MIXED, raises=_SHAPES)
def minimum(a, b):
    """The smaller of a and b, NaN where one of them is. Equal operands share the gradient, half each.

    Examples
    --------
    >>> import cdl
    >>> cdl.minimum([1.0, 5.0], 3)
    array([1., 3.])
    """
    return _MINIMUM(a, b)


@elementwise("a", "b", but=_MIXED, raises=_SHAPES, options="""
    condition : array_like
        Booleans, or numbers of which all but 0 count as true; it broadcasts with a and b.""")
def where(condition, a, b):
    """a where the condition is true (or not 0), else b. A gradient reaches only the operand that was taken.

    Examples
    --------
    >>> import cdl
    >>> cdl.where([True, False], [1.0, 2.0], 0.0)
    array([1., 0.])
    """
    return _where(condition, a, b)


def _numpy_where(condition, *choices):
    return where(condition, *choices) if choices else np.nonzero(np.asarray(condition))


METHODS = {}
NUMPY = {
    np.add: add, np.subtract: subtract, np.multiply: multiply, np.divide: divide, np.power: power,
    np.float_power: power, np.maximum: maximum, np.minimum: minimum, np.where: _numpy_where,
}
