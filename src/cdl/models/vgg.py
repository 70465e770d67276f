"""VGG: 3×3 convolutions only, in five stages, and three dense layers."""
import numpy as np

from cdl._core.check import positive_integer
from cdl.models.sequential import Sequential
from cdl.nn import BatchNorm, Conv2D, Dense, Dropout, Flatten, MaxPool2D
from cdl.ops import matmul, reshape
from cdl.random import generator
from cdl.train.model import Model

__all__ = ["VGG", "VGG11", "VGG13", "VGG16", "VGG19"]

# Convolutions in each of the five stages (columns A, B, D and E of the paper's table 1), and their filters.
_STAGES = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}
_FILTERS = (64, 128, 256, 512, 512)
# What the five poolings leave of 224×224 images.
_MAP = 7


class VGG(Model):
    """A VGG network: `VGG11`, `VGG13`, `VGG16` and `VGG19` make it.

    Parameters
    ----------
    depth : {11, 13, 16, 19}
        Layers with weights.
    classes : int or None
        The number of outputs (logits). None: the convolutions alone, whose output is the last maps.
    small : bool
        For images of about 32×32: the convolutions are the same, the dense layers 512 wide, on one position.
    batch_norm : bool
        Whether each convolution is followed by batch normalisation, which trains faster and without which the deeper
        ones hardly learn from scratch.
    drop_prob : float
        The share of the dense layers' outputs that is dropped in training.
    channels : int
        Of the images.
    rng : numpy.random.Generator or int, optional
        Where the initial weights come from.

    Attributes
    ----------
    features, classifier : Sequential
        The convolutions and the dense layers. Layers have the names that torchvision gives them, ReLU and pooling
        counted (``features.2.weight``), so that `load` takes its checkpoints.

    Shape
    -----
    Input (N, H, W, channels), H and W at least 32; the maps are averaged to 7×7 positions (small: to one) where the
    image is not 224×224 (small: 32×32). Output (N, classes); without classes (N, H // 32, W // 32, 512).

    Source
    ------
    Simonyan, Zisserman, "Very deep convolutional networks for large-scale image recognition", 2015, table 1; the notes,
    section 5.2.
    """

    def __init__(self, depth, classes=1000, *, small=False, batch_norm=False, drop_prob=0.5, channels=3, rng=None,
                 fused=False):
        if depth not in _STAGES:
            raise ValueError(f"VGG: depth must be one of {', '.join(map(str, _STAGES))}, got {depth!r}")
        self.depth, self.classes = depth, None if classes is None else positive_integer(classes, "VGG", "classes")
        self.small, self.batch_norm, self.drop_prob, self.channels = small, batch_norm, drop_prob, channels
        rng = None if rng is None else generator(rng)
        self.features = _features(_STAGES[depth], batch_norm, channels, rng)
        self.flatten = Flatten()
        self._map = 1 if small else _MAP
        self.classifier = None if classes is None else _classifier(self._map, 512 if small else 4096, classes, drop_prob, rng)
        if fused:
            self.fuse()

    def forward(self, x):
        x = self.features.forward(x)
        if self.classifier is None:
            return x
        return self.classifier.forward(self.flatten(averaged(x, self._map)))

    def output_shape(self, input_shape):
        shape = self.features.output_shape(input_shape)
        return shape if self.classes is None else (input_shape[0], self.classes)

    def known_input_shape(self):
        size = 32 * self._map
        return (None, size, size, self.channels) if self._input_shape is None else self._input_shape

    def config(self):
        config = {"depth": self.depth, "classes": self.classes, "small": self.small, "batch_norm": self.batch_norm,
                  "drop_prob": self.drop_prob, "channels": self.channels}
        return config | ({"fused": True} if self.batch_norm and "1" not in self.features.names else {})


def _features(stages, batch_norm, channels, rng):
    """The convolutions and poolings, by the numbers that they have where every ReLU is a layer too."""
    layers, number = {}, 0
    for convolutions, filters in zip(stages, _FILTERS, strict=True):
        for _ in range(convolutions):
            layers[str(number)] = Conv2D(filters, 3, padding=1, activation=None if batch_norm else "relu",
                                         in_channels=channels, kernel_initializer="he_normal", rng=rng)
            if batch_norm:
                layers[str(number + 1)] = BatchNorm(filters, activation="relu")
            number, channels = number + (3 if batch_norm else 2), filters
        layers[str(number)] = MaxPool2D(2)
        number += 1
    return Sequential(layers.values(), names=layers)


def _classifier(size, units, classes, drop_prob, rng):
    like = {"activation": "relu", "rng": rng}
    first = Dense(units, in_features=size * size * _FILTERS[-1], **like)
    first.flattened = (size, size, _FILTERS[-1])
    second, last = Dense(units, in_features=units, **like), Dense(classes, in_features=units, rng=rng)
    return Sequential([first, Dropout(drop_prob), second, Dropout(drop_prob), last], names="02356")


def averaged(x, size):
    """x (N, H, W, C) averaged to (N, size, size, C): position i is the mean from floor(i H / size) to ceil((i + 1) H / size).

    Examples
    --------
    >>> import numpy as np
    >>> averaged(np.arange(9.0).reshape(1, 3, 3, 1), 1).ravel()
    array([4.])
    """
    N, H, W, C = x.shape
    if W != size:
        x = matmul(_means(W, size, x.dtype), x)
    if H != size:
        x = matmul(_means(H, size, x.dtype), reshape(x, (N, H, size * C)))
    return reshape(x, (N, size, size, C))


def _means(length, size, dtype):
    """The matrix (size, length) that takes those means."""
    matrix = np.zeros((size, length), dtype)
    for i in range(size):
        begin, end = i * length // size, -(-(i + 1) * length // size)
        matrix[i, begin:end] = 1 / (end - begin)
    return matrix


def VGG11(classes=1000, **options):
    """VGG with 8 convolutions and 3 dense layers (column A); 132,863,336 parameters at 1000 classes; options as for `VGG`.

    Examples
    --------
    >>> import cdl
    >>> cdl.models.VGG11(10, small=True).count_parameters()
    9750922
    """
    return VGG(11, classes, **options)


def VGG13(classes=1000, **options):
    """VGG with 10 convolutions and 3 dense layers (column B); 133,047,848 parameters at 1000 classes; options as for `VGG`.

    Examples
    --------
    >>> import cdl
    >>> cdl.models.VGG13(10, small=True).count_parameters()
    9935434
    """
    return VGG(13, classes, **options)


def VGG16(classes=1000, **options):
    """VGG with 13 convolutions and 3 dense layers (column D); 138,357,544 parameters at 1000 classes; options as for `VGG`.

    Examples
    --------
    >>> import numpy as np
    >>> import cdl
    >>> model = cdl.models.VGG16(10, small=True)
    >>> model.predict(np.zeros((1, 32, 32, 3))).shape
    (1, 10)
    """
    return VGG(16, classes, **options)


def VGG19(classes=1000, **options):
    """VGG with 16 convolutions and 3 dense layers (column E); 143,667,240 parameters at 1000 classes; options as for `VGG`.

    Examples
    --------
    >>> import cdl
    >>> cdl.models.VGG19(10, small=True).count_parameters()
    20554826
    """
    return VGG(19, classes, **options)
