# Part of norm.pyx: what may come in, and the running statistics, which training moves in place.

cdef Tensor as_affine(object value, str name, Tensor x, int axes, int* kind, str who):
    """gamma or beta, checked to have the shape of x's last axes; None stays."""
    cdef Tensor t
    cdef int i
    if value is None:
        return None
    t = as_float(value, who)
    if t.ndim != axes or any([t.dims[i] != x.dims[x.ndim - axes + i] for i in range(axes)]):
        raise ValueError(f"{who}: {name} must have shape {shape_of(x)[x.ndim - axes:]}, that of what is normalised in x of "
                         f"shape {shape_of(x)}, got {shape_of(t)}")
    kind[0] = max(kind[0], t.kind)
    return t


cdef Tensor in_kind(Tensor t, int kind):
    return None if t is None else cast(t, kind)


cdef Tensor as_added(object value, Tensor x, int* kind):
    """What is added to the result, checked to have x's shape; None stays."""
    cdef Tensor t
    if value is None:
        return None
    t = as_float(value, "batch_norm")
    if not same_dims(t, x):
        raise ValueError(f"batch_norm: added must have x's shape {shape_of(x)}, got {shape_of(t)}")
    kind[0] = max(kind[0], t.kind)
    return t


cdef int check_eps(double eps, str who) except -1:
    if not 0 <= eps < float("inf"):
        raise ValueError(f"{who}: eps must be a finite number >= 0, got {eps}")
    return 0


cdef Tensor as_channels(object value, str who):
    cdef Tensor x = as_float(value, who)
    if x.ndim < 2:
        raise ValueError(f"{who}: x must be (…, channels) with at least one axis before the channels, got shape {shape_of(x)}")
    return x


cdef Tensor as_running(object value, str name, Py_ssize_t channels, bint training):
    """Running statistics on the caller's own memory, which training writes to."""
    cdef Tensor t
    if value is None:
        return None
    if training and type(value) is not Tensor and not (
            type(value) is np.ndarray and value.dtype.kind == "f" and value.flags.writeable):
        raise TypeError(f"batch_norm: {name} is updated in place: it must be a Tensor or a writeable float array, got "
                        f"{type(value).__name__}")
    t = as_float(value, "batch_norm")
    if t.ndim != 1 or t.dims[0] != channels:
        raise ValueError(f"batch_norm: {name} must hold {channels} floats, one a channel, got shape {shape_of(t)}")
    if training and (not t.contiguous or (type(value) is not Tensor and value.dtype != t.numpy().dtype)):
        raise ValueError(f"batch_norm: {name} is updated in place: it must be contiguous float32 or float64")
    return contiguous(t)


cdef inline double value_at(Tensor t, Py_ssize_t i) noexcept:
    return (<float*>t.ptr)[i] if t.kind == F32 else (<double*>t.ptr)[i]


cdef void move(Tensor running, const double* batch, double momentum, double factor) noexcept:
    """running = (1 - momentum) running + momentum factor batch."""
    cdef Tensor root = root_of(running)
    cdef Py_ssize_t i
    cdef double value
    root.version += 1
    for i in range(running.size):
        value = (1 - momentum) * value_at(running, i) + momentum * factor * batch[i]
        if running.kind == F32:
            (<float*>running.ptr)[i] = <float>value
        else:
            (<double*>running.ptr)[i] = value
