"""Recurrent layers over whole sequences: RNN, LSTM and GRU, one direction of one layer as one op.

x is (N, T, F), the state (N, H); weights w_ih (F, G H) and w_hh (H, G H) hold G gates side by side, biases (G H) each.

    RNN    h' = act(x w_ih + b_ih + h w_hh + b_hh)
    LSTM   i, f, g, o = x w_ih + b_ih + h w_hh + b_hh,   c' = s(f) c + s(i) tanh(g),   h' = s(o) tanh(c')
    GRU    r, z = s(x w_ih + b_ih + h w_hh + b_hh)       (its first two blocks; n, the third:)
           n = tanh(x w_in + b_in + r (h w_hn + b_hn))   where the reset gate acts after the product, else
           n = tanh(x w_in + b_in + (r h) w_hn + b_hn),  h' = (1 - z) n + z h

Sequences are taken in the order of falling length, and the rows of all steps lie one step after the other, so that step
t is the first active[t] rows of a block: nothing beyond the end of a sequence is ever read. A product gives z, the gates
of some steps, from all their inputs; each step then adds h w_hh and applies its functions, block of units by block of
units while they are in the cache. With dz, the gradient of the gates before their functions, backward per step:

    dh = g + dz' w_hhT  (dz' of the next step),    dc' as kernels/recurrent.c says

and at the end, over the rows of all steps, dw_ih = xT dz, dw_hh = hT dz, db = sum of dz, dx = dz w_ihT.

With `recompute` the forward keeps only the states before every window of about sqrt(T) steps; the backward runs the
steps of a window again before it goes through them. Without, z is kept, and dz written over it: a second backward of a
retained graph computes z again.
"""
from libc.math cimport ceil, sqrt
from libc.stdint cimport int64_t
from libc.string cimport memcpy, memset

cimport cython

from cdl._core.cast cimport cast
from cdl._core.copy cimport contiguous
from cdl._core.gate cimport as_any, as_float, finish
from cdl._core.gemm cimport Gemm, gemm
from cdl._core.kernels cimport BINARY_ADD, K, cdl_cell
from cdl._core.tape cimport ONE_VALUE, give, record, recording
from cdl._core.tensor cimport (F64, I64, ITEMSIZE, READS_A, READS_B, READS_C, Node, Tensor, empty_like, fill_like,
                               new_tensor, shape_of, view_of)
from cdl._core.threads cimport parallel_for, task_t, threads_for

import numpy as np

cdef extern from "gemm.h" nogil:
    const Py_ssize_t PANEL "CDL_GEMM_PANEL"

include "recurrent_steps.pxi"
include "recurrent_weights.pxi"

cdef dict CELLS = {"rnn": RNN, "lstm": LSTM, "gru": GRU}
cdef Py_ssize_t[3] GATES = [1, 4, 3]


# --- the order of rows ------------------------------------------------------------------------------------------------
cdef Tensor plan_of(Job* j, object lengths, bint reverse, str who):
    """The int64 array in which `active`, `first`, `place` and `order` lie, and these."""
    cdef Py_ssize_t rows = j.N * j.T, t, n
    cdef bint ragged = lengths is not None, placed
    cdef Tensor plan
    cdef int64_t* place
    cdef int64_t* order
    cdef Py_ssize_t* active
    cdef Py_ssize_t* first
    if ragged:
        lengths = checked_lengths(lengths, j.N, j.T, who)
        rows = int(lengths.sum())
        ragged = rows < j.N * j.T
    placed = ragged or (j.N > 1 and j.T > 1) or (reverse and j.T > 1)
    plan = room(I64, 1, 2 * (j.T + 1) + (rows if placed else 0) + (j.N if ragged else 0))
    active = <Py_ssize_t*>plan.ptr
    first = active + j.T + 1
    place = <int64_t*>(first + j.T + 1)
    order = place + rows
    first[0] = 0
    for t in range(j.T):
        if not ragged:
            active[t] = j.N
            first[t + 1] = first[t] + j.N
        if placed and not ragged:
            for n in range(j.N):
                place[t * j.N + n] = n * j.T + (j.T - 1 - t if reverse else t)
    active[j.T] = 0
    if ragged:
        set_places(j, active, first, place, order, lengths, reverse)
    j.active, j.first = active, first
    j.place, j.order = place if placed else NULL, order if ragged else NULL
    return plan


cdef object checked_lengths(object lengths, Py_ssize_t N, Py_ssize_t T, str who):
    """Lengths as int64, each of 1 … T."""
    cdef object array = np.asarray(lengths)
    if array.dtype.kind not in "iu":
        raise TypeError(f"{who}: lengths must be integers, got dtype {array.dtype}")
    if array.shape != (N,):
        raise ValueError(f"{who}: lengths must have shape ({N},), one for each sequence of the batch, got {array.shape}")
    wrong = np.flatnonzero((array < 1) | (array > T))
    if wrong.size:
        raise ValueError(f"{who}: lengths must be 1 to {T}, the steps of x, got {array[wrong[0]]} (sequence {wrong[0]})")
    return array.astype(np.int64)


cdef int set_places(Job* j, Py_ssize_t* active, Py_ssize_t* first, int64_t* place, int64_t* order, object lengths,
                    bint reverse) except -1:
    """The same for sequences of different length: longest first, equals as they come."""
    cdef Tensor sorted_of = as_any(np.argsort(-lengths, kind="stable"), "lengths"), each = as_any(lengths, "lengths")
    cdef const int64_t* length = <const int64_t*>each.ptr
    cdef Py_ssize_t t, r, n = j.N
    memcpy(order, sorted_of.ptr, j.N * sizeof(int64_t))
    for t in range(j.T):
        while n > 0 and length[order[n - 1]] <= t:
            n -= 1
        active[t], first[t + 1] = n, first[t] + n
        for r in range(n):
            place[first[t] + r] = order[r] * j.T + (length[order[r]] - 1 - t if reverse else t)
    return 0


# --- forward ----------------------------------------------------------------------------------------------------------
cdef int expect(Tensor t, str who, str name, Py_ssize_t rows, Py_ssize_t columns, str why) except -1:
    """None or of shape (rows, columns), with rows -1 (columns,). Lean: four tuples are a tenth of a small step."""
    cdef int ndim = 1 if rows < 0 else 2
    if t is not None and (t.ndim != ndim or t.dims[ndim - 1] != columns or (ndim == 2 and t.dims[0] != rows)):
        wanted = f"({columns},)" if rows < 0 else f"({rows}, {columns})"
        raise ValueError(f"{who}: {name} must have shape {wanted}, {why}, got {shape_of(t)}")
    return 0


cdef int check(Job* j, str who, Tensor x, Tensor w_ih, Tensor w_hh, Tensor b_ih, Tensor b_hh, Tensor h, Tensor c) except -1:
    """Shapes; sets the sizes of the job."""
    cdef Py_ssize_t g = GATES[j.cell], wide
    if x.ndim not in (2, 3):
        raise ValueError(f"{who}: x must be (N, T, features), or (N, features) for one step, got shape {shape_of(x)}")
    if w_hh.ndim != 2 or w_hh.dims[0] == 0 or w_hh.dims[1] != g * w_hh.dims[0]:
        raise ValueError(f"{who}: w_hh must be (units, {'' if g == 1 else f'{g} '}units), got shape {shape_of(w_hh)}")
    j.N, j.T, j.F, j.H = x.dims[0], x.dims[1] if x.ndim == 3 else 1, x.dims[x.ndim - 1], w_hh.dims[0]
    if j.T == 0:
        raise ValueError(f"{who}: x must have one step or more, got shape {shape_of(x)}")
    wide = g * j.H
    if w_ih.ndim != 2 or w_ih.dims[1] != wide:
        raise ValueError(f"{who}: w_ih must be (features, {wide}), w_hh being {shape_of(w_hh)}, got shape {shape_of(w_ih)}")
    if j.F != w_ih.dims[0]:
        raise ValueError(f"{who}: expected {w_ih.dims[0]} features (w_ih is {shape_of(w_ih)}) in the last axis of x, got x of "
                         f"shape {shape_of(x)}")
    expect(b_ih, who, "b_ih", -1, wide, "a value for each column of w_ih")
    expect(b_hh, who, "b_hh", -1, wide, "a value for each column of w_hh")
    expect(h, who, "the state h", j.N, j.H, "(sequences, units)")
    expect(c, who, "the state c", j.N, j.H, "(sequences, units)")
    j.gates = g
    # 16 elements more: rows that are whole pages apart would share a few sets of the cache.
    j.row = (4 if j.cell == GRU else g) * j.H + 16
    j.block = PANEL if j.N > FEW_ROWS else FEW_UNITS
    j.blocks = (j.H + j.block - 1) // j.block
    return 0


cdef Tensor bias_of(Job* j, Tensor b_ih, Tensor b_hh):
    """What the product of the inputs starts with, and behind it what is inside GRU's reset gate."""
    cdef Py_ssize_t item = ITEMSIZE[j.kind], wide = j.gates * j.H, outside = wide
    cdef Tensor bias
    if b_ih is None and b_hh is None and not (j.cell == GRU and j.variant):
        return None
    bias = room(j.kind, 1, wide + j.H)
    memset(bias.ptr, 0, bias.size * item)
    if b_ih is not None:
        memcpy(bias.ptr, contiguous(b_ih).ptr, wide * item)
    if b_hh is not None:
        b_hh = contiguous(b_hh)
        if j.cell == GRU and j.variant:
            outside = 2 * j.H
            memcpy(bias.ptr + wide * item, b_hh.ptr + outside * item, j.H * item)
        K[j.kind].binary_forward[BINARY_ADD](bias.ptr, b_hh.ptr, bias.ptr, outside, 1, 1)
    return bias


cdef Py_ssize_t window_of(Job* j, bint recorded, bint recompute) noexcept:
    """How many steps are gone through with their gates kept."""
    cdef Py_ssize_t few = max(SLICE_BYTES // (max(j.N, 1) * j.row * ITEMSIZE[j.kind]), 1)
    if recorded and not recompute:
        return j.T
    return min(max(few, <Py_ssize_t>ceil(sqrt(<double>j.T)) if recompute else 1), j.T)


@cython.final
@cython.freelist(8)
cdef class Kept:
    """The memory that forward and backward share."""
    cdef Job job
    cdef Tensor plan, x, w_ih, w_hh, bias, z, h, c, starts, panels
    cdef Py_ssize_t window
    cdef bint spent         # a backward has written dz over z: another one computes z again

    cdef int make_rooms(self, bint starts) except -1:
        """For one window; with `starts` also for the states before each."""
        cdef Job* j = &self.job
        cdef Py_ssize_t most = 0, t, states = 2 if j.cell == LSTM else 1
        for t in range(0, j.T, self.window):
            most = max(most, j.first[min(t + self.window, j.T)] - j.first[t])
        self.z = room(j.kind, most, j.row)
        self.h = room(j.kind, j.N + most, j.H)
        self.c = room(j.kind, j.N + most, j.H) if j.cell == LSTM else None
        if starts:
            self.starts = room(j.kind, (j.T + self.window - 1) // self.window * states * j.N, j.H)
        j.z, j.h, j.c = self.z.ptr, self.h.ptr, NULL if self.c is None else self.c.ptr
        return 0

    cdef Tensor room_for_x(self):
        """Where the rows of x of a slice are put in order."""
        cdef Job* j = &self.job
        return None if j.place == NULL else room(j.kind, min(max(slice_rows(j), j.N), j.first[j.T]), j.F)

    cdef char* start(self, Py_ssize_t t, int which) noexcept:
        """Where the states before the window that begins at t are kept: h (0) or c (1)."""
        cdef Py_ssize_t states = 2 if self.job.cell == LSTM else 1
        return self.starts.ptr + (t // self.window * states + which) * self.job.N * self.job.H * ITEMSIZE[self.job.kind]


cdef void put_state(const Job* j, Tensor given, char* target, bint back) noexcept:
    """Rows in the order of the sequences into rows in the order of length, or `back`; None is zero."""
    cdef Py_ssize_t size = j.H * ITEMSIZE[j.kind], r
    if given is None:
        memset(target, 0, j.N * size)
    elif j.order == NULL:
        memcpy(given.ptr if back else target, target if back else given.ptr, j.N * size)
    else:
        for r in range(j.N):
            if back:
                memcpy(given.ptr + j.order[r] * size, target + r * size, size)
            else:
                memcpy(target + r * size, given.ptr + j.order[r] * size, size)


cdef void carry(Job* j) noexcept:
    """The states after the window become those before the next."""
    cdef Py_ssize_t size = j.H * ITEMSIZE[j.kind], last = (j.N + rows_until(j, j.end - 1)) * size
    memcpy(j.h, j.h + last, j.active[j.end] * size)
    if j.c != NULL:
        memcpy(j.c, j.c + last, j.active[j.end] * size)


cdef Tensor room_for_panels(Job* j):
    """Where both weights are packed: of every gate, or transposed."""
    cdef Py_ssize_t columns = (j.F + PANEL - 1) // PANEL * PANEL
    cdef Tensor panels
    j.panels = j.input_panels = NULL
    if j.N <= FEW_ROWS:
        return None
    panels = room(j.kind, j.gates, j.blocks * PANEL * j.H + max(j.blocks * PANEL * j.F, columns * j.H))
    j.panels = panels.ptr
    j.input_panels = panels.ptr + j.gates * j.blocks * PANEL * j.H * ITEMSIZE[j.kind]
    return panels


cdef int run_forward(Kept kept) except -1:
    """All windows of the forward, from the states that stand at the start of h and c."""
    cdef Job* j = &kept.job
    cdef Py_ssize_t size = j.N * j.H * ITEMSIZE[j.kind]
    cdef Tensor ordered = kept.room_for_x()
    cdef char* ordered_ptr = NULL if ordered is None else ordered.ptr
    cdef int status
    kept.panels = room_for_panels(j)
    j.begin = 0
    while j.begin < j.T:
        j.end = min(j.begin + kept.window, j.T)
        if kept.starts is not None:
            memcpy(kept.start(j.begin, 0), j.h, size)
            if j.c != NULL:
                memcpy(kept.start(j.begin, 1), j.c, size)
        with nogil:
            if j.begin == 0 and j.panels != NULL:
                pack_forward(j)
            status = forward_window(j, ordered_ptr)
        if status < 0:
            raise MemoryError("recurrent: no memory to pack a matrix")
        if j.end < j.T:
            carry(j)
        j.begin = j.end
    kept.panels, j.panels, j.input_panels = None, NULL, NULL
    return 0


cdef tuple apply(Kept kept, Tensor x, Tensor w_ih, Tensor w_hh, Tensor b_ih, Tensor b_hh, Tensor h, Tensor c, object lengths,
                 bint reverse, bint recompute, str who):
    """y, h_n and c_n (or None)."""
    cdef Job* j = &kept.job
    cdef Tensor y, h_n, c_n = None, t
    cdef RecurrentNode node
    cdef bint recorded = False
    cdef Py_ssize_t[3] dims
    cdef tuple inputs = (x, w_ih, w_hh, b_ih, b_hh, h, c)
    if lengths is not None and x.ndim == 2:
        raise ValueError(f"{who}: lengths are for sequences (N, T, features), got x of shape {shape_of(x)}")
    check(j, who, x, w_ih, w_hh, b_ih, b_hh, h, c)
    for t in inputs:
        recorded = recorded or (t is not None and recording(t))
    kept.plan = plan_of(j, lengths, reverse, who)
    kept.x, kept.w_ih, kept.w_hh = contiguous(x), contiguous(w_ih), contiguous(w_hh)
    kept.bias = bias_of(j, b_ih, b_hh)
    kept.window = window_of(j, recorded, recompute)
    kept.make_rooms(recorded and recompute)
    dims[0], dims[1], dims[x.ndim - 1] = j.N, j.T, j.H
    y = new_tensor(j.kind, x.ndim, dims)
    h_n = room(j.kind, j.N, j.H)
    put_state(j, None if h is None else contiguous(h), j.h, False)
    if j.cell == LSTM:
        c_n = room(j.kind, j.N, j.H)
        put_state(j, None if c is None else contiguous(c), j.c, False)
    j.x, j.w_ih, j.w_hh = kept.x.ptr, kept.w_ih.ptr, kept.w_hh.ptr
    if kept.bias is not None:
        j.bias, j.bias_q = kept.bias.ptr, kept.bias.ptr + j.gates * j.H * ITEMSIZE[j.kind]
    j.y, j.h_n, j.c_n = y.ptr, h_n.ptr, NULL if c_n is None else c_n.ptr
    if j.order != NULL:
        memset(y.ptr, 0, y.size * ITEMSIZE[j.kind])     # beyond the ends
    run_forward(kept)
    if recorded:
        node = RecurrentNode.__new__(RecurrentNode)
        node.kept = kept
        if kept.starts is not None:
            kept.z = kept.h = kept.c = None
        record(y, node, READS_A | READS_B | READS_C | ONE_VALUE, x, w_ih, w_hh, (b_ih, b_hh, h, c))
        record_state(h_n, y, False)
        if c_n is not None:
            record_state(c_n, y, True)
    return y, h_n, c_n


# --- backward ---------------------------------------------------------------------------------------------------------
cdef int record_state(Tensor state, Tensor y, bint is_c) except -1:
    cdef StateNode node = StateNode.__new__(StateNode)
    node.is_c = is_c
    return record(state, node, 0, y)


@cython.final
@cython.no_gc
cdef class StateNode(Node):
    """h_n or c_n: leaves its gradient with the node of y, which is told to run by a gradient of zero."""
    cdef bint is_c

    cdef int backward(self, Tensor state, Tensor g) except -1:
        cdef Tensor y = self.a
        cdef RecurrentNode whole = <RecurrentNode>y.node
        if whole.states_of != whole.run:
            whole.dh_n = whole.dc_n = None
            whole.states_of = whole.run
        if self.is_c:
            whole.dc_n = contiguous(g)
        else:
            whole.dh_n = contiguous(g)
        if y.gradient is None:
            whole.nothing = zero_like(y)
            return give(y, whole.nothing, False)
        return 0


cdef Tensor zero_like(Tensor y):
    """Zero in y's shape, one element in memory."""
    cdef Py_ssize_t one = 1
    cdef Py_ssize_t[3] steps
    cdef Tensor zero = fill_like(new_tensor(y.kind, 1, &one), 0)
    steps[0] = steps[1] = steps[2] = 0
    return view_of(zero, zero.ptr, y.ndim, y.dims, steps)


@cython.final
@cython.no_gc
cdef class RecurrentNode(Node):
    cdef Kept kept
    cdef Tensor dh_n, dc_n, nothing
    cdef long long states_of            # the backward in which dh_n and dc_n arrived

    cdef int backward(self, Tensor y, Tensor g) except -1:
        cdef Job job = self.kept.job
        cdef Gradients d = Gradients.__new__(Gradients)
        cdef Tensor dh = room(y.kind, job.N, job.H), dc = None, reset = None
        cdef bint states = self.states_of == self.run
        g = None if states and g is self.nothing else contiguous(g)
        put_state(&job, self.dh_n if states else None, dh.ptr, False)
        if job.cell == LSTM:
            dc = room(y.kind, job.N, job.H)
            put_state(&job, self.dc_n if states else None, dc.ptr, False)
        if phases_of(&job) > 1:
            reset = room(y.kind, job.N, job.H)
        self.dh_n = self.dc_n = self.nothing = None
        job.g, job.dh = NULL if g is None else g.ptr, dh.ptr
        job.dc, job.reset = NULL if dc is None else dc.ptr, NULL if reset is None else reset.ptr
        job.y = job.h_n = job.c_n = NULL
        self.wanted(d)
        run_backward(self.kept, &job, d)
        put_back(&job, d.h, dh)
        put_back(&job, d.c, dc)
        give_all((self.a, self.b, self.c, *self.more), (d.x, d.w_ih, d.w_hh, d.b_ih, d.b_hh, d.h, d.c))
        return 0

    cdef int wanted(self, Gradients d) except -1:
        d.x, d.w_ih, d.w_hh = like(self.a), like(self.b), like(self.c)
        d.b_ih, d.b_hh, d.h, d.c = like(self.more[0]), like(self.more[1]), like(self.more[2]), like(self.more[3])
        return 0

    cdef void release(self):
        self.kept = None
        self.dh_n = self.dc_n = self.nothing = None
        Node.release(self)


cdef Tensor like(Tensor t):
    return None if t is None or not t.needs_grad else empty_like(t)


cdef int put_back(const Job* j, Tensor d, Tensor ordered) except -1:
    if d is not None:
        put_state(j, d, ordered.ptr, True)
    return 0


cdef int give_all(tuple inputs, tuple gradients) except -1:
    for t, d in zip(inputs, gradients):
        if d is not None:
            give(<Tensor>t, <Tensor>d, True)
    return 0


cdef int run_backward(Kept kept, Job* j, Gradients d) except -1:
    """The windows from the last to the first, and after each what it adds to the gradients."""
    cdef Tensor ordered = kept.room_for_x()
    cdef Py_ssize_t size = j.N * j.H * ITEMSIZE[j.kind]
    cdef bint windows = kept.starts is not None, again = windows or kept.spent, onward
    cdef char* ordered_ptr = NULL if ordered is None else ordered.ptr
    cdef int status = 0
    kept.panels = room_for_panels(j)
    if d.x is not None:
        j.dx = d.x.ptr
        if j.order != NULL:     # beyond the ends it is zero
            memset(j.dx, 0, d.x.size * ITEMSIZE[j.kind])
    if windows:
        kept.make_rooms(False)
        j.z, j.h, j.c = kept.job.z, kept.job.h, kept.job.c
    j.dz, kept.spent = j.z, True        # a line that is written where it was read need not be fetched: 52 MB for 6,400 rows
    j.begin = (j.T - 1) // kept.window * kept.window
    while j.begin >= 0:
        j.end = min(j.begin + kept.window, j.T)
        onward = j.begin > 0 or d.h is not None
        if windows:
            memcpy(j.h, kept.start(j.begin, 0), size)
            if j.c != NULL:
                memcpy(j.c, kept.start(j.begin, 1), size)
        with nogil:
            if again:
                if j.panels != NULL:
                    pack_forward(j)
                status = forward_window(j, ordered_ptr)
            if j.panels != NULL and (again or j.end == j.T):
                pack_backward(j)
            if status == 0:
                status = backward_window(j, onward, ordered_ptr)
        if status < 0:
            raise MemoryError("recurrent: no memory to pack a matrix")
        add_weights(j, d)
        j.begin -= kept.window
    kept.panels = None
    if windows:
        kept.z = kept.h = kept.c = None
    return 0


cdef inline Tensor optional(object t, str who):
    return None if t is None else as_float(t, who)


def recurrent(str who, x, w_ih, w_hh, b_ih, b_hh, h, c, lengths, bint reverse, bint variant, bint recompute):
    """(y, h_n, c_n) of the cell `who` ("rnn", "lstm", "gru"); see `cdl.ops.lstm`. variant: as in kernels.h."""
    cdef list given = [x, w_ih, w_hh, b_ih, b_hh, h, c]
    cdef list tensors = []
    cdef bint as_tensor = False
    cdef int kind = 0, i
    cdef Kept kept = Kept.__new__(Kept)
    for i in range(7):
        as_tensor = as_tensor or type(given[i]) is Tensor
        t = as_float(given[i], who) if i < 3 else optional(given[i], who)
        tensors.append(t)
        if t is not None:
            kind = max(kind, (<Tensor>t).kind)
    for i in range(7):
        if tensors[i] is not None:
            tensors[i] = cast(tensors[i], kind)
    kept.job.kind, kept.job.cell, kept.job.variant = kind, CELLS[who], variant
    y, h_n, c_n = apply(kept, tensors[0], tensors[1], tensors[2], tensors[3], tensors[4], tensors[5], tensors[6], lengths,
                        reverse, recompute, who)
    return finish(y, as_tensor), finish(h_n, as_tensor), None if c_n is None else finish(c_n, as_tensor)
