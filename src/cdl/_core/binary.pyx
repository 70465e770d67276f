"""Elementwise y = f(a, b) with NumPy's broadcasting: every row of kernels/binary.def, and the operators of Tensor."""
from cpython.object cimport PyObject
from libc.string cimport memcpy

from cdl._core cimport unary
from cdl._core.broadcast cimport Cursor, Plan, advance, make_plan, seek, sum_to, with_rows
from cdl._core.cast cimport cast, common_kind, is_number
from cdl._core.copy cimport assign, contiguous
from cdl._core.gate cimport as_any, finish
from cdl._core.kernels cimport (BINARY_ADD, BINARY_DIVIDE, BINARY_MULTIPLY, BINARY_POWER, BINARY_SAVED, BINARY_SUBTRACT,
                                CDL_BINARY_COUNT, K, SAVED_A, SAVED_B)
from cdl._core.tape cimport BLOCK, ONE_VALUE, block_of, give, record, recording, room_for_dx, touch
from cdl._core.tensor cimport (F32, F64, ITEMSIZE, MAXDIM, READS_A, READS_B, Node, Tensor, empty_like, hooks,
                               new_tensor, same_dims, scalar, shape_of)
from cdl._core.threads cimport run_tasks, task_t

cimport cython

import numpy as np

from cdl._core.kernels import BINARY, UNARY

cdef extern from "Python.h":
    enum: METH_FASTCALL
    ctypedef struct PyMethodDef:
        const char* ml_name
        void* ml_meth
        int ml_flags
        const char* ml_doc
    object PyCFunction_NewEx(PyMethodDef* method, object self, object module)

cdef enum:
    TILE = 512          # elements from which on a kernel call of 5 ns no longer shows

cdef list NAMES = list(BINARY)
cdef list UFUNCS = [getattr(np, name) for name in NAMES]
cdef int POWER_SCALAR = UNARY["power_scalar"]
cdef object generic = np.generic


cdef struct Job:
    int op, kind
    const char* a
    const char* b
    const char* y
    const char* g
    char* out           # y in the forward, da in the backward
    char* db
    size_t sa, sb
    Py_ssize_t size
    const Plan* plan
    bint second         # produce_task writes db, not da
    bint one_block      # backward_task: g is one block that every task reads


# --- loops ------------------------------------------------------------------------------------------------------------
cdef void run(task_t task, Job* job) noexcept:
    # 0.2 ns an element is one thread's time from memory; a power costs ten times as much.
    run_tasks(task, job, (job.size + BLOCK - 1) // BLOCK, job.size * (0.002 if job.op == BINARY_POWER else 0.0002))


cdef void forward_task(void* job, size_t task) noexcept nogil:
    cdef Job* j = <Job*>job
    cdef Py_ssize_t start = task * BLOCK * ITEMSIZE[j.kind]
    K[j.kind].binary_forward[j.op](j.a + start * j.sa, j.b + start * j.sb, j.out + start,
                                   min(BLOCK, j.size - <Py_ssize_t>task * BLOCK), j.sa, j.sb)


cdef void forward_rows_task(void* job, size_t task) noexcept nogil:
    cdef Job* j = <Job*>job
    cdef Py_ssize_t start = task * BLOCK, left = min(BLOCK, j.size - start), itemsize = ITEMSIZE[j.kind], n
    cdef char* out = j.out + start * itemsize
    cdef Cursor c
    seek(&c, j.plan, start)
    while left:
        n = min(left, c.left)
        K[j.kind].binary_forward[j.op](j.a + c.at[0] * itemsize, j.b + c.at[1] * itemsize, out, n, j.sa, j.sb)
        out += n * itemsize
        left -= n
        advance(&c, n)


cdef void backward_task(void* job, size_t task) noexcept nogil:
    cdef Job* j = <Job*>job
    cdef Py_ssize_t start = task * BLOCK * ITEMSIZE[j.kind]
    K[j.kind].binary_backward[j.op](j.a + start * j.sa, j.b + start * j.sb, j.y + start,
                                    j.g if j.one_block else j.g + start,
                                    j.out + start if j.out is not NULL else NULL,
                                    j.db + start if j.db is not NULL else NULL,
                                    min(BLOCK, j.size - <Py_ssize_t>task * BLOCK), j.sa, j.sb)


cdef void produce(const void* job, Py_ssize_t start, Py_ssize_t count, char* out) noexcept nogil:
    """Elements start … of the gradient of one operand before it is summed to the operand's shape."""
    cdef const Job* j = <const Job*>job
    cdef Py_ssize_t itemsize = ITEMSIZE[j.kind], n
    cdef const char* y = j.y + start * itemsize
    cdef const char* g = j.g + start * itemsize
    cdef Cursor c
    seek(&c, j.plan, start)
    while count:
        n = min(count, c.left)
        K[j.kind].binary_backward[j.op](j.a + c.at[0] * itemsize, j.b + c.at[1] * itemsize, y, g,
                                        NULL if j.second else out, out if j.second else NULL, n, j.sa, j.sb)
        out += n * itemsize
        y += n * itemsize
        g += n * itemsize
        count -= n
        advance(&c, n)


cdef void produce_task(void* job, size_t task) noexcept nogil:
    cdef Job* j = <Job*>job
    cdef Py_ssize_t start = task * BLOCK
    produce(job, start, min(BLOCK, j.size - start), j.out + start * ITEMSIZE[j.kind])


# --- two Tensors ------------------------------------------------------------------------------------------------------
@cython.final
@cython.no_gc
cdef class BinaryNode(Node):
    cdef int op

    cdef int backward(self, Tensor y, Tensor g) except -1:
        if self.op == BINARY_ADD or self.op == BINARY_SUBTRACT:
            return self.backward_of_sum(y, g)
        if same_dims(self.a, self.b):
            return self.backward_flat(y, g)
        return self.backward_rows(y, contiguous(g))

    cdef int backward_of_sum(self, Tensor y, Tensor g) except -1:
        """The gradient of add and subtract is g itself, or its sum; for b of subtract the negative of that."""
        cdef bint wants_a = self.a is not None and self.a.needs_grad, wants_b = self.b is not None and self.b.needs_grad
        cdef bint owned = y.grad_owned and not (wants_a and wants_b)
        cdef Tensor d
        if wants_b:
            d = sum_to(self.b, g if same_dims(self.b, g) else contiguous(g))
            if self.op == BINARY_ADD:
                give(self.b, d, owned or d is not g)
            else:
                give(self.b, unary.negative_of(d, d if d is g and owned else empty_like(d)), True)
                owned = y.grad_owned
        if wants_a:
            d = sum_to(self.a, g if same_dims(self.a, g) else contiguous(g))
            give(self.a, d, owned or d is not g)
        return 0

    cdef int backward_flat(self, Tensor y, Tensor g) except -1:
        cdef Tensor a = contiguous(self.a), b = contiguous(self.b), da = None, db = None, block = block_of(g)
        cdef Job job = Job(self.op, g.kind, a.ptr, b.ptr, y.ptr, block.ptr, NULL, NULL, 1, 1, g.size, NULL, False,
                           block is not g)
        if self.a.needs_grad:
            da = room_for_dx(y, g)
            job.out = da.ptr
        if self.b.needs_grad:
            db = empty_like(g) if da is g else room_for_dx(y, g)
            job.db = db.ptr
        run(backward_task, &job)
        if da is not None:
            give(self.a, da, True)
        if db is not None:
            give(self.b, db, True)
        return 0

    cdef int backward_rows(self, Tensor y, Tensor g) except -1:
        cdef Tensor a = with_rows(self.a), b = with_rows(self.b)
        cdef Py_ssize_t[MAXDIM] dims
        cdef Plan plan
        cdef Job job
        make_plan(&plan, dims, "", a, b)
        a, b = tiled(&plan, 0, a), tiled(&plan, 1, b)
        job = Job(self.op, g.kind, a.ptr, b.ptr, y.ptr, g.ptr, NULL, NULL, 1, 1, g.size, &plan, False, False)
        job.sa, job.sb = plan.steps[0][plan.ndim - 1], plan.steps[1][plan.ndim - 1]
        if self.a.needs_grad:
            give(self.a, self.backward_of(self.a, g, &job, y.grad_owned and not self.b.needs_grad), True)
        if self.b.needs_grad:
            job.second = True
            give(self.b, self.backward_of(self.b, g, &job, y.grad_owned), True)
        return 0

    cdef Tensor backward_of(self, Tensor t, Tensor g, Job* job, bint over):
        """The gradient of one operand: where it was repeated, summed as it is computed. over: it may be written to g."""
        cdef Tensor d
        if t.size != g.size or g.size == 0:
            return sum_to(t, g, produce, job)
        d = g if over and same_dims(t, g) else new_tensor(g.kind, t.ndim, t.dims)
        job.out = d.ptr
        run(produce_task, job)
        return d


cdef Tensor tiled(Plan* plan, int k, Tensor t):
    """Short rows that operand k (t) repeats under a dense one: k is written out several times, and the plan's rows are
    as much longer; the last may be cut off by the end of y."""
    cdef Py_ssize_t n = plan.dims[1], copies = TILE // n if n else 0, i
    cdef Tensor tile
    if (plan.ndim != 2 or copies < 2 or plan.dims[0] < 2 * copies or plan.steps[k][0] or plan.steps[k][1] != 1
            or plan.steps[1 - k][0] != n or plan.steps[1 - k][1] != 1):
        return t
    n *= copies
    tile = new_tensor(t.kind, 1, &n)
    for i in range(copies):
        memcpy(tile.ptr + i * t.size * ITEMSIZE[t.kind], t.ptr, t.size * ITEMSIZE[t.kind])
    plan.dims[0] = (plan.dims[0] + copies - 1) // copies
    plan.dims[1] = plan.steps[1 - k][0] = n
    return tile


cdef Tensor spread(int op, Tensor a, Tensor b):
    """y = f(a, b) for operands of different shapes, or with gaps."""
    cdef Py_ssize_t[MAXDIM] dims
    cdef Plan plan
    cdef Job job
    cdef Tensor y
    cdef int ndim
    a, b = with_rows(a), with_rows(b)
    ndim = make_plan(&plan, dims, NAMES[op], a, b)
    a, b = tiled(&plan, 0, a), tiled(&plan, 1, b)
    y = new_tensor(a.kind, ndim, dims)
    job = Job(op, a.kind, a.ptr, b.ptr, NULL, NULL, y.ptr, NULL, plan.steps[0][plan.ndim - 1],
              plan.steps[1][plan.ndim - 1], y.size, &plan, False, False)
    run(forward_task if plan.ndim == 1 else forward_rows_task, &job)
    return y


cdef int reads_of(int op, bint wants_a, bint wants_b) noexcept:
    """The inputs whose values the backward reads."""
    if op == BINARY_MULTIPLY:
        return (READS_B if wants_a else 0) | (READS_A if wants_b else 0)
    if op == BINARY_DIVIDE and not wants_b:
        return READS_B
    return (READS_A if BINARY_SAVED[op] & SAVED_A else 0) | (READS_B if BINARY_SAVED[op] & SAVED_B else 0)


cdef Tensor apply(int op, Tensor a, Tensor b):
    cdef Tensor y
    cdef Job job
    cdef BinaryNode node
    cdef bint wants_a, wants_b
    cdef int reads
    if a.kind != b.kind:
        a, b = cast(a, F64), cast(b, F64)
    if a.contiguous and b.contiguous and same_dims(a, b):
        y = empty_like(a)
        job = Job(op, a.kind, a.ptr, b.ptr, NULL, NULL, y.ptr, NULL, 1, 1, a.size, NULL, False, False)
        run(forward_task, &job)
    else:
        y = spread(op, a, b)
    wants_a, wants_b = recording(a), recording(b)
    if wants_a or wants_b:
        node = BinaryNode.__new__(BinaryNode)
        node.op = op
        reads = reads_of(op, wants_a, wants_b) | ONE_VALUE
        # add and subtract drop the operand that needs no gradient; the others may look at its shape.
        record(y, node, reads, a if wants_a or BINARY_SAVED[op] else None, b if wants_b or BINARY_SAVED[op] else None)
    return y


# --- a Tensor and a number --------------------------------------------------------------------------------------------
cdef struct Number:     # the number in the precision of the kernel
    float single
    double twofold


cdef inline const char* pointer(const Number* number, int kind) noexcept:
    return <const char*>&number.single if kind == F32 else <const char*>&number.twofold


@cython.final
@cython.no_gc
cdef class NumberNode(Node):
    cdef int op
    cdef bint first
    cdef double number

    cdef int backward(self, Tensor y, Tensor g) except -1:
        cdef Number value = Number(<float>self.number, self.number)
        cdef Tensor t, d, block
        cdef Job job
        if self.op == BINARY_ADD or (self.op == BINARY_SUBTRACT and not self.first):
            return give(self.a, g, y.grad_owned)
        t, d, block = contiguous(self.a), room_for_dx(y, g), block_of(g)
        if self.first:
            job = Job(self.op, g.kind, pointer(&value, g.kind), t.ptr, y.ptr, block.ptr, NULL, d.ptr, 0, 1, g.size, NULL,
                      True, block is not g)
        else:
            job = Job(self.op, g.kind, t.ptr, pointer(&value, g.kind), y.ptr, block.ptr, d.ptr, NULL, 1, 0, g.size, NULL,
                      False, block is not g)
        run(backward_task, &job)
        return give(self.a, d, True)


cdef Tensor apply_number(int op, Tensor t, double number, bint first):
    cdef Number value = Number(<float>number, number)
    cdef NumberNode node
    cdef Tensor dense, y
    cdef Job job
    cdef bint reads
    if op == BINARY_POWER and not first:
        return unary.apply(POWER_SCALAR, t, number, 0)
    dense, y = contiguous(t), empty_like(t)
    if first:
        job = Job(op, t.kind, pointer(&value, t.kind), dense.ptr, NULL, NULL, y.ptr, NULL, 0, 1, t.size, NULL, False, False)
    else:
        job = Job(op, t.kind, dense.ptr, pointer(&value, t.kind), NULL, NULL, y.ptr, NULL, 1, 0, t.size, NULL, False, False)
    run(forward_task, &job)
    if recording(t):
        node = NumberNode.__new__(NumberNode)
        node.op, node.first, node.number = op, first, number
        reads = (BINARY_SAVED[op] & (SAVED_B if first else SAVED_A) and op != BINARY_MULTIPLY
                 and (first or op != BINARY_DIVIDE))
        record(y, node, ONE_VALUE | (READS_A if reads else 0), t)
    return y


# --- anything ---------------------------------------------------------------------------------------------------------
cdef bint is_operand(object x):
    return isinstance(x, (np.ndarray, generic, float, int, complex, list, tuple)) or hasattr(x, "__array__")


cdef Tensor as_operand(int op, object x):
    if type(x) is not Tensor and isinstance(x, float):      # also np.float64, without the way round an array
        return scalar(x, F64)
    return as_any(x, NAMES[op])


cdef object whole(int op, object a, object b):
    """Of integers and booleans NumPy's own result, but float32 where it is not an integer or a boolean."""
    cdef Tensor y = as_any(UFUNCS[op](a.numpy() if type(a) is Tensor else a, b.numpy() if type(b) is Tensor else b),
                           NAMES[op])
    return y if y.kind > F64 else cast(y, F32)


cdef Tensor mixed(int op, object a, object b):
    """Operands of any sort and kind."""
    cdef Tensor s = None if is_number(a) else as_operand(op, a), t = None if is_number(b) else as_operand(op, b)
    cdef int kind = common_kind(s, a, t, b)
    if kind > F64:
        return whole(op, a if s is None else s, b if t is None else t)
    if s is None and t is None:
        return apply(op, scalar(a, kind), scalar(b, kind))
    if s is None:
        return apply_number(op, cast(t, kind), a, True)
    if t is None:
        return apply_number(op, cast(s, kind), b, False)
    return apply(op, cast(s, kind), cast(t, kind))


cdef object operate(int op, object a, object b):
    if type(a) is Tensor:
        if type(b) is Tensor:
            if (<Tensor>a).kind <= F64 and (<Tensor>b).kind <= F64:
                return apply(op, <Tensor>a, <Tensor>b)
        elif (<Tensor>a).kind <= F64 and is_number(b):
            return apply_number(op, <Tensor>a, b, False)
        elif not is_operand(b):
            return NotImplemented
    elif not is_operand(a):
        return NotImplemented
    elif (<Tensor>b).kind <= F64 and is_number(a):
        return apply_number(op, <Tensor>b, a, True)
    return mixed(op, a, b)


cdef bint flat_in_place(int op, Tensor x, object other) except -1:
    """x op= other, written where it is read, if it is that simple: a number, or a Tensor of x's shape and kind."""
    cdef Py_ssize_t nbytes = x.size * ITEMSIZE[x.kind]
    cdef Number value
    cdef Tensor t
    cdef Job job
    if type(other) is Tensor:
        t = <Tensor>other
        if recording(t) or t.kind != x.kind or not t.contiguous or not same_dims(x, t):
            return False
        if t.ptr != x.ptr and t.ptr < x.ptr + nbytes and x.ptr < t.ptr + nbytes:
            return False        # part of x itself: it would change while it is read
        job = Job(op, x.kind, x.ptr, t.ptr, NULL, NULL, x.ptr, NULL, 1, 1, x.size, NULL, False, False)
    elif is_number(other) and op != BINARY_POWER:
        value.twofold = other
        value.single = <float>value.twofold
        job = Job(op, x.kind, x.ptr, pointer(&value, x.kind), NULL, NULL, x.ptr, NULL, 1, 0, x.size, NULL, False, False)
    else:
        return False
    touch(x)
    run(forward_task, &job)
    return True


cdef object operate_in_place(int op, Tensor x, object other):
    """x op= other: a recorded result is a new Tensor, so that the tape stays true; else x itself changes."""
    cdef Tensor y
    cdef object result
    if x.node is None:
        if recording(x):
            raise RuntimeError("in-place change of a Tensor that requires a gradient: the tape could not see it; write "
                               "x = x + y for a new Tensor, or change this one inside cdl.no_grad()")
        if x.contiguous and x.kind <= F64 and flat_in_place(op, x, other):
            return x
    result = operate(op, x, other)
    if result is NotImplemented or x.node is not None:
        return result
    y = <Tensor>result
    if y.needs_grad:
        return y
    if not same_dims(x, y):
        raise ValueError(f"in-place {NAMES[op]}: the result has shape {shape_of(y)}, this Tensor {shape_of(x)}; write "
                         "x = x + y for a new one")
    if x.kind != y.kind:
        if x.kind > F64:
            raise TypeError(f"in-place {NAMES[op]}: the result is {y.dtype}, this Tensor {x.dtype}; write x = x + y "
                            "for a new one")
        y = cast(y, x.kind)
    touch(x)
    assign(x, y)
    return x


cdef object compare(object function, Tensor x, object other):
    """The comparison as a Tensor of booleans; it has no gradient."""
    if type(other) is not Tensor and not is_operand(other):
        return NotImplemented
    return as_any(function(x.numpy(), other.numpy() if type(other) is Tensor else other), "compare")


cdef object of_any(int op, object a, object b):
    """What the public functions do: no Tensor in, no Tensor out."""
    cdef object y
    if type(a) is not Tensor and type(b) is not Tensor:
        return finish(mixed(op, a, b), False)
    y = operate(op, a, b)
    if y is NotImplemented:
        raise TypeError(f"{NAMES[op]}: expected arrays or numbers, got {type(a).__name__} and {type(b).__name__}")
    return y


def binary(int op, a, b):
    """y = f(a, b), the op of index `op` in `kernels.BINARY`."""
    if not 0 <= op < CDL_BINARY_COUNT:
        raise ValueError(f"binary: op must be 0 to {CDL_BINARY_COUNT - 1}, got {op}")
    return of_any(op, a, b)


# As in unary.pyx: one callable per op, which takes its arguments without a tuple.
cdef object call(object self, PyObject** arguments, Py_ssize_t count):
    if count != 2:
        raise TypeError(f"{NAMES[self]}: expected 2 arguments, got {count}")
    return of_any(self, <object>arguments[0], <object>arguments[1])

cdef PyMethodDef method
method.ml_name, method.ml_meth, method.ml_flags, method.ml_doc = "binary", <void*>call, METH_FASTCALL, NULL


def function(str name):
    """The op of that name in `kernels.BINARY` as a function of a and b."""
    return PyCFunction_NewEx(&method, BINARY[name], __name__)


hooks.binary = operate
hooks.in_place = operate_in_place
hooks.compare = compare
