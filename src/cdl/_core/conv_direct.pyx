"""Convolution as a matrix product, y (pixels, K) = windows (pixels, R S C) w (R S C, K), without the matrix of windows.

A task fetches a block of windows, so small that it stays in L2, and multiplies it with all the weights it needs. The
gradient of the weights is the same product with the windows transposed. The input gradient is a convolution of g with the
weights turned round, for each remainder of the stride one of its own: with stride 2, a pixel in an even row and an even
column saw every other row and column of the kernel, so nothing is multiplied by the zeros of a spread-out g.
"""
from libc.string cimport memcpy, memset

from cdl._core.conv_shape cimport Conv, Finish, finish_elements
from cdl._core.kernels cimport K, cdl_windows
from cdl._core.memory cimport pool_alloc, pool_free
from cdl._core.tensor cimport ITEMSIZE
from cdl._core.threads cimport parallel_for, threads_for


cdef extern from "gemm.h" nogil:
    const Py_ssize_t PANEL "CDL_GEMM_PANEL"

cdef enum:
    WINDOW_BYTES = 1 << 19      # of a block of windows: a quarter of an L2 of 2 MB
    CHUNK_BYTES = 4096          # of one window that is taken at a time
    GROUP_BYTES = 3 << 18       # of the weights that all windows of a block pass by before the next
    FINISHED_ROWS = 28          # two tiles: still in L1 when the activation is applied
    ROWS = 14                   # of a tile, in the widest instruction set
    FEW_PIXELS = 112            # for fewer the weights are read where they lie: copying them costs as much as 8 to 16 rows
    SLAB_BYTES = 5 << 17        # of rows of such weights at a time
    GRADIENT_BYTES = 3 << 18    # of a block of dw, which stays in L2 while the pixels pass by
    PIXELS = 256                # that pass by at a time


cdef struct Product:
    # target (pixels, n) = windows (pixels, k) weights (k, n)
    int kind
    cdl_windows window
    Py_ssize_t pixels, n, k
    const char* x
    const char* w               # weights by rows w_row apart, or NULL for packed ones
    const char* packed          # in panels of PANEL columns that lie `panel` elements apart
    Py_ssize_t w_row, panel
    char* y                     # the first column of the target
    Py_ssize_t y_row, column    # elements between its rows; which column of all the first one is
    const Finish* finish        # or NULL
    Py_ssize_t rows, columns, grid_columns, chunk
    int status


cdef inline Py_ssize_t ceil_div(Py_ssize_t a, Py_ssize_t b) noexcept nogil:
    return (a + b - 1) // b


cdef inline Py_ssize_t even_part(Py_ssize_t total, Py_ssize_t most, Py_ssize_t multiple) noexcept nogil:
    """The size of equal parts of at most `most` (about), rounded up to a multiple."""
    return ceil_div(ceil_div(total, ceil_div(total, max(most, 1))), multiple) * multiple


cdef double microseconds(Py_ssize_t m, Py_ssize_t n, Py_ssize_t k, int kind) noexcept nogil:
    return 2e-5 * m * n * k * (ITEMSIZE[kind] // 4) + 1e-4 * m * n


cdef cdl_windows windows_of(const Conv* c, Py_ssize_t group) noexcept nogil:
    cdef cdl_windows w
    w.H, w.W, w.C, w.P, w.Q, w.R, w.S = c.H, c.W, c.C, c.P, c.Q, c.R, c.S
    w.channels = c.C // c.groups
    w.first = group * w.channels
    w.stride_h, w.stride_w, w.dilation_h, w.dilation_w, w.top, w.left = (
        c.stride_h, c.stride_w, c.dilation_h, c.dilation_w, c.top, c.left)
    return w


# --- forward ----------------------------------------------------------------------------------------------------------
cdef void finish_block(const Product* j, Py_ssize_t i, Py_ssize_t column, Py_ssize_t m, Py_ssize_t n) noexcept nogil:
    """`added` and the activation on rows i to i + m, columns column to column + n of this group's."""
    cdef const Finish* f = j.finish
    cdef char* y = j.y - j.column * ITEMSIZE[j.kind]
    cdef Py_ssize_t row
    if f == NULL or (f.act < 0 and f.added == NULL):
        return
    if n == j.y_row:
        finish_elements(j.kind, f, y, i * n, m * n)
        return
    for row in range(i, i + m):
        finish_elements(j.kind, f, y, row * j.y_row + j.column + column, n)


cdef void times_weights(const Product* j, const char* windows, Py_ssize_t stride, Py_ssize_t i, Py_ssize_t column,
                        Py_ssize_t m, Py_ssize_t n, Py_ssize_t p, Py_ssize_t depth) noexcept nogil:
    """Add `depth` elements of the windows, from p on, times the weights, for n columns; the last ones finish the rows."""
    cdef Py_ssize_t item = ITEMSIZE[j.kind], done = 0, rows = m, panel = PANEL, b_row = j.w_row
    cdef bint last = p + depth >= j.k
    cdef const char* b = j.w + (p * j.w_row + column) * item
    cdef const char* bias = NULL
    cdef char* z = j.y
    if j.w == NULL:
        b, b_row, panel = j.packed + (column // PANEL * j.panel + p * PANEL) * item, PANEL, j.panel
    if j.finish != NULL:
        if j.finish.z != NULL:
            z = j.finish.z + j.column * item
        if j.finish.bias != NULL and p == 0:
            bias = j.finish.bias + (j.column + column) * item
        if last and (j.finish.act >= 0 or j.finish.added != NULL):
            rows = FINISHED_ROWS
    while done < m:
        rows = min(rows, m - done)
        K[j.kind].gemm(rows, n, depth, windows + done * stride * item, stride, 1, b, b_row, panel,
                       z + ((i + done) * j.y_row + column) * item, j.y_row, bias, p > 0)
        if last:
            finish_block(j, i + done, column, rows, n)
        done += rows


cdef void product_task(void* job, size_t task) noexcept nogil:
    cdef Product* j = <Product*>job
    cdef Py_ssize_t i = <Py_ssize_t>task // j.grid_columns * j.rows, m = min(j.rows, j.pixels - i)
    cdef Py_ssize_t first = <Py_ssize_t>task % j.grid_columns * j.columns, end = min(first + j.columns, j.n)
    cdef Py_ssize_t item = ITEMSIZE[j.kind], stride = j.chunk + 16, p = 0, depth, column, width
    cdef Py_ssize_t group = even_part(end - first, GROUP_BYTES // (j.chunk * item), PANEL) if j.w == NULL else end - first
    cdef char* windows = <char*>pool_alloc(m * stride * item)
    if windows == NULL:
        j.status = -1
        return
    while p < j.k:
        depth = min(j.chunk, j.k - p)
        K[j.kind].conv_windows(&j.window, j.x, i, m, p, depth, windows, stride)
        column = first
        while column < end:
            width = min(group, end - column)
            times_weights(j, windows, stride, i, column, m, width, p, depth)
            column += width
        p += depth
    pool_free(windows)


cdef int multiply_windows(Product* j) noexcept nogil:
    """The product, in blocks for the threads."""
    cdef int threads = threads_for(microseconds(j.pixels, j.n, j.k, j.kind))
    cdef Py_ssize_t item = ITEMSIZE[j.kind], wanted = 4 * threads if threads > 1 else 1, most = CHUNK_BYTES // item, across
    if j.w != NULL:
        most = min(most, max(SLAB_BYTES // (j.n * item), 8))
    j.chunk = even_part(j.k, most, 1)
    j.rows = even_part(j.pixels, max(WINDOW_BYTES // (j.chunk * item), ROWS), ROWS)
    j.columns = j.n
    if ceil_div(j.pixels, j.rows) < wanted:
        # Halves of the columns fetch the same windows twice, halves of the rows the same weights.
        across = 1
        while across < wanted and j.n // across >= 4 * PANEL and j.n > j.pixels:
            across *= 2
        j.columns = ceil_div(ceil_div(j.n, across), PANEL) * PANEL
        j.rows = min(j.rows, max(ceil_div(ceil_div(j.pixels, ceil_div(wanted, across)), ROWS) * ROWS, 2 * ROWS))
    j.grid_columns = ceil_div(j.n, j.columns)
    j.status = 0
    parallel_for(product_task, j, ceil_div(j.pixels, j.rows) * j.grid_columns, threads)
    return j.status


cdef int fill_rows(const Product* j) noexcept nogil:
    """The product of windows without an element: the bias alone."""
    cdef Py_ssize_t i, item = ITEMSIZE[j.kind]
    cdef char* z = j.y
    if j.finish != NULL and j.finish.z != NULL:
        z = j.finish.z + j.column * item
    for i in range(j.pixels):
        if j.finish != NULL and j.finish.bias != NULL:
            memcpy(z + i * j.y_row * item, j.finish.bias + j.column * item, j.n * item)
        else:
            memset(z + i * j.y_row * item, 0, j.n * item)
    finish_block(j, 0, 0, j.pixels, j.n)
    return 0


cdef int direct_forward(const Conv* c, const Finish* f, const char* x, const char* w, char* y) noexcept nogil:
    cdef Product j
    cdef Py_ssize_t group, item = ITEMSIZE[c.kind], columns
    cdef char* packed = NULL
    j.kind, j.pixels, j.n, j.k = c.kind, c.N * c.P * c.Q, c.K // c.groups, c.R * c.S * (c.C // c.groups)
    j.x, j.w, j.packed, j.w_row, j.y_row, j.finish, j.status = x, NULL, NULL, c.K, c.K, f, 0
    columns = ceil_div(j.n, PANEL)
    j.panel = j.k * PANEL + 16
    if j.pixels >= FEW_PIXELS and j.k > 0:
        packed = <char*>pool_alloc(columns * j.panel * item)
        if packed == NULL:
            return -1
        j.packed = packed
    for group in range(c.groups):
        j.window, j.column, j.y = windows_of(c, group), group * j.n, y + group * j.n * item
        if packed == NULL:
            j.w = w + group * j.n * item
        else:
            K[c.kind].gemm_pack(j.k, j.n, w + group * j.n * item, c.K, 1, packed, PANEL, j.panel)
        if (fill_rows(&j) if j.k == 0 else multiply_windows(&j)) < 0:
            break
    pool_free(packed)
    return j.status


# --- input gradient ---------------------------------------------------------------------------------------------------
cdef struct Phase:
    # The pixels first, first + step, … of an axis of x, and the taps of the kernel that ever read them.
    Py_ssize_t first, step, count       # count: how many pixels
    Py_ssize_t tap, tap_step, taps      # the taps tap, tap - tap_step, …: in the order of the pixels of g they are for
    Py_ssize_t before, dilation         # pixel i reads those of g at i - before, i - before + dilation, …


cdef Phase phase_of(Py_ssize_t first, Py_ssize_t length, Py_ssize_t taps, Py_ssize_t stride, Py_ssize_t dilation,
                    Py_ssize_t before) noexcept nogil:
    """The pixels `first` modulo stride of an axis of `length` pixels after `before` zeros."""
    cdef Phase p
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


cdef void spread(const Conv* c, const Phase* rows, const Phase* cols, const char* part, char* dx) noexcept nogil:
    """Put the pixels of one phase, or zeros for NULL, where they belong in dx; part (N, rows, columns, C)."""
    cdef Py_ssize_t n, h, _, size = c.C * ITEMSIZE[c.kind]
    cdef char* to
    for n in range(c.N):
        for h in range(rows.count):
            to = dx + ((n * c.H + rows.first + h * rows.step) * c.W + cols.first) * size
            for _ in range(cols.count):
                if part == NULL:
                    memset(to, 0, size)
                else:
                    memcpy(to, part, size)
                    part += size
                to += cols.step * size


cdef void turn_weights(const Conv* c, const Phase* rows, const Phase* cols, Py_ssize_t group, const char* w, char* packed,
                       Py_ssize_t panel) noexcept nogil:
    """The weights of a phase's taps, (taps, K / groups, C / groups), in panels."""
    cdef Py_ssize_t item = ITEMSIZE[c.kind], inputs = c.C // c.groups, outputs = c.K // c.groups, r, s, tap
    for r in range(rows.taps):
        for s in range(cols.taps):
            tap = (rows.tap - r * rows.tap_step) * c.S + cols.tap - s * cols.tap_step
            K[c.kind].gemm_pack(outputs, inputs, w + (tap * inputs * c.K + group * outputs) * item, 1, c.K,
                                packed + (r * cols.taps + s) * outputs * PANEL * item, PANEL, panel)


cdef int phase_gradient(const Conv* c, const Phase* rows, const Phase* cols, const char* g, const char* w,
                        char* dx) noexcept nogil:
    cdef Product j
    cdef Py_ssize_t group, item = ITEMSIZE[c.kind], inputs = c.C // c.groups, outputs = c.K // c.groups
    cdef char* packed
    cdef char* part = dx
    j.kind, j.pixels, j.n, j.k = c.kind, c.N * rows.count * cols.count, inputs, rows.taps * cols.taps * outputs
    if j.pixels == 0:
        return 0
    if j.k == 0:
        spread(c, rows, cols, NULL, dx)
        return 0
    j.panel = j.k * PANEL + 16
    packed = <char*>pool_alloc(ceil_div(inputs, PANEL) * j.panel * item)
    if c.stride_h > 1 or c.stride_w > 1:
        part = <char*>pool_alloc(j.pixels * c.C * item)
    j.status = -1 if packed == NULL or part == NULL else 0
    j.window = windows_of(c, 0)
    j.window.H, j.window.W, j.window.C, j.window.P, j.window.Q = c.P, c.Q, c.K, rows.count, cols.count
    j.window.R, j.window.S, j.window.channels = rows.taps, cols.taps, outputs
    j.window.stride_h = j.window.stride_w = 1
    j.window.dilation_h, j.window.dilation_w, j.window.top, j.window.left = (
        rows.dilation, cols.dilation, rows.before, cols.before)
    j.x, j.w, j.packed, j.w_row, j.y_row, j.finish = g, NULL, packed, 0, c.C, NULL
    for group in range(c.groups):
        if j.status < 0:
            break
        turn_weights(c, rows, cols, group, w, packed, j.panel)
        j.window.first, j.column, j.y = group * outputs, group * inputs, part + group * inputs * item
        multiply_windows(&j)
    if part != dx:
        if j.status == 0:
            spread(c, rows, cols, part, dx)
        pool_free(part)
    pool_free(packed)
    return j.status


cdef int direct_input(const Conv* c, const char* g, const char* w, char* dx) noexcept nogil:
    cdef Phase rows, cols
    cdef Py_ssize_t h, v
    for h in range(c.stride_h):
        rows = phase_of(h, c.H, c.R, c.stride_h, c.dilation_h, c.top)
        for v in range(c.stride_w):
            cols = phase_of(v, c.W, c.S, c.stride_w, c.dilation_w, c.left)
            if phase_gradient(c, &rows, &cols, g, w, dx) < 0:
                return -1
    return 0


# --- weight gradient --------------------------------------------------------------------------------------------------
cdef struct Weights:
    # dw (k, n) = windowsT (k, pixels) g (pixels, n)
    int kind
    cdl_windows window
    Py_ssize_t pixels, n, k, g_row
    const char* x
    const char* g
    char* dw
    Py_ssize_t rows, columns, grid_columns, chunk
    int status


cdef void weights_task(void* job, size_t task) noexcept nogil:
    cdef Weights* j = <Weights*>job
    cdef Py_ssize_t i = <Py_ssize_t>task // j.grid_columns * j.rows, m = min(j.rows, j.k - i)
    cdef Py_ssize_t column = <Py_ssize_t>task % j.grid_columns * j.columns, n = min(j.columns, j.n - column)
    cdef Py_ssize_t item = ITEMSIZE[j.kind], stride = m + 16, panel = j.chunk * PANEL + 16, p = 0, depth
    cdef char* windows = <char*>pool_alloc(j.chunk * stride * item)
    cdef char* packed = <char*>pool_alloc(ceil_div(n, PANEL) * panel * item)
    if windows == NULL or packed == NULL:
        j.status = -1
    while p < j.pixels and j.status == 0:
        depth = min(j.chunk, j.pixels - p)
        K[j.kind].conv_windows(&j.window, j.x, p, depth, i, m, windows, stride)
        K[j.kind].gemm_pack(depth, n, j.g + (p * j.g_row + column) * item, j.g_row, 1, packed, PANEL, panel)
        K[j.kind].gemm(m, n, depth, windows, 1, stride, packed, PANEL, panel, j.dw + (i * j.g_row + column) * item, j.g_row,
                       NULL, p > 0)
        p += depth
    pool_free(windows)
    pool_free(packed)


cdef int direct_weights(const Conv* c, const char* x, const char* g, char* dw) noexcept nogil:
    cdef Weights j
    cdef Py_ssize_t group, item = ITEMSIZE[c.kind], wanted
    cdef int threads
    j.kind, j.pixels, j.n, j.k, j.g_row = c.kind, c.N * c.P * c.Q, c.K // c.groups, c.R * c.S * (c.C // c.groups), c.K
    j.x, j.status = x, 0
    threads = threads_for(microseconds(j.pixels, j.n, j.k, j.kind))
    wanted = 4 * threads if threads > 1 else 1
    j.chunk = even_part(j.pixels, PIXELS, 1)
    j.columns = even_part(j.n, 256, PANEL)
    j.grid_columns = ceil_div(j.n, j.columns)
    j.rows = min(WINDOW_BYTES // (j.chunk * item), GRADIENT_BYTES // (j.columns * item), ceil_div(j.k, ceil_div(
        wanted, j.grid_columns)))
    j.rows = even_part(j.k, max(j.rows, 2 * ROWS), ROWS)
    for group in range(c.groups):
        j.window, j.g, j.dw = windows_of(c, group), g + group * j.n * item, dw + group * j.n * item
        parallel_for(weights_task, &j, ceil_div(j.k, j.rows) * j.grid_columns, threads)
        if j.status < 0:
            return -1
    return 0
