# Depthwise convolution: groups = C, so output channel k reads input channel k // (K / C) alone.
from cdl._core.conv_shape cimport Conv, Finish

cdef bint depthwise_serves(const Conv* c, int direction) noexcept nogil
# 0, or -1 where memory is exhausted. They choose the number of threads themselves, without any influence on the bits.
cdef int depthwise_forward(const Conv* c, const Finish* f, const char* x, const char* w, char* y) noexcept nogil
cdef int depthwise_input(const Conv* c, const char* g, const char* w, char* dx) noexcept nogil
cdef int depthwise_weights(const Conv* c, const char* x, const char* g, char* dw) noexcept nogil
