"""Inference models: batch normalisation folded into the layer before it, activations and additions into its epilogue."""
from collections import Counter

import numpy as np

from cdl._core.memory import clear_memory
from cdl._core.tensor import Tensor
from cdl.nn.activation import FUSED
from cdl.nn.conv import Conv1D, Conv2D, ConvTranspose2D
from cdl.nn.dense import Dense
from cdl.nn.layer import Layer
from cdl.nn.norm import BatchNorm

__all__ = ["Folded", "conv_norm", "fuse"]

# The layers that can take a BatchNorm in, and the axis of their weight that counts output channels.
_OUTPUT_AXIS = {Conv1D: -1, Conv2D: -1, ConvTranspose2D: -2, Dense: -1}


class Folded(Layer):
    """What `fuse` leaves in the place of a BatchNorm that went into the convolution before it: activation(x + added).

    Parameters
    ----------
    activation : {None, "relu"}
        That of the BatchNorm.

    Examples
    --------
    >>> import numpy as np
    >>> Folded("relu")(np.array([-1.0, 2.0]), added=np.array([0.5, 0.5]))
    array([0. , 2.5])
    """

    def __init__(self, activation=None):
        self.activation = activation

    def forward(self, x, added=None):
        y = x if added is None else x + added
        return y if self.activation is None else FUSED[self.activation](y)

    def config(self):
        return {"activation": self.activation}


def conv_norm(conv, norm, x, added=None):
    """norm(conv(x), added=added); once the two have been fused, one pass over the output.

    Parameters
    ----------
    conv : Conv2D
    norm : BatchNorm
        In a fused model what took its place.
    x : array or Tensor
    added : array or Tensor, optional
        The shortcut, of the output's shape, which is added before the activation of `norm`.

    Examples
    --------
    >>> import numpy as np
    >>> import cdl
    >>> conv, norm = cdl.Conv2D(4, padding="same", in_channels=4), cdl.BatchNorm(4, activation="relu")
    >>> x = np.ones((2, 8, 8, 4), np.float32)
    >>> conv_norm(conv, norm, x, added=x).shape
    (2, 8, 8, 4)
    """
    if type(norm) is Folded and type(conv) is Conv2D and conv.activation is None:
        return conv.with_activation(x, norm.activation, added)
    return norm.forward(conv.forward(x), added=added)


def fuse(layer):
    """Turn `layer` and all inside it into an inference model, and return it; `Layer.fuse` is this function."""
    layer.require_built("fuse")
    places = Counter(id(child) for inner in layer.layers_inside() for _, child in inner.children())

    def absorb(first, then):
        """Whether `first` does from now on what `then`, the layer after it, did; not where one is used elsewhere too."""
        return max(places[id(first)], places[id(then)]) <= 1 and _absorb(first, then)

    def fold(first, norm):
        return max(places[id(first)], places[id(norm)]) <= 1 and _fold(first, norm)

    for inner in reversed(list(layer.layers_inside())):     # what is inside first
        inner.fuse_parts(absorb, fold)
    layer.freeze()
    owners = Counter(id(tensor) for *_, tensor in layer.tensor_places())
    for inner in list(layer.layers_inside()):
        if type(inner) in (Conv2D, Dense) and owners[id(inner.weight)] == 1:    # what layers share stays one Tensor
            inner.pack()
    layer.fused = True
    clear_memory()      # that of the weights there were: as much again as the model takes
    return layer


def _absorb(first, then):
    """Take all that `then` computes into `first`."""
    if type(then) is BatchNorm and _fold(first, then):
        return then.activation is None or _set_activation(first, then.activation)
    name = next((name for name, function in FUSED.items() if getattr(then, "_function", None) is function), None)
    return name is not None and _set_activation(first, name)


def _fold(first, norm):
    """Take the affine map that `norm` is in use, but not its activation, into weight and bias of `first`.

    norm(x w + b) = x (w s) + ((b - mean) s + beta) with s = gamma / sqrt(var + eps), in float64.
    """
    axis = _OUTPUT_AXIS.get(type(first))
    if axis is None or first.activation is not None or type(norm) is not BatchNorm:
        return False
    if axis == -2 and first.groups > 1:     # the same entry then belongs to another channel in each group
        return False
    mean, var = (np.asarray(t, np.float64) for t in (norm.running_mean, norm.running_var))
    scale = 1 / np.sqrt(var + norm.eps)
    if norm.weight is not None:
        scale *= np.asarray(norm.weight)
    bias = -mean if first.bias is None else np.asarray(first.bias) - mean
    bias *= scale
    if norm.bias is not None:
        bias += np.asarray(norm.bias)
    dtype = first.weight.dtype
    first.weight = Tensor(np.asarray(first.weight) * (scale if axis == -1 else scale[:, None]), dtype)
    first.bias = Tensor(bias, dtype)
    first.use_bias = True
    return True


def _set_activation(first, name):
    """Make `name` the activation of `first`, if it has none yet and knows this one."""
    if type(first) not in _OUTPUT_AXIS or first.activation is not None:
        return False
    first.activation = first._fused = name
    return True
