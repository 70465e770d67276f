# Sizes of parts.
cdef inline Py_ssize_t ceil_div(Py_ssize_t a, Py_ssize_t b) noexcept nogil:
    return (a + b - 1) // b


cdef inline Py_ssize_t even_part(Py_ssize_t total, Py_ssize_t most, Py_ssize_t multiple) noexcept nogil:
    """The size of equal parts of at most `most` (about), rounded up to a multiple."""
    return ceil_div(ceil_div(total, ceil_div(total, max(most, 1))), multiple) * multiple
