"""The gate in front of every op: what comes in is native, aligned, of a dtype the library stores, or refused."""
from cpython.buffer cimport PyBUF_FORMAT, PyBUF_SIMPLE, PyBUF_STRIDES, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport uintptr_t

cimport cython

from cdl._core.tape cimport recording
from cdl._core.tensor cimport BOOL, F32, F64, I64, ITEMSIZE, MAXDIM, Tensor, hooks, in_c_order, scalar

import numpy as np

from cdl._core.convert import convert

cdef object ndarray = np.ndarray


@cython.final
@cython.no_gc
@cython.freelist(16)
cdef class Borrowed:
    """Memory of a foreign array, held while a Tensor views it, or while it is read or written."""

    def __dealloc__(self):
        if self.held:
            PyBuffer_Release(&self.buffer)


cdef Borrowed bytes_of(object array, bint writable=False):
    cdef Borrowed memory = Borrowed.__new__(Borrowed)
    PyObject_GetBuffer(array, &memory.buffer, PyBUF_WRITABLE if writable else PyBUF_SIMPLE)
    memory.held = True
    return memory


cdef int kind_of(const char* format) noexcept:
    if format is NULL or format[0] == 0 or format[1] != 0:
        return -1
    if format[0] == b"f":
        return F32
    if format[0] == b"d":
        return F64
    if format[0] == b"q" or (format[0] == b"l" and sizeof(long) == 8):
        return I64
    return BOOL if format[0] == b"?" else -1


cdef Tensor borrow(object array):
    """A Tensor on the memory of an ndarray, or None where the kernels cannot read it as it is."""
    cdef Borrowed held = Borrowed.__new__(Borrowed)
    cdef Py_buffer* buffer = &held.buffer
    cdef Tensor t
    cdef int i, kind
    cdef Py_ssize_t itemsize
    try:
        PyObject_GetBuffer(array, buffer, PyBUF_STRIDES | PyBUF_FORMAT)
    except (BufferError, ValueError):    # dtypes that the buffer protocol has no name for
        return None
    held.held = True
    kind = kind_of(buffer.format)
    if kind < 0 or buffer.ndim > MAXDIM or <uintptr_t>buffer.buf % ITEMSIZE[kind]:
        return None
    itemsize = ITEMSIZE[kind]
    t = Tensor.__new__(Tensor)
    t.size = 1
    for i in range(buffer.ndim - 1, -1, -1):
        t.dims[i] = buffer.shape[i]
        if t.dims[i] > 1:
            if buffer.strides[i] < 0 or buffer.strides[i] % itemsize:
                return None
            t.steps[i] = buffer.strides[i] // itemsize
        else:       # nobody walks it, and NumPy leaves anything there
            t.steps[i] = t.steps[i + 1] * max(t.dims[i + 1], 1) if i + 1 < buffer.ndim else 1
        t.size *= t.dims[i]
    t.ptr, t.ndim, t.kind, t.owner = <char*>buffer.buf, buffer.ndim, kind, held
    t.contiguous = in_c_order(t)
    return t


cdef Tensor as_any(object x, str who):
    cdef Tensor t
    if type(x) is Tensor:
        return <Tensor>x
    if type(x) is ndarray:
        t = borrow(x)
        if t is not None:
            return t
    elif type(x) is float:
        return scalar(x, F64)
    elif type(x) is list or type(x) is tuple:
        refuse_recorded(x, who)
    array = convert(x, who)
    t = borrow(array)
    if t is None:
        if array.ndim > MAXDIM:
            raise ValueError(f"{who}: at most {MAXDIM} axes are supported, got {array.ndim}")
        t = borrow(array.copy())
    return t


cdef int refuse_recorded(object items, str who) except -1:
    """A list of Tensors is read as numbers: no gradient would come back to them."""
    for item in items:
        if type(item) is Tensor and recording(<Tensor>item):
            raise TypeError(f"{who}: a list of Tensors would lose their gradients; join them with cdl.stack, or "
                            "detach() them first")
    return 0


cdef Tensor as_float(object x, str who):
    cdef Tensor t = as_any(x, who)
    if t.kind <= F64:
        return t
    return as_any(t.numpy().astype(np.float32), who)


cdef object finish(Tensor y, bint as_tensor):
    if as_tensor:
        return y
    return y.numpy() if y.ndim else y.numpy()[()]


hooks.as_any = as_any
