# Normalisation on float Tensors, recorded.
from cdl._core.tensor cimport Tensor

# Batch norm (samples 1, groups = channels) or group norm of x (samples, …, channels); gamma and beta may be None, and
# added, which lies like x and only batch norm takes. stat (samples, 3, groups) of F64 receives mean, variance and rstd, or
# with `frozen` gives mean and variance.
cdef Tensor columns(Tensor x, Tensor gamma, Tensor beta, Tensor added, Tensor stat, Py_ssize_t samples, Py_ssize_t groups,
                    bint frozen, double eps, bint relu)
# Layer norm (centred) or RMS norm of rows of n elements.
cdef Tensor along_rows(Tensor x, Tensor gamma, Tensor beta, Py_ssize_t n, bint centred, double eps)
