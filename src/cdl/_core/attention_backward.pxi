# Part of attention.pyx: the backward of a head, block by block, and of all of them.

cdef struct Rows:
    # Rows of a head for the products: where they lie, or a copy of them
    char* at
    Py_ssize_t row
    char* own                           # where they lie, if `at` is a copy; else NULL
    Py_ssize_t own_row


cdef struct Back:
    # One query head in the backward, for the keys from `first` on
    Rows q, k, g, dq, dk, dv
    const char* v
    const char* y
    const char* mask
    char* dmask
    const char* log
    char* kt                            # panels of the transposed key and value
    char* vt
    char* s
    char* dw
    char* dot
    char* free                          # what is left of the task's memory
    Py_ssize_t first, s_row
    bint careful                        # something that may be hidden is not finite


cdef inline Rows rows_at(const Attention* a, char* at, Py_ssize_t row, Py_ssize_t rows, Py_ssize_t n, char** room,
                         bint filled) noexcept nogil:
    """Rows (…, n) as they lie, or where they are far apart together in `room`; filled: with their values."""
    cdef Rows r
    r.at, r.row, r.own, r.own_row = at, row, NULL, row
    if at != NULL and scattered(a, row, rows):
        r.own, r.at, r.row = at, room[0], n
        room[0] += rows * n * ITEMSIZE[a.kind]
        if filled:
            copy_rows(a.kind, at, row, rows, n, r.at, n)
    return r


cdef inline void put_back(const Attention* a, const Rows* r, Py_ssize_t rows, Py_ssize_t n) noexcept nogil:
    if r.own != NULL:
        copy_rows(a.kind, r.at, r.row, rows, n, r.own, r.own_row)


cdef inline void product(int kind, bint careful, Py_ssize_t m, Py_ssize_t n, Py_ssize_t k, const char* a, Py_ssize_t a_row,
                         Py_ssize_t a_col, const char* b, Py_ssize_t b_row, char* c, Py_ssize_t c_row, bint accumulate,
                         char* room) noexcept nogil:
    """c (m, n) = or += a b, where weights of 0 hide what is not finite in b if `careful`; room: k n elements."""
    if c == NULL:
        return
    if careful and not finite(kind, b, b_row, k, n, room):
        K[kind].gemm(m, n, k, a, a_row, a_col, room, n, PANEL, c, c_row, NULL, accumulate)
        K[kind].attention_rest(m, n, k, a, a_row, a_col, b, b_row, c, c_row)
    else:
        K[kind].gemm(m, n, k, a, a_row, a_col, b, b_row, PANEL, c, c_row, NULL, accumulate)


cdef inline char* row_of(int kind, const Rows* r, Py_ssize_t i) noexcept nogil:
    return NULL if r.at == NULL else r.at + i * r.row * ITEMSIZE[kind]


cdef void backward_block(const Attention* a, const Back* h, Py_ssize_t i, Py_ssize_t m, Py_ssize_t j, Py_ssize_t n,
                         bint add) noexcept nogil:
    """Queries i to i + m, and n keys from the j-th of the chunk on; add: to what is in dk and dv."""
    cdef Py_ssize_t item = ITEMSIZE[a.kind], size = h.s_row
    cdef int kind = a.kind
    cdef bint careful = h.careful
    cdef const char* q = row_of(kind, &h.q, i)
    cdef const char* g = row_of(kind, &h.g, i)
    cdef cdl_scores t = scores_of(a, h.mask, i, h.first + j, n, size)
    cdef char* dmask = NULL
    if h.dmask != NULL:
        dmask = h.dmask + (i * a.mask.row + (h.first + j) * a.mask_col) * item
    K[kind].gemm(m, n, a.d, q, h.q.row, 1, h.kt + j * a.d * item, PANEL, PANEL * a.d, h.s, size, NULL, False)
    K[kind].gemm(m, n, a.dv, g, h.g.row, 1, h.vt + j * a.dv * item, PANEL, PANEL * a.dv, h.dw, size, NULL, False)
    K[kind].attention_backward(&t, h.s, h.dw, m, h.log + i * item, h.dot + i * item, a.scale, dmask)
    product(kind, careful, n, a.dv, m, h.s, 1, size, g, h.g.row, row_of(kind, &h.dv, j), h.dv.row, add, h.free)
    product(kind, careful, n, a.d, m, h.dw, 1, size, q, h.q.row, row_of(kind, &h.dk, j), h.dk.row, add, h.free)
    product(kind, careful, m, a.d, n, h.dw, size, 1, row_of(kind, &h.k, j), h.k.row, row_of(kind, &h.dq, i), h.dq.row, j > 0,
            h.free)


cdef inline void zero(int kind, const Rows* c, Py_ssize_t i, Py_ssize_t end, Py_ssize_t n) noexcept nogil:
    """Rows i to end of c (…, n)."""
    if c.at != NULL and i < end:
        K[kind].gemm(end - i, n, 0, NULL, 1, 1, NULL, 1, PANEL, row_of(kind, c, i), c.row, NULL, False)


cdef void backward_head(const Attention* a, Back* h, Py_ssize_t keys, bint fresh) noexcept nogil:
    """A query head and so many keys from h.first on; fresh: nothing is in dk and dv yet."""
    cdef Py_ssize_t i, j = 0, m, n, wide, done
    cdef Py_ssize_t rows = even_part(a.tq, CAUSAL_BACK_ROWS if a.causal else BACK_ROWS, 1)
    K[a.kind].dot_rows(place_of(a, h), h.y, h.dot, a.tq, a.dv, a.g.row)
    pack_transposed(a.kind, h.k.at, h.k.row, keys, a.d, h.kt)
    pack_transposed(a.kind, h.v, a.v.row, keys, a.dv, h.vt)
    while j < keys:
        wide = min(<Py_ssize_t>BACK_KEYS, keys - j)
        done = 0 if fresh else wide     # so many rows of dk and dv hold something
        i = 0
        while i < a.tq:
            m = min(rows, a.tq - i)
            n = min(wide, seen(a, i + m) - h.first - j)
            if n > 0:
                if done and done < n:
                    zero(a.kind, &h.dk, j + done, j + n, a.d)
                    zero(a.kind, &h.dv, j + done, j + n, a.dv)
                backward_block(a, h, i, m, j, n, done > 0)
                done = max(done, n)
            elif j == 0:
                zero(a.kind, &h.dq, i, i + m, a.d)
            i += m
        zero(a.kind, &h.dk, j + done, j + wide, a.d)
        zero(a.kind, &h.dv, j + done, j + wide, a.dv)
        j += wide


cdef inline const char* place_of(const Attention* a, const Back* h) noexcept nogil:
    """The gradient of the head's y, as it lies."""
    return h.g.own if h.g.own != NULL else h.g.at


cdef Py_ssize_t backward_room(const Attention* a, Back* h, Py_ssize_t keys, char* memory) noexcept nogil:
    """The parts of a task's memory, of which it needs so many elements."""
    cdef Py_ssize_t item = ITEMSIZE[a.kind], wide = min(<Py_ssize_t>BACK_KEYS, keys), scores
    cdef Py_ssize_t rows = even_part(a.tq, CAUSAL_BACK_ROWS if a.causal else BACK_ROWS, 1)
    h.s_row = score_row(wide)
    scores = rows * h.s_row
    h.s = memory
    h.dw = h.s + scores * item
    h.kt = h.dw + scores * item
    h.vt = h.kt + panels_size(keys, a.d) * item
    h.dot = h.vt + panels_size(keys, a.dv) * item
    h.free = h.dot + a.tq * item
    return (h.free - memory) // item + 2 * (a.tq + keys) * (a.d + a.dv) + max(rows, wide) * max(a.d, a.dv)


cdef void backward_keys(const Attention* a, Back* h, const Py_ssize_t* index, Py_ssize_t chunk, Py_ssize_t keys) noexcept nogil:
    """The query heads that share a key head, and a chunk of its keys."""
    cdef Py_ssize_t item = ITEMSIZE[a.kind], group, position = 0
    cdef char* memory = h.free
    cdef char* kept
    cdef char* dq
    cdef int axis
    for axis in range(a.axes):
        position = position * a.dims[axis] + index[axis]
    h.k = rows_at(a, place(&a.k, a, index, 0) + h.first * a.k.row * item, a.k.row, keys, a.d, &h.free, True)
    h.v = place(&a.v, a, index, 0) + h.first * a.v.row * item
    h.dk = rows_at(a, place_from(a, &a.dk, index, h.first), a.dk.row, keys, a.d, &h.free, False)
    h.dv = rows_at(a, place_from(a, &a.dv_, index, h.first), a.dv_.row, keys, a.dv, &h.free, False)
    kept = h.free
    for group in range(a.groups):
        h.free = kept
        h.q = rows_at(a, place(&a.q, a, index, group), a.q.row, a.tq, a.d, &h.free, True)
        h.g = rows_at(a, place(&a.g, a, index, group), a.g.row, a.tq, a.dv, &h.free, True)
        dq = place(&a.dq, a, index, group)
        h.dq = rows_at(a, NULL if dq == NULL else dq + chunk * a.dq_chunk * item, a.dq.row, a.tq, a.d, &h.free, False)
        h.y, h.dmask, h.mask = place(&a.y, a, index, group), place(&a.dmask, a, index, group), mask_at(a, index, group)
        h.log = a.log + (position * a.groups + group) * a.tq * item
        h.careful = (a.causal or a.masked != MASK_NONE) and not (
            finite(a.kind, h.q.at, h.q.row, a.tq, a.d, NULL) and finite(a.kind, h.g.at, h.g.row, a.tq, a.dv, NULL)
            and finite(a.kind, h.k.at, h.k.row, keys, a.d, NULL))
        backward_head(a, h, keys, group == 0)
        put_back(a, &h.dq, a.tq, a.d)
    put_back(a, &h.dk, keys, a.d)
    put_back(a, &h.dv, keys, a.dv)
    h.free = memory


cdef inline char* place_from(const Attention* a, const Side* s, const Py_ssize_t* index, Py_ssize_t row) noexcept nogil:
    cdef char* at = place(s, a, index, 0)
    return NULL if at == NULL else at + row * s.row * ITEMSIZE[a.kind]


cdef void backward_task(void* job, size_t task) noexcept nogil:
    """A chunk of the keys of a head; where heads share a mask's gradient, of all of them."""
    cdef Attention* a = <Attention*>job
    cdef Py_ssize_t item = ITEMSIZE[a.kind], chunk = <Py_ssize_t>task % a.chunks, rest = <Py_ssize_t>task // a.chunks
    cdef Py_ssize_t keys = min(a.chunk, a.tk - chunk * a.chunk), count = 1, inner
    cdef Py_ssize_t[MAXDIM] index
    cdef int axis
    cdef Back h
    cdef char* memory = <char*>pool_alloc(backward_room(a, &h, keys, NULL) * item)
    if memory == NULL:
        a.status = -1
        return
    backward_room(a, &h, keys, memory)
    h.first = chunk * a.chunk
    for axis in range(a.axes - 1, -1, -1):
        index[axis] = 0
        if a.together[axis]:
            count *= a.dims[axis]
        else:
            index[axis] = rest % a.dims[axis]
            rest //= a.dims[axis]
    for inner in range(count):
        rest = inner
        for axis in range(a.axes - 1, -1, -1):
            if a.together[axis]:
                index[axis] = rest % a.dims[axis]
                rest //= a.dims[axis]
        backward_keys(a, &h, index, chunk, keys)
    pool_free(memory)


cdef int backward_all(Attention* a, Tensor dq, Tensor parts) except -1:
    """parts: a dq for each chunk of keys, to be added up."""
    cdef Py_ssize_t tasks = a.chunks, i
    cdef int axis
    for axis in range(a.axes):
        if not a.together[axis]:
            tasks *= a.dims[axis]
    a.status = 0
    run_tasks(backward_task, a, tasks, microseconds(a, 3))
    if a.status < 0:
        raise MemoryError(f"attention: no memory to pack {a.tk} keys")
    if parts is not None:
        K[a.kind].binary_forward[BINARY_ADD](parts.ptr, parts.ptr + dq.size * ITEMSIZE[a.kind], dq.ptr, dq.size, 1, 1)
        for i in range(2, a.chunks):
            K[a.kind].binary_forward[BINARY_ADD](dq.ptr, parts.ptr + i * dq.size * ITEMSIZE[a.kind], dq.ptr, dq.size, 1, 1)
    return 0
