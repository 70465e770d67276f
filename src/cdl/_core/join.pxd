# Tensors put together, and changes of dtype; recorded.
from cdl._core.tensor cimport Tensor

cdef Tensor cast(Tensor x, int kind)            # x itself where it is of that kind
cdef Tensor concat(list xs, int axis)           # of one kind, with dims that fit
