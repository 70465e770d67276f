"""Images cut, turned over and resized. What happens to them at random in training is in image_augment.py."""
import math
import operator

import numpy as np

from .._core.augment import pictures, refuse_one_image, resample

__all__ = ["center_crop", "crop", "flip", "resize"]


def resize(images, size, *, method="bilinear", antialias=True):
    """Resize images, a whole batch at once or a list of images of various sizes.

    Pixels are areas: the centre of output pixel i lies at (i + ½) n_in / n_out − ½ of the input. Bilinear: each output
    pixel is the mean of the input pixels around its centre, weighted by a triangle 1 − |distance| / r. Enlarging, r is
    1; shrinking, r is n_in / n_out with `antialias`, so that every input pixel counts, else 1. At the borders only the
    pixels that are there count. Nearest: the input pixel that the centre lies in.

    Parameters
    ----------
    images : array of uint8, float32 or float64, or a list of single images
        Images in a list have shape (H, W, C), or (H, W) if they are grey, and all the same channels.
    size : int or (int, int)
        Height and width of the result; one int for both.
    method : "bilinear" or "nearest"
    antialias : bool, default True
        Whether shrinking takes the mean of all pixels; without it fine patterns turn into coarse ones that are not there.

    Returns
    -------
    numpy.ndarray
        A new array of the dtype of the images (of float16: float32); bytes are rounded.

    Shape
    -----
    images : (N, H, W, C) → (N, *size, C); (N, H, W) → (N, *size)

    Raises
    ------
    ValueError
        For another number of axes, a size below 1, an unknown method, an empty list, or images of a list that differ in
        their channels or dtype.
    TypeError
        For images of another dtype.

    Source
    ------
    The same arithmetic as Pillow's ``resize(BILINEAR)`` and torch's ``interpolate(align_corners=False)``.

    Examples
    --------
    >>> resize(np.array([[[0, 100], [0, 100]]], np.uint8), (1, 4))
    array([[[  0,  25,  75, 100]]], dtype=uint8)
    >>> photos = [np.zeros((480, 640, 3), np.uint8), np.zeros((100, 80, 3), np.uint8)]
    >>> resize(photos, 224).shape
    (2, 224, 224, 3)
    """
    size = _size(size, "resize")
    if method not in ("bilinear", "nearest"):
        raise ValueError(f"resize: method must be 'bilinear' or 'nearest', got {method!r}")
    if not isinstance(images, (list, tuple)):
        x = pictures(images, "resize")
        tables = (_weights(n, wanted, method, antialias) for n, wanted in zip(x.shape[1:3], size, strict=True))
        return resample(x, *tables, x.dtype == np.uint8).reshape(np.shape(images)[0], *size, *np.shape(images)[3:])
    if not images:
        raise ValueError("resize: the list of images is empty")
    resized = [resize(np.asarray(image)[None], size, method=method, antialias=antialias)[0] for image in images]
    kinds = dict.fromkeys((image.dtype.name, image.shape[2:]) for image in resized)
    if len(kinds) > 1:
        raise ValueError("resize: the images of a list need the same channels and dtype, got "
                         + " and ".join(f"{name} with shape (H, W{''.join(f', {n}' for n in rest)})" for name, rest in kinds))
    return np.stack(resized)


def crop(images, top, left, height, width):
    """The part of each image that begins at row `top` and column `left`, as a copy.

    Shape
    -----
    images : (N, H, W, …) → (N, height, width, …)

    Raises
    ------
    ValueError
        If it does not lie within the images.

    Examples
    --------
    >>> crop(np.arange(9).reshape(1, 3, 3), 1, 0, 2, 2)
    array([[[3, 4],
            [6, 7]]])
    """
    x = _batch(images, "crop")
    top, left, height, width = (operator.index(value) for value in (top, left, height, width))
    if not (0 <= top < top + height <= x.shape[1] and 0 <= left < left + width <= x.shape[2]):
        raise ValueError(f"crop: rows {top} to {top + height} and columns {left} to {left + width} do not lie within images of "
                         f"{x.shape[1]} × {x.shape[2]}")
    return x[:, top:top + height, left:left + width].copy()


def center_crop(images, size):
    """The middle of each image, as a copy; an odd rest is cut off below and on the right.

    Parameters
    ----------
    images : array
    size : int or (int, int)
        Height and width of the result, at most those of the images; one int for both.

    Shape
    -----
    images : (N, H, W, …) → (N, *size, …)

    Raises
    ------
    ValueError
        If the images are smaller.

    Examples
    --------
    >>> center_crop(np.arange(16).reshape(1, 4, 4), 2)
    array([[[ 5,  6],
            [ 9, 10]]])
    """
    x, (height, width) = _batch(images, "center_crop"), _size(size, "center_crop")
    if height > x.shape[1] or width > x.shape[2]:
        raise ValueError(f"center_crop: {height} × {width} is larger than the images, which are {x.shape[1]} × {x.shape[2]}; "
                         "resize them first")
    return crop(x, (x.shape[1] - height) // 2, (x.shape[2] - width) // 2, height, width)


def flip(images, axis="horizontal"):
    """Each image turned over, as a copy: left and right, or (``"vertical"``) top and bottom exchanged.

    Shape
    -----
    images : (N, H, W, …) → the same

    Raises
    ------
    ValueError
        For another axis.

    Examples
    --------
    >>> flip(np.array([[[1, 2], [3, 4]]])), flip(np.array([[[1, 2], [3, 4]]]), "vertical")
    (array([[[2, 1],
            [4, 3]]]), array([[[3, 4],
            [1, 2]]]))
    """
    if axis not in ("horizontal", "vertical"):
        raise ValueError(f"flip: axis must be 'horizontal' or 'vertical', got {axis!r}")
    return np.flip(_batch(images, "flip"), 2 if axis == "horizontal" else 1).copy()


def _weights(n_in, n_out, method, antialias):
    """For each of n_out pixels the first of the n_in pixels that it is made of, and their weights, of sum 1."""
    scale = n_in / n_out
    centre = (np.arange(n_out) + 0.5) * scale - 0.5
    if method == "nearest":
        return np.clip(np.floor(centre + 0.5), 0, n_in - 1).astype(np.int64), np.ones((n_out, 1))
    radius = max(scale, 1.0) if antialias else 1.0
    taps = min(math.ceil(2 * radius), n_in)
    first = np.clip(np.floor(centre - radius) + 1, 0, n_in - taps).astype(np.int64)
    weights = np.maximum(1 - abs(first[:, None] + np.arange(taps) - centre[:, None]) / radius, 0)
    return first, weights / weights.sum(axis=1, keepdims=True)


def _size(size, who):
    """(height, width) of an int or a pair."""
    try:
        height, width = (operator.index(n) for n in (size if isinstance(size, (tuple, list)) else (size, size)))
    except (TypeError, ValueError):
        raise ValueError(f"{who}: size must be an int or (height, width), got {size!r}") from None
    if height < 1 or width < 1:
        raise ValueError(f"{who}: height and width must be 1 or more, got {height} × {width}")
    return height, width


def _batch(images, who):
    x = np.asarray(images)
    if x.ndim not in (3, 4):
        raise ValueError(f"{who}: expected a batch of images (N, H, W, C), or (N, H, W) if they are grey, got shape {x.shape}")
    refuse_one_image(x.shape, who)
    return x
