# The input gradient of a convolution of any shape. 0, or -1 where memory is exhausted.
from cdl._core.conv_shape cimport Conv

ctypedef struct AxisPhase:
    # The pixels first, first + step, … of an axis of x, and the taps of the kernel that ever read them.
    Py_ssize_t first, step, count       # count: how many pixels
    Py_ssize_t tap, tap_step, taps      # the taps tap, tap - tap_step, …: in the order of the pixels of g they are for
    Py_ssize_t before, dilation         # pixel i reads those of g at i - before, i - before + dilation, …

# The pixels `first` modulo stride of an axis of `length` pixels after `before` zeros.
cdef AxisPhase phase_of(Py_ssize_t first, Py_ssize_t length, Py_ssize_t taps, Py_ssize_t stride, Py_ssize_t dilation,
                        Py_ssize_t before) noexcept nogil

cdef int phases_input(const Conv* c, const char* g, const char* w, char* dx) noexcept nogil
