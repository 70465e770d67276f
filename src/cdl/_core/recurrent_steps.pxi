# The steps of recurrent.pyx: what is computed for one step of time, and for a window of them. Included there.

cdef enum:
    RNN = 0
    LSTM = 1
    GRU = 2

cdef enum:
    FEW_ROWS = 6            # so few sequences read the weights where they lie: packing them would cost as much as reading
    FEW_UNITS = 128         # units of a task then: eight vectors side by side read longer runs (see gemm_tile.h)
    SLICE_BYTES = 3 << 20   # of the gates of some steps: 3 MB were 3 % faster than 1 MB or less, beside an L2 of 2 MB


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
    char* panels                    # w_hh packed for the direction that is under way, or NULL …
    char* input_panels              # … and w_ih
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
    char* dx                        # like x; NULL: not wanted
    const char* rows                # of a slice: its first row of x …
    char* drows                     # … and of dx
    Py_ssize_t m                    # how many


cdef inline Py_ssize_t rows_until(const Job* j, Py_ssize_t t) noexcept nogil:
    return j.first[t] - j.first[j.begin]


cdef inline Py_ssize_t state_before(const Job* j) noexcept nogil:
    """The first row of the states before the step, in h and c."""
    return 0 if j.t == j.begin else j.N + rows_until(j, j.t - 1)


cdef void set_cell(const Job* j, cdl_cell* s, Py_ssize_t rows, Py_ssize_t unit, Py_ssize_t units) noexcept nogil:
    """The step's arrays from this unit on, as the kernels take them. Filled in place: a copy, of 144 bytes just written,
    took a microsecond."""
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
    cdef cdl_cell s
    cdef const char* past
    set_cell(j, &s, j.active[j.t], unit, min(j.block, j.H - unit))
    past = <const char*>s.h_prev - unit * item
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
    set_cell(j, &s, j.active[j.t], unit, units)
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


cdef inline Py_ssize_t slice_rows(const Job* j) noexcept nogil:
    return SLICE_BYTES // (j.row * ITEMSIZE[j.kind])


cdef Py_ssize_t slice_end(const Job* j, Py_ssize_t t) noexcept nogil:
    """How far from step t the gates fill SLICE_BYTES: one step at least."""
    cdef Py_ssize_t end = t + 1
    while end < j.end and j.first[end + 1] - j.first[t] <= slice_rows(j):
        end += 1
    return end


cdef void inputs_task(void* job, size_t task) noexcept nogil:
    """Some units of one gate in z, from the rows of x of a slice."""
    cdef Job* j = <Job*>job
    cdef Py_ssize_t gate = <Py_ssize_t>task // j.blocks, unit = <Py_ssize_t>task % j.blocks * PANEL, panel = PANEL
    cdef Py_ssize_t item = ITEMSIZE[j.kind], column = gate * j.H + unit
    K[j.kind].gemm(j.m, min(panel, j.H - unit), j.F, j.rows, j.F, 1, j.input_panels + <Py_ssize_t>task * PANEL * j.F * item,
                   PANEL, panel, j.z + (rows_until(j, j.t) * j.row + column) * item, j.row,
                   NULL if j.bias == NULL else j.bias + column * item, False)


cdef int slice_inputs(Job* j, Py_ssize_t end, char* room) noexcept nogil:
    """z of steps t … end - 1, as far as the inputs go. `room` takes their rows of x."""
    cdef Gemm p
    j.rows, j.m = gathered(j, j.t, end, room), j.first[end] - j.first[j.t]
    if j.panels != NULL:
        parallel_for(inputs_task, j, j.gates * j.blocks, threads_for(product_microseconds(j)))
        return 0
    p.kind, p.m, p.n, p.k = j.kind, j.m, j.gates * j.H, j.F
    p.a, p.a_row, p.a_col, p.b, p.b_row, p.b_col = j.rows, j.F, 1, j.w_ih, p.n, 1
    p.c, p.c_row = j.z + rows_until(j, j.t) * j.row * ITEMSIZE[j.kind], j.row
    p.bias, p.z, p.act, p.accumulate = j.bias, NULL, -1, False
    return gemm(&p)


cdef void dinputs_task(void* job, size_t task) noexcept nogil:
    """Some features of dx, for the rows of a slice."""
    cdef Job* j = <Job*>job
    cdef Py_ssize_t feature = <Py_ssize_t>task * PANEL, wide = j.gates * j.H, item = ITEMSIZE[j.kind], panel = PANEL
    K[j.kind].gemm(j.m, min(panel, j.F - feature), wide, j.dz + rows_until(j, j.t) * j.row * item, j.row, 1,
                   j.input_panels + feature * wide * item, PANEL, panel, j.drows + feature * item, j.F, NULL, False)


cdef int slice_dinputs(Job* j, Py_ssize_t end, char* room) noexcept nogil:
    """dx of the rows of steps t … end - 1."""
    cdef Py_ssize_t size = j.F * ITEMSIZE[j.kind], r
    cdef Gemm p
    cdef int status = 0
    j.m = j.first[end] - j.first[j.t]
    j.drows = room if j.place != NULL else j.dx + j.first[j.t] * size
    if j.panels != NULL:
        parallel_for(dinputs_task, j, (j.F + PANEL - 1) // PANEL, threads_for(product_microseconds(j)))
    else:
        p.kind, p.m, p.n, p.k = j.kind, j.m, j.F, j.gates * j.H
        p.a, p.a_row, p.a_col = j.dz + rows_until(j, j.t) * j.row * ITEMSIZE[j.kind], j.row, 1
        p.b, p.b_row, p.b_col, p.c, p.c_row = j.w_ih, 1, p.k, j.drows, j.F
        p.bias, p.z, p.act, p.accumulate = NULL, NULL, -1, False
        status = gemm(&p)
    if j.place != NULL:
        for r in range(j.m):
            memcpy(j.dx + j.place[j.first[j.t] + r] * size, room + r * size, size)
    return status


cdef double product_microseconds(const Job* j) noexcept nogil:
    return 2.0 * j.m * j.F * j.gates * j.H * ITEMSIZE[j.kind] / 4 * 0.6e-5


cdef int forward_window(Job* j, char* room) noexcept nogil:
    """Steps begin … end - 1: z from all inputs of some steps at once, then these steps. `room` takes their rows of x."""
    cdef int threads = threads_for(step_microseconds(j)), phase, phases = phases_of(j)
    cdef Py_ssize_t end = j.begin
    j.t = j.begin
    while j.t < j.end:
        if j.t == end:
            end = slice_end(j, j.t)
            if slice_inputs(j, end, room) < 0:
                return -1
        for phase in range(phases):
            run_phase(forward_task, j, phase, threads)
        keep_final(j)
        j.t += 1
    return 0


cdef int backward_window(Job* j, bint onward, char* room) noexcept nogil:
    """dz of steps end - 1 … begin, and of some steps at once dx; with `onward` dh and dc are then those of the states
    before the window. `room` takes rows of dx."""
    cdef int threads = threads_for(step_microseconds(j)), phase, phases = phases_of(j)
    cdef Py_ssize_t end = j.end
    j.t = j.end - 1
    while j.t >= j.begin:
        for phase in range(phases):
            run_phase(backward_task, j, phase, threads)
        if j.t == j.begin or j.first[end] - j.first[j.t - 1] > slice_rows(j):
            if j.dx != NULL and slice_dinputs(j, end, room) < 0:
                return -1
            end = j.t
        j.t -= 1
    if onward:
        j.t = j.begin
        run_phase(backward_task, j, 2, threads)
    return 0


cdef void pack_forward(Job* j) noexcept nogil:
    """A panel for each gate and block of units: its columns of w_hh, and of w_ih."""
    cdef Py_ssize_t item = ITEMSIZE[j.kind], gate
    for gate in range(j.gates):
        K[j.kind].gemm_pack(j.F, j.H, j.w_ih + gate * j.H * item, j.gates * j.H, 1,
                            j.input_panels + gate * j.blocks * PANEL * j.F * item, PANEL, j.F * PANEL)
        K[j.kind].gemm_pack(j.H, j.H, j.w_hh + gate * j.H * item, j.gates * j.H, 1,
                            j.panels + gate * j.blocks * PANEL * j.H * item, PANEL, j.H * PANEL)


cdef void pack_backward(Job* j) noexcept nogil:
    """A panel for each block of units: its rows of w_hh, transposed; for each block of features, those of w_ih."""
    cdef Py_ssize_t wide = j.gates * j.H
    if j.dx != NULL:
        K[j.kind].gemm_pack(wide, j.F, j.w_ih, 1, wide, j.input_panels, PANEL, wide * PANEL)
    K[j.kind].gemm_pack(wide, j.H, j.w_hh, 1, wide, j.panels, PANEL, wide * PANEL)
