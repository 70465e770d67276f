"""Pooling of images (N, H, W, C): the largest pixel of each window, or the mean. Pixels outside of the image never count.

Backward: dx is the sum of what the windows over a pixel send it. The largest pixel of a window gets all of its g, the
first of equals in the order of memory; where that stands the forward keeps in a byte (in four for windows of more than
256 pixels), a quarter of y's bytes, which is less to read than x again. Of a mean each pixel gets g over their number.
"""
cimport cython
from libc.string cimport memset

from cdl._core.copy cimport contiguous
from cdl._core.gate cimport as_float, finish
from cdl._core.kernels cimport POOL_SLACK, K, cdl_pool
from cdl._core.reduce cimport MEAN
from cdl._core.reduce cimport apply as reduce
from cdl._core.shape cimport reshape_to
from cdl._core.tape cimport give, record, recording
from cdl._core.tensor cimport BOOL, ITEMSIZE, READS_NONE, Node, Tensor, new_tensor, shape_of
from cdl._core.threads cimport run_tasks

include "image_check.pxi"

cdef enum:
    PART = 1 << 17          # bytes of the larger array that a task goes through: some µs
    LARGE = 1 << 25         # bytes of a dx that no cache keeps: 51 MB take 2.8 ms past the caches, else 3.3 (26 MB the same)
    BYTE_TAPS = 256         # windows of more pixels keep the largest one's number in four bytes (kernels/pool.c) …
    MOST_TAPS = 1 << 30     # … and a number of more is none

cdef double MICROSECONDS = 0.000035     # for a byte that is read or written: 30 GB/s
cdef double VECTOR = 0.001              # µs for a pixel of a window and its (at most 16) channels


cdef struct Job:
    cdl_pool w
    int kind, stream
    const char* x           # x or g
    char* y                 # y or dx
    char* index             # of the largest, or NULL
    size_t rows, part       # rows of y (forward) or dx, and those of a task
    double scale            # of sums; 0: of means over the pixels inside


cdef void max_forward_task(void* job, size_t task) noexcept nogil:
    cdef Job* j = <Job*>job
    cdef size_t row = task * j.part
    K[j.kind].max_pool_forward(&j.w, j.x, j.y, j.index, row, min(j.part, j.rows - row))


cdef void max_backward_task(void* job, size_t task) noexcept nogil:
    cdef Job* j = <Job*>job
    cdef size_t row = task * j.part
    K[j.kind].max_pool_backward(&j.w, j.index, j.x, j.y, row, min(j.part, j.rows - row), j.stream)


cdef void avg_forward_task(void* job, size_t task) noexcept nogil:
    cdef Job* j = <Job*>job
    cdef size_t row = task * j.part
    K[j.kind].avg_pool_forward(&j.w, j.x, j.y, row, min(j.part, j.rows - row), j.scale)


cdef void avg_backward_task(void* job, size_t task) noexcept nogil:
    cdef Job* j = <Job*>job
    cdef size_t row = task * j.part
    K[j.kind].avg_pool_backward(&j.w, j.x, j.y, row, min(j.part, j.rows - row), j.scale, j.stream)


cdef void run(Job* j, size_t images, bint backward) noexcept:
    """All rows of y, or with `backward` of dx."""
    cdef size_t item = ITEMSIZE[j.kind], high = j.w.P, line, x = j.w.H * j.w.W * j.w.C, y = j.w.P * j.w.Q * j.w.C
    cdef double bytes = <double>images * (x + y) * item * MICROSECONDS, taps = <double>images * y * VECTOR
    line = j.w.W * j.w.C * item * (1 if backward else j.w.stride_h)     # of the image, for a row
    if backward:
        high = j.w.H
        j.stream = images * x * item >= LARGE and j.w.C * item % 64 == 0
    taps *= <double>j.w.R * j.w.S / min(max(j.w.C, <size_t>1), <size_t>16)
    j.rows, j.part = images * high, max(PART // max(line, <size_t>1), <size_t>1)
    if images * x == 0 or images * y == 0:
        return
    if backward:
        run_tasks(max_backward_task if j.index != NULL else avg_backward_task, j, (j.rows + j.part - 1) // j.part,
                  max(bytes, taps))
    else:
        run_tasks(avg_forward_task if j.scale >= 0 else max_forward_task, j, (j.rows + j.part - 1) // j.part,
                  max(bytes, taps))


cdef Job job_for(int kind, const cdl_pool* w, const char* x, char* y, double scale) noexcept:
    cdef Job j
    memset(&j, 0, sizeof(Job))
    j.w, j.kind, j.x, j.y, j.scale = w[0], kind, x, y, scale
    return j


cdef Tensor like_images(int kind, Py_ssize_t n, Py_ssize_t h, Py_ssize_t w, Py_ssize_t c):
    cdef Py_ssize_t[4] dims
    dims[0], dims[1], dims[2], dims[3] = n, h, w, c
    return new_tensor(kind, 4, dims)


@cython.final
@cython.no_gc
cdef class PoolNode(Node):
    cdef cdl_pool w
    cdef Tensor index       # of the largest pixels; None: means
    cdef double scale

    cdef int backward(self, Tensor y, Tensor g) except -1:
        cdef Tensor dx = new_tensor(g.kind, 4, self.a.dims)
        cdef Job j = job_for(g.kind, &self.w, g.ptr, dx.ptr, self.scale)
        if self.index is not None:
            j.index = self.index.ptr
        run(&j, dx.dims[0], True)
        return give(self.a, dx, True)

    cdef void release(self):
        self.index = None
        Node.release(self)


cdef enum:
    LARGEST = -1        # instead of a scale


cdef Tensor pool(Tensor x, const cdl_pool* w, double scale):
    """The largest of each window (scale LARGEST) or its sum times `scale` (0: its mean over the image), recorded."""
    cdef Tensor dense = contiguous(x), y = like_images(x.kind, x.dims[0], w.P, w.Q, w.C), index = None
    cdef Job j = job_for(x.kind, w, dense.ptr, y.ptr, scale)
    cdef PoolNode node
    if scale == LARGEST and recording(x):
        index = like_images(BOOL, x.dims[0], w.P, w.Q * w.C + POOL_SLACK, 4 if w.R * w.S > BYTE_TAPS else 1)
        j.index = index.ptr
    run(&j, x.dims[0], False)
    if recording(x):
        node = PoolNode.__new__(PoolNode)
        node.w, node.index, node.scale = w[0], index, scale
        record(y, node, READS_NONE, x)
    return y


@cython.final
@cython.no_gc
cdef class SpreadNode(Node):
    cdef cdl_pool w

    cdef int backward(self, Tensor y, Tensor g) except -1:
        cdef Tensor dx = new_tensor(g.kind, 4, self.a.dims)
        cdef Job j = job_for(g.kind, &self.w, g.ptr, dx.ptr, 1)
        run(&j, dx.dims[0], False)
        return give(self.a, dx, True)


cdef Tensor spread(Tensor x, Py_ssize_t high, Py_ssize_t wide):
    """Each pixel `high` by `wide` times, recorded: the transpose of sums over such windows."""
    cdef Tensor dense = contiguous(x)
    cdef Tensor y = like_images(x.kind, x.dims[0], x.dims[1] * high, x.dims[2] * wide, x.dims[3])
    cdef cdl_pool w = cdl_pool(y.dims[1], y.dims[2], y.dims[3], x.dims[1], x.dims[2], high, wide, high, wide, 0, 0)
    cdef Job j = job_for(x.kind, &w, dense.ptr, y.ptr, 1)
    cdef SpreadNode node
    run(&j, x.dims[0], True)
    if recording(x):
        node = SpreadNode.__new__(SpreadNode)
        node.w = w
        record(y, node, READS_NONE, x)
    return y


# --- for Python -------------------------------------------------------------------------------------------------------
cdef int no_pixels(Py_ssize_t before, Py_ssize_t after, Py_ssize_t window, str who, str axis) except -1:
    raise ValueError(f"{who}: padding ({before}, {after}) along {axis} leaves a window of {window} nothing but padding; use "
                     f"less than {window} on each side")


cdef int pool_axis(Py_ssize_t length, Py_ssize_t window, Py_ssize_t stride, Py_ssize_t before, Py_ssize_t after, str who,
                   str axis, size_t* count) except -1:
    """The number of windows along an axis, each of which has an element of the image."""
    if length + before + after < window:
        raise ValueError(f"{who}: the window ({window}) is larger than the padded input ({length} + {before + after} along "
                         f"{axis})")
    count[0] = (length + before + after - window) // stride + 1
    if before >= window or <Py_ssize_t>(count[0] - 1) * stride - before >= length:
        no_pixels(before, after, window, who, axis)
    return 0


cdef int check_window(Py_ssize_t high, Py_ssize_t wide, str who) except -1:
    if high > MOST_TAPS // wide:
        raise ValueError(f"{who}: a window of ({high}, {wide}) pixels is too large, at most {MOST_TAPS} are possible")
    return 0


cdef cdl_pool window_for(Tensor x, pool_size, stride, padding, str who) except *:
    cdef cdl_pool w
    cdef Py_ssize_t high, wide, bottom, right
    image_sizes(x, who)
    pair_of(pool_size, who, "pool_size", 1, &high, &wide)
    check_window(high, wide, who)
    pair_of(pool_size if stride is None else stride, who, "stride", 1, &w.stride_h, &w.stride_w)
    pad_axis(padding, 0, x.dims[1], high, w.stride_h, who, &w.top, &bottom)
    pad_axis(padding, 1, x.dims[2], wide, w.stride_w, who, &w.left, &right)
    pool_axis(x.dims[1], high, w.stride_h, w.top, bottom, who, "H", &w.P)
    pool_axis(x.dims[2], wide, w.stride_w, w.left, right, who, "W", &w.Q)
    w.R, w.S, w.H, w.W, w.C = high, wide, x.dims[1], x.dims[2], x.dims[3]
    return w


def max_pool2d(x, pool_size, stride, padding):
    """See `cdl.ops.max_pool2d`."""
    cdef Tensor t = as_float(x, "max_pool2d")
    cdef cdl_pool w = window_for(t, pool_size, stride, padding, "max_pool2d")
    return finish(pool(t, &w, LARGEST), type(x) is Tensor)


def avg_pool2d(x, pool_size, stride, padding, bint count_include_pad):
    """See `cdl.ops.avg_pool2d`."""
    cdef Tensor t = as_float(x, "avg_pool2d")
    cdef cdl_pool w = window_for(t, pool_size, stride, padding, "avg_pool2d")
    cdef bint whole = (w.top == 0 and w.left == 0 and <Py_ssize_t>(w.P - 1) * w.stride_h + w.R <= w.H
                       and <Py_ssize_t>(w.Q - 1) * w.stride_w + w.S <= w.W)      # no window reaches out of the image
    return finish(pool(t, &w, 1 / (<double>w.R * w.S) if whole or count_include_pad else 0), type(x) is Tensor)


def global_max_pool2d(x):
    """See `cdl.ops.global_max_pool2d`."""
    cdef Tensor t = as_float(x, "global_max_pool2d")
    cdef cdl_pool w
    cdef Py_ssize_t[2] dims
    has_pixels(t, "global_max_pool2d")
    check_window(t.dims[1], t.dims[2], "global_max_pool2d")
    w = cdl_pool(t.dims[1], t.dims[2], t.dims[3], 1, 1, t.dims[1], t.dims[2], 1, 1, 0, 0)
    dims[0], dims[1] = t.dims[0], t.dims[3]
    return finish(reshape_to(pool(t, &w, LARGEST), 2, dims), type(x) is Tensor)


def global_avg_pool2d(x):
    """See `cdl.ops.global_avg_pool2d`."""
    cdef Tensor t = as_float(x, "global_avg_pool2d")
    has_pixels(t, "global_avg_pool2d")
    return finish(reduce(MEAN, t, 0b0110, False), type(x) is Tensor)


def pooled_shape(tuple shape, pool_size, stride, padding, str who):
    """The output's shape for images of `shape`, whose first three axes may be None: open."""
    cdef Py_ssize_t[2] windows, strides
    cdef Py_ssize_t before, after
    cdef size_t count
    cdef list sizes = []
    if len(shape) != 4:
        raise ValueError(f"{who}: the input must be (N, H, W, channels), got shape {shape}")
    pair_of(pool_size, who, "pool_size", 1, &windows[0], &windows[1])
    check_window(windows[0], windows[1], who)
    pair_of(pool_size if stride is None else stride, who, "stride", 1, &strides[0], &strides[1])
    for i in range(2):
        pad_axis(padding, i, 0 if shape[i + 1] is None else shape[i + 1], windows[i], strides[i], who, &before, &after)
        if before >= windows[i] or (after >= windows[i] and strides[i] == 1):
            no_pixels(before, after, windows[i], who, "HW"[i])
        if shape[i + 1] is not None:
            pool_axis(shape[i + 1], windows[i], strides[i], before, after, who, "HW"[i], &count)
            sizes.append(count)
        else:
            sizes.append(None)
    return (shape[0], *sizes, shape[3])
