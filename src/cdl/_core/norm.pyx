"""Normalisation: batch and group normalisation down the columns of x, layer and RMS normalisation along its rows.

With mean and var of the values that are normalised together (var divides by their number), h = (x - mean) rstd and
rstd = 1 / sqrt(var + eps), the output is y = gamma h + beta. Backward, for n values that share their statistics:

    dx = rstd (gamma g - mean(gamma g) - h mean(gamma g h)),    dgamma = sum of g h,    dbeta = sum of g

Batch normalisation is group normalisation of one sample whose groups are single channels. Both go three steps: gather
the sums of each block of rows, settle what follows from them, scatter the result over the blocks. Where a sample stays
in the second-level cache the three run sample by sample, and x is read from memory once.

With something added, y = relu(gamma h + beta + added), x alone no longer says where the ReLU passed: the forward keeps a
bit for each element. The backward's first step writes g' = g where it passed, which is the gradient of what was added,
while it gathers the sums of g'; the last step reads that instead of g.
"""
from libc.stdint cimport uint16_t
from libc.string cimport memset

cimport cython

from cdl._core.cast cimport cast
from cdl._core.copy cimport contiguous
from cdl._core.gate cimport as_float, finish
from cdl._core.kernels cimport K
from cdl._core.shape cimport reshape_to
from cdl._core.tape cimport give, record, recording
from cdl._core.tensor cimport (BOOL, F32, F64, ITEMSIZE, READS_A, READS_B, READS_NONE, Node, Tensor, empty_like, fill_like,
                               new_tensor, root_of, same_dims, shape_of)
from cdl._core.threads cimport run_tasks

import numpy as np

cdef enum:
    BLOCK = 512             # rows summed one after the other in the precision of x; then in double
    CACHED = 1 << 20        # bytes of x (and g) that the second pass still finds in a cache of 2 MB
    PART = 1 << 16          # bytes of x scattered at a time: see scatter_task
    STRIP = 64              # columns of a task that settles: some µs over hundreds of blocks
    CHUNK = 1 << 16         # elements of a task along rows: x, g and dx of float32 stay in the cache

cdef double MICROSECONDS = 0.000035     # for a byte that is read or written: 30 GB/s


# --- down columns -----------------------------------------------------------------------------------------------------
cdef struct Columns:
    int kind, relu
    bint backward, frozen       # frozen: the statistics are given, not of this batch
    bint scattering             # whether the output (y, or dx) is wanted
    size_t samples, rows, cols, group, blocks
    size_t part, parts          # rows that are scattered at a time, and how many such parts make a sample
    size_t strip, strips        # the same for the columns that are settled
    const char* x
    const char* g
    char* out                   # y or dx, may be g
    const char* added           # like x, or NULL
    uint16_t* kept              # a bit for each element, 16 columns to a word: where the ReLU passed; or NULL
    char* dadded                # with `kept`: g', may be g
    const char* gamma
    const char* beta
    char* coef                  # (samples, 3, cols): mean, scale, offset
    char* pulls                 # (samples, 2, cols)
    char* sums                  # (samples, blocks, 2, cols)
    double* total               # (samples, 2, cols)
    double* stat                # (samples, 3, cols / group): mean, variance, rstd
    double eps


cdef inline size_t words(size_t cols) noexcept nogil:
    return (cols + 15) // 16


cdef void gather(Columns* j, size_t sample, size_t block) noexcept nogil:
    cdef size_t item = ITEMSIZE[j.kind], rows = min(<size_t>BLOCK, j.rows - block * BLOCK)
    cdef size_t at = (sample * j.rows + block * BLOCK) * j.cols * item
    cdef char* sums = j.sums + (sample * j.blocks + block) * 2 * j.cols * item
    if j.backward and j.kept != NULL:
        K[j.kind].norm_add_slopes(j.x + at, j.g + at, j.kept + block * BLOCK * words(j.cols), j.coef, sums, j.dadded + at,
                                  rows, j.cols)
    elif j.backward:
        K[j.kind].norm_slopes(j.x + at, j.g + at, j.coef + sample * 3 * j.cols * item, sums, rows, j.cols, j.relu)
    else:
        K[j.kind].norm_moments(j.x + at, sums, rows, j.cols)


cdef void settle(Columns* j, size_t sample, size_t first, size_t cols) noexcept nogil:
    cdef size_t item = ITEMSIZE[j.kind], groups = j.cols // j.group
    cdef const char* x = j.x + (sample * j.rows * j.cols + first) * item
    cdef const char* sums = j.sums + (sample * j.blocks * 2 * j.cols + first) * item
    cdef double* total = j.total + sample * 2 * j.cols + first
    cdef double* stat = j.stat + sample * 3 * groups + first // j.group
    cdef char* coef = j.coef + (sample * 3 * j.cols + first) * item
    if j.backward:
        K[j.kind].norm_fold(sums, total, j.blocks, cols, 2 * j.cols)
        K[j.kind].norm_fold(sums + j.cols * item, total + j.cols, j.blocks, cols, 2 * j.cols)
        K[j.kind].norm_pulls(coef, stat, total, j.pulls + (sample * 2 * j.cols + first) * item, j.cols, groups, j.rows,
                             cols, j.group, j.frozen)
        return
    if not j.frozen:
        K[j.kind].norm_fold_moments(x, sums, total, j.cols, j.rows, cols, BLOCK)
        K[j.kind].norm_statistics(x, total, stat, j.cols, groups, j.rows, cols, j.group)
    K[j.kind].norm_coefficients(stat, j.gamma + first * item if j.gamma != NULL else NULL,
                                j.beta + first * item if j.beta != NULL else NULL, coef, j.cols, groups, cols, j.group,
                                j.eps)


cdef void scatter(Columns* j, size_t sample, size_t part) noexcept nogil:
    cdef size_t item = ITEMSIZE[j.kind], rows = min(j.part, j.rows - part * j.part)
    cdef size_t at = (sample * j.rows + part * j.part) * j.cols * item
    cdef char* coef = j.coef + sample * 3 * j.cols * item
    if j.backward:
        K[j.kind].norm_backward(j.x + at, (j.g if j.kept == NULL else <const char*>j.dadded) + at, coef,
                                j.pulls + sample * 2 * j.cols * item, j.out + at, rows, j.cols,
                                j.relu if j.kept == NULL else 0)
    elif j.added != NULL:
        K[j.kind].norm_add_forward(j.x + at, j.added + at, coef, j.out + at,
                                   NULL if j.kept == NULL else j.kept + part * j.part * words(j.cols), rows, j.cols, j.relu)
    else:
        K[j.kind].norm_forward(j.x + at, coef, j.out + at, rows, j.cols, j.relu)


cdef void gather_task(void* job, size_t task) noexcept nogil:
    cdef Columns* j = <Columns*>job
    gather(j, task // j.blocks, task % j.blocks)


cdef void settle_task(void* job, size_t task) noexcept nogil:
    cdef Columns* j = <Columns*>job
    cdef size_t first = task % j.strips * j.strip
    settle(j, task // j.strips, first, min(j.strip, j.cols - first))


cdef void scatter_task(void* job, size_t task) noexcept nogil:
    # Backwards and in small parts: what the pass before read last is still in the cache, and is used before what is
    # written here pushes it out.
    cdef Columns* j = <Columns*>job
    cdef size_t last = j.samples * j.parts - 1 - task
    scatter(j, last // j.parts, last % j.parts)


cdef void sample_task(void* job, size_t sample) noexcept nogil:
    cdef Columns* j = <Columns*>job
    cdef size_t i
    for i in range(j.blocks):
        gather(j, sample, i)
    settle(j, sample, 0, j.cols)
    if j.scattering:
        for i in range(j.parts):
            scatter(j, sample, j.parts - 1 - i)


cdef void run_columns(Columns* j) noexcept:
    """The three steps, in one go for samples that stay in the cache; the bits are the same either way."""
    cdef double array = <double>j.samples * j.rows * j.cols * ITEMSIZE[j.kind] * MICROSECONDS
    cdef int read = 2 if j.backward else 1
    j.part = max(PART // (j.cols * ITEMSIZE[j.kind]) // 4 * 4, <size_t>4)
    j.parts = (j.rows + j.part - 1) // j.part
    j.strip = (STRIP + j.group - 1) // j.group * j.group
    j.strips = (j.cols + j.strip - 1) // j.strip
    if j.samples > 1 and read * j.rows * j.cols * ITEMSIZE[j.kind] <= CACHED:
        run_tasks(sample_task, j, j.samples, array * (read + 1))
        return
    if j.backward or not j.frozen:
        run_tasks(gather_task, j, j.samples * j.blocks, array * read)
    run_tasks(settle_task, j, j.samples * j.strips, <double>j.samples * j.blocks * j.cols * 0.001)
    if j.scattering:
        run_tasks(scatter_task, j, j.samples * j.parts, array * (read + 1))


cdef Columns columns_of(Tensor x, Py_ssize_t samples, Py_ssize_t groups) noexcept:
    """x as (samples, rows, channels), of whose channels cols / groups are normalised together."""
    cdef Columns j
    memset(&j, 0, sizeof(Columns))
    j.kind, j.samples, j.cols = x.kind, samples, x.dims[x.ndim - 1]
    j.rows, j.group = x.size // (samples * j.cols), j.cols // groups
    j.blocks = (j.rows + BLOCK - 1) // BLOCK
    return j


cdef Tensor workspace(int kind, Py_ssize_t a, Py_ssize_t b, Py_ssize_t c):
    cdef Py_ssize_t[3] dims
    dims[0], dims[1], dims[2] = a, b, c
    return new_tensor(kind, 3, dims)


cdef Tensor narrowed(const double* values, Tensor like):
    """The gradient `like` wants, from its values in double."""
    cdef Tensor d = empty_like(like)
    cdef Py_ssize_t i
    for i in range(d.size):
        if d.kind == F32:
            (<float*>d.ptr)[i] = <float>values[i]
        else:
            (<double*>d.ptr)[i] = values[i]
    return d


cdef Tensor summed(double* total, Columns* j, Tensor like):
    """The sum over the samples of one of the two rows of the totals, as the gradient of gamma or beta."""
    cdef size_t c, s
    for s in range(1, j.samples):
        for c in range(j.cols):
            total[c] += total[s * 2 * j.cols + c]
    return narrowed(total, like)


@cython.final
@cython.no_gc
cdef class ColumnsNode(Node):
    cdef Tensor coef, stat, kept
    cdef Py_ssize_t samples, groups
    cdef bint frozen, relu

    cdef int backward(self, Tensor y, Tensor g) except -1:
        cdef Tensor x = self.a, gamma = self.b, beta = self.c, dx = None, sums, total, pulls, passed = g
        cdef Tensor added = None if self.more is None else <Tensor>self.more[0]
        cdef bint owned = y.grad_owned, handed_on = added is not None and added.needs_grad
        cdef Columns j
        if y.size == 0:
            for t in (x, gamma, beta, added):
                if t is not None and (<Tensor>t).needs_grad:
                    give(<Tensor>t, fill_like(<Tensor>t, 0), True)
            return 0
        x = contiguous(x)
        j = columns_of(x, self.samples, self.groups)
        sums = workspace(x.kind, j.samples * j.blocks, 2, j.cols)
        total, pulls = workspace(F64, j.samples, 2, j.cols), workspace(x.kind, j.samples, 2, j.cols)
        if self.kept is not None:
            passed, owned = g if owned else empty_like(g), True
            j.kept, j.dadded = <uint16_t*>self.kept.ptr, passed.ptr
        if self.a.needs_grad:
            dx = empty_like(g) if handed_on or not owned else passed    # written where it is read, it need not be fetched
            j.out = dx.ptr
        j.backward, j.scattering, j.relu, j.frozen, j.x, j.g = True, dx is not None, self.relu, self.frozen, x.ptr, g.ptr
        j.coef, j.stat, j.sums, j.pulls = self.coef.ptr, <double*>self.stat.ptr, sums.ptr, pulls.ptr
        j.total = <double*>total.ptr
        run_columns(&j)
        if gamma is not None and gamma.needs_grad:
            give(gamma, summed(j.total + j.cols, &j, gamma), True)
        if beta is not None and beta.needs_grad:
            give(beta, summed(j.total, &j, beta), True)
        if handed_on:
            give(added, passed, owned)
        return 0 if dx is None else give(self.a, dx, True)

    cdef void release(self):
        self.coef = self.stat = self.kept = None
        Node.release(self)


cdef Tensor columns(Tensor x, Tensor gamma, Tensor beta, Tensor added, Tensor stat, Py_ssize_t samples, Py_ssize_t groups,
                    bint frozen, double eps, bint relu):
    """y, recorded; stat (samples, 3, groups) is set, or with `frozen` gives mean and variance."""
    cdef Tensor dense = contiguous(x), y = empty_like(x), coef, sums, total, past = None, kept = None
    cdef bint recorded = wanted(x, gamma, beta) or (added is not None and recording(added))
    cdef Tensor slope = None if gamma is None else contiguous(gamma), base = None if beta is None else contiguous(beta)
    cdef Columns j = columns_of(x, samples, groups)
    cdef ColumnsNode node
    coef = workspace(x.kind, samples, 3, j.cols)
    if not frozen:
        sums, total = workspace(x.kind, samples * j.blocks, 2, j.cols), workspace(F64, samples, 2, j.cols)
        j.sums, j.total = sums.ptr, <double*>total.ptr
    j.scattering, j.relu, j.frozen, j.eps, j.x, j.out = True, relu, frozen, eps, dense.ptr, y.ptr
    j.gamma, j.beta = NULL if slope is None else slope.ptr, NULL if base is None else base.ptr
    j.coef, j.stat = coef.ptr, <double*>stat.ptr
    if added is not None:
        past = contiguous(added)
        j.added = past.ptr
        if relu and recorded:
            kept = workspace(BOOL, j.rows, words(j.cols), sizeof(uint16_t))
            j.kept = <uint16_t*>kept.ptr
    run_columns(&j)
    if recorded:
        node = ColumnsNode.__new__(ColumnsNode)
        node.coef, node.stat, node.samples, node.groups, node.frozen, node.relu = coef, stat, samples, groups, frozen, relu
        node.kept = kept
        record(y, node, READS_A, x, gamma, beta, None if added is None else (added,))
    return y


cdef bint wanted(Tensor x, Tensor gamma, Tensor beta) noexcept:
    return (recording(x) or (gamma is not None and recording(gamma)) or (beta is not None and recording(beta)))


cdef Tensor empty_result(Tensor x, Tensor gamma, Tensor beta, Tensor added=None):
    """The output for no elements, whose gradients are all zero."""
    cdef Tensor y = empty_like(x)
    if wanted(x, gamma, beta) or (added is not None and recording(added)):
        record(y, ColumnsNode.__new__(ColumnsNode), READS_NONE, x, gamma, beta, None if added is None else (added,))
    return y


# --- along rows -------------------------------------------------------------------------------------------------------
cdef struct Rows:
    int kind, centred
    Py_ssize_t rows, n, chunk
    const char* x
    const char* g
    char* out               # y or dx, may be g; NULL where not wanted
    const char* gamma
    const char* beta
    char* stat              # (rows, 2)
    char* dgamma            # (chunks, n), or NULL
    char* dbeta
    double eps


cdef void forward_task(void* job, size_t task) noexcept nogil:
    cdef Rows* j = <Rows*>job
    cdef Py_ssize_t row = <Py_ssize_t>task * j.chunk, rows = min(j.chunk, j.rows - row), item = ITEMSIZE[j.kind]
    K[j.kind].norm_rows_forward(j.x + row * j.n * item, j.gamma, j.beta, j.out + row * j.n * item,
                                j.stat + 2 * row * item, rows, j.n, j.eps, j.centred)


cdef void backward_task(void* job, size_t task) noexcept nogil:
    # From the end, whose x the forward left in the cache.
    cdef Rows* j = <Rows*>job
    cdef Py_ssize_t chunk = (j.rows - 1) // j.chunk - <Py_ssize_t>task, row = chunk * j.chunk, item = ITEMSIZE[j.kind]
    cdef Py_ssize_t rows = min(j.chunk, j.rows - row), at = row * j.n * item, part = chunk * j.n * item
    K[j.kind].norm_rows_backward(j.x + at, j.g + at, j.gamma, j.stat + 2 * row * item,
                                 j.out + at if j.out != NULL else NULL, j.dgamma + part if j.dgamma != NULL else NULL,
                                 j.dbeta + part if j.dbeta != NULL else NULL, rows, j.n, j.centred)


cdef Py_ssize_t chunk_of(Py_ssize_t n) noexcept:
    """Rows of a task, from their length alone: gamma's gradient is summed chunk by chunk."""
    return min(max(CHUNK // n, 16), BLOCK) // 4 * 4


cdef Tensor folded(Tensor parts, Tensor like):
    """The sum of the chunks' parts, in double, as the gradient `like` wants."""
    cdef Py_ssize_t n = parts.dims[2]
    cdef Tensor total = workspace(F64, 1, 1, n)
    K[parts.kind].norm_fold(parts.ptr, <double*>total.ptr, parts.dims[0], n, n)
    return narrowed(<double*>total.ptr, like)


@cython.final
@cython.no_gc
cdef class RowsNode(Node):
    cdef Tensor stat
    cdef bint centred
    cdef Py_ssize_t n

    cdef int backward(self, Tensor y, Tensor g) except -1:
        cdef Tensor x = contiguous(self.a), gamma = self.b, beta = self.c
        cdef Tensor dx = None, scale = None, dgamma = None, dbeta = None
        cdef Py_ssize_t chunks
        cdef Rows j
        memset(&j, 0, sizeof(Rows))
        j.kind, j.centred, j.n, j.rows, j.x, j.g = x.kind, self.centred, self.n, x.size // self.n, x.ptr, g.ptr
        j.chunk, j.stat = chunk_of(j.n), self.stat.ptr
        chunks = (j.rows + j.chunk - 1) // j.chunk
        if self.a.needs_grad:
            dx = g if y.grad_owned else empty_like(g)
            j.out = dx.ptr
        if gamma is not None:
            scale = contiguous(gamma)
            j.gamma = scale.ptr
            if gamma.needs_grad:
                dgamma = workspace(x.kind, chunks, 1, j.n)
                j.dgamma = dgamma.ptr
        if beta is not None and beta.needs_grad:
            dbeta = workspace(x.kind, chunks, 1, j.n)
            j.dbeta = dbeta.ptr
        run_tasks(backward_task, &j, chunks, <double>x.size * ITEMSIZE[x.kind] * 3 * MICROSECONDS)
        if dgamma is not None:
            give(gamma, folded(dgamma, gamma), True)
        if dbeta is not None:
            give(beta, folded(dbeta, beta), True)
        return 0 if dx is None else give(self.a, dx, True)

    cdef void release(self):
        self.stat = None
        Node.release(self)


cdef Tensor along_rows(Tensor x, Tensor gamma, Tensor beta, Py_ssize_t n, bint centred, double eps):
    cdef Tensor dense = contiguous(x), y = empty_like(x), stat = workspace(x.kind, 1, x.size // n, 2)
    cdef Tensor slope = None if gamma is None else contiguous(gamma), base = None if beta is None else contiguous(beta)
    cdef Rows j
    cdef RowsNode node
    memset(&j, 0, sizeof(Rows))
    j.kind, j.centred, j.n, j.rows, j.eps, j.chunk = x.kind, centred, n, x.size // n, eps, chunk_of(n)
    j.x, j.out, j.stat = dense.ptr, y.ptr, stat.ptr
    j.gamma, j.beta = NULL if slope is None else slope.ptr, NULL if base is None else base.ptr
    run_tasks(forward_task, &j, (j.rows + j.chunk - 1) // j.chunk, <double>x.size * ITEMSIZE[x.kind] * 2 * MICROSECONDS)
    if wanted(x, gamma, beta):
        node = RowsNode.__new__(RowsNode)
        node.stat, node.centred, node.n = stat, centred, n
        record(y, node, READS_A | (READS_B if gamma is not None else 0), x, gamma, beta)
    return y


# --- for Python -------------------------------------------------------------------------------------------------------
include "norm_check.pxi"


def batch_norm(x, gamma, beta, running_mean, running_var, bint training, double momentum, double eps, bint relu,
               added=None):
    """See `cdl.batch_norm`."""
    cdef Tensor t = as_channels(x, "batch_norm"), mean, var, slope, base, stat, y, past
    cdef Py_ssize_t channels = t.dims[t.ndim - 1], count = t.size // max(channels, 1), i
    cdef int kind = t.kind
    cdef bint as_tensor = (type(x) is Tensor or type(gamma) is Tensor or type(beta) is Tensor or type(added) is Tensor)
    check_eps(eps, "batch_norm")
    slope, base = as_affine(gamma, "gamma", t, 1, &kind, "batch_norm"), as_affine(beta, "beta", t, 1, &kind, "batch_norm")
    past = as_added(added, t, &kind)
    mean = as_running(running_mean, "running_mean", channels, training)
    var = as_running(running_var, "running_var", channels, training)
    if not 0 <= momentum <= 1:
        raise ValueError(f"batch_norm: momentum must be 0 to 1, got {momentum}")
    if training and count < 2 and channels:
        raise ValueError(f"batch_norm: training needs more than one value a channel, got x of shape {shape_of(t)}; use a "
                         "larger batch, or training=False (in a layer: eval())")
    if not training and (mean is None or var is None):
        raise ValueError("batch_norm: with training=False give running_mean and running_var")
    t, slope, base, past = cast(t, kind), in_kind(slope, kind), in_kind(base, kind), in_kind(past, kind)
    if t.size == 0:
        return finish(empty_result(t, slope, base, past), as_tensor)
    stat = workspace(F64, 1, 3, channels)
    if not training:
        for i in range(channels):
            (<double*>stat.ptr)[i], (<double*>stat.ptr)[channels + i] = value_at(mean, i), value_at(var, i)
    y = columns(t, slope, base, past, stat, 1, channels, not training, eps, relu)
    if training and mean is not None:
        move(mean, <double*>stat.ptr, momentum, 1)
    if training and var is not None:
        move(var, <double*>stat.ptr + channels, momentum, <double>count / (count - 1))
    return finish(y, as_tensor)


cdef Tensor groups_of_rows(Tensor x, Tensor gamma, Tensor beta, Py_ssize_t groups, double eps):
    """Group normalisation of x (N, channels): every group is a row of its own."""
    cdef Py_ssize_t[2] dims
    cdef Tensor y
    dims[0], dims[1] = x.dims[0] * groups, x.dims[1] // groups
    y = reshape_to(along_rows(reshape_to(x, 2, dims), None, None, dims[1], True, eps), 2, x.dims)
    if gamma is not None:
        y = y * gamma
    return y if beta is None else y + beta


def group_norm(x, gamma, beta, Py_ssize_t groups, double eps):
    """See `cdl.ops.group_norm`."""
    cdef Tensor t = as_channels(x, "group_norm"), slope, base, stat
    cdef Py_ssize_t channels = t.dims[t.ndim - 1]
    cdef int kind = t.kind
    cdef bint as_tensor = type(x) is Tensor or type(gamma) is Tensor or type(beta) is Tensor
    check_eps(eps, "group_norm")
    slope, base = as_affine(gamma, "gamma", t, 1, &kind, "group_norm"), as_affine(beta, "beta", t, 1, &kind, "group_norm")
    if groups < 1 or channels % groups:
        raise ValueError(f"group_norm: {channels} channels (x of shape {shape_of(t)}) do not make {groups} equal groups")
    t, slope, base = cast(t, kind), in_kind(slope, kind), in_kind(base, kind)
    if t.size == 0:
        return finish(empty_result(t, slope, base), as_tensor)
    if t.ndim == 2:     # nothing between sample and channels
        return finish(groups_of_rows(t, slope, base, groups, eps), as_tensor)
    stat = workspace(F64, t.dims[0], 3, groups)
    return finish(columns(t, slope, base, None, stat, t.dims[0], groups, False, eps, False), as_tensor)


def row_norm(str who, x, gamma, beta, int axes, double eps, bint centred):
    """Layer normalisation (centred) or RMS normalisation over the last `axes` axes; see `cdl.layer_norm`."""
    cdef Tensor t = as_float(x, who), slope, base
    cdef int kind = t.kind, i
    cdef bint as_tensor = type(x) is Tensor or type(gamma) is Tensor or type(beta) is Tensor
    cdef Py_ssize_t n = 1
    check_eps(eps, who)
    if not 1 <= axes <= t.ndim:
        raise ValueError(f"{who}: cannot normalise the last {axes} axes of x of shape {shape_of(t)}")
    slope, base = as_affine(gamma, "gamma", t, axes, &kind, who), as_affine(beta, "beta", t, axes, &kind, who)
    t, slope, base = cast(t, kind), in_kind(slope, kind), in_kind(base, kind)
    if t.size == 0:
        return finish(empty_result(t, slope, base), as_tensor)
    for i in range(t.ndim - axes, t.ndim):
        n *= t.dims[i]
    return finish(along_rows(t, slope, base, n, centred, eps), as_tensor)
