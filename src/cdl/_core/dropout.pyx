"""Dropout: y = x scale + shift where an element's draw, a number of 32 bits, is at least the threshold, else fill.

The draws follow from a key and the element's position (kernels/threefry.h): the backward makes them again, and they are
the same for every number of threads.
"""
from libc.stdint cimport uint32_t, uint64_t

cimport cython

from cdl._core.copy cimport contiguous, copy_of
from cdl._core.gate cimport as_float, finish
from cdl._core.kernels cimport K
from cdl._core.tape cimport give, record, recording
from cdl._core.tensor cimport ITEMSIZE, READS_NONE, Node, Tensor, empty_like
from cdl._core.threads cimport run_tasks

cdef enum:
    BATCH = 128         # elements to a batch of draws (kernels/dropout.c)
    BLOCK = BATCH << 7  # elements of a task
    LARGE = 1 << 25     # bytes of an output that no cache keeps until it is read


cdef struct Job:
    int kind
    const char* x
    char* y
    Py_ssize_t size
    uint64_t key
    uint32_t threshold
    double scale, shift, fill
    bint stream


cdef void dropout_task(void* job, size_t task) noexcept nogil:
    cdef Job* j = <Job*>job
    cdef Py_ssize_t first = <Py_ssize_t>task * BLOCK, at = first * ITEMSIZE[j.kind]
    K[j.kind].dropout(j.x + at, j.y + at, min(BLOCK, j.size - first), j.key, first // BATCH, j.threshold, j.scale, j.shift,
                      j.fill, j.stream)


cdef void run(Job* job) noexcept:
    job.stream = job.x != job.y and job.size * ITEMSIZE[job.kind] >= LARGE
    # 0.3 ns an element: the words, and memory at 30 GB/s
    run_tasks(dropout_task, job, (job.size + BLOCK - 1) // BLOCK, job.size * 0.0003)


@cython.final
@cython.no_gc
cdef class DropoutNode(Node):
    cdef uint64_t key
    cdef uint32_t threshold
    cdef double scale

    cdef int backward(self, Tensor y, Tensor g) except -1:
        cdef Tensor dx = g if y.grad_owned else empty_like(g)   # written where it is read, it need not be fetched first
        cdef Job job = Job(g.kind, g.ptr, dx.ptr, g.size, self.key, self.threshold, self.scale, 0, 0, False)
        run(&job)
        return give(self.a, dx, True)


cdef Tensor apply(Tensor x, double drop_prob, uint64_t key, double scale, double shift, double fill):
    cdef Tensor dense = contiguous(x), y = empty_like(x)
    # The smallest draw that is kept.
    cdef uint32_t threshold = <uint32_t>min(drop_prob * 4294967296.0 + 0.5, 4294967295.0)
    cdef Job job = Job(x.kind, dense.ptr, y.ptr, x.size, key, threshold, scale, shift, fill, False)
    cdef DropoutNode node
    run(&job)
    if recording(x):
        node = DropoutNode.__new__(DropoutNode)
        node.key, node.threshold, node.scale = key, threshold, scale
        record(y, node, READS_NONE, x)
    return y


def dropout(x, double drop_prob, uint64_t key, double scale, double shift, double fill):
    """y = x scale + shift where an element is kept, else fill; drop_prob, in [0, 1), is rounded to 32 bits."""
    return finish(apply(as_float(x, "dropout"), drop_prob, key, scale, shift, fill), type(x) is Tensor)


def unchanged(x):
    """A Tensor as it is, of anything else a copy in floats: what dropout gives outside training."""
    if type(x) is Tensor:
        return x
    return finish(copy_of(as_float(x, "dropout")), False)
