"""Activations as layers, and the names by which other layers take them."""
from functools import partial

import numpy as np

from cdl._core.check import number, positive_integer
from cdl._core.tensor import Tensor
from cdl.nn.layer import Layer
from cdl.ops import (
    elu,
    gelu,
    hard_sigmoid,
    hard_swish,
    hard_tanh,
    leaky_relu,
    log_sigmoid,
    log_softmax,
    prelu,
    relu,
    relu6,
    sigmoid,
    silu,
    softmax,
    softplus,
    tanh,
)

__all__ = ["ELU", "GELU", "HardSigmoid", "HardSwish", "HardTanh", "LeakyReLU", "LogSoftmax", "PReLU", "ReLU", "ReLU6", "SiLU",
           "Sigmoid", "Softmax", "Softplus", "Tanh"]

# Activations by name. These a product computes while its output is in the cache …
FUSED = {"elu": elu, "gelu": gelu, "gelu_tanh": partial(gelu, approximate="tanh"), "hard_sigmoid": hard_sigmoid,
         "hard_swish": hard_swish, "hard_tanh": hard_tanh, "leaky_relu": leaky_relu, "log_sigmoid": log_sigmoid,
         "relu": relu, "relu6": relu6, "sigmoid": sigmoid, "silu": silu, "softplus": softplus, "tanh": tanh}
# … and these take its rows afterwards.
ROWWISE = {"log_softmax": log_softmax, "softmax": softmax}
# Those that pass about half of their input on: their layers start with He's draws, the others with Xavier's.
HALVING = {"elu", "gelu", "gelu_tanh", "hard_swish", "leaky_relu", "relu", "relu6", "silu", "softplus"}


_NOTHING = np.zeros((0,) * 8)       # no element, but any axis


def check_activation(name, who):
    """Raise ValueError, with the list of known ones, for what is no name of an activation."""
    if name is not None and not (isinstance(name, str) and (name == "linear" or name in FUSED or name in ROWWISE)):
        known = ", ".join(sorted([*FUSED, *ROWWISE, "linear"]))
        raise ValueError(f"{who}: unknown activation {name!r}; known are {known} and None (PReLU, which is trained, is a "
                         "layer)")


class _Activation(Layer):
    """An activation as a layer; called on a value instead of made without one, it is the function."""

    def __new__(cls, x=None, *arguments, **options):
        return super().__new__(cls) if x is None else cls.function(x, *arguments, **options)

    def __init__(self, x=None, **options):
        if options:     # those that it does not have, and wrong ones, are told now
            type(self).function(_NOTHING, **options)
        self._options = options
        self._function = partial(type(self).function, **options) if options else type(self).function

    def forward(self, x):
        return self._function(x)

    def config(self):
        return dict(self._options)


class ReLU(_Activation):
    """max(x, 0): `ReLU()` is a layer, `ReLU(x)` the value for a number, an array or a Tensor.

    Examples
    --------
    >>> import cdl
    >>> float(cdl.ReLU(60.0))
    60.0
    >>> cdl.ReLU()
    ReLU()
    """

    function = staticmethod(relu)


class ReLU6(_Activation):
    """min(max(x, 0), 6), as a layer or, given x, the value.

    Examples
    --------
    >>> import cdl
    >>> float(cdl.ReLU6(60.0))
    6.0
    """

    function = staticmethod(relu6)


class LeakyReLU(_Activation):
    """x where x > 0, else slope x, as a layer or, given x, the value; `slope` is 0.01 unless given.

    Examples
    --------
    >>> import cdl
    >>> cdl.LeakyReLU(slope=0.2)
    LeakyReLU(slope=0.2)
    >>> cdl.LeakyReLU([-1.0, 1.0], slope=0.2)
    array([-0.2,  1. ])
    """

    function = staticmethod(leaky_relu)


class PReLU(_Activation):
    """x where x > 0, else slope x, with a slope that is trained; given x and a slope, the value.

    Parameters
    ----------
    channels : int or None
        1, the default: one slope for all; more: one for each of the last axis; None: the same, its length being taken from
        the first input.
    initial : float
        What the slopes start with; 0.25, as in the paper.

    Shape
    -----
    Input (..., channels), output of the same shape; slope (channels,).

    Source
    ------
    He et al., "Delving deep into rectifiers", 2015, section 2.1. It advises against weight decay for the slopes.

    Examples
    --------
    >>> import cdl
    >>> cdl.PReLU()([[-4.0, 4.0]])
    Tensor([[-1.,  4.]], dtype=float64, requires_grad=True)
    >>> cdl.PReLU([-4.0, 4.0], 0.5)
    array([-2.,  4.])
    """

    function = staticmethod(prelu)

    def __init__(self, x=None, *, channels=1, initial=0.25):
        self._initial, self.slope = number(initial, "PReLU", "initial"), None
        if channels is not None:
            self._make(positive_integer(channels, "PReLU", "channels"))

    def _make(self, channels):
        self.slope = Tensor([self._initial] * channels, "float32", requires_grad=True)

    def build(self, input_shape):
        if self.slope is None:
            if not input_shape or input_shape[-1] is None:
                raise ValueError(f"PReLU: the input needs a last axis of known length, got shape {tuple(input_shape)}")
            self._make(input_shape[-1])

    def forward(self, x):
        if self.slope is None:
            self.build(np.shape(x))
        return prelu(x, self.slope)

    def _is_built(self):
        return self.slope is not None

    def config(self):
        channels = None if self.slope is None else self.slope.size
        return ({} if channels == 1 else {"channels": channels}) | ({} if self._initial == 0.25 else {"initial": self._initial})


class ELU(_Activation):
    """x where x > 0, else alpha (e^x - 1), as a layer or, given x, the value; `alpha` is 1 unless given.

    Examples
    --------
    >>> import cdl
    >>> float(cdl.ELU(-1000.0, alpha=2.0))
    -2.0
    """

    function = staticmethod(elu)


class GELU(_Activation):
    """x Φ(x), as a layer or, given x, the value; with `approximate="tanh"` in GPT-2's form.

    Examples
    --------
    >>> import cdl
    >>> cdl.GELU(approximate="tanh")
    GELU(approximate='tanh')
    >>> round(float(cdl.GELU(1.0)), 4)
    0.8413
    """

    function = staticmethod(gelu)


class SiLU(_Activation):
    """x sigmoid(x), as a layer or, given x, the value.

    Examples
    --------
    >>> import cdl
    >>> float(cdl.SiLU(0.0))
    0.0
    """

    function = staticmethod(silu)


class Softplus(_Activation):
    """log(1 + e^x), as a layer or, given x, the value.

    Examples
    --------
    >>> import cdl
    >>> float(cdl.Softplus(1000.0))
    1000.0
    """

    function = staticmethod(softplus)


class Sigmoid(_Activation):
    """1 / (1 + exp(-x)), as a layer or, given x, the value.

    Examples
    --------
    >>> import cdl
    >>> float(cdl.Sigmoid(0.0))
    0.5
    """

    function = staticmethod(sigmoid)


class HardSigmoid(_Activation):
    """min(max((x + 3) / 6, 0), 1), as a layer or, given x, the value.

    Examples
    --------
    >>> import cdl
    >>> float(cdl.HardSigmoid(4.0))
    1.0
    """

    function = staticmethod(hard_sigmoid)


class HardSwish(_Activation):
    """x min(max((x + 3) / 6, 0), 1), as a layer or, given x, the value.

    Examples
    --------
    >>> import cdl
    >>> float(cdl.HardSwish(4.0))
    4.0
    """

    function = staticmethod(hard_swish)


class Tanh(_Activation):
    """The hyperbolic tangent, as a layer or, given x, the value.

    Examples
    --------
    >>> import cdl
    >>> float(cdl.Tanh(0.0))
    0.0
    """

    function = staticmethod(tanh)


class HardTanh(_Activation):
    """min(max(x, -1), 1), as a layer or, given x, the value.

    Examples
    --------
    >>> import cdl
    >>> float(cdl.HardTanh(-2.0))
    -1.0
    """

    function = staticmethod(hard_tanh)


class Softmax(_Activation):
    """exp(x) / sum(exp(x)) over the last axis (or `axis`), as a layer or, given x, the value.

    Examples
    --------
    >>> import cdl
    >>> cdl.Softmax([0.0, 0.0])
    array([0.5, 0.5])
    """

    function = staticmethod(softmax)


class LogSoftmax(_Activation):
    """log(softmax(x)) over the last axis (or `axis`), as a layer or, given x, the value.

    Examples
    --------
    >>> import cdl
    >>> cdl.LogSoftmax([0.0, -1000.0])
    array([    0., -1000.])
    """

    function = staticmethod(log_softmax)
