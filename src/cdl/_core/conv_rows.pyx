"""Convolution where the images lie, without copying windows.

With channels last, the S pixels that a kernel row sees are S C neighbours in memory, and the windows of one output row begin
stride C elements apart: they are the rows of a matrix that overlap. Each kernel row adds one product of such a matrix with
its S C weights; the R of them are segments of one long sum, which stays in registers. What lies outside of the image must be
there as zeros, so images are copied once into a frame of zeros, unless no window ever leaves them.

The gradient of the weights of kernel row r is the product of the same matrices transposed with g, over all output rows.
"""
from libc.string cimport memcpy, memset

from cdl._core.conv_shape cimport Conv, Finish, Kernel, finish_elements, seen_columns, seen_rows
from cdl._core.conv_windows cimport PANEL, packed_weights, product_microseconds, weight_panel
from cdl._core.kernels cimport K
from cdl._core.memory cimport pool_alloc, pool_free
from cdl._core.sizes cimport ceil_div, even_part
from cdl._core.tensor cimport ITEMSIZE
from cdl._core.threads cimport parallel_for, threads_for

cdef enum:
    TILE = 14                   # rows of a tile, in the widest instruction set
    GROUP_BYTES = 3 << 18       # of the weights that all rows of a task pass by before the next: they stay in L2
    GRADIENT_BYTES = 3 << 18    # the same for a block of dw
    PIXELS = 256                # of g that a block of dw takes at a time
    STREAM = 3 << 20            # bytes of an output that goes past the caches, where nothing is done to it afterwards


# --- the frame of zeros -----------------------------------------------------------------------------------------------
cdef struct Frame:
    # Window (p, q) of image n begins at start + n image + p row + q pixel, its kernel row r a further r segment.
    const Conv* c
    const char* x
    char* memory                # a copy with zeros around, or NULL
    const char* start
    Py_ssize_t high, wide       # of the copy
    Py_ssize_t image, row, pixel, segment
    Py_ssize_t block            # rows a task copies


cdef void frame_task(void* job, size_t task) noexcept nogil:
    cdef Frame* f = <Frame*>job
    cdef const Conv* c = f.c
    cdef Py_ssize_t item = ITEMSIZE[c.kind], size = c.C * item, line, h
    cdef Py_ssize_t before = min(max(c.left, 0), f.wide), skipped = max(-c.left, 0)
    cdef Py_ssize_t inside = max(min(f.wide - before, c.W - skipped), 0)
    cdef char* to
    for line in range(<Py_ssize_t>task * f.block, min((<Py_ssize_t>task + 1) * f.block, c.N * f.high)):
        to = f.memory + line * f.wide * size
        h = line % f.high - c.top
        if h < 0 or h >= c.H or inside == 0:
            memset(to, 0, f.wide * size)
            continue
        memset(to, 0, before * size)
        memcpy(to + before * size, f.x + ((line // f.high * c.H + h) * c.W + skipped) * size, inside * size)
        memset(to + (before + inside) * size, 0, (f.wide - before - inside) * size)


cdef int put_in_frame(Frame* f, const Conv* c, const char* x) noexcept nogil:
    cdef Py_ssize_t high = seen_rows(c), wide = seen_columns(c), item = ITEMSIZE[c.kind], stride_row, lines
    f.c, f.x, f.memory = c, x, NULL
    if c.top <= 0 and c.left <= 0 and high - c.top <= c.H and wide - c.left <= c.W:
        f.start = x - (c.top * c.W + c.left) * c.C * item
        high, wide = c.H, c.W
    else:
        f.high, f.wide, lines = high, wide, c.N * high
        f.memory = <char*>pool_alloc(lines * wide * c.C * item)
        if f.memory == NULL:
            return -1
        f.start = f.memory
        f.block = max((1 << 16) // (wide * c.C * item), 1)
        parallel_for(frame_task, f, ceil_div(lines, f.block), threads_for(lines * wide * c.C * item * 1e-4))
    stride_row = wide * c.C
    f.image, f.row, f.pixel, f.segment = (high * stride_row, c.stride_h * stride_row, c.stride_w * c.C,
                                          c.dilation_h * stride_row)
    return 0


# --- forward ----------------------------------------------------------------------------------------------------------
cdef struct Rows:
    const Conv* c
    Frame frame
    const Finish* finish
    char* y
    Place place
    const char* packed
    Py_ssize_t panel
    Py_ssize_t rows, columns, grid_columns, group       # of a task; columns that it takes at a time
    bint stream


cdef void rows_task(void* job, size_t task) noexcept nogil:
    cdef Rows* j = <Rows*>job
    cdef const Conv* c = j.c
    cdef const Finish* f = j.finish
    cdef Py_ssize_t item = ITEMSIZE[c.kind], first = <Py_ssize_t>task // j.grid_columns * j.rows, row, q, width
    cdef Py_ssize_t column = <Py_ssize_t>task % j.grid_columns * j.columns, end = min(column + j.columns, c.K)
    cdef char* z = f.z if f.z != NULL else j.y
    cdef bint more = f.act >= 0 or f.added != NULL
    while column < end:
        width = min(j.group, end - column)
        for row in range(first, min(first + j.rows, c.N * c.P)):
            K[c.kind].conv_rows(c.Q, width, c.R, c.S * c.C,
                                j.frame.start + (row // c.P * j.frame.image + row % c.P * j.frame.row) * item,
                                j.frame.pixel, 1, j.frame.segment, j.packed + column // PANEL * j.panel * item, j.panel,
                                z + (row // c.P * j.place.image + row % c.P * j.place.row + column) * item, j.place.pixel,
                                NULL if f.bias == NULL else f.bias + column * item, 0, j.stream,
                                NULL if f.added == NULL else f.added + (row * c.Q * c.K + column) * item)
            if more and width == c.K:
                finish_elements(c.kind, f, j.y, row * c.Q * c.K, c.Q * c.K)
            elif more:
                for q in range(row * c.Q, (row + 1) * c.Q):
                    finish_elements(c.kind, f, j.y, q * c.K + column, width)
        column += width


cdef int rows_forward(const Conv* c, const Kernel* w, const Finish* f, const char* x, char* y,
                      const Place* place) noexcept nogil:
    cdef Rows j
    cdef int threads
    cdef Py_ssize_t item = ITEMSIZE[c.kind], lines = c.N * c.P, wanted, across = 1
    cdef char* packed = NULL if c.packed else packed_weights(c, w, 0, NULL)
    if (packed == NULL and not c.packed) or put_in_frame(&j.frame, c, x) < 0:
        pool_free(packed)
        return -1
    j.c, j.finish, j.y, j.packed, j.panel = c, f, y, w.w if c.packed else packed, weight_panel(c)
    j.place = place[0] if place != NULL else Place(c.P * c.Q * c.K, c.Q * c.K, c.K)
    threads = threads_for(product_microseconds(c))
    wanted = 4 * threads if threads > 1 else 1
    while lines < wanted and across < wanted and c.K // across >= 2 * PANEL:
        across *= 2
    j.columns = ceil_div(ceil_div(c.K, across), PANEL) * PANEL
    j.grid_columns = ceil_div(c.K, j.columns)
    j.rows = ceil_div(lines, ceil_div(wanted, j.grid_columns))
    j.group = even_part(min(j.columns, c.K), GROUP_BYTES // (j.panel // PANEL * item), PANEL)
    j.stream = (<double>lines * c.Q * c.K * item >= STREAM and f.act < 0 and f.added == NULL and <size_t>y % 64 == 0
                and c.K * item % 64 == 0 and j.place.pixel * item % 64 == 0 and j.place.row * item % 64 == 0)
    parallel_for(rows_task, &j, ceil_div(lines, j.rows) * j.grid_columns, threads)
    pool_free(packed)
    pool_free(j.frame.memory)
    return 0


# --- weight gradient --------------------------------------------------------------------------------------------------
cdef struct Weights:
    const Conv* c
    Frame frame
    const char* g
    char* dw
    Py_ssize_t rows, columns, grid_columns      # of a task: elements of a kernel row's run, of all R; filters
    Py_ssize_t lines                            # output rows taken at a time
    int status


cdef void weights_task(void* job, size_t task) noexcept nogil:
    cdef Weights* j = <Weights*>job
    cdef const Conv* c = j.c
    cdef Py_ssize_t item = ITEMSIZE[c.kind], run = c.S * c.C, i = <Py_ssize_t>task // j.grid_columns * j.rows
    cdef Py_ssize_t column = <Py_ssize_t>task % j.grid_columns * j.columns, n = min(j.columns, c.K - column)
    cdef Py_ssize_t m = min(j.rows, run - i), panel = j.lines * c.Q * PANEL + 16, image, line = 0, lines, r
    cdef char* packed = <char*>pool_alloc(ceil_div(n, PANEL) * panel * item)
    if packed == NULL:
        j.status = -1
        return
    while line < c.N * c.P:
        image = line // c.P
        lines = min(j.lines, (image + 1) * c.P - line)
        K[c.kind].gemm_pack(lines * c.Q, n, j.g + (line * c.Q * c.K + column) * item, c.K, 1, packed, PANEL, panel)
        for r in range(c.R):
            K[c.kind].conv_rows(m, n, lines, c.Q, j.frame.start + (image * j.frame.image + (line - image * c.P) * j.frame.row
                                                                   + r * j.frame.segment + i) * item,
                                1, j.frame.pixel, j.frame.row, packed, panel,
                                j.dw + ((r * run + i) * c.K + column) * item, c.K, NULL, line > 0, 0, NULL)
        line += lines
    pool_free(packed)


cdef int rows_weights(const Conv* c, const char* x, const char* g, char* dw) noexcept nogil:
    cdef Weights j
    cdef int threads
    cdef Py_ssize_t item = ITEMSIZE[c.kind], run = c.S * c.C, wanted
    if put_in_frame(&j.frame, c, x) < 0:
        return -1
    j.c, j.g, j.dw, j.status = c, g, dw, 0
    threads = threads_for(product_microseconds(c))
    wanted = 4 * threads if threads > 1 else 1
    j.lines = min(max(PIXELS // c.Q, 1), c.P)
    j.columns = even_part(c.K, max(GRADIENT_BYTES // (c.R * run * item), 2 * PANEL), PANEL)
    j.grid_columns = ceil_div(c.K, j.columns)
    j.rows = even_part(run, ceil_div(run, ceil_div(wanted, j.grid_columns)), TILE)
    parallel_for(weights_task, &j, ceil_div(run, j.rows) * j.grid_columns, threads)
    pool_free(j.frame.memory)
    return j.status
