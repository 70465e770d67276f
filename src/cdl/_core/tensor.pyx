"""Tensor: an array in pooled memory that remembers how it was made.

A Tensor owns a block of the pool, or is a view of another Tensor's memory or of a borrowed array's. One made by an op
from a Tensor that needs a gradient carries a Node (tape.pyx runs over these). A Node is handed its own output when its
backward runs, so it never holds it, and the graph has no reference cycles.
"""
from cpython.buffer cimport (PyBUF_ANY_CONTIGUOUS, PyBUF_C_CONTIGUOUS, PyBUF_F_CONTIGUOUS, PyBUF_FORMAT, PyBUF_ND,
                             PyBUF_STRIDES)
from libc.stdint cimport uintptr_t
from libc.stdlib cimport free, malloc
from libc.string cimport memset

cimport cython

from cdl._core.kernels cimport (BINARY_ADD, BINARY_DIVIDE, BINARY_MULTIPLY, BINARY_POWER, BINARY_SUBTRACT, UNARY_ABS,
                                UNARY_NEGATIVE)
from cdl._core.memory cimport pool_alloc, pool_free

import numpy as np

from cdl._core.convert import target

cdef extern from *:
    bint multiply_overflows "__builtin_mul_overflow"(Py_ssize_t a, Py_ssize_t b, Py_ssize_t* out) nogil

cdef tuple DTYPES = (np.dtype(np.float32), np.dtype(np.float64), np.dtype(np.int64), np.dtype(np.bool_))
cdef object asarray = np.asarray
# "l" where it is 8 bytes: NumPy's int64 is a long there, and "q" would come back as another type of the same size.
cdef const char* FORMATS = "f\0d\0l\0?\0" if sizeof(long) == 8 else "f\0d\0q\0?\0"
cdef double nothing = 0      # what an empty Tensor points at
cdef int freeing = 0        # how many Tensors are being freed inside one another
cdef list deferred = []     # Nodes that wait for the outermost of them, so that a long chain needs no deep stack

# What families above this floor give to Tensor, by name: METHODS["sum"] makes `t.sum(...)` work.
METHODS = {}
# NumPy's functions and ufuncs (and methods of these) that are ops, each with ours; the families fill it in, too.
NUMPY = {}
cdef dict numpy_table = NUMPY


@cython.final
@cython.no_gc
@cython.freelist(256)
cdef class Tensor:
    """An array that can be differentiated: float32 or float64 (int64 and bool are stored, for labels and masks).

    Parameters
    ----------
    data : array_like
        Copied. float16 becomes float32 and every integer int64; complex, object and string data are refused.
    dtype : dtype, optional
        float32, float64, int64 or bool; default: that of `data`.
    requires_grad : bool
        Whether `backward` leaves this Tensor's gradient in `.grad`. Only for float32 and float64.

    Raises
    ------
    TypeError
        For data that is not numeric, or `requires_grad` on integers or booleans.
    ValueError
        For more than 8 axes.

    Examples
    --------
    >>> import cdl
    >>> x = cdl.Tensor([1.0, 2.0], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> x.grad
    Tensor([2., 4.], dtype=float64)
    """

    def __cinit__(self):
        # Until it gets its data it is an empty array, so that no use of Tensor.__new__(Tensor) reads what is not there.
        self.ptr, self.ndim, self.contiguous = <char*>&nothing, 1, True

    def __init__(self, data, dtype=None, *, bint requires_grad=False):
        if self.block is not NULL or self.owner is not None:
            raise RuntimeError("Tensor: this one has its data already; make a new Tensor")
        cdef Tensor source = hooks.as_any(data, "Tensor")
        if dtype is not None and np.dtype(dtype) != DTYPES[source.kind]:
            source = hooks.as_any(source.numpy().astype(dtype_of(dtype, "Tensor")), "Tensor")
        allocate(self, source.kind, source.ndim, source.dims)
        hooks.assign(self, source)
        if requires_grad:
            self.requires_grad = True

    def __dealloc__(self):
        global freeing
        if self.block is not NULL:
            pool_free(self.block)
        if self.node is None:
            return
        if freeing >= 32:
            deferred.append(self.node)
            return
        freeing += 1
        self.node = None
        if freeing == 1:
            while deferred:
                deferred.pop()
        freeing -= 1

    def __getbuffer__(self, Py_buffer* buffer, int flags):
        cdef Py_ssize_t itemsize = ITEMSIZE[self.kind]
        cdef Py_ssize_t* steps = NULL
        cdef int i
        if not in_order(self, flags):
            raise BufferError("Tensor: the elements do not lie as was asked for; ask for a strided buffer or copy it")
        if flags & PyBUF_STRIDES == PyBUF_STRIDES:
            steps = <Py_ssize_t*>malloc(MAXDIM * sizeof(Py_ssize_t))
            if steps is NULL:
                raise MemoryError("Tensor: no memory for a view")
            for i in range(self.ndim):
                steps[i] = self.steps[i] * itemsize
        buffer.buf = self.ptr
        buffer.obj = self
        buffer.len = self.size * itemsize
        buffer.itemsize = itemsize
        buffer.readonly = False
        buffer.ndim = self.ndim
        buffer.format = <char*>FORMATS + 2 * self.kind if flags & PyBUF_FORMAT else NULL
        buffer.shape = self.dims if flags & PyBUF_ND else NULL
        buffer.strides = steps
        buffer.suboffsets = NULL
        buffer.internal = steps

    def __releasebuffer__(self, Py_buffer* buffer):
        free(buffer.internal)

    # --- what it is ---------------------------------------------------------------------------------------------------
    @property
    def shape(self):
        """The length of each axis."""
        return shape_of(self)

    @property
    def dtype(self):
        """The NumPy dtype of the elements."""
        return DTYPES[self.kind]

    @property
    def itemsize(self):
        """The bytes of one element."""
        return ITEMSIZE[self.kind]

    @property
    def nbytes(self):
        """The bytes of all elements."""
        return self.size * ITEMSIZE[self.kind]

    @property
    def data(self):
        """The elements as an ndarray on the same memory; what is written to it the tape does not see."""
        return self.numpy()

    @property
    def requires_grad(self):
        """Whether `backward` computes a gradient for it. May be set on a Tensor that no op has made."""
        return self.needs_grad

    @requires_grad.setter
    def requires_grad(self, bint wanted):
        if self.node is not None:
            raise ValueError("requires_grad: this Tensor was made by a recorded op; detach() gives one that was not")
        if wanted and self.kind > F64:
            raise TypeError(f"requires_grad: only float32 and float64 have gradients, this is {DTYPES[self.kind]}; "
                            "convert it with astype('float32')")
        self.needs_grad = wanted

    @property
    def grad(self):
        """The gradient that `backward` has summed up, a Tensor of the same shape; None before. Settable."""
        return self.gradient if self.node is None else self.kept

    @grad.setter
    def grad(self, value):
        cdef Tensor g
        if self.node is not None and value is not None:
            raise RuntimeError("grad: this Tensor was made by a recorded op, only backward writes its gradient; "
                               "to start the backward from it, call its backward(gradient)")
        if value is not None:
            g = hooks.as_any(value, "grad")
            if g.kind != self.kind or not same_dims(g, self):
                raise ValueError(f"grad: expected {DTYPES[self.kind]} of shape {shape_of(self)}, "
                                 f"got {DTYPES[g.kind]} of shape {shape_of(g)}")
            value = hooks.copy_of(g)
        self.gradient, self.kept = value, None
        self.grad_owned = value is not None

    @property
    def is_leaf(self):
        """True where no recorded op made it."""
        return self.node is None

    def retain_grad(self):
        """Keep this recorded Tensor's gradient readable in `.grad` after the backward."""
        self.keeps_grad = True
        return self

    def backward(self, gradient=None, *, bint retain_graph=False):
        """Add to `.grad` of every Tensor this one was computed from the derivative of this one.

        Parameters
        ----------
        gradient : array_like, optional
            The derivative of what is differentiated with respect to this Tensor, of its shape; default: 1, which a
            Tensor of one element (a loss) may leave out.
        retain_graph : bool
            Keep what the ops saved, so that `backward` can run again.

        Raises
        ------
        RuntimeError
            If nothing was recorded, the graph was freed by an earlier backward, or a saved value was changed since.
        """
        cdef Tensor g
        if not self.needs_grad:
            raise RuntimeError("backward: nothing was recorded for this Tensor; set requires_grad on an input, and "
                               "compute it outside cdl.no_grad()")
        if gradient is None:
            if self.size != 1:
                raise ValueError(f"backward: only a single value has a derivative of 1 by default, this has shape "
                                 f"{shape_of(self)}; reduce it (.sum(), .mean()) or pass gradient=")
            g = fill_like(self, 1.0)
        else:
            g = hooks.as_any(gradient, "backward")
            if not same_dims(g, self):
                raise ValueError(f"backward: gradient must have shape {shape_of(self)}, got {shape_of(g)}")
            if g.kind != self.kind:
                g = hooks.as_any(g.numpy().astype(DTYPES[self.kind]), "backward")
        hooks.backward(self, g, retain_graph)

    # --- to NumPy and numbers -----------------------------------------------------------------------------------------
    def numpy(self):
        """The elements as an ndarray on the same memory (no copy)."""
        return asarray(self)

    def __array__(self, dtype=None, copy=None):
        cdef object array = np.asarray(memoryview(self))
        if dtype is not None and array.dtype != dtype:
            if copy is False:
                raise ValueError("Tensor: a change of dtype needs a copy")
            return array.astype(dtype)
        return array.copy() if copy else array

    def item(self):
        """The one element as a Python number; ValueError for more than one."""
        if self.size != 1:
            raise ValueError(f"item: expected one element, this has shape {shape_of(self)}")
        if self.kind == F32:
            return (<float*>self.ptr)[0]
        if self.kind == F64:
            return (<double*>self.ptr)[0]
        return (<long long*>self.ptr)[0] if self.kind == I64 else self.ptr[0] != 0

    def tolist(self):
        """The elements as (nested) lists of Python numbers."""
        return self.numpy().tolist()

    def __float__(self):
        return float(self.item())

    def __int__(self):
        return int(self.item())

    def __index__(self):
        if self.kind < I64:
            raise TypeError("Tensor: only an integer can be an index; convert with int(t)")
        return int(self.item())

    def __bool__(self):
        if self.size != 1:
            raise ValueError(f"bool: a Tensor of shape {shape_of(self)} has more than one truth value; "
                             "use (t).numpy().all() or .any()")
        return bool(self.item())

    def __len__(self):
        if self.ndim == 0:
            raise TypeError("len: this Tensor has no axes")
        return self.dims[0]

    def __iter__(self):
        return (self[i] for i in range(len(self)))

    def __contains__(self, value):
        return value in self.numpy()

    def __format__(self, spec):
        return format(self.item(), spec) if spec else str(self)

    def __repr__(self):
        text = np.array2string(self.numpy(), separator=", ", prefix="Tensor(")
        kind = ", dtype=float64" if self.kind == F64 else ""
        return f"Tensor({text}{kind}{', requires_grad=True' if self.needs_grad else ''})"

    # --- views and copies outside the tape ----------------------------------------------------------------------------
    def detach(self):
        """The same elements, on the same memory, without the history."""
        return view_of(self, self.ptr, self.ndim, self.dims, self.steps)

    def __copy__(self):
        return self.__deepcopy__(None)

    def __deepcopy__(self, memo):
        if self.node is not None:
            raise RuntimeError("copy: this Tensor was made by a recorded op; copy t.detach()")
        cdef Tensor t = hooks.copy_of(self)
        t.needs_grad = self.needs_grad
        if self.gradient is not None:
            t.gradient, t.grad_owned = hooks.copy_of(self.gradient), True
        return t

    def __reduce__(self):
        if self.node is not None:
            raise RuntimeError("pickle: this Tensor was made by a recorded op; pickle t.detach()")
        return _restore, (self.numpy().copy(), self.needs_grad)

    # --- operators: the families above fill in `hooks` and METHODS ----------------------------------------------------
    def __add__(self, other):
        return hooks.binary(BINARY_ADD, self, other)

    def __radd__(self, other):
        return hooks.binary(BINARY_ADD, other, self)

    def __iadd__(self, other):
        return hooks.in_place(BINARY_ADD, self, other)

    def __sub__(self, other):
        return hooks.binary(BINARY_SUBTRACT, self, other)

    def __rsub__(self, other):
        return hooks.binary(BINARY_SUBTRACT, other, self)

    def __isub__(self, other):
        return hooks.in_place(BINARY_SUBTRACT, self, other)

    def __mul__(self, other):
        return hooks.binary(BINARY_MULTIPLY, self, other)

    def __rmul__(self, other):
        return hooks.binary(BINARY_MULTIPLY, other, self)

    def __imul__(self, other):
        return hooks.in_place(BINARY_MULTIPLY, self, other)

    def __truediv__(self, other):
        return hooks.binary(BINARY_DIVIDE, self, other)

    def __rtruediv__(self, other):
        return hooks.binary(BINARY_DIVIDE, other, self)

    def __itruediv__(self, other):
        return hooks.in_place(BINARY_DIVIDE, self, other)

    def __pow__(self, other):
        return hooks.binary(BINARY_POWER, self, other)

    def __rpow__(self, other):
        return hooks.binary(BINARY_POWER, other, self)

    def __ipow__(self, other):
        return hooks.in_place(BINARY_POWER, self, other)

    def __matmul__(self, other):
        return hooks.matmul(self, other)

    def __rmatmul__(self, other):
        return hooks.matmul(other, self)

    def __neg__(self):
        return hooks.unary(UNARY_NEGATIVE, self)

    def __pos__(self):
        return self

    def __abs__(self):
        return hooks.unary(UNARY_ABS, self)

    def __lt__(self, other):
        return hooks.compare(np.less, self, other)

    def __le__(self, other):
        return hooks.compare(np.less_equal, self, other)

    def __eq__(self, other):
        return hooks.compare(np.equal, self, other)

    def __ne__(self, other):
        return hooks.compare(np.not_equal, self, other)

    def __gt__(self, other):
        return hooks.compare(np.greater, self, other)

    def __ge__(self, other):
        return hooks.compare(np.greater_equal, self, other)

    # Seldom used on Tensors: through NumPy, whose ufuncs come back to the table of ops/protocol.py.
    def __and__(self, other):
        return np.bitwise_and(self, other)

    def __rand__(self, other):
        return np.bitwise_and(other, self)

    def __or__(self, other):
        return np.bitwise_or(self, other)

    def __ror__(self, other):
        return np.bitwise_or(other, self)

    def __xor__(self, other):
        return np.bitwise_xor(self, other)

    def __rxor__(self, other):
        return np.bitwise_xor(other, self)

    def __invert__(self):
        return np.invert(self)

    def __mod__(self, other):
        return np.remainder(self, other)

    def __rmod__(self, other):
        return np.remainder(other, self)

    def __floordiv__(self, other):
        return np.floor_divide(self, other)

    def __rfloordiv__(self, other):
        return np.floor_divide(other, self)

    def __getitem__(self, key):
        return hooks.getitem(self, key)

    def __setitem__(self, key, value):
        hooks.setitem(self, key, value)

    def __getattr__(self, name):
        method = METHODS.get(name)
        if method is None:
            raise AttributeError(f"Tensor has no attribute {name!r}")
        return method.__get__(self)

    def __dir__(self):
        return sorted({*object.__dir__(self), *METHODS})

    def __hash__(self):
        return <Py_ssize_t>(<uintptr_t><void*>self >> 4)

    # What is asked most is answered here, 100 ns before the Python of ops/protocol.py.
    def __array_ufunc__(self, ufunc, method, *inputs, **options):
        if not options and method == "__call__":
            ours = numpy_table.get(ufunc)
            if ours is not None:
                return ours(*inputs)
        return METHODS["__array_ufunc__"](self, ufunc, method, *inputs, **options)

    def __array_function__(self, function, types, args, options):
        if not options:
            ours = numpy_table.get(function)
            if ours is not None:
                return ours(*args)
        return METHODS["__array_function__"](self, function, types, args, options)


def _restore(data, requires_grad):
    """A Tensor from what pickling it kept."""
    return Tensor(data, requires_grad=requires_grad)


@cython.no_gc       # like Tensor: the graph has no cycles, and its many small objects cost the collector nothing
cdef class Node:
    """One op on the tape: its inputs, and what its backward reads."""

    cdef int backward(self, Tensor y, Tensor g) except -1:
        raise NotImplementedError(type(self).__name__)

    cdef void release(self):
        self.a = self.b = self.c = None
        self.more = None
        self.released = True


include "tensor_make.pxi"
