# The shapes of a convolution, from those of its operands and its options; on top of image_check.pxi.
cdef (Py_ssize_t, Py_ssize_t) extents(Conv* c, dilation, str who) except *:
    """Rows and columns from the first tap of the kernel to the last."""
    pair_of(dilation, who, "dilation", 1, &c.dilation_h, &c.dilation_w)
    if c.R > 1 and c.dilation_h > LONGEST // (c.R - 1) or c.S > 1 and c.dilation_w > LONGEST // (c.S - 1):
        raise ValueError(f"{who}: dilation {dilation!r} is too large for a kernel of ({c.R}, {c.S})")
    return (c.R - 1) * c.dilation_h + 1, (c.S - 1) * c.dilation_w + 1


cdef int window_shape(Conv* c, stride, padding, dilation, str who) except -1:
    """Strides, dilations, padding and the size of the output, from the sizes of image and kernel."""
    cdef Py_ssize_t high, wide
    pair_of(stride, who, "stride", 1, &c.stride_h, &c.stride_w)
    high, wide = extents(c, dilation, who)
    pad_axis(padding, 0, c.H, high, c.stride_h, who, &c.top, &c.bottom)
    pad_axis(padding, 1, c.W, wide, c.stride_w, who, &c.left, &c.right)
    c.P = output_size(c.H, high, c.top + c.bottom, c.stride_h, who, "H")
    c.Q = output_size(c.W, wide, c.left + c.right, c.stride_w, who, "W")
    return 0


cdef int kernel_sizes(Conv* c, Tensor w, str who) except -1:
    if w.ndim != 4:
        raise ValueError(f"{who}: w must be (rows, columns, channels / groups, filters), got shape {shape_of(w)}")
    c.R, c.S, c.K = w.dims[0], w.dims[1], w.dims[3]
    if c.R == 0 or c.S == 0:
        raise ValueError(f"{who}: the kernel has no pixels, w is {shape_of(w)}")
    return 0


cdef Conv shape_for(Tensor x, Tensor w, Tensor b, Tensor added, stride, padding, dilation, groups) except *:
    cdef Conv c
    image_sizes(x, "conv2d")
    kernel_sizes(&c, w, "conv2d")
    c.packed = False
    c.N, c.H, c.W, c.C, c.groups = x.dims[0], x.dims[1], x.dims[2], x.dims[3], length_of(groups, "conv2d", "groups", 1)
    if c.C % c.groups or c.K % c.groups:
        raise ValueError(f"conv2d: {c.groups} groups do not divide {c.C} channels and {c.K} filters (x is {shape_of(x)}, "
                         f"w {shape_of(w)})")
    if w.dims[2] != c.C // c.groups:
        raise ValueError(f"conv2d: expected {w.dims[2] * c.groups} channels (w is {shape_of(w)}, {c.groups} "
                         f"group{'s' if c.groups > 1 else ''}), got {c.C} in x of shape {shape_of(x)}")
    window_shape(&c, stride, padding, dilation, "conv2d")
    if b is not None and (b.ndim != 1 or b.dims[0] != c.K):
        raise ValueError(f"conv2d: b must have shape ({c.K},), one value for each filter, got {shape_of(b)}")
    if added is not None and (added.ndim != 4 or added.dims[0] != c.N or added.dims[1] != c.P or added.dims[2] != c.Q
                              or added.dims[3] != c.K):
        raise ValueError(f"conv2d: added must have the shape of the output, {(c.N, c.P, c.Q, c.K)}, got {shape_of(added)}")
    return c


cdef Py_ssize_t input_size(Py_ssize_t length, Py_ssize_t extent, Py_ssize_t padding, Py_ssize_t stride,
                           Py_ssize_t extra) except -1:
    """The length that a convolution reads to give `length`, with `extra` more elements that it leaves over."""
    cdef Py_ssize_t size = (length - 1) * stride + extent - padding + extra if length else 0
    if length and size < 1:
        raise ValueError(f"conv_transpose2d: nothing is left of the output after padding of {padding} is taken away")
    return size


cdef int transposed_sizes(Conv* c, stride, padding, output_padding, dilation, str who) except -1:
    """Strides, dilations, padding and the size H, W of the larger image, from P, Q and the kernel."""
    cdef Py_ssize_t high, wide, extra_h, extra_w
    pair_of(stride, who, "stride", 1, &c.stride_h, &c.stride_w)
    high, wide = extents(c, dilation, who)
    pair_of(output_padding, who, "output_padding", 0, &extra_h, &extra_w)
    if extra_h >= max(c.stride_h, c.dilation_h) or extra_w >= max(c.stride_w, c.dilation_w):
        raise ValueError(f"{who}: output_padding must be smaller than stride or dilation, got {output_padding!r}")
    if c.P and c.stride_h > LONGEST // c.P or c.Q and c.stride_w > LONGEST // c.Q:
        raise ValueError(f"{who}: stride {stride!r} makes an output that is too large")
    if isinstance(padding, str) and padding == "same":      # of which 'same' convolution gives the length back
        c.H, c.W = c.P * c.stride_h + (extra_h if c.P else 0), c.Q * c.stride_w + (extra_w if c.Q else 0)
        pad_axis(padding, 0, c.P * c.stride_h, high, c.stride_h, who, &c.top, &c.bottom)
        pad_axis(padding, 1, c.Q * c.stride_w, wide, c.stride_w, who, &c.left, &c.right)
        return 0
    pad_axis(padding, 0, 0, high, c.stride_h, who, &c.top, &c.bottom)
    pad_axis(padding, 1, 0, wide, c.stride_w, who, &c.left, &c.right)
    c.H = input_size(c.P, high, c.top + c.bottom, c.stride_h, extra_h)
    c.W = input_size(c.Q, wide, c.left + c.right, c.stride_w, extra_w)
    return 0


cdef Conv transposed_shape(Tensor x, Tensor w, stride, padding, output_padding, dilation, groups) except *:
    """The convolution of which x is an output and w the kernel (rows, columns, filters / groups, channels)."""
    cdef str who = "conv_transpose2d"
    cdef Conv c
    image_sizes(x, who)
    if w.ndim != 4:
        raise ValueError(f"{who}: w must be (rows, columns, filters / groups, channels), got shape {shape_of(w)}")
    kernel_sizes(&c, w, who)
    c.groups, c.packed = length_of(groups, who, "groups", 1), False
    c.N, c.P, c.Q, c.C = x.dims[0], x.dims[1], x.dims[2], w.dims[2] * c.groups
    if c.K != x.dims[3]:
        raise ValueError(f"{who}: expected {c.K} channels (w is {shape_of(w)}), got {x.dims[3]} in x of shape {shape_of(x)}")
    if c.K % c.groups:
        raise ValueError(f"{who}: {c.groups} groups do not divide {c.K} channels (w is {shape_of(w)})")
    transposed_sizes(&c, stride, padding, output_padding, dilation, who)
    return c
