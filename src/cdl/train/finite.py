"""Where a number that is not finite came from."""
import numpy as np

from cdl._core.tape import no_grad
from cdl.train.summary import watched

__all__ = ["not_finite"]


def not_finite(training, x, y, value, done):
    """The error for a loss `value` of the batch x, y, after `done` samples of the epoch; it says where it came from.

    The batch goes through the network once more, which draws anew where layers drop; the model's state stays.
    """
    error = FloatingPointError(f"fit: the loss became {value} in epoch {training.epoch + 1}, at sample {done}: "
                               f"{_source(training.model, np.asarray(x), np.asarray(y))}")
    error.history = training.history
    return error


def _source(model, x, y):
    for name, array in (("x", x), ("y", y)):
        if not _is_finite(array):
            rows = array.reshape(len(array), -1)
            row, column = np.argwhere(~np.isfinite(rows))[0]
            return f"{name} holds {rows[row, column]} (column {column}); fill such values or leave the samples out"
    bad = next((name for name, parameter in model.named_parameters() if not _is_finite(parameter.numpy())), None)
    if bad is not None:
        return f"the parameter {bad} is not finite any more; lower the learning rate, or give the optimizer clip_norm"
    layer = _first_layer(model, x)
    if layer is None:
        return ("all layers give finite outputs, so it is the loss (or the penalty) itself: lower the learning rate, scale the "
                "targets, or take a loss of logits")
    path = next((f"{path} " for path, one in model.named_layers() if one is layer), "")
    return (f"the first output that is not finite is that of layer {path}{type(layer).__name__}; lower the learning rate, "
            "scale the inputs, or give the optimizer clip_norm")


def _first_layer(model, x):
    """The layer that first gave an output that is not finite, None if the model gives only finite ones."""
    found, buffers = [], {name: buffer.numpy().copy() for name, buffer in model.named_buffers()}

    def note(layer, y):
        parts = y if isinstance(y, (tuple, list)) else [y]
        if not found and not all(_is_finite(np.asarray(part)) for part in parts):
            found.append(layer)

    with no_grad():
        try:
            with watched(model.layers_inside(), note), np.errstate(all="ignore"):
                model(x)
        finally:
            for name, buffer in model.named_buffers():
                buffer[...] = buffers[name]
    return found[0] if found else None


def _is_finite(array):
    return array.dtype.kind != "f" or bool(np.isfinite(array).all())
