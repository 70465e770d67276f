"""Optimizer updates: one call changes all parameters, each in one pass over it, its gradient and its state.

`Fused` walks the parameters; a subclass says how many state arrays a parameter has, which kernel updates it and with
which numbers. The update of an element depends on nothing else, so chunks of a large parameter are tasks.
"""
from libc.math cimport pow

from cdl._core.copy cimport assign, contiguous
from cdl._core.gate cimport as_any, as_float
from cdl._core.kernels cimport K
from cdl._core.tensor cimport F64, ITEMSIZE, Tensor, fill_like, root_of, same_dims, shape_of
from cdl._core.threads cimport run_tasks, task_t

import numpy as np

cdef enum:
    CHUNK = 1 << 14     # elements of a task: p, g, m and v of float32 take a quarter of a 1 MB L2
    NUMBERS = 8         # the most that a kernel takes beside its arrays


cdef struct Job:
    char* p
    const char* g
    char* m
    char* v
    Py_ssize_t size
    int kind
    double[NUMBERS] numbers


cdef void adam_task(void* job, size_t task) noexcept nogil:
    cdef Job* j = <Job*>job
    cdef Py_ssize_t first = task * CHUNK, start = first * ITEMSIZE[j.kind]
    cdef double* h = j.numbers
    K[j.kind].adam(j.p + start, j.g + start, j.m + start, j.v + start, min(CHUNK, j.size - first),
                   h[0], h[1], h[2], h[3], h[4], h[5], h[6], h[7])


cdef void sgd_task(void* job, size_t task) noexcept nogil:
    cdef Job* j = <Job*>job
    cdef Py_ssize_t first = task * CHUNK, start = first * ITEMSIZE[j.kind]
    cdef double* h = j.numbers
    K[j.kind].sgd(j.p + start, j.g + start, NULL if j.m == NULL else j.m + start, min(CHUNK, j.size - first),
                  h[0], h[1], h[2], <int>h[3])


cdef class Fused:
    """The parameters of an optimizer, their state, and the pass over them."""
    cdef list _params               # Tensors, or the caller's own arrays
    cdef list _state                # per parameter a list of Tensors; empty before its first update
    cdef bint tensors               # no arrays among the parameters
    cdef public double lr
    cdef public long long t         # updates so far
    cdef task_t task                # of the subclass: its kernel …
    cdef int slots                  # … and how many state arrays that reads
    cdef str name

    def __init__(self, params, double lr):
        if isinstance(params, (Tensor, np.ndarray)):
            raise TypeError(f"{type(self).__name__}: expected a list of parameters, got one array; write [x]")
        if not lr >= 0:
            raise ValueError(f"{type(self).__name__}: lr must be 0 or more, got {lr}")
        if not isinstance(self, (FusedAdam, FusedSGD)):
            raise TypeError(f"{type(self).__name__}: has no rule of its own; make one of cdl.Adam, cdl.AdamW, cdl.SGD")
        self._params = list(params)
        self.lr = lr
        self.t = 0
        self.name = type(self).__name__
        self.tensors = True
        for p in self._params:
            if type(p) is not Tensor:
                self.tensors = False
            elif not p.is_leaf:
                raise ValueError(f"{self.name}: a parameter of shape {p.shape} was made by a recorded op; pass what it "
                                 "was computed from, or its detach()")
            if as_any(p, self.name).kind > F64:
                raise TypeError(f"{self.name}: parameters must be float32 or float64, got {p.dtype}")
        self._state = [[] for _ in self._params]

    @property
    def params(self):
        """The parameters, in a new list."""
        return list(self._params)

    @property
    def state(self):
        """The state arrays of each parameter, in new lists."""
        return [list(slots) for slots in self._state]

    cdef void prepare(self, double* numbers):
        """The numbers of the kernel for update t."""

    cdef int change(self, Py_ssize_t i, Tensor p, Tensor g, Job* job) except -1:
        """Update p, which stands for parameter i."""
        cdef Tensor dense = contiguous(p), root = root_of(p)
        root.version += 1
        self.update_one(dense, g, <list>self._state[i], job)
        return assign(p, dense) if dense is not p else 0

    cdef int update_one(self, Tensor p, Tensor g, list state, Job* job) except -1:
        cdef Tensor m = None, v = None
        if self.slots and not state:
            state += [fill_like(p, 0.0) for _ in range(self.slots)]
        job.m = job.v = NULL
        if self.slots > 0:
            m = <Tensor>state[0]
            job.m = m.ptr
        if self.slots > 1:
            v = <Tensor>state[1]
            job.v = v.ptr
        job.p, job.g, job.size, job.kind = p.ptr, g.ptr, p.size, p.kind
        # 0.4 ns an element: four arrays read, three written.
        run_tasks(self.task, job, (p.size + CHUNK - 1) // CHUNK, p.size * 0.0004)
        return 0

    def step(self):
        """Change every parameter by its `.grad`; those without one stay as they are."""
        cdef Job job
        cdef Tensor p
        cdef Py_ssize_t i
        self.require_tensors()
        self.t += 1
        self.prepare(job.numbers)
        for i in range(len(self._params)):
            p = <Tensor>self._params[i]
            if p.gradient is not None:
                self.change(i, p, p.gradient, &job)

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

    def update(self, params, grads):
        """Change `params` (arrays or Tensors, in place) by `grads`, one gradient for each.

        Raises
        ------
        ValueError
            If their number, or a shape, is not that of the parameters the optimizer was made for. Nothing is changed.
        TypeError
            If a parameter is not an array that can be changed in place.
        """
        cdef Job job
        cdef Tensor p, g
        cdef Py_ssize_t i
        if len(params) != len(self._params) or len(grads) != len(self._params):
            raise ValueError(f"{self.name}: made for {len(self._params)} parameters, "
                             f"got {len(params)} and {len(grads)} gradients")
        pairs = [self.checked(i, params[i], grads[i]) for i in range(len(self._params))]
        self.t += 1
        self.prepare(job.numbers)
        for i in range(len(pairs)):
            p, g = <Tensor>pairs[i][0], <Tensor>pairs[i][1]
            self.change(i, p, g, &job)
            if type(params[i]) is not Tensor and not np.may_share_memory(p.numpy(), params[i]):
                params[i][...] = p.numpy()      # one that the kernels cannot work on as it is (byte order, alignment)

    def checked(self, i, param, grad):
        """Parameter i and its gradient as Tensors that the kernels can work on."""
        cdef Tensor p, g, own = as_any(self._params[i], self.name)
        if type(param) is not Tensor:
            if not isinstance(param, np.ndarray) or not param.flags.writeable:
                raise TypeError(f"{self.name}: parameter {i} must be an array that can be changed in place, "
                                f"got {'a read-only array' if isinstance(param, np.ndarray) else type(param).__name__}")
        p, g = as_any(param, self.name), as_float(grad, self.name)
        if not same_dims(p, own) or p.kind != own.kind:
            raise ValueError(f"{self.name}: parameter {i} was {own.numpy().dtype} of shape {shape_of(own)}, "
                             f"got {p.numpy().dtype} of shape {shape_of(p)}")
        if not same_dims(p, g):
            raise ValueError(f"{self.name}: parameter {i} has shape {shape_of(p)}, its gradient {shape_of(g)}")
        if g.kind != p.kind:
            g = as_any(g.numpy().astype(p.numpy().dtype), self.name)
        return p, contiguous(g)

    def state_dict(self):
        """What the optimizer has gathered: the number of updates, and copies of its state arrays."""
        return {"t": self.t, "state": [[s.numpy().copy() for s in slots] for slots in self._state]}

    def load_state_dict(self, state):
        """Go on from what `state_dict` gave.

        Raises
        ------
        ValueError
            If it belongs to parameters of other number or shapes. Nothing is changed.
        """
        if len(state["state"]) != len(self._params):
            raise ValueError(f"{self.name}: the state is for {len(state['state'])} parameters, there are "
                             f"{len(self._params)}")
        loaded = []
        for p, slots in zip(self._params, state["state"]):
            if len(slots) not in (0, self.slots) or any(np.shape(s) != p.shape for s in slots):
                raise ValueError(f"{self.name}: the state {[np.shape(s) for s in slots]} does not fit a parameter "
                                 f"of shape {p.shape}")
            loaded.append([Tensor(np.asarray(s, p.dtype)) for s in slots])
        self._state, self.t = loaded, int(state["t"])


cdef class FusedAdam(Fused):
    """Adam's numbers and kernel."""
    cdef public double beta1, beta2, eps, decay, decoupled

    def __init__(self, params, double lr, double beta1, double beta2, double eps, double decay, double decoupled):
        super().__init__(params, lr)
        for name, beta in (("beta1", beta1), ("beta2", beta2)):
            if not 0 <= beta < 1:
                raise ValueError(f"{self.name}: {name} must be in [0, 1), got {beta}")
        if not eps >= 0 or not decay >= 0 or not decoupled >= 0:
            raise ValueError(f"{self.name}: eps and weight decay must be 0 or more, got {eps} and "
                             f"{max(decay, decoupled)}")
        self.beta1, self.beta2, self.eps, self.decay, self.decoupled = beta1, beta2, eps, decay, decoupled
        self.task, self.slots = adam_task, 2

    cdef void prepare(self, double* numbers):
        numbers[0], numbers[1], numbers[2], numbers[3] = self.lr, self.beta1, self.beta2, self.eps
        numbers[4] = 1 - pow(self.beta1, <double>self.t)
        numbers[5] = 1 - pow(self.beta2, <double>self.t)
        numbers[6], numbers[7] = self.decay, self.decoupled


cdef class FusedSGD(Fused):
    """The numbers and the kernel of gradient descent."""
    cdef public double momentum, decay
    cdef public bint nesterov

    def __init__(self, params, double lr, double momentum, bint nesterov, double decay):
        super().__init__(params, lr)
        if not 0 <= momentum < 1:
            raise ValueError(f"{self.name}: momentum must be in [0, 1), got {momentum}")
        if not decay >= 0:
            raise ValueError(f"{self.name}: weight_decay must be 0 or more, got {decay}")
        if nesterov and momentum == 0:
            raise ValueError(f"{self.name}: Nesterov's rule needs momentum > 0")
        self.momentum, self.nesterov, self.decay = momentum, nesterov, decay
        self.task, self.slots = sgd_task, 1 if momentum else 0

    cdef void prepare(self, double* numbers):
        self.slots = 1 if self.momentum else 0      # it may be changed between steps
        numbers[0], numbers[1], numbers[2], numbers[3] = self.lr, self.momentum, self.decay, self.nesterov
