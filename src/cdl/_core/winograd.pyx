"""Winograd's convolution F(4x4, 3x3): what is transformed when, in what blocks, on how many threads.

Instead of the 144 products that 4 x 4 pixels of the result take for each pair of channels, 36 are made of transformed
pixels and filters (kernels/winograd.c): 36 matrix products (tiles, C) (C, K), and for the gradient of the weights 36 of
(C, tiles) (tiles, K).

Transformed arrays are 2 to 4 times the size of what they are made from, and are made again where they are needed rather
than read from beyond L2, which takes longer. A task transforms a block of tiles, which then stays in L2; the filter passes
by in slices of some output and input channels, transformed just before they are multiplied. A filter that fits L2
beside the tiles is transformed once.

Every element of a product is one chain of multiply-adds over the channels (or the tiles) in order, so that neither the
blocks nor the number of threads changes a bit.
"""
from cdl._core.conv_shape cimport FORWARD, INPUT, Conv, Finish, finish_elements
from cdl._core.conv_windows cimport PANEL, weight_panel
from cdl._core.kernels cimport K, cdl_tiles
from cdl._core.memory cimport pool_alloc, pool_free
from cdl._core.sizes cimport ceil_div, even_part
from cdl._core.tensor cimport ITEMSIZE
from cdl._core.threads cimport parallel_for, threads_for


cdef enum:
    POINTS = 36
    LINE = 64               # bytes between planes: they fall into different sets of the caches
    BLOCK_TILES = 32        # tiles of a block: more push the filter out of L2, fewer have it transformed more often
    FEW_TILES = 6           # for so few rows there are tiles of registers that are twice as wide
    SLICE_BYTES = 5 << 16   # of a slice of the transformed filter
    WHOLE_BYTES = 5 << 18   # of a filter that is transformed as a whole
    PART = 64               # rows and columns of a task's part of the gradient of w
    STEP_TILES = 64         # of float32 in one step of its products
    # Beside the sum itself (conv_rows), per vector of the filter: pixels that take it as long as the transforms of the
    # filter, which are 5.5 a tile for its products (bench/NOTES.md); and channels that a transformed tile must be shared by.
    FILTER = 36
    TURNED_FILTER = 60      # transposed, or made of sums
    LEAST_DEPTH = 16
    SPAN = 2048             # tiles summed one after the other: then the filter's gradient gets the sums

cdef bint enabled = True, forced = False

cdef struct Job:
    int kind
    cdl_tiles source, target    # of the image that is read and of the one that is written
    Py_ssize_t tiles, depth, columns    # of all images; of the products
    Py_ssize_t block, group     # tiles and columns of a task
    Py_ssize_t groups           # tasks for the columns of a block
    Py_ssize_t width, chunk     # columns and depth of a slice of the filter
    const char* x
    const char* w               # its first tap
    Py_ssize_t tap, w_row, w_column     # steps from tap to tap, along the depth, and along the columns
    Py_ssize_t panel            # to the next PANEL columns
    char* y                     # the convolution and its bias: where f has a z, that
    char* out
    const Finish* f
    char* filter                # slice after slice, or NULL
    int status                  # -1: out of memory


cdef inline Py_ssize_t plane_of(int kind, Py_ssize_t rows, Py_ssize_t row) noexcept nogil:
    return rows * row + LINE // ITEMSIZE[kind]


cdef inline Py_ssize_t row_of(int kind, Py_ssize_t n) noexcept nogil:
    """Elements from one row of n to the next: not a multiple of a page, which would keep them in few sets of L1."""
    cdef Py_ssize_t line = LINE // ITEMSIZE[kind], row = ceil_div(n, line) * line
    return row + line if row * ITEMSIZE[kind] % 2048 == 0 else row


cdef cdl_tiles tiles_of(Py_ssize_t height, Py_ssize_t width, Py_ssize_t channels, Py_ssize_t down, Py_ssize_t across,
                        Py_ssize_t top, Py_ssize_t left) noexcept nogil:
    cdef cdl_tiles g
    g.height, g.width, g.channels, g.count, g.across, g.top, g.left = height, width, channels, down * across, across, top, left
    return g


# --- forward, and the gradient of x -----------------------------------------------------------------------------------
cdef void transform_slice(const Job* j, Py_ssize_t column, Py_ssize_t d, char* scratch, char* u) noexcept nogil:
    """Columns from `column` and depth from `d` on of the filter; scratch (9, chunk, width) where it is transposed."""
    cdef Py_ssize_t item = ITEMSIZE[j.kind], depth = min(j.chunk, j.depth - d), n = min(j.width, j.columns - column), i
    cdef Py_ssize_t plane = plane_of(j.kind, j.chunk, j.width)
    cdef const char* w = j.w + (d * j.w_row + column // PANEL * j.panel) * item
    if j.w_column == 1:
        for i in range(ceil_div(n, PANEL)):
            K[j.kind].winograd_filter(depth, min(n - i * PANEL, PANEL), w + i * j.panel * item, j.tap, j.w_row,
                                      u + i * PANEL * item, plane, j.width)
        return
    for i in range(9):
        K[j.kind].gemm_pack(depth, n, w + i * j.tap * item, j.w_row, j.w_column, scratch + i * depth * j.width * item,
                            j.width, PANEL)
    K[j.kind].winograd_filter(depth, n, scratch, depth * j.width, j.width, u, plane, j.width)


cdef inline Py_ssize_t slice_size(const Job* j) noexcept nogil:
    return POINTS * plane_of(j.kind, j.chunk, j.width) * ITEMSIZE[j.kind]


cdef inline Py_ssize_t scratch_size(const Job* j) noexcept nogil:
    return 0 if j.w_column == 1 else 9 * j.chunk * j.width * ITEMSIZE[j.kind]


cdef void filter_task(void* job, size_t task) noexcept nogil:
    cdef Job* j = <Job*>job
    cdef Py_ssize_t slices = ceil_div(j.depth, j.chunk), i
    cdef char* scratch = <char*>pool_alloc(scratch_size(j))
    if scratch == NULL:
        j.status = -1
        return
    for i in range(slices):
        transform_slice(j, <Py_ssize_t>task * j.width, i * j.chunk, scratch,
                        j.filter + (<Py_ssize_t>task * slices + i) * slice_size(j))
    pool_free(scratch)


cdef void multiply_columns(const Job* j, Py_ssize_t tile, Py_ssize_t tiles, Py_ssize_t column, const char* v, char* u,
                           char* scratch, char* m) noexcept nogil:
    """One slice's width of columns of the result for a block of tiles."""
    cdef Py_ssize_t item = ITEMSIZE[j.kind], n = min(j.width, j.columns - column), d, depth, p
    cdef Py_ssize_t row = row_of(j.kind, j.depth), v_plane = plane_of(j.kind, tiles, row) * item
    cdef Py_ssize_t u_plane = plane_of(j.kind, j.chunk, j.width) * item, m_plane = plane_of(j.kind, tiles, j.width) * item
    d = 0
    while d < j.depth:
        depth = min(j.chunk, j.depth - d)
        if j.filter == NULL:
            transform_slice(j, column, d, scratch, u)
        else:
            u = j.filter + (column // j.width * ceil_div(j.depth, j.chunk) + d // j.chunk) * slice_size(j)
        for p in range(POINTS):
            K[j.kind].gemm(tiles, n, depth, v + p * v_plane + d * item, row, 1, u + p * u_plane, j.width, PANEL,
                           m + p * m_plane, j.width, NULL, d > 0)
        d += depth
    K[j.kind].winograd_output(m, m_plane // item, j.width, j.f.bias + column * item if j.f.bias != NULL else NULL,
                              j.y + column * item, &j.target, tile, tiles, n)


cdef void finish_tiles(const Job* j, Py_ssize_t tile, Py_ssize_t tiles, Py_ssize_t column, Py_ssize_t n) noexcept nogil:
    """`added` and act for the pixels of a block of tiles: runs of them lie together where all columns are done."""
    cdef Py_ssize_t end = tile + tiles, run, down, across, row, first, pixels, i, width = j.target.width
    while tile < end:
        down = tile % j.target.count // j.target.across
        across = tile % j.target.count % j.target.across
        run = min(end - tile, <Py_ssize_t>j.target.across - across)
        pixels = min(4 * run, width - 4 * across)
        for row in range(4 * down, min(4 * down + 4, <Py_ssize_t>j.target.height)):
            first = ((tile // <Py_ssize_t>j.target.count * j.target.height + row) * width + 4 * across) * j.columns + column
            if n == j.columns:
                finish_elements(j.kind, j.f, j.out, first, pixels * n)
            else:
                for i in range(pixels):
                    finish_elements(j.kind, j.f, j.out, first + i * j.columns, n)
        tile += run


cdef void block_task(void* job, size_t task) noexcept nogil:
    cdef Job* j = <Job*>job
    cdef Py_ssize_t tile = <Py_ssize_t>task // j.groups * j.block, tiles = min(j.block, j.tiles - tile)
    cdef Py_ssize_t first = <Py_ssize_t>task % j.groups * j.group, end = min(first + j.group, j.columns), column
    cdef Py_ssize_t item = ITEMSIZE[j.kind], row = row_of(j.kind, j.depth), plane = plane_of(j.kind, tiles, row)
    cdef Py_ssize_t slice_bytes = slice_size(j) if j.filter == NULL else 0
    cdef Py_ssize_t scratch_bytes = scratch_size(j) if j.filter == NULL else 0
    cdef char* v = <char*>pool_alloc(POINTS * plane * item)
    cdef char* u = <char*>pool_alloc(slice_bytes + scratch_bytes + POINTS * plane_of(j.kind, tiles, j.width) * item)
    if v != NULL and u != NULL:
        K[j.kind].winograd_input(j.x, &j.source, tile, tiles, j.depth, v, plane, row)
        column = first
        while column < end:
            multiply_columns(j, tile, tiles, column, v, u, u + slice_bytes, u + slice_bytes + scratch_bytes)
            column += j.width
        if j.f.added != NULL or j.f.act >= 0:
            finish_tiles(j, tile, tiles, first, end - first)
    else:
        j.status = -1
    pool_free(v)
    pool_free(u)


cdef int convolve(Job* j) noexcept nogil:
    """y from x and w; the fields from block on are not set yet."""
    cdef Py_ssize_t item = ITEMSIZE[j.kind], blocks
    cdef double microseconds = 2.0 * POINTS * j.tiles * j.depth * j.columns * item / 4 * 1e-5
    cdef int threads = threads_for(microseconds)
    j.status, j.filter, j.width = 0, NULL, 2 * PANEL if j.tiles <= FEW_TILES else PANEL
    j.chunk = even_part(j.depth, SLICE_BYTES // (POINTS * PANEL * item), 1)
    j.block = even_part(j.tiles, BLOCK_TILES, 1)
    blocks = ceil_div(j.tiles, j.block)
    j.groups = 1
    if blocks < 2 * threads and threads > 1:
        j.groups = min(ceil_div(2 * threads, blocks), ceil_div(j.columns, j.width))
    j.group = ceil_div(ceil_div(j.columns, j.width), j.groups) * j.width
    j.groups = ceil_div(j.columns, j.group)
    if blocks > 2 and ceil_div(j.columns, j.width) * ceil_div(j.depth, j.chunk) * slice_size(j) <= WHOLE_BYTES:
        j.filter = <char*>pool_alloc(ceil_div(j.columns, j.width) * ceil_div(j.depth, j.chunk) * slice_size(j))
        if j.filter == NULL:
            return -1
        parallel_for(filter_task, j, ceil_div(j.columns, j.width), threads)
    if j.status == 0:
        parallel_for(block_task, j, blocks * j.groups, threads)
    pool_free(j.filter)
    return j.status


cdef int winograd_forward(const Conv* c, const Finish* f, const char* x, const char* w, char* y) noexcept nogil:
    cdef Job j
    cdef Py_ssize_t down = ceil_div(c.P, 4), across = ceil_div(c.Q, 4)
    j.kind, j.depth, j.columns, j.tiles = c.kind, c.C, c.K, c.N * down * across
    j.source = tiles_of(c.H, c.W, c.C, down, across, c.top, c.left)
    j.target = tiles_of(c.P, c.Q, c.K, down, across, 0, 0)
    j.x, j.w, j.y, j.out, j.f = x, w, f.z if f.z != NULL else y, y, f
    j.tap, j.w_row, j.w_column, j.panel = c.C * c.K, c.K, 1, PANEL
    if c.packed:
        j.tap, j.w_row, j.panel = c.C * PANEL, PANEL, weight_panel(c)
    return convolve(&j)


cdef int winograd_input(const Conv* c, const char* g, const char* w, char* dx) noexcept nogil:
    """The convolution of g with the filter turned by 180 degrees and transposed."""
    cdef Job j
    cdef Finish f
    cdef Py_ssize_t down = ceil_div(c.H, 4), across = ceil_div(c.W, 4)
    f.bias, f.added, f.z, f.act = NULL, NULL, NULL, -1
    j.kind, j.depth, j.columns, j.tiles = c.kind, c.K, c.C, c.N * down * across
    j.source = tiles_of(c.P, c.Q, c.K, down, across, 2 - c.top, 2 - c.left)
    j.target = tiles_of(c.H, c.W, c.C, down, across, 0, 0)
    j.x, j.w, j.y, j.out, j.f = g, w + 8 * c.C * c.K * ITEMSIZE[c.kind], dx, dx, &f
    j.tap, j.w_row, j.w_column, j.panel = -c.C * c.K, 1, c.K, PANEL * c.K
    return convolve(&j)


# --- the gradient of w ------------------------------------------------------------------------------------------------
cdef struct Weights:
    int kind
    cdl_tiles source, target    # of x and of g
    Py_ssize_t C, K, tiles, block
    Py_ssize_t height, width, across    # of a task's part of dw; parts side by side
    const char* x
    const char* g
    char* dw
    int status


cdef void weights_block(const Weights* j, Py_ssize_t tile, Py_ssize_t tiles, Py_ssize_t c, Py_ssize_t height, Py_ssize_t k,
                        Py_ssize_t width, char* v, char* u, char* m, bint accumulate) noexcept nogil:
    """The products of a block of tiles, for rows from c and columns from k on of dw."""
    cdef Py_ssize_t item = ITEMSIZE[j.kind], v_row = row_of(j.kind, height), u_row = row_of(j.kind, width), p
    cdef Py_ssize_t v_plane = plane_of(j.kind, tiles, v_row), u_plane = plane_of(j.kind, tiles, u_row)
    cdef Py_ssize_t m_plane = plane_of(j.kind, height, width) * item
    K[j.kind].winograd_input(j.x + c * item, &j.source, tile, tiles, height, v, v_plane, v_row)
    K[j.kind].winograd_gradient(j.g + k * item, &j.target, tile, tiles, width, u, u_plane, u_row)
    for p in range(POINTS):
        K[j.kind].gemm(height, width, tiles, v + p * v_plane * item, 1, v_row, u + p * u_plane * item, u_row, PANEL,
                       m + p * m_plane, width, NULL, accumulate)


cdef void weights_task(void* job, size_t task) noexcept nogil:
    cdef Weights* j = <Weights*>job
    cdef Py_ssize_t item = ITEMSIZE[j.kind], tile = 0, tiles, done = 0
    cdef Py_ssize_t c = <Py_ssize_t>task // j.across * j.height, height = min(j.height, j.C - c)
    cdef Py_ssize_t k = <Py_ssize_t>task % j.across * j.width, width = min(j.width, j.K - k)
    cdef Py_ssize_t plane = plane_of(j.kind, height, width)
    cdef char* v = <char*>pool_alloc(POINTS * plane_of(j.kind, j.block, row_of(j.kind, height)) * item)
    cdef char* u = <char*>pool_alloc(POINTS * plane_of(j.kind, j.block, row_of(j.kind, width)) * item)
    cdef char* m = <char*>pool_alloc(POINTS * plane * item)
    if v == NULL or u == NULL or m == NULL:
        j.status = -1
        tile = j.tiles
    while tile < j.tiles:
        tiles = min(j.block, j.tiles - tile)
        weights_block(j, tile, tiles, c, height, k, width, v, u, m, done > 0)
        tile += tiles
        done += tiles
        if done >= SPAN or tile == j.tiles:
            K[j.kind].winograd_filter_backward(height, width, m, plane, width, j.dw + (c * j.K + k) * item, j.C * j.K, j.K,
                                               tile > done)
            done = 0
    pool_free(v)
    pool_free(u)
    pool_free(m)


cdef int winograd_weights(const Conv* c, const char* x, const char* g, char* dw) noexcept nogil:
    cdef Weights j
    cdef Py_ssize_t down = ceil_div(c.P, 4), across = ceil_div(c.Q, 4), item = ITEMSIZE[c.kind]
    cdef int threads
    j.kind, j.C, j.K, j.tiles = c.kind, c.C, c.K, c.N * down * across
    j.source = tiles_of(c.H, c.W, c.C, down, across, c.top, c.left)
    j.target = tiles_of(c.P, c.Q, c.K, down, across, 0, 0)
    j.x, j.g, j.dw, j.status = x, g, dw, 0
    threads = threads_for(2.0 * POINTS * j.tiles * j.C * j.K * item / 4 * 1e-5)
    j.width = min(PART, c.K)
    j.height = min(PART, c.C)
    while ceil_div(c.K, j.width) * ceil_div(c.C, j.height) < threads and j.height > 16:
        j.height = ceil_div(j.height, 2)
    j.across = ceil_div(c.K, j.width)
    j.block = even_part(j.tiles, STEP_TILES * 4 // item, 1)
    parallel_for(weights_task, &j, j.across * ceil_div(c.C, j.height), threads)
    return j.status


# --- whether to use it ------------------------------------------------------------------------------------------------
cdef bint winograd_serves(const Conv* c, int direction) noexcept nogil:
    cdef bint forward = direction == FORWARD
    cdef Py_ssize_t rows = c.H if direction == INPUT else c.P, columns = c.W if direction == INPUT else c.Q
    cdef Py_ssize_t tiles = c.N * ceil_div(rows, 4) * ceil_div(columns, 4)
    if not enabled or c.R != 3 or c.S != 3 or c.groups != 1:
        return False
    if c.stride_h != 1 or c.stride_w != 1 or c.dilation_h != 1 or c.dilation_w != 1:
        return False
    if forced:
        return c.C > 0 and c.K > 0
    if (c.K if direction == INPUT else c.C) < LEAST_DEPTH:
        return False
    return 2 * c.N * rows * columns > 11 * tiles + 2 * (FILTER if forward else TURNED_FILTER)


def set_winograd(on):
    """Let 3 x 3 convolutions of stride 1 take Winograd's way where it is the faster one, or keep them from it.

    F(4x4, 3x3) makes 4 x 4 pixels of the result with 36 multiplications for each pair of channels instead of 144. Its
    transforms round more: in float32 the largest error over max|y| is 1.2e-6 to 4.3e-6 for images of 64 to 512 channels, of
    the sum itself 0.7e-6 to 3e-6, for the gradients alike; in float64 2e-15 to 7e-15. A NaN or an infinity in x, which the
    sum keeps to the 3 x 3 pixels around it, is NaN in all pixels of the tiles of 4 x 4 that see it. Switched on at first.

    Parameters
    ----------
    on : bool

    Raises
    ------
    TypeError
        If it is no bool.

    Source
    ------
    Lavin and Gray, Fast Algorithms for Convolutional Neural Networks, 2016, with points at 0, ±1/√2, ±√2 and infinity.

    Examples
    --------
    >>> import cdl
    >>> cdl.set_winograd(False)
    >>> cdl.set_winograd(True)
    """
    global enabled
    if on is not True and on is not False:
        raise TypeError(f"set_winograd: expected True or False, got {on!r}")
    enabled = on


def get_winograd():
    """Whether convolutions may take Winograd's way; see `set_winograd`."""
    return enabled


def _force_winograd(bint on):
    """For tests: let it take every convolution that it can, whatever the measurements say."""
    global forced
    forced = on
