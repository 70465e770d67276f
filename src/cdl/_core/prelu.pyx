"""PReLU, y = x where x > 0, else slope x, whose slope is trained: one for all, or one for each channel of the last axis.

Backward:  dx = g where x > 0, else slope g;  dslope = sum of g x where x <= 0, over what the slope is shared by.
"""
from libc.string cimport memcpy

cimport cython

from cdl._core.copy cimport contiguous
from cdl._core.gate cimport as_float, finish
from cdl._core.kernels cimport K
from cdl._core.reduce cimport SUM
from cdl._core.reduce cimport apply as reduce
from cdl._core.tape cimport give, record, recording
from cdl._core.tensor cimport ITEMSIZE, READS_A, READS_B, Node, Tensor, empty_like, fill_like, new_tensor, shape_of
from cdl._core.threads cimport run_tasks

cdef enum:
    CHUNK = 1 << 13         # elements of a task: so many products are summed in the precision of x, then their sums
    CHUNK_ROWS = 128


cdef struct Job:
    int kind
    const char* x
    const char* slope
    const char* g
    char* out
    char* sums              # (chunks, columns or 1)
    size_t size, n, step, block     # the columns of a slope each, or 1; elements of a task


cdef void forward_task(void* job, size_t task) noexcept nogil:
    cdef Job* j = <Job*>job
    cdef size_t at = task * j.block, size = min(j.block, j.size - at), start = at * ITEMSIZE[j.kind]
    cdef size_t n = j.n if j.step else size
    K[j.kind].prelu_forward(j.x + start, j.slope, j.step, j.out + start, size // n, n)


cdef void backward_task(void* job, size_t task) noexcept nogil:
    cdef Job* j = <Job*>job
    cdef size_t at = task * j.block, size = min(j.block, j.size - at), start = at * ITEMSIZE[j.kind]
    cdef size_t n = j.n if j.step else size
    K[j.kind].prelu_backward(j.x + start, j.slope, j.step, j.g + start, j.out + start,
                             j.sums + task * j.n * ITEMSIZE[j.kind], size // n, n)


cdef size_t lay_out(Job* job, Tensor x, Tensor slope) noexcept:
    """Tasks of whole rows of channels, or of any elements where all share a slope; their number."""
    job.kind, job.x, job.slope, job.step = x.kind, x.ptr, slope.ptr, slope.size > 1
    job.n, job.size = slope.size, x.size
    job.block = min(max(CHUNK // job.n, <size_t>1), <size_t>CHUNK_ROWS) * job.n if job.step else <size_t>CHUNK
    return (job.size + job.block - 1) // job.block


@cython.final
@cython.no_gc
cdef class PReLUNode(Node):

    cdef int backward(self, Tensor y, Tensor g) except -1:
        cdef Tensor x = contiguous(self.a), slope = contiguous(self.b), dx = empty_like(x), sums, dslope
        cdef Py_ssize_t[2] dims
        cdef Job job
        if x.size == 0:
            give(self.b, fill_like(slope, 0), True)
            return give(self.a, dx, True)
        dims[0], dims[1] = lay_out(&job, x, slope), slope.size
        sums, dslope = new_tensor(x.kind, 2, dims), empty_like(slope)
        job.g, job.out, job.sums = g.ptr, dx.ptr, sums.ptr
        run_tasks(backward_task, &job, dims[0], x.size * 0.0003)
        sums = reduce(SUM, sums, 1, False)
        memcpy(dslope.ptr, sums.ptr, dslope.size * ITEMSIZE[dslope.kind])
        give(self.b, dslope, True)
        return give(self.a, dx, True)


def prelu(x, slope):
    """x where x > 0, else slope x; slope has one element, or one for each of the last axis of x."""
    cdef Tensor t = as_float(x, "prelu"), s = as_float(slope, "prelu"), dense, each, y
    cdef size_t tasks
    cdef Job job
    if s.size != 1 and (s.ndim != 1 or t.ndim == 0 or s.dims[0] != t.dims[t.ndim - 1]):
        raise ValueError("prelu: slope must be one number or one for each of the last axis, shape "
                         f"{shape_of(t)[max(t.ndim - 1, 0):]}, got {shape_of(s)}")
    if s.kind != t.kind:
        if recording(s):
            raise TypeError(f"prelu: a slope that is trained must have the dtype of x, {t.dtype}, got {s.dtype}")
        s = as_float(s.numpy().astype(t.dtype), "prelu")
    dense, y = contiguous(t), empty_like(t)
    if t.size:
        each = contiguous(s)        # held until the tasks are done: a copy would be gone after the call
        tasks = lay_out(&job, dense, each)
        job.out = y.ptr
        run_tasks(forward_task, &job, tasks, t.size * 0.0002)
    if recording(t) or recording(s):
        record(y, PReLUNode.__new__(PReLUNode), READS_A | READS_B, t, s)
    return finish(y, type(x) is Tensor or type(slope) is Tensor)
