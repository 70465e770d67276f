"""Softmax, log-softmax, logsumexp, and cross-entropy fused with them.

The kernels work on rows; for other axes these are moved to the end, and the results back.
"""
from libc.stdint cimport int64_t
from libc.string cimport memset

cimport cython

from cdl._core.copy cimport contiguous, copy_of
from cdl._core.gate cimport as_any, as_float, finish
from cdl._core.kernels cimport SHORT_ROW, K
from cdl._core.reduce cimport Layout, lay_out, mask_of, moved_last, result_for
from cdl._core.tape cimport give, record, recording
from cdl._core.tensor cimport (BOOL, F32, I64, ITEMSIZE, READS_A, READS_C, Node, Tensor, empty_like, fill_like,
                               new_tensor, normal_axis, scalar, shape_of)
from cdl._core.threads cimport run_tasks

import numpy as np

cdef enum:
    BLOCK = 1 << 13     # elements of a task: x and y of float32 together stay in L2, and take a few µs
    FORWARD, BACKWARD, LOSS, LOSS_BACKWARD, SOFT, SOFT_BACKWARD

cdef str MEAN = "mean"     # the very string of Python's own default: told apart without a comparison
cdef double MICROSECONDS = 0.0003       # an element: exp of 4 to 10 a nanosecond, and two more passes


cdef struct Job:
    int op, kind
    size_t rows, n, block
    const char* x
    const char* y
    const char* g
    char* out
    const int64_t* labels
    const char* targets
    char* lse
    size_t g_step


cdef void run(void (*task)(void*, size_t) noexcept nogil, Job* job) noexcept:
    job.block = max(<size_t>BLOCK // max(job.n, 1), 1)
    run_tasks(task, job, (job.rows + job.block - 1) // job.block, job.rows * job.n * MICROSECONDS)


# --- softmax and log-softmax ------------------------------------------------------------------------------------------
cdef void softmax_task(void* job, size_t task) noexcept nogil:
    cdef Job* j = <Job*>job
    cdef size_t at = task * j.block, rows = min(j.block, j.rows - at), start = at * j.n * ITEMSIZE[j.kind]
    if j.g is NULL:
        if j.op == SOFTMAX:
            K[j.kind].softmax_forward(j.x + start, j.out + start, rows, j.n)
        else:
            K[j.kind].log_softmax_forward(j.x + start, j.out + start, rows, j.n)
    elif j.op == SOFTMAX:
        K[j.kind].softmax_backward(j.y + start, j.g + start, j.out + start, rows, j.n)
    else:
        K[j.kind].log_softmax_backward(j.y + start, j.g + start, j.out + start, rows, j.n)


cdef Tensor in_rows(Tensor x, int mask, Layout* s):
    """Dense memory whose rows run along the axes of the mask."""
    lay_out(x, mask, s)
    if s.inner != 1:
        s.moved, s.outer, s.inner = True, s.outer * s.inner, 1
    return contiguous(moved_last(x, mask, False) if s.moved else x)


cdef Tensor back_in_place(Tensor y, int mask, Layout* s):
    return contiguous(moved_last(y, mask, True)) if s.moved else y


@cython.final
@cython.no_gc
cdef class SoftmaxNode(Node):
    cdef int op, axis

    cdef int backward(self, Tensor y, Tensor g) except -1:
        cdef Layout s
        cdef Job job
        cdef int mask = 1 << self.axis
        cdef Tensor dx
        if y.size == 0:
            return give(self.a, empty_like(g), True)
        y, g = in_rows(y, mask, &s), in_rows(g, mask, &s)
        dx = empty_like(g)
        job.op, job.kind, job.rows, job.n = self.op, g.kind, s.outer, s.n
        job.y, job.g, job.out = y.ptr, g.ptr, dx.ptr
        run(softmax_task, &job)
        return give(self.a, back_in_place(dx, mask, &s), True)


cdef Tensor apply(int op, Tensor x, int axis):
    cdef Layout s
    cdef Job job
    cdef int mask = 1 << axis
    cdef Tensor dense = in_rows(x, mask, &s), y = empty_like(dense)
    cdef SoftmaxNode node
    if x.size:
        job.op, job.kind, job.rows, job.n, job.x, job.g, job.out = op, x.kind, s.outer, s.n, dense.ptr, NULL, y.ptr
        run(softmax_task, &job)
    y = back_in_place(y, mask, &s)
    if recording(x):
        node = SoftmaxNode.__new__(SoftmaxNode)
        node.op, node.axis = op, axis
        record(y, node, 0, x)
    return y


# --- logsumexp --------------------------------------------------------------------------------------------------------
cdef void logsumexp_task(void* job, size_t task) noexcept nogil:
    cdef Job* j = <Job*>job
    cdef size_t at = task * j.block, rows = min(j.block, j.rows - at)
    cdef size_t start = at * j.n * ITEMSIZE[j.kind], one = at * ITEMSIZE[j.kind]
    if j.g is NULL:
        K[j.kind].logsumexp_forward(j.x + start, j.out + one, rows, j.n)
    else:
        K[j.kind].logsumexp_backward(j.x + start, j.y + one, j.g + one, j.out + start, rows, j.n)


@cython.final
@cython.no_gc
cdef class LogsumexpNode(Node):
    cdef int mask

    cdef int backward(self, Tensor y, Tensor g) except -1:
        cdef Layout s
        cdef Job job
        cdef Tensor x = in_rows(self.a, self.mask, &s), dx = empty_like(x)
        if x.size:
            job.kind, job.rows, job.n, job.x, job.y, job.g, job.out = x.kind, s.outer, s.n, x.ptr, y.ptr, g.ptr, dx.ptr
            run(logsumexp_task, &job)
        return give(self.a, back_in_place(dx, self.mask, &s), True)


cdef Tensor logsumexp_apply(Tensor x, int mask, bint keep):
    cdef Layout s
    cdef Job job
    cdef Tensor dense = in_rows(x, mask, &s), y = result_for(x, mask, keep, x.kind)
    cdef LogsumexpNode node
    if x.size == 0:
        y = fill_like(y, float("-inf"))
    else:
        job.kind, job.rows, job.n, job.x, job.g, job.out = x.kind, s.outer, s.n, dense.ptr, NULL, y.ptr
        run(logsumexp_task, &job)
    if recording(x):
        node = LogsumexpNode.__new__(LogsumexpNode)
        node.mask = mask
        record(y, node, READS_A, x)
    return y


# --- cross-entropy ----------------------------------------------------------------------------------------------------
cdef void loss_task(void* job, size_t task) noexcept nogil:
    cdef Job* j = <Job*>job
    cdef size_t at = task * j.block, rows = min(j.block, j.rows - at)
    cdef size_t start = at * j.n * ITEMSIZE[j.kind], one = at * ITEMSIZE[j.kind], g = one * j.g_step
    if j.op == SOFT:
        K[j.kind].logsumexp_forward(j.x + start, j.lse + one, rows, j.n)
        K[j.kind].soft_cross_entropy_forward(j.x + start, j.targets + start, j.lse + one, j.out + one, rows, j.n)
    elif j.op == SOFT_BACKWARD:
        K[j.kind].soft_cross_entropy_backward(j.x + start, j.targets + start, j.lse + one, j.g + g, j.g_step,
                                              j.out + start, rows, j.n)
    elif j.op == LOSS:
        if j.n <= SHORT_ROW:
            K[j.kind].cross_entropy_short_forward(j.x + start, j.labels + at, j.out + one, j.lse + one, rows, j.n)
        else:
            K[j.kind].cross_entropy_forward(j.x + start, j.labels + at, j.out + one, j.lse + one, rows, j.n)
    elif j.n <= SHORT_ROW:
        K[j.kind].cross_entropy_short_backward(j.x + start, j.labels + at, j.lse + one, j.g + g, j.g_step,
                                               j.out + start, rows, j.n)
    else:
        K[j.kind].cross_entropy_backward(j.x + start, j.labels + at, j.lse + one, j.g + g, j.g_step, j.out + start,
                                         rows, j.n)


@cython.final
@cython.no_gc
cdef class CrossEntropyNode(Node):
    # a: the logits; b: (2, rows) whose first row is the logsumexp of each; c: labels (rows) or targets (rows, n)
    cdef double divisor         # what the sum of losses was divided by; 0: not summed
    cdef Tensor ignored         # labels as given, where some are to be ignored
    cdef int64_t ignore

    cdef int backward(self, Tensor y, Tensor g) except -1:
        cdef Tensor x = contiguous(self.a), dx = empty_like(x), scale = g
        cdef Py_ssize_t n = x.dims[x.ndim - 1], i
        cdef Job job
        if self.divisor:
            scale = scalar(g.item() / self.divisor, g.kind)
        job.kind, job.n, job.rows, job.op = x.kind, n, self.b.dims[1], LOSS_BACKWARD if self.c.kind == I64 else SOFT_BACKWARD
        job.x, job.lse, job.g, job.out, job.g_step = x.ptr, self.b.ptr, scale.ptr, dx.ptr, self.divisor == 0
        job.labels, job.targets = <int64_t*>self.c.ptr, self.c.ptr
        run(loss_task, &job)
        if self.ignored is not None:
            for i in range(self.ignored.size):
                if (<int64_t*>self.ignored.ptr)[i] == self.ignore:
                    memset(dx.ptr + i * n * ITEMSIZE[x.kind], 0, n * ITEMSIZE[x.kind])
        return give(self.a, dx, True)


cdef bint labels_of(Tensor y_true, Tensor y_pred) except -1:
    """Whether y_true holds labels (else probabilities); ValueError where it has neither shape."""
    cdef int i
    cdef bint labels = y_true.ndim == y_pred.ndim - 1
    for i in range(y_pred.ndim - 1):
        if i >= y_true.ndim or y_true.dims[i] != y_pred.dims[i]:
            labels = False
    if labels and y_true.kind >= I64:
        return True
    if y_true.ndim == y_pred.ndim and shape_of(y_true) == shape_of(y_pred):
        return False
    if labels:
        raise TypeError(f"cross_entropy: labels must be integers, got {y_true.dtype} of shape {shape_of(y_true)}; convert "
                        "them with y_true.astype('int64')")
    raise ValueError(f"cross_entropy: for y_pred of shape {shape_of(y_pred)} (classes last), y_true must be integer labels "
                     f"of shape {shape_of(y_pred)[:y_pred.ndim - 1]} or probabilities of shape {shape_of(y_pred)}, got shape "
                     f"{shape_of(y_true)}")


cdef Py_ssize_t check_labels(Tensor labels, Py_ssize_t n, bint ignoring, int64_t ignore) except -1:
    """How many labels are not to be ignored; IndexError for one that is no class."""
    cdef const int64_t* label = <const int64_t*>labels.ptr
    cdef Py_ssize_t i, count = labels.size
    for i in range(labels.size):
        if label[i] < 0 or label[i] >= n:
            if ignoring and label[i] == ignore:
                count -= 1
                continue
            raise IndexError(f"cross_entropy: label {label[i]} (position {i} of the flattened y_true) is out of range for "
                             f"{n} classes, 0 to {n - 1}" + ("" if ignoring else "; ignore_index= leaves one out"))
        elif ignoring and label[i] == ignore:
            count -= 1
    return count


cdef Tensor dense_targets(Tensor y_true, Tensor y_pred, bint labels, double smoothing, Tensor weight, bint ignoring,
                          int64_t ignore, double* total):
    """weight * ((1 - smoothing) * y_true + smoothing / n), a row a target; total: what the mean divides by."""
    cdef Py_ssize_t n = y_pred.dims[y_pred.ndim - 1]
    cdef object given, targets, kept, weights
    if labels:
        given = y_true.numpy().reshape(-1)
        kept = given != ignore if ignoring else np.ones(given.size, bool)
        targets = np.zeros((given.size, n), y_pred.dtype)
        targets[np.flatnonzero(kept), given[kept]] = 1 - smoothing
    else:
        targets = y_true.numpy().reshape(-1, n).astype(y_pred.dtype) * (1 - smoothing)
        kept = np.ones(len(targets), bool)
    targets[kept] += smoothing / n
    total[0] = kept.sum()
    if weight is not None:
        weights = weight.numpy()
        targets *= weights.astype(targets.dtype)
        if labels:
            total[0] = weights[given[kept]].sum(dtype=np.float64)
    return as_any(targets, "cross_entropy")


cdef double sum_of(Tensor both, Py_ssize_t rows) noexcept:
    """The sum of the losses, the second row of `both`, in double."""
    cdef Py_ssize_t i
    cdef double total = 0
    for i in range(rows, 2 * rows):
        total += (<float*>both.ptr)[i] if both.kind == F32 else (<double*>both.ptr)[i]
    return total


cdef Tensor weights_of(object weight, Py_ssize_t n):
    cdef Tensor w = as_any(weight, "cross_entropy")
    if w.ndim != 1 or w.dims[0] != n:
        raise ValueError(f"cross_entropy: weight must have shape ({n},), one a class, got {shape_of(w)}")
    return w


cdef Tensor loss_of(Tensor y_true, Tensor y_pred, bint labels, double smoothing, bint ignoring, int64_t ignore, Tensor weight,
                    str reduction):
    """The loss of checked arguments, recorded."""
    cdef Py_ssize_t n = y_pred.dims[y_pred.ndim - 1], rows = y_pred.size // n, i
    cdef Py_ssize_t[2] dims
    cdef Tensor x = contiguous(y_pred), target, both, y, given = None
    cdef double count = <double>rows, divisor
    cdef bint some = False
    cdef Job job
    cdef CrossEntropyNode node
    dims[0], dims[1] = 2, rows
    if labels:
        given = contiguous(y_true)
        count = <double>check_labels(given, n, ignoring, ignore)
        some = count != rows
    if labels and smoothing == 0 and weight is None:
        if some:        # an ignored label may be no class: let the kernel pick the first
            target = as_any(np.where(given.numpy() == ignore, 0, given.numpy()), "cross_entropy")
        elif recording(y_pred):
            target = copy_of(given)     # the backward trusts them: whoever refills the array must not reach them
        else:
            target = given
    elif labels or smoothing or weight is not None or y_true.kind != x.kind:
        target = dense_targets(y_true, x, labels, smoothing, weight, ignoring, ignore, &count)
    else:
        target = contiguous(y_true)
    both = new_tensor(x.kind, 2, dims)
    job.kind, job.n, job.rows, job.op, job.x = x.kind, n, rows, LOSS if target.kind == I64 else SOFT, x.ptr
    job.lse, job.out, job.g_step = both.ptr, both.ptr + rows * ITEMSIZE[x.kind], 0
    job.labels, job.targets = <int64_t*>target.ptr, target.ptr
    run(loss_task, &job)
    if some:
        for i in range(rows):
            if (<int64_t*>given.ptr)[i] == ignore:
                memset(job.out + i * ITEMSIZE[x.kind], 0, ITEMSIZE[x.kind])
    if reduction is not MEAN and reduction == "none":
        divisor = 0
        y = new_tensor(x.kind, y_pred.ndim - 1, y_pred.dims)
        for i in range(rows * ITEMSIZE[x.kind]):
            y.ptr[i] = job.out[i]
    else:
        divisor = count if reduction is MEAN or reduction == "mean" else 1
        if count == 0:      # nothing but ignored labels: the mean is 0
            divisor = 1
        y = scalar(sum_of(both, rows) / divisor, x.kind)
    if recording(y_pred):
        node = CrossEntropyNode.__new__(CrossEntropyNode)
        node.divisor, node.ignored, node.ignore = divisor, copy_of(given) if some else None, ignore
        record(y, node, READS_A | READS_C, y_pred, both, target)
    return y


# --- for Python -------------------------------------------------------------------------------------------------------
def softmax(bint log, x, axis):
    """Softmax or (log) log-softmax along one axis."""
    cdef str who = "log_softmax" if log else "softmax"
    cdef Tensor t = as_float(x, who)
    cdef int last = t.ndim - 1 if type(axis) is int and axis == -1 and t.ndim else normal_axis(axis, t.ndim, who)
    return finish(apply(LOG_SOFTMAX if log else SOFTMAX, t, last), type(x) is Tensor)


def logsumexp(x, axis, bint keepdims):
    """log sum exp along axes."""
    cdef Tensor t = as_float(x, "logsumexp")
    return finish(logsumexp_apply(t, mask_of(axis, t.ndim, "logsumexp"), keepdims), type(x) is Tensor)


def cross_entropy(y_true, y_pred, double label_smoothing, ignore_index, weight, str reduction):
    """Cross-entropy of logits y_pred (…, classes) against labels (…) or probabilities (…, classes)."""
    cdef Tensor x = as_float(y_pred, "cross_entropy"), y = as_any(y_true, "cross_entropy"), w = None
    cdef bint ignoring = ignore_index is not None, labels
    if x.ndim == 0 or x.size == 0:
        raise ValueError(f"cross_entropy: y_pred must have at least one row and one class, got shape {shape_of(x)}")
    labels = labels_of(y, x)
    if reduction is not MEAN and reduction not in ("mean", "sum", "none"):
        raise ValueError(f"cross_entropy: reduction must be 'mean', 'sum' or 'none', got {reduction!r}")
    if not 0 <= label_smoothing <= 1:
        raise ValueError(f"cross_entropy: label_smoothing must be 0 to 1, got {label_smoothing}")
    if ignoring and not labels:
        raise ValueError("cross_entropy: ignore_index needs integer labels, y_true holds probabilities")
    if y.needs_grad and recording(y):
        raise TypeError("cross_entropy: y_true requires a gradient, which is not given here; use "
                        "-cdl.mean(cdl.sum(y_true * cdl.log_softmax(y_pred), axis=-1)), or y_true.detach()")
    if labels and y.kind == BOOL:
        y = as_any(y.numpy().astype(np.int64), "cross_entropy")
    if weight is not None:
        w = weights_of(weight, x.dims[x.ndim - 1])
    return finish(loss_of(y, x, labels, label_smoothing, ignoring, ignore_index if ignoring else 0, w, reduction),
                  type(y_pred) is Tensor)
