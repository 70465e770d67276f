"""Convolutions as functions. Their names are kept to `cdl.ops`: models use the layers."""
import numpy as np

from cdl._core.conv import conv2d as _conv2d
from cdl._core.conv import conv_output_size as _conv_output_size
from cdl._core.conv import conv_transpose2d as _conv_transpose2d

__all__ = ["conv1d", "conv2d", "conv_transpose2d"]


def conv2d(x, w, b=None, stride=1, padding="valid", dilation=1, groups=1, act=None, added=None, p=None, q=0.0):
    """y = act(x * w + b + added), the convolution of images whose channels come last.

    y[n, i, j, k] = sum over r, s, c of x[n, i stride + r dilation - top, j stride + s dilation - left, c] w[r, s, c, k],
    where x is 0 outside of the image: what the field calls convolution is, by the letter, a correlation.

    Parameters
    ----------
    x : array_like, shape (N, H, W, C)
    w : array_like, shape (R, S, C / groups, K)
    b : array_like, shape (K,), optional
    stride, dilation : int or pair
        Of rows and columns, 1 or more.
    padding : {'valid', 'same'} or int or pair or pair of pairs
        Zeros around the image: none; so many that P = ceil(H / stride), the odd one after the image (at its bottom and
        right); that many on each side; (rows, columns), each one number for both sides or a pair:
        ((top, bottom), (left, right)).
    groups : int
        Output channels come in `groups` equal parts, each of which sees its own part of the input channels only.
    act : str, optional
        The name of an elementwise function, as for `dense`; default: none.
    added : array_like, shape (N, P, Q, K), optional
        Added before `act`: the shortcut of a residual block.
    p, q : float
        Parameters of `act`, as for `dense` ("clip" has no bounds of its own: give both).

    Returns
    -------
    Tensor or ndarray, shape (N, P, Q, K)
        P = floor((H + top + bottom - (R - 1) dilation - 1) / stride) + 1, Q likewise.

    Raises
    ------
    ValueError
        Where shapes do not fit, the kernel is larger than the padded image, groups do not divide, or a stride is below 1.
    TypeError
        For strides, paddings and the like that are no integers.

    Source
    ------
    Notes, section 5.1. Products of windows packed on the fly, or what the shape is faster by (`bench/NOTES.md`).

    Examples
    --------
    >>> import numpy as np
    >>> import cdl
    >>> x = np.arange(16.0).reshape(1, 4, 4, 1)
    >>> cdl.ops.conv2d(x, np.ones((3, 3, 1, 1)))[0, :, :, 0]
    array([[45., 54.],
           [81., 90.]])
    >>> cdl.ops.conv2d(x, np.ones((3, 3, 1, 1)), stride=2, padding="same")[0, :, :, 0]
    array([[45., 39.],
           [66., 50.]])
    """
    return _conv2d(x, w, b, stride, padding, dilation, groups, act, added, p, q)


def conv1d(x, w, b=None, stride=1, padding="valid", dilation=1, groups=1, act=None, p=None, q=0.0):
    """y = act(x * w + b), the convolution of sequences whose channels come last.

    Parameters
    ----------
    x : array_like, shape (N, T, C)
    w : array_like, shape (S, C / groups, K)
    b : array_like, shape (K,), optional
    stride, dilation : int
    padding : {'valid', 'same'} or int or pair
        As for `conv2d`; a pair is (before, after).
    groups, act, p, q
        As for `conv2d`.

    Returns
    -------
    Tensor or ndarray, shape (N, floor((T + padding - (S - 1) dilation - 1) / stride) + 1, K)

    Raises
    ------
    ValueError, TypeError
        As `conv2d`.

    Examples
    --------
    >>> import numpy as np
    >>> import cdl
    >>> cdl.ops.conv1d(np.arange(5.0).reshape(1, 5, 1), np.ones((2, 1, 1)))[0, :, 0]
    array([1., 3., 5., 7.])
    """
    if np.ndim(x) != 3:
        raise ValueError(f"conv1d: x must be (N, T, channels), got shape {np.shape(x)}")
    if np.ndim(w) != 3:
        raise ValueError(f"conv1d: w must be (length, channels / groups, filters), got shape {np.shape(w)}")
    if np.shape(x)[2] != np.shape(w)[1] * groups:
        raise ValueError(f"conv1d: expected {np.shape(w)[1] * groups} channels (w is {np.shape(w)}, groups {groups}), got "
                         f"{np.shape(x)[2]} in x of shape {np.shape(x)}")
    try:
        y = _conv2d(np.expand_dims(x, 1), np.expand_dims(w, 0), b, (1, stride), across(padding), (1, dilation), groups, act,
                    None, p, q)
    except ValueError as error:
        raise ValueError(str(error).replace("conv2d:", "conv1d:").replace("along W", "along T")) from None
    return np.squeeze(y, 1)


def across(padding):
    """The padding of a sequence as that of an image of one row."""
    return padding if isinstance(padding, str) else (0, padding)


def conv_transpose2d(x, w, stride=1, padding="valid", output_padding=0, dilation=1, groups=1):
    """Transposed convolution: the gradient of `conv2d` with respect to its input, taken as a function of its own.

    Each pixel of x adds the kernel, times its value, to the output: y[n, i stride + r dilation - top, j stride +
    s dilation - left, k] += x[n, i, j, c] w[r, s, k, c].

    Parameters
    ----------
    x : array_like, shape (N, P, Q, C)
    w : array_like, shape (R, S, K / groups, C)
        K filters; the order of the last two axes is that of the convolution which takes y to x.
    stride, dilation : int or pair
    padding : {'valid', 'same'} or int or pair or pair of pairs
        What is taken away around the output: nothing; so much that H = P stride; that many pixels on each side, as for
        `conv2d`.
    output_padding : int or pair
        Rows and columns more at the bottom and right: of the sizes that a convolution with this stride brings to P, the
        one that is meant. Less than stride or dilation.
    groups : int

    Returns
    -------
    Tensor or ndarray, shape (N, H, W, K)
        H = (P - 1) stride + (R - 1) dilation + 1 - top - bottom + output_padding, with 'same' P stride + output_padding; W
        likewise. Images without rows or columns stay without.

    Raises
    ------
    ValueError, TypeError
        As `conv2d`; where nothing of the output is left.

    Source
    ------
    Dumoulin, Visin, "A guide to convolution arithmetic for deep learning", 2016, section 4.

    Examples
    --------
    >>> import numpy as np
    >>> import cdl
    >>> cdl.ops.conv_transpose2d(np.ones((1, 2, 2, 1)), np.ones((2, 2, 1, 1)))[0, :, :, 0]
    array([[1., 2., 1.],
           [2., 4., 2.],
           [1., 2., 1.]])
    """
    return _conv_transpose2d(x, w, stride, padding, output_padding, dilation, groups)


def conv_output_size(W, F, P=0, S=1):
    """The size of a convolution's output, O = (W - F + 2 P) / S + 1, rounded down.

    Parameters
    ----------
    W : int
        The size of the input.
    F : int
        The size of the kernel, 1 or more.
    P : int
        The padding on each side.
    S : int
        The stride, 1 or more.

    Returns
    -------
    int

    Raises
    ------
    ValueError
        Where the kernel is larger than the padded input, or an argument is negative.
    TypeError
        Where one is no integer.

    Source
    ------
    Notes, section 5.1.

    Examples
    --------
    >>> import cdl
    >>> cdl.conv_output_size(224, 7, P=3, S=2)
    112
    """
    return _conv_output_size(W, F, P, S)


METHODS = {}
NUMPY = {}
