# Convolution of any shape, as a product with the matrix of windows. 0, or -1 where memory is exhausted; the number of threads
# is chosen here, and the bits are the same for each.
from cdl._core.conv_shape cimport Conv, Finish, Kernel
from cdl._core.tensor cimport ITEMSIZE

cdef extern from "gemm.h" nogil:
    const Py_ssize_t PANEL "CDL_GEMM_PANEL"

cdef enum:
    FEW_PIXELS = 224    # for fewer the weights are packed a slab at a time, which is multiplied while it is in L2

cdef int windows_forward(const Conv* c, const Kernel* w, const Finish* f, const char* x, char* y) noexcept nogil
cdef int windows_weights(const Conv* c, const char* x, const char* g, char* dw) noexcept nogil

# The weights of one group, (R S C / groups, K / groups), in panels of PANEL columns that lie weight_panel elements apart; in
# `packed`, or for NULL in memory that is pool_free'd. NULL: there is none.
cdef char* packed_weights(const Conv* c, const Kernel* w, Py_ssize_t group, char* packed) noexcept nogil


cdef inline Py_ssize_t weight_panel(const Conv* c) noexcept nogil:
    # Panels apart by no power of two share the caches better; those that stay (Packed) take no more memory than the weights.
    return c.R * c.S * (c.C // c.groups) * PANEL + (0 if c.packed else 16)


cdef inline double product_microseconds(const Conv* c) noexcept nogil:
    cdef double outputs = <double>c.N * c.P * c.Q * c.K
    return outputs * (2e-5 * c.R * c.S * (c.C // c.groups) * (ITEMSIZE[c.kind] // 4) + 1e-4)
