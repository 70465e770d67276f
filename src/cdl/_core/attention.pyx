"""Scaled dot-product attention, y = softmax(q kT scale + mask) v, in blocks of queries and keys.

Query q is (…, Tq, d), key k (…, Tk, d), value v (…, Tk, dv), y (…, Tq, dv); heads are the last of the leading axes, and
`groups` query heads share a key head. Scores exist for one block at a time: of a block of queries the softmax is taken
online, block of keys by block of keys, so that memory is linear in Tq and Tk. Kept for the backward is one number a query,
log = log2 of the sum of 2^(score scale log2 e). Backward, with the weights w computed again and their gradients dw = g vT:

    dv = wT g,   ds = w (dw - dot) scale,   dot = rows' sums of w dw = rows' sums of y g,   dq = ds k,   dk = dsT q
"""
from libc.math cimport isfinite
from libc.string cimport memset

cimport cython

from cdl._core.cast cimport cast
from cdl._core.copy cimport contiguous
from cdl._core.gate cimport as_any, as_float, finish
from cdl._core.kernels cimport BINARY_ADD, MASK_ADDED, MASK_BOOL, MASK_NONE, K, cdl_scores
from cdl._core.memory cimport pool_alloc, pool_free
from cdl._core.shape cimport broadcast
from cdl._core.sizes cimport ceil_div, even_part
from cdl._core.tape cimport give, record, recording, refuse_changed, version_of
from cdl._core.tensor cimport (BOOL, F64, I64, ITEMSIZE, MAXDIM, READS_A, READS_B, READS_C, Node, Tensor, empty_like,
                               fill_like, new_tensor, shape_of)
from cdl._core.threads cimport run_tasks

from cdl._core.check import number


cdef extern from "gemm.h" nogil:
    size_t PANEL "CDL_GEMM_PANEL"

cdef enum:
    FEW = 6                 # queries up to which keys are multiplied as they lie: packing them costs more
    CHUNK = 512             # queries of a task; each packs the keys for itself
    # Bytes between rows that share few sets of the cache, and of how many rows a copy pays off: 16 heads side by side, rows
    # 4 KB apart, T = 2048, took 1.6 times as long as heads apart, T = 128 as long.
    FAR = 1024
    MANY = 256
    # Blocks of scores, which stay in L1 (forward) or L2. Between 14 and 128 queries and 256 and 1024 keys a forward differs by
    # 5 %; under a causal mask a block of few queries computes less that is then hidden (T = 128: 14 rows 203 us, 56 230).
    ROWS = 28
    CAUSAL_ROWS = 14
    KEYS = 512
    # The backward gathers dk and dv over a block's queries: 128 of them 728 us, 28 781; causal 28 of them 496, 128 751.
    BACK_ROWS = 128
    CAUSAL_BACK_ROWS = 28
    BACK_KEYS = 256

cdef Py_ssize_t ALL = <Py_ssize_t>1 << 60
cdef double LOG2E = 1.4426950408889634


cdef struct Side:
    # How one of the arrays lies: from one index of an outer axis to the next, from one head of a group, one row.
    char* ptr
    Py_ssize_t[MAXDIM] steps
    Py_ssize_t group, row


cdef struct Attention:
    int kind, axes                      # the outer axes: all that lead, of the heads those of the key
    Py_ssize_t[MAXDIM] dims
    Py_ssize_t outer, groups, tq, tk, d, dv
    double scale
    bint causal, joined                 # joined: heads are parts of the last axis, (N, T, heads d)
    int masked
    Py_ssize_t mask_col
    Side q, k, v, y, mask
    char* log                           # (outer, groups, tq), or NULL where there is no backward
    Py_ssize_t chunk, chunks            # of queries; in the backward of keys
    int status
    # backward
    bint[MAXDIM] together               # axes that one task goes through, as they share the mask's gradient
    Side g, dq, dk, dv_, dmask
    Py_ssize_t dq_chunk                 # from the dq of one chunk of keys to the next, in elements


cdef struct Head:
    # One query head: its arrays, and what a task has prepared of them
    const char* q
    const char* k
    const char* v
    const char* mask
    const char* v_given                 # where v is a copy with zeros for rows that are not finite; or NULL
    char* y
    char* kt                            # panels of the transposed key; or NULL
    char* s
    char* top
    char* log
    Py_ssize_t k_row, v_row, s_row


cdef inline char* place(const Side* s, const Attention* a, const Py_ssize_t* index, Py_ssize_t group) noexcept nogil:
    """Where the rows of a head begin; NULL for an array that there is not."""
    cdef Py_ssize_t at = group * s.group
    cdef int i
    if s.ptr == NULL:
        return NULL
    for i in range(a.axes):
        at += index[i] * s.steps[i]
    return s.ptr + at * ITEMSIZE[a.kind]


cdef inline void split_index(const Attention* a, Py_ssize_t position, Py_ssize_t* index) noexcept nogil:
    cdef int i
    for i in range(a.axes - 1, -1, -1):
        index[i] = position % a.dims[i]
        position //= a.dims[i]


cdef inline const char* mask_at(const Attention* a, const Py_ssize_t* index, Py_ssize_t group) noexcept nogil:
    cdef Py_ssize_t at = group * a.mask.group
    cdef int i
    if a.masked == MASK_NONE:
        return NULL
    for i in range(a.axes):
        at += index[i] * a.mask.steps[i]
    return a.mask.ptr + at * (1 if a.masked == MASK_BOOL else ITEMSIZE[a.kind])


cdef inline cdl_scores scores_of(const Attention* a, const char* mask, Py_ssize_t i, Py_ssize_t j, Py_ssize_t n,
                                 Py_ssize_t s_row) noexcept nogil:
    """The block of scores from query i and key j on, n keys wide."""
    cdef cdl_scores t
    t.keys, t.s_row, t.scale, t.masked = n, s_row, a.scale * LOG2E, a.masked
    t.visible = i + a.tk - a.tq + 1 - j if a.causal else ALL
    t.mask_row, t.mask_col = a.mask.row, a.mask_col
    t.mask = NULL
    if a.masked != MASK_NONE:
        t.mask = mask + (i * t.mask_row + j * t.mask_col) * (1 if a.masked == MASK_BOOL else ITEMSIZE[a.kind])
    return t


cdef inline Py_ssize_t seen(const Attention* a, Py_ssize_t end) noexcept nogil:
    """How many keys the queries before `end` may look at."""
    return min(max(end + a.tk - a.tq, 0), a.tk) if a.causal else a.tk


cdef inline void pack_transposed(int kind, const char* x, Py_ssize_t row, Py_ssize_t rows, Py_ssize_t n,
                                 char* target) noexcept nogil:
    """Panels (n, 32) of the transposed x (rows, n)."""
    K[kind].gemm_pack(n, rows, x, 1, row, target, PANEL, PANEL * n)


cdef inline void copy_rows(int kind, const char* x, Py_ssize_t x_row, Py_ssize_t rows, Py_ssize_t n, char* y,
                           Py_ssize_t y_row) noexcept nogil:
    K[kind].gemm_pack(rows, n, x, x_row, 1, y, y_row, PANEL)


cdef inline bint scattered(const Attention* a, Py_ssize_t row, Py_ssize_t rows) noexcept nogil:
    """Whether rows so far apart, as those of heads side by side, are worth copying together before they are multiplied."""
    return row * ITEMSIZE[a.kind] >= FAR and rows >= MANY and a.tq >= MANY


cdef inline Py_ssize_t panels_size(Py_ssize_t rows, Py_ssize_t n) noexcept nogil:
    return ceil_div(rows, PANEL) * PANEL * n


cdef inline Py_ssize_t score_row(Py_ssize_t keys) noexcept nogil:
    # Whole vectors, and rows that do not share a few sets of the cache.
    return ceil_div(keys, 16) * 16 + 16


cdef inline bint finite(int kind, const char* x, Py_ssize_t row, Py_ssize_t rows, Py_ssize_t n, char* copy) noexcept nogil:
    cdef int good = 1
    K[kind].attention_finite(x, row, rows, n, copy, &good)
    return good


# --- forward ----------------------------------------------------------------------------------------------------------
cdef void forward_rows(const Attention* a, const Head* h, Py_ssize_t i, Py_ssize_t m) noexcept nogil:
    """Queries i to i + m of a head."""
    cdef Py_ssize_t item = ITEMSIZE[a.kind], j = 0, n, last = seen(a, i + m), keys = KEYS
    cdef const char* q = h.q + i * a.q.row * item
    cdef char* y = h.y + i * a.y.row * item
    cdef char* log = h.log if a.log == NULL else h.log + i * item
    cdef cdl_scores t
    while True:
        n = min(keys, last - j)         # 0 where there is nothing to look at: y is then 0
        if n > 0 and h.kt != NULL:
            K[a.kind].gemm(m, n, a.d, q, a.q.row, 1, h.kt + j * a.d * item, PANEL, PANEL * a.d, h.s, h.s_row, NULL, False)
        elif n > 0:
            K[a.kind].gemm_dot(m, n, a.d, q, a.q.row, h.k + j * h.k_row * item, h.k_row, h.s, h.s_row, NULL, False)
        t = scores_of(a, h.mask, i, j, n, h.s_row)
        K[a.kind].attention_softmax(&t, h.s, m, h.top, log, y, a.y.row, a.dv if j > 0 else 0)
        K[a.kind].gemm(m, a.dv, n, h.s, h.s_row, 1, h.v + j * h.v_row * item, h.v_row, PANEL, y, a.y.row, NULL, j > 0)
        if h.v_given != NULL:
            K[a.kind].attention_rest(m, a.dv, n, h.s, h.s_row, 1, h.v_given + j * a.v.row * item, a.v.row, y, a.y.row)
        j += keys
        if j >= last:
            break
    K[a.kind].attention_divide(y, a.y.row, m, a.dv, h.top, log)


cdef void forward_task(void* job, size_t task) noexcept nogil:
    """A chunk of the queries of one head."""
    cdef Attention* a = <Attention*>job
    cdef Py_ssize_t item = ITEMSIZE[a.kind], chunk = <Py_ssize_t>task % a.chunks, i = chunk * a.chunk
    cdef Py_ssize_t head = <Py_ssize_t>task // a.chunks, group = head % a.groups, end = min(i + a.chunk, a.tq), last, rows
    cdef Py_ssize_t[MAXDIM] index
    cdef Py_ssize_t packed, copied = 0, scores
    cdef char* memory
    cdef Head h
    split_index(a, head // a.groups, index)
    h.q, h.k, h.v, h.y = (place(&a.q, a, index, group), place(&a.k, a, index, group), place(&a.v, a, index, group),
                          place(&a.y, a, index, group))
    h.mask = mask_at(a, index, group)
    h.k_row, h.v_row = a.k.row, a.v.row
    last = seen(a, end)
    rows = even_part(end - i, CAUSAL_ROWS if a.causal else ROWS, 1)
    h.s_row = score_row(min(last, <Py_ssize_t>KEYS))
    packed = panels_size(last, a.d) if end - i > FEW else 0
    scores = rows * h.s_row
    h.v_given = NULL
    if (a.causal or a.masked != MASK_NONE) and not finite(a.kind, h.v, a.v.row, last, a.dv, NULL):
        h.v_given = h.v
    if h.v_given != NULL or scattered(a, a.v.row, last):
        copied = last * a.dv
    memory = <char*>pool_alloc((packed + copied + scores + 2 * rows) * item)
    if memory == NULL:
        a.status = -1
        return
    h.kt = NULL
    h.s = memory + (packed + copied) * item
    h.top = h.s + scores * item
    h.log = h.top + rows * item
    if a.log != NULL:
        h.log = a.log + head * a.tq * item
    if packed:
        h.kt = memory
        pack_transposed(a.kind, h.k, a.k.row, last, a.d, h.kt)
    if copied:
        if h.v_given != NULL:
            finite(a.kind, h.v, a.v.row, last, a.dv, memory + packed * item)
        else:
            copy_rows(a.kind, h.v, a.v.row, last, a.dv, memory + packed * item, a.dv)
        h.v, h.v_row = memory + packed * item, a.dv
    while i < end:
        forward_rows(a, &h, i, min(rows, end - i))
        i += rows
    pool_free(memory)


cdef double microseconds(const Attention* a, double products) noexcept:
    """What one thread needs, at 100 GF/s of float32."""
    cdef double pairs = <double>a.tq * a.tk * (0.5 if a.causal else 1) * a.outer * a.groups
    return pairs * (products * (a.d + a.dv) + 10) * 1e-5 * (2 if a.kind == F64 else 1)


cdef int forward(Attention* a) except -1:
    a.chunk = even_part(a.tq, CHUNK, 1)
    a.chunks = ceil_div(a.tq, a.chunk)
    a.status = 0
    run_tasks(forward_task, a, a.outer * a.groups * a.chunks, microseconds(a, 1))
    if a.status < 0:
        raise MemoryError(f"attention: no memory to pack {a.tk} keys")
    return 0


# --- backward ---------------------------------------------------------------------------------------------------------
include "attention_backward.pxi"


cdef enum:
    FEW_TASKS = 8           # below, keys are split into chunks (of whole panels) so that there is work for several threads
    CHUNK_KEYS = 512


@cython.final
@cython.no_gc
cdef class AttentionNode(Node):
    """a, b, c: query, key and value."""
    cdef Attention job
    cdef Tensor log, mask, given        # the mask as the kernels read it, and as it came
    cdef int version                    # of the mask, where it is not a copy

    cdef int backward(self, Tensor y, Tensor g) except -1:
        cdef Attention a = self.job
        cdef Tensor q = ready(self.a), k = ready(self.b), v = ready(self.c), dq = None, dk = None, dv = None, dmask = None
        cdef Tensor parts = None
        cdef Py_ssize_t tasks = 1
        cdef Py_ssize_t[2] dims
        cdef int i
        if self.mask is not None and self.mask is self.given and version_of(self.mask) != self.version:
            refuse_changed(self)
        a.y.ptr, a.g.ptr, a.log = y.ptr, g.ptr, self.log.ptr
        lay(&a.q, q, &a, True, a.d)
        lay(&a.k, k, &a, False, a.d)
        lay(&a.v, v, &a, False, a.dv)
        dq = gradient_of(self.a, &a.dq, &a, True, a.d)
        dk = gradient_of(self.b, &a.dk, &a, False, a.d)
        dv = gradient_of(self.c, &a.dv_, &a, False, a.dv)
        a.dmask.ptr = NULL
        if self.more is not None and self.given.needs_grad:
            dmask = fill_like(self.given, 0)
            lay_mask(&a.dmask, dmask, &a)
        for i in range(a.axes):
            a.together[i] = dmask is not None and a.mask.steps[i] == 0
            tasks *= 1 if a.together[i] else a.dims[i]
        a.chunk, a.dq_chunk = max(a.tk, 1), 0
        if tasks < FEW_TASKS and a.tk >= 2 * CHUNK_KEYS and not (dmask is not None and a.mask_col == 0):
            a.chunk = even_part(a.tk, max(a.tk // FEW_TASKS, <Py_ssize_t>CHUNK_KEYS), PANEL)
        a.chunks = ceil_div(max(a.tk, 1), a.chunk)
        if a.chunks > 1 and dq is not None:
            dims[0], dims[1] = a.chunks, dq.size
            parts = new_tensor(a.kind, 2, dims)
            a.dq.ptr, a.dq_chunk = parts.ptr, dq.size
        if y.size and a.tk:
            backward_all(&a, dq, parts)
        else:
            for t in (dq, dk, dv):
                if t is not None:
                    memset((<Tensor>t).ptr, 0, (<Tensor>t).size * ITEMSIZE[a.kind])
        for t, dt in ((self.a, dq), (self.b, dk), (self.c, dv), (self.given, dmask)):
            if dt is not None:
                give(<Tensor>t, <Tensor>dt, True)
        return 0

    cdef void release(self):
        self.log = self.mask = self.given = None
        Node.release(self)


cdef Tensor gradient_of(Tensor t, Side* s, const Attention* a, bint of_query, Py_ssize_t n):
    """Room for t's gradient, if it wants one, and how it lies."""
    cdef Tensor dt = None
    s.ptr, s.row, s.group = NULL, 0, 0
    if t.needs_grad:
        dt = empty_like(t)
        lay(s, dt, a, of_query, n)
    return dt


include "attention_axes.pxi"


# --- the ops ----------------------------------------------------------------------------------------------------------
cdef Tensor apply(Attention* a, Tensor q, Tensor k, Tensor v, Tensor mask, Tensor given, int ndim, const Py_ssize_t* dims):
    """y of these dims, for operands of one kind; a holds everything but pointers and steps. mask: what `set_mask` gave."""
    cdef Tensor ready_q = ready(q), ready_k = ready(k), ready_v = ready(v), y = new_tensor(q.kind, ndim, dims), log = None
    cdef bint with_mask = given is not None and recording(given)
    cdef bint record_it = recording(q) or recording(k) or recording(v) or with_mask
    cdef AttentionNode node
    cdef Py_ssize_t rows = a.outer * a.groups * a.tq
    lay(&a.q, ready_q, a, True, a.d)
    lay(&a.k, ready_k, a, False, a.d)
    lay(&a.v, ready_v, a, False, a.dv)
    lay(&a.y, y, a, True, a.dv)
    a.kind, a.log = q.kind, NULL
    if record_it:
        log = new_tensor(q.kind, 1, &rows)
        a.log = log.ptr
    if y.size:
        forward(a)
    if record_it:
        node = AttentionNode.__new__(AttentionNode)
        node.job, node.log, node.mask, node.given = a[0], log, mask, given
        if mask is not None:
            node.version = version_of(mask)
        node.job.g = a.y
        record(y, node, READS_A | READS_B | READS_C, q, k, v, (given,) if with_mask else None)
    return y


cdef double factor_of(object scale, Py_ssize_t d) except? -1:
    if scale is None:
        return d ** -0.5
    if not isfinite(number(scale, "attention", "scale")):
        raise ValueError(f"attention: scale must be finite, got {scale!r}")
    return scale


def attention(query, key, value, mask=None, bint causal=False, scale=None):
    """softmax(query keyT scale + mask) value; see `cdl.attention`."""
    cdef Tensor q = as_float(query, "attention"), k = as_float(key, "attention"), v = as_float(value, "attention")
    cdef Tensor m = None, dense
    cdef bint as_tensor = type(query) is Tensor or type(key) is Tensor or type(value) is Tensor or type(mask) is Tensor
    cdef int kind = max(q.kind, k.kind, v.kind), i
    cdef Py_ssize_t[MAXDIM] dims
    cdef Attention a
    check(q, k, v)
    set_axes(&a, q, k, v)
    a.tq, a.tk, a.d, a.dv = q.dims[q.ndim - 2], k.dims[k.ndim - 2], k.dims[k.ndim - 1], v.dims[v.ndim - 1]
    a.causal, a.scale = causal, factor_of(scale, a.d)
    q, k, v = spread(cast(q, kind), &a, True), spread(cast(k, kind), &a, False), spread(cast(v, kind), &a, False)
    for i in range(q.ndim - 1):
        dims[i] = q.dims[i]
    dims[q.ndim - 1] = a.tk
    if mask is not None:
        m = as_mask(mask, kind)
    dense = set_mask(&a, m, tuple([dims[i] for i in range(q.ndim)]))
    dims[q.ndim - 1] = a.dv
    return finish(apply(&a, q, k, v, dense, m, q.ndim, dims), as_tensor)


def attention_of_heads(Tensor query, Tensor key, Tensor value, Py_ssize_t heads, Py_ssize_t key_heads, mask=None,
                       bint causal=False, scale=None):
    """The same for projections (N, T, heads d), whose heads lie side by side: nothing is moved to take them apart.

    The result is (N, Tq, heads dv). A mask broadcasts to (N, heads, Tq, Tk).
    """
    cdef int kind = max(query.kind, key.kind, value.kind)
    cdef Tensor q = cast(query, kind), k = cast(key, kind), v = cast(value, kind), m = None, dense
    cdef Py_ssize_t[3] dims
    cdef Attention a
    if q.ndim != 3 or k.ndim != 3 or v.ndim != 3 or q.dims[0] != k.dims[0] or k.dims[0] != v.dims[0] or (
            k.dims[1] != v.dims[1]):
        raise ValueError(f"attention: query {shape_of(q)}, key {shape_of(k)} and value {shape_of(v)} must be (N, T, heads d) "
                         "of one N, and there is a value for each key")
    if heads % key_heads or q.dims[2] % heads or q.dims[2] == 0 or k.dims[2] * heads != q.dims[2] * key_heads or (
            v.dims[2] % key_heads):
        raise ValueError(f"attention: query {shape_of(q)}, key {shape_of(k)} and value {shape_of(v)} cannot be taken apart "
                         f"into {heads} query heads and {key_heads} key heads")
    a.axes, a.groups, a.outer, a.joined = 2, heads // key_heads, q.dims[0] * key_heads, True
    a.dims[0], a.dims[1] = q.dims[0], key_heads
    a.tq, a.tk, a.d, a.dv = q.dims[1], k.dims[1], q.dims[2] // heads, v.dims[2] // key_heads
    a.causal, a.scale = causal, factor_of(scale, a.d)
    if mask is not None:
        m = as_mask(mask, kind)
    dense = set_mask(&a, m, (q.dims[0], heads, a.tq, a.tk))
    dims[0], dims[1], dims[2] = q.dims[0], a.tq, heads * a.dv
    return apply(&a, q, k, v, dense, m, 3, dims)


def check_operands(query, key, mask=None):
    """The errors that `attention` has for such operands."""
    cdef Tensor q = as_float(query, "attention"), k = as_float(key, "attention")
    cdef Attention a
    check(q, k, k)
    set_axes(&a, q, k, k)
    q = spread(q, &a, True)
    if mask is not None:
        set_mask(&a, as_mask(mask, q.kind), (*shape_of(q)[:q.ndim - 1], k.dims[k.ndim - 2]))
