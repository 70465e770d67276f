"""The one place that answers NumPy: which function or ufunc called on a Tensor is which op.

Every ops module has a table `NUMPY` of what it differentiates (together: DIFFERENTIATED); here stands what has no
derivative or a zero one, and how the options out=, dtype= and where= are taken. What is in no table is refused with
TypeError: a Tensor never becomes an object array, and no gradient is lost silently.
"""
import functools
import inspect

import numpy as np

from cdl._core.custom import as_tensor
from cdl._core.tape import is_recording
from cdl._core.tensor import NUMPY as DIFFERENTIATED
from cdl._core.tensor import Tensor

__all__ = []


# --- what has no derivative: computed by NumPy on plain arrays --------------------------------------------------------
# A ufunc here gives a Tensor. Those of the second line are constant in steps: their derivative is zero where it exists.
PLAIN_UFUNCS = {
    np.less, np.less_equal, np.greater, np.greater_equal, np.equal, np.not_equal, np.isnan, np.isinf, np.isfinite,
    np.sign, np.floor, np.ceil, np.trunc, np.rint, np.signbit, np.spacing, np.floor_divide,
    np.logical_and, np.logical_or, np.logical_xor, np.logical_not, np.bitwise_and, np.bitwise_or, np.bitwise_xor,
    np.invert, np.left_shift, np.right_shift, np.gcd, np.lcm,
}
# Arrays of numbers that index, count or compare become Tensors.
PLAIN_FUNCTIONS = {
    np.argmax, np.argmin, np.argsort, np.argpartition, np.argwhere, np.flatnonzero, np.searchsorted, np.digitize,
    np.isclose, np.any, np.all, np.count_nonzero, np.isin, np.bincount, np.round, np.around, np.fix, np.isposinf,
    np.isneginf, np.nanargmax, np.nanargmin,
}
# What is asked about the array as a whole, or written somewhere, stays NumPy's answer.
ANSWERS = {
    np.shape, np.ndim, np.size, np.array_equal, np.array_equiv, np.allclose, np.nonzero, np.result_type, np.can_cast,
    np.iscomplexobj, np.isrealobj, np.shares_memory, np.may_share_memory, np.array2string, np.array_repr, np.array_str,
    np.save, np.savez, np.savez_compressed, np.savetxt, np.histogram, np.min_scalar_type, np.common_type,
    np.broadcast_shapes,
}


# Change their first argument: refused, since the tape must know of every change.
IN_PLACE = {np.put, np.place, np.putmask, np.fill_diagonal, np.put_along_axis, np.copyto}


def _plain(value):
    """The same with every Tensor in it as an ndarray on its memory."""
    if isinstance(value, Tensor):
        return value.numpy()
    if isinstance(value, (tuple, list)):
        return type(value)(_plain(one) for one in value)
    return value


def _wrapped(value):
    if isinstance(value, (tuple, list)):
        return type(value)(_wrapped(one) for one in value)
    if isinstance(value, np.ndarray) and value.flags.owndata:
        return as_tensor(value, "result")       # fresh: nobody else has this memory
    return Tensor(value)


def _has_floats(value):
    """Whether a Tensor of floats is among the arguments; integers and booleans have no gradient to lose."""
    if isinstance(value, Tensor):
        return value.dtype.kind == "f"
    return isinstance(value, (tuple, list)) and any(_has_floats(one) for one in value)


# --- creation ---------------------------------------------------------------------------------------------------------
def _like(function):
    def like(prototype, *args, dtype=None, order="K", subok=True, shape=None, device=None):
        template = np.empty(prototype.shape if shape is None else shape, dtype or prototype.dtype)
        return Tensor(function(template, *args))
    return like


CREATION = {np.zeros_like: _like(np.zeros_like), np.ones_like: _like(np.ones_like), np.empty_like: _like(np.empty_like),
            np.full_like: _like(lambda template, fill_value: np.full_like(template, _plain(fill_value)))}


# --- refusals ---------------------------------------------------------------------------------------------------------
def _name(function):
    module = getattr(function, "__module__", None) or "numpy"
    inner = module if module.startswith(("numpy.linalg", "numpy.fft")) else "numpy"
    return f"{inner.replace('numpy', 'np', 1)}.{function.__name__}"


@functools.cache
def _names():
    known = [f for f in DIFFERENTIATED if hasattr(f, "nin") or inspect.isroutine(f)]
    return sorted({_name(f) for f in [*known, *PLAIN_UFUNCS, *PLAIN_FUNCTIONS, *ANSWERS, *CREATION]})


def _refuse(name):
    import difflib  # only for messages: `import cdl` is quicker without it

    last = {known.rpartition(".")[2]: known for known in _names()}
    near = difflib.get_close_matches(name.rpartition(".")[2], last, n=1, cutoff=0.5)
    hint = f"the nearest that is: {last[near[0]]}; " if near else ""
    raise TypeError(f"{name}: not supported on a Tensor; {hint}{name}(t.numpy()) computes it without a gradient")


def _recorded(value):
    """Whether a Tensor in an argument is followed by the tape now."""
    if isinstance(value, Tensor):
        return value.requires_grad and is_recording()
    return isinstance(value, (tuple, list)) and any(_recorded(one) for one in value)


# --- options ----------------------------------------------------------------------------------------------------------
# Options and the values under which they change nothing.
IDLE = {"casting": ("same_kind", "unsafe", "safe"), "order": ("K", "C", "A"), "subok": (True, False), "where": (True,),
        "signature": (None,), "dtype": (None,), "out": (None, (None,)), "keepdims": (False,)}


def _settle(options, function, name):
    """Drop the options that change nothing; refuse those that our function does not take."""
    kept = {}
    taken = _parameters(function)
    for key, value in options.items():
        if key in taken:
            kept[key] = value
        elif key == "where" and value is not True:
            raise TypeError(f"{name}: where= is not supported on a Tensor; use np.where(mask, result, other)")
        elif value is not np._NoValue and not any(value is idle or (isinstance(value, (str, tuple)) and value == idle)
                                                  for idle in IDLE.get(key, ())):
            raise TypeError(f"{name}: the option {key}={value!r} is not supported on a Tensor; it takes "
                            f"{', '.join(sorted(taken)) or 'no options'}")
    return kept


@functools.cache
def _parameters(function):
    try:
        found = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return frozenset()
    return frozenset(found)


def _as_dtype(value, dtype, name):
    """Arguments in the dtype that the computation is to have."""
    if isinstance(value, Tensor):
        if np.dtype(dtype).kind != "f" and _recorded(value):
            raise TypeError(f"{name}: dtype={np.dtype(dtype)} would lose the gradient; use a float dtype, or detach() "
                            "first")
        return value.astype(dtype)
    if isinstance(value, (tuple, list)):
        return type(value)(_as_dtype(one, dtype, name) for one in value)
    return value.astype(dtype) if isinstance(value, np.ndarray) else value


def _store(name, result, out, inputs):
    """Put a result into out=; refused where a gradient would be lost."""
    if _recorded(inputs) or _recorded(out):
        raise TypeError(f"{name}: out= (or an in-place operator on an ndarray) would lose the gradient of a Tensor "
                        "that the tape follows; use the result, or detach() the Tensor first")
    if np.shape(out) != np.shape(result):
        raise ValueError(f"{name}: out must have shape {np.shape(result)}, got {np.shape(out)}")
    if not np.can_cast(result.dtype, out.dtype, "same_kind"):
        raise TypeError(f"{name}: out must hold {result.dtype}, got {out.dtype}")
    out[...] = result if isinstance(out, Tensor) else _plain(result)
    return out


def _call(function, name, args, options):
    """function(*args, **options) with what is NumPy's own among the options taken care of."""
    if not options:
        return function(*args)
    out, dtype = options.get("out"), options.get("dtype")
    if isinstance(out, tuple) and len(out) == 1:
        out = out[0]
    if out is not None:
        if _recorded(args):
            _store(name, None, out, args)
        options = {key: value for key, value in options.items() if key != "out"}
        return _store(name, _call(function, name, args, options), out, args)
    if dtype is not None and "dtype" not in _parameters(function):
        options = {key: value for key, value in options.items() if key != "dtype"}
        args = tuple(_as_dtype(one, dtype, name) for one in args)
    return function(*args, **_settle(options, function, name))


# --- the two hooks ----------------------------------------------------------------------------------------------------
def array_ufunc(self, ufunc, method, *inputs, **options):
    """What NumPy calls for ufunc(…) and ufunc.reduce(…) where an argument is a Tensor."""
    if method == "__call__":
        function = DIFFERENTIATED.get(ufunc)
        if function is not None:
            return function(*inputs) if not options else _call(function, _name(ufunc), inputs, options)
        if ufunc in PLAIN_UFUNCS or not _has_floats(inputs):
            return _call(lambda *args: _wrapped(ufunc(*map(_plain, args))), _name(ufunc), inputs, options)
        _refuse(_name(ufunc))
    name = f"{_name(ufunc)}.{method}"
    if method == "at":
        raise TypeError(f"{name}: a Tensor is not changed in place; the gradient of t[ids] adds up repeated ids, and "
                        f"{name}(t.numpy(), …) works on the array")
    if method == "outer":
        a, b = (x if isinstance(x, Tensor) else np.asarray(x) for x in inputs)
        return ufunc(a.reshape(a.shape + (1,) * b.ndim), b, **options)
    function = DIFFERENTIATED.get(getattr(ufunc, method))
    if function is not None:
        options.setdefault("axis", 0)       # the default of a ufunc's methods, where np.sum takes all axes
        if options.get("initial", np._NoValue) in (None, np._NoValue):
            options.pop("initial", None)
        return _call(function, name, inputs, options)
    if ufunc in PLAIN_UFUNCS and method in ("reduce", "accumulate"):
        return _wrapped(getattr(ufunc, method)(*map(_plain, inputs), **options))
    _refuse(name)


def array_function(self, function, types, args, options):
    """What NumPy calls for the other functions of its name space where an argument is a Tensor."""
    ours = DIFFERENTIATED.get(function) or CREATION.get(function)
    if ours is not None:
        return ours(*args) if not options else _call(ours, _name(function), args, options)
    if function in ANSWERS or function in PLAIN_FUNCTIONS:
        options = {key: _plain(value) for key, value in options.items()}
        answer = function(*_plain(tuple(args)), **options)
        if function in PLAIN_FUNCTIONS and options.get("out") is None:
            return _wrapped(answer)
        return answer
    if function is np.copyto:
        return _copyto(*args, **options)
    if not _has_floats((*args, *options.values())) and function not in IN_PLACE:
        answer = function(*_plain(tuple(args)), **{key: _plain(value) for key, value in options.items()})
        return _wrapped(answer) if isinstance(answer, (np.ndarray, tuple, list)) else answer
    _refuse(_name(function))


def _copyto(dst, src, casting="same_kind", where=True):
    if where is not True:
        raise TypeError("np.copyto: where= is not supported on a Tensor; assign to t[mask]")
    _store("np.copyto", np.broadcast_to(src, dst.shape) if np.shape(src) != dst.shape else src, dst, (src,))


METHODS = {"__array_ufunc__": array_ufunc, "__array_function__": array_function}
NUMPY = {}
