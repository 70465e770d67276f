"""Strided copies: the one place where elements move without arithmetic."""
from libc.string cimport memcpy

from cdl._core.kernels cimport K
from cdl._core.tensor cimport BOOL, F32, ITEMSIZE, MAXDIM, Tensor, empty_like, hooks
from cdl._core.threads cimport run_tasks


cdef struct Copy:
    # One copy between two arrays of the same dims: the outer axes make the tasks, the last two one kernel call.
    char* x
    char* y
    int ndim, table
    bint gather         # y is dense and x strided; else the reverse
    size_t itemsize
    Py_ssize_t[MAXDIM] dims, steps


cdef void copy_task(void* job, size_t task) noexcept nogil:
    cdef Copy* c = <Copy*>job
    cdef Py_ssize_t offset = 0, rest = <Py_ssize_t>task, rows, cols
    cdef int i
    for i in range(c.ndim - 3, -1, -1):
        offset += rest % c.dims[i] * c.steps[i]
        rest //= c.dims[i]
    rows, cols = c.dims[c.ndim - 2], c.dims[c.ndim - 1]
    if c.gather:
        K[c.table].gather_strided(c.x + offset * c.itemsize, c.y + task * rows * cols * c.itemsize, rows, cols,
                                  c.steps[c.ndim - 2], c.steps[c.ndim - 1])
    else:
        K[c.table].scatter_strided(c.x + task * rows * cols * c.itemsize, c.y + offset * c.itemsize, rows, cols,
                                   c.steps[c.ndim - 2], c.steps[c.ndim - 1])


cdef int strided_copy(Tensor x, Tensor y, bint gather) except -1:
    """y[...] = x where y (gather) or x is dense; neighbouring axes that one step can cross are taken as one."""
    cdef Copy c
    cdef Tensor strided = x if gather else y
    cdef Py_ssize_t tasks = 1, length
    cdef int i
    c.x, c.y, c.gather, c.itemsize, c.table, c.ndim = x.ptr, y.ptr, gather, ITEMSIZE[x.kind], x.kind != F32, 0
    for i in range(strided.ndim):
        if strided.dims[i] == 1:
            continue
        if c.ndim and c.steps[c.ndim - 1] == strided.dims[i] * strided.steps[i]:
            c.dims[c.ndim - 1] *= strided.dims[i]
            c.steps[c.ndim - 1] = strided.steps[i]
        else:
            c.dims[c.ndim], c.steps[c.ndim] = strided.dims[i], strided.steps[i]
            c.ndim += 1
    while c.ndim < 2:       # the kernel copies a matrix: put axes of length 1 in front
        for i in range(c.ndim, 0, -1):
            c.dims[i], c.steps[i] = c.dims[i - 1], c.steps[i - 1]
        c.dims[0], c.steps[0] = 1, 0
        c.ndim += 1
    if c.ndim == 2 and c.dims[0] >= 512 and x.size >= 1 << 18:     # one big matrix: blocks of rows are the tasks
        length = 64
        while c.dims[0] % length:
            length //= 2
        if length > 1:
            c.dims[2], c.steps[2] = c.dims[1], c.steps[1]
            c.dims[1], c.steps[1] = length, c.steps[0]
            c.dims[0], c.steps[0] = c.dims[0] // length, c.steps[0] * length
            c.ndim = 3
    for i in range(c.ndim - 2):
        tasks *= c.dims[i]
    # 4 elements a nanosecond is what one thread moves between caches.
    run_tasks(copy_task, &c, tasks, x.size * 0.00025)
    return 0


cdef int assign(Tensor y, Tensor x) except -1:
    if x.size == 0:
        return 0
    if x.contiguous and y.contiguous:
        memcpy(y.ptr, x.ptr, x.size * ITEMSIZE[x.kind])
    elif x.kind == BOOL:        # masks are seldom strided; NumPy copies them
        y.numpy()[...] = x.numpy()
    elif y.contiguous:
        strided_copy(x, y, True)
    else:
        strided_copy(contiguous(x), y, False)
    return 0


cdef Tensor copy_of(Tensor t):
    cdef Tensor y = empty_like(t)
    assign(y, t)
    return y


cdef Tensor contiguous(Tensor t):
    return t if t.contiguous else copy_of(t)


hooks.assign = assign
hooks.copy_of = copy_of
