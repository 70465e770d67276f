# Convolution as a product with the matrix of windows, a block of which is fetched at a time. They serve every shape. 0, or
# -1 where memory is exhausted; they choose the number of threads themselves, and the bits are the same for each.
from cdl._core.conv_shape cimport Conv, Finish

cdef int direct_forward(const Conv* c, const Finish* f, const char* x, const char* w, char* y) noexcept nogil
cdef int direct_input(const Conv* c, const char* g, const char* w, char* dx) noexcept nogil
cdef int direct_weights(const Conv* c, const char* x, const char* g, char* dw) noexcept nogil
