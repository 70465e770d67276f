# A matrix product c = act(a b + bias), as gemm.pyx and bfloat16.pyx take it. Strides are in elements, of any value; those
# of an axis of length 1 are not read.
from cdl._core.kernels cimport K
from cdl._core.tensor cimport ITEMSIZE, MAXDIM

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


cdef inline void activate(const Gemm* g, Py_ssize_t i, Py_ssize_t j, Py_ssize_t rows, Py_ssize_t columns) noexcept nogil:
    """c = act(z) on one block, while it is in the cache."""
    cdef Py_ssize_t item = ITEMSIZE[g.kind], step = g.c_row * item, start = i * step + j * item
    cdef char* c = g.c + start
    cdef const char* z = (g.z if g.z != NULL else g.c) + start
    if columns == g.c_row:
        columns *= rows
        rows = 1
    while rows > 0:
        K[g.kind].unary_forward[g.act](z, c, columns, g.p, g.q)
        z += step
        c += step
        rows -= 1
