"""Convolution of images, y = act(x * w + b + added): which algorithm, and the ops on the tape.

x is (N, H, W, C), w (R, S, C / groups, K), b (K), y and added (N, P, Q, K). Backward, with g' = g act'(…): dx is the
convolution of g' with w turned round, dw[r, s] the products of the pixels that tap (r, s) saw with g', db the sum of g'
over the pixels, dadded = g'. A transposed convolution is the input gradient as an op of its own.

A kernel of one pixel with stride 1 is a matrix product as it stands; depthwise convolution has kernels of its own
(depthwise), so have few channels or filters (pixels). 3 x 3 taps of stride 1 take a quarter of the products after a
transform (winograd) where there are channels enough. Other images of one group are read where they lie (conv_rows),
what that does not serve window by window (conv_windows).
"""
cimport cython
from libc.string cimport memcpy, memset

from cdl._core.cast cimport cast
from cdl._core.conv_phases cimport phases_input
from cdl._core.conv_rows cimport rows_forward, rows_serve, rows_weights
from cdl._core.conv_shape cimport FORWARD, INPUT, WEIGHTS, Conv, Finish, Kernel, finish_elements, kernel_of
from cdl._core.conv_windows cimport FEW_PIXELS, PANEL, packed_weights, weight_panel, windows_forward, windows_weights
from cdl._core.copy cimport contiguous
from cdl._core.dense cimport act_of, plain, through_activation
from cdl._core.depthwise cimport depthwise_forward, depthwise_input, depthwise_serves, depthwise_weights
from cdl._core.gate cimport as_float, finish
from cdl._core.gemm cimport Gemm, gemm
from cdl._core.kernels cimport SAVED_X, UNARY_SAVED
from cdl._core.pixels cimport pixels_forward, pixels_input, pixels_serves, pixels_weights
from cdl._core.tape cimport give, record, recording
from cdl._core.tensor cimport (ITEMSIZE, READS_A, READS_B, READS_NONE, Node, Tensor, empty_like, new_tensor, shape_of)
from cdl._core.threads cimport parallel_for, threads_for
from cdl._core.winograd cimport winograd_forward, winograd_input, winograd_serves, winograd_weights

include "image_check.pxi"
include "conv_check.pxi"


cdef enum:
    WHOLE_TILES = 14    # pixels in a row: then even products go by conv_rows, which has 3 to 10 % less to copy
    LARGE_WEIGHTS = 1 << 20     # bytes that come from memory: for few pixels conv_windows reads them as a stream
    # Weights of fewer channels, or fewer weights, have kernels that read them where they lie (pixels): they are not packed.
    LEAST_CHANNELS = 8
    LEAST_WEIGHTS = 1 << 13


# --- the choice -------------------------------------------------------------------------------------------------------
cdef inline bint is_product(const Conv* c) noexcept nogil:
    """Does every output pixel see one input pixel, the one at its own place?"""
    return (c.R == 1 and c.S == 1 and c.groups == 1 and c.stride_h == 1 and c.stride_w == 1 and c.H == c.P and c.W == c.Q
            and c.top == 0 and c.left == 0)


cdef inline bint is_narrow(const Conv* c) noexcept nogil:
    """Are there so few pixels and so large weights that the way of the weights counts?"""
    return c.N * c.P * c.Q < FEW_PIXELS and c.C * c.K * ITEMSIZE[c.kind] >= LARGE_WEIGHTS


cdef struct Rest:
    # `added` and act for a whole result, where its algorithm does not see to them
    const Conv* c
    const Finish* f
    char* y
    Py_ssize_t block, size


cdef void rest_task(void* job, size_t task) noexcept nogil:
    cdef Rest* j = <Rest*>job
    cdef Py_ssize_t first = <Py_ssize_t>task * j.block
    finish_elements(j.c.kind, j.f, j.y, first, min(j.block, j.size - first))


cdef int product_forward(const Conv* c, const Finish* f, const char* x, const char* w, char* y) noexcept nogil:
    cdef Gemm g = plain(c.kind, c.N * c.P * c.Q, c.K, c.C, y)
    cdef Rest rest = Rest(c, f, y, 1 << 14, g.m * g.n)
    g.a, g.a_row, g.a_col, g.b, g.b_row, g.b_col, g.bias, g.z = x, g.k, 1, w, g.n, 1, f.bias, f.z
    if f.added == NULL:
        g.act, g.p, g.q = f.act, f.p, f.q
    if gemm(&g) < 0:
        return -1
    if f.added != NULL:
        parallel_for(rest_task, &rest, (rest.size + rest.block - 1) // rest.block, threads_for(rest.size * 1e-4))
    return 0


cdef int product_input(const Conv* c, const char* g, const char* w, char* dx) noexcept nogil:
    cdef Gemm p = plain(c.kind, c.N * c.P * c.Q, c.C, c.K, dx)
    p.a, p.a_row, p.a_col, p.b, p.b_row, p.b_col = g, p.k, 1, w, 1, p.k
    return gemm(&p)


cdef int product_weights(const Conv* c, const char* x, const char* g, char* dw) noexcept nogil:
    cdef Gemm p = plain(c.kind, c.C, c.K, c.N * c.P * c.Q, dw)
    p.a, p.a_row, p.a_col, p.b, p.b_row, p.b_col = x, 1, p.m, g, p.n, 1
    return gemm(&p)


cdef int forward_by_choice(const Conv* c, const Finish* f, const char* x, const char* w, char* y) noexcept nogil:
    cdef Kernel kernel = kernel_of(c, w)
    if not c.packed and is_product(c) and c.W % WHOLE_TILES != 0 and not is_narrow(c):
        return product_forward(c, f, x, w, y)
    if not c.packed and depthwise_serves(c, FORWARD):
        return depthwise_forward(c, f, x, w, y)
    if not c.packed and pixels_serves(c, FORWARD):
        return pixels_forward(c, f, x, w, y)
    if winograd_serves(c, FORWARD):
        return winograd_forward(c, f, x, w, y)
    if rows_serve(c):
        return rows_forward(c, &kernel, f, x, y, NULL)
    return windows_forward(c, &kernel, f, x, y)


cdef int input_by_choice(const Conv* c, const char* g, const char* w, char* dx) noexcept nogil:
    if is_product(c):
        return product_input(c, g, w, dx)
    if depthwise_serves(c, INPUT):
        return depthwise_input(c, g, w, dx)
    if pixels_serves(c, INPUT):
        return pixels_input(c, g, w, dx)
    if winograd_serves(c, INPUT):
        return winograd_input(c, g, w, dx)
    return phases_input(c, g, w, dx)


cdef int weights_by_choice(const Conv* c, const char* x, const char* g, char* dw) noexcept nogil:
    if is_product(c):
        return product_weights(c, x, g, dw)
    if depthwise_serves(c, WEIGHTS):
        return depthwise_weights(c, x, g, dw)
    if pixels_serves(c, WEIGHTS):
        return pixels_weights(c, x, g, dw)
    if winograd_serves(c, WEIGHTS):
        return winograd_weights(c, x, g, dw)
    if rows_serve(c):
        return rows_weights(c, x, g, dw)
    return windows_weights(c, x, g, dw)


cdef inline bint is_brief(const Conv* c) noexcept:
    """Is it over before other threads could have made use of the GIL?"""
    return c.N * c.P * c.Q * c.K * c.R * c.S * (c.C // c.groups) < 200_000


cdef inline int in_direction(int direction, const Conv* c, const Finish* f, const char* a, const char* b,
                             char* to) noexcept nogil:
    if direction == FORWARD:
        return forward_by_choice(c, f, a, b, to)
    return input_by_choice(c, a, b, to) if direction == INPUT else weights_by_choice(c, a, b, to)


cdef int convolve(int direction, const Conv* c, const Finish* f, const char* a, const char* b, char* to) except -1:
    cdef int status
    if is_brief(c):
        status = in_direction(direction, c, f, a, b, to)
    else:
        with nogil:
            status = in_direction(direction, c, f, a, b, to)
    if status < 0:
        raise MemoryError(f"convolution: no memory to pack ({c.R}, {c.S}, {c.C // c.groups}, {c.K}) weights or windows of "
                          f"({c.N}, {c.H}, {c.W}, {c.C}) images")
    return 0


cdef int conv_forward(const Conv* c, const Finish* f, const char* x, const char* w, char* y) except -1:
    return 0 if c.N * c.P * c.Q * c.K == 0 else convolve(FORWARD, c, f, x, w, y)


cdef int conv_input(const Conv* c, const char* g, const char* w, char* dx) except -1:
    cdef Py_ssize_t size = c.N * c.H * c.W * c.C
    if c.K == 0:
        memset(dx, 0, size * ITEMSIZE[c.kind])
        return 0
    return 0 if size == 0 else convolve(INPUT, c, NULL, g, w, dx)


cdef int conv_weights(const Conv* c, const char* x, const char* g, char* dw) except -1:
    cdef Py_ssize_t size = c.R * c.S * (c.C // c.groups) * c.K
    if c.N * c.P * c.Q == 0:
        memset(dw, 0, size * ITEMSIZE[c.kind])
        return 0
    return 0 if size == 0 else convolve(WEIGHTS, c, NULL, x, g, dw)


# --- weights packed once ----------------------------------------------------------------------------------------------
@cython.final
@cython.no_gc
cdef class Packed:
    """The weights of a convolution in the panels that its products read; `conv2d` takes it for w.

    They are there instead of the weights, not besides them: `plain` makes these again. Where a gradient is asked for they
    are made for the one call.
    """
    cdef Tensor w       # of the shape and kind of the weights; its memory is that of the panels

    @property
    def shape(self):
        """The shape of the weights, (R, S, C, K)."""
        return shape_of(self.w)

    @property
    def dtype(self):
        """Their dtype."""
        return self.w.dtype

    def plain(self):
        """The weights as a Tensor."""
        return unpack(self.w)

    def __reduce__(self):
        return packed, (unpack(self.w),)


cdef Conv shape_of_weights(Tensor w) noexcept:
    cdef Conv c
    memset(&c, 0, sizeof(Conv))
    c.kind, c.R, c.S, c.C, c.K, c.groups = w.kind, w.dims[0], w.dims[1], w.dims[2], w.dims[3], 1
    c.packed = True
    return c


def packed(Tensor w not None):
    """The weights (R, S, C, K) of a convolution of one group as a Packed, or None where it would not use one."""
    cdef Conv c
    cdef Kernel kernel
    cdef Py_ssize_t size
    cdef Packed p = Packed.__new__(Packed)
    if w.ndim != 4 or w.dims[3] % PANEL or w.dims[3] == 0 or w.dims[2] < LEAST_CHANNELS or w.size < LEAST_WEIGHTS:
        return None
    w = contiguous(w)
    c = shape_of_weights(w)
    kernel, size = kernel_of(&c, w.ptr), c.K // PANEL * weight_panel(&c)
    p.w = new_tensor(w.kind, 1, &size)
    with nogil:
        packed_weights(&c, &kernel, 0, p.w.ptr)
    p.w.ndim, p.w.size = 4, w.size
    p.w.dims, p.w.steps = w.dims, w.steps
    return p


cdef Tensor unpack(Tensor p):
    cdef Tensor w = new_tensor(p.kind, 4, p.dims)
    cdef Conv c = shape_of_weights(p)
    cdef Py_ssize_t item = ITEMSIZE[p.kind], row, column
    for row in range(c.R * c.S * c.C):
        for column in range(c.K // PANEL):
            memcpy(w.ptr + (row * c.K + column * PANEL) * item, p.ptr + (column * weight_panel(&c) + row * PANEL) * item,
                   PANEL * item)
    return w


# --- convolution ------------------------------------------------------------------------------------------------------
@cython.final
@cython.no_gc
cdef class ConvNode(Node):
    cdef Conv shape
    cdef Tensor z       # where act's derivative is a function of it
    cdef int act
    cdef double p, q

    cdef int backward(self, Tensor y, Tensor g) except -1:
        cdef Tensor x = self.a, w = self.b, b = self.c, added = None if self.more is None else self.more[0]
        cdef Tensor dx, dw, dense_x = x, dense_w = w, dz = through_activation(y, self.z, g, self.act, self.p, self.q, b)
        if w.needs_grad and self.reads & READS_A:       # one unfrozen since: x was not held for it
            dense_x = contiguous(x)
            dw = empty_like(w)
            conv_weights(&self.shape, dense_x.ptr, dz.ptr, dw.ptr)
            give(w, dw, True)
        if x.needs_grad and self.reads & READS_B:
            dense_w = contiguous(w)
            dx = empty_like(x)
            conv_input(&self.shape, dz.ptr, dense_w.ptr, dx.ptr)
            give(x, dx, True)
        if added is not None and added.needs_grad:
            give(added, dz, dz is not g or y.grad_owned)
        return 0

    cdef void release(self):
        self.z = None
        Node.release(self)


cdef Tensor apply(Conv* c, Tensor x, Tensor w, Tensor b, Tensor added, int act, double p, double q):
    """act(x * w + b + added), recorded; all of one kind, of the shapes that c says."""
    cdef Tensor y, z = None, dense_x = contiguous(x), dense_w = contiguous(w), bias = None, past = None
    cdef Py_ssize_t[4] dims
    cdef Finish f
    cdef ConvNode node
    cdef bint record_it = (recording(x) or recording(w) or (b is not None and recording(b))
                           or (added is not None and recording(added)))
    dims[0], dims[1], dims[2], dims[3] = c.N, c.P, c.Q, c.K
    y = new_tensor(c.kind, 4, dims)
    f.bias = f.added = f.z = NULL
    f.act, f.p, f.q = act, p, q
    if b is not None:
        bias = contiguous(b)
        f.bias = bias.ptr
    if added is not None:
        past = contiguous(added)
        f.added = past.ptr
    if record_it and act >= 0 and UNARY_SAVED[act] & SAVED_X:
        z = empty_like(y)
        f.z = z.ptr
    conv_forward(c, &f, dense_x.ptr, dense_w.ptr, y.ptr)
    if record_it:
        node = ConvNode.__new__(ConvNode)
        node.shape, node.act, node.p, node.q, node.z = c[0], act, p, q, z
        record(y, node, (READS_A if w.needs_grad else READS_NONE) | (READS_B if x.needs_grad else READS_NONE), x, w, b,
               None if added is None else (added,))
    return y


def conv2d(x, w, b=None, stride=1, padding="valid", dilation=1, groups=1, act=None, added=None, p=None, double q=0.0):
    """act(x * w + b + added); see `cdl.ops.conv2d`."""
    cdef Tensor tx = as_float(x, "conv2d"), tb = None, past = None
    cdef bint in_panels = type(w) is Packed
    cdef Tensor tw = (<Packed>w).w if in_panels else as_float(w, "conv2d")
    cdef int kind = max(tx.kind, tw.kind), index
    cdef bint as_tensor = (type(x) is Tensor or type(w) is Tensor or type(b) is Tensor or type(added) is Tensor or in_panels)
    cdef double first
    cdef Conv c
    index = act_of(act, p, "conv2d", &first)
    if b is not None:
        tb = as_float(b, "conv2d")
        kind = max(kind, tb.kind)
    if added is not None:
        past = as_float(added, "conv2d")
        kind = max(kind, past.kind)
    c = shape_for(tx, tw, tb, past, stride, padding, dilation, groups)
    c.kind = kind
    if in_panels:
        c.packed = kind == tw.kind and c.groups == 1 and not (
            recording(tx) or (tb is not None and recording(tb)) or (past is not None and recording(past)))
        if not c.packed:
            tw = unpack(tw)
    tx, tw = cast(tx, kind), cast(tw, kind)
    return finish(apply(&c, tx, tw, None if tb is None else cast(tb, kind), None if past is None else cast(past, kind),
                        index, first, q), as_tensor)


# --- transposed convolution -------------------------------------------------------------------------------------------
@cython.final
@cython.no_gc
cdef class TransposeNode(Node):
    cdef Conv shape     # that of the convolution which takes y back to x

    cdef int backward(self, Tensor y, Tensor g) except -1:
        cdef Tensor x = self.a, w = self.b, dx, dw, dense_x, dense_w
        cdef Finish f
        if w.needs_grad and self.reads & READS_A:
            dense_x = contiguous(x)
            dw = empty_like(w)
            conv_weights(&self.shape, g.ptr, dense_x.ptr, dw.ptr)
            give(w, dw, True)
        if x.needs_grad and self.reads & READS_B:
            dense_w = contiguous(w)
            dx = empty_like(x)
            f.bias = f.added = f.z = NULL
            f.act, f.p, f.q = -1, 0, 0
            conv_forward(&self.shape, &f, g.ptr, dense_w.ptr, dx.ptr)
            give(x, dx, True)
        return 0


def conv_transpose2d(x, w, stride=1, padding="valid", output_padding=0, dilation=1, groups=1):
    """The input gradient of a convolution as an op; see `cdl.ops.conv_transpose2d`."""
    cdef Tensor tx = as_float(x, "conv_transpose2d"), tw = as_float(w, "conv_transpose2d"), y, dense_x, dense_w
    cdef int kind = max(tx.kind, tw.kind)
    cdef bint as_tensor = type(x) is Tensor or type(w) is Tensor
    cdef Py_ssize_t[4] dims
    cdef TransposeNode node
    cdef Conv c = transposed_shape(tx, tw, stride, padding, output_padding, dilation, groups)
    c.kind = kind
    tx, tw = cast(tx, kind), cast(tw, kind)
    dense_x, dense_w = contiguous(tx), contiguous(tw)
    dims[0], dims[1], dims[2], dims[3] = c.N, c.H, c.W, c.C
    y = new_tensor(kind, 4, dims)
    conv_input(&c, dense_x.ptr, dense_w.ptr, y.ptr)
    if recording(tx) or recording(tw):
        node = TransposeNode.__new__(TransposeNode)
        node.shape = c
        record(y, node, (READS_A if tw.needs_grad else READS_NONE) | (READS_B if tx.needs_grad else READS_NONE), tx, tw)
    return finish(y, as_tensor)


def conv_output_size(W, F, P=0, S=1):
    """(W - F + 2 P) / S + 1; see `cdl.conv_output_size`."""
    return output_size(length_of(W, "conv_output_size", "W", 0), length_of(F, "conv_output_size", "F", 1),
                       2 * length_of(P, "conv_output_size", "P", 0), length_of(S, "conv_output_size", "S", 1),
                       "conv_output_size", "W")


# --- shapes, for the layers -------------------------------------------------------------------------------------------
cdef Conv open_shape(tuple shape, tuple kernel, str who) except *:
    """Sizes along the axes of (N, H, W, channels); what is None, open, counts as large enough for any kernel."""
    cdef Conv c
    if len(shape) != 4:
        raise ValueError(f"{who}: expected (N, H, W, channels), got shape {shape}")
    c.N, c.C, c.K, c.groups = 0, 0, 0, 1
    c.H, c.W = LONGEST if shape[1] is None else shape[1], LONGEST if shape[2] is None else shape[2]
    c.R, c.S = length_of(kernel[0], who, "kernel_size", 1), length_of(kernel[1], who, "kernel_size", 1)
    return c


def convolved_shape(tuple shape, tuple kernel, filters, stride, padding, dilation, str who):
    """The output's shape for images of `shape`, whose axes may be None: open."""
    cdef Conv c = open_shape(shape, kernel, who)
    window_shape(&c, stride, padding, dilation, who)
    return (shape[0], None if shape[1] is None else c.P, None if shape[2] is None else c.Q, filters)


def transposed_output_shape(tuple shape, tuple kernel, filters, stride, padding, output_padding, dilation, str who):
    """The same for a transposed convolution."""
    cdef Conv c = open_shape(shape, kernel, who)
    cdef Py_ssize_t before, after
    c.P, c.Q = 1 if shape[1] is None else shape[1], 1 if shape[2] is None else shape[2]
    if not isinstance(padding, str):    # of an open axis nothing is taken away, which might be more than one window adds
        pad_axis(padding, 0, 0, 1, 1, who, &before, &after)
        rows, columns = padding if isinstance(padding, (tuple, list)) else (padding, padding)
        padding = (0 if shape[1] is None else rows, 0 if shape[2] is None else columns)
    transposed_sizes(&c, stride, padding, output_padding, dilation, who)
    return (shape[0], None if shape[1] is None else c.H, None if shape[2] is None else c.W, filters)
