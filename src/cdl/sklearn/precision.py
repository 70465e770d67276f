"""Networks in the precision of their data."""
from cdl._core.tensor import Tensor

__all__ = ["as_dtype"]


def as_dtype(model, dtype):
    """Hold every floating parameter and buffer of `model` in `dtype`, in place; returns the model itself.

    A Tensor that layers share stays shared. Those in tuples, which cannot be changed, raise TypeError.
    """
    made = {}
    for path, layer, name, tensor in list(model.tensor_places()):
        if tensor.dtype.kind != "f" or tensor.dtype == dtype:
            continue
        if id(tensor) not in made:
            made[id(tensor)] = Tensor(tensor.numpy(), str(dtype), requires_grad=tensor.requires_grad)
        _put(layer, name.split("."), made[id(tensor)], path)
    return model


def _put(owner, names, tensor, path):
    """Set an attribute, or an item of the list or dict in it, by the names on the way there."""
    if len(names) == 1 and not isinstance(owner, (list, tuple, dict)):
        setattr(owner, names[0], tensor)
        return
    inner = owner
    for name in names[:-1]:
        inner = _item(inner, name)
    if isinstance(inner, tuple):
        raise TypeError(f"dtype: the Tensor {path} is in a tuple, which cannot be changed; keep it in a list")
    if isinstance(inner, list):
        inner[int(names[-1])] = tensor
    else:
        inner[_key(inner, names[-1])] = tensor


def _item(inner, name):
    if isinstance(inner, (list, tuple)):
        return inner[int(name)]
    return inner[_key(inner, name)] if isinstance(inner, dict) else vars(inner)[name]


def _key(mapping, name):
    """The key of a dict that is written so in a path."""
    return next(key for key in mapping if str(key) == name)
