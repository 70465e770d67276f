# The buffer pool: 64-byte aligned blocks that are reused, since fresh pages cost more than the arithmetic on them.
cdef void* pool_alloc(size_t nbytes) noexcept nogil   # NULL when memory is exhausted or the size is absurd
cdef void pool_free(void* p) noexcept nogil           # NULL is allowed
