"""Matrix product: which kernel, what is packed, in what blocks, on how many threads.

Small products and those of few rows run on their operands where they lie: the kernel reads `a` by any strides and `b`
by rows. A `b` that is larger than L2 is then taken a slab of rows at a time, which the processor fetches ahead, rather
than column by column, which it does not (14 rows times 4096 x 4096: 17 % of the peak by columns, 60 % in slabs).

Where c is too large to be gone over once a slab, some columns of b are packed into panels that stay in L2, and all rows
of a pass by them. Packing also serves a transposed `b`, whose rows are not contiguous, unless `a` has so few rows that
sums along k are cheaper; and an `a` whose rows are a multiple of a 4 KB page apart, which fall into the same few lines
of L1.

Threads get blocks of rows and columns, never parts of k: an element is the same chain of multiply-adds in any block.
"""
import os

from cdl._core.bfloat16 cimport bf16_gemm, bf16_serves
from cdl._core.kernels cimport BINARY_ADD, K
from cdl._core.memory cimport pool_alloc, pool_free
from cdl._core.product cimport Batch, Gemm, activate
from cdl._core.sizes cimport ceil_div, even_part
from cdl._core.tensor cimport F32, ITEMSIZE
from cdl._core.threads cimport parallel_for, threads_for


cdef extern from "gemm.h" nogil:
    const Py_ssize_t PANEL "CDL_GEMM_PANEL"

cdef extern from *:
    """
    static inline void cdl_fetch(const char *b, ptrdiff_t rows, ptrdiff_t bytes, ptrdiff_t b_row) {
        for (; rows > 0; rows--, b += b_row)
            for (ptrdiff_t i = 0; i < bytes; i += 64)
                __builtin_prefetch(b + i, 0, 2);    /* into L2 */
    }
    """
    void fetch "cdl_fetch"(const char* b, Py_ssize_t rows, Py_ssize_t bytes, Py_ssize_t b_row) noexcept nogil

cdef enum:
    PAGE = 4096
    CHUNK_BYTES = 4096          # k x item of packed operands: k = 1024 in float32 had 95 % where 512 had 93 and 384 90
    # The same where a is stored transposed, a block of which is turned into rows. Read as it lies every step of k is a line
    # or two of the 768 of L1: (1536, 2048, 384) 150 GF/s in chunks of 384 steps, turned 162, 155 and 183 with 256, 384 and
    # 512; (512, 6400, 2048) 150, 182. Turning it does not pay for a shorter sum.
    TURNED_CHUNK_BYTES = 2048
    TURNED_DEPTH = 64
    GROUP_BYTES = 3 << 18       # of packed b: 8 panels at k = 768, in L2 while all rows of a pass by
    # Held panels, where all of a fits L2 beside them and the next group, which is on its way: (128, 768, 3072) from memory
    # 203 GF/s, 190 with twice as much and 177 with four times; where a comes from further for every group, 180 of 193.
    HELD_A_BYTES = 1 << 20
    HELD_GROUP_BYTES = 3 << 16
    BLOCK_BYTES = 1 << 19       # of a block of a beside b in place, half of an L2 cache of 1 MB: the rest is for b and c
    PACKED_A_BYTES = 1 << 22    # of a packed block of a: each block packs b anew, which costs a 100th of 1024 rows
    BLOCK_ROWS = 28             # two tiles: rows of packed products that are still in L1 when the activation is applied
    FINISHED_BYTES = 1 << 18    # the same in L2, where all rows pass by while the next panels are fetched
    WHOLE_B_BYTES = 1 << 20     # a smaller b needs no slabs
    SLAB_BYTES = 5 << 17        # of a slab: 512 KB to 1 MB were equal, more or less lost up to 10 %
    DIRECT_C_BYTES = 7 << 17    # larger c are not gone over for every slab
    # A slab that so many rows share is fetched whole before it is gone over by columns: from memory (128, 3072, 768)
    # 118 -> 155 GF/s, from L3 186 -> 182; with 8 rows L3 loses 30 %.
    FETCH_ROWS = 64
    MOST_COLUMNS = 2048
    EPILOGUE_COLUMNS = 256      # with an activation: 128 rows of c, 128 KB, are still in L2 when it is applied
    DOT_ROWS = 32               # packing b costs 2 cycles an element, a row of a 1/16: more rows are worth it
    DOT_DEPTH = 64              # a shorter sum spends its time adding up lanes
    PACK_ROWS = 28              # packing b costs as much as 8 to 16 rows of products with it
    CROWDED_ROWS = 5            # fewer rows stay in the 8 ways of L1 whatever their stride
    INNER_PART = 1 << 14        # elements of a part of a long inner product: both parts of float32 in a quarter of L2
    FEW_FLOPS = 400_000         # below: no blocks, no threads, no arithmetic about them (4 µs)

# The 14 rows of a tile get by with 12 lines to a set (-1 % for packing them), not with 8 (+20 %). 0 where not known.
cdef long L1_WAYS = os.sysconf("SC_LEVEL1_DCACHE_ASSOC") if "SC_LEVEL1_DCACHE_ASSOC" in os.sysconf_names else 0

cdef struct Plan:
    Gemm g
    bint dot, pack_a, pack_b
    bint turn_a                 # pack rows of an a that is stored transposed
    bint held                   # b is packed already: panels of PANEL columns, all of k in each
    Py_ssize_t rows, columns    # of the block of one task
    Py_ssize_t grid_columns     # blocks side by side
    int status                  # -1: out of memory

cdef struct Block:
    # Operands of a block of c for some steps of k
    const char* a
    Py_ssize_t a_row, a_col
    const char* b
    Py_ssize_t b_row, panel
    const char* next            # packed b of the block after it, which is fetched on the way; or NULL


cdef double gemm_microseconds(const Gemm* g) noexcept nogil:
    # 100 (50) flops a nanosecond, or reading b at 40 bytes a nanosecond where few rows share it
    cdef double flops = 2.0 * g.m * g.n * g.k * ITEMSIZE[g.kind] / 4, read = <double>g.k * g.n * ITEMSIZE[g.kind]
    return flops * 1e-5 + read * 2.5e-5 + <double>g.m * g.n * 1e-4


cdef void dot_block(const Plan* plan, Py_ssize_t i, Py_ssize_t j, Py_ssize_t m, Py_ssize_t n) noexcept nogil:
    cdef const Gemm* g = &plan.g
    cdef Py_ssize_t item = ITEMSIZE[g.kind]
    cdef char* z = g.z if g.z != NULL else g.c
    K[g.kind].gemm_dot(m, n, g.k, g.a + i * g.a_row * item, g.a_row, g.b + j * g.b_col * item, g.b_col,
                       z + (i * g.c_row + j) * item, g.c_row, NULL if g.bias == NULL else g.bias + j * item,
                       g.accumulate)
    if g.act >= 0:
        activate(g, i, j, m, n)


cdef void pack_rows(const Gemm* g, const char* a, Py_ssize_t height, Py_ssize_t depth, char* packed, Py_ssize_t a_row,
                    Py_ssize_t a_col) noexcept nogil:
    """Copy a block of a to `packed`, as rows, or with a_row = 1 as columns."""
    if a_row == 1:
        K[g.kind].gemm_pack(depth, height, a, g.a_col, g.a_row, packed, a_col, PANEL)
    else:
        K[g.kind].gemm_pack(height, depth, a, g.a_row, g.a_col, packed, a_row, PANEL)


cdef Py_ssize_t steps_at_once(const Plan* plan, Py_ssize_t n) noexcept nogil:
    """How many steps of k a block of n columns is taken through before the next rows and columns have their turn."""
    cdef const Gemm* g = &plan.g
    cdef Py_ssize_t item = ITEMSIZE[g.kind], most = CHUNK_BYTES // item
    if not plan.pack_b and not plan.held and g.k * n * item > WHOLE_B_BYTES:
        most = min(most, max(SLAB_BYTES // (n * item), 8))
    elif plan.pack_b and g.a_row == 1:
        most = min(most, TURNED_CHUNK_BYTES // item)
    return even_part(g.k, most, 1) if g.k else 1


cdef int tile_block(const Plan* plan, Py_ssize_t i, Py_ssize_t j, Py_ssize_t m, Py_ssize_t n) noexcept nogil:
    """Rows i to i + m and columns j to j + n of c, in blocks that fit the caches."""
    cdef const Gemm* g = &plan.g
    cdef Block block
    cdef Py_ssize_t item = ITEMSIZE[g.kind], chunk = steps_at_once(plan, n), high = BLOCK_BYTES, wide = MOST_COLUMNS, group
    cdef char* packed_a = NULL
    cdef char* packed_b = NULL
    cdef int status = -1
    block.a_row, block.a_col, block.b_row, block.panel = g.a_row, g.a_col, g.b_row, PANEL
    if plan.pack_b or plan.held:
        high, group = PACKED_A_BYTES, GROUP_BYTES
        if plan.held and m * chunk * item <= HELD_A_BYTES:
            group = HELD_GROUP_BYTES
        wide = max(group // (chunk * PANEL * item), 1) * PANEL
        block.b_row, block.panel = PANEL, g.k * PANEL if plan.held else chunk * PANEL + 16
    high = even_part(m, max(high // (chunk * item), BLOCK_ROWS), 1)
    wide = even_part(n, wide, PANEL)
    if plan.pack_a:     # 16 elements between rows keep them out of one another's cache sets
        if g.a_row == 1 and not plan.turn_a:    # a is stored transposed: its packed block too
            block.a_col = high + 16
            packed_a = <char*>pool_alloc(chunk * block.a_col * item)
        else:
            block.a_row, block.a_col = chunk + 16, 1
            packed_a = <char*>pool_alloc(high * block.a_row * item)
    if plan.pack_b:
        packed_b = <char*>pool_alloc(wide // PANEL * block.panel * item)
    if (packed_a != NULL or not plan.pack_a) and (packed_b != NULL or not plan.pack_b):
        all_blocks(plan, &block, i, j, m, n, chunk, high, wide, packed_a, packed_b)
        status = 0
    pool_free(packed_a)
    pool_free(packed_b)
    return status


cdef void all_blocks(const Plan* plan, Block* block, Py_ssize_t i, Py_ssize_t j, Py_ssize_t m, Py_ssize_t n,
                     Py_ssize_t chunk, Py_ssize_t high, Py_ssize_t wide, char* packed_a, char* packed_b) noexcept nogil:
    cdef const Gemm* g = &plan.g
    cdef Py_ssize_t item = ITEMSIZE[g.kind], p, jj, ii, depth, width, height
    ii = i
    while ii < i + m:
        height = min(high, i + m - ii)
        p = 0
        while True:     # once for k = 0: c is then the bias
            depth = min(chunk, g.k - p)
            block.a = g.a + (ii * g.a_row + p * g.a_col) * item
            if plan.pack_a:
                pack_rows(g, block.a, height, depth, packed_a, block.a_row, block.a_col)
                block.a = packed_a
            if not plan.pack_b and not plan.held and m >= FETCH_ROWS and g.k * n * item > WHOLE_B_BYTES:
                fetch(g.b + (p * g.b_row + j) * item, depth, n * item, g.b_row * item)
            jj = j
            while jj < j + n:
                width = min(wide, j + n - jj)
                block.next = NULL
                if plan.held:
                    block.b = held_columns(g, p, jj)
                    if jj + width < j + n:
                        block.next = held_columns(g, p, jj + width)
                    elif p + depth < g.k:
                        block.next = held_columns(g, p + depth, j)
                else:
                    block.b = g.b + (p * g.b_row + jj * g.b_col) * item
                if plan.pack_b:
                    K[g.kind].gemm_pack(depth, width, block.b, g.b_row, g.b_col, packed_b, PANEL, block.panel)
                    block.b = packed_b
                times_columns(g, block, ii, jj, height, width, p, depth)
                jj += width
            p += depth
            if p >= g.k:
                break
        ii += height


cdef inline const char* held_columns(const Gemm* g, Py_ssize_t p, Py_ssize_t j) noexcept nogil:
    """Row p of the panel that begins with column j."""
    return g.b + (j * g.k + p * PANEL) * ITEMSIZE[g.kind]


cdef inline void times_columns(const Gemm* g, const Block* block, Py_ssize_t i, Py_ssize_t j, Py_ssize_t m, Py_ssize_t n,
                               Py_ssize_t p, Py_ssize_t depth) noexcept nogil:
    """Rows i to i + m and columns j to j + n of c, for `depth` steps of k from p on; after the last, the activation."""
    cdef Py_ssize_t item = ITEMSIZE[g.kind], rows = m, done = 0
    cdef bint last = g.act >= 0 and p + depth >= g.k
    cdef char* z = (g.z if g.z != NULL else g.c) + (i * g.c_row + j) * item
    if last and block.next != NULL:
        rows = max(FINISHED_BYTES // (n * item), BLOCK_ROWS)
    elif last and block.panel != PANEL:     # columns of packed panels are cheap to come back to: a few rows, still in L1
        rows = BLOCK_ROWS
    while done < m:
        rows = min(rows, m - done)
        K[g.kind].gemm_fetching(rows, n, depth, block.a + done * block.a_row * item, block.a_row, block.a_col, block.b,
                                block.b_row, block.panel, z + done * g.c_row * item, g.c_row,
                                NULL if g.bias == NULL or p > 0 else g.bias + j * item, g.accumulate or p > 0, block.next)
        if last:
            activate(g, i + done, j, rows, n)
        done += rows


cdef void block_task(void* job, size_t task) noexcept nogil:
    cdef Plan* plan = <Plan*>job
    cdef Py_ssize_t i = <Py_ssize_t>task // plan.grid_columns * plan.rows
    cdef Py_ssize_t j = <Py_ssize_t>task % plan.grid_columns * plan.columns
    cdef Py_ssize_t m = min(plan.rows, plan.g.m - i), n = min(plan.columns, plan.g.n - j)
    if plan.dot:
        dot_block(plan, i, j, m, n)
    elif tile_block(plan, i, j, m, n) < 0:
        plan.status = -1


cdef inline bint crowded(Py_ssize_t stride, int kind) noexcept nogil:
    """Do elements so far apart share a few sets of the cache?"""
    return stride != 0 and stride * ITEMSIZE[kind] % PAGE == 0


cdef void choose(Plan* plan) noexcept nogil:
    """How this product is computed: depends on shape and strides alone, so that the bits do too."""
    cdef Gemm* g = &plan.g
    if g.n == 1:
        g.b_col = 1
    if g.k == 1:
        g.a_col = 1
        if g.b_col != 1:
            g.b_row = 1
    if g.m == 1:
        g.a_row = 1 if g.a_col != 1 else g.k
    plan.held = False
    plan.status = 0
    plan.rows, plan.columns, plan.grid_columns = g.m, g.n, 1
    plan.dot = g.b_row == 1 and g.b_col != 1 and g.a_col == 1 and g.m <= (
        DOT_ROWS if g.k >= DOT_DEPTH else 1)
    plan.pack_b = g.b_col != 1 or (g.m >= PACK_ROWS and g.m * g.n * ITEMSIZE[g.kind] > DIRECT_C_BYTES)
    plan.pack_a = g.m >= CROWDED_ROWS and g.k > 8 and g.n > PANEL and not (plan.pack_b and L1_WAYS >= 12) and (
        crowded(g.a_row, g.kind) or (g.m > 14 and crowded(g.a_col, g.kind)))
    plan.turn_a = plan.pack_b and g.a_row == 1 and g.a_col != 1 and g.k >= TURNED_DEPTH
    plan.pack_a |= plan.turn_a


cdef void share_out(Plan* plan, int threads, double microseconds) noexcept nogil:
    """Cuts c into blocks for the threads: a few each, so that one which is late does not keep the others waiting."""
    cdef Py_ssize_t wanted = threads * (4 if microseconds > 400 else 2), across = 1, down = 1
    cdef Py_ssize_t m = plan.g.m, n = plan.g.n
    while across * down < wanted:
        if n // across >= 4 * PANEL and (n // across >= m // down or m // down < 28):
            across *= 2
        elif m // down >= 28:
            down *= 2
        else:
            break
    plan.rows = ceil_div(m, down)
    plan.columns = ceil_div(ceil_div(n, across), PANEL) * PANEL
    plan.grid_columns = ceil_div(n, plan.columns)


cdef int matrix_vector(const Gemm* g) noexcept nogil:
    """n = 1: cT = bT aT has one row and m columns, for which there are kernels; the bias is then one number for all."""
    cdef Gemm turned = g[0]
    cdef char* z = g.z if g.z != NULL else g.c
    turned.m, turned.n = 1, g.m
    turned.a, turned.a_row, turned.a_col = g.b, 1, g.b_row
    turned.b, turned.b_row, turned.b_col = g.a, g.a_col, g.a_row
    turned.c, turned.c_row = z, g.m
    turned.bias, turned.z, turned.act = NULL, NULL, -1
    if gemm(&turned) < 0:
        return -1
    if g.bias != NULL:
        K[g.kind].binary_forward[BINARY_ADD](z, g.bias, z, g.m, 1, 0)
    if g.act >= 0:
        activate(g, 0, 0, g.m, 1)
    return 0


cdef struct Inner:
    const Gemm* g
    char* parts


cdef void inner_task(void* job, size_t task) noexcept nogil:
    cdef Inner* j = <Inner*>job
    cdef Py_ssize_t first = <Py_ssize_t>task * INNER_PART, item = ITEMSIZE[j.g.kind]
    K[j.g.kind].gemm_inner(min(<Py_ssize_t>INNER_PART, j.g.k - first), j.g.a + first * item, j.g.b + first * item,
                           j.parts + <Py_ssize_t>task * item)


cdef int inner(const Gemm* g) noexcept nogil:
    """m = n = 1 and a long k: parts of fixed length are the tasks, and their sums are added in double, in order."""
    cdef Inner job
    cdef Py_ssize_t parts = ceil_div(g.k, INNER_PART), i
    cdef double total = 0, was = 0
    cdef char* z = g.z if g.z != NULL else g.c
    job.g = g
    job.parts = <char*>pool_alloc(parts * ITEMSIZE[g.kind])
    if job.parts == NULL:
        return -1
    parallel_for(inner_task, &job, parts, threads_for(gemm_microseconds(g)))
    for i in range(parts):
        total += (<float*>job.parts)[i] if g.kind == F32 else (<double*>job.parts)[i]
    if g.bias != NULL:
        total += (<float*>g.bias)[0] if g.kind == F32 else (<double*>g.bias)[0]
    if g.accumulate:
        was = (<float*>z)[0] if g.kind == F32 else (<double*>z)[0]
    if g.kind == F32:
        (<float*>z)[0] = <float>(total + was)
    else:
        (<double*>z)[0] = total + was
    pool_free(job.parts)
    if g.act >= 0:
        activate(g, 0, 0, 1, 1)
    return 0


cdef int gemm(const Gemm* g) noexcept nogil:
    cdef Plan plan
    if g.m == 0 or g.n == 0:
        return 0
    if g.b_col == 1 and g.n > 1 and g.m * g.n < FEW_FLOPS and 2 * g.m * g.n * g.k < FEW_FLOPS:
        K[g.kind].gemm(g.m, g.n, g.k, g.a, g.a_row, g.a_col, g.b, g.b_row, PANEL, g.z if g.z != NULL else g.c, g.c_row,
                       g.bias, g.accumulate)
        if g.act >= 0:
            activate(g, 0, 0, g.m, g.n)
        return 0
    if g.n == 1 and g.m > 1 and g.k > 1 and g.c_row == 1:
        return matrix_vector(g)
    if g.n == 1 and g.m == 1 and g.a_col == 1 and g.b_row == 1:
        return inner(g)
    if bf16_serves(g):
        return bf16_gemm(g)
    plan.g = g[0]
    choose(&plan)
    return carry_out(&plan)


cdef int carry_out(Plan* plan) noexcept nogil:
    cdef double microseconds = gemm_microseconds(&plan.g)
    cdef int threads = threads_for(microseconds)
    if threads > 1:
        share_out(plan, threads, microseconds)
    parallel_for(block_task, plan, ceil_div(plan.g.m, plan.rows) * plan.grid_columns, threads)
    return plan.status


# --- b packed once ----------------------------------------------------------------------------------------------------
cdef Py_ssize_t panels_size(Py_ssize_t k, Py_ssize_t n) noexcept nogil:
    return k * ceil_div(n, PANEL) * PANEL


cdef void pack_panels(const Gemm* g, char* panels) noexcept nogil:
    K[g.kind].gemm_pack(g.k, g.n, g.b, g.b_row, g.b_col, panels, PANEL, g.k * PANEL)


cdef int gemm_of_panels(const Gemm* g, const char* panels) noexcept nogil:
    cdef Plan plan
    if g.m == 0 or g.n == 0:
        return 0
    plan.g = g[0]
    plan.g.b, plan.g.b_row, plan.g.b_col = panels, PANEL, 1
    choose(&plan)
    plan.dot, plan.pack_a, plan.pack_b, plan.held = False, False, False, True
    return carry_out(&plan)


cdef struct Many:
    const Gemm* g
    const Batch* batch
    int status


cdef int product_of_batch(const Gemm* g, const Batch* batch, size_t index) noexcept nogil:
    """One matrix of the result: the product at `index` of the kept axes, or the sum of all along the others."""
    cdef Gemm one = g[0]
    cdef Py_ssize_t item = ITEMSIZE[g.kind], products = 1, rest, count, position
    cdef Py_ssize_t a, b, a_start = 0, b_start = 0, c = 0
    cdef int axis = batch.ndim - 1
    while axis >= 0:
        if batch.c_step[axis] == 0:
            products *= batch.dims[axis]
        else:
            position = <Py_ssize_t>index % batch.dims[axis]
            index //= batch.dims[axis]
            a_start += position * batch.a_step[axis]
            b_start += position * batch.b_step[axis]
            c += position * batch.c_step[axis]
        axis -= 1
    one.c = g.c + c * item
    if g.z != NULL:
        one.z = g.z + c * item
    if products == 0:       # the sum of nothing is zero
        one.k = 0
        return gemm(&one)
    for count in range(products):
        rest, a, b = count, a_start, b_start
        axis = batch.ndim - 1
        while axis >= 0:
            if batch.c_step[axis] == 0:
                a += rest % batch.dims[axis] * batch.a_step[axis]
                b += rest % batch.dims[axis] * batch.b_step[axis]
                rest //= batch.dims[axis]
            axis -= 1
        one.a, one.b = g.a + a * item, g.b + b * item
        one.act = g.act if count == products - 1 else -1
        if gemm(&one) < 0:
            return -1
        one.accumulate, one.bias = True, NULL
    return 0


cdef void batch_task(void* job, size_t task) noexcept nogil:
    cdef Many* many = <Many*>job
    if product_of_batch(many.g, many.batch, task) < 0:
        many.status = -1


cdef int gemm_batched(const Gemm* g, const Batch* batch) noexcept nogil:
    cdef Many many = Many(g, batch, 0)
    cdef Py_ssize_t kept = 1, summed = 1
    cdef int axis, threads
    for axis in range(batch.ndim):
        if batch.c_step[axis] == 0:
            summed *= batch.dims[axis]
        else:
            kept *= batch.dims[axis]
    threads = threads_for(gemm_microseconds(g) * kept * summed)
    if kept < 4 * threads:      # too few to share out: the threads share each product instead
        threads = 1
    parallel_for(batch_task, &many, kept, threads)
    return many.status


cdef int multiply(const Gemm* g) except -1:
    cdef int status
    if gemm_microseconds(g) < 4:
        status = gemm(g)
    else:
        with nogil:
            status = gemm(g)
    if status < 0:
        raise MemoryError(f"matrix product: no memory to pack a ({g.k}, {g.n}) matrix")
    return 0


cdef int multiply_batched(const Gemm* g, const Batch* batch) except -1:
    cdef int status
    with nogil:
        status = gemm_batched(g, batch)
    if status < 0:
        raise MemoryError(f"matrix product: no memory to pack a ({g.k}, {g.n}) matrix")
    return 0
