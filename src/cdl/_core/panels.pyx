"""Weights of dense layers packed once, as the products read them: nothing to pack at each call, and they come from memory
in order. Held as bfloat16 they take half of it, and nothing is rounded at each call either.
"""
cimport cython
from libc.stdint cimport uint32_t
from libc.string cimport memcpy

from cdl._core.bfloat16 cimport bf16_pack, bf16_packed, bf16_panels_size
from cdl._core.copy cimport contiguous
from cdl._core.dense cimport act_of, plain, rows_of
from cdl._core.gate cimport as_float, finish
from cdl._core.gemm cimport gemm_of_panels, pack_panels, panels_size
from cdl._core.product cimport Gemm
from cdl._core.tape cimport recording
from cdl._core.tensor cimport F32, ITEMSIZE, MAXDIM, Tensor, new_tensor, shape_of

from cdl._core.dense import dense


cdef extern from "gemm.h" nogil:
    const Py_ssize_t PANEL "CDL_GEMM_PANEL"


@cython.final
@cython.no_gc
cdef class Panels:
    """Weights (k, n); `dense_of_panels` takes it for w. They are there instead of the weights, not besides them."""
    cdef Tensor held        # their memory: panels of 32 columns; of bfloat16 two neighbours along k in a word
    cdef readonly bint rounded
    cdef Py_ssize_t[2] dims

    @property
    def shape(self):
        """The shape of the weights, (k, n)."""
        return self.dims[0], self.dims[1]

    @property
    def dtype(self):
        """The dtype that they stand for."""
        return self.held.dtype

    def plain(self):
        """The weights, of bfloat16 as they were rounded, as a Tensor."""
        cdef Tensor w = new_tensor(self.held.kind, 2, self.dims)
        cdef Py_ssize_t k = self.dims[0], n = self.dims[1], item = ITEMSIZE[w.kind], j, p, columns
        for j in range(0, n, <Py_ssize_t>PANEL):
            columns = min(PANEL, n - j)
            for p in range(k):
                if self.rounded:
                    floats_of(<const uint32_t*>self.held.ptr + bf16_panels_size(k, j) + p // 2 * PANEL, p % 2, columns,
                              <uint32_t*>w.ptr + p * n + j)
                else:
                    memcpy(w.ptr + (p * n + j) * item, self.held.ptr + (j * k + p * PANEL) * item, columns * item)
        return w

    def __reduce__(self):
        return panels, (self.plain(), self.rounded)


cdef void floats_of(const uint32_t* words, bint upper, Py_ssize_t n, uint32_t* to) noexcept nogil:
    cdef Py_ssize_t j
    for j in range(n):
        to[j] = words[j] >> 16 << 16 if upper else words[j] << 16


def panels(Tensor w not None, bint rounded=False):
    """Weights (k, n) as Panels, `rounded` to bfloat16."""
    cdef Panels h = Panels.__new__(Panels)
    cdef Py_ssize_t size
    cdef Gemm g
    cdef int status = 0
    if w.ndim != 2 or (rounded and w.kind != F32):
        raise TypeError(f"panels: expected {'float32 ' if rounded else ''}weights of two axes, got {w.dtype} of shape "
                        f"{shape_of(w)}")
    w = contiguous(w)
    h.dims[0], h.dims[1], h.rounded = w.dims[0], w.dims[1], rounded
    size = bf16_panels_size(h.dims[0], h.dims[1]) if rounded else panels_size(h.dims[0], h.dims[1])
    h.held = new_tensor(w.kind, 1, &size)
    g = plain(w.kind, 0, h.dims[1], h.dims[0], NULL)
    g.b, g.b_row, g.b_col = w.ptr, h.dims[1], 1
    with nogil:
        if rounded:
            status = bf16_pack(&g, h.held.ptr)
        else:
            pack_panels(&g, h.held.ptr)
    if status < 0:
        raise MemoryError(f"panels: no memory to pack {shape_of(w)} weights")
    return h


def dense_of_panels(x, Panels w not None, b=None, act=None, p=None, double q=0.0):
    """act(x w + b) as `dense`, x rounded if w is; where a gradient is asked for, or x is of another dtype, by `dense`."""
    cdef Tensor tx = as_float(x, "dense"), tb = None if b is None else as_float(b, "dense"), y
    cdef Py_ssize_t[MAXDIM] dims
    cdef double first
    cdef int index = act_of(act, p, "dense", &first), kind = w.held.kind, i, status
    cdef Gemm g
    if tx.kind != kind or (tb is not None and tb.kind != kind) or recording(tx) or (tb is not None and recording(tb)):
        return dense(x, w.plain(), b, act, p, q)
    if tx.ndim == 0 or tx.dims[tx.ndim - 1] != w.dims[0]:
        raise ValueError(f"dense: expected {w.dims[0]} features (w is {w.shape}) in the last axis of x, got x of shape "
                         f"{shape_of(tx)}")
    tx = contiguous(tx)
    for i in range(tx.ndim):
        dims[i] = tx.dims[i]
    dims[tx.ndim - 1] = w.dims[1]
    y = new_tensor(kind, tx.ndim, dims)
    g = plain(kind, rows_of(tx), w.dims[1], w.dims[0], y.ptr)
    g.a, g.a_row, g.a_col = tx.ptr, g.k, 1
    g.act, g.p, g.q = index, first, q
    if tb is not None:
        tb = contiguous(tb)
        g.bias = tb.ptr
    if y.size:
        with nogil:
            status = bf16_packed(&g, w.held.ptr) if w.rounded else gemm_of_panels(&g, w.held.ptr)
        if status < 0:
            raise MemoryError(f"dense: no memory to pack x of shape {shape_of(tx)}")
    return finish(y, True)
