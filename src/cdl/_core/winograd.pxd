# Winograd's convolution F(4x4, 3x3): 3 x 3 filters of stride 1, dilation 1, one group.
from cdl._core.conv_shape cimport Conv, Finish

# Whether it is the fastest way to this direction of the convolution: by shape alone, and whether it is switched on.
cdef bint winograd_serves(const Conv* c, int direction) noexcept nogil
# 0, or -1 where memory is exhausted. They choose the number of threads; the result has the same bits for each.
cdef int winograd_forward(const Conv* c, const Finish* f, const char* x, const char* w, char* y) noexcept nogil
cdef int winograd_input(const Conv* c, const char* g, const char* w, char* dx) noexcept nogil
cdef int winograd_weights(const Conv* c, const char* x, const char* g, char* dw) noexcept nogil
