# Part of optim.pyx: the rules, their options, and the groups that share them.

cdef enum:
    OPTIONS = 6         # the most options of a group
    LR = 0              # where the options that every rule has stand among them …
    DECAY = 1
    DECOUPLED = 2
    OWN = 3             # … and where its own begin

cdef enum Rule:
    ADAM, SGD, RMSPROP, ADAGRAD

# Of each rule: its own options, and its state arrays in the order of the kernel's arguments.
RULES = {
    "adam": (ADAM, ("beta1", "beta2", "eps"), ("m", "v", "top")),
    "sgd": (SGD, ("momentum",), ("m",)),
    "rmsprop": (RMSPROP, ("rho", "eps", "momentum"), ("v", "mean", "m")),
    "adagrad": (ADAGRAD, ("eps",), ("s",)),
}
FRACTIONS = ("beta1", "beta2", "rho", "momentum")

# State arrays from this size on (bytes) stand apart from each other within a page: in equal sets of the cache they,
# their parameter and its gradient push each other out. Adam over 11M parameters took 5 % longer.
cdef Py_ssize_t STAGGERED = 1 << 16, STAGGER = 1088


cdef update_t kernel_of(int rule, int kind) noexcept:
    if rule == ADAM:
        return K[kind].adam
    if rule == SGD:
        return K[kind].sgd
    return K[kind].rmsprop if rule == RMSPROP else K[kind].adagrad


cdef Tensor new_state(Tensor like, double start, int slot):
    """A state array beside the dense parameter `like`, every element `start`."""
    cdef Py_ssize_t item = ITEMSIZE[like.kind], length = like.size + SLOTS * STAGGER // item, i
    cdef Tensor block, y
    if like.size * item < STAGGERED:
        return fill_like(like, start)
    block = new_tensor(like.kind, 1, &length)
    y = view_of(block, block.ptr + (slot + 1) * STAGGER, like.ndim, like.dims, like.steps)
    memset(y.ptr, 0, y.size * item)
    for i in range(y.size if start != 0 else 0):
        if y.kind == F32:
            (<float*>y.ptr)[i] = <float>start
        else:
            (<double*>y.ptr)[i] = start
    return y


cdef double checked_option(str who, str name, object value) except? -1:
    """The number of an option; TypeError where it is none, ValueError where it is out of its range."""
    cdef double x = number(value, who, name)
    if name == "lr" and not (x > 0 and isfinite(x)):
        raise ValueError(f"{who}: lr must be above 0 and finite, got {value}")
    if name in FRACTIONS and not 0 <= x < 1:
        raise ValueError(f"{who}: {name} must be in [0, 1), got {value}")
    if not (x >= 0 and isfinite(x)):
        raise ValueError(f"{who}: {name} must be 0 or more and finite, got {value}")
    return x


cdef double checked_bound(str who, str name, object value) except? -1:
    """A bound for clipping."""
    cdef double x = checked_option(who, name, value)
    if x == 0:
        raise ValueError(f"{who}: {name} must be above 0, got {value}")
    return x


cdef int refuse_twice(list items, str who) except -1:
    seen = set()
    for item in items:
        if id(item) in seen:
            raise ValueError(f"{who}: the same parameter, of shape {item.shape}, was given twice")
        seen.add(id(item))
    return 0


cdef int refuse_fixed(array, str what) except -1:
    if not isinstance(array, np.ndarray) or not array.flags.writeable:
        raise TypeError(f"{what} must be an array that can be changed in place, "
                        f"got {'a read-only array' if isinstance(array, np.ndarray) else type(array).__name__}")
    return 0


cdef double value_at(str who, str name, object schedule, str per, long long position) except? -1:
    """What the schedule of an option gives at a step or epoch: unlike a constant lr it may come down to 0."""
    value = schedule(position)
    if isinstance(value, (str, bytes)) or not hasattr(value, "__float__"):
        raise TypeError(f"{who}: the schedule {schedule!r} gave {value!r} at {per} {position}, which is no number")
    cdef double x = float(value)
    if not (x >= 0 and isfinite(x)) or (name in FRACTIONS and x >= 1):
        raise ValueError(f"{who}: the schedule {schedule!r} gave {x} at {per} {position}; {name} must be "
                         f"{'in [0, 1)' if name in FRACTIONS else '0 or more and finite'}")
    return x


cdef class Settings:
    """What an optimizer and its groups both know. (Groups that held the optimizer would keep each other, and all the
    state, alive until the next garbage collection.)"""
    cdef str name
    cdef tuple options          # their names
    cdef int rule
    cdef bint variant           # AMSGrad, Nesterov's rule, or centred
    cdef bint by_step           # there is or was a schedule that goes by steps
    cdef double limit           # of each element of a gradient
    cdef long long t, epoch     # updates and epochs so far


cdef class Group:
    """Parameters that share their options, which are read and changed like the items of a dict.

    Examples
    --------
    >>> import cdl
    >>> w, b = (cdl.Tensor([1.0], requires_grad=True) for _ in range(2))
    >>> optimizer = cdl.SGD([{"params": [w], "weight_decay": 0.1}, {"params": [b]}], lr=0.5)
    >>> optimizer.groups[1]["lr"] = 0.25
    >>> [group["lr"] for group in optimizer.groups]
    [0.5, 0.25]
    >>> optimizer.groups[0]["weight_decay"] = lambda epoch: 0.1 / (1 + epoch)
    >>> sorted(optimizer.groups[0].schedules)
    ['weight_decay']
    """
    cdef Settings settings
    cdef list _params
    cdef Py_ssize_t first, last             # where they are in the optimizer's list
    cdef double[OPTIONS] values             # in the order of the settings' `options`
    cdef dict scheduled                     # name of an option → (what gives it, "step" or "epoch": when it is asked)
    cdef cdl_update numbers                 # of the update under way

    def __cinit__(self):
        self.settings, self.scheduled = Settings(), {}

    @property
    def schedules(self):
        """The schedules by the names of their options, in a new dict."""
        return {name: schedule for name, (schedule, _) in self.scheduled.items()}

    @property
    def schedule(self):
        """The schedule of lr; None where that is a number."""
        return self.schedules.get("lr")

    @property
    def params(self):
        """Its parameters, in a new list."""
        return list(self._params)

    cpdef list keys(self):
        """The names of the options."""
        return list(self.settings.options)

    def __getitem__(self, str name):
        if name == "params":
            return self.params
        x = self.values[self.index(name)]
        return bool(x) if name == "decoupled" else x

    def __setitem__(self, str name, value):
        cdef Settings all = self.settings
        cdef Py_ssize_t k = self.index(name)
        if not callable(value):
            self.values[k] = checked_option(all.name, name, value)
            self.scheduled.pop(name, None)
            return
        per = getattr(value, "per", "epoch")
        if per not in ("step", "epoch"):
            raise ValueError(f"{all.name}: a schedule's per must be 'step' or 'epoch', got {per!r}")
        if k == DECOUPLED:
            raise TypeError(f"{all.name}: decoupled is True or False, it has no schedule")
        self.values[k] = value_at(all.name, name, value, per, all.t if per == "step" else all.epoch)
        self.scheduled[name] = value, per
        all.by_step = all.by_step or per == "step"

    cdef Py_ssize_t index(self, str name) except -1:
        if name not in self.settings.options:
            from cdl.extras import nearest  # it is needed for messages only

            known = self.settings.options
            raise ValueError(f"{self.settings.name}: unknown option {name!r}{nearest(name, known)}; known are "
                             f"{', '.join(known)}")
        return self.settings.options.index(name)

    def __repr__(self):
        options = {name: self[name] for name in self.keys()}
        return f"Group({self.last - self.first} parameters, {options})"

    cdef int slots(self) noexcept:
        """Which state arrays its options call for: bit 0 for the kernel's first, …"""
        cdef int rule = self.settings.rule
        cdef bint momentum
        if rule == ADAM:
            return 7 if self.settings.variant else 3
        if rule == ADAGRAD:
            return 1
        # A schedule of the momentum may pass through 0, and what is summed up goes on below it.
        momentum = self.values[OWN if rule == SGD else OWN + 2] != 0 or (len(self.scheduled) and "momentum" in self.scheduled)
        if rule == SGD:
            return 1 if momentum else 0
        return 1 | (2 if self.settings.variant else 0) | (4 if momentum else 0)

    cdef int prepare(self) noexcept:
        """The numbers of the next update, without clipping by norm; returns the slots."""
        cdef double* own = self.values + OWN
        cdef double t = <double>(self.settings.t + 1)
        cdef cdl_update* u = &self.numbers
        u.rate, u.scale, u.limit, u.nesterov = self.values[LR], 1, self.settings.limit, 0
        u.coupled = 0 if self.values[DECOUPLED] else self.values[DECAY]
        u.kept = 1 - u.rate * self.values[DECAY] if self.values[DECOUPLED] else 1
        if self.settings.rule == ADAM:
            u.beta1, u.beta2, u.eps = own[0], own[1], own[2]
            u.rate /= 1 - pow(u.beta1, t)
            u.per_v = 1 / (1 - pow(u.beta2, t))
        elif self.settings.rule == SGD:
            u.beta1, u.nesterov = own[0], self.settings.variant
        elif self.settings.rule == RMSPROP:
            u.beta2, u.eps, u.beta1 = own[0], own[1], own[2]
        else:
            u.eps = own[0]
        return self.slots()
