"""Matrix products over any batch axes, with NumPy's rules. Transposed, broadcast operands are read where they lie."""
from cdl._core.cast cimport cast
from cdl._core.gate cimport as_float, finish
from cdl._core.gemm cimport Batch, Gemm, multiply, multiply_batched
from cdl._core.tape cimport give, record, recording
from cdl._core.tensor cimport (MAXDIM, READS_A, READS_B, READS_NONE, Node, Tensor, empty_like, hooks, new_tensor,
                               shape_of)

cimport cython


cdef struct Stack:
    # A Tensor as matrices behind batch axes; a missing axis of a vector has length 1.
    char* ptr
    Py_ssize_t rows, cols, row_step, col_step
    int ndim
    Py_ssize_t* dims
    Py_ssize_t* steps


cdef Stack stack_of(Tensor t, bint column) noexcept:
    """`column`: a vector is a column, not a row."""
    cdef Stack s
    s.ptr, s.dims, s.steps, s.ndim = t.ptr, t.dims, t.steps, max(t.ndim - 2, 0)
    if t.ndim == 1 and column:
        s.rows, s.cols, s.row_step, s.col_step = t.dims[0], 1, t.steps[0], 1
    elif t.ndim == 1:
        s.rows, s.cols, s.row_step, s.col_step = 1, t.dims[0], t.dims[0], t.steps[0]
    else:
        s.rows, s.cols = t.dims[t.ndim - 2], t.dims[t.ndim - 1]
        s.row_step, s.col_step = t.steps[t.ndim - 2], t.steps[t.ndim - 1]
    return s


cdef Stack result_stack(Tensor y, Py_ssize_t rows, Py_ssize_t cols, int ndim) noexcept:
    """y, which has no gaps, as (rows, cols) matrices behind its first ndim axes."""
    cdef Stack s
    s.ptr, s.dims, s.steps, s.ndim = y.ptr, y.dims, y.steps, ndim
    s.rows, s.cols, s.row_step, s.col_step = rows, cols, cols, 1
    return s


cdef Stack transposed(Stack s) noexcept:
    cdef Stack t = s
    t.rows, t.cols, t.row_step, t.col_step = s.cols, s.rows, s.col_step, s.row_step
    return t


cdef inline Py_ssize_t length(const Stack* s, int axis) noexcept:
    """Of a batch axis, counted from the last (0)."""
    return s.dims[s.ndim - 1 - axis] if axis < s.ndim else 1


cdef inline Py_ssize_t step(const Stack* s, int axis) noexcept:
    return 0 if length(s, axis) == 1 else s.steps[s.ndim - 1 - axis]


cdef int put_axis(Gemm* g, Batch* batch, Py_ssize_t dim, Py_ssize_t a, Py_ssize_t b, Py_ssize_t c) noexcept:
    """One more batch axis, outside those there are; it becomes rows of a, or part of k, where the steps let it."""
    cdef int i
    if dim == 1:
        return 0
    if batch.ndim == 0:
        if b == 0 and a == g.m * g.a_row and c == g.m * g.c_row:
            g.m *= dim
            return 0
        if c == 0 and a == g.k * g.a_col and b == g.k * g.b_row:
            g.k *= dim
            return 0
    for i in range(batch.ndim, 0, -1):
        batch.dims[i], batch.a_step[i] = batch.dims[i - 1], batch.a_step[i - 1]
        batch.b_step[i], batch.c_step[i] = batch.b_step[i - 1], batch.c_step[i - 1]
    batch.dims[0], batch.a_step[0], batch.b_step[0], batch.c_step[0] = dim, a, b, c
    batch.ndim += 1
    return 0


cdef int run(int kind, Stack a, Stack b, Stack c) except -1:
    """c = a b for every matrix; batch axes broadcast, and where c has length 1 and they have more, c gets the sum."""
    cdef Gemm g
    cdef Batch batch
    cdef int axis
    g.kind, g.m, g.n, g.k = kind, a.rows, b.cols, a.cols
    g.a, g.a_row, g.a_col = a.ptr, a.row_step, a.col_step
    g.b, g.b_row, g.b_col = b.ptr, b.row_step, b.col_step
    g.c, g.c_row = c.ptr, c.row_step
    g.bias, g.z, g.act, g.p, g.q, g.accumulate = NULL, NULL, -1, 0, 0, False
    batch.ndim = 0
    for axis in range(max(a.ndim, b.ndim)):
        put_axis(&g, &batch, length(&a, axis) if length(&a, axis) != 1 else length(&b, axis), step(&a, axis),
                 step(&b, axis), step(&c, axis))
    if batch.ndim:
        return multiply_batched(&g, &batch)
    return multiply(&g)


@cython.final
@cython.no_gc
cdef class MatmulNode(Node):
    """da = g bT and db = aT g, each summed over the batch axes along which the operand was repeated."""

    cdef int backward(self, Tensor y, Tensor g) except -1:
        cdef Tensor a = self.a, b = self.b, d
        cdef Stack sa = stack_of(a, False), sb = stack_of(b, True)
        cdef Stack sg = result_stack(g, sa.rows, sb.cols, g.ndim - (a.ndim > 1) - (b.ndim > 1))
        if a.needs_grad:
            d = empty_like(a)
            run(a.kind, sg, transposed(sb), result_stack(d, sa.rows, sa.cols, sa.ndim))
            give(a, d, True)
        if b.needs_grad:
            d = empty_like(b)
            run(a.kind, transposed(sa), sg, result_stack(d, sb.rows, sb.cols, sb.ndim))
            give(b, d, True)
        return 0


cdef Tensor product(Tensor a, Tensor b):
    cdef Py_ssize_t[MAXDIM] dims
    cdef Stack sa, sb
    cdef Tensor y
    cdef MatmulNode node
    cdef int axis, ndim
    if a.ndim == 0 or b.ndim == 0:
        raise ValueError(f"matmul: each operand needs at least one axis, got shapes {shape_of(a)} and {shape_of(b)}; "
                         "multiply by a number with *")
    sa, sb = stack_of(a, False), stack_of(b, True)
    if sa.cols != sb.rows:
        raise ValueError(f"matmul: the last axis of a, {sa.cols} long, must be as long as the "
                         f"{'one' if b.ndim == 1 else 'last but one'} of b, got shapes {shape_of(a)} and {shape_of(b)}")
    ndim = max(sa.ndim, sb.ndim)
    for axis in range(ndim):
        dims[ndim - 1 - axis] = length(&sa, axis) if length(&sa, axis) != 1 else length(&sb, axis)
        if length(&sb, axis) != 1 and length(&sb, axis) != dims[ndim - 1 - axis]:
            raise ValueError(f"matmul: the batch axes of {shape_of(a)} and {shape_of(b)} do not broadcast; counted "
                             "from the last, the lengths of an axis must be equal or 1")
    axis = ndim
    if a.ndim > 1:
        dims[axis] = sa.rows
        axis += 1
    if b.ndim > 1:
        dims[axis] = sb.cols
        axis += 1
    y = new_tensor(a.kind, axis, dims)
    run(a.kind, sa, sb, result_stack(y, sa.rows, sb.cols, ndim))
    if recording(a) or recording(b):
        node = MatmulNode.__new__(MatmulNode)
        record(y, node, (READS_B if a.needs_grad else READS_NONE) | (READS_A if b.needs_grad else READS_NONE), a, b)
    return y


cdef object operator(object a, object b):
    cdef Tensor x = as_float(a, "matmul"), y = as_float(b, "matmul")
    cdef int kind = max(x.kind, y.kind)
    return finish(product(cast(x, kind), cast(y, kind)), type(a) is Tensor or type(b) is Tensor)


def matmul(a, b):
    """The matrix product; see `cdl.matmul`."""
    return operator(a, b)


hooks.matmul = operator
