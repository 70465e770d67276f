"""Optimizer updates: one call changes all parameters, each in one pass over it, its gradient and its state.

`Fused` holds the parameters, in groups that share their options, and their state; a rule (Adam, gradient descent, …) is
which kernel updates an array, with which numbers. The update of an element depends on nothing else, so the parameters
are laid end to end, and equal chunks of that line are the tasks of one parallel region, whatever the parameters' sizes.
"""
from libc.math cimport INFINITY, isfinite, pow, sqrt
from libc.stdlib cimport free, qsort, realloc
from libc.string cimport memset

from cdl._core.copy cimport assign, contiguous, copy_of
from cdl._core.gate cimport as_any, as_float
from cdl._core.kernels cimport BINARY_MULTIPLY, K, cdl_update, update_t
from cdl._core.memory cimport pool_alloc, pool_free
from cdl._core.reduce cimport SQUARES
from cdl._core.tensor cimport F32, F64, ITEMSIZE, Tensor, fill_like, new_tensor, root_of, same_dims, shape_of, view_of
from cdl._core.threads cimport run_tasks

import numpy as np

from cdl._core.check import number

include "optim_pass.pxi"
include "optim_group.pxi"
include "optim_after.pxi"

cdef class Fused:
    """The parameters of an optimizer in their groups, their state, and the pass over them.

    rule: which of RULES. options: the default of every option. variant: as in Settings. start: what state arrays are filled
    with at first.
    """
    cdef list _params                   # of all groups, one after the other: Tensors, or the caller's own arrays
    cdef list _state                    # per parameter a list of SLOTS Tensors, None before they are needed
    cdef list _groups
    cdef bint tensors                   # no arrays among the parameters
    cdef bint busy                      # an update is under way
    cdef Settings settings
    cdef double start, most_norm
    cdef str name
    cdef readonly tuple slots           # the names of the state arrays
    cdef dict defaults
    cdef Line line
    cdef list gapped                    # of the update under way: parameters with gaps, and the dense copies worked on

    def __cinit__(self, *args, **options):
        self.settings, self.line = Settings(), Line()

    def __init__(self, params, rule=None, dict options=None, *, bint variant=False, double start=0.0, clip_norm=None,
                 clip_value=None):
        self.refuse_if_busy()
        self.name, self.settings, self.line = type(self).__name__, Settings(), Line()
        if isinstance(params, (Tensor, np.ndarray, dict)):
            raise TypeError(f"{self.name}: expected a list of parameters or of groups, got one "
                            f"{'group' if isinstance(params, dict) else 'array'}; write [x]")
        if not isinstance(rule, str) or rule not in RULES or options is None:
            raise TypeError(f"{self.name}: has no rule of its own; make one of cdl.Adam, cdl.AdamW, cdl.SGD, cdl.Momentum, "
                            "cdl.RMSprop, cdl.Adagrad")
        self.settings.rule, own, self.slots = RULES[rule]
        self.settings.options = ("lr", "weight_decay", "decoupled", *own)
        self.settings.name, self.settings.variant, self.defaults, self.start = self.name, variant, options, start
        if clip_norm is not None and clip_value is not None:
            raise ValueError(f"{self.name}: clip by clip_norm or by clip_value, not by both")
        self.most_norm = INFINITY if clip_norm is None else checked_bound(self.name, "clip_norm", clip_norm)
        self.settings.limit = INFINITY if clip_value is None else checked_bound(self.name, "clip_value", clip_value)
        self._params, self._state, self._groups, self.tensors = [], [], [], True
        if not hasattr(params, "__iter__"):
            raise TypeError(f"{self.name}: expected a list of parameters or of groups, got {type(params).__name__}")
        params = list(params)
        if any([isinstance(item, dict) for item in params]):
            if not all([isinstance(item, dict) for item in params]):
                raise TypeError(f"{self.name}: expected parameters or groups (dicts), got both in one list")
            for group in params:
                self.add_group(group)
        else:
            self.add_group({"params": params})

    def add_group(self, dict group):
        """Add parameters with options of their own.

        Parameters
        ----------
        group : dict
            "params", a list, and any of the optimizer's options; those left out are as for the optimizer.

        Raises
        ------
        ValueError
            For a parameter the optimizer has already, unknown options, or numbers out of their range. Nothing is added.
        TypeError
            For parameters that are not floats.
        """
        cdef Group new = Group.__new__(Group)
        self.refuse_if_busy()
        if isinstance(group.get("params"), (Tensor, np.ndarray)) or not hasattr(group.get("params"), "__iter__"):
            raise TypeError(f"{self.name}: a group needs a list of its parameters under 'params'")
        params = list(group["params"])
        new.settings, new._params = self.settings, params
        new.first, new.last = len(self._params), len(self._params) + len(params)
        for name, value in {**self.defaults, **group}.items():
            if name != "params":
                new[name] = value
        tensors = self.tensors
        for p in params:
            if not isinstance(p, (Tensor, np.ndarray)):
                raise TypeError(f"{self.name}: a parameter must be a Tensor or an array, got {type(p).__name__}; of a model "
                                "or layer pass its parameters()")
            if type(p) is not Tensor:
                tensors = False
            elif not p.is_leaf:
                raise ValueError(f"{self.name}: a parameter of shape {p.shape} was made by a recorded op; pass what it "
                                 "was computed from, or its detach()")
            if as_any(p, self.name).kind > F64:
                raise TypeError(f"{self.name}: parameters must be float32 or float64, got {p.dtype}")
        refuse_twice(self._params + params, self.name)
        self.line.append(len(params))
        self._params += params
        self._state += [[None] * SLOTS for _ in params]
        self._groups.append(new)
        self.tensors = tensors

    def __reduce__(self):
        who = type(self).__name__
        raise TypeError(f"{who}: an optimizer is not copied or pickled, for it belongs to its parameters; make one for the "
                        "copies, and give it this one's state_dict()")

    @property
    def params(self):
        """The parameters of all groups, in a new list."""
        return list(self._params)

    @property
    def groups(self):
        """The groups, in a new list."""
        return list(self._groups)

    @property
    def state(self):
        """The state arrays of each parameter by name, in new dicts; without those not yet needed."""
        return [{name: s for name, s in zip(self.slots, slots) if s is not None} for slots in self._state]

    @property
    def t(self):
        """Updates so far."""
        return self.settings.t

    @property
    def epoch(self):
        """Epochs so far."""
        return self.settings.epoch

    @property
    def clip_norm(self):
        """The bound on the norm of all gradients, or None."""
        return self.most_norm if self.most_norm < INFINITY else None

    @property
    def clip_value(self):
        """The bound on each element of a gradient, or None."""
        return self.settings.limit if self.settings.limit < INFINITY else None

    def required(self, group):
        """The names of the state arrays that parameters of group number `group` have after an update."""
        wanted = (<Group>self._groups[group]).slots()
        return {name for k, name in enumerate(self.slots) if wanted >> k & 1}

    def next_epoch(self):
        """Count one epoch: schedules that go by epochs give their next values. `fit` calls it after each epoch.

        Raises
        ------
        ValueError
            If a schedule gives a number out of the range of its option. Nothing is changed.
        """
        self.ask_schedules(-1, self.settings.epoch + 1)
        self.settings.epoch += 1

    cdef int ask_schedules(self, long long step, long long epoch) except -1:
        """Set the options that schedules give at a step and at an epoch; -1 asks none of that kind."""
        cdef Group group
        asked = []
        for group in self._groups:
            for name, (schedule, per) in group.scheduled.items():
                position = step if per == "step" else epoch
                if position >= 0:
                    asked.append((group, name, value_at(self.name, name, schedule, per, position)))
        for group, name, value in asked:
            group.values[group.index(name)] = value
        return 0

    # --- an update: begin, enter for every parameter that takes part, finish, end -------------------------------------
    cdef int refuse_if_busy(self) except -1:
        if self.busy:
            raise RuntimeError(f"{self.name}: an update is under way already, in another thread or in a schedule")
        return 0

    cdef int begin(self) except -1:
        self.refuse_if_busy()
        self.busy, self.gapped = True, None
        if self.settings.by_step:
            try:
                self.ask_schedules(self.settings.t, -1)
            except BaseException:
                self.busy = False
                raise
        return 0

    cdef int enter(self, Py_ssize_t i, Tensor p, Tensor g, Group group, int slots) except -1:
        """Have p, which stands for parameter i, take part with its dense gradient."""
        cdef Tensor dense = p, root = p if type(p.owner) is not Tensor else <Tensor>p.owner
        cdef Entry* e = &self.line.entries[i]
        if not p.contiguous:
            dense = copy_of(p)
            self.gapped = [] if self.gapped is None else self.gapped
            self.gapped.append((p, dense))
        if e.slots != slots:
            self.furnish(i, dense, group, slots)
        e.p, e.g, e.size = dense.ptr, g.ptr, g.size
        root.version += 1
        return 0

    cdef int furnish(self, Py_ssize_t i, Tensor p, Group group, int slots) except -1:
        """Fill in what stays of entry i, and make the state arrays that its options call for."""
        cdef list state = <list>self._state[i]
        cdef Entry* e = &self.line.entries[i]
        cdef int k
        e.slots, e.kind, e.kernel, e.numbers = -1, p.kind, kernel_of(self.settings.rule, p.kind), &group.numbers
        for k in range(SLOTS):
            e.state[k] = NULL
            if slots >> k & 1:
                if state[k] is None:
                    state[k] = new_state(p, self.start, k)
                e.state[k] = (<Tensor>state[k]).ptr
        e.slots = slots
        return 0

    cdef int finish(self, bint alone) except -1:
        cdef Pass all
        cdef Group group
        cdef double norm
        if self.most_norm < INFINITY:
            norm = self.line.norm()
            if not isfinite(norm):
                raise FloatingPointError(f"{self.name}: the norm of the gradients is {norm}; the parameters were not changed")
            if norm > self.most_norm:
                for group in self._groups:
                    group.numbers.scale = self.most_norm / norm
        self.settings.t += 1
        all.visit = update_of
        self.line.run(&all, alone)
        if self.gapped is not None:
            for p, dense in self.gapped:
                assign(p, dense)
            self.gapped = None
        return 0

    def step(self):
        """Change every parameter by its `.grad`; those without one stay as they are.

        Raises
        ------
        TypeError
            If there are arrays among the parameters: they have no `.grad`.
        FloatingPointError
            With clip_norm, if the norm of the gradients is not finite.
        """
        cdef Tensor p
        cdef Group group
        cdef Py_ssize_t i
        cdef int slots
        cdef list _held
        self.require_tensors()
        self.begin()
        try:
            for group in self._groups:
                slots = group.prepare()
                for i in range(group.first, group.last):
                    p = <Tensor>self._params[i]
                    if p.gradient is None:
                        self.line.entries[i].size = 0
                    else:
                        self.enter(i, p, p.gradient, group, slots)
            self.line.lay()
            if self.line.length * COST >= 4:    # other threads will run: let them not free the gradients
                _held = [(<Tensor>item).gradient for item in self._params]
            self.finish(False)
        finally:
            self.busy = False

    def update(self, params, grads):
        """Change `params` (arrays or Tensors, in place) by `grads`, one gradient for each.

        Raises
        ------
        ValueError
            If their number, or a shape, is not that of the parameters the optimizer was made for. Nothing is changed.
        TypeError
            If a parameter is not an array that can be changed in place.
        FloatingPointError
            With clip_norm, if the norm of the gradients is not finite.
        """
        cdef Tensor p
        cdef Group group
        cdef Py_ssize_t i
        cdef int slots
        if len(params) != len(self._params) or len(grads) != len(self._params):
            raise ValueError(f"{self.name}: made for {len(self._params)} parameters, "
                             f"got {len(params)} and {len(grads)} gradients")
        pairs = [self.checked(i, params[i], grads[i]) for i in range(len(self._params))]
        self.begin()
        try:
            for group in self._groups:
                slots = group.prepare()
                for i in range(group.first, group.last):
                    self.enter(i, pairs[i][0], pairs[i][1], group, slots)
            self.line.lay()
            self.finish(self.line.overlapping())
        finally:
            self.busy = False
        for i in range(len(pairs)):
            p = <Tensor>pairs[i][0]
            if type(params[i]) is not Tensor and not np.may_share_memory(p.numpy(), params[i]):
                params[i][...] = p.numpy()      # one that the kernels cannot work on as it is (byte order, alignment)

    def checked(self, i, param, grad):
        """Parameter i and its gradient as Tensors that the kernels can work on."""
        cdef Tensor p, g, own = as_any(self._params[i], self.name)
        if type(param) is not Tensor:
            refuse_fixed(param, f"{self.name}: parameter {i}")
        p, g = as_any(param, self.name), as_float(grad, self.name)
        if not same_dims(p, own) or p.kind != own.kind:
            raise ValueError(f"{self.name}: parameter {i} was {own.numpy().dtype} of shape {shape_of(own)}, "
                             f"got {p.numpy().dtype} of shape {shape_of(p)}")
        if not same_dims(p, g):
            raise ValueError(f"{self.name}: parameter {i} has shape {shape_of(p)}, its gradient {shape_of(g)}")
        if g.kind != p.kind:
            g = as_any(g.numpy().astype(p.numpy().dtype), self.name)
        return p, contiguous(g)

    def zero_grad(self):
        """Forget the gradients of all parameters."""
        cdef Tensor p
        self.require_tensors()
        for item in self._params:
            p = <Tensor>item
            p.gradient = None

    cdef int require_tensors(self) except -1:
        if not self.tensors:
            raise TypeError(f"{self.name}: step() and zero_grad() need Tensors, which hold their gradient; for arrays "
                            "call update(params, grads)")
        return 0

    def restore(self, long long t, long long epoch, list options, list state):
        """Take over what `load_state_dict` has checked: the options of each group, the state arrays of each parameter."""
        cdef Group group
        cdef Py_ssize_t k
        self.refuse_if_busy()
        restored = []
        for p, arrays in zip(self._params, state):
            like = contiguous(as_any(p, self.name))
            slots = [None if name not in arrays else new_state(like, 0, k) for k, name in enumerate(self.slots)]
            for name, s in zip(self.slots, slots):
                if s is not None:
                    assign(s, as_any(np.ascontiguousarray(arrays[name], (<Tensor>s).numpy().dtype), self.name))
            restored.append(slots + [None] * (SLOTS - len(slots)))
        self.ask_schedules(t, epoch)
        for group, values in zip(self._groups, options):
            for name, value in values.items():
                group.values[group.index(name)] = value
        self._state, self.settings.t, self.settings.epoch = restored, t, epoch
        for k in range(self.line.count):
            self.line.entries[k].slots = -1


def checked_options(Group group not None, options):
    """The numbers of options for a group; errors as where they are set."""
    return {name: checked_option(group.settings.name, name, value) for name, value in options.items()}


def clip_gradients(items, max_norm, limit, str who):
    """The gradients of Tensors, or arrays of gradients, scaled to `max_norm` or held within `limit`; their norm before."""
    cdef Line line = Line()
    cdef Pass all
    cdef Tensor g, root
    cdef Py_ssize_t i
    cdef double norm = 0
    if isinstance(items, (Tensor, np.ndarray, dict)):
        raise TypeError(f"{who}: expected a list of parameters, got one {type(items).__name__}; write [x]")
    items, gradients, changed = list(items), [], []
    refuse_twice(items, who)
    for item in items:
        if type(item) is not Tensor:
            refuse_fixed(item, f"{who}: a gradient")
        g = (<Tensor>item).gradient if type(item) is Tensor else as_any(item, who)
        if g is None:
            continue
        if g.kind > F64:
            raise TypeError(f"{who}: gradients must be float32 or float64, got {item.dtype}")
        gradients.append(contiguous(g))
        changed.append((item, g))
    line.append(len(gradients))
    for i, g in enumerate(gradients):
        line.entries[i].g, line.entries[i].size, line.entries[i].kind = g.ptr, g.size, g.kind
    line.lay()
    all.visit, all.scale, all.limit = clip_of, 1, INFINITY if limit is None else checked_bound(who, "limit", limit)
    if max_norm is not None:
        bound = checked_bound(who, "max_norm", max_norm)
        norm = line.norm()
        if not isfinite(norm):
            raise FloatingPointError(f"{who}: the norm of the gradients is {norm}; they were not changed")
        if norm <= bound:
            return norm
        all.scale = bound / norm
    line.run(&all, False)
    for (item, g), dense in zip(changed, gradients):
        root = root_of(g)
        root.version += 1
        if dense is not g:
            assign(g, dense)
        if type(item) is not Tensor and not np.may_share_memory(g.numpy(), item):
            item[...] = g.numpy()
    return norm
