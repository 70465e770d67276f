"""Checkpoints in files: a model's file, as `save` writes it, with the state of its training beside the weights."""
import json

from cdl.io.errors import FileFormatError
from cdl.io.extra import VERSION
from cdl.io.model import BESIDE, describe
from cdl.io.safetensors import load_safetensors, save_safetensors

__all__ = ["load_training", "save_training"]

# The version of the state; a file of a later one is refused rather than guessed at.
STATE_VERSION = 1


def save_training(path, training):
    """Write the whole state of `training` to `path`, one safetensors file, replacing it all at once.

    The weights have their own names, those of all other arrays begin with ``training/``; the plain values are JSON in the
    header. `cdl.load(path)` and `model.load(path)` read it as the model's file.

    Parameters
    ----------
    path : str or PathLike
    training : Training

    Raises
    ------
    OSError
        If the file cannot be written; what was there before is then untouched.
    TypeError
        If a callback's state is not of plain values and arrays.
    """
    arrays, values = training.state_dict(copy=False)
    tensors = {name.removeprefix("model.") if name.startswith("model.") else BESIDE + name: array
               for name, array in arrays.items()}
    model = {"version": VERSION, "model": describe(training.model), "extra": {}}
    state = {"version": STATE_VERSION, "values": values}
    save_safetensors(path, tensors, metadata={"cdl": json.dumps(model), "cdl.training": json.dumps(state)})


def load_training(path, training):
    """Set `training` to the state in the file at `path`.

    Raises
    ------
    FileFormatError
        If the file is damaged, no checkpoint, of a newer version of the format, or of another model, optimizer or set of
        random generators; the model and the optimizer are then as they were.
    OSError
        If it cannot be read.
    """
    tensors, metadata = load_safetensors(path)
    if "cdl.training" not in metadata:
        raise FileFormatError(f"{path}: holds {'a model' if 'cdl' in metadata else 'arrays'}, but no training to go on with")
    try:
        state = json.loads(metadata["cdl.training"])
        version, values = state["version"], state["values"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise FileFormatError(f"{path}: the state of the training is damaged") from None
    if version != STATE_VERSION:
        raise FileFormatError(f"{path}: written by a newer version of cdl (state {version!r}, this one reads {STATE_VERSION})")
    _require_same(path, metadata, training.model)
    arrays = {name.removeprefix(BESIDE) if name.startswith(BESIDE) else f"model.{name}": array
              for name, array in tensors.items()}
    try:
        training.load_state_dict(arrays, values)
    except KeyError as error:
        raise FileFormatError(f"{path}: this training cannot go on from it: there is no {error} in it") from None
    except (AttributeError, TypeError, ValueError) as error:
        raise FileFormatError(f"{path}: this training cannot go on from it: {error}") from None


def _require_same(path, metadata, model):
    """Refuse a model of other layers or options, where both are made of cdl's own layers."""
    try:
        there = json.loads(metadata["cdl"])["model"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise FileFormatError(f"{path}: the description of the model is damaged") from None
    here = describe(model)
    if None not in (here, there) and json.loads(json.dumps(here)) != there:
        raise FileFormatError(f"{path}: this training cannot go on from it: its model is another one\n"
                              f"  there {json.dumps(there)}\n  here  {json.dumps(here)}")
