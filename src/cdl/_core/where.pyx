"""Selection by a mask: y = a where the condition holds, else b."""
from cdl._core.broadcast cimport Cursor, Plan, advance, make_plan, seek, sum_to, with_rows
from cdl._core.cast cimport cast, common_kind, is_number
from cdl._core.gate cimport as_any, finish
from cdl._core.kernels cimport K
from cdl._core.tape cimport give, record, recording
from cdl._core.tensor cimport BOOL, F64, ITEMSIZE, MAXDIM, READS_C, Node, Tensor, new_tensor, scalar
from cdl._core.threads cimport run_tasks

cimport cython

import numpy as np

cdef enum:
    BLOCK = 1 << 14     # elements of a task


cdef struct Job:
    int kind, keep              # keep: which value of the mask lets the gradient pass
    const char* a
    const char* b
    const char* mask
    const char* g
    char* out
    Py_ssize_t size
    const Plan* plan


cdef void forward_task(void* job, size_t task) noexcept nogil:
    cdef Job* j = <Job*>job
    cdef Py_ssize_t start = task * BLOCK, left = min(BLOCK, j.size - start), itemsize = ITEMSIZE[j.kind], n
    cdef int last = j.plan.ndim - 1
    cdef char* out = j.out + start * itemsize
    cdef Cursor c
    seek(&c, j.plan, start)
    while left:
        n = min(left, c.left)
        K[j.kind].where_forward(j.mask + c.at[2], j.a + c.at[0] * itemsize, j.b + c.at[1] * itemsize, out, n,
                                j.plan.steps[2][last], j.plan.steps[0][last], j.plan.steps[1][last])
        out += n * itemsize
        left -= n
        advance(&c, n)


cdef void produce(const void* job, Py_ssize_t start, Py_ssize_t count, char* out) noexcept nogil:
    """Elements start … of g where the mask has the value `keep`, else 0."""
    cdef const Job* j = <const Job*>job
    cdef Py_ssize_t itemsize = ITEMSIZE[j.kind], n
    cdef const char* g = j.g + start * itemsize
    cdef Cursor c
    seek(&c, j.plan, start)
    while count:
        n = min(count, c.left)
        K[j.kind].where_backward(j.mask + c.at[2], g, out, n, j.plan.steps[2][j.plan.ndim - 1], j.keep)
        out += n * itemsize
        g += n * itemsize
        count -= n
        advance(&c, n)


cdef void produce_task(void* job, size_t task) noexcept nogil:
    cdef Job* j = <Job*>job
    cdef Py_ssize_t start = task * BLOCK
    produce(job, start, min(BLOCK, j.size - start), j.out + start * ITEMSIZE[j.kind])


cdef void run(Job* job, bint forward) noexcept:
    # 0.3 ns an element is one thread's time from memory.
    run_tasks(forward_task if forward else produce_task, job, (job.size + BLOCK - 1) // BLOCK, job.size * 0.0003)


@cython.final
@cython.no_gc
cdef class WhereNode(Node):
    """a and b are the operands, c is the mask."""

    cdef int backward(self, Tensor y, Tensor g) except -1:
        cdef Tensor mask = with_rows(self.c), d
        cdef Py_ssize_t[MAXDIM] dims
        cdef Plan plan
        cdef Job job = Job(g.kind, 1, NULL, NULL, mask.ptr, g.ptr, NULL, g.size, &plan)
        cdef bint second
        make_plan(&plan, dims, "", g, g, mask)
        for second in range(2):
            t = self.b if second else self.a
            if t is None or not (<Tensor>t).needs_grad:
                continue
            job.keep = not second
            if (<Tensor>t).size != g.size or g.size == 0:
                d = sum_to(t, g, produce, &job)
            else:
                d = new_tensor(g.kind, (<Tensor>t).ndim, (<Tensor>t).dims)
                job.out = d.ptr
                run(&job, False)
            give(t, d, True)
        return 0


cdef Tensor apply(Tensor mask, Tensor a, Tensor b):
    """y = a where mask, else b: a and b of one kind, F32 or F64."""
    cdef Tensor rows_m = with_rows(mask), rows_a = with_rows(a), rows_b = with_rows(b), y
    cdef Py_ssize_t[MAXDIM] dims
    cdef Plan plan
    cdef int ndim = make_plan(&plan, dims, "where", rows_a, rows_b, rows_m)
    cdef Job job
    y = new_tensor(a.kind, ndim, dims)
    job = Job(a.kind, 0, rows_a.ptr, rows_b.ptr, rows_m.ptr, NULL, y.ptr, y.size, &plan)
    run(&job, True)
    if recording(a) or recording(b):
        record(y, WhereNode.__new__(WhereNode), READS_C, a if recording(a) else None, b if recording(b) else None, mask)
    return y


cdef Tensor as_mask(object condition):
    cdef Tensor t = as_any(condition, "where")
    return t if t.kind == BOOL else as_any(np.not_equal(t.numpy(), 0), "where")


def where(condition, a, b):
    """y = a where the condition holds, else b, each broadcast against the others."""
    cdef Tensor s = None if is_number(a) else as_any(a, "where"), t = None if is_number(b) else as_any(b, "where")
    cdef bint as_tensor = type(condition) is Tensor or type(a) is Tensor or type(b) is Tensor
    cdef int kind = common_kind(s, a, t, b)
    cdef Tensor mask = as_mask(condition)
    if kind > F64:      # integers and booleans: NumPy's own result
        return finish(as_any(np.where(mask.numpy(), a if s is None else s.numpy(), b if t is None else t.numpy()),
                             "where"), as_tensor)
    s = scalar(a, kind) if s is None else cast(s, kind)
    t = scalar(b, kind) if t is None else cast(t, kind)
    return finish(apply(mask, s, t), as_tensor)
