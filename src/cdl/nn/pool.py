"""Pooling layers, and what brings images to dense layers."""
from math import prod

import numpy as np

from cdl._core.pool import avg_pool2d, global_avg_pool2d, global_max_pool2d, max_pool2d, pooled_shape
from cdl._core.tensor import Tensor
from cdl.nn.layer import Layer
from cdl.ops.shape import reshape

__all__ = ["AvgPool2D", "Flatten", "GlobalAvgPool2D", "GlobalMaxPool2D", "MaxPool2D"]


class _Pool(Layer):
    """Windows over images: what the layers of both kinds share."""

    def __init__(self, pool_size, stride, padding):
        self.pool_size = pool_size
        self.stride = stride
        self.padding = padding
        pooled_shape((None, None, None, None), pool_size, stride, padding, type(self).__name__)

    def output_shape(self, input_shape):
        return pooled_shape(tuple(input_shape), self.pool_size, self.stride, self.padding, type(self).__name__)

    def config(self):
        return {"pool_size": self.pool_size, "stride": self.stride, "padding": self.padding}


class MaxPool2D(_Pool):
    """The largest pixel of each window of images (N, H, W, channels), channel by channel; see `cdl.ops.max_pool2d`.

    Pixels outside of the image do not take part; NaN is kept; the gradient goes to the first of equal pixels.

    Parameters
    ----------
    pool_size : int or (int, int)
        Rows and columns of a window.
    stride : int or (int, int), optional
        From one window to the next; default: pool_size.
    padding : {"valid", "same"}, int, (int, int) or ((top, bottom), (left, right))
        Pixels around the image.

    Shape
    -----
    Input (N, H, W, channels), output (N, P, Q, channels) with P = (H + top + bottom - rows) / stride + 1, rounded down.

    Raises
    ------
    ValueError
        For sizes less than 1, and windows larger than the padded image or with nothing but padding.

    Source
    ------
    LeCun et al., "Gradient-Based Learning Applied to Document Recognition", 1998.

    Examples
    --------
    >>> import numpy as np
    >>> import cdl
    >>> cdl.MaxPool2D(2)(np.arange(16.0).reshape(1, 4, 4, 1))[0, :, :, 0]
    array([[ 5.,  7.],
           [13., 15.]])
    """

    def __init__(self, pool_size=2, stride=None, padding="valid"):
        super().__init__(pool_size, stride, padding)

    def forward(self, x):
        return max_pool2d(x, self.pool_size, self.stride, self.padding)


class AvgPool2D(_Pool):
    """The mean of the pixels of each window of images (N, H, W, channels); see `cdl.ops.avg_pool2d`.

    Parameters
    ----------
    pool_size, stride, padding
        As in `MaxPool2D`.
    count_include_pad : bool
        Whether pixels outside of the image count as zeros. They do not by default, as in Keras and unlike torch.

    Shape
    -----
    As in `MaxPool2D`.

    Source
    ------
    LeCun et al., "Gradient-Based Learning Applied to Document Recognition", 1998, section II.B.

    Examples
    --------
    >>> import numpy as np
    >>> import cdl
    >>> cdl.AvgPool2D(3, stride=2, padding="same")(np.ones((1, 4, 4, 1)))[0, :, :, 0]
    array([[1., 1.],
           [1., 1.]])
    """

    def __init__(self, pool_size=2, stride=None, padding="valid", count_include_pad=False):
        super().__init__(pool_size, stride, padding)
        self.count_include_pad = bool(count_include_pad)

    def forward(self, x):
        return avg_pool2d(x, self.pool_size, self.stride, self.padding, self.count_include_pad)

    def config(self):
        return super().config() | ({"count_include_pad": True} if self.count_include_pad else {})


class GlobalMaxPool2D(Layer):
    """The largest pixel of each image (N, H, W, channels), channel by channel; see `cdl.ops.global_max_pool2d`.

    Shape
    -----
    Input (N, H, W, channels), output (N, channels).

    Examples
    --------
    >>> import numpy as np
    >>> import cdl
    >>> cdl.GlobalMaxPool2D()(np.arange(8.0).reshape(1, 2, 2, 2))
    array([[6., 7.]])
    """

    def forward(self, x):
        return global_max_pool2d(x)

    def output_shape(self, input_shape):
        return (input_shape[0], input_shape[-1])


class GlobalAvgPool2D(Layer):
    """The mean of the pixels of each image (N, H, W, channels), channel by channel; see `cdl.ops.global_avg_pool2d`.

    Shape
    -----
    Input (N, H, W, channels), output (N, channels).

    Source
    ------
    Lin, Chen, Yan, "Network In Network", 2014, section 3.2.

    Examples
    --------
    >>> import numpy as np
    >>> import cdl
    >>> cdl.GlobalAvgPool2D()(np.arange(8.0).reshape(1, 2, 2, 2))
    array([[3., 4.]])
    """

    def forward(self, x):
        return global_avg_pool2d(x)

    def output_shape(self, input_shape):
        return (input_shape[0], input_shape[-1])


class Flatten(Layer):
    """Each sample as one row: (N, …) becomes (N, features), the last axis running fastest.

    Raises
    ------
    ValueError
        If the input has no axes.

    Examples
    --------
    >>> import numpy as np
    >>> import cdl
    >>> cdl.Flatten()(np.ones((5, 4, 4, 3))).shape
    (5, 48)
    """

    def forward(self, x):
        shape = x.shape if type(x) is Tensor else np.shape(x)   # np.shape of a Tensor goes through its protocol: 1.4 µs
        if shape and 0 not in shape:
            return reshape(x, (shape[0], -1))
        return reshape(x, self.output_shape(shape))

    def output_shape(self, input_shape):
        if not input_shape:
            raise ValueError("Flatten: expected (N, …), got a single number")
        return (input_shape[0], None if None in input_shape[1:] else prod(input_shape[1:]))
