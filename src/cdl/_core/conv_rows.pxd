# Convolution where the images lie. 0, or -1 where memory is exhausted; the number of threads is chosen here, and the bits are
# the same for each.
from cdl._core.conv_shape cimport Conv, Finish, Kernel, is_compact

# Where the pixels of y go, in elements: NULL for (N, P, Q, K) in C order, which `added`, z and act ask for.
ctypedef struct Place:
    Py_ssize_t image, row, pixel

cdef int rows_forward(const Conv* c, const Kernel* w, const Finish* f, const char* x, char* y,
                      const Place* place) noexcept nogil
cdef int rows_weights(const Conv* c, const char* x, const char* g, char* dw) noexcept nogil


cdef inline bint rows_serve(const Conv* c) noexcept nogil:
    """Is every kernel row one run of neighbours, and are there windows enough side by side to fill a tile?

    Rows of 7 windows make half a tile: 512 channels lose 30 % there against windows that are fetched, 16 filters win 110 %.
    """
    return (c.groups == 1 and (c.dilation_w == 1 or c.S == 1) and c.C > 0
            and (c.Q >= 8 or (c.Q >= 4 and c.K <= 64)) and is_compact(c))
