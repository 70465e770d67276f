# Convolution of few channels or with few filters, straight from the image.
from cdl._core.conv_shape cimport Conv, Finish

cdef bint pixels_serves(const Conv* c, int direction) noexcept nogil      # by shape alone: measured cut-offs
# 0, or -1 where memory is exhausted. They choose the number of threads themselves, without any influence on the bits.
# They are right for every shape of one group; the input gradient for strides of 1.
cdef int pixels_forward(const Conv* c, const Finish* f, const char* x, const char* w, char* y) noexcept nogil
cdef int pixels_input(const Conv* c, const char* g, const char* w, char* dx) noexcept nogil
cdef int pixels_weights(const Conv* c, const char* x, const char* g, char* dw) noexcept nogil
