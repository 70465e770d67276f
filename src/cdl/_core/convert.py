"""The slow side of the gate: anything array-like becomes an array the kernels can read, or a clear TypeError."""
import numpy as np


def convert(x, who):
    """Return `x` as a native, aligned, C-ordered ndarray of float32, float64, int64 or bool.

    Parameters
    ----------
    x : array_like
        Numbers, sequences, arrays of any byte order, alignment, stride or read-only state.
    who : str
        The function that asks, for the message.

    Raises
    ------
    TypeError
        For None, masked arrays, and complex, object, string or date data.

    Examples
    --------
    >>> import numpy as np
    >>> convert(np.arange(3, dtype=">f2"), "relu").dtype
    dtype('float32')
    """
    if x is None:
        raise TypeError(f"{who}: expected an array, got None")
    if isinstance(x, np.ma.MaskedArray):
        raise TypeError(f"{who}: masked arrays are not supported; fill the masked values first, with x.filled(value)")
    try:
        array = np.asarray(x)
    except ValueError as error:
        raise TypeError(f"{who}: expected numbers in a rectangular array, got {type(x).__name__} ({error})") from None
    wanted = target(array.dtype)
    if wanted is None:
        raise TypeError(f"{who}: expected float, integer or boolean data, got dtype {array.dtype}"
                        f"{_advice(array.dtype)}")
    if wanted is np.int64 and array.dtype == np.uint64 and array.size and array.max() > np.iinfo(np.int64).max:
        raise TypeError(f"{who}: uint64 values above 2**63 - 1 do not fit int64; convert them to float64")
    return np.require(array, dtype=wanted, requirements="CA")


def target(dtype):
    """The library's own type for data of `dtype` (float32, float64, int64, bool), or None where there is none."""
    if dtype.kind == "f":
        return {2: np.float32, 4: np.float32, 8: np.float64}.get(dtype.itemsize)
    if dtype.kind in "iu":
        return np.int64
    return np.bool_ if dtype.kind == "b" else None


def _advice(dtype):
    if dtype.kind == "c":
        return "; take .real, .imag or np.abs first"
    if dtype.kind == "f":
        return "; convert it with np.asarray(x, dtype=float), which rounds"
    if dtype.kind == "O":
        return "; convert it with np.asarray(x, dtype=float)"
    return ""
