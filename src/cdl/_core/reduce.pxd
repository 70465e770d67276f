# Reductions of float32 and float64 Tensors, recorded.
from cdl._core.tensor cimport Tensor

cdef enum ReduceOp:     # the first five are the kernels' own
    SUM, SQUARES, MAX, MIN, PROD, MEAN, VAR, STD, NORM

# Bit i of mask: axis i is reduced. keep: it stays, with length 1. ddof: only for VAR and STD.
cdef Tensor apply(int op, Tensor x, int mask, bint keep, double ddof=*)
cdef int mask_of(object axis, int ndim, str who) except -1      # from None (all axes), an integer, or a tuple of them
