"""The thread policy and the parallel loop of every family."""


cdef int threads_for(double microseconds) noexcept nogil:
    return 1


cdef void parallel_for(task_t task, void* job, size_t tasks, int threads) noexcept nogil:
    cdef size_t t
    for t in range(tasks):
        task(job, t)
