"""What is saved beside a model: plain values, and fitted objects of cdl.data under the names of a fixed table."""
import importlib
import json

import numpy as np

from .errors import FileFormatError
from .safetensors import load_safetensors

__all__ = ["described", "load_extra", "restored", "stored"]

# The version of the description; a file of a later one is refused rather than guessed at.
VERSION = 1
# What a file may name, and where it is: names from a file are looked up here and nowhere else.
_KINDS = {
    "ImageScaler": "cdl.data.image_scale",
    "Imputer": "cdl.data.impute",
    "LabelEncoder": "cdl.data.labels",
    "MinMaxScaler": "cdl.data.preprocess",
    "OneHotEncoder": "cdl.data.onehot",
    "StandardScaler": "cdl.data.preprocess",
    "TableEncoder": "cdl.data.encoder",
}
# The key that tells such an object, or an array, from a dict of the user's.
_MARK = "cdl"
_ARRAY_KINDS = "biuf"


def stored(value, where="extra", tuples=True):
    """A value as JSON has it, objects of cdl.data and arrays as dicts that say what they are; `tuples` become lists.

    Raises
    ------
    TypeError
        It holds something else; the message says where.
    ValueError
        An object that is not fitted, or a dict with the key that marks objects.
    """
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, np.generic) and value.dtype.kind in _ARRAY_KINDS:
        return value.item()
    if isinstance(value, list) or (tuples and isinstance(value, tuple)):
        return [stored(item, f"{where}[{i}]", tuples) for i, item in enumerate(value)]
    if isinstance(value, dict):
        if _MARK in value:
            raise ValueError(f"save: {where} has the key {_MARK!r}, which marks objects of cdl's own; give it another name")
        for key in value:
            if not isinstance(key, str):
                raise TypeError(f"save: the keys of {where} must be texts, got {key!r}")
        return {key: stored(item, f"{where}[{key!r}]", tuples) for key, item in value.items()}
    if isinstance(value, np.ndarray) and value.dtype.kind in _ARRAY_KINDS:
        return {_MARK: "array", "dtype": value.dtype.newbyteorder("<").str, "shape": list(value.shape),
                "values": value.reshape(-1).tolist()}
    name = type(value).__name__
    if name in _KINDS and type(value).__module__ == _KINDS[name]:
        return {_MARK: name, "state": stored(value.state_dict(), where, tuples=False)}
    raise TypeError(f"save: {where} must be None, a text, a number, a list, a dict, an array of numbers, or one of cdl.data's "
                    f"{', '.join(_KINDS)}; got {type(value).__name__}")


def load_extra(path):
    """What ``model.save(path, name=value, …)`` stored beside the model.

    Parameters
    ----------
    path : str or os.PathLike

    Returns
    -------
    dict
        The values by name: scalers and encoders as fitted objects, arrays as arrays, all else as JSON has it (tuples have
        become lists). Empty where nothing was stored.

    Raises
    ------
    FileFormatError
        The file is damaged, no safetensors file, or of a later version. It can name nothing but cdl's own kinds.
    OSError
        It cannot be read.

    Examples
    --------
    >>> import os, tempfile
    >>> import cdl
    >>> from cdl.data import StandardScaler
    >>> x = np.random.default_rng(0).normal(50, 10, (100, 3))
    >>> scaler = StandardScaler().fit(x)
    >>> model = cdl.Sequential([cdl.Dense(1, in_features=3)])
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = os.path.join(folder.name, "model.safetensors")
    >>> model.save(path, scaler=scaler, unit="kEUR")
    >>> extra = load_extra(path)
    >>> extra["unit"], bool((extra["scaler"].transform(x) == scaler.transform(x)).all())
    ('kEUR', True)
    >>> folder.cleanup()
    """
    metadata = load_safetensors(path, mmap=True)[1]
    if "cdl" not in metadata:
        return {}
    return restored(described(path, metadata)[1], path)


def described(path, metadata):
    """The description of the model in a file's metadata (or None), and the values beside it as they are stored."""
    try:
        found = json.loads(metadata["cdl"])
        version, model, extra = found["version"], found["model"], found["extra"]
        if not isinstance(extra, dict):
            raise TypeError
    except (ValueError, KeyError, TypeError, RecursionError):
        raise FileFormatError(f"{path}: the description of the model is damaged") from None
    if version != VERSION:
        raise FileFormatError(f"{path}: written by another version of cdl (description {version!r}, this one reads {VERSION})")
    return model, extra


def restored(extra, path):
    """The values of a description as they were before `stored`."""
    return {name: _restored(value, path, name) for name, value in extra.items()}


def _restored(value, path, where):
    if isinstance(value, list):
        return [_restored(item, path, f"{where}[{i}]") for i, item in enumerate(value)]
    if not isinstance(value, dict):
        return value
    kind = value.get(_MARK)
    if _MARK not in value:
        return {key: _restored(item, path, f"{where}[{key!r}]") for key, item in value.items()}
    try:
        if kind == "array":
            dtype = np.dtype(value["dtype"])
            if dtype.kind not in _ARRAY_KINDS:
                raise ValueError(f"an array of {dtype}")
            values = np.array(value["values"])      # of no type yet: NumPy before 2 lets integers run over
            if dtype.kind in "iub" and values.size and not (values == values.astype(dtype)).all():
                raise ValueError(f"numbers that {dtype} does not hold")
            return values.astype(dtype.newbyteorder("=")).reshape(value["shape"])
        if not isinstance(kind, str) or kind not in _KINDS:
            raise FileFormatError(f"{path}: {where} is of kind {str(kind)[:40]!r}; this version knows {', '.join(_KINDS)}")
        made = getattr(importlib.import_module(_KINDS[kind]), kind)
        state = _restored(value["state"], path, where)
        return made.from_state_dict(state) if hasattr(made, "from_state_dict") else made().load_state_dict(state)
    except FileFormatError:
        raise
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise FileFormatError(f"{path}: {where} is damaged: {error}") from None
