# What the convolution algorithms (rows, windows, phases, winograd, depthwise, pixels) share: the shape of a problem and what is
# done to a result while it is in the cache. Images lie channels last and in C order, without gaps:
#   x (N, H, W, C), w (R, S, C / groups, K), y (N, P, Q, K)
#   y[n, p, q, k] = sum over r, s, c of x[n, p stride_h + r dilation_h - top, q stride_w + s dilation_w - left, c] w[r, s, c, k]
# where x is 0 outside of the image; output channel k reads the C / groups input channels of its group.
from cdl._core.kernels cimport BINARY_ADD, K
from cdl._core.tensor cimport ITEMSIZE

ctypedef struct Conv:
    int kind                                    # F32 or F64
    Py_ssize_t N, H, W, C
    Py_ssize_t P, Q, K
    Py_ssize_t R, S
    Py_ssize_t stride_h, stride_w, dilation_h, dilation_w
    Py_ssize_t top, bottom, left, right         # rows and columns of zeros around the image; < 0 where some are skipped
    Py_ssize_t groups
    bint packed                                 # does w lie in panels, as packed_weights makes them? Of forwards alone

# Where the weight (r, s, c, k) of a group lies: w (R, S, C / groups, K) as it is, or turned round and transposed.
ctypedef struct Kernel:
    const char* w
    Py_ssize_t r_step, s_step, c_step, k_step, group_step

# What an algorithm may be asked for: y, dx or dw.
cdef enum Direction:
    FORWARD
    INPUT       # the gradient of x
    WEIGHTS     # the gradient of w

# y = act(convolution + bias + added)
ctypedef struct Finish:
    const char* bias                            # (K), or NULL
    const char* added                           # like y, or NULL: the shortcut of a residual block
    char* z                                     # like y, or NULL: what act gets, where its derivative reads it
    int act                                     # an index of unary_forward, -1 for none
    double p, q                                 # parameters of act


# `added` and act for `count` elements from `first` on, whose sums (bias included) stand in z, or without z in y.
cdef inline void finish_elements(int kind, const Finish* f, char* y, Py_ssize_t first, Py_ssize_t count) noexcept nogil:
    cdef Py_ssize_t start = first * ITEMSIZE[kind]
    cdef char* z = (f.z if f.z != NULL else y) + start
    if f.added != NULL:
        K[kind].binary_forward[BINARY_ADD](z, f.added + start, z, count, 1, 1)
    if f.act >= 0:
        K[kind].unary_forward[f.act](z, y + start, count, f.p, f.q)


# Rows and columns, from the first to the last, that the windows see, zeros around the image included.
cdef inline Py_ssize_t seen_rows(const Conv* c) noexcept nogil:
    return (c.P - 1) * c.stride_h + (c.R - 1) * c.dilation_h + 1


cdef inline Py_ssize_t seen_columns(const Conv* c) noexcept nogil:
    return (c.Q - 1) * c.stride_w + (c.S - 1) * c.dilation_w + 1


# Is what the windows see, the skipped pixels between them included, about as large as what is read and written? Only then
# may an algorithm copy it (strides and dilations far beyond the image would ask for any amount of memory).
cdef inline bint is_compact(const Conv* c) noexcept nogil:
    cdef double seen = <double>seen_rows(c) * seen_columns(c) * c.C
    return seen <= 16.0 * (<double>c.H * c.W * c.C + <double>c.P * c.Q * c.K) + 65536


cdef inline Kernel kernel_of(const Conv* c, const char* w) noexcept nogil:
    cdef Py_ssize_t inputs = c.C // c.groups
    return Kernel(w, c.S * inputs * c.K, inputs * c.K, c.K, 1, c.K // c.groups)
