"""The buffer pool every array of the library lives in."""
cdef extern from "<stdlib.h>" nogil:
    void* aligned_alloc(size_t alignment, size_t size)
    void free(void* p)


cdef void* pool_alloc(size_t nbytes) noexcept nogil:
    return aligned_alloc(64, (nbytes + 127) // 64 * 64)


cdef void pool_free(void* p) noexcept nogil:
    free(p)
