# The one place that knows OpenMP.
ctypedef void (*task_t)(void* job, size_t task) noexcept nogil

# How many threads are worth starting for so much work, measured as the time one thread would need. 1 inside a task.
# The calling thread remembers the estimate: its next parallel_for compares what it took with it.
cdef int threads_for(double microseconds) noexcept nogil
# task(job, 0) … task(job, tasks - 1), each once, in any order, on up to `threads` threads; inside a task on one.
cdef void parallel_for(task_t task, void* job, size_t tasks, int threads) noexcept nogil
# The same for work whose tasks go through large arrays: each call on this thread begins where the one before it ended,
# and a thread keeps to its part of the arrays, so that it finds some of them in its cache.
cdef void sweep(task_t task, void* job, size_t tasks, int threads) noexcept nogil
cdef enum:
    LARGE_SWEEP = 20    # µs from which on it is one: of 100,000 elements of float32, three arrays fill an L2 of 1 MB


# The loop of an op, on as many threads as it is worth.
cdef inline void share_tasks(task_t task, void* job, size_t tasks, double microseconds) noexcept nogil:
    cdef int threads = threads_for(microseconds)
    if microseconds < LARGE_SWEEP:
        parallel_for(task, job, tasks, threads)
    else:
        sweep(task, job, tasks, threads)


# The same, called with the GIL held: it is released (40 ns) only where the work is worth it.
cdef inline void run_tasks(task_t task, void* job, size_t tasks, double microseconds) noexcept:
    cdef size_t t
    if microseconds < 4:
        for t in range(tasks):
            task(job, t)
        return
    with nogil:
        share_tasks(task, job, tasks, microseconds)
