"""Bringing the values of images to a common scale: [0, 1], [-1, 1], or mean 0 and deviation 1 in each channel."""
import numpy as np

from .._core.augment import pictures, scale
from .._core.check import number
from .preprocess import StandardScaler

__all__ = ["IMAGENET_MEAN", "IMAGENET_STD", "ImageScaler", "scale_images"]

# Of the red, green and blue of ImageNet's training images in [0, 1], as every model trained on them expects.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def scale_images(images, low=0.0, high=1.0, *, source=(0, 255)):
    """Scale images from [0, 255] to [0, 1], or to [-1, 1] with ``low=-1``.

        x' = low + (high − low) (x − source[0]) / (source[1] − source[0])

    The dtype does not matter: floats too are taken to be within `source`. Values outside of it are not clipped.

    Parameters
    ----------
    images : array of uint8, float32 or float64
    low, high : float, default 0 and 1
        What the ends of `source` become.
    source : (float, float), default (0, 255)
        Where the values lie now.

    Returns
    -------
    numpy.ndarray
        A new array: float64 stays float64, uint8, float16 and float32 become float32.

    Shape
    -----
    images : (N, H, W, C), or (N, H, W) if they are grey → the same

    Raises
    ------
    TypeError
        For images of another dtype.
    ValueError
        For another number of axes, or ends that are not finite or equal.

    Source
    ------
    The notes, section 7.1: [0,255] → [-1,1] or [0,1].

    Examples
    --------
    >>> x = np.array([[[0, 51, 255]]], np.uint8)                # one grey image of 1 × 3
    >>> scale_images(x), scale_images(x, -1)
    (array([[[0. , 0.2, 1. ]]], dtype=float32), array([[[-1. , -0.6,  1. ]]], dtype=float32))
    """
    x = pictures(images, "scale_images")
    low, high = number(low, "scale_images", "low"), number(high, "scale_images", "high")
    start, end = (number(value, "scale_images", "source") for value in source)
    if not np.isfinite([low, high, start, end]).all() or start == end or low == high:
        raise ValueError(f"scale_images: low and high, and the ends of source, must be finite and different, got {low:g}, "
                         f"{high:g} and {source!r}")
    divisor = (end - start) / (high - low)
    channels = x.shape[3]
    return scale(x, np.full(channels, start - low * divisor), np.full(channels, divisor)).reshape(np.shape(images))


class ImageScaler(StandardScaler):
    """Standardise each channel of images: subtract its mean, divide by its standard deviation.

    Mean and deviation of a channel are taken over all images and pixels; grey images (N, H, W) have one channel. They
    are fitted on the training images and applied to all others, or given, such as ImageNet's. Bytes are read as
    value / 255, so that what is fitted on bytes, or given for [0, 1], holds for floats in [0, 1] too. A channel that is
    constant in the fitted images is only centred.

        x' = (x − mean) / (std + ε)

    Parameters
    ----------
    mean, std : sequence of float, optional
        One for each channel, both or neither; without them `fit` finds them.
    eps : float ≥ 0, default 1e-8
        ε, added to the deviation.

    Attributes
    ----------
    mean, std : numpy.ndarray of float64, shape (C,)

    Source
    ------
    The notes, section 7.1: x' = (x - μ)/(σ + ε).

    Examples
    --------
    >>> images = np.zeros((2, 4, 4, 3), np.uint8)
    >>> images[1] = 255
    >>> scaler = ImageScaler().fit(images)                      # on the training images only
    >>> scaler.mean, scaler.std
    (array([0.5, 0.5, 0.5]), array([0.5, 0.5, 0.5]))
    >>> scaler.transform(images)[:, 0, 0]
    array([[-1., -1., -1.],
           [ 1.,  1.,  1.]], dtype=float32)
    >>> scaler = ImageScaler(IMAGENET_MEAN, IMAGENET_STD)       # for a model trained on ImageNet
    >>> scaler.transform(images)[1, 0, 0].round(3)
    array([2.249, 2.429, 2.64 ], dtype=float32)
    """

    def __init__(self, mean=None, std=None, *, eps=1e-8):
        super().__init__(eps)
        if (mean is None) != (std is None):
            raise ValueError("ImageScaler: give mean and std, or neither and call fit")
        if mean is not None:
            state = {"mean": np.atleast_1d(mean), "std": np.atleast_1d(std), "eps": self.eps}
            self.load_state_dict(state)

    def fit(self, images):
        """Learn mean and standard deviation of each channel, in float64.

        Shape
        -----
        images : (N, H, W, C), or (N, H, W) if they are grey

        Returns
        -------
        ImageScaler
            Itself.

        Raises
        ------
        ValueError
            No images, another number of axes, or a channel that holds NaN or infinity.
        TypeError
            Another dtype than uint8, float32 and float64.
        """
        x = pictures(images, "ImageScaler.fit")
        if len(x) == 0:
            raise ValueError(f"ImageScaler.fit: there are no images: shape {np.shape(images)}")
        if x.dtype != np.uint8:
            return super().fit(x)
        # How often each byte occurs says it all, exactly, and counting takes a fraction of the time of squaring.
        values, total = np.arange(256) / 255, x.size // x.shape[3]
        counts = np.stack([np.bincount(x[..., c].reshape(-1), minlength=256) for c in range(x.shape[3])])
        self.mean = counts @ values / total
        self.std = np.sqrt(np.sum(counts * (values - self.mean[:, None]) ** 2, axis=1) / total)
        self._count = total
        constant = (counts > 0).sum(axis=1) == 1
        self.mean = np.where(constant, values[counts.argmax(axis=1)], self.mean)
        self.std = np.where(constant, 0.0, self.std)
        return self

    def partial_fit(self, images):
        """Learn from one more part of the images, as `fit` of all parts together; errors as there."""
        x = pictures(images, "ImageScaler.partial_fit")
        return super().partial_fit(x / 255 if x.dtype == np.uint8 else x)

    def transform(self, images):
        """(x − mean) / (std + ε) as a new array: float64 stays float64, others become float32.

        Shape
        -----
        images : (N, H, W, C), or (N, H, W) if they are grey → the same

        Raises
        ------
        ValueError
            Before `fit`, or for another number of channels or axes.
        TypeError
            Another dtype than uint8, float32 and float64.
        """
        x = self._pictures(images, "transform")
        return scale(x, *self.shift_and_divisor(x.dtype == np.uint8)).reshape(np.shape(images))

    def inverse_transform(self, x):
        """x (std + ε) + mean, floats in the scale of [0, 1]: undoes `transform`, dtype and errors as there."""
        images = self._pictures(x, "inverse_transform")
        return scale(images, -self.mean / self._scale(), 1 / self._scale()).reshape(np.shape(x))

    def shift_and_divisor(self, of_bytes):
        """The numbers (C) of `transform`, which is (x − shift) / divisor, for bytes or for floats."""
        self._require_fit("shift_and_divisor")
        whole = 255 if of_bytes else 1
        return whole * self.mean, whole * self._scale()

    def __repr__(self):
        known = "not fitted" if self.mean is None else f"mean {self.mean.round(4)}, std {self.std.round(4)}"
        return f"ImageScaler(eps={self.eps:g}), {known}"

    def _pictures(self, images, method):
        self._require_fit(method)
        x = pictures(images, f"ImageScaler.{method}")
        if x.shape[3] != len(self.mean):
            raise ValueError(f"ImageScaler.{method}: expected {len(self.mean)} channels, got {x.shape[3]} in images of shape "
                             f"{np.shape(images)}")
        return x
