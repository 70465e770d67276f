"""Every layer, once: how to make it, what it maps to what, and what it holds."""
from collections.abc import Callable
from dataclasses import dataclass, field

import cdl


@dataclass(frozen=True)
class Row:
    """One layer. `make` takes nothing; `state` maps the names of its parameters and buffers to their shapes."""

    name: str
    make: Callable
    input_shape: tuple
    output_shape: tuple
    state: dict = field(default_factory=dict)
    buffers: tuple = ()     # the names in `state` of what is not trained
    tokens: int = 0         # the input holds ids below this, not numbers

    @property
    def parameters(self):
        total = 0
        for shape in (shape for name, shape in self.state.items() if name not in self.buffers):
            size = 1
            for n in shape:
                size *= n
            total += size
        return total


AFFINE = {"weight": (4,), "bias": (4,)}
STATISTICS = {"running_mean": (4,), "running_var": (4,)}
RUNNING = tuple(STATISTICS)
def normed(name, filters):
    """The state of a BatchNorm of this name."""
    return {f"{name}.{part}": (filters,) for part in ("weight", "bias", *RUNNING)}


def statistics_of(state):
    return tuple(name for name in state if name.rpartition(".")[2] in RUNNING)


BASIC = ({"conv1.weight": (3, 3, 4, 4)} | normed("bn1", 4) | {"conv2.weight": (3, 3, 4, 4)} | normed("bn2", 4))
WIDER = ({"conv1.weight": (3, 3, 4, 6)} | normed("bn1", 6) | {"conv2.weight": (3, 3, 6, 6)} | normed("bn2", 6)
         | {"downsample.0.weight": (1, 1, 4, 6)} | normed("downsample.1", 6))
BOTTLE = ({"conv1.weight": (1, 1, 4, 2)} | normed("bn1", 2) | {"conv2.weight": (3, 3, 2, 2)} | normed("bn2", 2)
          | {"conv3.weight": (1, 1, 2, 8)} | normed("bn3", 8)
          | {"downsample.0.weight": (1, 1, 4, 8)} | normed("downsample.1", 8))
LENET = {"conv1.weight": (5, 5, 1, 6), "conv1.bias": (6,), "conv2.weight": (5, 5, 6, 16), "conv2.bias": (16,),
         "fc1.weight": (16, 120), "fc1.bias": (120,), "fc2.weight": (120, 84), "fc2.bias": (84,), "fc3.weight": (84, 3),
         "fc3.bias": (3,)}


def recurrent(gates, units=3, inputs=4, suffix="_l0", bias=True):
    """The state of one direction of one recurrent layer."""
    state = {"weight_ih" + suffix: (inputs, gates * units), "weight_hh" + suffix: (units, gates * units)}
    return state | ({"bias_ih" + suffix: (gates * units,), "bias_hh" + suffix: (gates * units,)} if bias else {})


BOTH_WAYS = {name: shape for suffix, inputs in (("_l0", 4), ("_l0_reverse", 4), ("_l1", 6), ("_l1_reverse", 6))
             for name, shape in recurrent(4, 3, inputs, suffix).items()}


def attending(features=6, wide=6, narrow=6, bias=True):
    """The state of a MultiHeadAttention with queries of `wide` features and keys of `narrow` ones."""
    sizes = {"query": (features, wide), "key": (features, narrow), "value": (features, narrow), "out": (wide, features)}
    return {f"{name}.{part}": size if part == "weight" else size[1:] for name, size in sizes.items()
            for part in ("weight", "bias")[:1 + bias]}


def normalised(*names, features=6):
    """The state of LayerNorms of these names."""
    return {f"{name}.{part}": (features,) for name in names for part in ("weight", "bias")}


def under(prefix, state):
    """The state of a part of this name."""
    return {f"{prefix}.{name}": shape for name, shape in state.items()}


class OwnMemory(cdl.Layer):
    """A decoder whose memory is its input."""

    def __init__(self, decoder):
        self.decoder = decoder

    def build(self, input_shape):
        self.decoder.build(input_shape)

    def forward(self, x):
        return self.decoder(x, x)

    def config(self):
        return {"decoder": self.decoder}


FEEDING = {"up.weight": (6, 8), "up.bias": (8,), "down.weight": (8, 6), "down.bias": (6,)}
ENCODING = under("attention", attending()) | normalised("norm1", "norm2") | under("feed_forward", FEEDING)
DECODING = ENCODING | under("cross", attending()) | normalised("norm3")
GATED = {"up.weight": (6, 8), "gate.weight": (6, 8), "down.weight": (8, 6)}
LLAMA = (under("attention", attending(narrow=2, bias=False)) | {f"norm{i}.weight": (6,) for i in (1, 2)}
         | under("feed_forward", GATED))


ROWS = [
    Row("Dense", lambda: cdl.Dense(3, rng=0), (5, 4), (5, 3), {"weight": (4, 3), "bias": (3,)}),
    Row("Dense relu", lambda: cdl.Dense(3, "relu", rng=0), (5, 4), (5, 3), {"weight": (4, 3), "bias": (3,)}),
    Row("Dense gelu", lambda: cdl.Dense(3, "gelu", rng=0), (5, 4), (5, 3), {"weight": (4, 3), "bias": (3,)}),
    Row("Dense softmax", lambda: cdl.Dense(3, "softmax", rng=0), (5, 4), (5, 3), {"weight": (4, 3), "bias": (3,)}),
    Row("Dense without bias", lambda: cdl.Dense(3, use_bias=False, rng=0), (2, 5, 4), (2, 5, 3), {"weight": (4, 3)}),
    Row("Dense sized", lambda: cdl.Dense(3, in_features=4, rng=0), (5, 4), (5, 3), {"weight": (4, 3), "bias": (3,)}),
    Row("Dense log_softmax", lambda: cdl.Dense(3, "log_softmax", rng=0), (5, 4), (5, 3), {"weight": (4, 3), "bias": (3,)}),
    Row("Dense orthogonal", lambda: cdl.Dense(3, kernel_initializer="orthogonal", rng=0), (5, 4), (5, 3),
        {"weight": (4, 3), "bias": (3,)}),
    *(Row(layer.__name__, layer, (5, 4), (5, 4)) for layer in (
        cdl.ELU, cdl.GELU, cdl.HardSigmoid, cdl.HardSwish, cdl.HardTanh, cdl.LeakyReLU, cdl.LogSoftmax, cdl.ReLU, cdl.ReLU6,
        cdl.SiLU, cdl.Sigmoid, cdl.Softmax, cdl.Softplus, cdl.Tanh)),
    Row("LeakyReLU with a slope", lambda: cdl.LeakyReLU(slope=0.2), (5, 4), (5, 4)),
    Row("ELU with alpha", lambda: cdl.ELU(alpha=0.5), (5, 4), (5, 4)),
    Row("GELU by tanh", lambda: cdl.GELU(approximate="tanh"), (5, 4), (5, 4)),
    Row("Softmax of columns", lambda: cdl.Softmax(axis=0), (5, 4), (5, 4)),
    Row("PReLU", cdl.PReLU, (5, 4), (5, 4), {"slope": (1,)}),
    Row("PReLU of channels", lambda: cdl.PReLU(channels=4, initial=0.1), (2, 5, 4), (2, 5, 4), {"slope": (4,)}),
    Row("PReLU of open channels", lambda: cdl.PReLU(channels=None), (5, 4), (5, 4), {"slope": (4,)}),
    *(Row(f"BatchNorm {word}", make, shape, shape, state, RUNNING) for word, make, shape, state in (
        ("inferred", cdl.BatchNorm, (5, 4), AFFINE | STATISTICS),
        ("sized", lambda: cdl.BatchNorm(4), (2, 3, 5, 4), AFFINE | STATISTICS),
        ("relu", lambda: cdl.BatchNorm(activation="relu"), (5, 4), AFFINE | STATISTICS),
        ("without weight", lambda: cdl.BatchNorm(affine=False), (5, 4), STATISTICS),
        ("in use", lambda: cdl.BatchNorm(4, 1e-3, 0.3).eval(), (5, 4), AFFINE | STATISTICS))),
    Row("LayerNorm", cdl.LayerNorm, (5, 4), (5, 4), AFFINE),
    Row("LayerNorm without weight", lambda: cdl.LayerNorm(affine=False), (5, 4), (5, 4)),
    Row("LayerNorm of two axes", lambda: cdl.LayerNorm((3, 4)), (5, 3, 4), (5, 3, 4), {"weight": (3, 4), "bias": (3, 4)}),
    Row("RMSNorm", cdl.RMSNorm, (5, 4), (5, 4), {"weight": (4,)}),
    Row("GroupNorm", lambda: cdl.GroupNorm(2), (5, 3, 4), (5, 3, 4), AFFINE),
    Row("GroupNorm sized", lambda: cdl.GroupNorm(2, 4, affine=False), (5, 4), (5, 4)),
    Row("MaxPool2D", cdl.MaxPool2D, (2, 5, 6, 4), (2, 2, 3, 4)),
    Row("MaxPool2D overlapping", lambda: cdl.MaxPool2D(3, 2, "same"), (2, 5, 6, 4), (2, 3, 3, 4)),
    Row("MaxPool2D of pairs", lambda: cdl.MaxPool2D((1, 2), (2, 1), ((0, 0), (1, 0))), (2, 5, 6, 4), (2, 3, 6, 4)),
    Row("AvgPool2D", cdl.AvgPool2D, (2, 5, 6, 4), (2, 2, 3, 4)),
    Row("AvgPool2D with the padding", lambda: cdl.AvgPool2D(3, 2, 1, count_include_pad=True), (2, 5, 6, 4), (2, 3, 3, 4)),
    Row("GlobalMaxPool2D", cdl.GlobalMaxPool2D, (2, 5, 6, 4), (2, 4)),
    Row("GlobalAvgPool2D", cdl.GlobalAvgPool2D, (2, 5, 6, 4), (2, 4)),
    Row("UpSampling2D", cdl.UpSampling2D, (2, 3, 4, 5), (2, 6, 8, 5)),
    Row("UpSampling2D bilinear", lambda: cdl.UpSampling2D((1, 3), "bilinear"), (2, 3, 4, 5), (2, 3, 12, 5)),
    Row("ZeroPadding2D", cdl.ZeroPadding2D, (2, 3, 4, 5), (2, 5, 6, 5)),
    Row("ZeroPadding2D of pairs", lambda: cdl.ZeroPadding2D(((0, 1), (2, 0))), (2, 3, 4, 5), (2, 4, 6, 5)),
    Row("Flatten", cdl.Flatten, (2, 5, 6, 4), (2, 120)),
    Row("Dropout in use", lambda: cdl.Dropout(0.4).eval(), (5, 4), (5, 4)),
    Row("AlphaDropout in use", lambda: cdl.AlphaDropout(0.4).eval(), (5, 4), (5, 4)),
    Row("SpatialDropout in use", lambda: cdl.SpatialDropout(0.4).eval(), (5, 3, 4), (5, 3, 4)),
    Row("Sequential", lambda: cdl.Sequential([cdl.Dense(6, "tanh", rng=0), cdl.Tanh(), cdl.Dense(2, rng=1)]), (5, 4), (5, 2),
        {"0.weight": (4, 6), "0.bias": (6,), "2.weight": (6, 2), "2.bias": (2,)}),
    Row("Sequential inside another", lambda: cdl.Sequential([cdl.Sequential([cdl.Dense(3, rng=0)]), cdl.ReLU()]), (5, 4),
        (5, 3), {"0.0.weight": (4, 3), "0.0.bias": (3,)}),
    Row("Residual", lambda: cdl.Residual([cdl.Dense(6, "tanh", rng=0), cdl.Dense(4, rng=1)]), (5, 4), (5, 4),
        {"body.0.weight": (4, 6), "body.0.bias": (6,), "body.1.weight": (6, 4), "body.1.bias": (4,)}),
    Row("Residual with shortcut", lambda: cdl.Residual(cdl.Dense(3, rng=0), cdl.Dense(3, use_bias=False, rng=1), "softplus"),
        (2, 5, 4), (2, 5, 3), {"body.weight": (4, 3), "body.bias": (3,), "shortcut.weight": (4, 3)}),
    Row("named Sequential", lambda: cdl.Sequential([cdl.Dense(3, rng=0), cdl.Tanh()], names=["in", "act"]), (5, 4), (5, 3),
        {"in.weight": (4, 3), "in.bias": (3,)}),
    Row("BasicBlock", lambda: cdl.models.BasicBlock(4, rng=0), (2, 5, 4, 4), (2, 5, 4, 4), BASIC, statistics_of(BASIC)),
    Row("BasicBlock with a stride", lambda: cdl.models.BasicBlock(6, 2, rng=0), (2, 5, 4, 4), (2, 3, 2, 6), WIDER,
        statistics_of(WIDER)),
    Row("Bottleneck", lambda: cdl.models.Bottleneck(2, rng=0), (2, 5, 4, 4), (2, 5, 4, 8), BOTTLE, statistics_of(BOTTLE)),
    Row("ResidualBlock", lambda: cdl.models.ResidualBlock(4, rng=0), (2, 5, 4, 4), (2, 5, 4, 4),
        {"conv1.weight": (3, 3, 4, 4), "conv1.bias": (4,), "conv2.weight": (3, 3, 4, 4), "conv2.bias": (4,)}),
    Row("LeNet5", lambda: cdl.models.LeNet5(3, image_shape=(12, 12, 1), rng=0), (2, 12, 12, 1), (2, 3), LENET),
    Row("Folded", lambda: cdl.nn.fuse.Folded("relu"), (5, 4), (5, 4)),
    Row("empty Sequential", cdl.Sequential, (5, 4), (5, 4)),
    Row("Conv2D", lambda: cdl.Conv2D(3, rng=0), (2, 6, 5, 4), (2, 4, 3, 3), {"weight": (3, 3, 4, 3), "bias": (3,)}),
    Row("Conv2D with every option", lambda: cdl.Conv2D(6, (3, 2), (2, 1), ((1, 0), (2, 1)), dilation=(1, 2), groups=2,
                                                       activation="gelu", use_bias=False, rng=0), (2, 6, 5, 4), (2, 3, 6, 6),
        {"weight": (3, 2, 2, 6)}),
    Row("Conv2D sized", lambda: cdl.Conv2D(3, 1, activation="softmax", in_channels=4, rng=0), (2, 6, 5, 4), (2, 6, 5, 3),
        {"weight": (1, 1, 4, 3), "bias": (3,)}),
    Row("Conv2D depthwise", lambda: cdl.Conv2D(4, groups=4, padding="same", rng=0), (2, 6, 5, 4), (2, 6, 5, 4),
        {"weight": (3, 3, 1, 4), "bias": (4,)}),
    Row("Conv1D", lambda: cdl.Conv1D(3, 2, rng=0), (2, 6, 4), (2, 5, 3), {"weight": (2, 4, 3), "bias": (3,)}),
    Row("Conv1D of the past", lambda: cdl.Conv1D(3, 2, padding=(1, 0), activation="relu", use_bias=False, rng=0), (2, 6, 4),
        (2, 6, 3), {"weight": (2, 4, 3)}),
    Row("ConvTranspose2D", lambda: cdl.ConvTranspose2D(3, 4, 2, 1, rng=0), (2, 3, 5, 4), (2, 6, 10, 3),
        {"weight": (4, 4, 3, 4), "bias": (3,)}),
    Row("ConvTranspose2D same", lambda: cdl.ConvTranspose2D(4, 3, 2, "same", groups=2, activation="relu", use_bias=False,
                                                            output_padding=1, rng=0), (2, 3, 5, 4), (2, 7, 11, 4),
        {"weight": (3, 3, 2, 4)}),
    Row("RNN", lambda: cdl.RNN(3, rng=0), (2, 5, 4), (2, 3), recurrent(1)),
    Row("RNN relu", lambda: cdl.RNN(3, "relu", return_sequences=True, rng=1), (2, 5, 4), (2, 5, 3), recurrent(1)),
    Row("LSTM", lambda: cdl.LSTM(3, return_sequences=True, rng=0), (2, 5, 4), (2, 5, 3), recurrent(4)),
    Row("LSTM of two layers, both ways", lambda: cdl.LSTM(3, layers=2, bidirectional=True, rng=0), (2, 5, 4), (2, 6),
        BOTH_WAYS),
    Row("LSTM without bias", lambda: cdl.LSTM(3, in_features=4, use_bias=False, recompute=True, rng=0), (2, 5, 4), (2, 3),
        recurrent(4, bias=False)),
    Row("LSTM with dropout, in use", lambda: cdl.LSTM(3, layers=2, dropout=0.5, rng=0).eval(), (2, 5, 4), (2, 3),
        recurrent(4) | recurrent(4, 3, 3, "_l1")),
    Row("GRU", lambda: cdl.GRU(3, return_sequences=True, kernel_initializer="lecun_normal", rng=0), (2, 5, 4), (2, 5, 3),
        recurrent(3)),
    Row("GRU reset before", lambda: cdl.GRU(3, reset_after=False, rng=0), (2, 5, 4), (2, 3), recurrent(3)),
    Row("RNNCell", lambda: cdl.RNNCell(3, "tanh", rng=0), (5, 4), (5, 3), recurrent(1, suffix="")),
    Row("LSTMCell", lambda: cdl.LSTMCell(3, rng=0), (5, 4), (5, 3), recurrent(4, suffix="")),
    Row("GRUCell", lambda: cdl.GRUCell(3, use_bias=False, reset_after=False, rng=0), (5, 4), (5, 3),
        recurrent(3, suffix="", bias=False)),
    *(Row(f"MultiHeadAttention{word}", lambda options=options: cdl.MultiHeadAttention(2, rng=0, **options), (2, 5, 6),
          (2, 5, 6), attending(**sizes)) for word, options, sizes in (
        ("", {}, {}), (" causal", {"causal": True, "in_features": 6}, {}),
        (" without bias", {"use_bias": False}, {"bias": False}),
        (" of one key head", {"key_heads": 1, "head_size": 4}, {"wide": 8, "narrow": 4}))),
    Row("Embedding", lambda: cdl.Embedding(9, 3, rng=0), (2, 5), (2, 5, 3), {"weight": (9, 3)}, tokens=9),
    Row("SinusoidalPosition", cdl.nn.SinusoidalPosition, (2, 5, 6), (2, 5, 6)),
    Row("LearnedPosition", lambda: cdl.nn.LearnedPosition(7, rng=0), (2, 5, 6), (2, 5, 6), {"weight": (7, 6)}),
    Row("RotaryPosition", cdl.nn.RotaryPosition, (2, 5, 6), (2, 5, 6)),
    Row("RotaryPosition of halves", lambda: cdl.nn.RotaryPosition(100, interleaved=False), (2, 5, 6), (2, 5, 6)),
    Row("FeedForward", lambda: cdl.nn.FeedForward(8, rng=0), (2, 5, 6), (2, 5, 6), FEEDING),
    Row("FeedForward by tanh", lambda: cdl.nn.FeedForward(8, "gelu_tanh", in_features=6, rng=0), (2, 5, 6), (2, 5, 6),
        FEEDING),
    Row("FeedForward gated", lambda: cdl.nn.FeedForward(8, "swiglu", use_bias=False, rng=0), (2, 5, 6), (2, 5, 6), GATED),
    Row("EncoderBlock", lambda: cdl.nn.EncoderBlock(2, 8, rng=0), (2, 5, 6), (2, 5, 6), ENCODING),
    Row("EncoderBlock post-norm", lambda: cdl.nn.EncoderBlock(2, 8, pre_norm=False, causal=True, rng=0), (2, 5, 6), (2, 5, 6),
        ENCODING),
    Row("TransformerEncoder", lambda: cdl.TransformerEncoder(1, 2, 8, rng=0), (2, 5, 6), (2, 5, 6),
        under("layers.0", ENCODING) | normalised("norm")),
    Row("TransformerEncoder post-norm", lambda: cdl.TransformerEncoder(2, 2, 8, pre_norm=False, in_features=6, rng=0),
        (2, 5, 6), (2, 5, 6), under("layers.0", ENCODING) | under("layers.1", ENCODING)),
    Row("TransformerEncoder like Llama's", lambda: cdl.TransformerEncoder(
        1, 3, 8, norm="rms", activation="swiglu", use_bias=False, key_heads=1, rotary=True, causal=True, rng=0, in_features=6,
        recompute=True), (2, 5, 6), (2, 5, 6), under("layers.0", LLAMA) | {"norm.weight": (6,)}),
    Row("DecoderBlock", lambda: OwnMemory(cdl.nn.DecoderBlock(2, 8, rng=0)), (2, 5, 6), (2, 5, 6), under("decoder", DECODING)),
    Row("TransformerDecoder", lambda: OwnMemory(cdl.TransformerDecoder(1, 2, 8, rng=0)), (2, 5, 6), (2, 5, 6),
        under("decoder.layers.0", DECODING) | under("decoder", normalised("norm"))),
]
