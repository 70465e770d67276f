# Part of tensor.pyx: how Tensors are made, over new memory or another's, and small questions about them.

cdef int allocate(Tensor t, int kind, int ndim, const Py_ssize_t* dims) except -1:
    cdef Py_ssize_t size = 1, nbytes
    cdef int i
    cdef bint overflow = False, empty = False
    if ndim > MAXDIM:
        raise ValueError(f"Tensor: at most {MAXDIM} axes are supported, got {ndim}")
    for i in range(ndim - 1, -1, -1):
        if dims[i] < 0:
            raise ValueError(f"Tensor: axis {i} has negative length {dims[i]}")
        t.steps[i] = size
        overflow |= multiply_overflows(size, dims[i] if dims[i] > 0 else 1, &size)
        empty |= dims[i] == 0
    if empty:
        size = 0
    if overflow or multiply_overflows(size, ITEMSIZE[kind], &nbytes):
        raise ValueError(f"Tensor: shape {tuple([dims[i] for i in range(ndim)])} has more elements than memory can address")
    t.block = pool_alloc(nbytes)
    if t.block is NULL:
        raise MemoryError(f"Tensor: no memory for {nbytes} bytes (shape {tuple([dims[i] for i in range(ndim)])})")
    t.ptr, t.ndim, t.kind, t.size, t.contiguous = <char*>t.block, ndim, kind, size, True
    for i in range(ndim):
        t.dims[i] = dims[i]
    return 0


cdef Tensor new_tensor(int kind, int ndim, const Py_ssize_t* dims):
    cdef Tensor t = Tensor.__new__(Tensor)
    allocate(t, kind, ndim, dims)
    return t


cdef Tensor empty_like(Tensor t):
    return new_tensor(t.kind, t.ndim, t.dims)


cdef Tensor fill_like(Tensor t, double value):
    cdef Tensor y = empty_like(t)
    cdef Py_ssize_t i
    if value == 0:
        memset(y.ptr, 0, y.size * ITEMSIZE[y.kind])
    elif y.kind == F32:
        for i in range(y.size):
            (<float*>y.ptr)[i] = <float>value
    else:
        for i in range(y.size):
            (<double*>y.ptr)[i] = value
    return y


cdef Tensor scalar(double value, int kind):
    cdef Tensor t = new_tensor(kind, 0, NULL)
    if kind == F32:
        (<float*>t.ptr)[0] = <float>value
    elif kind == F64:
        (<double*>t.ptr)[0] = value
    elif kind == I64:
        (<long long*>t.ptr)[0] = <long long>value
    else:
        t.ptr[0] = value != 0
    return t


cdef bint in_c_order(Tensor t) noexcept:
    cdef Py_ssize_t step = 1
    cdef int i
    if t.size == 0:
        return True
    for i in range(t.ndim - 1, -1, -1):
        if t.dims[i] != 1 and t.steps[i] != step:
            return False
        step *= t.dims[i]
    return True


cdef bint in_f_order(Tensor t) noexcept:
    cdef Py_ssize_t step = 1
    cdef int i
    for i in range(t.ndim):
        if t.size and t.dims[i] != 1 and t.steps[i] != step:
            return False
        step *= t.dims[i]
    return True


cdef bint in_order(Tensor t, int flags) noexcept:
    """Whether t's memory is what a request for a buffer with these flags may be given."""
    if flags & PyBUF_F_CONTIGUOUS == PyBUF_F_CONTIGUOUS:
        return in_f_order(t)
    if flags & PyBUF_ANY_CONTIGUOUS == PyBUF_ANY_CONTIGUOUS:
        return t.contiguous or in_f_order(t)
    return t.contiguous or (flags & PyBUF_STRIDES == PyBUF_STRIDES
                            and flags & PyBUF_C_CONTIGUOUS != PyBUF_C_CONTIGUOUS)


cdef Tensor view_of(Tensor t, char* ptr, int ndim, const Py_ssize_t* dims, const Py_ssize_t* steps):
    cdef Tensor v = Tensor.__new__(Tensor)
    cdef int i
    v.size = 1
    for i in range(ndim):
        v.dims[i] = dims[i]
        v.steps[i] = steps[i]
        v.size *= dims[i]
    v.ndim, v.kind, v.ptr = ndim, t.kind, ptr
    v.owner = t if t.owner is None else t.owner
    v.contiguous = in_c_order(v)
    return v


cdef Tensor root_of(Tensor t):
    return <Tensor>t.owner if type(t.owner) is Tensor else t


# Shapes, axes and dtypes.

cdef tuple shape_of(Tensor t):
    cdef int i
    return tuple([t.dims[i] for i in range(t.ndim)])


cdef bint same_dims(Tensor a, Tensor b):
    cdef int i
    if a.ndim != b.ndim:
        return False
    for i in range(a.ndim):
        if a.dims[i] != b.dims[i]:
            return False
    return True


cdef int normal_axis(object axis, int ndim, str who) except -1:
    cdef Py_ssize_t k
    if type(axis) is int:       # a `try` costs as much as the rest
        k = axis
    else:
        try:
            k = axis.__index__()
        except AttributeError:
            raise TypeError(f"{who}: an axis is an integer, got {type(axis).__name__}") from None
    if not -ndim <= k < ndim:
        known = f"-{ndim} to {ndim - 1}" if ndim else "a number has none"
        raise ValueError(f"{who}: axis {k} is out of range for {ndim} axes ({known})")
    return k + ndim if k < 0 else k


def dtype_of(dtype, str who):
    """The library's dtype that `dtype` names; TypeError for others."""
    kind = target(np.dtype(dtype))
    if kind is None:
        raise TypeError(f"{who}: dtype must be float32, float64, int64 or bool, got {np.dtype(dtype)}")
    return np.dtype(kind)
