# The gradients of weights and biases of recurrent.pyx, over the rows of a window. Included there.

cdef enum:
    SUMMED_ROWS = 128       # one after the other, so that db does not lose digits over many

cdef float one_f32 = 1
cdef double one_f64 = 1


cdef Tensor room(int kind, Py_ssize_t rows, Py_ssize_t columns):
    cdef Py_ssize_t[2] dims
    dims[0], dims[1] = rows, columns
    return new_tensor(kind, 2, dims)


cdef class Gradients:
    """Where the gradients that are wanted go; None: not wanted."""
    cdef Tensor x, w_ih, w_hh, b_ih, b_hh, h, c


cdef int product_of_rows(const Job* j, const char* a, Py_ssize_t a_row, Py_ssize_t m, Py_ssize_t source, Py_ssize_t gate,
                         Py_ssize_t gates, Tensor d) except -1:
    """The columns of `gates` gates in d get aT times blocks `source` … of dz."""
    cdef Py_ssize_t item = ITEMSIZE[j.kind]
    cdef Gemm p
    cdef int status
    p.kind, p.m, p.n, p.k = j.kind, m, gates * j.H, rows_until(j, j.end)
    p.a, p.a_row, p.a_col = a, 1, a_row
    p.b, p.b_row, p.b_col = j.dz + source * j.H * item, j.row, 1
    p.c, p.c_row = d.ptr + gate * j.H * item, j.gates * j.H
    p.bias, p.z, p.act, p.accumulate = NULL, NULL, -1, j.end < j.T
    with nogil:
        status = gemm(&p)
    if status < 0:
        raise MemoryError("recurrent: no memory to pack a matrix")
    return 0


cdef int add_weights(Job* j, Gradients d) except -1:
    """What the window adds to the gradients of weights and biases."""
    cdef Tensor ordered = None, past
    cdef const char* x
    cdef const char* h
    cdef bint inside = j.cell == GRU and j.variant
    if d.w_ih is not None:
        if j.place != NULL:
            ordered = room(j.kind, rows_until(j, j.end), j.F)
        x = gathered(j, j.begin, j.end, NULL if ordered is None else ordered.ptr)
        product_of_rows(j, x, j.F, j.F, 0, 0, j.gates, d.w_ih)
    if d.w_hh is not None:
        past = states_before(j)
        h = j.h if past is None else past.ptr
        product_of_rows(j, h, j.H, j.H, 0, 0, 2 if j.cell == GRU else j.gates, d.w_hh)
        if inside:
            product_of_rows(j, h, j.H, j.H, 3, 2, 1, d.w_hh)
        elif j.cell == GRU:     # the reset state, which the forward left behind the gates
            h = j.z + 3 * j.H * ITEMSIZE[j.kind]
            product_of_rows(j, h, j.row, j.H, 2, 2, 1, d.w_hh)
    add_sums(j, d.b_ih, False)
    add_sums(j, d.b_hh, inside)
    return 0


cdef Tensor states_before(const Job* j):
    """The states before each row of the window, where they do not lie so already."""
    cdef Py_ssize_t size = j.H * ITEMSIZE[j.kind], t, at
    cdef Tensor past
    if j.active[j.end - 1] == j.N:
        return None
    past = room(j.kind, rows_until(j, j.end), j.H)
    for t in range(j.begin, j.end):
        at = 0 if t == j.begin else j.N + rows_until(j, t - 1)
        memcpy(past.ptr + rows_until(j, t) * size, j.h + at * size, j.active[t] * size)
    return past


cdef int add_sums(const Job* j, Tensor d, bint inside) except -1:
    """The sums of the rows of dz, in parts; `inside`: the last gate's is that inside the reset gate."""
    cdef Py_ssize_t rows = rows_until(j, j.end), item = ITEMSIZE[j.kind], wide = j.gates * j.H, i, n, panel = PANEL
    cdef Py_ssize_t parts = (rows + SUMMED_ROWS - 1) // SUMMED_ROWS, split = 2 * j.H if inside else wide
    cdef const void* one = &one_f64 if j.kind == F64 else <const void*>&one_f32
    cdef Tensor sums
    cdef const char* dz
    if d is None:
        return 0
    sums = room(j.kind, max(parts, 1), wide)
    if parts == 0:
        memset(sums.ptr, 0, wide * item)
    for i in range(parts):
        n, dz = min(SUMMED_ROWS, rows - i * SUMMED_ROWS), j.dz + i * SUMMED_ROWS * j.row * item
        K[j.kind].gemm(1, split, n, one, 0, 0, dz, j.row, panel, sums.ptr + i * wide * item, wide, NULL, 0)
        if inside:
            K[j.kind].gemm(1, j.H, n, one, 0, 0, dz + 3 * j.H * item, j.row, panel,
                           sums.ptr + (i * wide + 2 * j.H) * item, wide, NULL, 0)
    K[j.kind].gemm(1, wide, max(parts, 1), one, 0, 0, sums.ptr, wide, panel, d.ptr, wide, NULL, j.end < j.T)
    return 0
