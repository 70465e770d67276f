# Views and joins of Tensors, recorded.
from cdl._core.tensor cimport MAXDIM, Tensor


# A strided view: how to walk x's memory, and the same walk over an array of x's dims in C order (x's gradient).
cdef struct View:
    int ndim
    int windows                             # the last axes that visit elements again, as sliding windows do
    Py_ssize_t offset, dense_offset         # in elements
    Py_ssize_t[MAXDIM] dims, steps, dense_steps

cdef void dense_steps(Tensor x, Py_ssize_t* steps) noexcept
cdef void whole(Tensor x, View* v) noexcept                     # the view of x that is x
cdef void add_axis(View* v, Py_ssize_t length, Py_ssize_t step, Py_ssize_t dense_step) noexcept
cdef Tensor view(Tensor x, View* v)                             # a copy where a step is negative
cdef Tensor reshape_to(Tensor x, int ndim, const Py_ssize_t* dims)
cdef Tensor permute(Tensor x, const int* axes)                  # axis i of the result is axis axes[i] of x
cdef Tensor broadcast(Tensor x, int ndim, const Py_ssize_t* dims, str who)
cdef int parse_dims(object shape, Py_ssize_t* dims, str who) except -1
cdef object result(Tensor y, bint as_tensor)                    # as gate.finish, but a view is copied for NumPy
