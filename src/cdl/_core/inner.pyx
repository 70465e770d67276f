"""Sums of a product, y[i] = sum over j of a[i, j] b[i, j], without an array for the product.

Too little work for the matrix kernels: each element is read once. Long rows are summed in chunks of a fixed size, whose
sums are added in order in double.
"""
cimport cython

from cdl._core cimport binary
from cdl._core.copy cimport contiguous
from cdl._core.gate cimport as_any, finish
from cdl._core.kernels cimport BINARY_MULTIPLY, K
from cdl._core.tape cimport give, record, recording
from cdl._core.tensor cimport (F32, F64, ITEMSIZE, READS_A, READS_B, Node, Tensor, new_tensor, same_dims, shape_of,
                               view_of)
from cdl._core.threads cimport run_tasks

cdef enum:
    CHUNK = 1 << 15     # elements of a task: 128 KB of each operand in float32


cdef struct Job:
    int kind
    const char* a
    const char* b
    char* y
    Py_ssize_t rows, n
    Py_ssize_t block, chunks        # rows of a task where a row is one chunk; chunks of a row


cdef void dot_task(void* job, size_t task) noexcept nogil:
    cdef Job* j = <Job*>job
    cdef Py_ssize_t size = ITEMSIZE[j.kind], row = <Py_ssize_t>task // j.chunks * j.block
    cdef Py_ssize_t first = <Py_ssize_t>task % j.chunks * CHUNK, at = (row * j.n + first) * size
    cdef Py_ssize_t length = j.n if j.chunks == 1 else min(CHUNK, j.n - first)
    K[j.kind].dot_rows(j.a + at, j.b + at, j.y + (row * j.chunks + <Py_ssize_t>task % j.chunks) * size,
                       min(j.block, j.rows - row), length, j.n)


cdef void add_chunks(Tensor part, Tensor y, Py_ssize_t chunks) noexcept:
    cdef Py_ssize_t i, k
    cdef double total
    for i in range(y.size):
        total = 0
        for k in range(i * chunks, (i + 1) * chunks):
            total += (<float*>part.ptr)[k] if y.kind == F32 else (<double*>part.ptr)[k]
        if y.kind == F32:
            (<float*>y.ptr)[i] = <float>total
        else:
            (<double*>y.ptr)[i] = total


@cython.final
@cython.no_gc
cdef class InnerNode(Node):
    """da[i, j] = g[i] b[i, j] and db[i, j] = g[i] a[i, j]."""

    cdef int backward(self, Tensor y, Tensor g) except -1:
        cdef Py_ssize_t[2] dims, steps
        cdef Tensor column
        dims[0], dims[1], steps[0], steps[1] = g.size, 1, 1, 1
        column = view_of(g, g.ptr, 2, dims, steps)
        if self.a.needs_grad:
            give(self.a, binary.apply(BINARY_MULTIPLY, column, self.b), True)
        if self.b.needs_grad:
            give(self.b, binary.apply(BINARY_MULTIPLY, column, self.a), True)
        return 0


cdef Tensor apply(Tensor a, Tensor b):
    cdef Tensor x = contiguous(a), z = contiguous(b), y = new_tensor(a.kind, 1, a.dims), part = y
    cdef Job job = Job(a.kind, x.ptr, z.ptr, NULL, a.dims[0], a.dims[1], 1, 1)
    cdef Py_ssize_t[2] dims
    if job.n > CHUNK:
        job.chunks = (job.n + CHUNK - 1) // CHUNK
        dims[0], dims[1] = job.rows, job.chunks
        part = new_tensor(a.kind, 2, dims)
    else:
        job.block = CHUNK // max(job.n, 1)
    job.y = part.ptr
    run_tasks(dot_task, &job, (job.rows + job.block - 1) // job.block * job.chunks, a.size * 0.0002)
    if job.chunks > 1:
        add_chunks(part, y, job.chunks)
    if recording(a) or recording(b):
        record(y, InnerNode.__new__(InnerNode), (READS_B if recording(a) else 0) | (READS_A if recording(b) else 0), a, b)
    return y


def inner(a, b):
    """Of floating-point matrices of one shape and dtype."""
    cdef Tensor s = as_any(a, "inner"), t = as_any(b, "inner")
    if s.ndim != 2 or s.kind > F64 or s.kind != t.kind or not same_dims(s, t):
        raise ValueError(f"inner: expected two matrices of one shape and floating dtype, got {shape_of(s)} of {s.dtype} "
                         f"and {shape_of(t)} of {t.dtype}")
    return finish(apply(s, t), type(a) is Tensor or type(b) is Tensor)
