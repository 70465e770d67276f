# Reductions of float32 and float64 Tensors, recorded.
from cdl._core.tensor cimport Tensor

cdef enum ReduceOp:     # the first five are the kernels' own
    SUM, SQUARES, MAX, MIN, PROD, MEAN, VAR, STD, NORM

# Bit i of mask: axis i is reduced. keep: it stays, with length 1. ddof: only for VAR and STD.
cdef Tensor apply(int op, Tensor x, int mask, bint keep, double ddof=*)
cdef int mask_of(object axis, int ndim, str who) except -1      # from None (all axes), an integer, or a tuple of them

cdef struct Layout:
    # x seen as (outer, n, inner), and how that is cut into tasks.
    Py_ssize_t outer, n, inner
    Py_ssize_t block, chunk, strip      # outer rows, elements along n, and columns of a task
    Py_ssize_t chunks, strips, tasks
    bint moved                          # the reduced axes had to be brought together

cdef void lay_out(Tensor x, int mask, Layout* s) noexcept
cdef Tensor moved_last(Tensor x, int mask, bint back)
cdef Tensor result_for(Tensor x, int mask, bint keep, int kind)
