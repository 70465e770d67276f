"""Models from files."""
from cdl import nn
from cdl.init import no_draws
from cdl.io.errors import FileFormatError
from cdl.io.model import read_model
from cdl.models.bert import BERT
from cdl.models.gpt2 import GPT2
from cdl.models.lenet import LeNet5
from cdl.models.recurrent import RecurrentLanguageModel
from cdl.models.residual import Residual
from cdl.models.resnet import BasicBlock, Bottleneck, ResidualBlock, ResNet
from cdl.models.sequential import Sequential
from cdl.models.vgg import VGG
from cdl.nn.fuse import Folded

__all__ = ["load"]

# The layers a file may name; nothing else is ever looked up.
_LAYERS = {name: getattr(nn, name) for name in nn.__all__ if name != "Layer"} | {
    layer.__name__: layer
    for layer in (BERT, BasicBlock, Bottleneck, Folded, GPT2, LeNet5, RecurrentLanguageModel, ResNet, Residual,
                  ResidualBlock, Sequential, VGG,
                  nn.DecoderBlock, nn.EncoderBlock, nn.FeedForward, nn.LearnedPosition, nn.RotaryPosition,
                  nn.SinusoidalPosition)}


def load(path):
    """The model that `model.save(path)` wrote, if it is made of cdl's own layers.

    Parameters
    ----------
    path : str or PathLike

    Returns
    -------
    Model
        Its attribute `extra` holds the values that were saved beside it.

    Raises
    ------
    FileFormatError
        If the file is damaged, not cdl's, or describes no model (a class of your own: make an object of it and call
        its `load`).
    OSError
        If it cannot be read.

    Examples
    --------
    >>> import os, tempfile
    >>> import cdl
    >>> model = cdl.Sequential([cdl.Dense(2, in_features=3)])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     model.save(os.path.join(folder, "model.safetensors"))
    ...     cdl.load(os.path.join(folder, "model.safetensors")).count_parameters()
    8
    """
    description, extra, state = read_model(path)
    if description is None:
        raise FileFormatError(f"{path}: holds weights without a description; make the model and call its load(path)")
    try:
        with no_draws(sum(array.size for array in state.values())):
            model = _make(description, [])
        model.load_state_dict(state)
        for layer in list(model.layers_inside()):
            if layer.fused:
                layer.fuse()    # packs the weights
    except (KeyError, TypeError, ValueError, RuntimeError, RecursionError, MemoryError) as error:
        raise FileFormatError(f"{path}: the description does not fit the weights: {error}") from None
    model.extra = extra
    return model


def _make(description, made):
    """The layer of a description; `made` are those that have begun so far, None while they are not complete."""
    options, number = dict(description), len(made)
    name, inference = options.pop("layer"), options.pop("inference", False)
    if name not in _LAYERS:
        raise ValueError(f"unknown layer {name!r}")
    made.append(None)
    made[number] = _LAYERS[name](**{option: _value(value, made) for option, value in options.items()})
    if inference:       # an option `fused` is one of its own: it has Folded layers
        made[number].fused = True
    return made[number]


def _value(value, made):
    """A layer for each description in an option: the layers of a Sequential, the body of a Residual."""
    if isinstance(value, list):
        return [_value(item, made) for item in value]
    if isinstance(value, dict) and "again" in value:
        again = value["again"]
        if type(again) is not int or not 0 <= again < len(made) or made[again] is None:
            raise ValueError(f"there is no layer {again!r} to be used again")
        return made[again]
    return _make(value, made) if isinstance(value, dict) and "layer" in value else value
