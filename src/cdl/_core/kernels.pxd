# The C kernel table as Cython sees it; the C compiler checks each slot against kernels.def.
cdef extern from "kernels.h" nogil:
    enum: CDL_UNARY_COUNT
    enum: CDL_BINARY_COUNT
    enum: CDL_ISA_COUNT
    ctypedef void (*unary_forward_t "cdl_unary_forward *")(
        const void* x, void* y, size_t n, double p, double q) noexcept nogil
    ctypedef void (*unary_backward_t "cdl_unary_backward *")(
        const void* x, const void* y, const void* g, void* dx, size_t n, double p, double q) noexcept nogil
    ctypedef void (*binary_forward_t "cdl_binary_forward *")(
        const void* a, const void* b, void* y, size_t n, size_t sa, size_t sb) noexcept nogil
    ctypedef void (*binary_backward_t "cdl_binary_backward *")(
        const void* a, const void* b, const void* y, const void* g, void* da, void* db, size_t n,
        size_t sa, size_t sb) noexcept nogil

    ctypedef struct cdl_kernels:
        unary_forward_t* unary_forward
        unary_backward_t* unary_backward
        binary_forward_t* binary_forward
        binary_backward_t* binary_backward
        void (*fma_peak)(size_t iterations, double* out) noexcept nogil

    int cdl_cpu_isa()
    const cdl_kernels* cdl_kernel_table(int precision, int isa)
    const char** cdl_isa_names
    const char** cdl_unary_names
    const char** cdl_binary_names

# The table in use, by dtype: K[F32], K[F64].
cdef const cdl_kernels* K[2]
