"""Softmax, log-softmax, logsumexp, and cross-entropy fused with them.

The kernels work on rows; for other axes these are moved to the end, and the results back.
"""
from libc.stdint cimport int64_t
from libc.string cimport memcpy

cimport cython

from cdl._core.copy cimport contiguous, copy_of
from cdl._core.gate cimport as_any, as_float, finish
from cdl._core.kernels cimport SHORT_ROW, UNARY_SCALE, K, cdl_targets
from cdl._core.reduce cimport Layout, lay_out, mask_of, moved_last, result_for
from cdl._core.tape cimport give, record, recording, room_for_dx
from cdl._core.tensor cimport (F32, I64, ITEMSIZE, READS_A, READS_C, Node, Tensor, empty_like, fill_like,
                               new_tensor, normal_axis, scalar, shape_of)
from cdl._core.threads cimport run_tasks

import numpy as np

from cdl._core import check

cdef enum:
    BLOCK = 1 << 13     # elements of a task: x and y of float32 together stay in L2, and take a few µs
    STREAM = 1 << 24    # bytes of an output that goes past the caches: with x, y and g it would leave them anyway
    LOSS, LOSS_BACKWARD, SOFT, SOFT_BACKWARD

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
    const char* given
    cdl_targets t
    char* loss
    char* lse
    double unit
    size_t g_step
    bint stream


cdef void run(void (*task)(void*, size_t) noexcept nogil, Job* job) noexcept:
    job.block = max(<size_t>BLOCK // max(job.n, 1), 1)
    # What is written over g finds its lines in the cache: past it (2048, 8192) took 3 % longer.
    job.stream = job.out != job.g and job.rows * job.n * ITEMSIZE[job.kind] >= STREAM
    run_tasks(task, job, (job.rows + job.block - 1) // job.block, job.rows * job.n * MICROSECONDS)


# --- softmax and log-softmax ------------------------------------------------------------------------------------------
cdef void softmax_task(void* job, size_t task) noexcept nogil:
    cdef Job* j = <Job*>job
    cdef size_t at = task * j.block, rows = min(j.block, j.rows - at), start = at * j.n * ITEMSIZE[j.kind]
    if j.g is NULL:
        if j.op == SOFTMAX:
            K[j.kind].softmax_forward(j.x + start, j.out + start, rows, j.n, j.stream)
        else:
            K[j.kind].log_softmax_forward(j.x + start, j.out + start, rows, j.n, j.stream)
    elif j.op == SOFTMAX:
        K[j.kind].softmax_backward(j.y + start, j.g + start, j.out + start, rows, j.n, j.stream)
    else:
        K[j.kind].log_softmax_backward(j.y + start, j.g + start, j.out + start, rows, j.n, j.stream)


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
        cdef Tensor rows, dx
        if y.size == 0:
            return give(self.a, empty_like(g), True)
        rows, g = in_rows(y, mask, &s), in_rows(g, mask, &s)
        # The kernels read a row of g before they write one of dx.
        dx = empty_like(g) if s.moved else room_for_dx(y, g)
        job.op, job.kind, job.rows, job.n = self.op, g.kind, s.outer, s.n
        job.y, job.g, job.out = rows.ptr, g.ptr, dx.ptr
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
    cdef size_t at = task * j.block, rows = min(j.block, j.rows - at), size = ITEMSIZE[j.kind]
    cdef size_t start = at * j.n * size, one = at * size, g = one * j.g_step
    cdef cdl_targets t = j.t
    if t.weight is not NULL:
        t.weight = <const char*>t.weight + one
    cdef char* dx = NULL if j.out is NULL else j.out + start
    if j.op == SOFT:
        K[j.kind].logsumexp_forward(j.x + start, j.lse + one, rows, j.n)
        K[j.kind].soft_cross_entropy_forward(j.x + start, j.given + start, &t, j.lse + one, j.loss + one, rows, j.n)
    elif j.op == SOFT_BACKWARD:
        K[j.kind].soft_cross_entropy_backward(j.x + start, j.given + start, &t, j.lse + one, j.g + g, j.g_step, dx, rows,
                                              j.n, j.stream)
    elif j.op == LOSS:
        if j.n <= SHORT_ROW:
            K[j.kind].cross_entropy_short_forward(j.x + start, j.labels + at, &t, j.unit, j.loss + one, j.lse + one, dx,
                                                  rows, j.n)
        else:
            K[j.kind].cross_entropy_forward(j.x + start, j.labels + at, &t, j.unit, j.loss + one, j.lse + one, dx, rows,
                                            j.n, j.stream)
    elif j.n <= SHORT_ROW:
        K[j.kind].cross_entropy_short_backward(j.x + start, j.labels + at, &t, j.lse + one, j.g + g, j.g_step, dx, rows,
                                               j.n)
    else:
        K[j.kind].cross_entropy_backward(j.x + start, j.labels + at, &t, j.lse + one, j.g + g, j.g_step, dx, rows, j.n,
                                         j.stream)


@cython.final
@cython.no_gc
cdef class CrossEntropyNode(Node):
    # a: the logits; b: (2, rows) whose first row is the logsumexp of each; c: labels (rows) or probabilities (rows, n)
    cdef double divisor         # what the sum of losses was divided by; 0: not summed
    cdef Weights weights
    cdef Tensor dx              # the gradient for g = 1, which the forward had at hand; for the first backward only

    cdef int backward(self, Tensor y, Tensor g) except -1:
        cdef Tensor x, dx = self.dx, scale = g
        cdef Job job
        if dx is not None:
            self.dx = None
            return give(self.a, times(dx, g.item()), True)
        x = contiguous(self.a)
        dx = empty_like(x)
        if self.divisor:
            scale = scalar(g.item() / self.divisor, g.kind)
        job.kind, job.n, job.rows = x.kind, x.dims[x.ndim - 1], self.b.dims[1]
        job.op = LOSS_BACKWARD if self.c.kind == I64 else SOFT_BACKWARD
        job.x, job.lse, job.g, job.out, job.g_step = x.ptr, self.b.ptr, scale.ptr, dx.ptr, self.divisor == 0
        job.labels, job.given = <int64_t*>self.c.ptr, self.c.ptr
        set_targets(&job.t, self.weights)
        run(loss_task, &job)
        return give(self.a, dx, True)

    cdef void release(self):
        self.dx = self.weights = None
        Node.release(self)


cdef void scale_task(void* job, size_t task) noexcept nogil:
    cdef Job* j = <Job*>job
    cdef size_t at = task * j.block, start = at * ITEMSIZE[j.kind]
    K[j.kind].unary_forward[UNARY_SCALE](j.out + start, j.out + start, min(j.block, j.rows - at), j.unit, 0)


cdef Tensor times(Tensor x, double factor):
    """x, which nobody else has, times a number."""
    cdef Job job
    if factor != 1:
        job.kind, job.rows, job.n, job.g, job.out, job.unit = x.kind, x.size, 1, NULL, x.ptr, factor
        run(scale_task, &job)
    return x


@cython.final
cdef class Weights:
    """How rows and classes are weighed (kernels/cross_entropy.c), and what the mean divides by."""
    cdef Tensor row, hot, rest
    cdef double rest_sum, total


cdef void set_targets(cdl_targets* t, Weights w) noexcept:
    t.weight = t.hot = t.rest = NULL
    t.rest_sum = 0
    if w is not None:
        t.weight = w.row.ptr if w.row is not None else NULL
        if w.hot is not None:
            t.hot, t.rest, t.rest_sum = w.hot.ptr, w.rest.ptr, w.rest_sum


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


cdef Weights weights_of(Tensor y_true, Tensor x, bint labels, double smoothing, bint ignoring, int64_t ignore,
                        object class_weight, object sample_weight):
    """The weights of rows and classes for these options."""
    cdef Py_ssize_t n = x.dims[x.ndim - 1], rows = x.size // n
    cdef Weights w = Weights.__new__(Weights)
    cdef object row = np.ones(rows), of_class = None, given = y_true.numpy().reshape(-1) if labels else None
    if sample_weight is not None:
        row = check.weights(sample_weight, shape_of(x)[:x.ndim - 1], "cross_entropy", "sample_weight",
                            "a row").reshape(-1)
    if ignoring:
        row = np.where(given == ignore, 0.0, row)
    if ignoring or sample_weight is not None:
        w.row = as_any(row.astype(x.dtype), "cross_entropy")
    if class_weight is not None:
        of_class = check.weights(class_weight, (n,), "cross_entropy", "class_weight", "a class")
    if smoothing or of_class is not None:
        rest = (np.ones(n) if of_class is None else of_class) * (smoothing / n)
        hot = np.full(n, 1 - smoothing) if of_class is None else of_class * (1 - smoothing)
        w.hot, w.rest = as_any(hot.astype(x.dtype), "cross_entropy"), as_any(rest.astype(x.dtype), "cross_entropy")
        w.rest_sum = rest.sum()
    if labels and of_class is not None:
        row = row * of_class[np.where(row == 0, 0, given)]      # an ignored label may be no class
    w.total = row.sum()
    return w


cdef double sum_of(Tensor both, Py_ssize_t rows) noexcept:
    """The sum of the losses, the second row of `both`, in double and in four parts: one would wait for each addition."""
    cdef Py_ssize_t i
    cdef double[4] parts = [0, 0, 0, 0]
    if both.kind == F32:
        for i in range(rows):
            parts[i & 3] += (<float*>both.ptr)[rows + i]
    else:
        for i in range(rows):
            parts[i & 3] += (<double*>both.ptr)[rows + i]
    return (parts[0] + parts[1]) + (parts[2] + parts[3])


cdef Tensor loss_of(Tensor given, Tensor y_pred, bint labels, Weights weights, str reduction):
    """The loss of checked arguments, recorded."""
    cdef Py_ssize_t n = y_pred.dims[y_pred.ndim - 1], rows = y_pred.size // n
    cdef Py_ssize_t[2] dims
    cdef Tensor x = contiguous(y_pred), both, y, dx = None
    cdef double divisor = 1
    cdef Job job
    cdef CrossEntropyNode node
    if reduction is not MEAN and reduction == "none":
        divisor = 0
    elif reduction is MEAN or reduction == "mean":
        divisor = <double>rows if weights is None else weights.total
        if divisor == 0:        # nothing has any weight: the mean is 0
            divisor = 1
    dims[0], dims[1] = 2, rows
    both = new_tensor(x.kind, 2, dims)
    job.kind, job.n, job.rows, job.op, job.x, job.out = x.kind, n, rows, LOSS if labels else SOFT, x.ptr, NULL
    job.lse, job.loss, job.g, job.g_step = both.ptr, both.ptr + rows * ITEMSIZE[x.kind], NULL, 0
    job.labels, job.given = <int64_t*>given.ptr, given.ptr
    if labels and divisor and recording(y_pred):
        dx = empty_like(x)      # from the same exponentials: a second pass would read x and take them again
        job.out, job.unit = dx.ptr, 1 / divisor
    set_targets(&job.t, weights)
    run(loss_task, &job)
    if divisor:
        y = scalar(sum_of(both, rows) / divisor, x.kind)
    else:
        y = new_tensor(x.kind, y_pred.ndim - 1, y_pred.dims)
        memcpy(y.ptr, job.loss, rows * ITEMSIZE[x.kind])
    if recording(y_pred):
        node = CrossEntropyNode.__new__(CrossEntropyNode)
        node.divisor, node.weights, node.dx = divisor, weights, dx
        record(y, node, READS_A | READS_C, y_pred, both, given)
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


def cross_entropy(y_true, y_pred, double label_smoothing, ignore_index, class_weight, sample_weight, str reduction):
    """Cross-entropy of logits y_pred (…, classes) against labels (…) or probabilities (…, classes)."""
    cdef Tensor x = as_float(y_pred, "cross_entropy"), y = as_any(y_true, "cross_entropy")
    cdef bint labels, ignoring = ignore_index is not None
    cdef int64_t ignore = ignore_index if ignoring else 0
    cdef Py_ssize_t n, kept
    cdef Weights weights = None
    if x.ndim == 0 or x.size == 0:
        raise ValueError(f"cross_entropy: y_pred must have at least one row and one class, got shape {shape_of(x)}")
    n = x.dims[x.ndim - 1]
    labels = labels_of(y, x)
    if n == 1 and not labels:
        raise ValueError("cross_entropy: of one class there is nothing to learn, the loss is always 0; for one output and "
                         "labels 0 and 1 use binary_cross_entropy")
    if reduction is not MEAN and reduction not in ("mean", "sum", "none"):
        raise ValueError(f"cross_entropy: reduction must be 'mean', 'sum' or 'none', got {reduction!r}")
    if not 0 <= label_smoothing <= 1:
        raise ValueError(f"cross_entropy: label_smoothing must be 0 to 1, got {label_smoothing}")
    if ignoring and not labels:
        raise ValueError("cross_entropy: ignore_index needs integer labels, y_true holds probabilities")
    if y.needs_grad and recording(y):
        raise TypeError("cross_entropy: y_true requires a gradient, which is not given here; use "
                        "-cdl.mean(cdl.sum(y_true * cdl.log_softmax(y_pred), axis=-1)), or y_true.detach()")
    if labels:
        y = contiguous(y if y.kind == I64 else as_any(y.numpy().astype(np.int64), "cross_entropy"))
        kept = check_labels(y, n, ignoring, ignore)
        ignoring = kept < y.size
        if recording(x) and type(y_true) is not Tensor:
            y = copy_of(y)      # the backward trusts them: whoever refills the array must not reach them
    else:
        check.probabilities(y, "cross_entropy", "y_true")
        y = contiguous(y if y.kind == x.kind else as_any(y.numpy().astype(x.dtype), "cross_entropy"))
    if ignoring or label_smoothing or class_weight is not None or sample_weight is not None:
        weights = weights_of(y, x, labels, label_smoothing, ignoring, ignore, class_weight, sample_weight)
    return finish(loss_of(y, x, labels, weights, reduction), type(y_pred) is Tensor)
