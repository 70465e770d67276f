# The steps of recurrent.pyx: what is computed for one step of time, and for a window of them. Included there.

cdef enum:
    RNN = 0
    LSTM = 1
    GRU = 2

cdef enum:
    FEW_ROWS = 6            # so few sequences read the weights where they lie: packing them would cost as much as reading
    FEW_UNITS = 128         # units of a task then: eight vectors side by side read longer runs (see gemm_tile.h)
    SLICE_BYTES = 1 << 20   # of the gates of some steps, half of an L2: still there when the steps come to them


cdef struct Job:
    int kind, cell, variant
    Py_ssize_t N, T, F, H
    Py_ssize_t gates                # blocks of H columns in the weights: 1, 4 (i, f, g, o), 3 (r, z, n)
    Py_ssize_t row                  # from one row of `z` to the next: a block for each gate, GRU has a fourth
    Py_ssize_t block, blocks        # units of a task, tasks
    const Py_ssize_t* active        # (T + 1): the sequences that go on at step t, which are the first of their order; 0
    const Py_ssize_t* first         # (T + 1): the first row of step t, where the rows of all steps follow one another
    const int64_t* place            # (rows): the row of x (N T, F) and of y that each of them is; NULL: the same
    const int64_t* order            # (N): which sequence is the first, second …; NULL: as they come
    const char* x
    const char* w_ih
    const char* w_hh
    const char* bias                # (gates H), of both products; NULL: none
    const char* bias_q              # (H): the one inside the reset gate of GRU
    char* panels                    # w_hh packed for the direction that is under way, or NULL
    Py_ssize_t begin, end           # the steps of the window
    char* z                         # gates of the window's rows, before and then after their functions
    char* h                         # states: N rows before the window, then its rows
    char* c
    char* y
    char* h_n
    char* c_n
    Py_ssize_t t                    # the step
    int phase
    const char* g                   # of y; NULL: zero
    char* dz                        # like z, may be z
    char* dh                        # (N, H): of the state after step t, then of the one before
    char* dc
    char* reset                     # (N, H)


cdef inline Py_ssize_t rows_until(const Job* j, Py_ssize_t t) noexcept nogil:
    return j.first[t] - j.first[j.begin]


cdef inline Py_ssize_t state_before(const Job* j) noexcept nogil:
    """The first row of the states before the step, in h and c."""
    return 0 if j.t == j.begin else j.N + rows_until(j, j.t - 1)


cdef cdl_cell cell_of(const Job* j, Py_ssize_t rows, Py_ssize_t unit, Py_ssize_t units) noexcept nogil:
    """The step's arrays from this unit on, as the kernels take them."""
    cdef cdl_cell s
    cdef Py_ssize_t item = ITEMSIZE[j.kind], at = unit * item, before = state_before(j) * j.H * item + at
    cdef Py_ssize_t after = (j.N + rows_until(j, j.t)) * j.H * item + at, z = rows_until(j, j.t) * j.row * item + at
    cdef Py_ssize_t out = at if j.place != NULL else j.first[j.t] * j.H * item + at
    s.rows, s.units, s.row, s.gate, s.width, s.variant = rows, units, j.row, j.H, j.H, j.variant
    s.gates, s.dgates = j.z + z, NULL if j.dz == NULL else j.dz + z
    s.h_prev, s.h = j.h + before, j.h + after
    s.c_prev, s.c = NULL if j.c == NULL else j.c + before, NULL if j.c == NULL else j.c + after
    s.place = NULL if j.place == NULL else j.place + j.first[j.t]
    s.y, s.g = NULL if j.y == NULL else j.y + out, NULL if j.g == NULL else j.g + out
    s.dh, s.dc = NULL if j.dh == NULL else j.dh + at, NULL if j.dc == NULL else j.dc + at
    s.reset = NULL if j.reset == NULL else j.reset + at
    return s


cdef void hidden(const Job* j, const cdl_cell* s, Py_ssize_t unit, Py_ssize_t gate, const char* a, Py_ssize_t a_row,
                 Py_ssize_t target, const char* bias) noexcept nogil:
    """Block `target` of z, plus a times this gate's columns of w_hh; with a bias, that plus the product alone."""
    cdef Py_ssize_t item = ITEMSIZE[j.kind], wide = j.gates * j.H, panel = PANEL
    cdef const char* w = j.w_hh + (gate * j.H + unit) * item
    if j.panels != NULL:
        w, wide = j.panels + (gate * j.blocks * PANEL + unit) * j.H * item, PANEL
    K[j.kind].gemm(s.rows, s.units, j.H, a, a_row, 1, w, wide, panel, <char*>s.gates + target * j.H * item, j.row, bias,
                   bias == NULL)


cdef void forward_task(void* job, size_t task) noexcept nogil:
    """One step of some units."""
    cdef Job* j = <Job*>job
    cdef Py_ssize_t unit = <Py_ssize_t>task * j.block, item = ITEMSIZE[j.kind], gate
    cdef cdl_cell s = cell_of(j, j.active[j.t], unit, min(j.block, j.H - unit))
    cdef const char* past = <const char*>s.h_prev - unit * item
    if j.cell == LSTM:
        for gate in range(4):
            hidden(j, &s, unit, gate, past, j.H, gate, NULL)
        K[j.kind].lstm_forward(&s)
    elif j.cell == RNN:
        hidden(j, &s, unit, 0, past, j.H, 0, NULL)
        K[j.kind].rnn_forward(&s)
    elif j.phase == 1:
        hidden(j, &s, unit, 2, <char*>s.gates + (3 * j.H - unit) * item, j.row, 2, NULL)
        K[j.kind].gru_forward(&s)
    else:
        hidden(j, &s, unit, 0, past, j.H, 0, NULL)
        hidden(j, &s, unit, 1, past, j.H, 1, NULL)
        if j.variant:
            hidden(j, &s, unit, 2, past, j.H, 3, j.bias_q + unit * item)
            K[j.kind].gru_forward(&s)
        else:
            K[j.kind].gru_reset(&s)


cdef void hidden_backward(const Job* j, Py_ssize_t t, Py_ssize_t unit, Py_ssize_t units, Py_ssize_t source, Py_ssize_t gate,
                          Py_ssize_t gates, char* target, bint accumulate) noexcept nogil:
    """target (+)= blocks `source` … of the dz of step t times the transposed columns of `gates` gates of w_hh."""
    cdef Py_ssize_t item = ITEMSIZE[j.kind], wide = j.gates * j.H, k = gates * j.H, panel = PANEL
    cdef const char* a = j.dz + (rows_until(j, t) * j.row + source * j.H) * item
    if j.panels != NULL:
        K[j.kind].gemm(j.active[t], units, k, a, j.row, 1, j.panels + (unit * wide + gate * j.H * PANEL) * item, PANEL, panel,
                       target + unit * item, j.H, NULL, accumulate)
    else:
        K[j.kind].gemm_dot(j.active[t], units, k, a, j.row, j.w_hh + (unit * wide + gate * j.H) * item, wide,
                           target + unit * item, j.H, NULL, accumulate)


cdef void into_state(const Job* j, Py_ssize_t t, Py_ssize_t unit, Py_ssize_t units) noexcept nogil:
    """dh, which is of the state before step t, from the dz of that step."""
    if j.cell != GRU:
        hidden_backward(j, t, unit, units, 0, 0, j.gates, j.dh, False)
        return
    hidden_backward(j, t, unit, units, 0, 0, 2, j.dh, True)
    if j.variant:
        hidden_backward(j, t, unit, units, 3, 2, 1, j.dh, True)


cdef void backward_task(void* job, size_t task) noexcept nogil:
    """dz of one step for some units, after what the next step passes on to its state. Phase 2: only that of step t."""
    cdef Job* j = <Job*>job
    cdef Py_ssize_t unit = <Py_ssize_t>task * j.block, units = min(j.block, j.H - unit)
    cdef cdl_cell s
    if j.phase == 2:
        into_state(j, j.t, unit, units)
        return
    s = cell_of(j, j.active[j.t], unit, units)
    if j.phase == 1:
        hidden_backward(j, j.t, unit, units, 2, 2, 1, j.reset, False)
        K[j.kind].gru_reset_backward(&s)
        return
    if j.t + 1 < j.end:
        into_state(j, j.t + 1, unit, units)
    if j.cell == LSTM:
        K[j.kind].lstm_backward(&s)
    elif j.cell == RNN:
        K[j.kind].rnn_backward(&s)
    else:
        K[j.kind].gru_backward(&s)


cdef double step_microseconds(const Job* j) noexcept nogil:
    # 200 flops a nanosecond, or reading the weights from L2 at 80 bytes; and the gates
    cdef double w = <double>j.gates * j.H * j.H * ITEMSIZE[j.kind]
    return max(w * j.N * 0.25e-5, w * 1.2e-5) + j.N * j.H * 0.001


cdef void run_phase(task_t task, Job* j, int phase, int threads) noexcept nogil:
    j.phase = phase
    parallel_for(task, j, j.blocks, threads)


cdef inline int phases_of(const Job* j) noexcept nogil:
    """Where the reset gate acts before the product, that waits for all units of the gate."""
    return 2 if j.cell == GRU and not j.variant else 1


cdef void keep_final(const Job* j) noexcept nogil:
    """States of the sequences that end with this step."""
    cdef Py_ssize_t r, size = j.H * ITEMSIZE[j.kind], after = (j.N + rows_until(j, j.t)) * size, n
    if j.h_n == NULL:
        return
    for r in range(j.active[j.t + 1], j.active[j.t]):
        n = r if j.order == NULL else j.order[r]
        memcpy(j.h_n + n * size, j.h + after + r * size, size)
        if j.c != NULL:
            memcpy(j.c_n + n * size, j.c + after + r * size, size)


cdef const char* gathered(const Job* j, Py_ssize_t begin, Py_ssize_t end, char* room) noexcept nogil:
    """The rows of x of steps begin … end - 1, in their order; where they lie so already, there."""
    cdef Py_ssize_t rows = j.first[end] - j.first[begin]
    if j.place == NULL:
        return j.x + j.first[begin] * j.F * ITEMSIZE[j.kind]
    K[j.kind].gather_rows(j.x, j.place + j.first[begin], room, rows, j.F)
    return room


cdef Py_ssize_t slice_end(const Job* j, Py_ssize_t t) noexcept nogil:
    """How far from step t the gates fill SLICE_BYTES: one step at least."""
    cdef Py_ssize_t end = t + 1, most = SLICE_BYTES // (j.row * ITEMSIZE[j.kind])
    while end < j.end and j.first[end + 1] - j.first[t] <= most:
        end += 1
    return end


cdef int forward_window(Job* j, char* room) noexcept nogil:
    """Steps begin … end - 1: z from all inputs of some steps at once, then these steps. `room` takes their rows of x."""
    cdef int threads = threads_for(step_microseconds(j)), phase, phases = phases_of(j)
    cdef Py_ssize_t end = j.begin
    cdef Gemm product
    product.kind, product.n, product.k = j.kind, j.gates * j.H, j.F
    product.a_row, product.a_col, product.b, product.b_row, product.b_col = j.F, 1, j.w_ih, product.n, 1
    product.c_row, product.bias, product.z, product.act, product.accumulate = j.row, j.bias, NULL, -1, False
    j.t = j.begin
    while j.t < j.end:
        if j.t == end:
            end = slice_end(j, j.t)
            product.m = j.first[end] - j.first[j.t]
            product.a = gathered(j, j.t, end, room)
            product.c = j.z + rows_until(j, j.t) * j.row * ITEMSIZE[j.kind]
            if gemm(&product) < 0:
                return -1
        for phase in range(phases):
            run_phase(forward_task, j, phase, threads)
        keep_final(j)
        j.t += 1
    return 0


cdef void backward_window(Job* j, bint onward) noexcept nogil:
    """dz of steps end - 1 … begin; with `onward` dh and dc are then those of the states before the window."""
    cdef int threads = threads_for(step_microseconds(j)), phase, phases = phases_of(j)
    j.t = j.end - 1
    while j.t >= j.begin:
        for phase in range(phases):
            run_phase(backward_task, j, phase, threads)
        j.t -= 1
    if onward:
        j.t = j.begin
        run_phase(backward_task, j, 2, threads)


cdef void pack_forward(Job* j) noexcept nogil:
    """A panel for each gate and block of units: its columns of w_hh."""
    cdef Py_ssize_t item = ITEMSIZE[j.kind], gate
    for gate in range(j.gates):
        K[j.kind].gemm_pack(j.H, j.H, j.w_hh + gate * j.H * item, j.gates * j.H, 1,
                            j.panels + gate * j.blocks * PANEL * j.H * item, PANEL, j.H * PANEL)


cdef void pack_backward(Job* j) noexcept nogil:
    """A panel for each block of units: its rows of w_hh, transposed."""
    cdef Py_ssize_t wide = j.gates * j.H
    K[j.kind].gemm_pack(wide, j.H, j.w_hh, 1, wide, j.panels, PANEL, wide * PANEL)
