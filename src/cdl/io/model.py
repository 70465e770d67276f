"""Models in files: weights in safetensors form and, as JSON in its header, which layers to make."""
import json

from cdl.io.errors import FileFormatError
from cdl.io.extra import VERSION, described, restored, stored
from cdl.io.safetensors import load_safetensors, save_safetensors
from cdl.io.torch_layout import from_torch
from cdl.nn.layer import Layer

__all__ = ["load_weights", "read_model", "save_model"]

# How the names of a checkpoint's other arrays begin: what the model's readers leave out.
BESIDE = "training/"


def describe(layer):
    """A layer as plain values: its name and what makes it again. None where a class in it is not cdl's own.

    A layer that is used again is {"again": its number}, counted from 0 in the order in which layers begin.
    """
    try:
        return _described(layer, {})
    except _NotOurs:
        return None


class _NotOurs(Exception):
    """A layer whose class no file can name."""


def _described(value, numbers):
    if isinstance(value, Layer):
        if id(value) in numbers:
            return {"again": numbers[id(value)]}
        numbers[id(value)] = len(numbers)
        if not type(value).__module__.startswith("cdl."):
            raise _NotOurs
        return {"layer": type(value).__name__} | ({"inference": True} if value.fused else {}) | {
            name: _described(option, numbers) for name, option in value.config().items()}
    return [_described(item, numbers) for item in value] if isinstance(value, (list, tuple)) else value


def save_model(path, model, *, extra=None):
    """Write `model` to `path`: its state by name and, where it is made of cdl's own layers, its description.

    Parameters
    ----------
    path : str or PathLike
    model : Layer
    extra : dict, optional
        What is kept beside the model, by name: plain values as JSON has them, such as the names of classes, and fitted
        scalers and encoders of cdl.data.

    Raises
    ------
    OSError
        If the file cannot be written; what was there before is then untouched.
    TypeError
        If `extra` holds what no file can name.
    """
    description = {"version": VERSION, "model": describe(model),
                   "extra": {name: stored(value, name) for name, value in (extra or {}).items()}}
    save_safetensors(path, model.state_dict(), metadata={"cdl": json.dumps(description)})


def read_model(path):
    """The description (None where the file has none), the extra values and the state in the file at `path`.

    Raises
    ------
    FileFormatError
        If the file is not a safetensors file, or its description not one that this version reads.
    """
    state, metadata = _model_part(*load_safetensors(path))
    model, extra = described(path, metadata) if "cdl" in metadata else (None, {})
    return model, restored(extra, path), state


def _model_part(state, metadata):
    """The arrays of the model, which are all unless the file is a checkpoint, and the metadata."""
    if "cdl.training" in metadata:
        state = {name: array for name, array in state.items() if not name.startswith(BESIDE)}
    return state, metadata


def load_weights(path, model, layout=None):
    """Set the state of `model` from the file at `path`, whoever wrote it; see `Model.load`."""
    if layout not in (None, "cdl", "torch"):
        raise ValueError(f'load: layout must be None, "cdl" or "torch", got {layout!r}')
    model.require_built("load")
    state, metadata = _model_part(*load_safetensors(path))
    try:
        if "cdl" in metadata:
            described(path, metadata)
        else:
            state = from_torch(model, model.foreign_state(state), layout)
        model.load_state_dict(state)
    except FileFormatError:
        raise
    except (KeyError, TypeError, ValueError) as error:
        raise FileFormatError(f"{path}: does not fit this model: {error.args[0]}") from None
