"""The tape: ops record themselves as they run, and `backward` runs over the records from the newest to the oldest."""
from libc.stdlib cimport free, realloc

from cdl._core.kernels cimport BINARY_ADD, K
from cdl._core.copy cimport contiguous, copy_of
from cdl._core.tensor cimport READS_A, READS_B, READS_C, Node, Tensor, empty_like, hooks, root_of

cdef extern from *:
    """
    static _Thread_local int cdl_paused;    /* how many no_grad blocks this thread is inside */
    static _Thread_local int cdl_inferring; /* how many predictions: layers behave as in use */
    """
    int cdl_paused
    int cdl_inferring

cdef long long clock = 0


cdef bint recording(Tensor t) noexcept:
    return t.needs_grad and cdl_paused == 0


cdef int pause() noexcept:
    global cdl_paused
    cdl_paused += 1
    return 0


cdef int resume() noexcept:
    global cdl_paused
    cdl_paused -= 1
    return 0


cdef inline int version_of(Tensor t):
    cdef Tensor root = root_of(t)
    return root.version


cdef int record(Tensor y, Node node, int reads, Tensor a, Tensor b=None, Tensor c=None, tuple more=None) except -1:
    global clock
    clock += 1
    node.order = clock
    node.reads = reads
    node.a, node.b, node.c, node.more = a, b, c, more
    if reads & READS_A:
        node.version_a = version_of(a)
    if reads & READS_B:
        node.version_b = version_of(b)
    if reads & READS_C:
        node.version_c = version_of(c)
    y.node = node
    y.needs_grad = True
    return 0


cdef int give(Tensor t, Tensor g, bint owned) except -1:
    cdef Tensor total
    if t is None or not t.needs_grad:
        return 0
    if t.gradient is None:
        if not owned and t.node is None:    # a leaf's gradient belongs to the user: it shares memory with nothing
            g, owned = copy_of(g), True
        t.gradient, t.grad_owned = contiguous(g), owned and g.owner is None
        return 0
    g = contiguous(g)
    total = t.gradient if t.grad_owned else empty_like(t.gradient)
    with nogil:
        K[t.kind].binary_forward[BINARY_ADD](t.gradient.ptr, g.ptr, total.ptr, g.size, 1, 1)
    t.gradient, t.grad_owned = total, True
    return 0


cdef int touch(Tensor t) except -1:
    cdef Tensor root = root_of(t)
    if t.node is not None or (t.needs_grad and cdl_paused == 0):
        raise RuntimeError("in-place change of a Tensor that the tape follows: build a new one (cdl.where, "
                           "cdl.concatenate), or change it inside cdl.no_grad() if it is a parameter")
    root.version += 1
    return 0


# --- backward ---------------------------------------------------------------------------------------------------------
# The outputs still to visit: a heap, the newest record first. It borrows its Tensors; the graph below `root` holds them.
cdef struct Heap:
    void** items
    Py_ssize_t count, capacity


cdef inline long long order_of(void* item) noexcept:
    return (<Tensor>item).node.order


cdef int push(Heap* heap, Tensor t) except -1:
    cdef Py_ssize_t i = heap.count, parent
    cdef void** items
    if t is None or t.node is None or t.node.queued:
        return 0
    if i == heap.capacity:
        items = <void**>realloc(heap.items, (2 * i + 64) * sizeof(void*))
        if items is NULL:
            raise MemoryError("backward: no memory for the order of visits")
        heap.items, heap.capacity = items, 2 * i + 64
    t.node.queued = True
    heap.count += 1
    while i > 0:
        parent = (i - 1) // 2
        if order_of(heap.items[parent]) >= t.node.order:
            break
        heap.items[i] = heap.items[parent]
        i = parent
    heap.items[i] = <void*>t
    return 0


cdef Tensor pop(Heap* heap):
    cdef Tensor top = <Tensor>heap.items[0]
    cdef void* last
    cdef Py_ssize_t i = 0, child = 1
    heap.count -= 1
    last = heap.items[heap.count]
    while child < heap.count:
        if child + 1 < heap.count and order_of(heap.items[child + 1]) > order_of(heap.items[child]):
            child += 1
        if order_of(heap.items[child]) <= order_of(last):
            break
        heap.items[i] = heap.items[child]
        i, child = child, 2 * child + 1
    heap.items[i] = last
    top.node.queued = False
    return top


cdef int check_versions(Node node) except -1:
    """Refuse to compute a gradient from a value that was changed in place after the op had read it."""
    if ((node.reads & READS_A and version_of(node.a) != node.version_a)
            or (node.reads & READS_B and version_of(node.b) != node.version_b)
            or (node.reads & READS_C and version_of(node.c) != node.version_c)):
        raise RuntimeError(f"backward: {type(node).__name__} needs a value that was changed in place after it was used "
                           "(an optimizer step or an assignment between forward and backward?); run the forward again")
    return 0


cdef int visit(Heap* heap, Tensor y, bint retain) except -1:
    """Pass y's gradient on to what y was made from."""
    cdef Node node = y.node
    cdef Tensor g = y.gradient
    if node.released:
        raise RuntimeError("backward: this graph was freed by an earlier backward; run the forward again, or keep the "
                           "graph with backward(retain_graph=True)")
    push(heap, node.a)
    push(heap, node.b)
    push(heap, node.c)
    if node.more is not None:
        for t in node.more:
            push(heap, <Tensor>t)
    if g is not None:
        check_versions(node)
        if not y.keeps_grad:
            y.gradient = None
        node.backward(y, g)
    return 0


cdef int run_backward(Tensor root, Tensor g, bint retain) except -1:
    cdef Heap heap
    cdef Tensor y
    cdef list done = None if retain else []
    heap.items, heap.count, heap.capacity = NULL, 0, 0
    give(root, g, True)
    try:
        push(&heap, root)
        while heap.count:
            y = pop(&heap)
            visit(&heap, y, retain)
            if not retain:
                done.append(y)
    finally:
        while heap.count:       # after an error: leave no half-summed gradient behind
            y = pop(&heap)
            y.gradient = None
        free(heap.items)
        if done is not None:
            for y in done:
                y.node.release()
    return 0

hooks.backward = run_backward


class no_grad:
    """Compute without recording: `with cdl.no_grad():` or `@cdl.no_grad()`. Per thread; may be nested.

    Examples
    --------
    >>> import cdl
    >>> w = cdl.Tensor([1.0], requires_grad=True)
    >>> with cdl.no_grad():
    ...     w -= 0.5
    >>> w
    Tensor([0.5], dtype=float64, requires_grad=True)
    """

    def __enter__(self):
        pause()
        return self

    def __exit__(self, *error):
        resume()

    def __call__(self, function):
        import functools

        @functools.wraps(function)
        def paused(*args, **options):
            with self:
                return function(*args, **options)
        return paused


def enter_inference():
    """Until the matching `leave_inference`, this thread records nothing and layers behave as in use."""
    global cdl_paused, cdl_inferring
    cdl_paused += 1
    cdl_inferring += 1


def leave_inference():
    """End what `enter_inference` began."""
    global cdl_paused, cdl_inferring
    cdl_paused -= 1
    cdl_inferring -= 1


def is_inferring():
    """Whether a prediction is under way on this thread: dropout and batch normalisation ask."""
    return cdl_inferring != 0


def is_recording():
    """Whether ops are recorded on this thread now (false inside `no_grad`)."""
    return cdl_paused == 0
