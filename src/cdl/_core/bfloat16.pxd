# Products of float32 matrices whose operands are rounded to bfloat16, where `set_precision` asks for it.
from cdl._core.product cimport Gemm

# Whether this product is one of them: by the setting and by shape alone.
cdef bint bf16_serves(const Gemm* g) noexcept nogil
# 0, or -1 where memory is exhausted. It chooses the number of threads; the result has the same bits for each.
cdef int bf16_gemm(const Gemm* g) noexcept nogil
