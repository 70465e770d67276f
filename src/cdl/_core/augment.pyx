"""Pictures in batches (N, H, W, C), of bytes, float32 or float64: placed anew, coloured, scaled, resized. Nothing is recorded.

A task is a picture, or some rows of one. Bytes are computed in float32.
"""
from libc.stdint cimport int64_t

from cdl._core.gate cimport Borrowed, bytes_of, finish
from cdl._core.kernels cimport EDGE_FILL, EDGE_MIRROR, EDGE_NEAREST, K, cdl_placing
from cdl._core.memory cimport pool_alloc, pool_free
from cdl._core.tensor cimport F32, F64, ITEMSIZE, new_tensor
from cdl._core.threads cimport run_tasks

import numpy as np

cdef enum:
    PARAMS = 9          # of a picture: y[3] and x[3] of cdl_placing, brightness, contrast, saturation
    BAND = 16           # output rows of a task of `resample`
    BLOCK = 1 << 14     # elements of a task of `scale`, about

cdef dict EDGES = {"fill": EDGE_FILL, "nearest": EDGE_NEAREST, "mirror": EDGE_MIRROR}


def refuse_one_image(tuple shape, str who):
    """ValueError for what is hardly a batch of grey images, 3 or 4 columns wide, but one image with channels."""
    if len(shape) == 3 and shape[2] in (3, 4) and shape[1] >= 8:
        raise ValueError(f"{who}: expected a batch of images, got shape {shape}; one image x with channels is the batch "
                         "x[None], grey images of this width are x[..., None]")


def pictures(x, str who):
    """x as a C-ordered array (N, H, W, C) of bytes, float32 or float64, to be read only; (N, H, W) is grey, C = 1."""
    if isinstance(x, np.ma.MaskedArray):
        raise TypeError(f"{who}: masked arrays are not supported; fill the masked values first, with x.filled(value)")
    x = np.asarray(x)
    kind = x.dtype.newbyteorder("=")
    if kind == np.float16:
        kind = np.dtype(np.float32)
    elif kind not in (np.uint8, np.float32, np.float64):
        raise TypeError(f"{who}: expected images of uint8, float32 or float64, got {x.dtype}")
    if x.ndim not in (3, 4) or 0 in x.shape[1:]:
        raise ValueError(f"{who}: expected a batch of images (N, H, W, C), or (N, H, W) if they are grey, got shape {x.shape}"
                         f"{'; one image x is the batch x[None]' if 0 < x.ndim < 3 else ''}")
    refuse_one_image(x.shape, who)
    x = x[..., None] if x.ndim == 3 else x
    return np.require(x, kind, ["C", "A"])


cdef int kind_of(object x) except -1:
    """The precision that pictures of this array are computed in."""
    return F64 if x.dtype == np.float64 else F32


cdef object made(int kind, bint as_bytes, shape):
    """A new array for the result."""
    cdef Py_ssize_t[4] dims
    cdef int i
    if as_bytes:
        return np.empty(shape, np.uint8)
    for i in range(4):
        dims[i] = shape[i]
    return finish(new_tensor(kind, 4, dims), False)


# --- placed and coloured ----------------------------------------------------------------------------------------------
cdef struct Placing:
    cdl_placing at
    int kind
    bint bytes, as_bytes, failed
    const char* x
    char* y
    Py_ssize_t step_x, step_y       # bytes of a picture
    const double* params            # (N, PARAMS)
    const double* shift             # (C), or NULL
    const double* divisor
    double top


cdef void place_task(void* job, size_t task) noexcept nogil:
    cdef Placing* j = <Placing*>job
    cdef cdl_placing at = j.at
    cdef const double* params = j.params + task * PARAMS
    cdef size_t pixels = at.P * at.Q
    cdef char* y = j.y + task * j.step_y
    cdef char* target = y
    cdef int i
    if j.as_bytes:
        target = <char*>pool_alloc(pixels * at.C * ITEMSIZE[j.kind])
        if target == NULL:
            j.failed = True
            return
    for i in range(3):
        at.y[i], at.x[i] = params[i], params[3 + i]
    K[j.kind].image_place(&at, j.x + task * j.step_x, j.bytes, target)
    if params[6] != 1 or params[7] != 1 or params[8] != 1:
        K[j.kind].image_colour(target, pixels, at.C, j.top, params[6], params[7], params[8])
    if j.shift != NULL:
        K[j.kind].image_scale(target, False, target, pixels, at.C, j.shift, j.divisor)
    if j.as_bytes:
        K[j.kind].image_bytes(target, <unsigned char*>y, pixels * at.C)
        pool_free(target)


def place(x, params, size, str edge, double fill, double top, scaling, bint as_bytes):
    """Each picture of x placed in one of `size` and coloured, by its row of params, then scaled by (shift, divisor)."""
    cdef int kind = kind_of(x)
    cdef Placing job
    cdef Borrowed source, target, numbers, shift, divisor
    cdef Py_ssize_t n = len(x)
    shape = (n, *size, x.shape[3])
    y = made(kind, as_bytes, shape)
    source, target, numbers = bytes_of(x), bytes_of(y, True), bytes_of(np.ascontiguousarray(params, np.float64))
    if numbers.buffer.len != n * PARAMS * 8:
        raise ValueError(f"place: expected {n} rows of {PARAMS} parameters, got shape {np.shape(params)}")
    job.at.H, job.at.W, job.at.C, job.at.P, job.at.Q = x.shape[1], x.shape[2], x.shape[3], size[0], size[1]
    job.at.edge, job.at.fill = EDGES[edge], fill
    job.kind, job.bytes, job.as_bytes, job.failed, job.top = kind, x.dtype == np.uint8, as_bytes, False, top
    job.x, job.y, job.params = <const char*>source.buffer.buf, <char*>target.buffer.buf, <const double*>numbers.buffer.buf
    job.step_x, job.step_y = source.buffer.len // max(n, 1), target.buffer.len // max(n, 1)
    job.shift = job.divisor = NULL
    if scaling is not None:
        shift, divisor = (bytes_of(np.ascontiguousarray(a, np.float64)) for a in scaling)
        job.shift, job.divisor = <const double*>shift.buffer.buf, <const double*>divisor.buffer.buf
    # 1 ns an element that is copied, 4 between pixels and with colours
    run_tasks(place_task, &job, n, y.size * 0.004)
    if job.failed:
        raise MemoryError(f"place: no memory for images of shape {shape}")
    return y


# --- scaled -----------------------------------------------------------------------------------------------------------
cdef struct Scaling:
    int kind
    bint bytes
    const char* x
    char* y
    Py_ssize_t item, pixels, block, C
    const double* shift
    const double* divisor


cdef void scale_task(void* job, size_t task) noexcept nogil:
    cdef Scaling* j = <Scaling*>job
    cdef Py_ssize_t first = task * j.block
    K[j.kind].image_scale(j.x + first * j.C * j.item, j.bytes, j.y + first * j.C * ITEMSIZE[j.kind],
                          min(j.block, j.pixels - first), j.C, j.shift, j.divisor)


def scale(x, shift, divisor):
    """(x - shift) / divisor, a shift and a divisor for each channel."""
    cdef Scaling job
    cdef int kind = kind_of(x)
    cdef Borrowed source = bytes_of(x), target, shifts, divisors
    y = made(kind, False, x.shape)
    target = bytes_of(y, True)
    shifts, divisors = (bytes_of(np.ascontiguousarray(a, np.float64)) for a in (shift, divisor))
    job.kind, job.bytes, job.item, job.C = kind, x.dtype == np.uint8, x.itemsize, x.shape[3]
    job.pixels, job.block = x.size // job.C, max(BLOCK // job.C, 1)
    job.x, job.y = <const char*>source.buffer.buf, <char*>target.buffer.buf
    job.shift, job.divisor = <const double*>shifts.buffer.buf, <const double*>divisors.buffer.buf
    run_tasks(scale_task, &job, (job.pixels + job.block - 1) // job.block, x.size * 0.0003)
    return y


# --- resized ----------------------------------------------------------------------------------------------------------
cdef struct Resampling:
    int kind
    bint bytes, as_bytes, failed
    const char* x
    char* y
    Py_ssize_t item, H, W, C, P, Q, bands, row_taps, column_taps
    const int64_t* first_row        # (P), and the weights of as many rows (P, row_taps)
    const double* row_weight
    const int64_t* first_column     # (Q)
    const double* column_weight


cdef void resample_task(void* job, size_t task) noexcept nogil:
    cdef Resampling* j = <Resampling*>job
    cdef Py_ssize_t n = task // j.bands, p = task % j.bands * BAND, end = min(p + BAND, j.P)
    cdef Py_ssize_t row = j.W * j.C, size = j.Q * j.C, item = ITEMSIZE[j.kind], out = 1 if j.as_bytes else item
    cdef const char* x = j.x + n * j.H * row * j.item
    cdef char* y = j.y + n * j.P * size * out
    cdef char* blended = <char*>pool_alloc((row + size) * item)
    cdef char* gathered
    if blended == NULL:
        j.failed = True
        return
    for p in range(p, end):
        K[j.kind].image_rows(x + j.first_row[p] * row * j.item, j.bytes, row, j.row_weight + p * j.row_taps, j.row_taps,
                             blended, row)
        gathered = blended + row * item if j.as_bytes else y + p * size * item
        K[j.kind].image_columns(blended, j.first_column, j.column_weight, j.column_taps, gathered, j.Q, j.C)
        if j.as_bytes:
            K[j.kind].image_bytes(gathered, <unsigned char*>y + p * size, size)
    pool_free(blended)


def resample(x, rows, columns, bint as_bytes):
    """Pictures whose rows, then columns, are weighted sums of neighbouring ones: (first, weights) of each."""
    cdef Resampling job
    cdef int kind = kind_of(x)
    cdef Borrowed source = bytes_of(x), target
    (first_row, row_weight), (first_column, column_weight) = rows, columns
    shape = (len(x), len(first_row), len(first_column), x.shape[3])
    y = made(kind, as_bytes, shape)
    target = bytes_of(y, True)
    tables = [bytes_of(np.ascontiguousarray(a, dtype)) for a, dtype in (
        (first_row, np.int64), (row_weight, np.float64), (first_column, np.int64), (column_weight, np.float64))]
    job.first_row = <const int64_t*>(<Borrowed>tables[0]).buffer.buf
    job.row_weight = <const double*>(<Borrowed>tables[1]).buffer.buf
    job.first_column = <const int64_t*>(<Borrowed>tables[2]).buffer.buf
    job.column_weight = <const double*>(<Borrowed>tables[3]).buffer.buf
    job.row_taps, job.column_taps = row_weight.shape[1], column_weight.shape[1]
    job.kind, job.bytes, job.as_bytes, job.failed, job.item = kind, x.dtype == np.uint8, as_bytes, False, x.itemsize
    job.H, job.W, job.C, job.P, job.Q = x.shape[1], x.shape[2], x.shape[3], shape[1], shape[2]
    job.x, job.y, job.bands = <const char*>source.buffer.buf, <char*>target.buffer.buf, (job.P + BAND - 1) // BAND
    run_tasks(resample_task, &job, len(x) * job.bands,
              (job.row_taps * job.W * 0.0002 + job.column_taps * job.Q * 0.0005) * job.C * job.P * len(x))
    if job.failed:
        raise MemoryError(f"resample: no memory for images of shape {shape}")
    return y
