# Part of optim.pyx: passes over parameters that callbacks make after a step. They are the kernels of the updates and of the
# reductions, with other numbers.

cdef enum:
    STRIP = 256         # columns of a task: of 128 rows of float32 they fill an eighth of a 1 MB L2


cdef class Sweep:
    """One pass over Tensors of float32 or float64, in place, each beside another of its shape.

    tensors are changed, `beside` is read, or with None they themselves.
    """
    cdef list tensors, sources
    cdef Line line
    cdef cdl_update numbers
    cdef readonly bint exchanged        # whether each of the two holds what the other had

    def __init__(self, tensors, beside=None):
        cdef Tensor t
        cdef Py_ssize_t i
        self.tensors, self.sources, self.line = list(tensors), list(tensors if beside is None else beside), Line()
        if len(self.tensors) != len(self.sources):
            raise ValueError(f"Sweep: {len(self.tensors)} Tensors beside {len(self.sources)}")
        for t, other in zip(self.tensors, self.sources):
            if t.kind > F64 or not same_dims(t, other) or t.kind != (<Tensor>other).kind:
                raise TypeError("Sweep: expected Tensors of float32 or float64, those beside of the same shapes and types")
        self.line.append(len(self.tensors))
        for i, t in enumerate(self.tensors):
            self.line.entries[i].kind, self.line.entries[i].kernel = t.kind, K[t.kind].sgd
            self.line.entries[i].numbers, self.line.entries[i].size = &self.numbers, t.size
            self.line.entries[i].state = [NULL, NULL, NULL]
        self.line.lay()

    def blend(self, double weight):
        """tensors = tensors + weight (beside - tensors): the rule of descent with d = beside - tensors, rate -weight."""
        self.numbers = cdl_update(rate=-weight, scale=1, limit=INFINITY, coupled=-1, kept=1)
        self.run()

    def shrink(self, double by):
        """tensors = tensors - clip(beside, -by, by): towards 0, and no further, where these are themselves."""
        self.numbers = cdl_update(rate=1, scale=1, limit=by, coupled=0, kept=1)
        self.run()

    def exchange(self):
        """Give tensors and those beside each what the other holds: all of them, for no interrupt comes in between."""
        cdef Tensor root
        kept = [copy_of(t) for t in self.tensors]       # of all, before any is changed: memory may run out
        for t, source, copied in zip(self.tensors, self.sources, kept):
            assign(t, source)
            assign(source, copied)
            for changed in (t, source):
                root = root_of(changed)
                root.version += 1
        self.exchanged = not self.exchanged

    cdef int run(self) except -1:
        cdef Pass all
        cdef Tensor t, dense, source, root
        cdef Py_ssize_t i
        cdef list _held = None, gapped = None
        for i in range(self.line.count):
            t, source = <Tensor>self.tensors[i], <Tensor>self.sources[i]
            dense = t
            if not t.contiguous:
                dense = copy_of(t)
                gapped = [] if gapped is None else gapped
                gapped.append((t, dense))
            if source is t:
                source = dense
            elif not source.contiguous:
                source = copy_of(source)
                _held = [] if _held is None else _held
                _held.append(source)
            self.line.entries[i].p, self.line.entries[i].g = dense.ptr, source.ptr
            root = t if type(t.owner) is not Tensor else root_of(t)
            root.version += 1
        all.visit = update_of
        self.line.run(&all, False)
        if gapped is not None:
            for whole, changed in gapped:
                assign(whole, changed)
        return 0


cdef struct Columns:
    char* w
    char* factors
    size_t rows, units
    int kind
    double most


cdef void norm_task(void* job, size_t task) noexcept nogil:
    cdef Columns* j = <Columns*>job
    cdef size_t at = task * STRIP, count = min(<size_t>STRIP, j.units - at), size = ITEMSIZE[j.kind], i
    cdef char* w = j.w + at * size
    cdef char* factors = j.factors + at * size
    cdef double norm
    cdef bint any = False
    K[j.kind].reduce_cols(SQUARES, w, NULL, factors, j.rows, count, j.units, 1)
    for i in range(count):
        norm = sqrt((<float*>factors)[i] if j.kind == F32 else (<double*>factors)[i])
        # A norm that is not finite says nothing of a direction: such a unit stays as it is.
        norm = j.most / norm if j.most < norm < INFINITY else 1
        any = any or norm != 1
        if j.kind == F32:
            (<float*>factors)[i] = <float>norm
        else:
            (<double*>factors)[i] = norm
    for i in range(j.rows if any else 0):
        K[j.kind].binary_forward[BINARY_MULTIPLY](w + i * j.units * size, factors, w + i * j.units * size, count, 1, 1)


def limit_norms(w, double most):
    """Scale the weights of every unit, those that share an index of the last axis, in place to a Euclidean norm of `most`
    where it is larger."""
    cdef Tensor weight = as_any(w, "limit_norms"), dense = contiguous(weight), factors, root
    cdef Columns job
    if weight.kind > F64 or weight.ndim < 1:
        raise TypeError(f"limit_norms: expected weights of float32 or float64 with a last axis, got {weight.dtype} of shape "
                        f"{shape_of(weight)}")
    if weight.size == 0:
        return
    factors = new_tensor(weight.kind, 1, &weight.dims[weight.ndim - 1])
    job.w, job.factors, job.kind, job.most = dense.ptr, factors.ptr, weight.kind, most
    job.units = weight.dims[weight.ndim - 1]
    job.rows = weight.size // job.units
    run_tasks(norm_task, &job, (job.units + STRIP - 1) // STRIP, weight.size * COST)
    if dense is not weight:
        assign(weight, dense)
    root = root_of(weight)
    root.version += 1
