"""Layers that make images larger."""
from cdl._core.resize import border_of, check_interpolation, size_of, upsample2d
from cdl.nn.layer import Layer
from cdl.ops.resize import zero_pad2d

__all__ = ["UpSampling2D", "ZeroPadding2D"]


def _scaled(length, times):
    return None if length is None else length * times


class UpSampling2D(Layer):
    """Images (N, H, W, channels) with `size` times as many rows and columns; see `cdl.ops.upsample2d`.

    Parameters
    ----------
    size : int or (int, int)
        Times as many rows and columns.
    interpolation : {"nearest", "bilinear"}
        "nearest" repeats every pixel; "bilinear" interpolates between pixels that are squares (align_corners=False).

    Shape
    -----
    Input (N, H, W, channels), output (N, H · rows, W · columns, channels).

    Raises
    ------
    ValueError
        For a size less than 1 or an unknown interpolation.

    Source
    ------
    Long, Shelhamer, Darrell, "Fully Convolutional Networks for Semantic Segmentation", 2015, section 3.3.

    Examples
    --------
    >>> import numpy as np
    >>> import cdl
    >>> cdl.UpSampling2D((1, 2), "bilinear")(np.array([[0.0, 4.0]]).reshape(1, 1, 2, 1))[0, 0, :, 0]
    array([0., 1., 3., 4.])
    """

    def __init__(self, size=2, interpolation="nearest"):
        size_of(size, "UpSampling2D")
        check_interpolation(interpolation, "UpSampling2D")
        self.size = size
        self.interpolation = interpolation

    def forward(self, x):
        return upsample2d(x, self.size, self.interpolation)

    def output_shape(self, input_shape):
        n, h, w, c = _images(input_shape, "UpSampling2D")
        rows, columns = size_of(self.size, "UpSampling2D")
        return (n, _scaled(h, rows), _scaled(w, columns), c)

    def config(self):
        return {"size": self.size, "interpolation": self.interpolation}


class ZeroPadding2D(Layer):
    """Images (N, H, W, channels) with rows and columns of zeros around them; see `cdl.ops.zero_pad2d`.

    Parameters
    ----------
    padding : int, (int, int) or ((top, bottom), (left, right))
        On every side; above and below, and left and right; or each.

    Shape
    -----
    Input (N, H, W, channels), output (N, H + top + bottom, W + left + right, channels).

    Raises
    ------
    ValueError
        For a negative width.

    Examples
    --------
    >>> import numpy as np
    >>> import cdl
    >>> cdl.ZeroPadding2D(2)(np.ones((1, 4, 4, 3))).shape
    (1, 8, 8, 3)
    """

    def __init__(self, padding=1):
        border_of(padding, "ZeroPadding2D")
        self.padding = padding

    def forward(self, x):
        return zero_pad2d(x, self.padding)

    def output_shape(self, input_shape):
        n, h, w, c = _images(input_shape, "ZeroPadding2D")
        rows, columns = border_of(self.padding, "ZeroPadding2D")
        return (n, *(None if length is None else length + sum(pair) for length, pair in ((h, rows), (w, columns))), c)

    def config(self):
        return {"padding": self.padding}


def _images(shape, who):
    if len(shape) != 4:
        raise ValueError(f"{who}: the input must be (N, H, W, channels), got shape {tuple(shape)}")
    return shape
