# Products of float32 matrices whose operands are rounded to bfloat16, where `set_precision` asks for it.
from cdl._core.product cimport Gemm

# Whether this product is one of them: by the setting and by shape alone.
cdef bint bf16_serves(const Gemm* g) noexcept nogil
# 0, or -1 where memory is exhausted. It chooses the number of threads; the result has the same bits for each.
cdef int bf16_gemm(const Gemm* g) noexcept nogil
# The same with a b that was packed before into bf16_panels_size words; for any number of rows.
cdef Py_ssize_t bf16_panels_size(Py_ssize_t k, Py_ssize_t n) noexcept nogil
cdef int bf16_pack(const Gemm* g, char* panels) noexcept nogil
cdef int bf16_packed(const Gemm* g, char* panels) noexcept nogil
