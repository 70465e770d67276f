"""The fully connected layer."""
import numpy as np

from cdl._core.bfloat16 import get_precision
from cdl._core.check import positive_integer
from cdl._core.dense import dense
from cdl._core.panels import Panels, dense_of_panels, panels
from cdl._core.tensor import Tensor
from cdl.init import check_initializer, initialize
from cdl.nn.activation import FUSED, HALVING, ROWWISE, check_activation
from cdl.nn.layer import Layer
from cdl.nn.packing import PacksWeight

__all__ = ["Dense"]

# Weights of fewer inputs or outputs are filled up to this when they are held as bfloat16, and gain nothing.
_LEAST_HALVES = 32
# What fits L2 is as fast where it lies, and one row of it faster.
_LEAST_PANELS_BYTES = 1 << 20


class Dense(PacksWeight, Layer):
    """activation(x @ weight + bias) over the last axis.

    Parameters
    ----------
    units : int
        The number of outputs.
    activation : str, optional
        "relu", "relu6", "leaky_relu", "elu", "gelu", "gelu_tanh", "silu", "softplus", "sigmoid", "log_sigmoid", "tanh",
        "hard_sigmoid", "hard_swish", "hard_tanh" (these are computed while the product is still in the cache), "softmax" or
        "log_softmax"; default: none.
    use_bias : bool
        Whether a bias is added.
    in_features : int, optional
        The number of inputs; default: taken from the first input.
    kernel_initializer : str, float or callable, optional
        What the weights start with, as `cdl.init.initialize` takes it; default: "he_normal" before activations like ReLU,
        "lecun_normal" (the notes' Xavier) otherwise.
    rng : numpy.random.Generator or int, optional
        Where the initial weights come from.

    Attributes
    ----------
    flattened : tuple of int, optional
        Where the inputs are those of an image that was flattened, its shape (H, W, C): `Model.load` then reads torch's
        weights, whose inputs come in the order C, H, W.

    Shape
    -----
    Input (..., in_features), output (..., units); weight (in_features, units), bias (units,).

    Raises
    ------
    ValueError
        For a size that is not positive, an unknown activation, or an input of another size than the layer was built for.

    Examples
    --------
    >>> import numpy as np
    >>> import cdl
    >>> layer = cdl.Dense(3, activation="relu")
    >>> layer(np.ones((5, 4))).shape
    (5, 3)
    >>> layer
    Dense(units=3, activation='relu', in_features=4)
    """

    flattened = None

    def __init__(self, units, activation=None, *, use_bias=True, in_features=None, kernel_initializer=None,
                 rng=None):
        self.units = positive_integer(units, "Dense", "units")
        self.activation = activation
        check_activation(activation, "Dense")
        self._fused = activation if activation in FUSED else None
        self._rowwise = ROWWISE.get(activation)
        if kernel_initializer is not None:
            check_initializer(kernel_initializer, "Dense")
        self.use_bias = use_bias
        self._initializer = kernel_initializer
        self._rng = rng
        self.weight = self.bias = None
        if in_features is not None:
            self.build((in_features,))

    def build(self, input_shape):
        if self.weight is not None:
            return
        if not input_shape or input_shape[-1] is None:
            raise ValueError(f"Dense: the input needs a last axis of known length, got shape {tuple(input_shape)}")
        n_in = positive_integer(input_shape[-1], "Dense", "in_features")
        initializer = self._initializer
        if initializer is None:
            initializer = "he_normal" if self.activation in HALVING else "lecun_normal"
        self.weight = Tensor(initialize(initializer, (n_in, self.units), rng=self._rng), "float32", requires_grad=True)
        if self.use_bias:
            self.bias = Tensor([0.0] * self.units, "float32", requires_grad=True)

    def forward(self, x):
        weight = self.__dict__["weight"]    # as it is held
        if weight is None:
            self.build(np.shape(x))
            weight = self.weight
        product = dense_of_panels if type(weight) is Panels else dense
        if self._rowwise is not None:
            return self._rowwise(product(x, weight, self.bias))
        return product(x, weight, self.bias, self._fused)

    def pack(self):
        """Hold the weight packed for inference instead of the plain one: where it is large, or rounded to bfloat16 after
        ``set_precision("bfloat16")``.
        """
        weight = self.weight
        rounded = get_precision() == "bfloat16" and weight.dtype == np.float32 and min(weight.shape) >= _LEAST_HALVES
        if rounded or weight.size * weight.dtype.itemsize > _LEAST_PANELS_BYTES:
            self.__dict__["weight"] = panels(weight, rounded)

    def output_shape(self, input_shape):
        return (*input_shape[:-1], self.units)

    def _is_built(self):
        return self.__dict__["weight"] is not None

    def config(self):
        config = {"units": self.units, "activation": self.activation}
        if not self.use_bias:
            config["use_bias"] = False
        if isinstance(self._initializer, (str, float, int)):    # a function has no place in a file; the weights have
            config["kernel_initializer"] = self._initializer
        if self._is_built():
            config["in_features"] = self.__dict__["weight"].shape[0]
        return config
