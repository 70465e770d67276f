# Convolution of images: the choice of the algorithm.
from cdl._core.conv_shape cimport Conv, Finish

# y = act(x * w + bias + added), dx and dw; also of no elements, which the algorithms need not know of. All in C order and of
# c.kind; MemoryError. The GIL is released where it is worth it.
cdef int conv_forward(const Conv* c, const Finish* f, const char* x, const char* w, char* y) except -1
cdef int conv_input(const Conv* c, const char* g, const char* w, char* dx) except -1
cdef int conv_weights(const Conv* c, const char* x, const char* g, char* dw) except -1
