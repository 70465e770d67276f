# Tensor, the tape's Node, and how op families make and read Tensors. (The tape itself: tape.pxd.)
cimport cython

cdef enum:
    MAXDIM = 8

cdef enum DType:
    F32 = 0     # also the index of the kernel table K
    F64 = 1
    I64 = 2     # labels and indices: stored, not differentiated
    BOOL = 3    # masks

cdef extern from *:
    """
    static const Py_ssize_t cdl_itemsize[4] = {4, 8, 8, 1};
    """
    const Py_ssize_t* ITEMSIZE "cdl_itemsize"


@cython.final
cdef class Tensor:
    cdef char* ptr                      # the first element
    cdef readonly Py_ssize_t size       # elements in all
    cdef Py_ssize_t[MAXDIM] dims        # the length of each axis
    cdef Py_ssize_t[MAXDIM] steps       # from one element of an axis to the next, in elements
    cdef readonly int ndim
    cdef int kind                       # a DType
    cdef bint contiguous                # C order without gaps
    cdef bint needs_grad                # a leaf that wants a gradient, or recorded
    cdef bint keeps_grad                # recorded, and its gradient stays readable after the backward
    cdef bint grad_owned                # nobody else uses the memory of `gradient`: it may be added to in place
    cdef int version                    # counts in-place changes; the tape compares it before it reads a saved value
    cdef void* block                    # the pool block it owns, or NULL for a view
    cdef object owner                   # who owns a view's memory: a Tensor or a Borrowed array
    cdef Node node                      # how it was made; None for a leaf
    cdef Tensor gradient                # a leaf's; of a recorded one only while a backward is under way
    cdef Tensor kept                    # what `keeps_grad` kept of it


@cython.no_gc
cdef class Node:
    """One op on the tape; a subclass holds what its backward reads and overrides `backward` (and `release`)."""
    cdef Tensor a, b, c                 # inputs that need a gradient or are read by the backward
    cdef tuple more                     # any further inputs
    cdef long long order                # grows with every record; the backward runs from high to low
    cdef int reads                      # the values the backward reads: READS_A | …
    cdef int version_a, version_b, version_c
    cdef long long run                  # the backward that is going through it, or 0
    cdef bint released
    # Gives every input its gradient (tape.give), from the output y and the contiguous gradient g that arrived at y.
    cdef int backward(self, Tensor y, Tensor g) except -1
    cdef void release(self)

cdef enum:
    READS_NONE = 0
    READS_A = 1
    READS_B = 2
    READS_C = 4

# --- making (copies: copy.pxd; from what a user passes: gate.pxd) -----------------------------------------------------
cdef Tensor new_tensor(int kind, int ndim, const Py_ssize_t* dims)      # values not set; MemoryError, ValueError
cdef Tensor empty_like(Tensor t)
cdef Tensor fill_like(Tensor t, double value)                           # F32 or F64
cdef Tensor scalar(double value, int kind)                              # no axes
cdef Tensor view_of(Tensor t, char* ptr, int ndim, const Py_ssize_t* dims, const Py_ssize_t* steps)
cdef Tensor root_of(Tensor t)                                           # the Tensor whose memory t views (or t)

# --- reading ----------------------------------------------------------------------------------------------------------
cdef tuple shape_of(Tensor t)
cdef bint same_dims(Tensor a, Tensor b)
cdef bint in_c_order(Tensor t) noexcept
cdef int normal_axis(object axis, int ndim, str who) except -1          # 0 … ndim-1; ValueError names the range

# Functions that Tensor's own methods need of modules above it; each module fills in its own when it is imported.
cdef struct Hooks:
    Tensor (*as_any)(object x, str who)
    Tensor (*copy_of)(Tensor t)
    int (*assign)(Tensor y, Tensor x) except -1
    int (*backward)(Tensor root, Tensor g, bint retain) except -1
    object (*binary)(int op, object a, object b)
    object (*unary)(int op, object x)
    object (*in_place)(int op, Tensor x, object other)          # x op= other
    object (*compare)(object ufunc, Tensor x, object other)     # a Tensor of booleans
    object (*getitem)(Tensor t, object key)
    int (*setitem)(Tensor t, object key, object value) except -1
    object (*matmul)(object a, object b)
cdef Hooks hooks
