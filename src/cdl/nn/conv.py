"""Convolution layers. Channels come last: images (N, H, W, C), sequences (N, T, C)."""
import numpy as np

from cdl._core.check import positive_integer
from cdl._core.conv import conv2d, conv_transpose2d, convolved_shape, packed, transposed_output_shape
from cdl._core.tensor import Tensor
from cdl.init import check_initializer, initialize
from cdl.nn.activation import FUSED, HALVING, ROWWISE, check_activation
from cdl.nn.layer import Layer
from cdl.nn.packing import PacksWeight
from cdl.ops.conv import across, conv1d

__all__ = ["Conv1D", "Conv2D", "ConvTranspose2D"]


class _Conv(Layer):
    """What convolution layers share: their options, and a weight and a bias of sizes that the first input may tell."""

    _axes = 2

    def __init__(self, filters, kernel_size, stride, padding, dilation, groups, activation, use_bias, in_channels,
                 kernel_initializer, rng):
        who = type(self).__name__
        self.weight = self.bias = None
        self.filters, self.groups = positive_integer(filters, who, "filters"), positive_integer(groups, who, "groups")
        self.kernel_size = self._sizes(kernel_size, "kernel_size")
        self.stride, self.dilation = self._sizes(stride, "stride"), self._sizes(dilation, "dilation")
        self.padding = _as_tuples(padding)
        self.activation = activation
        check_activation(activation, who)
        self._fused = activation if activation in FUSED else None
        self._rowwise = ROWWISE.get(activation)
        if kernel_initializer is not None:
            check_initializer(kernel_initializer, who)
        if self.filters % self.groups:
            raise ValueError(f"{who}: {self.groups} groups do not divide {self.filters} filters")
        self.output_shape((None,) * (self._axes + 2))       # refuses now what every call would refuse
        self.use_bias = use_bias
        self._initializer = kernel_initializer
        self._rng = rng
        if in_channels is not None:
            self._make(positive_integer(in_channels, who, "in_channels"))

    def _sizes(self, value, name):
        """A tuple of one positive integer for each axis."""
        who = type(self).__name__
        values = tuple(value) if isinstance(value, (tuple, list)) else (value,) * self._axes
        if len(values) != self._axes:
            raise ValueError(f"{who}: {name} must be an integer or {self._axes} of them, got {value!r}")
        return tuple(positive_integer(item, who, name) for item in values)

    def _image_shape(self, shape):
        """(N, H, W, filters) of the output for (N, H, W, channels); axes may be None."""
        one = (1,) * (2 - self._axes)
        return convolved_shape(shape, (*one, *self.kernel_size), self.filters, (*one, *self.stride),
                               self.padding if self._axes == 2 else across(self.padding), (*one, *self.dilation),
                               type(self).__name__)

    def output_shape(self, input_shape):
        shape = tuple(input_shape)
        self._check_axes(shape)
        if self.in_channels is not None and shape[-1] not in (None, self.in_channels):
            raise self._misfit(shape)
        if self._axes == 2:
            return self._image_shape(shape)
        n, _, *rest = self._image_shape((shape[0], 1, *shape[1:]))
        return (n, *rest)

    def _check_axes(self, shape):
        if len(shape) != self._axes + 2:
            axes = "N, H, W" if self._axes == 2 else "N, T"
            raise ValueError(f"{type(self).__name__}: expected ({axes}, channels), got shape {shape}"
                             + ("; write x[None] for a single one" if len(shape) == self._axes + 1 else ""))

    def _misfit(self, shape):
        axes = "N, H, W" if self._axes == 2 else "N, T"
        hint = ""
        if shape[1] == self.in_channels:
            hint = f"; channels come last here: x.transpose({'0, 2, 3, 1' if self._axes == 2 else '0, 2, 1'})"
        return ValueError(f"{type(self).__name__}: expected {self.in_channels} input channels (the layer was built on ({axes}, "
                          f"{self.in_channels})), got {shape[-1]} in x of shape {shape}{hint}")

    def build(self, input_shape):
        if self.weight is not None:
            return
        self._check_axes(tuple(input_shape))
        if input_shape[-1] is None:
            raise ValueError(f"{type(self).__name__}: the input needs a last axis of known length, got shape "
                             f"{tuple(input_shape)}")
        self._make(positive_integer(input_shape[-1], type(self).__name__, "in_channels"))

    def _make(self, channels):
        if channels % self.groups:
            raise ValueError(f"{type(self).__name__}: {self.groups} groups do not divide {channels} channels")
        initializer = self._initializer
        if initializer is None:
            initializer = "he_normal" if self.activation in HALVING else "lecun_normal"
        self.weight = Tensor(initialize(initializer, self._weight_shape(channels), rng=self._rng), "float32",
                             requires_grad=True)
        if self.use_bias:
            self.bias = Tensor([0.0] * self.filters, "float32", requires_grad=True)

    def _weight_shape(self, channels):
        return (*self.kernel_size, channels // self.groups, self.filters)

    @property
    def in_channels(self):
        """The number of input channels, or None before it is known."""
        weight = self.__dict__["weight"]    # as it is held: to be told its shape it need not be unpacked
        return None if weight is None else weight.shape[-2] * self.groups

    def _refuse(self, error, x):
        """An error of the op, told as this layer's."""
        shape = np.shape(x)
        if len(shape) == self._axes + 2 and shape[-1] != self.in_channels:
            return self._misfit(shape)
        return type(error)(f"{type(self).__name__}: {str(error).partition(': ')[2]}")

    def _is_built(self):
        return self.in_channels is not None

    def config(self):
        config = {"filters": self.filters, "kernel_size": self.kernel_size, "stride": self.stride, "padding": self.padding}
        for name, default in (("dilation", (1,) * self._axes), ("groups", 1), ("activation", None), ("use_bias", True)):
            if getattr(self, name) != default:
                config[name] = getattr(self, name)
        if isinstance(self._initializer, (str, float, int)):    # a function has no place in a file; the weights have
            config["kernel_initializer"] = self._initializer
        if self.in_channels is not None:
            config["in_channels"] = self.in_channels
        return config


def _as_tuples(padding):
    """Lists, which files hold, as tuples."""
    return tuple(_as_tuples(item) for item in padding) if isinstance(padding, (tuple, list)) else padding


class Conv2D(PacksWeight, _Conv):
    """activation(x * weight + bias): a convolution of images.

    Parameters
    ----------
    filters : int
        The number of output channels.
    kernel_size : int or pair
        Rows and columns of the kernel.
    stride, dilation : int or pair
        Pixels from one window to the next; from one tap of the kernel to the next.
    padding : {'valid', 'same'} or int or pair or pair of pairs
        Zeros around the image: none; so many that the output has ceil(H / stride) rows, the odd one at the bottom and
        right; that many on each side; (rows, columns); ((top, bottom), (left, right)).
    groups : int
        1: every filter sees all channels; the number of channels: each filter sees one of them (depthwise).
    activation : str, optional
        As for `Dense`; elementwise ones are computed while the result is still in the cache.
    use_bias : bool
    in_channels : int, optional
        Default: taken from the first input.
    kernel_initializer : str, float or callable, optional
        As for `Dense`.
    rng : numpy.random.Generator or int, optional
        Where the initial weights come from.

    Shape
    -----
    Input (N, H, W, C), output (N, P, Q, filters) with P = floor((H + padding - (R - 1) dilation - 1) / stride) + 1; weight
    (R, S, C / groups, filters), bias (filters,).

    Raises
    ------
    ValueError
        For sizes that are not positive, groups that do not divide, a kernel larger than the padded image, or another number
        of channels than the layer was built for.

    Source
    ------
    Notes, section 5; LeCun et al., "Gradient-based learning applied to document recognition", 1998.

    Examples
    --------
    >>> import numpy as np
    >>> import cdl
    >>> layer = cdl.Conv2D(8, kernel_size=3, padding="same", activation="relu")
    >>> layer(np.ones((2, 28, 28, 1))).shape
    (2, 28, 28, 8)
    >>> layer.weight.shape
    (3, 3, 1, 8)
    """

    def __init__(self, filters, kernel_size=3, stride=1, padding="valid", *, dilation=1, groups=1, activation=None,
                 use_bias=True, in_channels=None, kernel_initializer=None, rng=None):
        super().__init__(filters, kernel_size, stride, padding, dilation, groups, activation, use_bias, in_channels,
                         kernel_initializer, rng)

    def pack(self):
        """Hold the weight in the panels that inference reads, instead of the plain one, if this convolution reads panels."""
        if self.groups == 1:
            self.__dict__["weight"] = packed(self.weight) or self.weight

    def forward(self, x, added=None):
        """activation(x * weight + bias + added); `added`, of the output's shape, is the shortcut of a residual block."""
        y = self.with_activation(x, self._fused, added)
        return y if self._rowwise is None else self._rowwise(y)

    def with_activation(self, x, act, added=None):
        """act(x * weight + bias + added), whatever the layer's own activation."""
        weight = self.__dict__["weight"]
        if weight is None:
            self.build(np.shape(x))
            weight = self.weight
        try:
            return conv2d(x, weight, self.bias, self.stride, self.padding, self.dilation, self.groups, act, added)
        except ValueError as error:
            raise self._refuse(error, x) from None


class Conv1D(_Conv):
    """activation(x * weight + bias): a convolution of sequences.

    Parameters
    ----------
    filters, kernel_size, stride, dilation, groups, activation, use_bias, in_channels, kernel_initializer, rng
        As for `Conv2D`, with integers.
    padding : {'valid', 'same'} or int or pair
        A pair is (before, after): with (kernel_size - 1, 0) an output depends on the past alone.

    Shape
    -----
    Input (N, T, C), output (N, floor((T + padding - (S - 1) dilation - 1) / stride) + 1, filters); weight
    (S, C / groups, filters), bias (filters,).

    Raises
    ------
    ValueError
        As `Conv2D`.

    Examples
    --------
    >>> import numpy as np
    >>> import cdl
    >>> cdl.Conv1D(4, kernel_size=5, padding="same")(np.ones((2, 100, 3))).shape
    (2, 100, 4)
    """

    _axes = 1

    def __init__(self, filters, kernel_size=3, stride=1, padding="valid", *, dilation=1, groups=1, activation=None,
                 use_bias=True, in_channels=None, kernel_initializer=None, rng=None):
        super().__init__(filters, kernel_size, stride, padding, dilation, groups, activation, use_bias, in_channels,
                         kernel_initializer, rng)

    def forward(self, x):
        if self.weight is None:
            self.build(np.shape(x))
        try:
            y = conv1d(x, self.weight, self.bias, *self.stride, self.padding, *self.dilation, self.groups, self._fused)
        except ValueError as error:
            raise self._refuse(error, x) from None
        return y if self._rowwise is None else self._rowwise(y)


class ConvTranspose2D(_Conv):
    """activation(transposed convolution of x + bias): from small images to larger ones.

    Parameters
    ----------
    filters, kernel_size, stride, dilation, groups, activation, use_bias, in_channels, kernel_initializer, rng
        As for `Conv2D`.
    padding : {'valid', 'same'} or int or pair or pair of pairs
        What is taken away around the output: nothing; so much that it has H stride rows; that many pixels on each side.
    output_padding : int or pair
        Rows and columns more at the bottom and right.

    Shape
    -----
    Input (N, H, W, C), output (N, (H - 1) stride + (R - 1) dilation + 1 - padding + output_padding, …, filters); weight
    (R, S, filters / groups, C), bias (filters,).

    Raises
    ------
    ValueError
        As `Conv2D`; where nothing of the output is left.

    Source
    ------
    Dumoulin, Visin, "A guide to convolution arithmetic for deep learning", 2016, section 4.

    Examples
    --------
    >>> import numpy as np
    >>> import cdl
    >>> cdl.ConvTranspose2D(8, kernel_size=4, stride=2, padding=1)(np.ones((2, 7, 7, 3))).shape
    (2, 14, 14, 8)
    """

    def __init__(self, filters, kernel_size=3, stride=1, padding="valid", *, output_padding=0, dilation=1, groups=1,
                 activation=None, use_bias=True, in_channels=None, kernel_initializer=None, rng=None):
        self.output_padding = _as_tuples(output_padding)
        super().__init__(filters, kernel_size, stride, padding, dilation, groups, activation, use_bias, in_channels,
                         kernel_initializer, rng)

    def _weight_shape(self, channels):
        if channels % self.groups:
            raise ValueError(f"ConvTranspose2D: {self.groups} groups do not divide {channels} channels")
        return (*self.kernel_size, self.filters // self.groups, channels)

    @property
    def in_channels(self):
        """The number of input channels, or None before it is known."""
        return None if self.weight is None else self.weight.shape[-1]

    def _image_shape(self, shape):
        return transposed_output_shape(shape, self.kernel_size, self.filters, self.stride, self.padding, self.output_padding,
                                       self.dilation, "ConvTranspose2D")

    def forward(self, x):
        if self.weight is None:
            self.build(np.shape(x))
        try:
            y = conv_transpose2d(x, self.weight, self.stride, self.padding, self.output_padding, self.dilation, self.groups)
        except ValueError as error:
            raise self._refuse(error, x) from None
        if self.bias is not None:
            y = y + self.bias
        activate = FUSED.get(self._fused) or self._rowwise
        return y if activate is None else activate(y)

    def config(self):
        config = super().config()
        if self.output_padding != 0:
            config["output_padding"] = self.output_padding
        return config
