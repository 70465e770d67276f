"""Weights of dense layers held as bfloat16, packed once: half the memory, and nothing to round at each call."""
cimport cython
from libc.stdint cimport uint32_t

from cdl._core.bfloat16 cimport bf16_pack, bf16_packed, bf16_panels_size
from cdl._core.copy cimport contiguous
from cdl._core.dense cimport act_of, plain, rows_of
from cdl._core.gate cimport as_float, finish
from cdl._core.product cimport Gemm
from cdl._core.tape cimport recording
from cdl._core.tensor cimport F32, MAXDIM, Tensor, new_tensor, shape_of

from cdl._core.dense import dense


cdef extern from "gemm.h" nogil:
    const Py_ssize_t PANEL "CDL_GEMM_PANEL"


@cython.final
@cython.no_gc
cdef class Halves:
    """Weights (k, n), rounded; `dense_of_halves` takes it for w. They are there instead of the weights, not besides them."""
    cdef Tensor words       # their memory: panels of 32 columns, two neighbours along k in a word
    cdef Py_ssize_t[2] dims

    @property
    def shape(self):
        """The shape of the weights, (k, n)."""
        return self.dims[0], self.dims[1]

    @property
    def dtype(self):
        """The dtype that they stand for, float32."""
        return self.words.dtype

    def plain(self):
        """The weights, rounded, as a Tensor of float32."""
        cdef Tensor w = new_tensor(F32, 2, self.dims)
        cdef uint32_t* to = <uint32_t*>w.ptr
        cdef const uint32_t* panels = <const uint32_t*>self.words.ptr
        cdef Py_ssize_t k = self.dims[0], n = self.dims[1], words = bf16_panels_size(k, PANEL) // PANEL, p, j
        cdef uint32_t word
        for p in range(k):
            for j in range(n):
                word = panels[(j // PANEL * words + p // 2) * PANEL + j % PANEL]
                to[p * n + j] = word & 0xFFFF0000 if p % 2 else word << 16
        return w

    def __reduce__(self):
        return halves, (self.plain(),)


def halves(Tensor w not None):
    """float32 weights (k, n) as Halves."""
    cdef Halves h = Halves.__new__(Halves)
    cdef Py_ssize_t size
    cdef Gemm g
    cdef int status
    if w.kind != F32 or w.ndim != 2:
        raise TypeError(f"halves: expected float32 weights of two axes, got {w.dtype} of shape {shape_of(w)}")
    w = contiguous(w)
    h.dims[0], h.dims[1] = w.dims[0], w.dims[1]
    size = bf16_panels_size(h.dims[0], h.dims[1])
    h.words = new_tensor(F32, 1, &size)
    g = plain(F32, 0, h.dims[1], h.dims[0], NULL)
    g.b, g.b_row, g.b_col = w.ptr, h.dims[1], 1
    with nogil:
        status = bf16_pack(&g, h.words.ptr)
    if status < 0:
        raise MemoryError(f"halves: no memory to pack {shape_of(w)} weights")
    return h


def dense_of_halves(x, Halves w not None, b=None, act=None, p=None, double q=0.0):
    """act(x w + b) as `dense`, x rounded too; where a gradient is asked for, or x is float64, with w as it was rounded."""
    cdef Tensor tx = as_float(x, "dense"), tb = None if b is None else as_float(b, "dense"), y
    cdef Py_ssize_t[MAXDIM] dims
    cdef double first
    cdef int index = act_of(act, p, "dense", &first), i, status
    cdef Gemm g
    if tx.kind != F32 or (tb is not None and tb.kind != F32) or recording(tx) or (tb is not None and recording(tb)):
        return dense(x, w.plain(), b, act, p, q)
    if tx.ndim == 0 or tx.dims[tx.ndim - 1] != w.dims[0]:
        raise ValueError(f"dense: expected {w.dims[0]} features (w is {w.shape}) in the last axis of x, got x of shape "
                         f"{shape_of(tx)}")
    tx = contiguous(tx)
    for i in range(tx.ndim):
        dims[i] = tx.dims[i]
    dims[tx.ndim - 1] = w.dims[1]
    y = new_tensor(F32, tx.ndim, dims)
    g = plain(F32, rows_of(tx), w.dims[1], w.dims[0], y.ptr)
    g.a, g.a_row, g.a_col = tx.ptr, g.k, 1
    g.act, g.p, g.q = index, first, q
    if tb is not None:
        tb = contiguous(tb)
        g.bias = tb.ptr
    if y.size:
        with nogil:
            status = bf16_packed(&g, w.words.ptr)
        if status < 0:
            raise MemoryError(f"dense: no memory to pack x of shape {shape_of(tx)}")
    return finish(y, True)
