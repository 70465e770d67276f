# The input gradient of a convolution of any shape. 0, or -1 where memory is exhausted.
from cdl._core.conv_shape cimport Conv

cdef int phases_input(const Conv* c, const char* g, const char* w, char* dx) noexcept nogil
