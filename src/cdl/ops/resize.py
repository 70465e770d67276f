"""Images of another size, channels last: (N, H, W, channels)."""
import numpy as np

from cdl._core.join import pad as _pad
from cdl._core.resize import border_of as _border_of
from cdl._core.resize import check_interpolation as _check_interpolation
from cdl._core.resize import resize as _bilinear
from cdl._core.resize import size_of as _size_of
from cdl._core.resize import upsample2d as _upsample2d
from cdl.ops.index import take as _take

__all__ = ["resize", "upsample2d", "zero_pad2d"]


def resize(images, size, *, interpolation="bilinear"):
    """Images with other numbers of rows and columns.

    Pixels are squares, so that pixel i of n output pixels along an axis lies at at = (i + 1/2) · length / n - 1/2 of the
    `length` input pixels, held inside them: torch's align_corners=False. Bilinear: with low = floor(at), share = at - low,

        y[i] = (1 - share) · x[low] + share · x[low + 1]

    along rows and columns; nearest: x[floor((i + 1/2) · length / n)]. Nothing is blurred first when an image becomes
    smaller (antialias=False), so that pixels between those that are read do not count. A neighbour counts even where its
    share is 0: beside an infinite one the result is NaN, as in torch.

    Parameters
    ----------
    images : array_like
        (N, H, W, channels), or (H, W, channels) for one image; integers become float32 (with "nearest" they stay).
    size : int or (int, int)
        Rows and columns of the result.
    interpolation : {"bilinear", "nearest"}

    Returns
    -------
    Tensor or ndarray
        (N, rows, columns, channels), or for one image without N.

    Raises
    ------
    ValueError
        For other shapes, images without pixels, a size less than 1, an unknown interpolation.
    TypeError
        If sizes are no integers.

    Source
    ------
    Press et al., "Numerical Recipes", 3rd edition, section 3.6.1.

    Examples
    --------
    >>> import cdl
    >>> cdl.ops.resize([[[0.0], [4.0]]], (1, 4))[0, :, 0]
    array([0., 1., 3., 4.])
    """
    _check_interpolation(interpolation, "resize")
    if interpolation == "bilinear":
        return _bilinear(images, size)
    high, wide = _size_of(size, "resize")
    shape = np.shape(images)
    if len(shape) not in (3, 4) or 0 in shape[-3:-1]:
        return _bilinear(images, size)      # which says what is wrong
    rows, columns = ((2 * np.arange(n) + 1) * length // (2 * n) for n, length in ((high, shape[-3]), (wide, shape[-2])))
    return _take(_take(images, rows, axis=-3), columns, axis=-2)


def upsample2d(x, size=2, *, interpolation="nearest"):
    """Images with `size` times as many rows and columns.

    Nearest: every pixel is repeated, y[n, p, q, c] = x[n, p // rows, q // columns, c]. Bilinear: as `resize`, with pixels
    as squares (align_corners=False in torch).

    Parameters
    ----------
    x : array_like
        (N, H, W, channels).
    size : int or (int, int)
        Times as many rows and columns.
    interpolation : {"nearest", "bilinear"}

    Returns
    -------
    Tensor or ndarray
        (N, H · rows, W · columns, channels).

    Raises
    ------
    ValueError
        If x has not four axes or no pixels, for a size less than 1 and an unknown interpolation.
    TypeError
        If sizes are no integers.

    Source
    ------
    Long, Shelhamer, Darrell, "Fully Convolutional Networks for Semantic Segmentation", 2015, section 3.3.

    Examples
    --------
    >>> import numpy as np
    >>> import cdl
    >>> cdl.ops.upsample2d(np.array([[1.0, 2.0]]).reshape(1, 1, 2, 1))[0, :, :, 0]
    array([[1., 1., 2., 2.],
           [1., 1., 2., 2.]])
    """
    return _upsample2d(x, size, interpolation)


def zero_pad2d(x, padding=1):
    """Images with rows and columns of zeros around them.

    Parameters
    ----------
    x : array_like
        (N, H, W, channels).
    padding : int, (int, int) or ((top, bottom), (left, right))
        On every side; above and below, and left and right; or each.

    Returns
    -------
    Tensor or ndarray
        (N, H + top + bottom, W + left + right, channels).

    Raises
    ------
    ValueError
        If x has not four axes, or a width is negative.
    TypeError
        If widths are no integers.

    Source
    ------
    Notes, section 5.1: the P of the output's size.

    Examples
    --------
    >>> import numpy as np
    >>> import cdl
    >>> cdl.ops.zero_pad2d(np.ones((1, 1, 1, 1)), ((1, 0), (0, 1)))[0, :, :, 0]
    array([[0., 0.],
           [1., 0.]])
    """
    if np.ndim(x) != 4:
        raise ValueError(f"zero_pad2d: x must be (N, H, W, channels), got shape {np.shape(x)}")
    return _pad(x, ((0, 0), *_border_of(padding, "zero_pad2d"), (0, 0)))


METHODS = {}
NUMPY = {}
