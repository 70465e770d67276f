# Matrix product: the choice of kernel, packing, blocks and threads.
from cdl._core.product cimport Batch, Gemm

# 0, or -1 where memory for packing is exhausted. They choose the number of threads themselves; the result has the same
# bits for each number.
cdef int gemm(const Gemm* g) noexcept nogil
cdef int gemm_batched(const Gemm* g, const Batch* batch) noexcept nogil
# b packed once, for many products with it: panels of CDL_GEMM_PANEL columns, all of k in each, the last filled up. The
# product has the bits that it has with b as it was.
cdef Py_ssize_t panels_size(Py_ssize_t k, Py_ssize_t n) noexcept nogil      # in elements
cdef void pack_panels(const Gemm* g, char* panels) noexcept nogil           # g.b, of g.k rows and g.n columns
cdef int gemm_of_panels(const Gemm* g, const char* panels) noexcept nogil   # g.b is not read

# What one thread needs; the caller releases the GIL where it is worth it (`multiply` does).
cdef double gemm_microseconds(const Gemm* g) noexcept nogil

# With the GIL: released while the product runs if that is worth it; MemoryError.
cdef int multiply(const Gemm* g) except -1
cdef int multiply_batched(const Gemm* g, const Batch* batch) except -1
