# y = act(x w + b), recorded.
from cdl._core.product cimport Gemm
from cdl._core.tensor cimport Tensor

# act: an index of kernels.UNARY or -1; b may be None; all of one kind, F32 or F64.
cdef Tensor apply(Tensor x, Tensor w, Tensor b, int act, double p, double q)

# For what else ends in act(… + b), the channels last: the gradient of what act was given (g itself without act); in the same
# pass b, unless None, is given its own. z may be None where act's derivative does not read it.
cdef Tensor through_activation(Tensor y, Tensor z, Tensor g, int act, double p, double q, Tensor b)
cdef Py_ssize_t rows_of(Tensor x) noexcept      # of all axes but the last
cdef Gemm plain(int kind, Py_ssize_t m, Py_ssize_t n, Py_ssize_t k, char* c) noexcept nogil
# An activation by its name (None: -1) and its first parameter, given or by default.
cdef int act_of(object act, object p, str who, double* first) except -2
