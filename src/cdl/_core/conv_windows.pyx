"""Convolution of any shape as a matrix product, y (pixels, K) = windows (pixels, R S C) w (R S C, K).

The matrix of windows is never there as a whole: a task fetches a block of it, so small that it stays in L2, and multiplies
it with all the weights it needs. The gradient of the weights is the same product with the windows transposed.
"""
from libc.string cimport memcpy, memset

from cdl._core.conv_shape cimport Conv, Finish, Kernel, finish_elements
from cdl._core.kernels cimport K, cdl_windows
from cdl._core.memory cimport pool_alloc, pool_free
from cdl._core.sizes cimport ceil_div, even_part
from cdl._core.tensor cimport ITEMSIZE
from cdl._core.threads cimport parallel_for, threads_for

cdef extern from "gemm.h" nogil:
    const Py_ssize_t FEW_ROWS "CDL_GEMM_FEW_ROWS"

cdef enum:
    WINDOW_BYTES = 1 << 19      # of a block of windows: a quarter of an L2 of 2 MB
    CHUNK_BYTES = 4096          # of one window that is taken at a time
    GROUP_BYTES = 3 << 18       # of the weights that all windows of a block pass by before the next
    FINISHED_ROWS = 28          # two tiles: still in L1 when the activation is applied
    ROWS = 14                   # of a tile, in the widest instruction set
    SLAB_BYTES = 5 << 17        # of such a slab …
    SLAB_COLUMNS = 512          # … which is read in runs of so many columns: 2 KB or more stream from memory
    GRADIENT_BYTES = 3 << 18    # of a block of dw, which stays in L2 while the pixels pass by
    PIXELS = 256                # that pass by at a time


cdef struct Product:
    # target (pixels, n) = windows (pixels, k) weights (k, n)
    int kind
    cdl_windows window
    Py_ssize_t pixels, n, k
    const char* x
    const char* packed          # weights in panels of PANEL columns that lie `panel` elements apart, or NULL: then
    const char* w               # by rows w_row apart, of which a task packs a slab at a time
    Py_ssize_t w_row, panel
    char* y                     # the first column of the target
    Py_ssize_t y_row, column    # elements between its rows; which column of all the first one is
    const Finish* finish        # or NULL
    Py_ssize_t rows, columns, grid_columns, chunk, group
    int status


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


cdef void times_weights(const Product* j, const char* windows, Py_ssize_t stride, const char* b, Py_ssize_t panel,
                        Py_ssize_t i, Py_ssize_t column, Py_ssize_t m, Py_ssize_t n, Py_ssize_t p,
                        Py_ssize_t depth) noexcept nogil:
    """Add `depth` elements of the windows, from p on, times the packed weights b, n columns; the last ones finish the rows."""
    cdef Py_ssize_t item = ITEMSIZE[j.kind], done = 0, rows = m
    cdef bint last = p + depth >= j.k
    cdef const char* bias = NULL
    cdef char* z = j.y
    if j.finish != NULL:
        if j.finish.z != NULL:
            z = j.finish.z + j.column * item
        if j.finish.bias != NULL and p == 0:
            bias = j.finish.bias + (j.column + column) * item
        if last and m > FEW_ROWS and (j.finish.act >= 0 or j.finish.added != NULL):
            rows = FINISHED_ROWS
    while done < m:
        rows = min(rows, m - done)
        K[j.kind].gemm(rows, n, depth, windows + done * stride * item, stride, 1, b, PANEL, panel,
                       z + ((i + done) * j.y_row + column) * item, j.y_row, bias, p > 0)
        if last:
            finish_block(j, i + done, column, rows, n)
        done += rows


cdef void product_task(void* job, size_t task) noexcept nogil:
    cdef Product* j = <Product*>job
    cdef Py_ssize_t i = <Py_ssize_t>task // j.grid_columns * j.rows, m = min(j.rows, j.pixels - i)
    cdef Py_ssize_t first = <Py_ssize_t>task % j.grid_columns * j.columns, end = min(first + j.columns, j.n)
    cdef Py_ssize_t item = ITEMSIZE[j.kind], stride = j.chunk + 16, p = 0, depth, column, width, panel = j.panel
    cdef Py_ssize_t group = even_part(end - first, j.group, PANEL)
    cdef const char* b
    cdef char* windows = <char*>pool_alloc(m * stride * item)
    cdef char* slab = NULL
    if j.packed == NULL:
        panel = j.chunk * PANEL + 16
        slab = <char*>pool_alloc(ceil_div(group, PANEL) * panel * item)
    if windows == NULL or (j.packed == NULL and slab == NULL):
        j.status = -1
        p = j.k
    while p < j.k:
        depth = min(j.chunk, j.k - p)
        K[j.kind].conv_windows(&j.window, j.x, i, m, p, depth, windows, stride)
        column = first
        while column < end:
            width = min(group, end - column)
            if slab != NULL:
                K[j.kind].gemm_pack(depth, width, j.w + (p * j.w_row + column) * item, j.w_row, 1, slab, PANEL, panel)
                b = slab
            else:
                b = j.packed + (column // PANEL * panel + p * PANEL) * item
            times_weights(j, windows, stride, b, panel, i, column, m, width, p, depth)
            column += width
        p += depth
    pool_free(windows)
    pool_free(slab)


cdef int multiply_windows(Product* j) noexcept nogil:
    """The product, in blocks for the threads."""
    cdef int threads = threads_for(microseconds(j.pixels, j.n, j.k, j.kind))
    cdef Py_ssize_t item = ITEMSIZE[j.kind], wanted = 4 * threads if threads > 1 else 1, most = CHUNK_BYTES // item, across
    j.group = max(GROUP_BYTES // (min(j.k, most) * item), PANEL)
    if j.packed == NULL:
        j.group = SLAB_COLUMNS
        most = min(most, max(SLAB_BYTES // (min(j.n, j.group) * item), 8))
    j.chunk = even_part(j.k, most, 1)
    if j.packed != NULL and j.pixels <= FEW_ROWS:
        j.group = j.n       # from memory, while others are multiplied
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


cdef struct Packing:
    const Conv* c
    Kernel kernel
    char* packed
    Py_ssize_t panel


cdef void packing_task(void* job, size_t tap) noexcept nogil:
    cdef Packing* j = <Packing*>job
    cdef Py_ssize_t item = ITEMSIZE[j.c.kind], r = <Py_ssize_t>tap // j.c.S, s = <Py_ssize_t>tap % j.c.S
    cdef Py_ssize_t inputs = j.c.C // j.c.groups
    K[j.c.kind].gemm_pack(inputs, j.c.K // j.c.groups, j.kernel.w + (r * j.kernel.r_step + s * j.kernel.s_step) * item,
                          j.kernel.c_step, j.kernel.k_step, j.packed + <Py_ssize_t>tap * inputs * PANEL * item, PANEL,
                          j.panel)


cdef char* packed_weights(const Conv* c, const Kernel* w, Py_ssize_t group, char* packed) noexcept nogil:
    """The weights of one group in panels, weight_panel(c) elements apart; NULL asks for memory. NULL: there is none."""
    cdef Packing j
    cdef Py_ssize_t columns = c.K // c.groups, size = c.R * c.S * (c.C // c.groups) * columns
    j.c, j.kernel, j.panel = c, w[0], weight_panel(c)
    if packed == NULL:
        packed = <char*>pool_alloc(ceil_div(columns, PANEL) * j.panel * ITEMSIZE[c.kind])
        if packed == NULL:
            return NULL
    j.packed = packed
    j.kernel.w += group * w.group_step * ITEMSIZE[c.kind]
    parallel_for(packing_task, &j, c.R * c.S, threads_for(size * ITEMSIZE[c.kind] * 1e-4))
    return packed


cdef int windows_forward(const Conv* c, const Kernel* w, const Finish* f, const char* x, char* y) noexcept nogil:
    cdef Product j
    cdef Py_ssize_t group, item = ITEMSIZE[c.kind], inputs = c.C // c.groups
    cdef char* packed = NULL
    j.kind, j.pixels, j.n, j.k = c.kind, c.N * c.P * c.Q, c.K // c.groups, c.R * c.S * inputs
    j.x, j.w, j.packed, j.w_row, j.y_row, j.finish, j.status = x, NULL, NULL, w.c_step, c.K, f, 0
    j.panel = weight_panel(c)
    for group in range(c.groups):
        j.window, j.column, j.y = windows_of(c, group), group * j.n, y + group * j.n * item
        if j.k == 0:
            fill_rows(&j)
        elif c.packed:
            j.packed = w.w
            multiply_windows(&j)
        elif (j.pixels < FEW_PIXELS and w.k_step == 1 and w.s_step == inputs * w.c_step and w.r_step == c.S * w.s_step):
            j.w = w.w + group * w.group_step * item
            multiply_windows(&j)
        else:
            packed = packed_weights(c, w, group, packed)
            if packed == NULL:
                return -1
            j.packed = packed
            multiply_windows(&j)
        if j.status < 0:
            break
    pool_free(packed)
    return j.status


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


cdef int windows_weights(const Conv* c, const char* x, const char* g, char* dw) noexcept nogil:
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
