"""Elementwise functions of one argument: powers, logarithms, rounding, trigonometry. (Activations: activation.py.)"""
import numpy as np

from cdl._core.cast import astype as _astype
from cdl._core.kernels import UNARY
from cdl._core.unary import function, unary
from cdl.ops._doc import elementwise
from cdl.ops.binary import divide, maximum, minimum, multiply

__all__ = [  # noqa: RUF022
    "abs", "astype", "ceil", "clip", "cos", "erf", "exp", "exp2", "expm1", "floor", "log", "log10", "log1p", "log2",
    "negative", "reciprocal", "round", "sign", "sin", "sqrt", "square", "tanh"]

_ABS, _CEIL, _COS, _ERF = function("abs"), function("ceil"), function("cos"), function("erf")
_EXP, _EXP2, _EXPM1, _FLOOR = function("exp"), function("exp2"), function("expm1"), function("floor")
_LOG, _LOG10, _LOG1P, _LOG2 = function("log"), function("log10"), function("log1p"), function("log2")
_NEGATIVE, _RECIPROCAL = function("negative"), function("reciprocal")
_ROUND, _SIGN = function("round"), function("sign")
_SIN, _SQRT, _SQUARE, _TANH = function("sin"), function("sqrt"), function("square"), function("tanh")
_CLIP = UNARY["clip"]
_WHOLE = "; here they stay what they are"


@elementwise("x")
def exp(x):
    """e^x; inf above 88.7 (float32) or 709.8 (float64).

    Examples
    --------
    >>> import cdl
    >>> cdl.exp([0.0, 1.0]).round(4)
    array([1.    , 2.7183])
    """
    return _EXP(x)


@elementwise("x")
def exp2(x):
    """2^x.

    Examples
    --------
    >>> import cdl
    >>> cdl.ops.exp2([0.0, 3.0])
    array([1., 8.])
    """
    return _EXP2(x)


@elementwise("x")
def expm1(x):
    """e^x - 1, exact also where x is near 0.

    Examples
    --------
    >>> import cdl
    >>> float(cdl.ops.expm1(1e-10))
    1.00000000005e-10
    """
    return _EXPM1(x)


@elementwise("x")
def log(x):
    """Natural logarithm; -inf at 0, NaN below.

    Examples
    --------
    >>> import cdl
    >>> float(cdl.log(1.0))
    0.0
    """
    return _LOG(x)


@elementwise("x")
def log2(x):
    """Logarithm to the base 2; -inf at 0, NaN below.

    Examples
    --------
    >>> import cdl
    >>> float(cdl.ops.log2(8.0))
    3.0
    """
    return _LOG2(x)


@elementwise("x")
def log10(x):
    """Logarithm to the base 10; -inf at 0, NaN below.

    Examples
    --------
    >>> import cdl
    >>> float(cdl.ops.log10(1000.0).round(12))
    3.0
    """
    return _LOG10(x)


@elementwise("x")
def log1p(x):
    """log(1 + x), exact also where x is near 0; -inf at -1, NaN below.

    Examples
    --------
    >>> import cdl
    >>> float(cdl.ops.log1p(0.0))
    0.0
    """
    return _LOG1P(x)


@elementwise("x")
def sqrt(x):
    """Square root; NaN below 0. Its gradient at 0 is inf.

    Examples
    --------
    >>> import cdl
    >>> cdl.sqrt([4.0, 9.0])
    array([2., 3.])
    """
    return _SQRT(x)


@elementwise("x", but=_WHOLE)
def square(x):
    """x².

    Examples
    --------
    >>> import cdl
    >>> cdl.square([2.0, -3.0])
    array([4., 9.])
    """
    return _SQUARE(x)


@elementwise("x")
def reciprocal(x):
    """1 / x.

    Examples
    --------
    >>> import cdl
    >>> float(cdl.ops.reciprocal(4.0))
    0.25
    """
    return _RECIPROCAL(x)


@elementwise("x", but=_WHOLE)
def negative(x):
    """-x.

    Examples
    --------
    >>> import cdl
    >>> cdl.ops.negative([1.0, -2.0])
    array([-1.,  2.])
    """
    return _NEGATIVE(x)


@elementwise("x", but=_WHOLE)
def abs(x):
    """The absolute value; its gradient at 0 is 0.

    Examples
    --------
    >>> import cdl
    >>> cdl.abs([1.0, -2.0])
    array([1., 2.])
    """
    return _ABS(x)


@elementwise("x", but=_WHOLE)
def sign(x):
    """-1, 0 or 1, as x is negative, zero or positive; its gradient is 0.

    Examples
    --------
    >>> import cdl
    >>> cdl.ops.sign([-3.0, 0.0, 2.0])
    array([-1.,  0.,  1.])
    """
    return _SIGN(x)


@elementwise("x", but=_WHOLE)
def floor(x):
    """The largest integer <= x; its gradient is 0.

    Examples
    --------
    >>> import cdl
    >>> cdl.ops.floor([1.7, -1.2])
    array([ 1., -2.])
    """
    return _FLOOR(x)


@elementwise("x", but=_WHOLE)
def ceil(x):
    """The smallest integer >= x; its gradient is 0.

    Examples
    --------
    >>> import cdl
    >>> cdl.ops.ceil([1.2, -1.7])
    array([ 2., -1.])
    """
    return _CEIL(x)


@elementwise("x", but=_WHOLE, options="""
    decimals : int
        Digits after the point to keep; negative: zeros before it. With decimals != 0 integers become float32 too.""")
def round(x, decimals=0):
    """The nearest number of so many decimals, halves to the even neighbour; its gradient is 0.

    Examples
    --------
    >>> import cdl
    >>> cdl.ops.round([0.5, 1.5, 2.5]), float(cdl.ops.round(3.14159, 2))
    (array([0., 2., 2.]), 3.14)
    """
    if decimals == 0:
        return _ROUND(x)
    scale = 10.0 ** (decimals if decimals > 0 else -decimals)
    return divide(_ROUND(multiply(x, scale)), scale) if decimals > 0 else multiply(_ROUND(divide(x, scale)), scale)


@elementwise("x")
def sin(x):
    """Sine of an angle in radians.

    Examples
    --------
    >>> import cdl
    >>> float(cdl.sin(0.0))
    0.0
    """
    return _SIN(x)


@elementwise("x")
def cos(x):
    """Cosine of an angle in radians.

    Examples
    --------
    >>> import cdl
    >>> float(cdl.cos(0.0))
    1.0
    """
    return _COS(x)


@elementwise("x")
def tanh(x):
    """Hyperbolic tangent, (e^x - e^-x) / (e^x + e^-x).

    Examples
    --------
    >>> import cdl
    >>> float(cdl.tanh(0.0))
    0.0
    """
    return _TANH(x)


@elementwise("x")
def erf(x):
    """Error function, 2/sqrt(pi) times the integral of exp(-t²) from 0 to x.

    Examples
    --------
    >>> import cdl
    >>> float(cdl.erf(0.0))
    0.0
    """
    return _ERF(x)


def _is_number(bound):
    return type(bound) in (float, int)


@elementwise("x", options="""
    min, max : array_like, optional
        The bounds, which broadcast with x; None: no bound. Where min > max the result is max.""")
def clip(x, min=None, max=None):
    """minimum(maximum(x, min), max). The gradient passes where min <= x <= max; bounds that are arrays get the rest.

    Examples
    --------
    >>> import cdl
    >>> cdl.clip([-1.0, 0.5, 2.0], 0, 1)
    array([0. , 0.5, 1. ])
    """
    if (min is None or _is_number(min)) and (max is None or _is_number(max)):
        return unary(_CLIP, x, -np.inf if min is None else min, np.inf if max is None else max)
    if min is not None:
        x = maximum(x, min)
    return x if max is None else minimum(x, max)


def astype(x, dtype):
    """A copy of x in another dtype; between float32 and float64 the gradient is converted back.

    Parameters
    ----------
    x : array_like
    dtype : dtype
        float32, float64, int64 or bool.

    Returns
    -------
    Tensor or ndarray
        Of x's shape; a Tensor if x is one. int64 and bool carry no gradient.

    Raises
    ------
    TypeError
        For another dtype.

    Examples
    --------
    >>> import cdl
    >>> cdl.Tensor([1.5, 2.5]).astype("float32").dtype
    dtype('float32')
    """
    return _astype(x, dtype)


def _numpy_clip(a, a_min=None, a_max=None, *, min=None, max=None):
    return clip(a, a_min if min is None else min, a_max if max is None else max)


METHODS = {name: globals()[name] for name in __all__}
NUMPY = {
    np.abs: abs, np.fabs: abs, np.ceil: ceil, np.clip: _numpy_clip, np.cos: cos, np.exp: exp, np.exp2: exp2,
    np.expm1: expm1, np.floor: floor, np.log: log, np.log10: log10, np.log1p: log1p, np.log2: log2,
    np.negative: negative, np.reciprocal: reciprocal, np.round: round, np.around: round, np.rint: round,
    np.sign: sign, np.sin: sin, np.sqrt: sqrt, np.square: square, np.tanh: tanh,
}
