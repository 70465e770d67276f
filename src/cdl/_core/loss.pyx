"""Losses element by element and their sum or mean, each in one pass: every row of kernels/loss.def.

Backward:  dp = g f_p(t, p),  dt = g f_t(t, p);  for the mean g is divided by the number of elements.
"""
cimport cython

from cdl._core.cast cimport cast
from cdl._core.copy cimport contiguous
from cdl._core.gate cimport as_any, as_float, finish
from cdl._core.kernels cimport CDL_LOSS_COUNT, K
from cdl._core.memory cimport pool_alloc, pool_free
from cdl._core.tape cimport give, record, recording
from cdl._core.tensor cimport (F64, ITEMSIZE, READS_A, READS_B, Node, Tensor, empty_like, same_dims, scalar,
                               shape_of)
from cdl._core.threads cimport run_tasks

cdef enum:
    BLOCK = 1 << 13     # elements of a task: t, p and a gradient of float32 stay in L2


cdef struct Job:
    int op, kind
    const char* t
    const char* p
    const char* g
    char* each
    char* dp
    char* dt
    double* sums        # one a task
    size_t size, g_step
    double q


cdef void forward_task(void* job, size_t task) noexcept nogil:
    cdef Job* j = <Job*>job
    cdef size_t at = task * BLOCK, start = at * ITEMSIZE[j.kind]
    K[j.kind].loss_forward(j.op, j.t + start, j.p + start, NULL if j.each is NULL else j.each + start, j.sums + task,
                           min(<size_t>BLOCK, j.size - at), j.q)


cdef void backward_task(void* job, size_t task) noexcept nogil:
    cdef Job* j = <Job*>job
    cdef size_t at = task * BLOCK, start = at * ITEMSIZE[j.kind]
    K[j.kind].loss_backward(j.op, j.t + start, j.p + start, j.g + start * j.g_step, j.g_step,
                            NULL if j.dp is NULL else j.dp + start, NULL if j.dt is NULL else j.dt + start,
                            min(<size_t>BLOCK, j.size - at), j.q)


@cython.final
@cython.no_gc
cdef class LossNode(Node):
    # a: predictions, b: targets
    cdef int op
    cdef double q, divisor      # divisor: of the sum; 0: not summed

    cdef int backward(self, Tensor y, Tensor g) except -1:
        cdef Tensor p = contiguous(self.a), t = contiguous(self.b), dp = None, dt = None
        cdef Job job
        if self.divisor:
            g = scalar(g.item() / self.divisor, g.kind)
        job.op, job.kind, job.size, job.q, job.g_step = self.op, p.kind, p.size, self.q, self.divisor == 0
        job.t, job.p, job.g, job.dp, job.dt = t.ptr, p.ptr, g.ptr, NULL, NULL
        if self.a.needs_grad:
            dp = empty_like(p)
            job.dp = dp.ptr
        if self.b.needs_grad:
            dt = empty_like(t)
            job.dt = dt.ptr
        run_tasks(backward_task, &job, (p.size + BLOCK - 1) // BLOCK, p.size * 0.0003)
        if dt is not None:
            give(self.b, dt, True)
        return 0 if dp is None else give(self.a, dp, True)


cdef double forward(Job* job, Py_ssize_t size) except? -1:
    """Runs the job; the sum of the losses, in the order of the tasks."""
    cdef Py_ssize_t tasks = (size + BLOCK - 1) // BLOCK, i
    cdef double total = 0, one
    job.sums = &one
    if tasks > 1:
        job.sums = <double*>pool_alloc(tasks * sizeof(double))
        if job.sums is NULL:
            raise MemoryError(f"loss: no memory for {tasks} sums")
    run_tasks(forward_task, job, tasks, size * 0.0003)
    for i in range(tasks):
        total += job.sums[i]
    if tasks > 1:
        pool_free(job.sums)
    return total


def loss(str who, int op, y_true, y_pred, str reduction, double q=0.0):
    """The losses of predictions y_pred against targets y_true, in the precision of y_pred: their mean, sum, or each."""
    cdef Tensor p = as_float(y_pred, who), t = as_any(y_true, who), y, each = None, x, u
    cdef double total, divisor = 1
    cdef Job job
    cdef LossNode node
    if not 0 <= op < CDL_LOSS_COUNT:
        raise ValueError(f"loss: op must be 0 to {CDL_LOSS_COUNT - 1}, got {op}")
    if not same_dims(t, p):
        raise ValueError(f"{who}: y_true and y_pred must have the same shape, got {shape_of(t)} and {shape_of(p)}")
    if reduction != "mean" and reduction != "sum" and reduction != "none":
        raise ValueError(f"{who}: reduction must be 'mean', 'sum' or 'none', got {reduction!r}")
    if t.kind != p.kind:
        t = cast(t, p.kind) if t.kind <= F64 else as_any(t.numpy().astype(p.dtype), who)
    x, u = contiguous(p), contiguous(t)
    job.op, job.kind, job.size, job.q, job.t, job.p, job.each = op, p.kind, p.size, q, u.ptr, x.ptr, NULL
    if reduction == "none":
        divisor, each = 0, empty_like(p)
        job.each = each.ptr
    elif reduction == "mean":
        divisor = max(<double>p.size, 1)
    total = forward(&job, p.size)
    if each is not None:
        y = each
    else:       # the mean of nothing is NaN, as NumPy has it
        y = scalar(float("nan") if p.size == 0 and reduction == "mean" else total / divisor, p.kind)
    if recording(p) or recording(t):
        node = LossNode.__new__(LossNode)
        node.op, node.q, node.divisor = op, q, divisor
        record(y, node, READS_A | READS_B, p, t)
    return finish(y, type(y_pred) is Tensor or type(y_true) is Tensor)
