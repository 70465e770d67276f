"""Hugging Face's names: of the settings in a config.json, and of the arrays in a checkpoint."""
import json
import warnings
from collections.abc import Mapping

import numpy as np

from cdl.io.errors import FileFormatError


def read_config(config, kind, names, required, dropouts):
    """The settings in `names` ({there: here}) of a config.json, its path or what is in it, under the names here.

    Networks here have one `dropout` for all places; a warning names those of `dropouts` that have another there.

    Raises
    ------
    ValueError
        If it describes no network of this `kind`, or a setting in `required` has another value than the one there.
    """
    if not isinstance(config, Mapping):
        with open(config, encoding="utf-8") as file:
            try:
                config = json.load(file)
            except ValueError as error:
                raise FileFormatError(f"{file.name}: not a JSON file: {error}") from None
    if not isinstance(config, Mapping) or config.get("model_type") != kind:
        found = config.get("model_type") if isinstance(config, Mapping) else type(config).__name__
        raise ValueError(f"from_config: expected the settings of a {kind} network, got those of {found!r}")
    for name, value in required.items():
        if config.get(name, value) != value:
            raise ValueError(f"from_config: {name} must be {value!r}, got {config[name]!r}")
    known = {here: config[there] for there, here in names.items() if there in config}
    others = {name: config[name] for name in dropouts if config.get(name, known.get("dropout")) != known.get("dropout")}
    if others and known.get("dropout") is not None:
        named = ", ".join(f"{name} {value}" for name, value in others.items())
        warnings.warn(f"from_config: {named}: in training this network drops {known['dropout']} at all places", stacklevel=3)
    return known


def renamed(state, prefix, left_out, words):
    """A checkpoint's arrays under the names here: without the prefix, without what `left_out` matches, endings as in `words`.

    Raises
    ------
    ValueError
        If two arrays get the same name.
    """
    found = {}
    for key, array in state.items():
        name = key.removeprefix(prefix)
        if left_out.match(name):
            continue
        for ending, ours in words.items():
            if name.endswith(ending):
                name = name.removesuffix(ending) + ours
        if name in found:
            raise ValueError(f"{key} and another array of the state are both {name} here")
        found[name] = array
    return found


def same_array(a, b):
    """Whether two arrays hold the same values; NaN is NaN."""
    return a.shape == b.shape and np.array_equal(a, b, equal_nan=True)
