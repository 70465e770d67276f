# Matrix products of Tensors over any batch axes, recorded.
from cdl._core.tensor cimport Tensor

cdef Tensor product(Tensor a, Tensor b)         # of one kind, F32 or F64; the rules of numpy.matmul
