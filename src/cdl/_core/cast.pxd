# Change of dtype, recorded; and which dtype two operands meet in.
from cdl._core.tensor cimport Tensor

cdef Tensor cast(Tensor t, int kind)        # t itself where it has the kind already
# The kind of a result of a and b, whose Tensors are s and t, or None for a Python number: it follows the other operand.
cdef int common_kind(Tensor s, object a, Tensor t, object b) noexcept

# A Python number: it takes the type of the other operand.
cdef inline bint is_number(object x) noexcept:
    return type(x) is float or type(x) is int or type(x) is bool
