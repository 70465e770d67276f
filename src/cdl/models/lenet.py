"""LeNet-5, the first convolutional network."""
from cdl._core.check import positive_integer
from cdl.nn import AvgPool2D, Conv2D, Dense, Flatten, MaxPool2D
from cdl.random import generator
from cdl.train.model import Model

__all__ = ["LeNet5"]

_POOLING = {"avg": AvgPool2D, "max": MaxPool2D}


class LeNet5(Model):
    """Two convolutions with pooling and three dense layers: 61,706 parameters for 28×28 grey images.

    Convolution 5×5 (6), pooling, convolution 5×5 (16), pooling, dense 120, 84, classes. The first convolution has two
    rows and columns of zeros around the image, which makes of MNIST's 28×28 the paper's 32×32.

    Parameters
    ----------
    classes : int
        The number of outputs (logits).
    activation : str
        After every layer but the last: "tanh", as in the paper, "relu", or another that `Conv2D` knows.
    pooling : {"avg", "max"}
        "avg" is nearest to the paper, whose averages have a trained factor and offset.
    image_shape : tuple of int
        (H, W, C) of the images, at least 12×12.
    rng : numpy.random.Generator or int, optional
        Where the initial weights come from.

    Shape
    -----
    Input (N, H, W, C), output (N, classes).

    Raises
    ------
    ValueError
        For another pooling, an unknown activation, or images that are too small.

    Source
    ------
    LeCun, Bottou, Bengio, Haffner, "Gradient-based learning applied to document recognition", 1998, section II.B; the
    notes, section 5.2. All 16 maps of the second convolution see all six of the first, as everyone builds it now.

    Examples
    --------
    >>> import numpy as np
    >>> import cdl
    >>> model = cdl.models.LeNet5()
    >>> model.count_parameters()
    61706
    >>> model.predict(np.zeros((2, 28, 28, 1))).shape
    (2, 10)
    """

    def __init__(self, classes=10, *, activation="tanh", pooling="avg", image_shape=(28, 28, 1), rng=None):
        if pooling not in _POOLING:
            raise ValueError(f'LeNet5: pooling must be "avg" or "max", got {pooling!r}')
        self.classes = positive_integer(classes, "LeNet5", "classes")
        self.activation, self.pooling = activation, pooling
        self._image_shape = _checked(image_shape)
        like = {"activation": activation, "rng": None if rng is None else generator(rng)}
        self.conv1 = Conv2D(6, 5, padding=2, in_channels=self._image_shape[2], **like)
        self.pool1 = _POOLING[pooling](2)
        self.conv2 = Conv2D(16, 5, in_channels=6, **like)
        self.pool2 = _POOLING[pooling](2)
        self.flatten = Flatten()
        shape = (None, *self._image_shape)
        for layer in (self.conv1, self.pool1, self.conv2, self.pool2):
            shape = layer.output_shape(shape)
        self.fc1 = Dense(120, in_features=shape[1] * shape[2] * shape[3], **like)
        self.fc1.flattened = shape[1:]
        self.fc2 = Dense(84, in_features=120, **like)
        self.fc3 = Dense(classes, in_features=84, rng=like["rng"])

    def forward(self, x):
        if x.shape[1:] != self._image_shape and x.ndim == 4:
            raise ValueError(f"LeNet5: expected images {self._image_shape}, got x of shape {tuple(x.shape)}; give image_shape= "
                             "for another size")
        x = self.pool1.forward(self.conv1.forward(x))
        x = self.pool2.forward(self.conv2.forward(x))
        return self.fc3.forward(self.fc2.forward(self.fc1.forward(self.flatten.forward(x))))

    def output_shape(self, input_shape):
        return (input_shape[0], self.classes)

    def known_input_shape(self):
        return (None, *self._image_shape)

    def config(self):
        return {"classes": self.classes, "activation": self.activation, "pooling": self.pooling,
                "image_shape": list(self._image_shape)}


def _checked(image_shape):
    shape = tuple(image_shape) if isinstance(image_shape, (tuple, list)) else ()
    if len(shape) != 3:
        raise ValueError(f"LeNet5: image_shape must be (H, W, C), got {image_shape!r}")
    shape = tuple(positive_integer(n, "LeNet5", "image_shape") for n in shape)
    if min(shape[:2]) < 12:     # 12 → 6 → 2 → 1: below it nothing is left to pool
        raise ValueError(f"LeNet5: images must be at least 12×12, got image_shape={shape}")
    return shape
