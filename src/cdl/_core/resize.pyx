"""Resizing images (N, H, W, C): bilinear interpolation, pixels that are repeated, borders of zeros.

Pixel i of `length` output pixels along an axis lies at (i + 1/2) size / length - 1/2 of the `size` input pixels: pixels
are squares whose edges, not whose centres, meet at the borders (align_corners=False in torch). Backward, every row of dx
gathers from the rows of g that read it, in their order.
"""
cimport cython
from libc.math cimport floor
from libc.stdint cimport int64_t
from libc.string cimport memset

from cdl._core.copy cimport contiguous
from cdl._core.gate cimport as_float, finish
from cdl._core.kernels cimport K
from cdl._core.pool cimport spread
from cdl._core.shape cimport reshape_to
from cdl._core.tape cimport give, record, recording
from cdl._core.tensor cimport F64, I64, ITEMSIZE, READS_NONE, Node, Tensor, new_tensor, shape_of
from cdl._core.threads cimport run_tasks

include "image_check.pxi"

cdef enum:
    PART = 1 << 15          # bytes of the rows of a task: some µs

cdef double VECTOR = 0.002  # µs for a pixel's (at most 16) channels


cdef struct Job:
    int kind
    Py_ssize_t H, W, C, P, Q
    const char* x           # x or g
    char* y                 # y or dx
    const int64_t* low      # (P), and (Q) for columns: the pixel before, …
    const int64_t* left
    const double* share     # … and how far on the way to the next
    const double* aside
    const int64_t* first    # (H + 1): the first row of y whose `low` is at least h
    size_t rows, part


cdef void forward_task(void* job, size_t task) noexcept nogil:
    cdef Job* j = <Job*>job
    cdef Py_ssize_t row, p, above, below, item = ITEMSIZE[j.kind]
    cdef const char* image
    for row in range(task * j.part, min((task + 1) * j.part, j.rows)):
        p = row % j.P
        image = j.x + row // j.P * j.H * j.W * j.C * item
        above = j.low[p]
        below = min(above + 1, j.H - 1)
        K[j.kind].resize_forward(image + above * j.W * j.C * item, image + below * j.W * j.C * item, j.share[p], j.left,
                                 j.aside, j.y + row * j.Q * j.C * item, j.Q, j.W - 1, j.C)


cdef void backward_task(void* job, size_t task) noexcept nogil:
    cdef Job* j = <Job*>job
    cdef Py_ssize_t row, h, p, item = ITEMSIZE[j.kind]
    cdef const char* image
    cdef char* dx
    cdef double weight
    for row in range(task * j.part, min((task + 1) * j.part, j.rows)):
        h = row % j.H
        image = j.x + row // j.H * j.P * j.Q * j.C * item
        dx = j.y + row * j.W * j.C * item
        memset(dx, 0, j.W * j.C * item)
        for p in range(j.first[max(h - 1, 0)], j.first[h + 1]):
            weight = 1 - j.share[p] if j.low[p] == h else j.share[p]
            if weight != 0:
                K[j.kind].resize_backward(image + p * j.Q * j.C * item, weight, j.left, j.aside, dx, j.Q, j.W - 1, j.C)


cdef void run(Job* j, Py_ssize_t images, bint backward) noexcept:
    cdef Py_ssize_t line = (j.W if backward else j.Q) * j.C * ITEMSIZE[j.kind]
    j.rows, j.part = images * (j.H if backward else j.P), max(PART // max(line, 1), 1)
    if images * j.C > 0:
        run_tasks(backward_task if backward else forward_task, j, (j.rows + j.part - 1) // j.part,
                  images * j.P * j.Q * ((j.C + 15) // 16) * VECTOR * (2 if backward else 1))


cdef Tensor line_of(int kind, Py_ssize_t length):
    return new_tensor(kind, 1, &length)


cdef void place(Py_ssize_t size, Tensor low, Tensor share) noexcept:
    """Where the pixels of an axis lie between the `size` pixels of the image."""
    cdef Py_ssize_t i
    cdef double at
    for i in range(low.size):
        at = max((i + 0.5) * (<double>size / low.size) - 0.5, 0.0)
        (<int64_t*>low.ptr)[i] = min(<int64_t>floor(at), size - 1)
        (<double*>share.ptr)[i] = at - floor(at) if floor(at) < size - 1 else 0.0


cdef void first_readers(Py_ssize_t size, Tensor low, Tensor first) noexcept:
    cdef Py_ssize_t h, p = 0
    for h in range(size + 1):
        while p < low.size and (<int64_t*>low.ptr)[p] < h:
            p += 1
        (<int64_t*>first.ptr)[h] = p


@cython.final
@cython.no_gc
cdef class ResizeNode(Node):
    cdef Job job
    cdef Tensor low, left, share, aside

    cdef int backward(self, Tensor y, Tensor g) except -1:
        cdef Tensor dx = new_tensor(g.kind, 4, self.a.dims), first = line_of(I64, self.job.H + 1)
        first_readers(self.job.H, self.low, first)
        self.job.x, self.job.y, self.job.first = g.ptr, dx.ptr, <int64_t*>first.ptr
        run(&self.job, dx.dims[0], True)
        return give(self.a, dx, True)

    cdef void release(self):
        self.low = self.left = self.share = self.aside = None
        Node.release(self)


cdef Tensor bilinear(Tensor x, Py_ssize_t high, Py_ssize_t wide):
    """x (N, H, W, C) with so many rows and columns, recorded."""
    cdef Py_ssize_t[4] dims
    cdef Tensor dense = contiguous(x), y
    cdef Tensor low = line_of(I64, high), left = line_of(I64, wide), share = line_of(F64, high), aside = line_of(F64, wide)
    cdef ResizeNode node
    cdef Job j
    dims[0], dims[1], dims[2], dims[3] = x.dims[0], high, wide, x.dims[3]
    y = new_tensor(x.kind, 4, dims)
    if y.size == 0 and not recording(x):
        return y
    place(x.dims[1], low, share)
    place(x.dims[2], left, aside)
    memset(&j, 0, sizeof(Job))
    j.kind, j.H, j.W, j.C, j.P, j.Q, j.x, j.y = x.kind, x.dims[1], x.dims[2], x.dims[3], high, wide, dense.ptr, y.ptr
    j.low, j.left, j.share, j.aside = <int64_t*>low.ptr, <int64_t*>left.ptr, <double*>share.ptr, <double*>aside.ptr
    run(&j, x.dims[0], False)
    if recording(x):
        node = ResizeNode.__new__(ResizeNode)
        node.job, node.low, node.left, node.share, node.aside = j, low, left, share, aside
        record(y, node, READS_NONE, x)
    return y


# --- for Python -------------------------------------------------------------------------------------------------------
def resize(images, size):
    """Bilinear; see `cdl.ops.resize`."""
    cdef Tensor x = as_float(images, "resize"), y
    cdef Py_ssize_t[4] dims
    cdef Py_ssize_t high, wide
    pair_of(size, "resize", "size", 1, &high, &wide)
    if x.ndim == 3:
        dims[0], dims[1], dims[2], dims[3] = 1, x.dims[0], x.dims[1], x.dims[2]
        x = reshape_to(x, 4, dims)
        has_pixels(x, "resize")
        dims[1], dims[2] = high, wide
        y = reshape_to(bilinear(x, high, wide), 3, dims + 1)
        return finish(y, type(images) is Tensor)
    if x.ndim != 4:
        raise ValueError(f"resize: images must be (N, H, W, channels), or (H, W, channels) for one, got shape {shape_of(x)}")
    has_pixels(x, "resize")
    return finish(bilinear(x, high, wide), type(images) is Tensor)


def upsample2d(x, size, str interpolation):
    """See `cdl.ops.upsample2d`."""
    cdef Tensor t = as_float(x, "upsample2d")
    cdef Py_ssize_t high, wide
    image_sizes(t, "upsample2d")
    pair_of(size, "upsample2d", "size", 1, &high, &wide)
    check_interpolation(interpolation, "upsample2d")
    has_pixels(t, "upsample2d")
    if t.dims[1] > LONGEST // high or t.dims[2] > LONGEST // wide:
        raise ValueError(f"upsample2d: size {size!r} makes too large an output of x of shape {shape_of(t)}")
    if interpolation == "nearest":
        return finish(spread(t, high, wide), type(x) is Tensor)
    return finish(bilinear(t, t.dims[1] * high, t.dims[2] * wide), type(x) is Tensor)


def check_interpolation(interpolation, str who):
    """ValueError unless it is known."""
    if interpolation not in ("nearest", "bilinear"):
        raise ValueError(f"{who}: interpolation must be 'nearest' or 'bilinear', got {interpolation!r}")


def size_of(size, str who):
    """(rows, columns) from one integer of at least 1 or two."""
    cdef Py_ssize_t high, wide
    pair_of(size, who, "size", 1, &high, &wide)
    return high, wide


def border_of(padding, str who):
    """((top, bottom), (left, right)) from an integer, a pair, or that."""
    cdef Py_ssize_t[2] rows, columns
    if isinstance(padding, str):
        raise ValueError(f"{who}: padding must be an integer, (rows, columns) or ((top, bottom), (left, right)), got "
                         f"{padding!r}")
    pad_axis(padding, 0, 0, 1, 1, who, &rows[0], &rows[1])
    pad_axis(padding, 1, 0, 1, 1, who, &columns[0], &columns[1])
    return (rows[0], rows[1]), (columns[0], columns[1])
