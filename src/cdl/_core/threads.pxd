# The one place that knows OpenMP.
ctypedef void (*task_t)(void* job, size_t task) noexcept nogil

# How many threads are worth starting for so much work, measured as the time one thread would need.
cdef int threads_for(double microseconds) noexcept nogil
# task(job, 0) … task(job, tasks - 1), each once, in any order, on up to `threads` threads.
cdef void parallel_for(task_t task, void* job, size_t tasks, int threads) noexcept nogil
