"""The tape: ops record themselves as they run, and `backward` runs over the records from the newest to the oldest."""
from cpython.exc cimport PyErr_CheckSignals
from libc.stdlib cimport free, realloc

from cdl._core.kernels cimport BINARY_ADD, K
from cdl._core.copy cimport contiguous, copy_of
from cdl._core.tensor cimport (F32, ITEMSIZE, READS_A, READS_B, READS_C, Node, Tensor, empty_like, fill_like, hooks,
                               new_tensor, root_of, same_dims, shape_of)
from cdl._core.threads cimport run_tasks

from contextlib import ContextDecorator

cdef extern from *:
    """
    static _Thread_local int cdl_paused;    /* how many no_grad blocks this thread is inside */
    static _Thread_local int cdl_inferring; /* how many predictions: layers behave as in use */
    """
    int cdl_paused
    int cdl_inferring

cdef long long clock = 0, last_run = 0      # the newest record and the newest backward


cdef bint recording(Tensor t) noexcept:
    return t.needs_grad and cdl_paused == 0


class GraphError(RuntimeError):
    """A graph that another backward goes through at the moment, or has freed."""


cdef int pause() noexcept:
    global cdl_paused
    cdl_paused += 1
    return 0


cdef int resume() noexcept:
    global cdl_paused
    cdl_paused -= 1
    return 0


cdef int version_of(Tensor t):
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


cdef struct Sum:
    const char* a
    const char* b
    char* total
    Py_ssize_t size
    int kind


cdef void sum_task(void* job, size_t task) noexcept nogil:
    cdef Sum* s = <Sum*>job
    cdef Py_ssize_t start = task * BLOCK * ITEMSIZE[s.kind]
    K[s.kind].binary_forward[BINARY_ADD](s.a + start, s.b + start, s.total + start,
                                         min(BLOCK, s.size - <Py_ssize_t>task * BLOCK), 1, 1)


cdef Tensor added(Tensor a, Tensor b, bint in_place):
    """a + b of gradients in C order, in the memory of a or in its own."""
    cdef Tensor total = a if in_place else empty_like(a)
    cdef Sum job = Sum(a.ptr, b.ptr, total.ptr, a.size, a.kind)
    # 0.2 ns an element is one thread's time from memory.
    run_tasks(sum_task, &job, (a.size + BLOCK - 1) // BLOCK, a.size * 0.0002)
    return total


cdef int give(Tensor t, Tensor g, bint owned) except -1:
    cdef Tensor old
    if t is None or not t.needs_grad:
        return 0
    if g.kind != t.kind or g.size != t.size:
        raise SystemError(f"backward: a gradient of shape {shape_of(g)} for a Tensor of shape {shape_of(t)}")
    old = t.gradient
    owned = owned and g.owner is None
    if not g.contiguous and (old is not None or t.node is None or not is_one_value(g)):
        g, owned = copy_of(g), True
    if old is None:
        if not owned and t.node is None:    # a leaf's gradient belongs to the user: it shares memory with nothing
            g, owned = copy_of(g), True
        t.gradient, t.grad_owned = g, owned
        return 0
    old = contiguous(old)
    if owned and not t.grad_owned and same_dims(g, old):
        g, old, t.grad_owned = old, g, True
    t.gradient, t.grad_owned = added(old, g, t.grad_owned), True
    return 0


cdef bint is_one_value(Tensor g) noexcept:
    cdef int i
    for i in range(g.ndim):
        if g.dims[i] != 1 and g.steps[i] != 0:
            return False
    return True


cdef Tensor block_of(Tensor g):
    cdef Tensor block
    cdef Py_ssize_t n = min(BLOCK, g.size)
    if g.contiguous:
        return g
    block = new_tensor(g.kind, 1, &n)
    return fill_like(block, (<float*>g.ptr)[0] if g.kind == F32 else (<double*>g.ptr)[0])


cdef bint repeats(Tensor t) noexcept:
    """Whether t may show an element twice, as broadcast views and sliding windows do: its steps do not nest."""
    cdef Py_ssize_t extent = 0
    cdef int i, axis, seen = 0
    for _ in range(t.ndim):     # the axes from the smallest step to the largest
        axis = -1
        for i in range(t.ndim):
            if not seen & 1 << i and (axis < 0 or t.steps[i] < t.steps[axis]):
                axis = i
        seen |= 1 << axis
        if t.dims[axis] == 0:
            return False
        if t.dims[axis] > 1:
            if t.steps[axis] <= extent:
                return t.size > 0
            extent += (t.dims[axis] - 1) * t.steps[axis]
    return False


cdef int touch(Tensor t) except -1:
    cdef Tensor root = root_of(t)
    if t.node is not None or (t.needs_grad and cdl_paused == 0):
        raise RuntimeError("in-place change of a Tensor that the tape follows: build a new one (cdl.where, "
                           "cdl.concatenate), or change it inside cdl.no_grad() if it is a parameter")
    if not t.contiguous and repeats(t):
        raise ValueError("in-place change of a view that shows the same memory more than once (broadcast_to or sliding "
                         "windows); copy it first with .copy()")
    root.version += 1
    return 0


# --- backward ---------------------------------------------------------------------------------------------------------
# The outputs still to visit: a heap, the newest record first. Nothing but `order` runs while it is in use, so it may
# borrow its Tensors, which the graph holds.
cdef struct Heap:
    void** items
    Py_ssize_t count, capacity
    long long run


cdef inline long long order_of(void* item) noexcept:
    return (<Tensor>item).node.order


cdef int push(Heap* heap, Tensor t) except -1:
    cdef Py_ssize_t i = heap.count, parent
    cdef void** items
    if t is None or t.node is None or t.node.run == heap.run:
        return 0
    if t.node.run:
        raise GraphError("backward: another backward is going through this graph now; give each thread a graph of "
                         "its own")
    if i == heap.capacity:
        items = <void**>realloc(heap.items, (2 * i + 64) * sizeof(void*))
        if items is NULL:
            raise MemoryError("backward: no memory for the order of visits")
        heap.items, heap.capacity = items, 2 * i + 64
    t.node.run = heap.run
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
    return top


cdef int visit_order(Tensor root, list found) except -1:
    """Put into `found` what root was computed from, the newest first, each Tensor once."""
    global last_run
    cdef Heap heap
    cdef Tensor y
    cdef Node node
    last_run += 1
    heap.items, heap.count, heap.capacity, heap.run = NULL, 0, 0, last_run
    try:
        push(&heap, root)
        while heap.count:
            y = pop(&heap)
            node = y.node
            found.append(y)
            if node.released:
                raise GraphError("backward: this graph was freed by an earlier backward; run the forward again, or "
                                 "keep the graph with backward(retain_graph=True)")
            push(&heap, node.a)
            push(&heap, node.b)
            push(&heap, node.c)
            if node.more is not None:
                for t in node.more:
                    push(&heap, <Tensor>t)
    finally:
        while heap.count:       # after an error
            y = pop(&heap)
            y.node.run = 0
        free(heap.items)
    return 0


cdef int check_versions(Node node) except -1:
    """Refuse to compute a gradient from a value that was changed in place after the op had read it."""
    if ((node.reads & READS_A and version_of(node.a) != node.version_a)
            or (node.reads & READS_B and version_of(node.b) != node.version_b)
            or (node.reads & READS_C and version_of(node.c) != node.version_c)):
        refuse_changed(node)
    return 0


cdef int refuse_changed(Node node) except -1:
    raise RuntimeError(f"backward: {type(node).__name__} needs a value that was changed in place after it was used "
                       "(an optimizer step or an assignment between forward and backward?); run the forward again")


cdef int visit(Tensor y) except -1:
    """Pass y's gradient on to what y was made from."""
    cdef Tensor g = y.gradient
    if g is None:
        return 0
    check_versions(y.node)
    y.gradient = None       # y.grad_owned goes on telling whether g is this node's own
    if not g.contiguous and (y.keeps_grad or not y.node.reads & ONE_VALUE):
        g, y.grad_owned = copy_of(g), True
    if y.keeps_grad:
        y.kept = copy_of(g) if y.kept is None else added(y.kept, g, False)
    y.node.backward(y, g)
    return 0


cdef int forget(Tensor t) except -1:
    if t is not None:
        t.gradient = None
    return 0


cdef int forget_inputs(Node node) except -1:
    """After an error in the middle: no gradient is better than a part of one."""
    forget(node.a)
    forget(node.b)
    forget(node.c)
    for t in node.more or ():
        forget(<Tensor>t)
    return 0


cdef enum:
    INTERRUPTIBLE = 1 << 14     # elements: the gradient of fewer takes microseconds, and a small step must not pay for it


cdef int run_backward(Tensor root, Tensor g, bint retain) except -1:
    cdef Tensor y
    cdef list found = []
    cdef bint begun = False, complete = False
    pause()     # what a backward computes is not itself recorded
    try:
        visit_order(root, found)
        begun = True
        give(root, g, False)    # it may be the caller's own
        for y in found:
            if y.size >= INTERRUPTIBLE:
                PyErr_CheckSignals()    # Ctrl-C ends it here, not after the whole pass
            visit(y)
        complete = True
    finally:
        resume()
        for y in found:
            y.node.run = 0
            if begun and not complete:
                forget(y)
                forget_inputs(y.node)
            if begun and not retain:
                y.node.release()
    return 0

hooks.backward = run_backward


class no_grad(ContextDecorator):
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
