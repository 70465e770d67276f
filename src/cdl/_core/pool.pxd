# Pooling of float images (N, H, W, C), recorded.
from cdl._core.tensor cimport Tensor

cdef Tensor spread(Tensor x, Py_ssize_t high, Py_ssize_t wide)      # each pixel high x wide times
