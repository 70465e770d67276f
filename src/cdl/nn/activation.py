"""Activations as layers, and the names by which other layers take them."""
from cdl.nn.layer import Layer
from cdl.ops import relu, sigmoid, softmax, tanh

__all__ = ["ReLU", "Sigmoid", "Softmax", "Tanh"]


# The activations that a product computes while its output is in the cache.
FUSED = {"elu", "gelu", "gelu_tanh", "hard_sigmoid", "hard_swish", "leaky_relu", "relu", "sigmoid", "silu", "softplus",
         "tanh"}
_NOT_FUSED = {"linear", "softmax"}



def check_activation(name, who):
    """Raise ValueError, with the list of known ones, for a name that is no activation."""
    if name is not None and name not in FUSED and name not in _NOT_FUSED:
        known = ", ".join(sorted(FUSED | _NOT_FUSED))
        raise ValueError(f"{who}: unknown activation {name!r}; known are {known} and None")


class _Activation(Layer):
    """An activation as a layer; called on a value instead of made without one, it is the function."""

    def __new__(cls, x=None, **options):
        if x is None and options:
            raise TypeError(f"{cls.__name__}: the layer takes no options, got {', '.join(options)}; the function does: "
                            f"cdl.{cls.__name__.lower()}(x, …)")
        return super().__new__(cls) if x is None else cls.function(x, **options)


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

    def forward(self, x):
        return relu(x)


class Sigmoid(_Activation):
    """1 / (1 + exp(-x)), as a layer or, given x, the value.

    Examples
    --------
    >>> import cdl
    >>> float(cdl.Sigmoid(0.0))
    0.5
    """

    function = staticmethod(sigmoid)

    def forward(self, x):
        return sigmoid(x)


class Tanh(_Activation):
    """The hyperbolic tangent, as a layer or, given x, the value.

    Examples
    --------
    >>> import cdl
    >>> float(cdl.Tanh(0.0))
    0.0
    """

    function = staticmethod(tanh)

    def forward(self, x):
        return tanh(x)


class Softmax(_Activation):
    """exp(x) / sum(exp(x)) over the last axis, as a layer or, given x, the value.

    Examples
    --------
    >>> import cdl
    >>> cdl.Softmax([0.0, 0.0])
    array([0.5, 0.5])
    """

    function = staticmethod(softmax)

    def forward(self, x):
        return softmax(x)
