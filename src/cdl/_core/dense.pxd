# y = act(x w + b), recorded.
from cdl._core.tensor cimport Tensor

# act: an index of kernels.UNARY or -1; b may be None; all of one kind, F32 or F64.
cdef Tensor apply(Tensor x, Tensor w, Tensor b, int act, double p, double q)
