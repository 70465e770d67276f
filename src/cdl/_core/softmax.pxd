# Softmax and its relatives on float Tensors, recorded.
from cdl._core.tensor cimport Tensor

cdef enum SoftmaxOp:
    SOFTMAX, LOG_SOFTMAX

cdef Tensor apply(int op, Tensor x, int axis)                   # axis: 0 … ndim - 1
cdef Tensor logsumexp_apply(Tensor x, int mask, bint keep)      # mask: reduce.mask_of
