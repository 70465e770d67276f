"""Depthwise convolution: each output channel is the convolution of one input channel.

    y[n, p, q, k] = sum over r, s of x[n, p stride + r dilation - top, q stride + s dilation - left, k // m] w[r, s, 0, k]

with K = C m. The kernels hold channels in the lanes and sum a few pixels of a row side by side. The taps that lie in the
image are the same for the inner pixels of a row; the few at its ends are done one by one, with fewer taps: no padded
copy. The input gradient is the same sum over other taps:

    dx[n, h, v, c] = sum over r, s of g[n, (h + top - r dilation) / stride, (v + left - s dilation) / stride, c] w[r, s, c]

where the divisions leave no rest. So with a stride the rows and columns of dx fall into stride_h x stride_w phases, whose
pixels have the same taps each; every phase is a forward of stride 1 over g, with part of the taps, in reverse order.
With m > 1 each channel of x is repeated m times beforehand, and m channels of dx are added up afterwards.
"""
from libc.string cimport memcpy, memset

from cdl._core.conv_phases cimport AxisPhase, phase_of
from cdl._core.conv_shape cimport Conv, Finish, finish_elements
from cdl._core.kernels cimport REDUCE_SUM, K
from cdl._core.memory cimport pool_alloc, pool_free
from cdl._core.sizes cimport ceil_div
from cdl._core.tensor cimport ITEMSIZE
from cdl._core.threads cimport share_tasks

cdef enum:
    VECTOR = 64             # bytes: what a store past the caches must be a multiple of
    STREAM = 1 << 24        # bytes of an output in phases that is stored past the caches: 3.7 against 5.8 ms (bench/NOTES.md)
    BLOCK = 1 << 14         # elements of y to a task, some rows: x and y of float32 are 128 KB
    CHUNK = 1 << 12         # pixels at least whose products are summed one after the other for a weight gradient …
    CHUNKS = 64             # … which has at most so many partial sums, each of the size of w
    STRIP = 128             # channels of a task of the weight gradient
    REPEAT = 1 << 14        # elements of x to a task that repeats them

# ns: a multiply-add of float32 on one lane of 16, two a cycle; a byte that is read or written, 30 GB/s
cdef double MULTIPLY_ADD = 0.011, BYTE = 0.035


cdef struct Phase:                      # output pixels that have the same taps, but for those outside of x
    const char* w                       # (R, S, C)
    Py_ssize_t P, Q, R, S
    Py_ssize_t stride_h, stride_w, dilation_h, dilation_w, top, left
    Py_ssize_t row, col                 # of the first such pixel in y

cdef struct Job:
    int kind, stream
    Py_ssize_t N, H, W, C               # of x
    Py_ssize_t P, Q                     # of y
    Py_ssize_t step_h, step_w           # from one pixel of a phase to the next in y
    Py_ssize_t rows, blocks             # of a phase: rows to a task, tasks to an image
    Py_ssize_t phases
    Phase* phase
    const char* x
    char* sums                          # y, or what `finish` turns into y
    char* y
    const Finish* finish                # or NULL

cdef struct Slopes:
    const Conv* c
    const char* x
    const char* g
    char* parts                         # (chunks, R, S, C)
    Py_ssize_t rows, chunks, strips     # rows of g to a chunk

cdef struct Copies:
    const char* x
    char* y
    Py_ssize_t n, m
    int kind
    bint gather


cdef inline Py_ssize_t first_tap(Py_ssize_t at, Py_ssize_t dilation) noexcept nogil:
    """The first tap i >= 0 with at + i dilation >= 0."""
    return ceil_div(-at, dilation) if at < 0 else 0


cdef inline Py_ssize_t end_tap(Py_ssize_t at, Py_ssize_t dilation, Py_ssize_t size, Py_ssize_t taps) noexcept nogil:
    """The end of the taps i with at + i dilation < size."""
    return min(taps, (size - 1 - at) // dilation + 1) if at < size else 0


cdef inline Py_ssize_t first_inner(Py_ssize_t left, Py_ssize_t stride, Py_ssize_t count) noexcept nogil:
    """The first output pixel, of `count`, all of whose taps lie at or behind the start of x."""
    return min(ceil_div(left, stride), count) if left > 0 else 0


cdef inline Py_ssize_t end_inner(Py_ssize_t last, Py_ssize_t stride, Py_ssize_t count) noexcept nogil:
    """The end of those whose taps all lie before its end; `last` is where the last tap may put the first pixel."""
    return min(last // stride + 1, count) if last >= 0 else 0


# --- forward, and the input gradient, which is one ------------------------------------------------------------------------
cdef void some_pixels(const Job* j, const Phase* f, const char* image, char* y, Py_ssize_t p, Py_ssize_t q, Py_ssize_t n,
                      Py_ssize_t s, Py_ssize_t s_end) noexcept nogil:
    """n pixels of row p from q on, with their taps s to s_end."""
    cdef Py_ssize_t item = ITEMSIZE[j.kind], h = p * f.stride_h - f.top, v = q * f.stride_w - f.left
    cdef Py_ssize_t r = first_tap(h, f.dilation_h), r_end = end_tap(h, f.dilation_h, j.H, f.R)
    cdef Py_ssize_t rows = max(r_end - r, 0), taps = max(s_end - s, 0), y_col = j.step_w * j.C
    if rows == 0 or taps == 0:      # then nothing of x is read
        r = s = rows = taps = h = v = 0
    K[j.kind].depthwise_forward(
        image + ((h + r * f.dilation_h) * j.W + v + s * f.dilation_w) * j.C * item, f.w + (r * f.S + s) * j.C * item,
        j.finish.bias if j.finish != NULL else NULL, y + q * y_col * item, rows, taps, f.dilation_h * j.W * j.C,
        f.dilation_w * j.C, f.S * j.C, n, f.stride_w * j.C, y_col, j.C, j.stream)


cdef void some_row(const Job* j, const Phase* f, Py_ssize_t image, Py_ssize_t p) noexcept nogil:
    """Row p of a phase: the pixels at its ends, whose taps are cut off, one by one."""
    cdef Py_ssize_t item = ITEMSIZE[j.kind], q = 0, v
    cdef Py_ssize_t first = first_inner(f.left, f.stride_w, f.Q)
    cdef Py_ssize_t end = end_inner(j.W - 1 + f.left - (f.S - 1) * f.dilation_w, f.stride_w, f.Q)
    cdef const char* x = j.x + image * j.H * j.W * j.C * item
    cdef char* y = j.sums + (((image * j.P + f.row + p * j.step_h) * j.Q + f.col) * j.C) * item
    while q < f.Q:
        if q == first and first < end:
            some_pixels(j, f, x, y, p, q, end - first, 0, f.S)
            q = end
        else:
            v = q * f.stride_w - f.left
            some_pixels(j, f, x, y, p, q, 1, first_tap(v, f.dilation_w), end_tap(v, f.dilation_w, j.W, f.S))
            q += 1


cdef void rows_task(void* job, size_t task) noexcept nogil:
    cdef Job* j = <Job*>job
    cdef Py_ssize_t image = <Py_ssize_t>task // j.blocks, start = <Py_ssize_t>task % j.blocks * j.rows, i, p
    cdef Phase* f
    for i in range(j.phases):
        f = &j.phase[i]
        for p in range(start, min(start + j.rows, f.P)):
            some_row(j, f, image, p)
            if j.finish != NULL:
                finish_elements(j.kind, j.finish, j.y, (image * j.P + p) * j.Q * j.C, j.Q * j.C)


cdef double work(const Conv* c) noexcept nogil:
    """What one thread needs for any of the three directions, in µs."""
    cdef double item = ITEMSIZE[c.kind], pixels = <double>c.N * c.P * c.Q * c.K
    return (pixels * c.R * c.S * item / 4 * MULTIPLY_ADD
            + (pixels + <double>c.N * c.H * c.W * c.K) * item * BYTE) / 1000


cdef void run_rows(Job* j, double microseconds) noexcept nogil:
    cdef Py_ssize_t item = ITEMSIZE[j.kind]
    j.rows = max(BLOCK // (j.Q * j.C + 1) // j.step_h, <Py_ssize_t>1)
    j.blocks = ceil_div(ceil_div(j.P, j.step_h), j.rows)
    # Whole rows, one after the other, are no faster so.
    j.stream = (j.phases > 1 and j.N * j.P * j.Q * j.C * item >= STREAM and j.C * item % VECTOR == 0
                and <size_t>j.sums % VECTOR == 0)
    share_tasks(rows_task, j, j.N * j.blocks, microseconds)


cdef int depthwise_forward(const Conv* c, const Finish* f, const char* x, const char* w, char* y) noexcept nogil:
    cdef Phase whole = Phase(w, c.P, c.Q, c.R, c.S, c.stride_h, c.stride_w, c.dilation_h, c.dilation_w, c.top, c.left, 0, 0)
    cdef Job j
    cdef char* wide = NULL
    if c.K > c.C:
        wide = repeated(c, x)
        if wide == NULL:
            return -1
        x = wide
    memset(&j, 0, sizeof(Job))
    j.kind, j.N, j.H, j.W, j.C, j.P, j.Q, j.x, j.y = c.kind, c.N, c.H, c.W, c.K, c.P, c.Q, x, y
    j.step_h = j.step_w = j.phases = 1
    j.phase, j.finish, j.sums = &whole, f, f.z if f.z != NULL else y
    run_rows(&j, work(c))
    pool_free(wide)
    return 0


cdef const char* lay_phase(Phase* f, const Conv* c, Py_ssize_t row, Py_ssize_t col, const char* w,
                           char* turned) noexcept nogil:
    """The phase of dx that begins at (row, col); its taps, turned round, go to `turned`. Returns where they end."""
    cdef AxisPhase rows = phase_of(row, c.H, c.R, c.stride_h, c.dilation_h, c.top)
    cdef AxisPhase cols = phase_of(col, c.W, c.S, c.stride_w, c.dilation_w, c.left)
    cdef Py_ssize_t bytes = c.K * ITEMSIZE[c.kind], r, s
    f[0] = Phase(turned, rows.count, cols.count, rows.taps, cols.taps, 1, 1, rows.dilation, cols.dilation, rows.before,
                 cols.before, row, col)
    for r in range(rows.taps):
        for s in range(cols.taps):
            memcpy(turned, w + ((rows.tap - r * rows.tap_step) * c.S + cols.tap - s * cols.tap_step) * bytes, bytes)
            turned += bytes
    return turned


cdef int depthwise_input(const Conv* c, const char* g, const char* w, char* dx) noexcept nogil:
    cdef Py_ssize_t item = ITEMSIZE[c.kind], phases = min(c.stride_h, c.H) * min(c.stride_w, c.W), row, col
    cdef Job j
    cdef char* turned
    cdef char* wide = NULL
    memset(&j, 0, sizeof(Job))
    turned = <char*>pool_alloc(c.R * c.S * c.K * item)
    j.phase = <Phase*>pool_alloc(phases * sizeof(Phase))
    if c.K > c.C:
        wide = <char*>pool_alloc(c.N * c.H * c.W * c.K * item)
    if turned == NULL or j.phase == NULL or (c.K > c.C and wide == NULL):
        pool_free(turned)
        pool_free(j.phase)
        pool_free(wide)
        return -1
    j.kind, j.N, j.H, j.W, j.C, j.P, j.Q = c.kind, c.N, c.P, c.Q, c.K, c.H, c.W
    j.step_h, j.step_w, j.x, j.sums = c.stride_h, c.stride_w, g, wide if wide != NULL else dx
    cdef char* free_taps = turned
    for row in range(min(c.stride_h, c.H)):
        for col in range(min(c.stride_w, c.W)):
            free_taps = <char*>lay_phase(&j.phase[j.phases], c, row, col, w, free_taps)
            j.phases += 1
    run_rows(&j, work(c))
    if wide != NULL:
        copy_channels(c, wide, dx, True)
    pool_free(turned)
    pool_free(j.phase)
    pool_free(wide)
    return 0


# --- more than one output channel for each of x ---------------------------------------------------------------------------
cdef void copies_task(void* job, size_t task) noexcept nogil:
    cdef Copies* j = <Copies*>job
    cdef Py_ssize_t first = <Py_ssize_t>task * REPEAT, n = min(<Py_ssize_t>REPEAT, j.n - first), item = ITEMSIZE[j.kind]
    if j.gather:
        K[j.kind].depthwise_gather(j.x + first * j.m * item, j.y + first * item, n, j.m)
    else:
        K[j.kind].depthwise_repeat(j.x + first * item, j.y + first * j.m * item, n, j.m)


cdef void copy_channels(const Conv* c, const char* x, char* y, bint gather) noexcept nogil:
    """Between (N, H, W, C) and (N, H, W, K): each channel m times, or with `gather` the sum of its m."""
    cdef Copies j = Copies(x, y, c.N * c.H * c.W * c.C, c.K // c.C, c.kind, gather)
    share_tasks(copies_task, &j, ceil_div(j.n, REPEAT), <double>j.n * j.m * 0.0005)     # 2 elements a ns


cdef char* repeated(const Conv* c, const char* x) noexcept nogil:
    cdef char* wide = <char*>pool_alloc(c.N * c.H * c.W * c.K * ITEMSIZE[c.kind])
    if wide != NULL:
        copy_channels(c, x, wide, False)
    return wide


# --- the weight gradient --------------------------------------------------------------------------------------------------
cdef void slopes_of(const Slopes* j, const char* x, const char* g, char* dw, Py_ssize_t p, Py_ssize_t q, Py_ssize_t n,
                    Py_ssize_t width) noexcept nogil:
    """Adds what n pixels of row p from q on, all of which have the same taps, bring to `width` channels of dw."""
    cdef const Conv* c = j.c
    cdef Py_ssize_t item = ITEMSIZE[c.kind], h = p * c.stride_h - c.top, v = q * c.stride_w - c.left
    cdef Py_ssize_t r = first_tap(h, c.dilation_h), r_end = end_tap(h, c.dilation_h, c.H, c.R)
    cdef Py_ssize_t s = first_tap(v, c.dilation_w), s_end = end_tap(v, c.dilation_w, c.W, c.S)
    if r < r_end and s < s_end:
        K[c.kind].depthwise_weights(
            x + ((h + r * c.dilation_h) * c.W + v + s * c.dilation_w) * c.K * item, g + (p * c.Q + q) * c.K * item,
            dw + (r * c.S + s) * c.K * item, r_end - r, s_end - s, c.dilation_h * c.W * c.K, c.dilation_w * c.K,
            c.S * c.K, n, c.stride_w * c.K, c.K, width)


cdef void slopes_task(void* job, size_t task) noexcept nogil:
    """A chunk of rows of g, and a strip of its channels."""
    cdef Slopes* j = <Slopes*>job
    cdef const Conv* c = j.c
    cdef Py_ssize_t item = ITEMSIZE[c.kind], chunk = <Py_ssize_t>task // j.strips, strip = <Py_ssize_t>task % j.strips * STRIP
    cdef Py_ssize_t width = min(<Py_ssize_t>STRIP, c.K - strip), row, image, q, i
    cdef Py_ssize_t first = first_inner(c.left, c.stride_w, c.Q)
    cdef Py_ssize_t end = end_inner(c.W - 1 + c.left - (c.S - 1) * c.dilation_w, c.stride_w, c.Q)
    cdef char* dw = j.parts + (chunk * c.R * c.S * c.K + strip) * item
    for i in range(c.R * c.S):
        memset(dw + i * c.K * item, 0, width * item)
    for row in range(chunk * j.rows, min((chunk + 1) * j.rows, c.N * c.P)):
        image, q = row // c.P, 0
        while q < c.Q:
            i = end - first if q == first and first < end else 1
            slopes_of(j, j.x + (image * c.H * c.W * c.K + strip) * item, j.g + (image * c.P * c.Q * c.K + strip) * item, dw,
                      row % c.P, q, i, width)
            q += i


cdef int depthwise_weights(const Conv* c, const char* x, const char* g, char* dw) noexcept nogil:
    cdef Py_ssize_t item = ITEMSIZE[c.kind], size = c.R * c.S * c.K, rows = c.N * c.P
    cdef Slopes j
    cdef char* wide = NULL
    if c.K > c.C:
        wide = repeated(c, x)
        if wide == NULL:
            return -1
        x = wide
    j.c, j.x, j.g = c, x, g
    j.rows = max(ceil_div(CHUNK, c.Q), ceil_div(rows, CHUNKS))
    j.chunks, j.strips = ceil_div(rows, j.rows), ceil_div(c.K, STRIP)
    j.parts = dw if j.chunks == 1 else <char*>pool_alloc(j.chunks * size * item)
    if j.parts == NULL:
        pool_free(wide)
        return -1
    share_tasks(slopes_task, &j, j.chunks * j.strips, work(c))
    if j.chunks > 1:
        K[c.kind].reduce_cols(REDUCE_SUM, j.parts, NULL, dw, j.chunks, size, size, 1)
        pool_free(j.parts)
    pool_free(wide)
    return 0


cdef bint depthwise_serves(const Conv* c, int direction) noexcept nogil:
    # One channel in all is no depthwise convolution: its K filters all read it.
    return c.groups == c.C and (c.C > 1 or c.K == 1)
