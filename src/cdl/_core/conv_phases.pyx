"""The input gradient of a convolution: convolutions of g with the weights turned round.

There is one for each remainder of the stride: with stride 2, a pixel in an even row and an even column was seen by every
other row and column of the kernel, so nothing is multiplied by the zeros of a spread-out g.
"""
from libc.string cimport memcpy, memset

from cdl._core.conv_rows cimport Place, rows_forward, rows_serve
from cdl._core.conv_shape cimport Conv, Finish, Kernel, kernel_of
from cdl._core.conv_windows cimport windows_forward
from cdl._core.memory cimport pool_alloc, pool_free
from cdl._core.tensor cimport ITEMSIZE
from cdl._core.threads cimport parallel_for, threads_for


cdef AxisPhase phase_of(Py_ssize_t first, Py_ssize_t length, Py_ssize_t taps, Py_ssize_t stride, Py_ssize_t dilation,
                        Py_ssize_t before) noexcept nogil:
    """The pixels `first` modulo stride of an axis of `length` pixels after `before` zeros."""
    cdef AxisPhase p
    cdef Py_ssize_t a = stride, b = dilation, tap
    while b:            # a: the greatest common divisor
        a, b = b, a % b
    p.first, p.step, p.count = first, stride, (length - first + stride - 1) // stride if length > first else 0
    p.tap, p.tap_step, p.taps, p.dilation, p.before = 0, stride // a, 0, dilation // a, 0
    for tap in range(min(taps, p.tap_step)):
        if (first + before - tap * dilation) % stride == 0:
            p.taps = (taps - tap + p.tap_step - 1) // p.tap_step
            p.tap = tap + (p.taps - 1) * p.tap_step
            p.before = (p.tap * dilation - first - before) // stride     # without a remainder
            break
    return p


cdef void spread(const Conv* c, const AxisPhase* rows, const AxisPhase* cols, const char* part, char* dx) noexcept nogil:
    """Put the pixels of one phase where they belong in dx; part (N, rows, columns, C)."""
    cdef Py_ssize_t n, h, _, size = c.C * ITEMSIZE[c.kind]
    cdef char* to
    for n in range(c.N):
        for h in range(rows.count):
            to = dx + ((n * c.H + rows.first + h * rows.step) * c.W + cols.first) * size
            for _ in range(cols.count):
                memcpy(to, part, size)
                part += size
                to += cols.step * size


cdef Kernel turned(const Conv* c, const AxisPhase* rows, const AxisPhase* cols, const char* w) noexcept nogil:
    """The taps of a phase, in the order of the pixels of g they are for, with inputs and outputs exchanged."""
    cdef Kernel k = kernel_of(c, w)
    k.w += (rows.tap * k.r_step + cols.tap * k.s_step) * ITEMSIZE[c.kind]
    k.r_step, k.s_step = -rows.tap_step * k.r_step, -cols.tap_step * k.s_step
    k.c_step, k.k_step = k.k_step, k.c_step
    return k


cdef int phase_gradient(const Conv* c, const AxisPhase* rows, const AxisPhase* cols, const char* g, const char* w,
                        char* dx) noexcept nogil:
    cdef Conv back = c[0]
    cdef Kernel kernel
    cdef Finish nothing = Finish(NULL, NULL, NULL, -1, 0, 0)
    cdef Place place
    cdef char* part = dx
    cdef int status
    if rows.count == 0 or cols.count == 0 or rows.taps == 0 or cols.taps == 0:
        return 0
    back.H, back.W, back.C, back.P, back.Q, back.K = c.P, c.Q, c.K, rows.count, cols.count, c.C
    back.R, back.S, back.stride_h, back.stride_w = rows.taps, cols.taps, 1, 1
    back.dilation_h, back.dilation_w, back.top, back.left = rows.dilation, cols.dilation, rows.before, cols.before
    kernel = turned(c, rows, cols, w)
    if rows_serve(&back):
        place = Place(c.H * c.W * c.C, rows.step * c.W * c.C, cols.step * c.C)
        return rows_forward(&back, &kernel, &nothing, g, dx + (rows.first * c.W + cols.first) * c.C * ITEMSIZE[c.kind],
                            &place)
    if c.stride_h > 1 or c.stride_w > 1:
        part = <char*>pool_alloc(c.N * rows.count * cols.count * c.C * ITEMSIZE[c.kind])
        if part == NULL:
            return -1
    status = windows_forward(&back, &kernel, &nothing, g, part)
    if part != dx:
        if status == 0:
            spread(c, rows, cols, part, dx)
        pool_free(part)
    return status


cdef struct Zeros:
    char* x
    Py_ssize_t size


cdef enum:
    ZEROS = 1 << 18     # bytes of a task


cdef void zeros_task(void* job, size_t task) noexcept nogil:
    cdef Zeros* j = <Zeros*>job
    memset(j.x + <Py_ssize_t>task * ZEROS, 0, min(<Py_ssize_t>ZEROS, j.size - <Py_ssize_t>task * ZEROS))


cdef bint sees_all(Py_ssize_t length, Py_ssize_t taps, Py_ssize_t stride, Py_ssize_t dilation,
                   Py_ssize_t before) noexcept nogil:
    """Does some window see every remainder of an axis?"""
    cdef Py_ssize_t first
    for first in range(min(stride, length)):
        if phase_of(first, length, taps, stride, dilation, before).taps == 0:
            return False
    return True


cdef int phases_input(const Conv* c, const char* g, const char* w, char* dx) noexcept nogil:
    cdef AxisPhase rows, cols
    cdef Zeros zeros = Zeros(dx, c.N * c.H * c.W * c.C * ITEMSIZE[c.kind])
    cdef Py_ssize_t h, v
    if not (sees_all(c.H, c.R, c.stride_h, c.dilation_h, c.top) and sees_all(c.W, c.S, c.stride_w, c.dilation_w, c.left)):
        parallel_for(zeros_task, &zeros, (zeros.size + ZEROS - 1) // ZEROS, threads_for(zeros.size * 5e-5))
    for h in range(min(c.stride_h, c.H)):
        rows = phase_of(h, c.H, c.R, c.stride_h, c.dilation_h, c.top)
        for v in range(min(c.stride_w, c.W)):
            cols = phase_of(v, c.W, c.S, c.stride_w, c.dilation_w, c.left)
            if phase_gradient(c, &rows, &cols, g, w, dx) < 0:
                return -1
    return 0
