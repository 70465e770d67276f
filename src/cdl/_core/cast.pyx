"""Change of dtype, recorded between the two float types."""
from cdl._core.copy cimport contiguous, copy_of
from cdl._core.gate cimport as_any, finish
from cdl._core.kernels cimport K
from cdl._core.tape cimport give, record, recording
from cdl._core.tensor cimport F32, F64, I64, ITEMSIZE, Node, Tensor, new_tensor
from cdl._core.threads cimport run_tasks

cimport cython

import numpy as np

from cdl._core.tensor import dtype_of

cdef enum:
    BLOCK = 1 << 14     # elements of a task

cdef list DTYPES = [np.dtype(np.float32), np.dtype(np.float64), np.dtype(np.int64), np.dtype(np.bool_)]


cdef struct Job:
    const char* x
    char* y
    Py_ssize_t size
    int source, target


cdef void cast_task(void* job, size_t task) noexcept nogil:
    cdef Job* j = <Job*>job
    cdef Py_ssize_t start = task * BLOCK
    K[j.target].cast(j.x + start * ITEMSIZE[j.source], j.y + start * ITEMSIZE[j.target], min(BLOCK, j.size - start),
                     j.source)


@cython.final
@cython.no_gc
cdef class CastNode(Node):
    cdef int backward(self, Tensor y, Tensor g) except -1:
        return give(self.a, cast(g, self.a.kind), g.kind != self.a.kind)


cdef Tensor cast(Tensor t, int kind):
    return t if t.kind == kind else converted(t, kind)


cdef Tensor converted(Tensor t, int kind):
    """A fresh Tensor of the kind."""
    cdef Tensor x, y
    cdef Job job
    if kind > F64 and t.kind != kind:
        return as_any(t.numpy().astype(DTYPES[kind]), "astype")
    if t.kind == kind:
        y = copy_of(t)
    else:
        x, y = contiguous(t), new_tensor(kind, t.ndim, t.dims)
        job = Job(x.ptr, y.ptr, t.size, t.kind, kind)
        # Two elements a nanosecond is what one thread converts from memory.
        run_tasks(cast_task, &job, (t.size + BLOCK - 1) // BLOCK, t.size * 0.0005)
    if recording(t):
        record(y, CastNode.__new__(CastNode), 0, t)
    return y


cdef int common_kind(Tensor s, object a, Tensor t, object b) noexcept:
    cdef bint float_s = s is not None and s.kind <= F64, float_t = t is not None and t.kind <= F64
    if float_s and float_t:
        return max(s.kind, t.kind)
    if float_s or float_t:
        return s.kind if float_s else t.kind
    if (s is None and type(a) is float) or (t is None and type(b) is float):
        return F64 if s is None and t is None else F32
    return I64


def astype(x, dtype):
    """A copy of x as float32, float64, int64 or bool; between the float types the gradient is converted back."""
    cdef Tensor t = as_any(x, "astype")
    return finish(converted(t, DTYPES.index(dtype_of(dtype, "astype"))), type(x) is Tensor)
