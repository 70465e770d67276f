"""Activation functions: elementwise, of one argument."""
from cdl._core.kernels import UNARY
from cdl._core.prelu import prelu as _prelu
from cdl._core.unary import function, unary
from cdl.ops._doc import elementwise

__all__ = ["elu", "gelu", "hard_sigmoid", "hard_swish", "hard_tanh", "leaky_relu", "log_sigmoid", "prelu",
           "relu", "relu6", "sigmoid", "silu", "softplus"]

_GELU, _GELU_TANH, _RELU, _RELU6 = function("gelu"), function("gelu_tanh"), function("relu"), function("relu6")
_SIGMOID, _LOG_SIGMOID, _SILU = function("sigmoid"), function("log_sigmoid"), function("silu")
_SOFTPLUS, _HARD_TANH = function("softplus"), function("hard_tanh")
_HARD_SIGMOID, _HARD_SWISH = function("hard_sigmoid"), function("hard_swish")
_ELU, _LEAKY_RELU = UNARY["elu"], UNARY["leaky_relu"]


@elementwise("x")
def relu(x):
    """Rectified linear unit, max(x, 0). Its gradient at 0 is 0; NaN stays NaN. (Notes, 1.1 and 2.2.)

    Examples
    --------
    >>> import cdl
    >>> cdl.relu([-1.0, 0.0, 2.0])
    array([0., 0., 2.])
    """
    return _RELU(x)


@elementwise("x")
def relu6(x):
    """min(max(x, 0), 6).

    Source: Howard et al., MobileNets, 2017.

    Examples
    --------
    >>> import cdl
    >>> cdl.ops.relu6([-1.0, 3.0, 8.0])
    array([0., 3., 6.])
    """
    return _RELU6(x)


@elementwise("x", options="""
    slope : float
        The gradient below 0; default 0.01.""")
def leaky_relu(x, *, slope=0.01):
    """x where x > 0, else slope * x. (Notes, 2.2.)

    Source: Maas, Hannun, Ng, Rectifier Nonlinearities Improve Neural Network Acoustic Models, 2013.

    Examples
    --------
    >>> import cdl
    >>> cdl.leaky_relu([-1.0, 2.0], slope=0.1)
    array([-0.1,  2. ])
    """
    return unary(_LEAKY_RELU, x, slope)


def prelu(x, slope):
    """x where x > 0, else slope * x, with a slope that can be trained: its gradient is the sum of g x where x <= 0.

    Parameters
    ----------
    x : array_like
        Channels last.
    slope : array_like
        One number, or one for each channel.

    Returns
    -------
    Tensor, ndarray or NumPy scalar
        Of x's shape and dtype; a Tensor if an argument is one.

    Raises
    ------
    ValueError
        If the slope is of another size.

    Source
    ------
    He et al., "Delving deep into rectifiers", 2015, eq. 1.

    Examples
    --------
    >>> import cdl
    >>> cdl.ops.prelu([[-1.0, -1.0], [2.0, 2.0]], [0.5, 0.25])
    array([[-0.5 , -0.25],
           [ 2.  ,  2.  ]])
    """
    return _prelu(x, slope)


@elementwise("x", options="""
    alpha : float
        Minus the limit at -inf; default 1.""")
def elu(x, *, alpha=1.0):
    """Exponential linear unit: x where x > 0, else alpha * (e^x - 1).

    Source: Clevert, Unterthiner, Hochreiter, Fast and Accurate Deep Network Learning by ELUs, 2015.

    Examples
    --------
    >>> import cdl
    >>> cdl.elu([0.0, 2.0])
    array([0., 2.])
    """
    return unary(_ELU, x, alpha)


@elementwise("x")
def sigmoid(x):
    """Logistic function, 1 / (1 + e^-x), without overflow for any x. (Notes, 1.1.)

    Examples
    --------
    >>> import cdl
    >>> cdl.sigmoid([-1000.0, 0.0])
    array([0. , 0.5])
    """
    return _SIGMOID(x)


@elementwise("x")
def log_sigmoid(x):
    """log(sigmoid(x)) = -log(1 + e^-x), without overflow for any x.

    Examples
    --------
    >>> import cdl
    >>> float(cdl.ops.log_sigmoid(-1000.0))
    -1000.0
    """
    return _LOG_SIGMOID(x)


@elementwise("x")
def softplus(x):
    """log(1 + e^x), without overflow for any x: a smooth relu, whose gradient is sigmoid(x).

    Examples
    --------
    >>> import cdl
    >>> float(cdl.softplus(1000.0))
    1000.0
    """
    return _SOFTPLUS(x)


@elementwise("x", options="""
    approximate : "none" or "tanh"
        Phi exactly, or as (1 + tanh(sqrt(2/pi) (x + 0.044715 x³))) / 2, as GPT-2 has it; default "none".""",
             raises="\n    ValueError\n        For another `approximate`.")
def gelu(x, *, approximate="none"):
    """Gaussian error linear unit, x * Phi(x), where Phi(x) = (1 + erf(x / sqrt(2))) / 2.

    Where that is smaller than the smallest normal number, below x = -13.14 (float64: -37.61), it is 0.

    Source: Hendrycks, Gimpel, Gaussian Error Linear Units, 2016.

    Examples
    --------
    >>> import cdl
    >>> cdl.gelu([0.0, 1.0]).round(4)
    array([0.    , 0.8413])
    """
    if approximate == "none":
        return _GELU(x)
    if approximate == "tanh":
        return _GELU_TANH(x)
    raise ValueError(f'gelu: approximate must be "none" or "tanh", got {approximate!r}')


@elementwise("x")
def silu(x):
    """x * sigmoid(x), also called swish.

    Source: Elfwing, Uchibe, Doya, Sigmoid-Weighted Linear Units, 2017.

    Examples
    --------
    >>> import cdl
    >>> float(cdl.silu(0.0))
    0.0
    """
    return _SILU(x)


@elementwise("x")
def hard_tanh(x):
    """min(max(x, -1), 1).

    Examples
    --------
    >>> import cdl
    >>> cdl.ops.hard_tanh([-2.0, 0.5])
    array([-1. ,  0.5])
    """
    return _HARD_TANH(x)


@elementwise("x")
def hard_sigmoid(x):
    """min(max((x + 3) / 6, 0), 1), the piecewise linear sigmoid of MobileNetV3.

    Source: Howard et al., Searching for MobileNetV3, 2019, section 5.2.

    Examples
    --------
    >>> import cdl
    >>> cdl.ops.hard_sigmoid([-4.0, 0.0, 4.0])
    array([0. , 0.5, 1. ])
    """
    return _HARD_SIGMOID(x)


@elementwise("x")
def hard_swish(x):
    """x * hard_sigmoid(x).

    Source: Howard et al., Searching for MobileNetV3, 2019, section 5.2.

    Examples
    --------
    >>> import cdl
    >>> cdl.ops.hard_swish([-4.0, 0.0, 4.0])
    array([-0.,  0.,  4.])
    """
    return _HARD_SWISH(x)


METHODS = {name: globals()[name] for name in __all__}
NUMPY = {}
