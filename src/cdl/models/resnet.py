"""ResNet: blocks whose input is added to their output, 18 to 152 layers deep."""
from cdl._core.check import positive_integer
from cdl.models.sequential import Sequential
from cdl.nn import BatchNorm, Conv2D, Dense, GlobalAvgPool2D, Layer, MaxPool2D
from cdl.nn.fuse import Folded, conv_norm
from cdl.ops import relu
from cdl.random import generator
from cdl.train.model import Model

__all__ = ["BasicBlock", "Bottleneck", "ResNet", "ResNet18", "ResNet34", "ResNet50", "ResNet101", "ResNet152", "ResidualBlock"]


class ResidualBlock(Layer):
    """The notes' block: relu(conv2(relu(conv1(X))) + X), two 3×3 convolutions that keep the shape.

    Parameters
    ----------
    filters : int
        The channels of both convolutions, and of the input.

    Shape
    -----
    Input and output (N, H, W, filters).

    Raises
    ------
    ValueError
        For an input with another number of channels.

    Source
    ------
    Notes, section 5.2.

    Examples
    --------
    >>> import numpy as np
    >>> import cdl
    >>> cdl.models.ResidualBlock(6)(np.ones((2, 8, 8, 6))).shape
    (2, 8, 8, 6)
    """

    def __init__(self, filters, *, rng=None):
        self.filters = positive_integer(filters, "ResidualBlock", "filters")
        rng = None if rng is None else generator(rng)
        self.conv1 = Conv2D(filters, kernel_size=3, padding="same", in_channels=filters, rng=rng)
        self.conv2 = Conv2D(filters, kernel_size=3, padding="same", in_channels=filters, rng=rng)

    def forward(self, X):
        shortcut = X
        X = relu(self.conv1(X))
        X = self.conv2(X)
        X += shortcut
        return relu(X)

    def config(self):
        return {"filters": self.filters}


class _Block(Layer):
    """What both blocks share: sizes that may come from the first input, and the shortcut where the shape changes."""

    def __init__(self, filters, stride=1, *, in_channels=None, rng=None, fused=False):
        name = type(self).__name__
        self.filters = positive_integer(filters, name, "filters")
        self.stride = positive_integer(stride, name, "stride")
        self.in_channels, self.downsample = None, None
        self._rng = None if rng is None else generator(rng)
        if in_channels is not None:
            self.build((None, None, None, positive_integer(in_channels, name, "in_channels")))
            if fused:
                self.fuse()
        elif fused:
            raise ValueError(f"{name}: fused needs in_channels, which were not given")

    def build(self, input_shape):
        if self.in_channels is not None:
            return
        if len(input_shape) != 4 or input_shape[-1] is None:
            raise ValueError(f"{type(self).__name__}: expected input of shape (N, H, W, C), got {tuple(input_shape)}")
        self.in_channels = input_shape[-1]
        self._make(self.in_channels)
        filters = self.filters * self.expansion
        if self.stride != 1 or self.in_channels != filters:
            self.downsample = Sequential([self._conv(self.in_channels, filters, 1, self.stride), BatchNorm(filters)])

    def _conv(self, channels, filters, size, stride=1):
        return _conv(channels, filters, size, stride, self._rng)

    def output_shape(self, input_shape):
        N, H, W, _ = input_shape
        return (N, *(None if n is None else (n - 1) // self.stride + 1 for n in (H, W)), self.filters * self.expansion)

    def _is_built(self):
        return self.in_channels is not None

    def config(self):
        config = {"filters": self.filters, "stride": self.stride}
        if self.in_channels is not None:
            config["in_channels"] = self.in_channels
            if isinstance(self.bn1, Folded):
                config["fused"] = True
        return config


class BasicBlock(_Block):
    """relu(bn2(conv2(relu(bn1(conv1(x))))) + x): two 3×3 convolutions, the first with the stride.

    Where the shape changes, x goes through `downsample`, a 1×1 convolution with that stride and batch normalisation.

    Parameters
    ----------
    filters : int
        The channels of both convolutions.
    stride : int
        Of the first one.
    in_channels : int, optional
        Of the input; default: taken from the first input.

    Shape
    -----
    Input (N, H, W, in_channels), output (N, ceil(H / stride), ceil(W / stride), filters).

    Source
    ------
    He et al., "Deep residual learning for image recognition", 2016, figure 5, left.

    Examples
    --------
    >>> import numpy as np
    >>> import cdl
    >>> cdl.models.BasicBlock(16, stride=2)(np.ones((2, 8, 8, 8))).shape
    (2, 4, 4, 16)
    """

    expansion = 1
    chains = (("conv1", "bn1"), ("conv2", "bn2"))

    def _make(self, channels):
        self.conv1 = self._conv(channels, self.filters, 3, self.stride)
        self.bn1 = BatchNorm(self.filters, activation="relu")
        self.conv2 = self._conv(self.filters, self.filters, 3)
        self.bn2 = BatchNorm(self.filters, activation="relu")

    def forward(self, x):
        self.build(x.shape)
        past = x if self.downsample is None else self.downsample.forward(x)
        y = conv_norm(self.conv1, self.bn1, x)
        return conv_norm(self.conv2, self.bn2, y, added=past)


class Bottleneck(_Block):
    """relu(bn3(conv3(relu(bn2(conv2(relu(bn1(conv1(x)))))))) + x): 1×1, 3×3 and 1×1, the last four times as wide.

    The stride is the 3×3 convolution's, as torchvision has it (the paper's is the first 1×1's). Where the shape
    changes, x goes through `downsample`, a 1×1 convolution with that stride and batch normalisation.

    Parameters
    ----------
    filters : int
        The channels of the first two convolutions.
    stride : int
        Of the second one.
    in_channels : int, optional
        Of the input; default: taken from the first input.

    Shape
    -----
    Input (N, H, W, in_channels), output (N, ceil(H / stride), ceil(W / stride), 4 filters).

    Source
    ------
    He et al., "Deep residual learning for image recognition", 2016, figure 5, right.

    Examples
    --------
    >>> import numpy as np
    >>> import cdl
    >>> cdl.models.Bottleneck(4)(np.ones((2, 8, 8, 8))).shape
    (2, 8, 8, 16)
    """

    expansion = 4
    chains = (("conv1", "bn1"), ("conv2", "bn2"), ("conv3", "bn3"))

    def _make(self, channels):
        self.conv1 = self._conv(channels, self.filters, 1)
        self.bn1 = BatchNorm(self.filters, activation="relu")
        self.conv2 = self._conv(self.filters, self.filters, 3, self.stride)
        self.bn2 = BatchNorm(self.filters, activation="relu")
        self.conv3 = self._conv(self.filters, 4 * self.filters, 1)
        self.bn3 = BatchNorm(4 * self.filters, activation="relu")

    def forward(self, x):
        self.build(x.shape)
        past = x if self.downsample is None else self.downsample.forward(x)
        y = conv_norm(self.conv1, self.bn1, x)
        y = conv_norm(self.conv2, self.bn2, y)
        return conv_norm(self.conv3, self.bn3, y, added=past)


def _conv(channels, filters, size, stride, rng):
    return Conv2D(filters, size, stride, padding=size // 2, use_bias=False, in_channels=channels,
                  kernel_initializer="he_normal", rng=rng)


# The blocks in each of the four stages (table 1 of the paper).
_STAGES = {18: (BasicBlock, (2, 2, 2, 2)), 34: (BasicBlock, (3, 4, 6, 3)), 50: (Bottleneck, (3, 4, 6, 3)),
           101: (Bottleneck, (3, 4, 23, 3)), 152: (Bottleneck, (3, 8, 36, 3))}


class ResNet(Model):
    """A residual network: `ResNet18`, `ResNet34`, `ResNet50`, `ResNet101` and `ResNet152` make it.

    Parameters
    ----------
    depth : {18, 34, 50, 101, 152}
        Layers with weights.
    classes : int
        The number of outputs (logits).
    small : bool
        For images of about 32×32: the first convolution is 3×3 without stride, and there is no pooling after it.
    channels : int
        Of the images.
    rng : numpy.random.Generator or int, optional
        Where the initial weights come from.

    Attributes
    ----------
    conv1, bn1, maxpool, layer1, layer2, layer3, layer4, avgpool, fc
        Its parts, under torchvision's names, so that `load` takes its checkpoints.

    Shape
    -----
    Input (N, H, W, channels), output (N, classes).

    Source
    ------
    He et al., "Deep residual learning for image recognition", 2016, table 1; the notes, section 5.2.
    """

    chains = (("conv1", "bn1"),)

    def __init__(self, depth, classes=1000, *, small=False, channels=3, rng=None, fused=False):
        if depth not in _STAGES:
            raise ValueError(f"ResNet: depth must be one of {', '.join(map(str, _STAGES))}, got {depth!r}")
        self.depth, self.classes, self.small = depth, positive_integer(classes, "ResNet", "classes"), small
        self.channels = positive_integer(channels, "ResNet", "channels")
        rng = None if rng is None else generator(rng)
        self.conv1 = _conv(channels, 64, 3, 1, rng) if small else _conv(channels, 64, 7, 2, rng)
        self.bn1 = BatchNorm(64, activation="relu")
        self.maxpool = None if small else MaxPool2D(3, 2, padding=1)
        block, counts = _STAGES[depth]
        channels = 64
        for number, count in enumerate(counts):
            filters, blocks = 64 << number, []
            for i in range(count):
                blocks.append(block(filters, 2 if number and i == 0 else 1, in_channels=channels, rng=rng))
                channels = filters * block.expansion
            setattr(self, f"layer{number + 1}", Sequential(blocks))
        self.avgpool = GlobalAvgPool2D()
        self.fc = Dense(classes, in_features=channels, rng=rng)
        if fused:
            self.fuse()

    def forward(self, x):
        x = conv_norm(self.conv1, self.bn1, x)
        if self.maxpool is not None:
            x = self.maxpool(x)
        for layer in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = layer.forward(x)
        return self.fc(self.avgpool(x))

    def output_shape(self, input_shape):
        return (input_shape[0], self.classes)

    def known_input_shape(self):
        size = 32 if self.small else 224
        return (None, size, size, self.channels) if self._input_shape is None else self._input_shape

    def config(self):
        config = {"depth": self.depth, "classes": self.classes, "small": self.small, "channels": self.channels}
        return config | ({"fused": True} if isinstance(self.bn1, Folded) else {})


def ResNet18(classes=1000, **options):
    """ResNet of 8 basic blocks; 11,689,512 parameters at 1000 classes; options as for `ResNet`.

    Examples
    --------
    >>> import numpy as np
    >>> import cdl
    >>> model = cdl.models.ResNet18(10, small=True)
    >>> model.predict(np.zeros((1, 32, 32, 3))).shape
    (1, 10)
    """
    return ResNet(18, classes, **options)


def ResNet34(classes=1000, **options):
    """ResNet of 16 basic blocks; 21,797,672 parameters at 1000 classes; options as for `ResNet`.

    Examples
    --------
    >>> import cdl
    >>> cdl.models.ResNet34().count_parameters()
    21797672
    """
    return ResNet(34, classes, **options)


def ResNet50(classes=1000, **options):
    """ResNet of 16 bottleneck blocks; 25,557,032 parameters at 1000 classes; options as for `ResNet`.

    Examples
    --------
    >>> import cdl
    >>> cdl.models.ResNet50().count_parameters()
    25557032
    """
    return ResNet(50, classes, **options)


def ResNet101(classes=1000, **options):
    """ResNet of 33 bottleneck blocks; 44,549,160 parameters at 1000 classes; options as for `ResNet`.

    Examples
    --------
    >>> import cdl
    >>> len(cdl.models.ResNet101(10).layer3)
    23
    """
    return ResNet(101, classes, **options)


def ResNet152(classes=1000, **options):
    """ResNet of 50 bottleneck blocks; 60,192,808 parameters at 1000 classes; options as for `ResNet`.

    Examples
    --------
    >>> import cdl
    >>> len(cdl.models.ResNet152(10).layer3)
    36
    """
    return ResNet(152, classes, **options)
