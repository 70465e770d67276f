"""What options, targets, probabilities and weights must hold; the first value that is wrong is told."""
from cdl._core.copy cimport contiguous
from cdl._core.gate cimport as_any
from cdl._core.kernels cimport REDUCE_MAX, REDUCE_MIN, K
from cdl._core.tensor cimport F32, F64, Tensor

import numpy as np


cdef double extreme(int op, Tensor t) noexcept:
    """The least or largest element; NaN where there is one, 0 of nothing."""
    cdef float single = 0
    cdef double twofold = 0
    if t.size == 0:
        return 0
    if t.kind == F32:
        K[t.kind].reduce_rows(op, t.ptr, NULL, &single, 1, t.size, t.size, 1)
        return single
    K[t.kind].reduce_rows(op, t.ptr, NULL, &twofold, 1, t.size, t.size, 1)
    return twofold


def number(x, str who, str name):
    """x as a float; TypeError for what is no real number."""
    if isinstance(x, (str, bytes)) or not hasattr(x, "__float__"):
        raise TypeError(f"{who}: {name} must be a number, got {type(x).__name__}")
    return float(x)


def positive_integer(x, str who, str name):
    """x as an int; ValueError for what is no integer of 1 or more."""
    if isinstance(x, bool) or not hasattr(x, "__index__") or x < 1:
        raise ValueError(f"{who}: {name} must be a positive integer, got {x!r}")
    return int(x)


def require(x, good, str who, str name, str wanted):
    """ValueError that names the first element of x where `good`, of its shape, is false."""
    if not good.all():
        i = int(np.flatnonzero(~good)[0])
        raise ValueError(f"{who}: {name} must {wanted}, got {np.asarray(x).reshape(-1)[i]} (position {i} of the flattened "
                         f"{name})")


def probabilities(x, str who, str name, bint nan=False):
    """Refuse numbers outside [0, 1] but for rounding errors, and NaN unless `nan`."""
    cdef Tensor t = as_any(x, who)
    cdef double slack = 1e-6 if t.kind == F32 else 1e-14      # of probabilities that were added up
    if t.kind <= F64:
        t = contiguous(t)
        if extreme(REDUCE_MIN, t) >= 0 and extreme(REDUCE_MAX, t) <= 1 + slack:     # false for NaN
            return
    values = t.numpy()
    good = (values >= 0) & (values <= 1 + slack)
    require(values, good | np.isnan(values) if nan else good, who, name, "hold probabilities, 0 to 1")


def no_nan(x, str who, str name):
    """Refuse NaN."""
    cdef Tensor t = as_any(x, who)
    cdef double least
    if t.kind <= F64:
        least = extreme(REDUCE_MIN, contiguous(t))
        if least != least:
            require(t.numpy(), ~np.isnan(t.numpy()), who, name, "not hold NaN")


def weights(w, tuple shape, str who, str name, str each):
    """Weights as a float64 array of this shape; ValueError for another one, or a number that is negative or not finite."""
    values = as_any(w, who).numpy().astype(np.float64)
    if values.shape != shape:
        raise ValueError(f"{who}: {name} must have shape {shape}, one {each}, got {values.shape}")
    require(values, np.isfinite(values) & (values >= 0), who, name, "hold finite numbers, 0 or more")
    return values
