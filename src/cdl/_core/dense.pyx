"""A dense layer, y = act(x w + b), in one pass over its output.

x is (…, F), w (F, N), b (N). Backward, with z = x w + b and g' = g act'(z):  dw = xT g',  dx = g' wT,  and db is the
sum of the rows of g'.
"""
from cdl._core.cast cimport cast
from cdl._core.copy cimport contiguous
from cdl._core.gate cimport as_float, finish
from cdl._core.gemm cimport Gemm, multiply
from cdl._core.kernels cimport SAVED_X, UNARY_SAVED, K
from cdl._core.tape cimport give, record, recording, room_for_dx
from cdl._core.tensor cimport (F64, ITEMSIZE, MAXDIM, READS_A, READS_B, READS_NONE, Node, Tensor, empty_like,
                               new_tensor, shape_of)
from cdl._core.threads cimport run_tasks

cimport cython

from cdl._core.kernels import UNARY

cdef dict OPS = UNARY   # 60 ns less than a name of the module
# What p is for activations that have a parameter, where the caller gives none: a slope, a scale.
cdef int LEAKY_RELU = UNARY["leaky_relu"], ELU = UNARY["elu"]

cdef extern from "gemm.h" nogil:
    size_t PANEL "CDL_GEMM_PANEL"

cdef enum:
    CHUNK = 1 << 14     # elements of a task: z, y, g and g' of float32 stay in L2
    CHUNK_ROWS = 128    # rows summed one after the other, so that db does not lose digits over a large batch

# A sum of rows is a product with a row of ones; the kernel reads this one with steps of 0.
cdef float one_f32 = 1
cdef double one_f64 = 1


cdef struct Rows:
    # g' and the sums of its rows, a chunk of rows to a task
    int kind, act
    const char* z
    const char* y
    const char* g
    char* dz            # may be g
    char* sums          # (chunks, n), or NULL
    Py_ssize_t m, n, chunk
    double p, q


cdef inline void sum_rows(int kind, const void* x, Py_ssize_t m, Py_ssize_t n, void* total) noexcept nogil:
    K[kind].gemm(1, n, m, &one_f64 if kind == F64 else <const void*>&one_f32, 0, 0, x, n, PANEL, total, n, NULL, 0)


cdef void rows_task(void* job, size_t task) noexcept nogil:
    cdef Rows* r = <Rows*>job
    cdef Py_ssize_t row = <Py_ssize_t>task * r.chunk, rows = min(r.chunk, r.m - row)
    cdef Py_ssize_t start = row * r.n * ITEMSIZE[r.kind]
    if r.act >= 0:
        K[r.kind].unary_backward[r.act](r.z + start if r.z != NULL else NULL, r.y + start, r.g + start, r.dz + start,
                                        rows * r.n, r.p, r.q)
    if r.sums != NULL:
        sum_rows(r.kind, r.dz + start, rows, r.n, r.sums + <Py_ssize_t>task * r.n * ITEMSIZE[r.kind])


cdef Tensor through_activation(Tensor y, Tensor z, Tensor g, int act, double p, double q, Tensor b):
    """g', and in the same pass the sum of its rows, which b gets as its gradient if it wants one."""
    cdef Tensor dz = g if act < 0 else room_for_dx(y, g), db = None
    if b is not None and b.needs_grad:
        db = empty_like(b)
    if y.size == 0:
        if db is not None:
            sum_rows(y.kind, NULL, 0, db.size, db.ptr)
    elif act >= 0 or db is not None:
        pass_rows(y, z, g, act, p, q, dz, db)
    if db is not None:
        give(b, db, True)
    return dz


cdef int pass_rows(Tensor y, Tensor z, Tensor g, int act, double p, double q, Tensor dz, Tensor db) except -1:
    """dz = g act'(z), and db, unless None, the sum of its rows."""
    cdef Py_ssize_t n = y.dims[y.ndim - 1], m = y.size // n, chunks
    cdef Py_ssize_t[2] dims
    cdef Tensor sums = None
    cdef Rows r
    r.kind, r.act, r.p, r.q, r.m, r.n = y.kind, act, p, q, m, n
    r.z, r.y, r.g, r.dz, r.sums = NULL if z is None else z.ptr, y.ptr, g.ptr, dz.ptr, NULL
    r.chunk = min(max(CHUNK // n, 16), CHUNK_ROWS)
    chunks = (m + r.chunk - 1) // r.chunk
    if db is not None:
        if chunks > 1:
            dims[0], dims[1] = chunks, n
            sums = new_tensor(y.kind, 2, dims)
            r.sums = sums.ptr
        else:
            r.sums = db.ptr
    run_tasks(rows_task, &r, chunks, y.size * 0.0003)
    if sums is not None:
        sum_rows(y.kind, sums.ptr, chunks, n, db.ptr)
    return 0


cdef Gemm plain(int kind, Py_ssize_t m, Py_ssize_t n, Py_ssize_t k, char* c) noexcept nogil:
    """c (m, n) without bias or activation; the operands are still to be set."""
    cdef Gemm g
    g.kind, g.m, g.n, g.k, g.c, g.c_row = kind, m, n, k, c, n
    g.bias, g.z, g.act, g.p, g.q, g.accumulate = NULL, NULL, -1, 0, 0, False
    return g


@cython.final
@cython.no_gc
cdef class DenseNode(Node):
    cdef Tensor z       # where act's derivative is a function of it
    cdef int act
    cdef double p, q

    cdef int backward(self, Tensor y, Tensor g) except -1:
        cdef Tensor x = self.a, w = self.b, dw, dx, dz = through_activation(y, self.z, g, self.act, self.p, self.q, self.c)
        cdef Py_ssize_t f = w.dims[0], n = w.dims[1], m = rows_of(x)
        cdef Gemm product
        if w.needs_grad and self.reads & READS_A:       # one unfrozen since: x was not held for it
            dw = empty_like(w)
            x = contiguous(x)
            product = plain(w.kind, f, n, m, dw.ptr)
            product.a, product.a_row, product.a_col = x.ptr, 1, f
            product.b, product.b_row, product.b_col = dz.ptr, n, 1
            multiply(&product)
            give(w, dw, True)
        if self.a.needs_grad and self.reads & READS_B:
            dx = empty_like(x)
            product = plain(w.kind, m, f, n, dx.ptr)
            product.a, product.a_row, product.a_col = dz.ptr, n, 1
            product.b, product.b_row, product.b_col = w.ptr, w.steps[1], w.steps[0]
            multiply(&product)
            give(self.a, dx, True)
        return 0

    cdef void release(self):
        self.z = None
        Node.release(self)


cdef Py_ssize_t rows_of(Tensor x) noexcept:
    cdef Py_ssize_t rows = 1
    cdef int i
    for i in range(x.ndim - 1):
        rows *= x.dims[i]
    return rows


cdef int check(Tensor x, Tensor w, Tensor b) except -1:
    if w.ndim != 2:
        raise ValueError(f"dense: w must be (inputs, outputs), got shape {shape_of(w)}")
    if x.ndim == 0 or x.dims[x.ndim - 1] != w.dims[0]:
        raise ValueError(f"dense: expected {w.dims[0]} features (w is {shape_of(w)}) in the last axis of x, "
                         f"got x of shape {shape_of(x)}")
    if b is not None and (b.ndim != 1 or b.dims[0] != w.dims[1]):
        raise ValueError(f"dense: b must have shape ({w.dims[1]},), one value for each output of w, got {shape_of(b)}")
    return 0


cdef Tensor apply(Tensor x, Tensor w, Tensor b, int act, double p, double q):
    cdef Py_ssize_t[MAXDIM] dims
    cdef Tensor y, dense_x = contiguous(x), bias, z = None
    cdef Gemm g
    cdef DenseNode node
    cdef bint record_it
    cdef int i
    check(x, w, b)
    for i in range(x.ndim - 1):
        dims[i] = x.dims[i]
    dims[x.ndim - 1] = w.dims[1]
    y = new_tensor(x.kind, x.ndim, dims)
    record_it = recording(x) or recording(w) or (b is not None and recording(b))
    g = plain(x.kind, rows_of(x), w.dims[1], w.dims[0], y.ptr)
    g.a, g.a_row, g.a_col = dense_x.ptr, g.k, 1
    g.b, g.b_row, g.b_col = w.ptr, w.steps[0], w.steps[1]
    g.act, g.p, g.q = act, p, q
    if b is not None:
        bias = contiguous(b)
        g.bias = bias.ptr
    if record_it and act >= 0 and UNARY_SAVED[act] & SAVED_X:
        z = empty_like(y)
        g.z = z.ptr
    multiply(&g)
    if record_it:
        node = DenseNode.__new__(DenseNode)
        node.act, node.p, node.q, node.z = act, p, q, z
        record(y, node, (READS_A if w.needs_grad else READS_NONE) | (READS_B if x.needs_grad else READS_NONE), x, w, b)
    return y


cdef int act_of(object act, object p, str who, double* first) except -2:
    cdef int index = -1
    first[0] = 0
    if act is not None:
        found = OPS.get(act)
        if found is None:
            raise ValueError(f"{who}: act must be None or one of {', '.join(UNARY)}, got {act!r}")
        index = found
    if p is not None:
        first[0] = p
    elif index == LEAKY_RELU:
        first[0] = 0.01
    elif index == ELU:
        first[0] = 1.0
    return index


def dense(x, w, b=None, act=None, p=None, double q=0.0):
    """y = act(x w + b); see `cdl.dense`. `act` is a name in `kernels.UNARY`, p and q are its parameters."""
    cdef Tensor tx = as_float(x, "dense"), tw = as_float(w, "dense"), tb = None if b is None else as_float(b, "dense")
    cdef int kind = max(tx.kind, tw.kind), index
    cdef bint as_tensor = type(x) is Tensor or type(w) is Tensor or type(b) is Tensor
    cdef double first
    index = act_of(act, p, "dense", &first)
    if tb is not None:
        kind = max(kind, tb.kind)
        tb = cast(tb, kind)
    return finish(apply(cast(tx, kind), cast(tw, kind), tb, index, first, q), as_tensor)
