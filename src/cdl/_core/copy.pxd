# Strided copies between Tensors; none of them is recorded.
from cdl._core.tensor cimport Tensor

cdef int assign(Tensor y, Tensor x) except -1       # y[...] = x: same dims and kind, any steps
cdef Tensor copy_of(Tensor t)                       # a copy in C order
cdef Tensor contiguous(Tensor t)                    # t itself where it is in C order, else a copy
