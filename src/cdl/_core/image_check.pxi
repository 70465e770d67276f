# What ops on images accept: sizes, paddings, images. Included, so that each of conv, pool and resize has its own copy.
from operator import index

cdef extern from "Python.h":
    long long PyLong_AsLongLongAndOverflow(object value, int* beyond) except? -1

cdef Py_ssize_t LONGEST = 1 << 40       # elements along an axis: sums of a few such numbers do not overflow


cdef inline Py_ssize_t quick_length(object value, Py_ssize_t least) noexcept:
    """An int of `least` to LONGEST, else -1: 10 ns where asking what else it may be takes 100."""
    cdef int beyond = 0
    cdef long long length
    if type(value) is not int:
        return -1
    length = PyLong_AsLongLongAndOverflow(value, &beyond)
    return length if beyond == 0 and least <= length <= LONGEST else -1


cdef Py_ssize_t length_of(object value, str who, str name, Py_ssize_t least) except -1:
    """An integer of at least `least`."""
    cdef Py_ssize_t length = quick_length(value, least)
    if length >= 0:
        return length
    try:
        number = None if isinstance(value, bool) else index(value)
    except TypeError:
        number = None
    if number is None:
        raise TypeError(f"{who}: {name} must be an integer, got {value!r}")
    if number < least:
        raise ValueError(f"{who}: {name} must be an integer of {least} or more, got {value!r}")
    if number > LONGEST:
        raise ValueError(f"{who}: {name} must be at most 2**40, got {value!r}")
    return number


cdef int pair_of(object value, str who, str name, Py_ssize_t least, Py_ssize_t* a, Py_ssize_t* b) except -1:
    """One integer for rows and columns, or a pair."""
    if isinstance(value, (tuple, list)):
        if len(value) != 2:
            raise ValueError(f"{who}: {name} must be an integer or a pair (rows, columns), got {value!r}")
        a[0], b[0] = length_of(value[0], who, name, least), length_of(value[1], who, name, least)
        return 0
    a[0] = b[0] = length_of(value, who, name, least)
    return 0


cdef Py_ssize_t output_size(Py_ssize_t length, Py_ssize_t extent, Py_ssize_t padding, Py_ssize_t stride, str who,
                            str axis) except -1:
    """The notes' O = (W - F + 2 P) / S + 1, rounded down, with padding = 2 P in all and the extent F of the kernel."""
    if length + padding < extent:
        raise ValueError(f"{who}: the kernel ({extent} with dilation) is larger than the padded input ({length} + {padding} "
                         f"along {axis})")
    return (length + padding - extent) // stride + 1


cdef int pad_axis(object padding, int axis, Py_ssize_t length, Py_ssize_t extent, Py_ssize_t stride, str who,
                  Py_ssize_t* before, Py_ssize_t* after) except -1:
    """Zeros before and after an axis: 'valid' none, 'same' so many that the output has ceil(length / stride) elements."""
    cdef Py_ssize_t total
    if not isinstance(padding, (str, tuple, list)):
        before[0] = after[0] = length_of(padding, who, "padding", 0)
    elif padding == "valid":
        before[0] = after[0] = 0
    elif padding == "same":
        total = max(((length + stride - 1) // stride - 1) * stride + extent - length, 0)
        before[0], after[0] = total // 2, total - total // 2
    elif isinstance(padding, str):
        raise ValueError(f"{who}: padding must be 'same', 'valid', an integer or pairs, got {padding!r}")
    elif isinstance(padding, (tuple, list)):
        if len(padding) != 2:
            raise ValueError(f"{who}: padding must be 'same', 'valid', an integer, (rows, columns) or ((top, bottom), "
                             f"(left, right)), got {padding!r}")
        pair_of(padding[axis], who, "padding", 0, before, after)
    return 0


cdef int image_sizes(Tensor x, str who) except -1:
    if x.ndim != 4:
        raise ValueError(f"{who}: x must be (N, H, W, channels), got shape {shape_of(x)}"
                         + ("; write x[None] for one image" if x.ndim == 3 else ""))
    return 0


cdef int has_pixels(Tensor x, str who) except -1:
    image_sizes(x, who)
    if x.dims[1] == 0 or x.dims[2] == 0:
        raise ValueError(f"{who}: the images have no pixels, x is of shape {shape_of(x)}")
    return 0
