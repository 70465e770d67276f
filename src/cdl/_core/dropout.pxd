# Dropout of a float Tensor, recorded.
from libc.stdint cimport uint64_t

from cdl._core.tensor cimport Tensor

# y = x scale + shift where an element is kept, else fill; drop_prob in [0, 1)
cdef Tensor apply(Tensor x, double drop_prob, uint64_t key, double scale, double shift, double fill)
