"""Elements by index: take, the keys of t[...] (slices, integers, arrays, masks) and their gradient, a scatter-add."""
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memset

cimport cython

from cdl._core.copy cimport contiguous, copy_of
from cdl._core.gate cimport as_any, finish
from cdl._core.kernels cimport K
from cdl._core.shape cimport View, add_axis, dense_steps, permute, reshape_to, view
from cdl._core.tape cimport give, record, recording, touch
from cdl._core.tensor cimport (BOOL, F32, F64, I64, ITEMSIZE, MAXDIM, READS_B, Node, Tensor, empty_like, hooks,
                               new_tensor, normal_axis, same_dims, shape_of)
from cdl._core.threads cimport run_tasks

import numpy as np

cdef extern from *:
    long long PyLong_AsLongLongAndOverflow(object k, int* overflow) except? -1
    int PySlice_Unpack(object key, Py_ssize_t* start, Py_ssize_t* stop, Py_ssize_t* step) except -1
    Py_ssize_t PySlice_AdjustIndices(Py_ssize_t length, Py_ssize_t* start, Py_ssize_t* stop, Py_ssize_t step)

cdef object ndarray = np.ndarray
cdef object INT64 = np.dtype(np.int64), BOOLEAN = np.dtype(np.bool_)


# --- rows -------------------------------------------------------------------------------------------------------------
cdef struct Rows:
    # x or dx is (outer, rows, inner), y or g is (outer, count, inner)
    const char* x
    char* y
    const int64_t* ids
    Py_ssize_t outer, rows, inner, count, block
    int table
    Py_ssize_t itemsize

cdef enum:
    BLOCK = 1 << 14     # elements that a task moves: a few microseconds, and x, y and ids stay in L2


cdef void gather_task(void* job, size_t task) noexcept nogil:
    cdef Rows* r = <Rows*>job
    cdef Py_ssize_t blocks = (r.count + r.block - 1) // r.block
    cdef Py_ssize_t o = <Py_ssize_t>task // blocks, start = <Py_ssize_t>task % blocks * r.block
    K[r.table].gather_rows(r.x + o * r.rows * r.inner * r.itemsize, r.ids + start,
                           r.y + (o * r.count + start) * r.inner * r.itemsize, min(r.block, r.count - start), r.inner)


cdef void scatter_task(void* job, size_t task) noexcept nogil:
    """Adds what belongs to one block of dx's rows, in the order of ids, so that no two tasks share a row."""
    cdef Rows* r = <Rows*>job
    cdef Py_ssize_t blocks = (r.rows + r.block - 1) // r.block
    cdef Py_ssize_t o = <Py_ssize_t>task // blocks, first = <Py_ssize_t>task % blocks * r.block
    K[r.table].scatter_add_rows(r.x + o * r.count * r.inner * r.itemsize, r.ids,
                                r.y + o * r.rows * r.inner * r.itemsize, r.count, r.inner, first,
                                min(first + r.block, r.rows))


cdef Rows rows_of(Tensor x, Tensor ids, int axis, int axes):
    """The job's sizes: `axes` axes of x from `axis` on are one axis of rows."""
    cdef Rows r
    cdef int i
    r.outer = r.rows = r.inner = 1
    for i in range(x.ndim):
        if i < axis:
            r.outer *= x.dims[i]
        elif i < axis + axes:
            r.rows *= x.dims[i]
        else:
            r.inner *= x.dims[i]
    r.ids, r.count, r.table, r.itemsize = <const int64_t*>ids.ptr, ids.size, x.kind != F32, ITEMSIZE[x.kind]
    return r


@cython.final
@cython.no_gc
cdef class TakeNode(Node):
    cdef int axis, axes

    cdef int backward(self, Tensor y, Tensor g) except -1:
        cdef Tensor x = self.a, ids = self.b, dx = x.gradient
        cdef Rows r = rows_of(x, ids, self.axis, self.axes)
        cdef bint add = dx is not None and x.grad_owned     # then only the rows that were taken are visited
        cdef Py_ssize_t blocks = 1
        if not add:
            dx = empty_like(x)
            memset(dx.ptr, 0, dx.size * ITEMSIZE[dx.kind])
        if g.size:
            # Each task reads all ids, so there are few: a fixed number, whatever the number of threads.
            if r.count * r.inner > 4 * BLOCK and r.inner >= 16 and r.outer < 16:
                blocks = min(16, r.rows)
            r.block = (r.rows + blocks - 1) // blocks
            r.x, r.y = g.ptr, dx.ptr
            run_tasks(scatter_task, &r, r.outer * ((r.rows + r.block - 1) // r.block), g.size * 0.0005)
        return 0 if add else give(x, dx, True)


cdef Tensor take_rows(Tensor x, Tensor ids, int axis, int axes):
    cdef Tensor dense, y
    cdef Py_ssize_t[MAXDIM] dims
    cdef Rows r
    cdef TakeNode node
    cdef int i, ndim = 0
    if x.ndim - axes + ids.ndim > MAXDIM:
        raise ValueError(f"index: at most {MAXDIM} axes are supported, got {x.ndim - axes + ids.ndim}")
    for i in range(x.ndim + 1):
        if i == axis:
            for k in range(ids.ndim):
                dims[ndim] = ids.dims[k]
                ndim += 1
        if i < x.ndim and not axis <= i < axis + axes:
            dims[ndim] = x.dims[i]
            ndim += 1
    if x.kind == BOOL:
        flat = x.numpy().reshape(shape_of(x)[:axis] + (-1,) + shape_of(x)[axis + axes:])
        return as_any(np.take(flat, ids.numpy(), axis), "take")
    dense, y = contiguous(x), new_tensor(x.kind, ndim, dims)
    r = rows_of(x, ids, axis, axes)
    if y.size:
        r.x, r.y, r.block = dense.ptr, y.ptr, max(1, BLOCK // r.inner)
        run_tasks(gather_task, &r, r.outer * ((r.count + r.block - 1) // r.block), y.size * 0.0004)
    if recording(x):
        if ids.block is NULL:       # the caller's: they may change before the backward
            ids = copy_of(ids)
        node = TakeNode.__new__(TakeNode)
        node.axis, node.axes = axis, axes
        record(y, node, READS_B, x, ids)
    return y


# --- ids --------------------------------------------------------------------------------------------------------------
cdef Tensor ids_of(object ids, Py_ssize_t rows, str who):
    cdef Tensor t, y
    cdef int64_t k
    cdef Py_ssize_t i
    cdef bint odd = False
    if type(ids) is not Tensor and (type(ids) is not ndarray or ids.dtype != INT64):
        array = np.asarray(ids)
        if array.size == 0 and type(ids) is not ndarray:
            array = array.astype(np.int64)
        if array.dtype.kind not in "iu":
            raise IndexError(f"{who}: expected integers to index with, got dtype {array.dtype}")
        if array.dtype == np.uint64 and array.size and array.max() > <unsigned long long>0x7fffffffffffffff:
            raise IndexError(f"{who}: index {array.max()} is out of range for length {rows}")
        ids = array
    t = contiguous(as_any(ids, who))
    if t.kind != I64:
        raise IndexError(f"{who}: expected integers to index with, got dtype {t.dtype}")
    for i in range(t.size):     # without a branch: nearly always all are 0 … rows-1
        odd |= <uint64_t>(<int64_t*>t.ptr)[i] >= <uint64_t>rows
    if not odd:
        return t
    y = empty_like(t)
    for i in range(t.size):
        k = (<int64_t*>t.ptr)[i]
        if k < -rows or k >= rows:
            raise IndexError(f"{who}: index {k} is out of range for length {rows} ({-rows} to {rows - 1})")
        (<int64_t*>y.ptr)[i] = k + rows if k < 0 else k
    return y


cdef Tensor ids_of_mask(Tensor mask):
    """The places of the True elements, the mask taken with one axis."""
    cdef Tensor dense = contiguous(mask), ids
    cdef Py_ssize_t i, room = 1, n = 0
    for i in range(dense.size):
        room += dense.ptr[i] != 0
    ids = new_tensor(I64, 1, &room)
    for i in range(dense.size):     # without a branch; what is written last may be one too many
        (<int64_t*>ids.ptr)[n] = i
        n += dense.ptr[i] != 0
    ids.dims[0] = ids.size = n
    return ids


@cython.binding(True)
def take(x, indices, axis=None):
    """The elements of x at `indices` along `axis` (None: of x with one axis)."""
    cdef Tensor t = as_any(x, "take"), ids
    cdef int k
    if axis is None:
        t, k = reshape_to(t, 1, &t.size), 0
    else:
        k = normal_axis(axis, t.ndim, "take")
    ids = ids_of(indices, t.dims[k], "take")
    return finish(take_rows(t, ids, k, 1), type(x) is Tensor)


# --- keys -------------------------------------------------------------------------------------------------------------
cdef int add_slice(View* v, object key, Tensor x, int axis, Py_ssize_t dense) except -1:
    cdef Py_ssize_t start, stop, step, length
    PySlice_Unpack(key, &start, &stop, &step)
    length = PySlice_AdjustIndices(x.dims[axis], &start, &stop, step)
    if length:
        v.offset += start * x.steps[axis]
        v.dense_offset += start * dense
    add_axis(v, length, step * x.steps[axis], step * dense)
    return 0


cdef int add_integer(View* v, object key, Tensor x, int axis, Py_ssize_t dense) except -1:
    cdef int overflow = 0
    cdef Py_ssize_t n = x.dims[axis]
    cdef long long k = PyLong_AsLongLongAndOverflow(key if type(key) is int else key.__index__(), &overflow)
    if overflow or not -n <= k < n:
        raise IndexError(f"index {key} is out of range for axis {axis} with length {n} ({-n} to {n - 1})")
    if k < 0:
        k += n
    v.offset += k * x.steps[axis]
    v.dense_offset += k * dense
    return 0


cdef bint is_array(object key):
    """Whether a part of a key stands for an array of indices or a mask; others are integers, slices, None and `...`."""
    if type(key) is int or type(key) is slice or key is None or key is Ellipsis:
        return False
    if type(key) is Tensor:
        return (<Tensor>key).ndim > 0 or (<Tensor>key).kind != I64
    if isinstance(key, (ndarray, np.generic)):
        return key.ndim > 0 or key.dtype.kind not in "iu"
    return isinstance(key, (list, tuple, bool)) or not hasattr(key, "__index__")


cdef Tensor basic(Tensor x, tuple key):
    """x[key] for a key of integers, slices, None and `...`: a view."""
    cdef Py_ssize_t[MAXDIM] dense
    cdef View v
    cdef int axis = 0, used = 0, dots = 0, i
    for one in key:
        if one is Ellipsis:
            dots += 1
        elif one is not None:
            used += 1
    if used > x.ndim:
        raise IndexError(f"too many indices: {used} for {x.ndim} axes (shape {shape_of(x)})")
    if dots > 1:
        raise IndexError("an index can hold only one ellipsis ('...')")
    if x.ndim + len(key) - used - dots > MAXDIM + (used if used else 0):
        raise IndexError(f"at most {MAXDIM} axes are supported, got shape {shape_of(x)} and the index {key}")
    dense_steps(x, dense)
    v.ndim, v.windows, v.offset, v.dense_offset = 0, 0, 0, 0
    for one in key:
        if v.ndim == MAXDIM:
            raise IndexError(f"at most {MAXDIM} axes are supported, got shape {shape_of(x)} and the index {key}")
        if one is None:
            add_axis(&v, 1, 1, 1)
        elif one is Ellipsis:
            for i in range(x.ndim - used):  # no-cython-lint
                if v.ndim == MAXDIM:
                    raise IndexError(f"at most {MAXDIM} axes are supported, got {shape_of(x)} and the index {key}")
                add_axis(&v, x.dims[axis], x.steps[axis], dense[axis])
                axis += 1
        elif type(one) is slice:
            add_slice(&v, one, x, axis, dense[axis])
            axis += 1
        else:
            add_integer(&v, one, x, axis, dense[axis])
            axis += 1
    for i in range(axis, x.ndim):
        if v.ndim == MAXDIM:
            raise IndexError(f"at most {MAXDIM} axes are supported, got {shape_of(x)} and the index {key}")
        add_axis(&v, x.dims[i], x.steps[i], dense[i])
    return view(x, &v)


cdef Tensor first_axis(Tensor x, object key):
    """x[key] for one integer or slice, by far the commonest keys."""
    cdef Py_ssize_t[MAXDIM] dense
    cdef View v
    cdef int i
    dense_steps(x, dense)
    v.ndim, v.windows, v.offset, v.dense_offset = 0, 0, 0, 0
    if type(key) is slice:
        add_slice(&v, key, x, 0, dense[0])
    else:
        add_integer(&v, key, x, 0, dense[0])
    for i in range(1, x.ndim):
        add_axis(&v, x.dims[i], x.steps[i], dense[i])
    return view(x, &v)


cdef list expand(Tensor x, tuple key):
    """One entry for each axis of x (plus None for new ones): `...` written out, masks as the indices of their True."""
    cdef list parts = []
    cdef int used = 0, i
    for one in key:
        if one is None or one is Ellipsis or not is_array(one):
            parts.append(one)
            continue
        array = one.numpy() if type(one) is Tensor else np.asarray(one)
        if array.size == 0 and not isinstance(one, (Tensor, ndarray)):
            array = array.astype(np.int64)
        if array.dtype.kind == "b":
            if array.ndim == 0:
                raise IndexError("index: a single True or False is not supported; use a mask of the array's shape")
            parts.append(array)
        elif array.dtype.kind in "iu":
            parts.append(array)
        else:
            raise IndexError(f"index: expected integers, slices, None, '...' or arrays of integers or booleans, got "
                             f"{type(one).__name__} of dtype {array.dtype}")
    for one in parts:
        if one is not None and one is not Ellipsis:
            used += one.ndim if isinstance(one, ndarray) and one.dtype.kind == "b" else 1
    if used > x.ndim:
        raise IndexError(f"too many indices: {used} for {x.ndim} axes (shape {shape_of(x)})")
    dots = [i for i in range(len(parts)) if parts[i] is Ellipsis]
    if len(dots) > 1:
        raise IndexError("an index can hold only one ellipsis ('...')")
    i = dots[0] if dots else len(parts)
    parts[i:i + 1] = [slice(None)] * (x.ndim - used)
    return masks_as_indices(x, parts)


cdef list masks_as_indices(Tensor x, list parts):
    cdef list out = []
    cdef int axis = 0
    for one in parts:
        if isinstance(one, ndarray) and one.dtype.kind == "b":
            lengths = shape_of(x)[axis:axis + one.ndim]
            if one.shape != lengths:
                raise IndexError(f"index: the mask of shape {one.shape} does not match the axes of length {lengths} "
                                 f"it stands for (shape {shape_of(x)})")
            out += one.nonzero()
            axis += one.ndim
        else:
            out.append(one)
            axis += one is not None
    return out


cdef Tensor flat_ids(Tensor x, list arrays, int axis):
    """The arrays, one for each axis of x from `axis` on, as one array of ids into these axes taken together."""
    cdef list parts = [ids_of(array, x.dims[axis + i], "index") for i, array in enumerate(arrays)]
    cdef Tensor total, part
    cdef int64_t* out
    cdef Py_ssize_t k
    cdef int i
    if len(parts) == 1:
        return parts[0]
    for part in parts:
        if not same_dims(part, parts[0]):
            try:
                parts = [contiguous(as_any(array, "index"))
                         for array in np.broadcast_arrays(*[one.numpy() for one in parts])]
            except ValueError:
                raise IndexError(f"index: arrays of shapes {', '.join([str(np.shape(a)) for a in arrays])} do not "
                                 "broadcast together") from None
            break
    total = copy_of(parts[0])
    out = <int64_t*>total.ptr
    for i in range(1, <int>len(parts)):
        part = parts[i]
        for k in range(total.size):
            out[k] = out[k] * x.dims[axis + i] + (<int64_t*>part.ptr)[k]
    return total


cdef Tensor advanced(Tensor x, tuple key):
    """x[key] for a key with arrays: the plain parts first, as a view, then rows by their ids."""
    cdef list parts = expand(x, key), places = [], arrays = [], plain = []
    cdef int[MAXDIM] axes
    cdef int i, count
    cdef Tensor v
    for i, one in enumerate(parts):
        integer = one is not None and type(one) is not slice
        if integer:
            places.append(i)
            arrays.append(one if isinstance(one, ndarray) else np.asarray(one.__index__()))
        plain.append(slice(None) if integer else one)
    v = basic(x, tuple(plain))
    count = len(places)
    if places[count - 1] - places[0] + 1 != count:      # apart from each other: NumPy puts their axes first
        order = places + [i for i in range(v.ndim) if i not in places]
        for i in range(v.ndim):
            axes[i] = order[i]
        v = permute(v, axes)
        places[0] = 0
    return take_rows(v, flat_ids(v, arrays, places[0]), places[0], count)


cdef object getitem(Tensor x, object key):
    if x.ndim and (type(key) is int or type(key) is slice):
        return first_axis(x, key)
    if type(key) is not tuple:
        if x.ndim and (type(key) is Tensor or type(key) is ndarray) and key.ndim:
            if key.dtype == INT64:
                return take_rows(x, ids_of(key, x.dims[0], "index"), 0, 1)
            if key.dtype == BOOLEAN and key.shape == shape_of(x)[:key.ndim]:
                return take_rows(x, ids_of_mask(as_any(key, "index")), 0, key.ndim)
        key = (key,)
    for one in <tuple>key:
        if is_array(one):
            return advanced(x, key)
    return basic(x, key)


# --- assignment -------------------------------------------------------------------------------------------------------
cdef object array_key(object key):
    return key.numpy() if type(key) is Tensor else key


cdef int setitem(Tensor t, object key, object value) except -1:
    cdef Tensor x = as_any(value, "assignment")
    if recording(x):
        raise RuntimeError("assignment: the value is on the tape, and an assignment would lose its gradient; build the "
                           "result with cdl.where, cdl.concatenate or cdl.stack, or assign value.detach()")
    if x.kind <= F64 and t.kind > F64:
        raise TypeError(f"assignment: {x.dtype} values do not fit a Tensor of {t.dtype}; "
                        "convert them with astype first")
    touch(t)
    key = tuple([array_key(one) for one in key]) if type(key) is tuple else array_key(key)
    t.numpy()[key] = x.numpy()
    return 0

hooks.getitem = getitem
hooks.setitem = setitem
