"""Reductions along any axes, running sums, and where the largest or smallest stands.

Every array is seen as (outer, n, inner): n is what is reduced, inner = 1 means along contiguous memory. Long reductions
run in chunks whose size depends on the shape alone; their results are folded in order.
"""
from libc.math cimport fmax, sqrt
from libc.stdint cimport int64_t

cimport cython

from cdl._core.copy cimport contiguous
from cdl._core.gate cimport as_any, finish
from cdl._core.kernels cimport K, REDUCE_SQUARES, REDUCE_SUM
from cdl._core.tape cimport BLOCK, give, record, recording
from cdl._core.tensor cimport (F32, F64, I64, ITEMSIZE, MAXDIM, READS_A, Node, Tensor, empty_like, fill_like, new_tensor,
                               normal_axis, shape_of, view_of)
from cdl._core.threads cimport run_tasks

import numpy as np

cdef enum:
    CHUNK = 1 << 15     # elements of a task: 128 KB of float32 stay in L2, and take a few µs
    STRIP = 512         # columns of a task: what the kernels keep accumulators for in L1
    SHORTEST = 64       # rows of a task at least, so that the partial results stay a small share

cdef tuple names = ("sum", "squares", "max", "min", "prod", "mean", "var", "std", "norm")
cdef tuple arg_names = ("argmin", "argmax")
NAMES = names       # by op, as `reduce` takes it
cdef double MICROSECONDS = 0.0001       # an element, of float32 read from L3


cdef struct Job:
    Layout s
    int op, kind, largest
    double scale        # divisor forward
    const char* x
    const char* y
    const char* g
    char* mean
    char* out
    int64_t* index


cdef struct Span:
    # The part of a task: o … o + rows, i … i + n, j … j + cols.
    Py_ssize_t o, rows, i, n, j, cols, k


cdef Span span_of(Layout* s, size_t task) noexcept nogil:
    cdef Span p
    cdef Py_ssize_t rest = <Py_ssize_t>task
    p.j = rest % s.strips * s.strip
    rest //= s.strips
    p.k = rest % s.chunks
    p.i = p.k * s.chunk
    p.o = rest // s.chunks * s.block
    p.rows, p.n, p.cols = min(s.block, s.outer - p.o), min(s.chunk, s.n - p.i), min(s.strip, s.inner - p.j)
    return p


cdef void cut(Layout* s, bint chunked) noexcept:
    """Choose the tasks; chunked: n may be cut as well."""
    s.strip = min(s.inner, <Py_ssize_t>STRIP)
    s.chunk = max(CHUNK // s.strip, <Py_ssize_t>SHORTEST) if chunked else max(s.n, 1)
    s.chunks = (s.n + s.chunk - 1) // s.chunk if s.n > s.chunk else 1
    if s.chunks == 1:
        s.chunk = s.n
    s.strips = (s.inner + STRIP - 1) // STRIP
    s.block = max(CHUNK // max(s.n * s.inner, 1), 1) if s.chunks * s.strips == 1 else 1
    s.tasks = (s.outer + s.block - 1) // s.block * s.chunks * s.strips


# --- axes -------------------------------------------------------------------------------------------------------------
cdef int mask_of(object axis, int ndim, str who) except -1:
    cdef int mask = 0, bit
    if axis is None:
        return (1 << ndim) - 1
    if type(axis) is not tuple:
        return 1 << normal_axis(axis, ndim, who)
    for one in <tuple>axis:
        bit = 1 << normal_axis(one, ndim, who)
        if mask & bit:
            raise ValueError(f"{who}: axis {one} is named twice in {axis}")
        mask |= bit
    return mask


cdef Tensor moved_last(Tensor x, int mask, bint back):
    """A view of x with the axes of the mask behind the others; back: the inverse, for an x that came out of this."""
    cdef Py_ssize_t[MAXDIM] dims, steps
    cdef int i, at = 0, reduced
    for reduced in range(2):
        for i in range(x.ndim):
            if (mask >> i & 1) == reduced:
                if back:
                    dims[i], steps[i] = x.dims[at], x.steps[at]
                else:
                    dims[at], steps[at] = x.dims[i], x.steps[i]
                at += 1
    return view_of(x, x.ptr, x.ndim, dims, steps)


cdef void lay_out(Tensor x, int mask, Layout* s) noexcept:
    """Collapse the axes to (outer, n, inner); where a kept axis stands between reduced ones, these are moved behind."""
    cdef int i, stage = 0       # before, within and behind the reduced axes
    s.outer, s.n, s.inner, s.moved = 1, 1, 1, False
    for i in range(x.ndim):
        if mask >> i & 1:
            s.n *= x.dims[i]
            if x.dims[i] != 1:
                s.moved |= stage == 2
                stage = 1
        elif stage == 0:
            s.outer *= x.dims[i]
        else:
            s.inner *= x.dims[i]
            if x.dims[i] != 1:
                stage = 2
    if s.moved:
        s.outer, s.inner = s.outer * s.inner, 1


cdef Tensor in_layout(Tensor x, int mask, Layout* s):
    """x as dense memory in the order of its layout."""
    return contiguous(moved_last(x, mask, False) if s.moved else x)


cdef Tensor result_for(Tensor x, int mask, bint keep, int kind):
    cdef Py_ssize_t[MAXDIM] dims
    cdef int i, ndim = 0
    for i in range(x.ndim):
        if not mask >> i & 1:
            dims[ndim] = x.dims[i]
            ndim += 1
        elif keep:
            dims[ndim] = 1
            ndim += 1
    return new_tensor(kind, ndim, dims)


# --- forward ----------------------------------------------------------------------------------------------------------
cdef void reduce_span(Job* j, Span* p, int op, char* mean, char* out, double divisor) noexcept nogil:
    cdef Layout* s = &j.s
    cdef Py_ssize_t size = ITEMSIZE[j.kind], o
    if s.inner == 1:
        K[j.kind].reduce_rows(op, j.x + (p.o * s.n + p.i) * size, mean + p.o * size if mean is not NULL else NULL,
                              out + (p.o * s.chunks + p.k) * size, p.rows, p.n, s.n, divisor)
        return
    for o in range(p.o, p.o + p.rows):
        K[j.kind].reduce_cols(op, j.x + ((o * s.n + p.i) * s.inner + p.j) * size,
                              mean + (o * s.inner + p.j) * size if mean is not NULL else NULL,
                              out + ((o * s.chunks + p.k) * s.inner + p.j) * size, p.n, p.cols, s.inner, divisor)


cdef void reduce_task(void* job, size_t task) noexcept nogil:
    cdef Job* j = <Job*>job
    cdef Span p = span_of(&j.s, task)
    reduce_span(j, &p, j.op, j.mean, j.out, j.scale)


cdef void variance_task(void* job, size_t task) noexcept nogil:
    # Both passes while the data is in the cache.
    cdef Job* j = <Job*>job
    cdef Span p = span_of(&j.s, task)
    reduce_span(j, &p, REDUCE_SUM, NULL, j.mean, <double>j.s.n)
    reduce_span(j, &p, REDUCE_SQUARES, j.mean, j.out, j.scale)


cdef void fold_sums(Tensor part, Tensor y, Py_ssize_t chunks, double divisor) noexcept:
    """y[o] = the sum of part[o, :] / divisor, in double: a few large numbers, where float32 would round each time."""
    cdef Py_ssize_t o, k
    cdef double total
    for o in range(y.size):
        total = 0
        for k in range(o * chunks, (o + 1) * chunks):
            total += (<float*>part.ptr)[k] if y.kind == F32 else (<double*>part.ptr)[k]
        if y.kind == F32:
            (<float*>y.ptr)[o] = <float>(total / divisor)
        else:
            (<double*>y.ptr)[o] = total / divisor


cdef int reduce_into(int op, Tensor x, Layout* s, Tensor mean, Tensor y, double divisor) except -1:
    """y = the op of the kernels over dense x, sums / divisor; mean is what SQUARES are taken about, or None for 0."""
    cdef Tensor part = y
    cdef Py_ssize_t[3] dims
    cdef Py_ssize_t o, size = ITEMSIZE[x.kind]
    cdef int fold = REDUCE_SUM if op == REDUCE_SQUARES else op
    cdef Job job
    if s.chunks > 1:
        dims[0], dims[1], dims[2] = s.outer, s.chunks, s.inner
        part = new_tensor(x.kind, 3, dims)
    job.s, job.op, job.kind, job.x, job.out = s[0], op, x.kind, x.ptr, part.ptr
    job.mean, job.scale = NULL if mean is None else mean.ptr, divisor if s.chunks == 1 else 1
    run_tasks(reduce_task, &job, s.tasks, x.size * MICROSECONDS)
    if s.chunks == 1:
        return 0
    if s.inner == 1 and fold == REDUCE_SUM:
        fold_sums(part, y, s.chunks, divisor)
        return 0
    if s.inner == 1:
        K[x.kind].reduce_rows(fold, part.ptr, NULL, y.ptr, s.outer, s.chunks, s.chunks, divisor)
        return 0
    for o in range(s.outer):
        K[x.kind].reduce_cols(fold, part.ptr + o * s.chunks * s.inner * size, NULL, y.ptr + o * s.inner * size,
                              s.chunks, s.inner, s.inner, divisor)
    return 0


cdef Tensor variance(Tensor x, Layout* s, Tensor y, double divisor):
    """y = sum (x - mean)^2 / divisor; returns the mean."""
    cdef Tensor mean = empty_like(y)
    cdef Job job
    if s.chunks > 1:
        reduce_into(REDUCE_SUM, x, s, None, mean, <double>s.n)
        reduce_into(REDUCE_SQUARES, x, s, mean, y, divisor)
        return mean
    job.s, job.kind, job.x, job.out, job.mean, job.scale = s[0], x.kind, x.ptr, y.ptr, mean.ptr, divisor
    run_tasks(variance_task, &job, s.tasks, x.size * MICROSECONDS * 2)
    return mean


cdef void root(Tensor y) noexcept:
    cdef Py_ssize_t i
    for i in range(y.size):
        if y.kind == F32:
            (<float*>y.ptr)[i] = <float>sqrt((<float*>y.ptr)[i])
        else:
            (<double*>y.ptr)[i] = sqrt((<double*>y.ptr)[i])


cdef Tensor of_nothing(int op, Tensor x, int mask, Tensor y):
    """The result y where x has no elements."""
    cdef int i
    if op == MAX or op == MIN:
        for i in range(x.ndim):
            if mask >> i & 1 and x.dims[i] == 0:
                raise ValueError(f"{names[op]}: axis {i} of shape {shape_of(x)} is empty, and nothing has no {names[op]}; "
                                 "check x.size first")
    return fill_like(y, 1.0 if op == PROD else float("nan") if MEAN <= op <= STD else 0.0)


cdef Tensor apply(int op, Tensor x, int mask, bint keep, double ddof=0.0):
    cdef Layout s
    cdef Tensor dense, y = result_for(x, mask, keep, x.kind), mean = None
    cdef double divisor = 1
    cdef ReduceNode node
    if x.size == 0:
        y = of_nothing(op, x, mask, y)
    else:
        lay_out(x, mask, &s)
        cut(&s, True)
        dense = in_layout(x, mask, &s)
        if op == MEAN:
            divisor = <double>s.n
            reduce_into(REDUCE_SUM, dense, &s, None, y, divisor)
        elif op == VAR or op == STD:
            divisor = fmax(<double>s.n - ddof, 0)
            mean = variance(dense, &s, y, divisor)
        else:
            reduce_into(REDUCE_SQUARES if op == NORM else op, dense, &s, None, y, divisor)
        if op == STD or op == NORM:
            root(y)
    if recording(x):
        node = ReduceNode.__new__(ReduceNode)
        node.op, node.mask, node.scale = op, mask, 1 / divisor
        record(y, node, 0 if op == SUM or op == MEAN else READS_A, x, mean)
    return y


# --- backward ---------------------------------------------------------------------------------------------------------
cdef void backward_task(void* job, size_t task) noexcept nogil:
    cdef Job* j = <Job*>job
    cdef Layout* s = &j.s
    cdef Span p = span_of(s, task)
    cdef Py_ssize_t size = ITEMSIZE[j.kind], o, at, one
    if s.inner == 1:
        at, one = (p.o * s.n + p.i) * size, p.o * size
        if j.op == REDUCE_SUM:
            K[j.kind].expand_rows(j.g + one, j.out + at, p.rows, p.n, j.scale)
        elif j.op == REDUCE_SQUARES:
            K[j.kind].squares_backward_rows(j.x + at, j.mean + one if j.mean is not NULL else NULL, j.g + one, j.out + at,
                                            p.rows, p.n, j.scale)
        elif j.op == PROD:
            K[j.kind].prod_backward_rows(j.x + at, j.g + one, j.out + at, p.rows, p.n)
        else:
            K[j.kind].extreme_backward_rows(j.x + at, j.y + one, j.g + one, j.out + at, p.rows, p.n)
        return
    for o in range(p.o, p.o + p.rows):
        at, one = ((o * s.n + p.i) * s.inner + p.j) * size, (o * s.inner + p.j) * size
        if j.op == REDUCE_SUM:
            K[j.kind].expand_cols(j.g + one, j.out + at, p.n, p.cols, s.inner, j.scale)
        elif j.op == REDUCE_SQUARES:
            K[j.kind].squares_backward_cols(j.x + at, j.mean + one if j.mean is not NULL else NULL, j.g + one, j.out + at,
                                            p.n, p.cols, s.inner, j.scale)
        elif j.op == PROD:
            K[j.kind].prod_backward_cols(j.x + at, j.g + one, j.out + at, p.n, p.cols, s.inner)
        else:
            K[j.kind].extreme_backward_cols(j.x + at, j.y + one, j.g + one, j.out + at, p.n, p.cols, s.inner)


cdef Tensor over_root(Tensor g, Tensor y):
    """g / y, the chain rule's part of the square root; 0 where y is 0, as the derivative of a norm is chosen there."""
    cdef Tensor out = empty_like(g)
    cdef Py_ssize_t i
    for i in range(g.size):
        if g.kind == F32:
            (<float*>out.ptr)[i] = (<float*>g.ptr)[i] / (<float*>y.ptr)[i] if (<float*>y.ptr)[i] != 0 else 0
        else:
            (<double*>out.ptr)[i] = (<double*>g.ptr)[i] / (<double*>y.ptr)[i] if (<double*>y.ptr)[i] != 0 else 0
    return out


cdef Tensor one_value(Tensor x, Tensor g, double scale):
    """scale g, of one element, in every element of x's shape: a view with steps of 0, as tape.pxd describes it."""
    cdef Tensor value = empty_like(g)
    cdef Py_ssize_t[MAXDIM] steps
    cdef int i
    for i in range(x.ndim):
        steps[i] = 0
    K[g.kind].expand_rows(g.ptr, value.ptr, 1, 1, scale)
    return view_of(value, value.ptr, x.ndim, x.dims, steps)


@cython.final
@cython.no_gc
cdef class ReduceNode(Node):
    cdef int op, mask
    cdef double scale

    cdef int backward(self, Tensor y, Tensor g) except -1:
        cdef Tensor x = self.a, dx
        cdef Job job
        cdef int op = self.op
        if x.size == 0:
            return give(x, fill_like(x, 0), True)
        if g.size == 1 and x.size > 2 * BLOCK and x.node is not None and (op == SUM or op == MEAN):
            return give(x, one_value(x, g, self.scale if op == MEAN else 1), False)
        lay_out(x, self.mask, &job.s)
        dx = empty_like(moved_last(x, self.mask, False) if job.s.moved else x)
        if op != SUM and op != MEAN:
            x = in_layout(x, self.mask, &job.s)
        if op == STD or op == NORM:
            g = over_root(g, y)
        job.scale = self.scale if op == MEAN or op == STD else 2 * self.scale if op == VAR or op == SQUARES else 1
        if op == MEAN:
            op = REDUCE_SUM
        elif op == VAR or op == STD or op == NORM:
            op = REDUCE_SQUARES
        cut(&job.s, op == REDUCE_SUM or op == REDUCE_SQUARES)
        job.op, job.kind, job.x, job.y, job.g, job.out = op, x.kind, x.ptr, y.ptr, g.ptr, dx.ptr
        job.mean = NULL if self.b is None else self.b.ptr
        run_tasks(backward_task, &job, job.s.tasks, x.size * MICROSECONDS * 2)
        return give(self.a, moved_last(dx, self.mask, True) if job.s.moved else dx, True)


# --- argmax, argmin ---------------------------------------------------------------------------------------------------
cdef void arg_task(void* job, size_t task) noexcept nogil:
    cdef Job* j = <Job*>job
    cdef Layout* s = &j.s
    cdef Span p = span_of(s, task)
    cdef Py_ssize_t size = ITEMSIZE[j.kind], o, at
    if s.inner == 1:
        at = p.o * s.chunks + p.k
        K[j.kind].arg_rows(j.x + (p.o * s.n + p.i) * size, j.out + at * size, j.index + at, p.rows, p.n, s.n, p.i,
                           j.largest)
        return
    for o in range(p.o, p.o + p.rows):
        at = (o * s.chunks + p.k) * s.inner + p.j
        K[j.kind].arg_cols(j.x + ((o * s.n + p.i) * s.inner + p.j) * size, j.out + at * size, j.index + at, p.n, p.cols,
                           s.inner, p.i, j.largest)


cdef Tensor arg_apply(Tensor x, int mask, bint keep, bint largest):
    cdef Layout s
    cdef Tensor dense, y = result_for(x, mask, keep, I64), values, index
    cdef Py_ssize_t[3] dims
    cdef Py_ssize_t o, j, at
    cdef Job job
    lay_out(x, mask, &s)
    if s.n == 0:
        raise ValueError(f"{arg_names[largest]}: shape {shape_of(x)} is empty along the axis; check x.size first")
    if y.size == 0:
        return y
    cut(&s, True)
    dense = in_layout(x, mask, &s)
    dims[0], dims[1], dims[2] = s.outer, s.chunks, s.inner
    values, index = new_tensor(x.kind, 3, dims), y if s.chunks == 1 else new_tensor(I64, 3, dims)
    job.s, job.kind, job.x, job.out, job.index, job.largest = s, x.kind, dense.ptr, values.ptr, <int64_t*>index.ptr, largest
    run_tasks(arg_task, &job, s.tasks, x.size * MICROSECONDS)
    if s.chunks > 1:
        for o in range(s.outer):
            at = o * s.chunks * s.inner
            K[x.kind].arg_fold(values.ptr + at * ITEMSIZE[x.kind], job.index + at, s.chunks, s.inner, largest)
            for j in range(s.inner):
                (<int64_t*>y.ptr)[o * s.inner + j] = job.index[at + j]
    return y


# --- running sums -----------------------------------------------------------------------------------------------------
cdef void cumsum_task(void* job, size_t task) noexcept nogil:
    cdef Job* j = <Job*>job
    cdef Layout* s = &j.s
    cdef Span p = span_of(s, task)
    cdef Py_ssize_t size = ITEMSIZE[j.kind], o, at
    if s.inner == 1:
        at = p.o * s.n * size
        K[j.kind].cumsum_rows(j.x + at, j.out + at, p.rows, s.n, j.largest)
        return
    for o in range(p.o, p.o + p.rows):
        at = (o * s.n * s.inner + p.j) * size
        K[j.kind].cumsum_cols(j.x + at, j.out + at, s.n, p.cols, s.inner, j.largest)


cdef int cumsum_into(Tensor x, Tensor y, int mask, bint reverse) except -1:
    cdef Job job
    if x.size == 0:
        return 0
    lay_out(x, mask, &job.s)
    cut(&job.s, False)
    job.kind, job.x, job.out, job.largest = x.kind, x.ptr, y.ptr, reverse
    run_tasks(cumsum_task, &job, job.s.tasks, x.size * 0.0004)      # 2.5 elements a nanosecond
    return 0


@cython.final
@cython.no_gc
cdef class CumsumNode(Node):
    cdef int mask

    cdef int backward(self, Tensor y, Tensor g) except -1:
        cdef Tensor x = self.a, dx = new_tensor(x.kind, x.ndim, x.dims)
        cdef Tensor flat = view_of(g, g.ptr, dx.ndim, dx.dims, dx.steps)     # g itself, or of the one axis of axis=None
        cumsum_into(flat, dx, self.mask, True)
        return give(x, dx, True)


cdef Tensor cumsum_apply(Tensor x, object axis):
    cdef Tensor dense = contiguous(x), y
    cdef int mask = mask_of(axis, x.ndim, "cumsum")
    cdef CumsumNode node
    y = new_tensor(x.kind, 1, &x.size) if axis is None else empty_like(x)
    cumsum_into(dense, y, mask, False)
    if recording(x):
        node = CumsumNode.__new__(CumsumNode)
        node.mask = mask
        record(y, node, 0, x)
    return y


# --- for Python -------------------------------------------------------------------------------------------------------
cdef object of_integers(str name, object x, Tensor t, dict options):
    """What NumPy gives for integers and booleans; no gradient."""
    cdef object array = x if isinstance(x, np.ndarray) else t.numpy()
    cdef object y = (np.linalg.norm if name == "norm" else getattr(np, name))(array, **options)
    return as_any(y, name) if type(x) is Tensor else y


def reduce(int op, x, axis, bint keepdims, double ddof=0.0):
    """Reduce x along the axes: the op NAMES[op]."""
    if not 0 <= op <= NORM:
        raise ValueError(f"reduce: op must be 0 to {NORM}, got {op}")
    cdef Tensor t = as_any(x, <str>names[op])
    cdef int mask
    if type(axis) is list:
        axis = tuple(axis)
    mask = mask_of(axis, t.ndim, <str>names[op])
    if t.kind > F64:
        if t.size == 0 and MAX <= op <= MIN:
            of_nothing(op, t, mask, result_for(t, mask, keepdims, I64))
        if op == NORM or op == SQUARES:
            return finish(apply(op, as_any(t.numpy().astype(np.float64), "norm"), mask, keepdims), type(x) is Tensor)
        return of_integers(names[op], x, t, {"axis": axis, "keepdims": keepdims} | ({"ddof": ddof} if ddof else {}))
    return finish(apply(op, t, mask, keepdims, ddof), type(x) is Tensor)


def arg(bint largest, x, axis, bint keepdims):
    """Where the largest (or smallest) element along an axis (None: of all) stands; int64."""
    cdef Tensor t = as_any(x, <str>arg_names[largest])
    cdef int mask
    if type(axis) is tuple:
        raise TypeError(f"{arg_names[largest]}: axis must be an integer or None, got {axis}")
    mask = mask_of(axis, t.ndim, <str>arg_names[largest])
    if t.kind > F64 and t.size:
        return of_integers(arg_names[largest], x, t, {"axis": axis, "keepdims": keepdims})
    return finish(arg_apply(t, mask, keepdims, largest), type(x) is Tensor)


def cumsum(x, axis):
    """Running sums along an axis (None: of the flattened array)."""
    cdef Tensor t = as_any(x, "cumsum")
    if type(axis) is tuple:
        raise TypeError(f"cumsum: axis must be an integer or None, got {axis}")
    if t.kind > F64:
        mask_of(axis, t.ndim, "cumsum")
        return of_integers("cumsum", x, t, {"axis": axis})
    return finish(cumsum_apply(t, axis), type(x) is Tensor)
