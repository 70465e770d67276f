# Sums of a product along the last axis, recorded.
from cdl._core.tensor cimport Tensor

cdef Tensor apply(Tensor a, Tensor b)       # a and b (rows, n), of one kind, F32 or F64; the result (rows)
