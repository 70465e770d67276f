"""Images changed at random while a network is trained on them, whole batches at a time, each image in its own way."""
import operator

import numpy as np

from .._core.augment import pictures, place
from .._core.check import number
from ..random import generator
from .image_geometry import _size
from .image_scale import ImageScaler

__all__ = ["Augment", "color_jitter", "random_crop", "random_flip", "random_rotation"]


class Augment:
    """Change a batch of images at random: rotation, flips, crop, colours, in this order, each image in its own way.

    Called on images it returns new ones; called on images and labels it returns both, as ``fit(augment=...)`` wants it.
    Colours: times the brightness, then away from the mean grey of the image by the contrast, then each pixel away from
    its own grey by the saturation, held in [0, 255] (bytes) or [0, 1] (floats) after each step. Images that have other
    values (in [-1, 1], or standardised) can be flipped, cropped and rotated; their colours are to be changed before, and
    `scaler` does that: it comes last.

    Parameters
    ----------
    flip : bool or float in [0, 1], default False
        Left and right exchanged, with this probability; True is ½.
    flip_vertical : bool or float, default False
        Top and bottom, likewise.
    crop : int, default 0
        So many pixels are added on every side, and a window of the size of the image cut out at random.
    size : int or (int, int), optional
        Height and width of that window instead, at most those of the image with what `crop` adds.
    rotation : float in [0, 180], default 0
        About the middle, by an angle in degrees between −rotation and rotation; bilinear.
    brightness, contrast, saturation : float ≥ 0, default 0
        The factor is between 1 − this (0 at least) and 1 + this. Saturation needs three channels.
    fill : float, "nearest" or "mirror", default 0
        What is seen outside of the image: a value in the image's own units, the nearest pixel of the border, or the image
        reflected there.
    scaler : ImageScaler, optional
        Applied last; the result is float32 (float64 for images of float64).
    dtype : "float32", optional
        What bytes become without a scaler: value / 255 in float32. Default: they stay bytes, floats stay as they are.
    rng : numpy.random.Generator or int, optional
        Where the draws come from; default: the library's generator, see `cdl.seed`.

    Raises
    ------
    ValueError, TypeError
        For an option out of its range, naming it.

    Examples
    --------
    >>> augment = Augment(flip=True, crop=4, rotation=15, brightness=0.2, contrast=0.2, dtype="float32")
    >>> images = np.full((8, 32, 32, 3), 128, np.uint8)
    >>> x = augment(images)
    >>> x.shape, x.dtype
    ((8, 32, 32, 3), dtype('float32'))

    In training, ``model.fit(images, labels, augment=augment, ...)``; with bytes in memory and floats in the network:

    >>> scaler = ImageScaler().fit(images)
    >>> augment = Augment(flip=True, crop=4, scaler=scaler)
    >>> x, y = augment(images, np.arange(8))
    >>> float(abs(x).max()) > 0, y.shape
    (True, (8,))
    """

    DRAWS = 8       # of each image: angle, the two flips, row and column of the window, the three colours

    def __init__(self, *, flip=False, flip_vertical=False, crop=0, size=None, rotation=0.0, brightness=0.0, contrast=0.0,
                 saturation=0.0, fill=0.0, scaler=None, dtype=None, rng=None):
        self.flip = _within(0.5 if flip is True else flip, "flip", 1)
        self.flip_vertical = _within(0.5 if flip_vertical is True else flip_vertical, "flip_vertical", 1)
        self.crop = operator.index(crop)
        if not 0 <= self.crop < 2**24:      # the kernels count in 32 bits
            raise ValueError(f"Augment: crop must be a number of pixels from 0 to {2**24 - 1}, got {crop}")
        self.size = None if size is None else _size(size, "Augment")
        self.rotation = _within(rotation, "rotation", 180)
        self.brightness, self.contrast, self.saturation = (
            _within(value, name, np.inf)
            for value, name in ((brightness, "brightness"), (contrast, "contrast"), (saturation, "saturation")))
        if isinstance(fill, str) and fill not in ("nearest", "mirror"):
            raise ValueError(f"Augment: fill must be a number, 'nearest' or 'mirror', got {fill!r}")
        self.fill = fill if isinstance(fill, str) else number(fill, "Augment", "fill")
        if scaler is not None and not isinstance(scaler, ImageScaler):
            raise TypeError(f"Augment: scaler must be an ImageScaler, got {type(scaler).__name__}")
        if dtype is not None and np.dtype(dtype) != np.float32:
            raise ValueError(f"Augment: dtype must be 'float32' or None, which leaves it as it is, got {dtype!r}")
        self.scaler, self.dtype = scaler, dtype
        self.rng = None if rng is None else generator(rng)

    def __call__(self, images, *others, rng=None):
        """New images, and what else is given (labels, weights) as it came.

        Parameters
        ----------
        images : array of uint8, float32 or float64
        *others : any
        rng : numpy.random.Generator or int, optional
            Where the draws of this call come from; default: the object's own generator, or the library's.

        Shape
        -----
        images : (N, H, W, C), or (N, H, W) if they are grey → the same, or (N, *size, C)

        Raises
        ------
        ValueError
            For another number of axes, a window larger than the image, saturation of images without three channels, or a
            scaler of other channels.
        TypeError
            For images of another dtype.
        """
        rng = self.rng if rng is None else rng
        x = self.apply(images, generator(rng).random((len(images), self.DRAWS)))
        return (x, *others) if others else x

    def apply(self, images, draws):
        """The images for given draws, (N, 8) numbers in [0, 1): what a call does with those of its generator.

        With a draw d the angle is (2 d − 1) rotation, an image is flipped where d < flip, the window is the ⌊d n⌋-th of n,
        a factor is low + d (high − low). The draws of an image stand in the order angle, flip, flip_vertical, row, column,
        brightness, contrast, saturation.
        """
        x = pictures(images, "Augment")
        _, height, width, channels = x.shape
        rows, columns = self.size or (height, width)
        spare = (height + 2 * self.crop - rows, width + 2 * self.crop - columns)
        if min(spare) < 0:
            raise ValueError(f"Augment: a window of {rows} × {columns} does not fit images of {height} × {width}"
                             + (f" with {self.crop} pixels on every side" if self.crop else "; a larger crop= adds pixels"))
        if self.saturation and channels != 3:
            raise ValueError(f"Augment: saturation needs images with 3 channels, got {channels}")
        of_bytes = x.dtype == np.uint8
        params = self._params(np.asarray(draws, np.float64), height, width, spare)
        edge, fill = (self.fill, 0.0) if isinstance(self.fill, str) else ("fill", self.fill)
        scaling = self._scaling(channels, of_bytes)
        y = place(x, params, (rows, columns), edge, fill, 255.0 if of_bytes else 1.0, scaling, of_bytes and scaling is None)
        return y if np.ndim(images) == 4 else y[..., 0]

    def _params(self, draws, height, width, spare):
        """A row for each image (see cdl._core.augment): where its rows and columns come from, and its colours."""
        angle, across, down, row, column, *colours = draws.T
        angle = np.deg2rad(2 * angle - 1) * self.rotation
        cos, sin = np.cos(angle), np.sin(angle)
        middle_y, middle_x = (height - 1) / 2, (width - 1) / 2
        # Where pixel (p, q) of the window lies in the image that was rotated and flipped, from its middle …
        top, left = (np.floor(d * (n + 1)) - self.crop for d, n in zip((row, column), spare, strict=True))
        down, across = np.where(down < self.flip_vertical, -1.0, 1.0), np.where(across < self.flip, -1.0, 1.0)
        y, x = down * (top - middle_y), across * (left - middle_x)
        # … and, turned back, in the image itself.
        params = [middle_y + cos * y + sin * x, cos * down, sin * across,
                  middle_x - sin * y + cos * x, -sin * down, cos * across]
        for draw, spread in zip(colours, (self.brightness, self.contrast, self.saturation), strict=True):
            low = max(1 - spread, 0.0)
            params.append(low + draw * (1 + spread - low))
        return np.stack(params, axis=1)

    def _scaling(self, channels, of_bytes):
        """(shift, divisor) of each channel for the result, or None where it stays as it is."""
        if self.scaler is None:
            return (np.zeros(channels), np.full(channels, 255.0)) if of_bytes and self.dtype is not None else None
        shift, divisor = self.scaler.shift_and_divisor(of_bytes)
        if len(shift) != channels:
            raise ValueError(f"Augment: the scaler has {len(shift)} channels, the images {channels}")
        return shift, divisor

    def __repr__(self):
        options = {name: getattr(self, name) for name in (
            "flip", "flip_vertical", "crop", "size", "rotation", "brightness", "contrast", "saturation", "fill", "dtype")}
        return f"Augment({', '.join(f'{name}={value!r}' for name, value in options.items() if value)})"


def random_crop(images, padding=4, *, size=None, fill=0.0, rng=None):
    """Each image moved by up to `padding` pixels: a window at random of the image with so many pixels added on each side.

    Options, shapes and errors are those of `Augment`, where `padding` is called crop.

    Examples
    --------
    >>> random_crop(np.ones((2, 32, 32, 3), np.float32), 4, rng=0).shape
    (2, 32, 32, 3)
    """
    return Augment(crop=padding, size=size, fill=fill)(images, rng=rng)


def random_flip(images, probability=0.5, *, vertical=False, rng=None):
    """Each image with this probability turned over, left and right exchanged, or top and bottom; see `Augment`.

    Examples
    --------
    >>> random_flip(np.array([[[1.0, 2.0]]] * 4), rng=0)[:, 0]
    array([[2., 1.],
           [1., 2.],
           [1., 2.],
           [2., 1.]])
    """
    return Augment(**{"flip_vertical" if vertical else "flip": probability})(images, rng=rng)


def random_rotation(images, degrees, *, fill=0.0, rng=None):
    """Each image turned about its middle by an angle between −degrees and degrees, bilinear; see `Augment`.

    Examples
    --------
    >>> random_rotation(np.ones((2, 28, 28, 1), np.float32), 15, rng=0).shape
    (2, 28, 28, 1)
    """
    return Augment(rotation=degrees, fill=fill)(images, rng=rng)


def color_jitter(images, brightness=0.0, contrast=0.0, saturation=0.0, *, rng=None):
    """Each image with its own brightness, contrast and saturation; see `Augment`.

    Examples
    --------
    >>> color_jitter(np.full((2, 8, 8, 3), 0.5), brightness=0.2, rng=0)[:, 0, 0, 0].round(3)
    array([0.583, 0.407])
    """
    return Augment(brightness=brightness, contrast=contrast, saturation=saturation)(images, rng=rng)


def _within(value, name, most):
    value = number(value, "Augment", name)
    if not 0 <= value <= most or value == np.inf:
        raise ValueError(f"Augment: {name} must be between 0 and {most:g}, got {value:g}" if most < np.inf else
                         f"Augment: {name} must be finite and 0 or more, got {value:g}")
    return value
