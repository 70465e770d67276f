# From what a user passes to a Tensor, and back.
cimport cython

from cdl._core.tensor cimport Tensor

cdef Tensor as_any(object x, str who)               # any kind the library stores
cdef Tensor as_float(object x, str who)             # F32 or F64; integers and booleans become float32
cdef object finish(Tensor y, bint as_tensor)        # y, or (as_tensor false) its NumPy array, for 0 axes its scalar


# Memory of a foreign array, held while it is read or written.
@cython.final
cdef class Borrowed:
    cdef Py_buffer buffer
    cdef bint held


cdef Borrowed bytes_of(object array, bint writable=*)   # of one in C order
