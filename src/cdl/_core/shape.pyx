"""Views: reshape, transpose, slices, broadcasting, windows.

A view shares memory with what it was made from, as in NumPy. Its node knows the same walk over a gradient in C order.
"""
from libc.string cimport memset

cimport cython

from cdl._core.copy cimport assign, contiguous, copy_of
from cdl._core.gate cimport as_any, finish
from cdl._core.kernels cimport BINARY_ADD, K
from cdl._core.reduce cimport SUM
from cdl._core.reduce cimport apply as apply_reduce
from cdl._core.tape cimport ONE_VALUE, give, record, recording
from cdl._core.tensor cimport (ITEMSIZE, MAXDIM, READS_NONE, Node, Tensor, empty_like, normal_axis, shape_of,
                               view_of)

import numpy as np

cdef extern from *:
    long long PyLong_AsLongLongAndOverflow(object k, int* overflow) except? -1


# --- the view that every other one is made of -------------------------------------------------------------------------
cdef void dense_steps(Tensor x, Py_ssize_t* steps) noexcept:
    cdef Py_ssize_t step = 1
    cdef int i
    for i in range(x.ndim - 1, -1, -1):
        steps[i] = step
        step *= x.dims[i]


cdef void whole(Tensor x, View* v) noexcept:
    cdef int i
    v.ndim, v.windows, v.offset, v.dense_offset = x.ndim, 0, 0, 0
    for i in range(x.ndim):
        v.dims[i], v.steps[i] = x.dims[i], x.steps[i]
    dense_steps(x, v.dense_steps)


cdef void add_axis(View* v, Py_ssize_t length, Py_ssize_t step, Py_ssize_t dense_step) noexcept:
    v.dims[v.ndim], v.steps[v.ndim], v.dense_steps[v.ndim] = length, step, dense_step
    v.ndim += 1


cdef int add_into(Tensor part, Tensor g) except -1:
    """part += g, where part views a gradient."""
    cdef Tensor total = contiguous(part)
    K[g.kind].binary_forward[BINARY_ADD](total.ptr, g.ptr, total.ptr, g.size, 1, 1)
    if total is not part:
        assign(part, total)
    return 0


cdef int add_windows(Tensor dx, View* v, int axis, Py_ssize_t offset, Tensor g, Py_ssize_t start) except -1:
    """Add g to dx one window position at a time, since windows overlap; axis: the first one not fixed yet."""
    cdef Py_ssize_t[MAXDIM] steps
    cdef Py_ssize_t i, itemsize = ITEMSIZE[g.kind]
    cdef int kept = v.ndim - v.windows
    dense_steps(g, steps)
    if axis == v.ndim:
        add_into(view_of(dx, dx.ptr + offset * itemsize, kept, v.dims, v.dense_steps),
                 contiguous(view_of(g, g.ptr + start * itemsize, kept, g.dims, steps)))
        return 0
    for i in range(v.dims[axis]):
        add_windows(dx, v, axis + 1, offset + i * v.dense_steps[axis], g, start + i * steps[axis])
    return 0


@cython.final
@cython.no_gc
cdef class ViewNode(Node):
    cdef View v

    cdef int backward(self, Tensor y, Tensor g) except -1:
        cdef Tensor x = self.a, dx = x.gradient
        cdef View* v = &self.v
        cdef bint add = dx is not None and x.grad_owned     # then only the part that y views is visited
        if g.size == 0 and dx is not None:
            return 0
        if not add:
            dx = empty_like(x)
            if v.windows or y.size != x.size:
                memset(dx.ptr, 0, dx.size * ITEMSIZE[dx.kind])
        if v.windows:
            add_windows(dx, v, v.ndim - v.windows, v.dense_offset, g, 0)
        else:
            y = view_of(dx, dx.ptr + v.dense_offset * ITEMSIZE[dx.kind], v.ndim, v.dims, v.dense_steps)
            if add:
                add_into(y, g)
            else:
                assign(y, g)
        return 0 if add else give(x, dx, True)


cdef Tensor view(Tensor x, View* v):
    cdef Tensor y
    cdef ViewNode node
    cdef int i
    if v.ndim > MAXDIM:
        raise ValueError(f"Tensor: at most {MAXDIM} axes are supported, got {v.ndim}")
    y = view_of(x, x.ptr + v.offset * ITEMSIZE[x.kind], v.ndim, v.dims, v.steps)
    for i in range(v.ndim):
        if v.steps[i] < 0:      # only this copy walks backwards: kernels are promised steps that are not negative
            y = copy_of(y)
            break
    if recording(x):
        node = ViewNode.__new__(ViewNode)
        node.v = v[0]
        record(y, node, READS_NONE, x)
    return y


# --- reshape: the same elements in the same order ---------------------------------------------------------------------
@cython.final
@cython.no_gc
cdef class ReshapeNode(Node):
    """Of every op whose gradient is g under the input's dims."""

    cdef int backward(self, Tensor y, Tensor g) except -1:
        cdef Py_ssize_t[MAXDIM] steps
        cdef int i
        dense_steps(self.a, steps)
        if not g.contiguous:        # one value, with steps of 0
            memset(steps, 0, sizeof(steps))
        if not y.grad_owned:
            return give(self.a, view_of(g, g.ptr, self.a.ndim, self.a.dims, steps), False)
        g.ndim = self.a.ndim        # no view but g itself, which may then be written over further down
        for i in range(g.ndim):
            g.dims[i], g.steps[i] = self.a.dims[i], steps[i]
        return give(self.a, g, True)


cdef inline Tensor recorded(Tensor y, Tensor x):
    if recording(x):
        record(y, ReshapeNode.__new__(ReshapeNode), ONE_VALUE, x)
    return y


cdef bint fit_steps(Tensor x, int ndim, const Py_ssize_t* dims, Py_ssize_t* steps) noexcept:
    """The steps that walk x's memory under new dims of the same size; False where only a copy can."""
    cdef Py_ssize_t[MAXDIM] lengths, walk
    cdef int i = 0, j = 0, k, first, count = 0
    cdef Py_ssize_t old, new, step
    if x.contiguous:
        step = 1
        for k in range(ndim - 1, -1, -1):
            steps[k] = step
            step *= dims[k]
        return True
    for k in range(x.ndim):
        if x.dims[k] != 1:
            lengths[count], walk[count] = x.dims[k], x.steps[k]
            count += 1
    while i < count and j < ndim:       # each round matches a run of old axes with a run of new ones
        first, old, new = j, lengths[i], dims[j]
        while old != new:
            if old < new:
                if walk[i] != lengths[i + 1] * walk[i + 1]:
                    return False
                i += 1
                old *= lengths[i]
            else:
                j += 1
                new *= dims[j]
        step = walk[i]
        for k in range(j, first - 1, -1):
            steps[k] = step
            step *= dims[k]
        i, j = i + 1, j + 1
    for k in range(j, ndim):            # what is left has length 1
        steps[k] = 1
    return True


cdef Tensor reshape_to(Tensor x, int ndim, const Py_ssize_t* dims):
    cdef Py_ssize_t[MAXDIM] steps
    if not fit_steps(x, ndim, dims, steps):
        return recorded(reshape_to(copy_of(x), ndim, dims), x)
    return recorded(view_of(x, x.ptr, ndim, dims, steps), x)


cdef int parse_dims(object shape, Py_ssize_t* dims, str who) except -1:
    """A shape as the user wrote it, an integer or a sequence of them; returns how many axes it has."""
    cdef tuple lengths
    cdef Py_ssize_t i, n
    cdef int overflow = 0
    if type(shape) is tuple:
        lengths = shape
    elif type(shape) is int:
        lengths = (shape,)
    elif hasattr(shape, "__index__") and not np.ndim(shape):
        lengths = (shape.__index__(),)
    elif hasattr(shape, "__iter__"):
        lengths = tuple(shape)
    else:
        raise TypeError(f"{who}: a shape is an integer or a tuple of integers, got {type(shape).__name__}")
    n = len(lengths)
    if n > MAXDIM:
        raise ValueError(f"{who}: at most {MAXDIM} axes are supported, got {n}")
    for i in range(n):
        if type(lengths[i]) is int:
            dims[i] = PyLong_AsLongLongAndOverflow(lengths[i], &overflow)
        elif hasattr(lengths[i], "__index__"):
            dims[i] = PyLong_AsLongLongAndOverflow(lengths[i].__index__(), &overflow)
        else:
            raise TypeError(f"{who}: a shape is made of integers, got {lengths}")
        if overflow:
            raise ValueError(f"{who}: a shape is made of integers of at most 63 bits, got {lengths}")
    return <int>n


cdef int infer(Tensor x, int ndim, Py_ssize_t* dims) except -1:
    """Replace a -1 by the length that is left, and check the size."""
    cdef Py_ssize_t size = 1
    cdef int i, unknown = -1
    cdef bint bad = False
    for i in range(ndim):
        if dims[i] >= 0:
            bad |= dims[i] != 0 and size > ((<Py_ssize_t>1) << 62) // dims[i]
            size *= dims[i] if not bad else 0
        else:
            bad |= dims[i] != -1 or unknown >= 0
            unknown = i
    if unknown >= 0 and not bad and size > 0 and x.size % size == 0:
        dims[unknown] = x.size // size
    elif bad or unknown >= 0 or size != x.size:
        raise ValueError(f"reshape: the {x.size} elements of shape {shape_of(x)} do not fit "
                         f"{tuple([dims[i] for i in range(ndim)])}; the product must be {x.size} (one axis may be -1)")
    return 0


cdef object result(Tensor y, bint as_tensor):
    # No ndarray of ours shares memory with one of the caller's (which may be read-only).
    return y if as_tensor else finish(copy_of(y) if y.block is NULL else y, False)


@cython.binding(True)
def reshape(x, *shape):
    """x with another shape: a view where one can be, else a copy."""
    cdef Tensor t = as_any(x, "reshape")
    cdef Py_ssize_t[MAXDIM] dims
    cdef int ndim = parse_dims(shape[0] if len(shape) == 1 else shape, dims, "reshape")
    infer(t, ndim, dims)
    return result(reshape_to(t, ndim, dims), type(x) is Tensor)


@cython.binding(True)
def ravel(x):
    """x with one axis."""
    cdef Tensor t = as_any(x, "ravel")
    return result(reshape_to(t, 1, &t.size), type(x) is Tensor)


@cython.binding(True)
def copy(x):
    """The same elements in memory of their own."""
    cdef Tensor t = as_any(x, "copy")
    return finish(recorded(copy_of(t), t), type(x) is Tensor)


@cython.binding(True)
def flatten(x):
    """A copy of x with one axis."""
    cdef Tensor t = as_any(x, "flatten"), y = recorded(copy_of(t), t)
    return finish(reshape_to(y, 1, &y.size), type(x) is Tensor)


def expand_dims(x, axis):
    """x with an axis of length 1 at each of the places `axis` (an integer or several) of the result."""
    cdef Tensor t = as_any(x, "expand_dims")
    cdef Py_ssize_t[MAXDIM] dims, steps
    cdef bint[MAXDIM] new
    cdef tuple axes = tuple(axis) if isinstance(axis, (tuple, list)) else (axis,)
    cdef int i, k, ndim = t.ndim + <int>len(axes)
    if ndim > MAXDIM:
        raise ValueError(f"expand_dims: at most {MAXDIM} axes are supported, got {ndim}")
    memset(new, 0, sizeof(new))
    for one in axes:
        i = normal_axis(one, ndim, "expand_dims")
        if new[i]:
            raise ValueError(f"expand_dims: axis {i} is given twice in {axis}")
        new[i] = True
    k = 0
    for i in range(ndim):
        if new[i]:
            dims[i], steps[i] = 1, 1
        else:
            dims[i], steps[i] = t.dims[k], t.steps[k]
            k += 1
    return result(recorded(view_of(t, t.ptr, ndim, dims, steps), t), type(x) is Tensor)


@cython.binding(True)
def squeeze(x, axis=None):
    """x without its axes of length 1 (all, or those named by `axis`)."""
    cdef Tensor t = as_any(x, "squeeze")
    cdef Py_ssize_t[MAXDIM] dims, steps
    cdef bint[MAXDIM] drop
    cdef int i, k = 0
    for i in range(t.ndim):
        drop[i] = axis is None and t.dims[i] == 1
    if axis is not None:
        for one in tuple(axis) if isinstance(axis, (tuple, list)) else (axis,):
            i = normal_axis(one, t.ndim, "squeeze")
            if t.dims[i] != 1:
                raise ValueError(f"squeeze: axis {i} has length {t.dims[i]}, only axes of length 1 can be dropped "
                                 f"(shape {shape_of(t)})")
            drop[i] = True
    for i in range(t.ndim):
        if not drop[i]:
            dims[k], steps[k] = t.dims[i], t.steps[i]
            k += 1
    return result(recorded(view_of(t, t.ptr, k, dims, steps), t), type(x) is Tensor)


# --- axes in another order --------------------------------------------------------------------------------------------
cdef Tensor permute(Tensor x, const int* axes):
    cdef Py_ssize_t[MAXDIM] dense
    cdef View v
    cdef int i
    dense_steps(x, dense)
    v.ndim, v.windows, v.offset, v.dense_offset = 0, 0, 0, 0
    for i in range(x.ndim):
        add_axis(&v, x.dims[axes[i]], x.steps[axes[i]], dense[axes[i]])
    return view(x, &v)


cdef Tensor reverse_axes(Tensor x):
    cdef int[MAXDIM] axes
    cdef int i
    for i in range(x.ndim):
        axes[i] = x.ndim - 1 - i
    return permute(x, axes)


cdef Tensor swap(Tensor x, object first, object second, str who):
    cdef int[MAXDIM] axes
    cdef int i, a = normal_axis(first, x.ndim, who), b = normal_axis(second, x.ndim, who)
    for i in range(x.ndim):
        axes[i] = i
    axes[a], axes[b] = b, a
    return permute(x, axes)


@cython.binding(True)
def transpose(x, *axes):
    """x with its axes reversed, or in the order given; two axes of an array of more than two change places."""
    cdef Tensor t = as_any(x, "transpose")
    cdef int[MAXDIM] order
    cdef int i, seen = 0
    cdef bint pair = len(axes) == 2 and t.ndim > 2
    if len(axes) == 0 or axes[0] is None:
        return result(reverse_axes(t), type(x) is Tensor)
    if len(axes) == 1 and isinstance(axes[0], (tuple, list)):
        axes = tuple(axes[0])
    if pair:
        return result(swap(t, axes[0], axes[1], "transpose"), type(x) is Tensor)
    if len(axes) != t.ndim:
        raise ValueError(f"transpose: expected {t.ndim} axes for shape {shape_of(t)} (or two that change places), "
                         f"got {axes}")
    for i in range(t.ndim):
        order[i] = normal_axis(axes[i], t.ndim, "transpose")
        if seen & 1 << order[i]:
            raise ValueError(f"transpose: axis {order[i]} is given twice in {axes}")
        seen |= 1 << order[i]
    return result(permute(t, order), type(x) is Tensor)


@cython.binding(True)
def numpy_transpose(a, axes=None):
    """np.transpose: all axes are named, or none; the two that only change places are a form of the method alone."""
    cdef Tensor t = as_any(a, "transpose")
    if axes is None:
        return result(reverse_axes(t), type(a) is Tensor)
    if len(axes) != t.ndim:
        raise ValueError(f"np.transpose: expected {t.ndim} axes, got {axes}")
    return transpose(a, tuple(axes))


def transposed(x):
    """x.T: all axes reversed."""
    return result(reverse_axes(as_any(x, "transpose")), type(x) is Tensor)


def matrix_transposed(x):
    """x.mT: the last two axes change places."""
    return result(swap(as_any(x, "mT"), -1, -2, "mT"), type(x) is Tensor)


@cython.binding(True)
def swapaxes(x, axis1, axis2):
    """x with two axes in each other's place."""
    return result(swap(as_any(x, "swapaxes"), axis1, axis2, "swapaxes"), type(x) is Tensor)


# --- other walks over the same memory ---------------------------------------------------------------------------------
def flip(x, axis=None):
    """The elements in reverse order along `axis` (an integer, several, or None for all)."""
    cdef Tensor t = as_any(x, "flip")
    cdef View v
    cdef int i
    whole(t, &v)
    for one in range(t.ndim) if axis is None else axis if isinstance(axis, (tuple, list)) else (axis,):
        i = normal_axis(one, t.ndim, "flip")
        if v.dims[i] > 1:
            v.offset += (v.dims[i] - 1) * v.steps[i]
            v.dense_offset += (v.dims[i] - 1) * v.dense_steps[i]
            v.steps[i], v.dense_steps[i] = -v.steps[i], -v.dense_steps[i]
    return result(view(t, &v), type(x) is Tensor)


@cython.binding(True)
def diagonal(x, offset=0, axis1=0, axis2=1):
    """The elements with index[axis2] = index[axis1] + offset, as a new last axis."""
    cdef Tensor t = as_any(x, "diagonal")
    cdef Py_ssize_t[MAXDIM] dense
    cdef View v
    cdef int i, a = normal_axis(axis1, t.ndim, "diagonal"), b = normal_axis(axis2, t.ndim, "diagonal")
    cdef Py_ssize_t k = offset, down, right
    if a == b:
        raise ValueError(f"diagonal: axis1 and axis2 must differ, got {axis1} and {axis2}")
    down, right = max(-k, 0), max(k, 0)
    dense_steps(t, dense)
    v.ndim, v.windows, v.offset, v.dense_offset = 0, 0, 0, 0
    for i in range(t.ndim):
        if i != a and i != b:
            add_axis(&v, t.dims[i], t.steps[i], dense[i])
    add_axis(&v, max(min(t.dims[a] - down, t.dims[b] - right), 0), t.steps[a] + t.steps[b], dense[a] + dense[b])
    if v.dims[v.ndim - 1]:
        v.offset = down * t.steps[a] + right * t.steps[b]
        v.dense_offset = down * dense[a] + right * dense[b]
    return result(view(t, &v), type(x) is Tensor)


def sliding_windows(x, tuple lengths, tuple axes):
    """Every window of `lengths` along `axes`; the places inside a window are new last axes."""
    cdef Tensor t = as_any(x, "sliding_window_view")
    cdef View v
    cdef Py_ssize_t length
    cdef int i
    whole(t, &v)
    if t.ndim + len(axes) > MAXDIM:
        raise ValueError(f"sliding_window_view: at most {MAXDIM} axes are supported, got {t.ndim + len(axes)}")
    for axis, window in zip(axes, lengths):
        i, length = normal_axis(axis, t.ndim, "sliding_window_view"), window
        if not 0 < length <= v.dims[i]:
            raise ValueError(f"sliding_window_view: a window must be 1 to {v.dims[i]} long on axis {i}, got {length}")
        v.dims[i] -= length - 1
        add_axis(&v, length, v.steps[i], v.dense_steps[i])
    v.windows = len(axes)
    return result(view(t, &v), type(x) is Tensor)


# --- broadcasting -----------------------------------------------------------------------------------------------------
@cython.final
@cython.no_gc
cdef class BroadcastNode(Node):
    """y repeats x along new axes and axes of length 1, so dx is the sum of g over them."""

    cdef int backward(self, Tensor y, Tensor g) except -1:
        cdef Tensor x = self.a, dx
        cdef int i, mask = 0, new = y.ndim - x.ndim
        for i in range(y.ndim):
            if i < new or x.dims[i - new] != y.dims[i]:
                mask |= 1 << i
        dx = apply_reduce(SUM, g, mask, True) if mask else g
        return give(x, contiguous(reshape_to(dx, x.ndim, x.dims)), False)


cdef Tensor broadcast(Tensor x, int ndim, const Py_ssize_t* dims, str who):
    cdef Py_ssize_t[MAXDIM] steps
    cdef int i, new = ndim - x.ndim
    cdef bint bad = new < 0
    cdef double size = 1
    cdef Tensor y
    if not bad:
        for i in range(ndim):
            size *= dims[i]
            steps[i] = 0 if i < new or x.dims[i - new] != dims[i] else x.steps[i - new]
            bad |= dims[i] < 0 or (i >= new and x.dims[i - new] != dims[i] and x.dims[i - new] != 1)
    if bad:
        raise ValueError(f"{who}: shape {shape_of(x)} does not broadcast to {tuple([dims[i] for i in range(ndim)])}: "
                         "each of its axes, from the last, must have that length or 1")
    if size > 4e18:
        raise ValueError(f"{who}: shape {tuple([dims[i] for i in range(ndim)])} has more elements than "
                         "memory can address")
    y = view_of(x, x.ptr, ndim, dims, steps)
    if recording(x):
        record(y, BroadcastNode.__new__(BroadcastNode), READS_NONE, x)
    return y


def broadcast_to(x, shape):
    """x repeated to `shape`: a view that is to be read only."""
    cdef Tensor t = as_any(x, "broadcast_to")
    cdef Py_ssize_t[MAXDIM] dims
    cdef int ndim = parse_dims(shape, dims, "broadcast_to")
    return result(broadcast(t, ndim, dims, "broadcast_to"), type(x) is Tensor)
