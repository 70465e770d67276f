"""Convolution of few channels or with few filters, straight from the image: no matrix of windows, packed nor whole.

    y[n, p, q, k] = sum over r, s, c of x[n, p stride + r dilation - top, q stride + s dilation - left, c] w[r, s, c, k]

A row of a window is a run of S C neighbouring values of x. With filters enough the lanes hold filters, and each value of
x is the factor of a row of w (`pixels.c`): first layers, whose windows are too small to be worth packing. With few
filters the lanes hold the pixels of an output row, and a weight is the factor (`planes.c`); channels must then lie in
planes of their own. Where the image is padded, or has to be taken apart into planes, the rows that a block of output
rows needs are copied to a strip that stays in the cache.

The input gradient for a stride of 1 is the same sum over g, padded, with w turned round: dx has C "filters", few enough
to lie in planes. Of small images each pixel of g may rather add its K products with w to the window it came from, whose
rows of S C values fill the lanes better than C filters do. The weight gradient, dw[r, s, c, k] = sum over n, p, q of
x[…] g[n, p, q, k], keeps its sums in registers over a block of rows; blocks are added up in their order.
"""
from libc.string cimport memcpy, memset

from cdl._core.conv_shape cimport (INPUT, WEIGHTS, Conv, Finish, finish_elements, is_compact, seen_columns,
                                   seen_rows)
from cdl._core.kernels cimport REDUCE_SUM, K
from cdl._core.memory cimport pool_alloc, pool_free
from cdl._core.sizes cimport ceil_div
from cdl._core.tensor cimport ITEMSIZE
from cdl._core.threads cimport share_tasks

cdef extern from "gemm.h" nogil:
    const Py_ssize_t PANEL "CDL_GEMM_PANEL"

cdef enum:
    LANES = 16              # of the widest vector
    BLOCK = 2_000_000       # flops of a block of output rows, 10 to 20 µs: its rows of x, some 20 to 60 KB, stay in L2
    SMALL_IMAGE = 1 << 14   # values of dx that windows are added to, image by image, in L1 or near it
    CHUNKS = 32             # at most so many partial sums of a weight gradient
    # Against conv_rows, which packs w and takes one kernel row of dw at a time (bench/NOTES.md):
    FEW_CHANNELS = 4        # 1 or 3 channels: 0 to 8 % faster; 8 or 16: 0 to 3 % slower
    SHORT_RUN = 8           # dw of 1 channel 1.6 to 2.5 times as fast, of 3 channels 1.2 times, of 8 1.05
    FEW_PIXELS = 400        # then packing w would take longer than 4 % of the whole
    SMALL_KERNEL = 1 << 13  # values of w, which is read where it lies: 32 KB


cdef struct Job:
    const Conv* c
    const Finish* finish
    const char* x
    const char* w               # of the weight gradient: g
    char* sums                  # y, or what `finish` turns into y; of the weight gradient: (chunks, R, S, C, K)
    char* y
    bint planes, copied         # whether lanes hold pixels; whether x is copied to a strip
    Py_ssize_t rows, blocks     # output rows of a block, blocks of an image
    Py_ssize_t width, height    # of a strip, in pixels
    Py_ssize_t chunk            # blocks to a partial sum
    int status

cdef struct Source:             # where the windows of a block are
    const char* x
    Py_ssize_t row, plane       # from one row, one plane, to the next


cdef Job job_of(const Conv* c, const char* x, bint planes) noexcept nogil:
    cdef Job j
    cdef double row = 2.0 * c.Q * c.R * c.S * c.C * c.K
    memset(&j, 0, sizeof(Job))
    j.c, j.x, j.planes = c, x, planes
    j.rows = min(max(<Py_ssize_t>(BLOCK / row), <Py_ssize_t>1), c.P)
    j.blocks = ceil_div(c.P, j.rows)
    j.width = seen_columns(c)
    j.height = (j.rows - 1) * c.stride_h + (c.R - 1) * c.dilation_h + 1
    j.copied = (c.top > 0 or c.left > 0 or j.width - c.left > c.W or (planes and c.C > 1)
                or (c.P - 1) * c.stride_h + (c.R - 1) * c.dilation_h - c.top >= c.H)
    return j


cdef inline double microseconds(const Conv* c) noexcept nogil:
    return 2.0 * c.N * c.P * c.Q * c.R * c.S * c.C * c.K * ITEMSIZE[c.kind] / 4 * 1e-5      # 100 (50) flops a ns


cdef char* new_strip(const Job* j) noexcept nogil:
    return <char*>pool_alloc(j.height * j.width * j.c.C * ITEMSIZE[j.c.kind])


cdef void copy_rows(const Job* j, const char* image, Py_ssize_t h, Py_ssize_t rows, char* to, Py_ssize_t row,
                    Py_ssize_t plane) noexcept nogil:
    """`rows` rows of an image from h on as the windows see them, zeros around it; in planes of one channel each."""
    cdef const Conv* c = j.c
    cdef Py_ssize_t item = ITEMSIZE[c.kind], pixel = 1 if j.planes else c.C
    cdef Py_ssize_t first = max(-c.left, <Py_ssize_t>0), n = min(j.width - c.left, c.W) - first
    cdef Py_ssize_t top = max(h, <Py_ssize_t>0), high = min(h + rows, c.H) - top
    if first + c.left > 0 or n < j.width or high < rows:
        memset(to, 0, j.height * j.width * c.C * item)
    if n > 0 and high > 0:
        to += ((top - h) * row + (first + c.left) * pixel) * item
        K[c.kind].planes_split(image + (top * c.W + first) * c.C * item, to, high, n if j.planes else n * c.C,
                               c.C if j.planes else 1, c.W * c.C, row, plane)


cdef Source source_of(const Job* j, Py_ssize_t image, Py_ssize_t p, Py_ssize_t rows, char* strip) noexcept nogil:
    """The windows of output rows p to p + rows: in x where they lie, or in the strip, which is filled."""
    cdef const Conv* c = j.c
    cdef Py_ssize_t item = ITEMSIZE[c.kind], h = p * c.stride_h - c.top
    cdef const char* x = j.x + image * c.H * c.W * c.C * item
    cdef Source s
    if not j.copied:
        s.x, s.row, s.plane = x + (h * c.W - c.left) * c.C * item, c.W * c.C, 0
        return s
    s.x, s.row, s.plane = strip, j.width * (1 if j.planes else c.C), j.height * j.width
    copy_rows(j, x, h, (rows - 1) * c.stride_h + (c.R - 1) * c.dilation_h + 1, strip, s.row, s.plane)
    return s


# --- forward ----------------------------------------------------------------------------------------------------------
cdef void some_rows(const Job* j, const Source* s, char* y, Py_ssize_t rows) noexcept nogil:
    cdef const Conv* c = j.c
    cdef Py_ssize_t item = ITEMSIZE[c.kind], taps = c.S, run = c.C, plane = s.plane, i
    if j.planes:
        if c.C == 1:            # the taps of a row are one loop, the innermost
            taps, run, plane = 1, c.S, c.dilation_w
        K[c.kind].planes_forward(s.x, j.w, j.finish.bias, y, rows, c.stride_h * s.row, c.R, taps, run, c.dilation_h * s.row,
                                 c.dilation_w, plane, c.Q, c.K)
        return
    if c.dilation_w == 1:       # the taps of a row follow one another
        taps, run = 1, c.S * c.C
    for i in range(rows):
        K[c.kind].pixels_forward(s.x + i * c.stride_h * s.row * item, j.w, j.finish.bias, y + i * c.Q * c.K * item, c.R, taps,
                                 run, c.dilation_h * s.row, c.dilation_w * c.C, c.Q, c.stride_w * c.C, c.K)


cdef void forward_task(void* job, size_t task) noexcept nogil:
    cdef Job* j = <Job*>job
    cdef const Conv* c = j.c
    cdef Py_ssize_t image = <Py_ssize_t>task // j.blocks, p = <Py_ssize_t>task % j.blocks * j.rows
    cdef Py_ssize_t rows = min(j.rows, c.P - p), row = c.Q * c.K, first = (image * c.P + p) * row
    cdef char* strip = NULL
    cdef Source s
    if j.copied:
        strip = new_strip(j)
        if strip == NULL:
            j.status = -1
            return
    s = source_of(j, image, p, rows, strip)
    some_rows(j, &s, j.sums + first * ITEMSIZE[c.kind], rows)
    finish_elements(c.kind, j.finish, j.y, first, rows * row)
    pool_free(strip)


cdef inline bint in_planes(Py_ssize_t filters, Py_ssize_t pixels, Py_ssize_t stride) noexcept nogil:
    """Does a row of y fill vectors of pixels better than its filters fill vectors of filters?"""
    return stride == 1 and 4 * filters * ceil_div(pixels, LANES) <= 3 * pixels * ceil_div(filters, LANES)


cdef int pixels_forward(const Conv* c, const Finish* f, const char* x, const char* w, char* y) noexcept nogil:
    cdef Job j
    j = job_of(c, x, in_planes(c.K, c.Q, c.stride_w))
    j.finish, j.w, j.sums, j.y = f, w, f.z if f.z != NULL else y, y
    share_tasks(forward_task, &j, c.N * j.blocks, microseconds(c))
    return j.status


# --- backward ---------------------------------------------------------------------------------------------------------
cdef bint scatters(const Conv* c) noexcept nogil:
    """Are windows added up with fewer multiply-adds than planes? Those of a window are short products, 1.3 times as dear."""
    cdef double planes = <double>c.H * ceil_div(c.W, LANES) * c.C * c.S
    cdef double windows = <double>c.P * c.Q * ceil_div(c.S * c.C, LANES)
    return c.dilation_w == 1 and 1.3 * windows < planes and seen_rows(c) * seen_columns(c) * c.C < SMALL_IMAGE


cdef void scatter_task(void* job, size_t image) noexcept nogil:
    """dx of one image: for each column of windows and each of their rows, the products of all pixels of g in that column."""
    cdef Job* j = <Job*>job
    cdef const Conv* c = j.c
    cdef Py_ssize_t item = ITEMSIZE[c.kind], rows = seen_rows(c), row = seen_columns(c) * c.C, run = c.S * c.C, r, q, first, n
    cdef const char* g = j.x + <Py_ssize_t>image * c.P * c.Q * c.K * item
    cdef char* dx = j.sums + <Py_ssize_t>image * c.H * c.W * c.C * item
    cdef char* seen = dx
    if j.copied:
        seen = <char*>pool_alloc(rows * row * item)
        if seen == NULL:
            j.status = -1
            return
        memset(dx, 0, c.H * c.W * c.C * item)
    memset(seen, 0, rows * row * item)
    for q in range(c.Q):
        for r in range(c.R):
            K[c.kind].gemm(c.P, run, c.K, g + q * c.K * item, c.Q * c.K, 1, j.w + r * c.K * run * item, run, PANEL,
                           seen + (r * c.dilation_h * row + q * c.stride_w * c.C) * item, c.stride_h * row, NULL, True)
    if j.copied:
        first, n = max(-c.left, <Py_ssize_t>0), min(seen_columns(c) - c.left, c.W)
        for r in range(max(c.top, <Py_ssize_t>0), min(rows, c.H + c.top)):
            if n > first:
                memcpy(dx + ((r - c.top) * c.W + first) * c.C * item, seen + (r * row + (first + c.left) * c.C) * item,
                       (n - first) * c.C * item)
        pool_free(seen)


cdef int scatter_input(const Conv* c, const char* g, const char* w, char* dx) noexcept nogil:
    cdef Py_ssize_t item = ITEMSIZE[c.kind], values = c.S * c.C, r
    cdef Job j
    cdef char* turned = <char*>pool_alloc(c.R * values * c.K * item)
    if turned == NULL:
        return -1
    for r in range(c.R):
        K[c.kind].gemm_pack(c.K, values, w + r * values * c.K * item, 1, c.K, turned + r * values * c.K * item, values,
                            PANEL)
    memset(&j, 0, sizeof(Job))
    j.c, j.x, j.w, j.sums = c, g, turned, dx
    j.copied = c.top != 0 or c.left != 0 or seen_rows(c) != c.H or seen_columns(c) != c.W
    share_tasks(scatter_task, &j, c.N, microseconds(c))
    pool_free(turned)
    return j.status


cdef int planes_input(const Conv* c, const char* g, const char* w, char* dx) noexcept nogil:
    cdef Py_ssize_t item = ITEMSIZE[c.kind], size = c.C * c.K * item, taps = c.R * c.S, i
    cdef Conv turned = c[0]
    cdef Finish none
    cdef char* turned_w = <char*>pool_alloc(taps * size)
    cdef int status
    if turned_w == NULL:
        return -1
    for i in range(taps):
        K[c.kind].gemm_pack(c.K, c.C, w + (taps - 1 - i) * size, 1, c.K, turned_w + i * size, c.C, PANEL)
    turned.H, turned.W, turned.C, turned.P, turned.Q, turned.K = c.P, c.Q, c.K, c.H, c.W, c.C
    turned.top, turned.left = (c.R - 1) * c.dilation_h - c.top, (c.S - 1) * c.dilation_w - c.left
    memset(&none, 0, sizeof(Finish))
    none.act = -1
    status = pixels_forward(&turned, &none, g, turned_w, dx)
    pool_free(turned_w)
    return status


cdef int pixels_input(const Conv* c, const char* g, const char* w, char* dx) noexcept nogil:
    return scatter_input(c, g, w, dx) if scatters(c) else planes_input(c, g, w, dx)


cdef void weights_task(void* job, size_t task) noexcept nogil:
    cdef Job* j = <Job*>job
    cdef const Conv* c = j.c
    cdef Py_ssize_t item = ITEMSIZE[c.kind], block, image, p, taps = c.S, run = c.C
    cdef char* dw = j.sums + <Py_ssize_t>task * c.R * c.S * c.C * c.K * item
    cdef char* strip = NULL
    cdef Source s
    if j.copied:
        strip = new_strip(j)
        if strip == NULL:
            j.status = -1
            return
    if c.dilation_w == 1:
        taps, run = 1, c.S * c.C
    memset(dw, 0, c.R * c.S * c.C * c.K * item)
    for block in range(<Py_ssize_t>task * j.chunk, min((<Py_ssize_t>task + 1) * j.chunk, c.N * j.blocks)):
        image, p = block // j.blocks, block % j.blocks * j.rows
        s = source_of(j, image, p, min(j.rows, c.P - p), strip)
        K[c.kind].pixels_weights(s.x, j.w + (image * c.P + p) * c.Q * c.K * item, dw, min(j.rows, c.P - p),
                                 c.stride_h * s.row, c.Q * c.K, c.Q, c.stride_w * c.C, c.R, taps, run,
                                 c.dilation_h * s.row, c.dilation_w * c.C, c.K)
    pool_free(strip)


cdef int pixels_weights(const Conv* c, const char* x, const char* g, char* dw) noexcept nogil:
    cdef Py_ssize_t size = c.R * c.S * c.C * c.K, blocks, chunks
    cdef Job j
    j = job_of(c, x, False)
    blocks = c.N * j.blocks
    j.w, j.chunk = g, ceil_div(blocks, CHUNKS)
    chunks = ceil_div(blocks, j.chunk)
    j.sums = dw if chunks == 1 else <char*>pool_alloc(chunks * size * ITEMSIZE[c.kind])
    if j.sums == NULL:
        return -1
    share_tasks(weights_task, &j, chunks, microseconds(c))
    if chunks > 1:
        if j.status == 0:
            K[c.kind].reduce_cols(REDUCE_SUM, j.sums, NULL, dw, chunks, size, size, 1)
        pool_free(j.sums)
    return j.status


cdef bint pixels_serves(const Conv* c, int direction) noexcept nogil:
    if c.groups != 1 or c.C == 0 or not is_compact(c):
        return False
    if direction == INPUT:
        return c.stride_h == 1 and in_planes(c.C, c.W, c.stride_w)
    if direction == WEIGHTS:
        return c.C <= SHORT_RUN
    return in_planes(c.K, c.Q, c.stride_w) or c.C <= FEW_CHANNELS or (
        c.N * c.P * c.Q <= FEW_PIXELS and c.R * c.S > 1 and c.R * c.S * c.C * c.K <= SMALL_KERNEL)
