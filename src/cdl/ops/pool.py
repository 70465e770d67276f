"""Pooling of images, channels last: (N, H, W, channels)."""
from cdl._core.pool import avg_pool2d as _avg_pool2d
from cdl._core.pool import global_avg_pool2d as _global_avg_pool2d
from cdl._core.pool import global_max_pool2d as _global_max_pool2d
from cdl._core.pool import max_pool2d as _max_pool2d

__all__ = ["avg_pool2d", "global_avg_pool2d", "global_max_pool2d", "max_pool2d"]


def max_pool2d(x, pool_size=2, stride=None, padding="valid"):
    """The largest pixel of each window, channel by channel: y[n, p, q, c] = max over r, s of x[n, p·stride + r - top, …].

    Pixels outside of the image do not take part (as if they were -inf, not 0). A window with a NaN gives NaN. The
    gradient goes to the first of equal pixels, row by row; in a window with NaN to the first NaN.

    Parameters
    ----------
    x : array_like
        (N, H, W, channels).
    pool_size : int or (int, int)
        Rows and columns of a window.
    stride : int or (int, int), optional
        From one window to the next; default: pool_size.
    padding : {"valid", "same"}, int, (int, int) or ((top, bottom), (left, right))
        Pixels around the image. "valid": none, so rows and columns over that do not fill a window are left out.
        "same": so many that y has ceil(H / stride) rows and ceil(W / stride) columns, an odd one below and to the right.

    Returns
    -------
    Tensor or ndarray
        (N, P, Q, channels) with P = (H + top + bottom - rows) / stride + 1, rounded down; Q likewise.

    Raises
    ------
    ValueError
        If x has not four axes, a window is larger than the padded image or would see nothing but padding, a stride or a
        size is less than 1.
    TypeError
        If sizes are no integers.

    Source
    ------
    Notes, section 5.1, for the sizes; LeCun et al., "Gradient-Based Learning Applied to Document Recognition", 1998.

    Examples
    --------
    >>> import numpy as np
    >>> import cdl
    >>> x = np.arange(16.0).reshape(1, 4, 4, 1)
    >>> cdl.ops.max_pool2d(x)[0, :, :, 0]
    array([[ 5.,  7.],
           [13., 15.]])
    """
    return _max_pool2d(x, pool_size, stride, padding)


def avg_pool2d(x, pool_size=2, stride=None, padding="valid", *, count_include_pad=False):
    """The mean of the pixels of each window, channel by channel.

    By default a window's sum is divided by the number of its pixels that lie in the image, as in Keras; with
    `count_include_pad` by all its pixels, the padding counted as zeros, as torch does unless told otherwise.

    Parameters
    ----------
    x, pool_size, stride, padding
        As in `max_pool2d`.
    count_include_pad : bool
        Whether pixels outside of the image count.

    Returns
    -------
    Tensor or ndarray
        (N, P, Q, channels), as in `max_pool2d`.

    Raises
    ------
    ValueError, TypeError
        As `max_pool2d`.

    Source
    ------
    LeCun et al., "Gradient-Based Learning Applied to Document Recognition", 1998, section II.B.

    Examples
    --------
    >>> import numpy as np
    >>> import cdl
    >>> x = np.arange(16.0).reshape(1, 4, 4, 1)
    >>> cdl.ops.avg_pool2d(x)[0, :, :, 0]
    array([[ 2.5,  4.5],
           [10.5, 12.5]])
    """
    return _avg_pool2d(x, pool_size, stride, padding, count_include_pad)


def global_max_pool2d(x):
    """The largest pixel of each image, channel by channel; NaN and equal pixels as in `max_pool2d`.

    Parameters
    ----------
    x : array_like
        (N, H, W, channels).

    Returns
    -------
    Tensor or ndarray
        (N, channels).

    Raises
    ------
    ValueError
        If x has not four axes, or its images no pixels.

    Source
    ------
    Oquab et al., "Is object localization for free?", 2015, section 3.2.

    Examples
    --------
    >>> import numpy as np
    >>> import cdl
    >>> cdl.ops.global_max_pool2d(np.arange(8.0).reshape(1, 2, 2, 2))
    array([[6., 7.]])
    """
    return _global_max_pool2d(x)


def global_avg_pool2d(x):
    """The mean of the pixels of each image, channel by channel. Parameters, result and errors as in `global_max_pool2d`.

    Source
    ------
    Lin, Chen, Yan, "Network In Network", 2014, section 3.2.

    Examples
    --------
    >>> import numpy as np
    >>> import cdl
    >>> cdl.ops.global_avg_pool2d(np.arange(8.0).reshape(1, 2, 2, 2))
    array([[3., 4.]])
    """
    return _global_avg_pool2d(x)


METHODS = {}
NUMPY = {}
