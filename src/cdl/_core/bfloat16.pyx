"""Matrix products in bfloat16: operands rounded while they are packed, sums and results in float32.

All of a and b is packed first, b in panels that the blocks of c share, and then multiplied by what the processor has for it:
AMX, AVX-512's dot product of pairs, or neither (kernels/bfloat16.c). A block of c is summed over all of k in registers,
so that neither the blocks nor the number of threads changes a bit; the three units differ in how they add up.
"""
from libc.string cimport memset

from cdl._core.kernels cimport BF16_FLOATS, BF16_PAIRS, BF16_TILES, K
from cdl._core.memory cimport pool_alloc, pool_free
from cdl._core.product cimport Gemm, activate
from cdl._core.sizes cimport ceil_div, even_part
from cdl._core.tensor cimport F32
from cdl._core.threads cimport share_tasks

from cdl._core.kernels import BF16_UNIT


cdef extern from "gemm.h" nogil:
    const Py_ssize_t PANEL "CDL_GEMM_PANEL"

# Linux lets a process use the tiles only once it has asked for them: their 8 KB are then part of what a signal saves.
cdef extern from *:
    """
    #if defined(__linux__) && defined(__x86_64__)
    #include <sys/syscall.h>
    #include <unistd.h>
    static int allow_tiles(void) { return syscall(SYS_arch_prctl, 0x1023 /* ARCH_REQ_XCOMP_PERM */, 18 /* tile data */) == 0; }
    #else
    static int allow_tiles(void) { return 0; }
    #endif
    """
    bint allow_tiles()

cdef enum:
    WORD = 4
    STEP = 16               # words that a tile takes at a time: k is filled up to it
    LEAST = 32              # rows, columns, depth
    BLOCK_BYTES = 1 << 19   # of rows of a, and of columns of b, beside each other in L2
    PACKED_ROWS = 64        # of a, packed in one task

cdef bint enabled = False
cdef int unit = BF16_FLOATS
cdef double[3] FLOPS
FLOPS[BF16_FLOATS], FLOPS[BF16_PAIRS], FLOPS[BF16_TILES] = 25, 200, 1200    # a nanosecond

cdef struct Job:
    const Gemm* g
    Py_ssize_t words, a_row         # words of a row of a, and from row to row
    Py_ssize_t a_tasks              # the first tasks of packing are for a
    Py_ssize_t columns, b_columns   # of a block of c; of b, packed in one task
    Py_ssize_t rows, down           # of a block of c; blocks below each other
    char* a
    char* b
    int status                      # -1: out of memory


cdef int pack_a(const Job* j, Py_ssize_t i, Py_ssize_t rows) noexcept nogil:
    cdef const Gemm* g = j.g
    cdef char* target = j.a + i * j.a_row * WORD
    cdef char* turned
    cdef Py_ssize_t panel, row
    if g.a_row != 1 or g.a_col == 1:
        K[g.kind].bf16_rows(rows, g.k, g.a + i * g.a_row * WORD, g.a_row, g.a_col, target, j.words, j.a_row)
        return 0
    turned = <char*>pool_alloc(ceil_div(rows, PANEL) * PANEL * j.words * WORD)
    if turned == NULL:
        return -1
    K[g.kind].bf16_panels(g.k, rows, g.a + i * WORD, g.a_col, turned, j.words)
    for panel in range(ceil_div(rows, PANEL)):      # a word is moved as a float is
        row = panel * PANEL
        K[g.kind].gemm_pack(min(rows - row, PANEL), j.words, turned + row * j.words * WORD, 1, PANEL,
                            target + row * j.a_row * WORD, j.a_row, PANEL)
    pool_free(turned)
    return 0


cdef int pack_b(const Job* j, Py_ssize_t first, Py_ssize_t columns) noexcept nogil:
    cdef const Gemm* g = j.g
    cdef char* target = j.b + first * j.words * WORD
    cdef char* turned
    if g.b_col == 1:
        K[g.kind].bf16_panels(g.k, columns, g.b + first * WORD, g.b_row, target, j.words)
        return 0
    turned = <char*>pool_alloc(columns * j.a_row * WORD)
    if turned == NULL:
        return -1
    if columns % PANEL != 0:
        memset(target, 0, ceil_div(columns, PANEL) * PANEL * j.words * WORD)
    K[g.kind].bf16_rows(columns, g.k, g.b + first * g.b_col * WORD, g.b_col, g.b_row, turned, j.words, j.a_row)
    K[g.kind].gemm_pack(j.words, columns, turned, 1, j.a_row, target, PANEL, j.words * PANEL)
    pool_free(turned)
    return 0


cdef void pack_task(void* job, size_t task) noexcept nogil:
    cdef Job* j = <Job*>job
    cdef Py_ssize_t first, index = <Py_ssize_t>task
    cdef int status
    if index < j.a_tasks:
        first = index * PACKED_ROWS
        status = pack_a(j, first, min(<Py_ssize_t>PACKED_ROWS, j.g.m - first))
    else:
        first = (index - j.a_tasks) * j.b_columns
        status = pack_b(j, first, min(j.b_columns, j.g.n - first))
    if status < 0:
        j.status = -1


cdef void product_task(void* job, size_t task) noexcept nogil:
    cdef Job* j = <Job*>job
    cdef const Gemm* g = j.g
    cdef Py_ssize_t i = <Py_ssize_t>task % j.down * j.rows, first = <Py_ssize_t>task // j.down * j.columns
    cdef Py_ssize_t rows = min(j.rows, g.m - i), columns = min(j.columns, g.n - first)
    cdef char* z = (g.z if g.z != NULL else g.c) + (i * g.c_row + first) * WORD
    K[g.kind].bf16_product(unit, rows, columns, j.words, j.a + i * j.a_row * WORD, j.a_row,
                           j.b + first * j.words * WORD, z, g.c_row,
                           NULL if g.bias == NULL else g.bias + first * WORD, g.accumulate)
    if g.act >= 0:
        activate(g, i, first, rows, columns)


cdef Py_ssize_t bf16_panels_size(Py_ssize_t k, Py_ssize_t n) noexcept nogil:
    return ceil_div(n, PANEL) * PANEL * ceil_div(k, 2 * STEP) * STEP


cdef int bf16_gemm(const Gemm* g) noexcept nogil:
    cdef char* b = <char*>pool_alloc(bf16_panels_size(g.k, g.n) * WORD)
    cdef int status = -1
    if b != NULL:
        status = multiply(g, b, True)
    pool_free(b)
    return status


cdef int bf16_pack(const Gemm* g, char* panels) noexcept nogil:
    cdef Gemm none = g[0]
    none.m = 0
    return multiply(&none, panels, True)


cdef int bf16_packed(const Gemm* g, char* panels) noexcept nogil:
    return multiply(g, panels, False)


cdef int multiply(const Gemm* g, char* b, bint pack) noexcept nogil:
    """c = act(a b + bias) with b in panels, which are made of g.b first if `pack`."""
    cdef Job j
    cdef double packing = (<double>g.m + g.n) * g.k * 2e-4, multiplying = 2.0 * g.m * g.n * g.k / FLOPS[unit] * 1e-3
    cdef Py_ssize_t block, tasks
    memset(&j, 0, sizeof(Job))
    j.g, j.b = g, b
    j.words = ceil_div(g.k, 2 * STEP) * STEP
    j.a_row = j.words + STEP * (1 - j.words // STEP % 2)   # an odd number of lines: rows lie in different sets of L1
    j.a = <char*>pool_alloc(ceil_div(g.m, PANEL) * PANEL * j.a_row * WORD)
    if j.a == NULL:
        return -1
    block = max(BLOCK_BYTES // (max(j.words, 1) * WORD), PANEL)
    j.a_tasks, j.b_columns = ceil_div(g.m, PACKED_ROWS), 4 * PANEL
    tasks = j.a_tasks + (ceil_div(g.n, j.b_columns) if pack else 0)
    share_tasks(pack_task, &j, tasks, packing if pack else g.m * g.k * 2e-4)
    if j.status == 0 and g.m > 0:
        j.rows = even_part(g.m, block, PANEL)
        j.columns = even_part(g.n, min(block, g.n // 4), PANEL)
        j.down = ceil_div(g.m, j.rows)
        share_tasks(product_task, &j, j.down * ceil_div(g.n, j.columns), multiplying)
    pool_free(j.a)
    return j.status


# --- whether to use it ------------------------------------------------------------------------------------------------
cdef bint bf16_serves(const Gemm* g) noexcept nogil:
    return enabled and g.kind == F32 and g.m >= LEAST and g.n >= LEAST and g.k >= LEAST


def set_precision(name):
    """Let matrix products of float32 round their operands to bfloat16, or have them as they are.

    With "bfloat16", products of at least 32 rows, columns and terms and 200,000 multiply-adds, in dense layers,
    `matmul` and 1 x 1 convolutions, forward and backward, take their operands with 8 bits of precision instead of 24:
    each result is within 2⁻⁷ · Σ|a||b| of the product (above 3.39e38 they round to inf). They are summed in float32,
    and all arrays stay float32; smaller products and all else, and float64, are computed as ever. Faster where the
    processor multiplies bfloat16 (AMX; the dot product of AVX-512 BF16 on AMD); correct, and slower, where it does
    not; `cdl info` says which. Subnormal numbers may be taken as 0.

    Parameters
    ----------
    name : {"float32", "bfloat16"}
        "float32" at first.

    Returns
    -------
    str
        What it was before, to go back to. It holds for the whole process.

    Raises
    ------
    ValueError
        For another name.

    Examples
    --------
    >>> import cdl
    >>> before = cdl.set_precision("bfloat16")
    >>> x = np.full((64, 64), 1.001, np.float32)
    >>> float(cdl.matmul(x, x)[0, 0])
    64.0
    >>> cdl.set_precision(before)
    'bfloat16'
    """
    global enabled, unit
    before = get_precision()
    if name not in ("float32", "bfloat16"):
        raise ValueError(f"set_precision: expected 'float32' or 'bfloat16', got {name!r}")
    if name == "bfloat16" and not enabled:
        unit = _best_unit()
    enabled = name == "bfloat16"
    return before


def get_precision():
    """What `set_precision` was last told."""
    return "bfloat16" if enabled else "float32"


cdef int _best_unit():
    # A thread with a small stack for its signals keeps the process from the tiles
    return BF16_PAIRS if BF16_UNIT == BF16_TILES and not allow_tiles() else BF16_UNIT


def bfloat16_unit():
    """What multiplies bfloat16 in this process: "AMX", "AVX-512 BF16" or "none"."""
    return {BF16_FLOATS: "none", BF16_PAIRS: "AVX-512 BF16", BF16_TILES: "AMX"}[_best_unit()]


def _use_unit(int wanted):
    """For tests: multiply with this unit, or the best there is if that is less; returns which."""
    global unit
    unit = min(wanted, _best_unit())
    return unit
