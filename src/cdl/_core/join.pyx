"""Tensors put together (concatenate, stack, pad) and taken apart (split)."""
from libc.string cimport memset

cimport cython

from cdl._core.cast cimport cast
from cdl._core.copy cimport assign, copy_of
from cdl._core.gate cimport as_any, finish
from cdl._core.shape cimport View, dense_steps, result, view, whole
from cdl._core.tape cimport give, record, recording
from cdl._core.tensor cimport (BOOL, F32, F64, I64, ITEMSIZE, MAXDIM, READS_NONE, Node, Tensor, new_tensor, normal_axis,
                               shape_of, view_of)

import numpy as np

from cdl._core.shape import expand_dims, ravel


# --- together ---------------------------------------------------------------------------------------------------------
cdef Tensor part_of(Tensor whole_one, int axis, Py_ssize_t start, Py_ssize_t length):
    """The view of a dense Tensor from `start` on along `axis`, not recorded."""
    cdef View v
    whole(whole_one, &v)
    v.dims[axis] = length
    return view_of(whole_one, whole_one.ptr + start * v.steps[axis] * ITEMSIZE[whole_one.kind], v.ndim, v.dims, v.steps)


@cython.final
@cython.no_gc
cdef class ConcatNode(Node):
    cdef int axis

    cdef int backward(self, Tensor y, Tensor g) except -1:
        cdef Py_ssize_t start = 0
        cdef Tensor x, dx
        for one in (self.a, *self.more):
            x = one
            if x.needs_grad:
                dx = part_of(g, self.axis, start, x.dims[self.axis])
                if dx.contiguous:
                    give(x, dx, False)
                else:
                    give(x, copy_of(dx), True)
            start += x.dims[self.axis]
        return 0


cdef Tensor concat(list xs, int axis):
    cdef Tensor first = xs[0], x, y
    cdef Py_ssize_t[MAXDIM] dims
    cdef Py_ssize_t start = 0
    cdef int i
    cdef bint recorded = False
    cdef ConcatNode node
    for i in range(first.ndim):
        dims[i] = first.dims[i]
    dims[axis] = 0
    for one in xs:
        x = one
        for i in range(first.ndim):
            if x.ndim != first.ndim or (i != axis and x.dims[i] != first.dims[i]):
                raise ValueError(f"concatenate: expected arrays that differ only along axis {axis}, got shapes "
                                 f"{', '.join([str(shape_of(t)) for t in xs])}")
        dims[axis] += x.dims[axis]
        recorded |= recording(x)
    y = new_tensor(first.kind, first.ndim, dims)
    for one in xs:
        x = one
        assign(part_of(y, axis, start, x.dims[axis]), x)
        start += x.dims[axis]
    if recorded:
        node = ConcatNode.__new__(ConcatNode)
        node.axis = axis
        record(y, node, READS_NONE, first, None, None, tuple(xs[1:]))
    return y


cdef list one_kind(object arrays, str who, bint* as_tensor):
    """Tensors of one kind: the widest float; float32 or float64 beside integers; int64 beside booleans."""
    cdef Tensor x
    cdef list xs = []
    cdef bint[4] has = [False, False, False, False]
    cdef int kind
    as_tensor[0] = False
    if type(arrays) is Tensor and (<Tensor>arrays).ndim == 0:
        raise TypeError(f"{who}: expected a sequence of arrays, got one Tensor without axes")
    for one in arrays:
        x = as_any(one, who)
        as_tensor[0] |= type(one) is Tensor
        has[x.kind] = True
        xs.append(x)
    if not xs:
        raise ValueError(f"{who}: expected at least one array, got an empty sequence")
    kind = F64 if has[<int>F64] else F32 if has[<int>F32] else I64 if has[<int>I64] else BOOL
    return [cast(<Tensor>t, kind) for t in xs]


def concatenate(arrays, axis=0):
    """The arrays one after the other along `axis` (None: all with one axis first)."""
    cdef bint as_tensor
    cdef list xs = one_kind(arrays, "concatenate", &as_tensor)
    if axis is None:
        xs, axis = [ravel(x) for x in xs], 0
    if (<Tensor>xs[0]).ndim == 0:
        raise ValueError("concatenate: arrays without axes cannot be joined; use stack")
    return finish(concat(xs, normal_axis(axis, (<Tensor>xs[0]).ndim, "concatenate")), as_tensor)


def stack(arrays, axis=0):
    """The arrays, all of one shape, as the elements of a new axis."""
    cdef bint as_tensor
    cdef list xs = one_kind(arrays, "stack", &as_tensor)
    cdef Tensor first = xs[0]
    cdef int k = normal_axis(axis, first.ndim + 1, "stack")
    for one in xs:
        if shape_of(one) != shape_of(first):
            raise ValueError(f"stack: expected arrays of one shape, got "
                             f"{', '.join([str(shape_of(t)) for t in xs])}")
    return finish(concat([expand_dims(x, k) for x in xs], k), as_tensor)


def split(x, sections, axis=0, bint exact=True):
    """A list of parts along `axis`: `sections` of them, of one length if `exact`, or cut at the places it lists."""
    cdef Tensor t = as_any(x, "split")
    cdef int k = normal_axis(axis, t.ndim, "split")
    cdef Py_ssize_t length = t.dims[k], start, stop, count
    cdef View v
    cdef list cuts, parts = []
    if hasattr(sections, "__index__") and not isinstance(sections, np.ndarray):
        count = sections
        if count < 1 or (exact and length % count):
            raise ValueError(f"split: axis {k} of length {length} does not divide into {count} parts of one length")
        cuts = [i * (length // count) + min(i, length % count) for i in range(1, count)]
    else:
        cuts = [int(i) for i in sections]
    for start, stop in zip([0, *cuts], [*cuts, length]):
        start, stop, _ = slice(start, stop).indices(length)
        whole(t, &v)
        v.dims[k] = max(stop - start, 0)
        if v.dims[k]:
            v.offset, v.dense_offset = start * v.steps[k], start * v.dense_steps[k]
        parts.append(result(view(t, &v), type(x) is Tensor))
    return parts


# --- padding ----------------------------------------------------------------------------------------------------------
@cython.final
@cython.no_gc
cdef class PadNode(Node):
    cdef Py_ssize_t offset      # of x's first element in y

    cdef int backward(self, Tensor y, Tensor g) except -1:
        cdef Py_ssize_t[MAXDIM] steps
        cdef Tensor part
        dense_steps(g, steps)
        part = view_of(g, g.ptr + self.offset * ITEMSIZE[g.kind], g.ndim, self.a.dims, steps)
        return give(self.a, copy_of(part), True)


cdef int fill_edges(Tensor y, tuple widths, double value) except -1:
    """Set what lies outside; of a big array not the inside, which is written anyway."""
    cdef int i
    if y.size < 1 << 14 and value == 0:
        memset(y.ptr, 0, y.size * ITEMSIZE[y.kind])
        return 0
    array = y.numpy()
    for i in range(y.ndim):
        before, after = widths[i]
        front = (slice(None),) * i
        array[front + (slice(0, before),)] = value
        array[front + (slice(y.dims[i] - after, y.dims[i]),)] = value
    return 0


def pad(x, tuple widths, double value=0.0):
    """x with widths[i] = (before, after) elements of `value` around axis i."""
    cdef Tensor t = as_any(x, "pad"), y
    cdef Py_ssize_t[MAXDIM] dims, steps
    cdef Py_ssize_t before, after, offset = 0
    cdef int i
    cdef PadNode node
    if len(widths) != t.ndim:
        raise ValueError(f"pad: expected one (before, after) for each of the {t.ndim} axes, got {widths}")
    if t.kind > F64:
        return finish(copy_of(as_any(np.pad(t.numpy(), widths, constant_values=value), "pad")), type(x) is Tensor)
    for i in range(t.ndim):
        before, after = widths[i]
        if before < 0 or after < 0 or before + after > 1 << 60:
            raise ValueError(f"pad: widths must not be negative, got {widths}")
        dims[i] = t.dims[i] + before + after
    y = new_tensor(t.kind, t.ndim, dims)
    fill_edges(y, widths, value)
    dense_steps(y, steps)
    for i in range(t.ndim):
        offset += <Py_ssize_t>widths[i][0] * steps[i]
    assign(view_of(y, y.ptr + offset * ITEMSIZE[y.kind], t.ndim, t.dims, steps), t)
    if recording(t):
        node = PadNode.__new__(PadNode)
        node.offset = offset
        record(y, node, READS_NONE, t)
    return finish(y, type(x) is Tensor)
