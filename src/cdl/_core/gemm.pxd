# Matrix product: the choice of kernel, packing, blocks and threads.
from cdl._core.product cimport Batch, Gemm

# 0, or -1 where memory for packing is exhausted. They choose the number of threads themselves; the result has the same
# bits for each number.
cdef int gemm(const Gemm* g) noexcept nogil
cdef int gemm_batched(const Gemm* g, const Batch* batch) noexcept nogil
# What one thread needs; the caller releases the GIL where it is worth it (`multiply` does).
cdef double gemm_microseconds(const Gemm* g) noexcept nogil

# With the GIL: released while the product runs if that is worth it; MemoryError.
cdef int multiply(const Gemm* g) except -1
cdef int multiply_batched(const Gemm* g, const Batch* batch) except -1
