# Broadcasting: how the operands of y = f(a, b, c) lie under y, and the way of a gradient back to an operand's shape.
from cdl._core.tensor cimport MAXDIM, Tensor


cdef struct Plan:
    int ndim                        # axes left when neighbours that all operands cross with one step are taken as one
    Py_ssize_t size                 # elements of y
    Py_ssize_t[MAXDIM] dims
    Py_ssize_t[3][MAXDIM] steps     # of each operand, in elements; 0 where it repeats; along the last axis 0 or 1


cdef struct Cursor:
    const Plan* plan
    Py_ssize_t[MAXDIM] index
    Py_ssize_t[3] at                # where the operands are read, in elements
    Py_ssize_t left                 # elements to the end of the row (the last axis)


# Writes elements start … start + count - 1 of an array that is never stored whole.
ctypedef void (*produce_t)(const void* job, Py_ssize_t start, Py_ssize_t count, char* out) noexcept nogil

cdef Tensor with_rows(Tensor t)     # t itself where a plan can read it in place, else a copy in C order
# The plan for operands that with_rows has seen, and y's own axes in dims; returns how many axes.
# ValueError names the shapes.
cdef int make_plan(Plan* plan, Py_ssize_t* dims, str who, Tensor a, Tensor b, Tensor c=*) except -1
# The sum of g over the axes along which t was repeated: g itself where there are none. With `produce` the elements to
# sum are those it writes, and g only tells their dims and kind.
cdef Tensor sum_to(Tensor t, Tensor g, produce_t produce=*, const void* job=*)


cdef inline void seek(Cursor* cursor, const Plan* plan, Py_ssize_t start) noexcept nogil:
    """To element `start` of y."""
    cdef Py_ssize_t rest = start
    cdef int i, k
    cursor.plan = plan
    for k in range(3):
        cursor.at[k] = 0
    for i in range(plan.ndim - 1, -1, -1):
        cursor.index[i] = rest % plan.dims[i]
        rest //= plan.dims[i]
        for k in range(3):
            cursor.at[k] += cursor.index[i] * plan.steps[k][i]
    cursor.left = plan.dims[plan.ndim - 1] - cursor.index[plan.ndim - 1]


cdef inline void advance(Cursor* cursor, Py_ssize_t count) noexcept nogil:
    """By count <= cursor.left elements; past the end of a row, to the start of the next."""
    cdef const Plan* plan = cursor.plan
    cdef int i = plan.ndim - 1, k
    cursor.index[i] += count
    cursor.left -= count
    for k in range(3):
        cursor.at[k] += count * plan.steps[k][i]
    if cursor.left:
        return
    cursor.left = plan.dims[i]
    while cursor.index[i] == plan.dims[i] and i > 0:
        cursor.index[i] = 0
        cursor.index[i - 1] += 1
        for k in range(3):
            cursor.at[k] += plan.steps[k][i - 1] - plan.dims[i] * plan.steps[k][i]
        i -= 1
