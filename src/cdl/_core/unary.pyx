"""Elementwise y = f(x): every row of kernels/unary.def."""
from cdl._core.cast cimport cast
from cdl._core.copy cimport contiguous
from cdl._core.gate cimport as_any, finish
from cdl._core.kernels cimport CDL_UNARY_COUNT, K, SAVED_X, UNARY_NEGATIVE, UNARY_SAVED
from cdl._core.tape cimport BLOCK, ONE_VALUE, block_of, give, record, recording, room_for_dx
from cdl._core.tensor cimport F32, F64, ITEMSIZE, READS_A, Node, Tensor, empty_like, hooks
from cdl._core.threads cimport run_tasks, task_t

cimport cython

import numpy as np

from cdl._core.kernels import UNARY

cdef extern from "Python.h":
    enum: METH_O
    ctypedef struct PyMethodDef:
        const char* ml_name
        void* ml_meth
        int ml_flags
        const char* ml_doc
    object PyCFunction_NewEx(PyMethodDef* method, object self, object module)

cdef list NAMES = list(UNARY)
# Integers and booleans stay what they are here: NumPy's own functions.
cdef dict WHOLE = {UNARY[name]: function for name, function in (
    ("abs", np.abs), ("negative", np.negative), ("square", np.square), ("sign", np.sign),
    ("floor", np.copy), ("ceil", np.copy), ("round", np.copy))}


cdef struct Job:
    int op, kind
    const char* x
    const char* y
    const char* g
    char* out
    Py_ssize_t size
    double p, q
    bint one_block      # g is one block that every task reads


cdef void forward_task(void* job, size_t task) noexcept nogil:
    cdef Job* j = <Job*>job
    cdef Py_ssize_t start = task * BLOCK * ITEMSIZE[j.kind]
    K[j.kind].unary_forward[j.op](j.x + start, j.out + start, min(BLOCK, j.size - <Py_ssize_t>task * BLOCK), j.p, j.q)


cdef void backward_task(void* job, size_t task) noexcept nogil:
    cdef Job* j = <Job*>job
    cdef Py_ssize_t start = task * BLOCK * ITEMSIZE[j.kind]
    K[j.kind].unary_backward[j.op](j.x + start, j.y + start, j.g if j.one_block else j.g + start, j.out + start,
                                   min(BLOCK, j.size - <Py_ssize_t>task * BLOCK), j.p, j.q)


@cython.final
@cython.no_gc
cdef class UnaryNode(Node):
    cdef int op
    cdef double p, q

    cdef int backward(self, Tensor y, Tensor g) except -1:
        cdef Tensor x = contiguous(self.a) if UNARY_SAVED[self.op] & SAVED_X else y
        cdef Tensor dx = room_for_dx(y, g), block = block_of(g)
        cdef Job job = Job(self.op, g.kind, x.ptr, y.ptr, block.ptr, dx.ptr, g.size, self.p, self.q, block is not g)
        run(backward_task, &job)
        return give(self.a, dx, True)


cdef void run(task_t task, Job* job) noexcept:
    # One thread needs about 0.2 ns an element, from memory as for the dearest of these functions.
    run_tasks(task, job, (job.size + BLOCK - 1) // BLOCK, job.size * 0.0002)


cdef Tensor apply(int op, Tensor x, double p, double q):
    cdef Tensor dense = contiguous(x), y = empty_like(x)
    cdef Job job = Job(op, x.kind, dense.ptr, NULL, NULL, y.ptr, x.size, p, q, False)
    cdef UnaryNode node
    run(forward_task, &job)
    if recording(x):
        node = UnaryNode.__new__(UnaryNode)
        node.op, node.p, node.q = op, p, q
        record(y, node, ONE_VALUE | (READS_A if UNARY_SAVED[op] & SAVED_X else 0), x)
    return y


cdef Tensor negative_of(Tensor g, Tensor y):
    cdef Tensor dense = contiguous(g)
    cdef Job job = Job(UNARY_NEGATIVE, g.kind, dense.ptr, NULL, NULL, y.ptr, g.size, 0, 0, False)
    run(forward_task, &job)
    return y


cdef object operate(int op, object x, double p, double q):
    cdef Tensor t
    if type(x) is Tensor and (<Tensor>x).kind <= F64:
        return apply(op, <Tensor>x, p, q)
    t = as_any(x, NAMES[op])
    if t.kind > F64 and op in WHOLE:
        return finish(as_any(WHOLE[op](t.numpy()), NAMES[op]), type(x) is Tensor)
    return finish(apply(op, cast(t, F32) if t.kind > F64 else t, p, q), type(x) is Tensor)


def unary(int op, x, double p=0.0, double q=0.0):
    """y = f(x), the op of index `op` in `kernels.UNARY` with its parameters p and q."""
    if not 0 <= op < CDL_UNARY_COUNT:
        raise ValueError(f"unary: op must be 0 to {CDL_UNARY_COUNT - 1}, got {op}")
    return operate(op, x, p, q)


cdef object operator(int op, object x):
    return operate(op, x, 0.0, 0.0)

hooks.unary = operator


# --- one callable per op ----------------------------------------------------------------------------------------------
# A function that carries its op as `self` and takes its argument as it is costs half of one that unpacks a tuple.
cdef object call(object self, object x):
    return operate(self, x, 0.0, 0.0)

cdef PyMethodDef method
method.ml_name, method.ml_meth, method.ml_flags, method.ml_doc = "unary", <void*>call, METH_O, NULL


def function(str name):
    """The op of that name in `kernels.UNARY` as a function of x alone."""
    return PyCFunction_NewEx(&method, UNARY[name], __name__)
