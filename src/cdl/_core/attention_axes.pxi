# Part of attention.pyx: how the arrays lie, and what of them must fit.

cdef Tensor ready(Tensor t):
    """t, or a copy of it whose last axis the kernels can read."""
    return t if t.dims[t.ndim - 1] <= 1 or t.steps[t.ndim - 1] == 1 else contiguous(t)


cdef void lay(Side* s, Tensor t, const Attention* a, bint of_query, Py_ssize_t n) noexcept:
    """t (…, heads, T, n), or joined (N, T, heads n); as many heads as the query has, or as the key."""
    cdef int i, last = a.axes - 1
    cdef Py_ssize_t head
    s.ptr = t.ptr
    s.group = 0
    if a.joined:
        s.row, s.steps[0], head = t.steps[1], t.steps[0], n
    else:
        s.row = t.steps[t.ndim - 2]
        for i in range(a.axes):
            s.steps[i] = t.steps[i]
        head = t.steps[last] if last >= 0 else 0
    if last >= 0:
        s.steps[last] = head
        if of_query:
            s.steps[last], s.group = head * a.groups, head


cdef void lay_mask(Side* s, Tensor mask, Attention* a) noexcept:
    """A mask (…, heads, Tq, Tk), any of its axes 1 or, from the left, missing."""
    cdef int i, axis, missing = a.axes + 2 - mask.ndim
    cdef Py_ssize_t[MAXDIM] steps
    for i in range(a.axes + 2):
        axis = i - missing
        steps[i] = 0 if axis < 0 or mask.dims[axis] == 1 else mask.steps[axis]
    s.ptr, s.row, a.mask_col, s.group = mask.ptr, steps[a.axes], steps[a.axes + 1], 0
    for i in range(a.axes):
        s.steps[i] = steps[i]
    if a.axes:
        s.group = steps[a.axes - 1]
        s.steps[a.axes - 1] = s.group * a.groups


cdef Tensor as_mask(object mask, int kind):
    """Booleans, or floats of this kind."""
    cdef Tensor t = as_any(mask, "attention")
    if t.kind == I64:
        raise TypeError("attention: mask must hold booleans, True where a query may look at a key, or floats that are added "
                        f"to the scores, got {t.dtype}; convert it with mask.astype(bool)")
    if t.kind != BOOL:
        t = cast(t, kind)
    return t


cdef Tensor set_mask(Attention* a, Tensor mask, tuple scores):
    """The mask as the kernels read it: it, or a copy; None without one."""
    cdef int i
    cdef bint bad
    a.masked, a.mask.ptr, a.mask.row, a.mask.group, a.mask_col = MASK_NONE, NULL, 0, 0, 0
    for i in range(a.axes):
        a.mask.steps[i] = 0
    if mask is None:
        return None
    bad = mask.ndim > len(scores)
    if not bad:
        for i in range(1, mask.ndim + 1):
            bad |= mask.dims[mask.ndim - i] != 1 and mask.dims[mask.ndim - i] != <Py_ssize_t>scores[len(scores) - i]
    if bad:
        raise ValueError(f"attention: mask of shape {shape_of(mask)} does not broadcast to the scores {scores}, a row for each "
                         "query and a column for each key")
    a.masked = MASK_BOOL if mask.kind == BOOL else MASK_ADDED
    mask = contiguous(mask)
    lay_mask(&a.mask, mask, a)
    return mask


cdef int check(Tensor q, Tensor k, Tensor v) except -1:
    for name, t in (("query", q), ("key", k), ("value", v)):
        if (<Tensor>t).ndim < 2:
            raise ValueError(f"attention: {name} must be (…, T, d) with at least two axes, got shape {shape_of(t)}")
    if q.dims[q.ndim - 1] != k.dims[k.ndim - 1]:
        raise ValueError(f"attention: {q.dims[q.ndim - 1]} features of query {shape_of(q)} and {k.dims[k.ndim - 1]} of key "
                         f"{shape_of(k)}; they are multiplied with one another")
    if q.dims[q.ndim - 1] == 0:
        raise ValueError(f"attention: query and key need at least one feature, got {shape_of(q)} and {shape_of(k)}")
    if k.dims[k.ndim - 2] != v.dims[v.ndim - 2]:
        raise ValueError(f"attention: {k.dims[k.ndim - 2]} keys {shape_of(k)} and {v.dims[v.ndim - 2]} values {shape_of(v)}; "
                         "each key has its value")
    return 0


cdef Py_ssize_t axis_of(Tensor t, int lead, int axis) noexcept:
    """The length of an axis of `lead` leading ones, 1 where t has fewer."""
    cdef int own = axis - (lead - (t.ndim - 2))
    return t.dims[own] if own >= 0 else 1


cdef int set_axes(Attention* a, Tensor q, Tensor k, Tensor v) except -1:
    """The outer axes and groups from what the three have in front; ValueError where it does not fit."""
    cdef int i, lead = max(q.ndim, k.ndim, v.ndim) - 2
    cdef Py_ssize_t of_q, of_k, of_v
    cdef bint bad = lead + 2 > MAXDIM
    a.axes, a.groups, a.outer, a.joined = lead, 1, 1, False
    for i in range(0 if bad else lead):
        of_q, of_k, of_v = axis_of(q, lead, i), axis_of(k, lead, i), axis_of(v, lead, i)
        if of_k == 1:
            of_k = of_v
        elif of_v != 1:
            bad |= of_v != of_k
        if i == lead - 1 and of_q > of_k > 0:
            if of_q % of_k:
                raise ValueError(f"attention: {of_k} key heads do not divide {of_q} query heads (query {shape_of(q)}, key "
                                 f"{shape_of(k)}, value {shape_of(v)})")
            a.groups = of_q // of_k
        else:
            bad |= of_q != of_k and of_q != 1 and of_k != 1
            of_k = of_q if of_k == 1 else of_k
        a.dims[i] = of_k
        a.outer *= of_k
    if bad:
        raise ValueError(f"attention: query {shape_of(q)}, key {shape_of(k)} and value {shape_of(v)} must agree in the axes "
                         "that lead, or have 1 there")
    return 0


cdef Tensor spread(Tensor t, const Attention* a, bint of_query):
    """t with all leading axes."""
    cdef Py_ssize_t[MAXDIM] dims
    cdef int i
    cdef bint same = t.ndim == a.axes + 2
    for i in range(a.axes):
        dims[i] = a.dims[i]
    if a.axes and of_query:
        dims[a.axes - 1] *= a.groups
    dims[a.axes], dims[a.axes + 1] = t.dims[t.ndim - 2], t.dims[t.ndim - 1]
    for i in range(a.axes if same else 0):
        same &= t.dims[i] == dims[i]
    return t if same else broadcast(t, a.axes + 2, dims, "attention")
