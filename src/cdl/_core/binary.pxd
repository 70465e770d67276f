# Elementwise y = f(a, b) on Tensors with broadcasting, recorded. op: an index of kernels.BINARY.
from cdl._core.tensor cimport Tensor

cdef Tensor apply(int op, Tensor a, Tensor b)                               # F32 and F64, also mixed
cdef Tensor apply_number(int op, Tensor t, double number, bint first)       # number op t where first, else t op number
cdef object operate(int op, object a, object b)     # of anything; NotImplemented where one is no operand at all
