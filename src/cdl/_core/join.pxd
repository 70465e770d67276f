# Tensors put together; recorded.
from cdl._core.tensor cimport Tensor

cdef Tensor concat(list xs, int axis)           # of one kind, with dims that fit
