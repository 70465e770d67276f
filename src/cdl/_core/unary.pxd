# Elementwise y = f(x) on Tensors, recorded.
from cdl._core.tensor cimport Tensor

cdef Tensor apply(int op, Tensor x, double p, double q)     # x: F32 or F64; op: an index of kernels.UNARY
cdef Tensor negative_of(Tensor g, Tensor y)                 # y = -g, in memory of g's size; not recorded. y may be g
