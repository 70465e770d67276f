# Matrix product c = act(a b + bias): the choice of kernel, packing, blocks and threads. Strides are in elements, of any
# value; those of an axis of length 1 are not read.
from cdl._core.tensor cimport MAXDIM

ctypedef struct Gemm:
    int kind                                    # F32 or F64
    Py_ssize_t m, n, k
    const char* a                               # (m, k)
    Py_ssize_t a_row, a_col
    const char* b                               # (k, n)
    Py_ssize_t b_row, b_col
    char* c                                     # (m, n), its columns together; overlaps no input
    Py_ssize_t c_row
    const char* bias                            # (n), or NULL
    char* z                                     # (m, n) like c: a b + bias as it was before act; or NULL
    int act                                     # an index of unary_forward, -1 for none
    double p, q                                 # parameters of act
    bint accumulate                             # add to what stands in z, or without z in c, before act

# A batch of products. An axis along which c_step is 0 is summed over, in its order: c (or z) gets the sum of them all.
ctypedef struct Batch:
    int ndim
    Py_ssize_t[MAXDIM] dims, a_step, b_step, c_step

# 0, or -1 where memory for packing is exhausted. They choose the number of threads themselves; the result has the same
# bits for each number.
cdef int gemm(const Gemm* g) noexcept nogil
cdef int gemm_batched(const Gemm* g, const Batch* batch) noexcept nogil
# What one thread needs; the caller releases the GIL where it is worth it (`multiply` does).
cdef double gemm_microseconds(const Gemm* g) noexcept nogil

# With the GIL: released while the product runs if that is worth it; MemoryError.
cdef int multiply(const Gemm* g) except -1
cdef int multiply_batched(const Gemm* g, const Batch* batch) except -1
