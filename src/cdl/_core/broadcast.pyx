"""Broadcasting: one loop plan for all operands, and sums of gradients over the axes an operand was repeated along."""
from libc.string cimport memcpy, memset

from cdl._core.copy cimport contiguous
from cdl._core.kernels cimport BINARY_ADD, K
from cdl._core.tensor cimport ITEMSIZE, MAXDIM, Tensor, new_tensor, shape_of, view_of
from cdl._core.threads cimport run_tasks

cdef enum:
    PIECE = 1024        # elements summed side by side: with the scratch beside them half of a 32 KB L1, as float64
    CHUNK = 1 << 14     # elements of a task, as in the forward
    ROWS = 32           # fewest rows of a chunk, so that partial sums stay below 1/32 of what is summed
    SHORT = 64          # rows this short are summed one element after another


cdef Tensor with_rows(Tensor t):
    if t.contiguous or (t.ndim > 0 and t.dims[t.ndim - 1] > 1 and t.steps[t.ndim - 1] <= 1):
        return t
    return contiguous(t)


cdef int join(Py_ssize_t* dims, int ndim, Tensor t) noexcept:
    """Broadcast dims with t's; returns the number of axes, or -1 where they do not fit."""
    cdef int i, shift
    if t.ndim > ndim:
        for i in range(ndim - 1, -1, -1):
            dims[i + t.ndim - ndim] = dims[i]
        for i in range(t.ndim - ndim):
            dims[i] = 1
        ndim = t.ndim
    shift = ndim - t.ndim
    for i in range(t.ndim):
        if dims[i + shift] == 1:
            dims[i + shift] = t.dims[i]
        elif t.dims[i] != 1 and t.dims[i] != dims[i + shift]:
            return -1
    return ndim


cdef inline Py_ssize_t step_of(Tensor t, int axis, int ndim) noexcept:
    """The step of t along an axis of y, which has ndim of them."""
    axis -= ndim - t.ndim
    return 0 if axis < 0 or t.dims[axis] == 1 else t.steps[axis]


cdef int refuse(str who, tuple operands) except -1:
    shapes = [str(shape_of(t)) for t in operands if t is not None]
    raise ValueError(f"{who}: shapes {' and '.join(shapes)} do not broadcast; counted from the last, the lengths of an "
                     "axis must be equal or 1")


cdef int make_plan(Plan* plan, Py_ssize_t* dims, str who, Tensor a, Tensor b, Tensor c=None) except -1:
    cdef int i, k, last = -1, ndim = join(dims, 0, a)
    cdef Py_ssize_t[3] step
    cdef bint merge
    step[2] = 0
    ndim = join(dims, ndim, b)
    if ndim >= 0 and c is not None:
        ndim = join(dims, ndim, c)
    if ndim < 0:
        refuse(who, (a, b, c))
    plan.size = 1
    for i in range(ndim):
        plan.size *= dims[i]
        if dims[i] == 1:
            continue
        step[0], step[1] = step_of(a, i, ndim), step_of(b, i, ndim)
        if c is not None:
            step[2] = step_of(c, i, ndim)
        merge = last >= 0
        for k in range(3):
            merge = merge and plan.steps[k][last] == step[k] * dims[i]
        if merge:
            plan.dims[last] *= dims[i]
        else:
            last += 1
            plan.dims[last] = dims[i]
        for k in range(3):
            plan.steps[k][last] = step[k]
    if last < 0:
        last, plan.dims[0] = 0, 1
        for k in range(3):
            plan.steps[k][0] = 0
    plan.ndim = last + 1
    return ndim


# --- sums -------------------------------------------------------------------------------------------------------------
# x [outer][rows][inner] is summed over its rows. A unit is one piece of `inner` in one chunk of the rows of one outer
# index; its sum goes to partial [outer][chunks][inner]. Sizes depend on the shape alone, so the bits do too.
cdef struct Sum:
    Py_ssize_t outer, rows, inner
    Py_ssize_t chunk, chunks, pieces        # rows of a chunk; chunks of the rows; pieces of `inner`
    Py_ssize_t units, group                 # units in all, and in a task
    int kind
    const char* x
    produce_t produce                       # where not NULL, x comes from it
    const void* job
    char* partial


cdef inline void add(int kind, const void* a, const void* b, void* y, Py_ssize_t n) noexcept nogil:
    K[kind].binary_forward[BINARY_ADD](a, b, y, n, 1, 1)


cdef void fold(int kind, char* x, Py_ssize_t count, Py_ssize_t inner) noexcept nogil:
    """Sum `count` rows of `inner` elements into the first, by halves: exact to a few ulp, and every add a long one."""
    cdef Py_ssize_t half
    while count > 1:
        half = (count + 1) // 2
        add(kind, x, x + half * inner * ITEMSIZE[kind], x, (count - half) * inner)
        count = half


cdef const char* read(const Sum* s, Py_ssize_t start, Py_ssize_t count, char* scratch) noexcept nogil:
    if s.produce is NULL:
        return s.x + start * ITEMSIZE[s.kind]
    s.produce(s.job, start, count, scratch)
    return scratch


cdef void sum_unit(const Sum* s, Py_ssize_t unit) noexcept nogil:
    cdef double[PIECE] total, scratch
    cdef Py_ssize_t piece = unit % s.pieces, chunk = unit // s.pieces % s.chunks, outer = unit // s.pieces // s.chunks
    cdef Py_ssize_t row = chunk * s.chunk, rows = min(s.chunk, s.rows - row), first = piece * PIECE
    cdef Py_ssize_t width = min(PIECE, s.inner - first)
    # Rows shorter than a piece are added several side by side, and these sums folded at the end.
    cdef Py_ssize_t beside = min(rows, PIECE // s.inner) if s.pieces == 1 else 1
    cdef Py_ssize_t start = (outer * s.rows + row) * s.inner + first, done = beside, count
    memcpy(total, read(s, start, beside * width, <char*>scratch), beside * width * ITEMSIZE[s.kind])
    while done < rows:
        count = min(beside, rows - done)
        add(s.kind, total, read(s, start + done * s.inner, count * width, <char*>scratch), total, count * width)
        done += count
    fold(s.kind, <char*>total, beside, width)
    memcpy(s.partial + ((outer * s.chunks + chunk) * s.inner + first) * ITEMSIZE[s.kind], total,
           width * ITEMSIZE[s.kind])


cdef void sum_task(void* job, size_t task) noexcept nogil:
    cdef const Sum* s = <const Sum*>job
    cdef Py_ssize_t unit
    for unit in range(<Py_ssize_t>task * s.group, min((<Py_ssize_t>task + 1) * s.group, s.units)):
        sum_unit(s, unit)


cdef void short_task(void* job, size_t task) noexcept nogil:
    """Sums of short rows that lie one after the other (inner == 1): many of them are read at once."""
    cdef const Sum* s = <const Sum*>job
    cdef double[PIECE] scratch
    cdef const char* x
    cdef double total
    cdef Py_ssize_t o = <Py_ssize_t>task * s.group, end = min(o + s.group, s.outer), count, i, j
    while o < end:
        count = min(PIECE // s.rows, end - o)
        x = read(s, o * s.rows, count * s.rows, <char*>scratch)
        for i in range(count):
            total = 0
            for j in range(i * s.rows, (i + 1) * s.rows):
                total += (<const double*>x)[j] if s.kind else (<const float*>x)[j]
            if s.kind:
                (<double*>s.partial)[o + i] = total
            else:
                (<float*>s.partial)[o + i] = <float>total
        o += count


cdef int sum_rows(Sum* s, Tensor y) except -1:
    """y [outer][inner] = the sum over the rows."""
    cdef Tensor partial
    cdef Py_ssize_t[3] dims
    cdef Py_ssize_t o, row_bytes = s.inner * ITEMSIZE[s.kind]
    cdef double cost = s.outer * s.rows * s.inner * (0.0002 if s.produce is NULL else 0.0004)
    s.partial = y.ptr
    if s.inner == 1 and s.rows <= SHORT:
        s.group = CHUNK // s.rows
        run_tasks(short_task, s, (s.outer + s.group - 1) // s.group, cost * 4)
        return 0
    s.chunk = max(CHUNK // s.inner, ROWS)
    s.chunks = (s.rows + s.chunk - 1) // s.chunk
    s.pieces = (s.inner + PIECE - 1) // PIECE
    s.units = s.outer * s.chunks * s.pieces
    s.group = max(1, CHUNK // (min(s.chunk, s.rows) * min(s.inner, PIECE)))
    if s.chunks > 1:
        dims[0], dims[1], dims[2] = s.outer, s.chunks, s.inner
        partial = new_tensor(s.kind, 3, dims)
        s.partial = partial.ptr
    run_tasks(sum_task, s, (s.units + s.group - 1) // s.group, cost)
    if s.chunks > 1:
        for o in range(s.outer):
            fold(s.kind, s.partial + o * s.chunks * row_bytes, s.chunks, s.inner)
            memcpy(y.ptr + o * row_bytes, s.partial + o * s.chunks * row_bytes, row_bytes)
    return 0


cdef int groups(Tensor t, Tensor g, Py_ssize_t* dims, bint* repeated) noexcept:
    """g's axes with neighbours of one sort taken as one: those along which t was repeated, and the others."""
    cdef int i, n = 0, shift = g.ndim - t.ndim
    cdef bint sort
    for i in range(g.ndim):
        if g.dims[i] == 1:
            continue
        sort = i < shift or t.dims[i - shift] == 1
        if n and repeated[n - 1] == sort:
            dims[n - 1] *= g.dims[i]
        else:
            dims[n], repeated[n] = g.dims[i], sort
            n += 1
    return n


cdef Tensor sum_to(Tensor t, Tensor g, produce_t produce=NULL, const void* job=NULL):
    cdef Py_ssize_t[MAXDIM] dims
    cdef bint[MAXDIM] repeated
    cdef int i, at, n = groups(t, g, dims, repeated), left = 0
    cdef Tensor x = g, y
    cdef Sum s
    for i in range(n):
        left += repeated[i]
    if left == 0 and produce is NULL:       # only axes of length 1 can differ
        return g if t.ndim == g.ndim else view_of(g, g.ptr, t.ndim, t.dims, g.steps + (g.ndim - t.ndim))
    if left == 0 or g.size == 0:
        y = new_tensor(g.kind, t.ndim, t.dims)
        if g.size == 0:
            memset(y.ptr, 0, y.size * ITEMSIZE[y.kind])
        else:
            produce(job, 0, g.size, y.ptr)
        return y
    s.kind, s.produce, s.job = g.kind, produce, job
    while left:         # the innermost repeated axes first: what is left for the others is small
        at = n - 1
        while not repeated[at]:
            at -= 1
        s.outer, s.rows, s.inner, s.x = 1, dims[at], 1, x.ptr
        for i in range(n):
            if i < at:
                s.outer *= dims[i]
            elif i > at:
                s.inner *= dims[i]
        dims[at], repeated[at] = 1, False
        left -= 1
        y = new_tensor(g.kind, n, dims) if left else new_tensor(g.kind, t.ndim, t.dims)
        sum_rows(&s, y)
        x, s.produce = y, NULL
    return x
