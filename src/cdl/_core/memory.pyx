"""The buffer pool every array of the library lives in.

A buffer of 51 MB costs 24.6 ms fresh from malloc, 3.7 ms as fresh huge pages and 1.4 ms reused, more than most
arithmetic on it. So freed blocks wait in one list per size class, four classes per power of two, and the block freed
last, whose lines are still in the caches, is given out first. Before each block lie 64 bytes that say where it belongs.
The lists hold no more than a limit; what goes beyond it is given back from the class that was used least recently, so
that the sizes of an earlier batch size do not keep out those of the present one.

Any thread may call `pool_alloc` and `pool_free`, with or without the GIL. `fork` finds the lock free.
"""
import operator

from cdl._core import host

ctypedef void (*fork_handler)() noexcept nogil

cdef extern from "memory_os.h" nogil:
    const int POOLED "CDL_POOLED"
    void* cdl_pages_new(size_t nbytes, size_t align)
    void cdl_pages_free(void* block, size_t nbytes)
    void* cdl_aligned_new(size_t align, size_t nbytes)
    void cdl_relax(int turn)
    void cdl_trim()
    void free(void* p)
    int pthread_atfork(fork_handler prepare, fork_handler parent, fork_handler child)
    int ACQUIRE "__ATOMIC_ACQUIRE"
    int RELAXED "__ATOMIC_RELAXED"
    int RELEASE "__ATOMIC_RELEASE"
    int __builtin_clzll(unsigned long long n)
    int __atomic_exchange_n(int* p, int value, int order)
    int __atomic_load_n(int* p, int order)
    void __atomic_store_n(int* p, int value, int order)

cdef enum:
    ALIGN = 64             # a cache line, and the widest vector register
    HUGE = 2 << 20         # bytes of a huge page on x86-64 and, with 4 KB pages, aarch64
    LARGE = 1 << 20        # blocks above it are pages of their own
    CLASSES = 160          # class_of(LARGEST) + 1

cdef size_t LARGEST = <size_t>1 << 47   # beyond what a process can address

cdef struct Block:         # the header, in the 64 bytes before the address that is given out
    Block* next            # while the block waits in a list
    size_t size            # bytes that may be used, the size of its class
    int kind               # its class

cdef struct SizeClass:
    Block* first
    size_t used_at         # `clock` when it was last used

cdef SizeClass classes[CLASSES]
cdef int lock_word = 0
cdef size_t clock = 0      # counts the calls: the time by which classes are old
cdef size_t in_use = 0, held = 0, high_water = 0, limit = 0, largest = 0


cdef inline void lock() noexcept nogil:
    cdef int turn = 0
    while __atomic_exchange_n(&lock_word, 1, ACQUIRE):
        while __atomic_load_n(&lock_word, RELAXED):
            cdl_relax(turn)
            turn += 1


cdef inline void unlock() noexcept nogil:
    __atomic_store_n(&lock_word, 0, RELEASE)


cdef void lock_before_fork() noexcept nogil:
    lock()


cdef void unlock_after_fork() noexcept nogil:
    unlock()


cdef inline int class_of(size_t nbytes) noexcept nogil:
    """64, 128, 192, 256, then four equal steps to each next power of two; nbytes is at least 1."""
    cdef int log
    if nbytes <= 4 * ALIGN:
        return <int>((nbytes - 1) // ALIGN)
    log = 63 - __builtin_clzll(nbytes - 1)
    return 4 * (log - 8) + <int>((nbytes - 1) >> (log - 2))


cdef inline size_t class_size(int kind) noexcept nogil:
    return <size_t>(kind + 1) * ALIGN if kind < 4 else <size_t>(kind % 4 + 5) << (kind // 4 + 5)


cdef inline Block* header(void* p) noexcept nogil:
    return <Block*>(<char*>p - ALIGN)


cdef inline size_t pages_size(size_t size) noexcept nogil:
    """Classes below a huge page get a whole one: without its full length the kernel would give them small pages."""
    return HUGE if size < HUGE else size


cdef void* block_new(int kind) noexcept nogil:
    cdef size_t size = class_size(kind)
    cdef char* p
    if size > LARGE:
        p = <char*>cdl_pages_new(pages_size(size), HUGE)
    else:
        p = <char*>cdl_aligned_new(ALIGN, size + ALIGN)
        if p != NULL:
            p += ALIGN
    if p != NULL:
        header(p).size = size
        header(p).kind = kind
    return p


cdef void blocks_free(Block* block) noexcept nogil:
    """Gives a chain of blocks back to the system; called without the lock."""
    cdef Block* after
    while block != NULL:
        after = block.next
        if block.size > LARGE:
            cdl_pages_free(<char*>block + ALIGN, pages_size(block.size))
        else:
            free(block)
        block = after


cdef Block* shed(size_t keep) noexcept nogil:
    """Takes the blocks of the least recently used classes out of the lists until they hold `keep` bytes or less."""
    global held
    cdef Block* chain = NULL
    cdef Block* block
    cdef int kind, oldest
    while held > keep:
        oldest = -1
        for kind in range(CLASSES):
            if classes[kind].first != NULL and (oldest < 0 or classes[kind].used_at < classes[oldest].used_at):
                oldest = kind
        while classes[oldest].first != NULL and held > keep:
            block = classes[oldest].first
            classes[oldest].first = block.next
            held -= block.size
            block.next = chain
            chain = block
    return chain


cdef void* pool_alloc(size_t nbytes) noexcept nogil:
    global clock, in_use, held
    cdef int kind
    cdef Block* block
    if not POOLED:
        return cdl_aligned_new(ALIGN, nbytes) if nbytes <= largest else NULL
    if nbytes == 0:
        nbytes = 1
    elif nbytes > largest:
        return NULL
    kind = class_of(nbytes)
    lock()
    block = classes[kind].first
    if block == NULL:
        unlock()
        return alloc_fresh(kind)
    classes[kind].first = block.next
    clock += 1
    classes[kind].used_at = clock
    in_use += block.size
    held -= block.size
    unlock()
    return <char*>block + ALIGN


cdef void* alloc_fresh(int kind) noexcept nogil:
    global clock, in_use, high_water
    cdef Block* chain
    cdef void* p = block_new(kind)
    if p == NULL:
        lock()
        chain = shed(0)
        unlock()
        blocks_free(chain)
        p = block_new(kind)
        if p == NULL:
            return NULL
    lock()
    clock += 1
    classes[kind].used_at = clock
    in_use += header(p).size
    if high_water < in_use + held:
        high_water = in_use + held
    unlock()
    return p


cdef void pool_free(void* p) noexcept nogil:
    global clock, in_use, held
    cdef Block* block
    cdef Block* chain = NULL
    if not POOLED:
        free(p)
        return
    if p == NULL:
        return
    block = header(p)
    lock()
    in_use -= block.size
    if block.size > limit:
        block.next = NULL
        chain = block
    else:
        block.next = classes[block.kind].first
        classes[block.kind].first = block
        clock += 1
        classes[block.kind].used_at = clock
        held += block.size
        if held > limit:
            chain = shed(limit)
    unlock()
    if chain != NULL:
        blocks_free(chain)


def clear_memory():
    """Give the memory of freed arrays, which the pool keeps for the next ones, back to the system.

    Examples
    --------
    >>> import cdl
    >>> cdl.clear_memory()
    >>> cdl.memory_stats()["held"]
    0
    """
    cdef Block* chain
    with nogil:
        lock()
        chain = shed(0)
        unlock()
        blocks_free(chain)
        cdl_trim()


def set_memory_limit(nbytes):
    """Keep at most `nbytes` bytes of freed arrays for reuse.

    Parameters
    ----------
    nbytes : int
        0 keeps none. Until it is set: a quarter of the RAM, at most 2 GiB.

    Raises
    ------
    ValueError
        If it is negative.

    Examples
    --------
    >>> import cdl
    >>> before = cdl.memory_stats()["limit"]
    >>> cdl.set_memory_limit(1 << 20)
    >>> cdl.memory_stats()["limit"]
    1048576
    >>> cdl.set_memory_limit(before)
    """
    global limit
    cdef Block* chain
    wanted = operator.index(nbytes)
    if wanted < 0:
        raise ValueError(f"set_memory_limit: expected 0 bytes or more, got {wanted}")
    cdef size_t keep = min(wanted, LARGEST)
    with nogil:
        lock()
        limit = keep
        chain = shed(keep)
        unlock()
        blocks_free(chain)


def memory_stats():
    """Bytes of the pool's blocks: `in_use` by arrays, `held` for reuse, `limit` of `held`, `high_water` of both.

    `pooled` is False in a build for AddressSanitizer, where blocks come from malloc and are not counted.

    Examples
    --------
    >>> import cdl
    >>> stats = cdl.memory_stats()
    >>> stats["in_use"] + stats["held"] <= stats["high_water"]
    True
    """
    cdef size_t used, kept, most, high
    lock()  # no Python object is made while it is held: the collector may free arrays
    used, kept, most, high = in_use, held, limit, high_water
    unlock()
    return {"in_use": used, "held": kept, "limit": most, "high_water": high, "pooled": bool(POOLED)}


cdef extern from *:
    """
    static volatile uintptr_t cdl_sink; /* keeps the compiler from removing an allocation that nobody uses */
    """
    size_t cdl_sink


def _selftest(sizes, int rounds=1):
    """Allocate a block of every size, free them in reverse order, `rounds` times; their addresses (0: refused)."""
    cdef list wanted = [operator.index(size) for size in sizes], found = []
    cdef list blocks
    cdef size_t size, address
    for _ in range(rounds):
        blocks = []
        for size in wanted:
            address = <size_t>pool_alloc(size)
            if address:
                (<char*>address)[0] = 1
                if size:
                    (<char*>address)[size - 1] = 1
            blocks.append(address)
        for address in reversed(blocks):
            pool_free(<void*>address)
        found.append(blocks)
    return found


def _time(size_t nbytes, size_t rounds):
    """Allocate and free one block `rounds` times, without Python in between: for timing."""
    cdef void* p
    global cdl_sink
    with nogil:
        for _ in range(rounds):
            p = pool_alloc(nbytes)
            cdl_sink = <size_t>p
            pool_free(p)


def _stress(size_t rounds, unsigned long long seed):
    """Keep 32 blocks of changing sizes alive, without the GIL; how many of them somebody else wrote into."""
    cdef void* blocks[32]
    cdef size_t sizes[32]
    cdef size_t slot, damaged = 0
    for slot in range(32):
        blocks[slot] = NULL
    with nogil:
        for _ in range(rounds):
            seed = seed * 6364136223846793005ULL + 1442695040888963407ULL
            slot = <size_t>(seed >> 59)
            if blocks[slot] != NULL:
                damaged += (<void**>blocks[slot])[0] != &blocks[slot]
                damaged += (<char*>blocks[slot])[sizes[slot] - 1] != <char>slot
                pool_free(blocks[slot])
            sizes[slot] = 16 + (<size_t>(seed >> 33) & 0xFFFFF) // (1 + (seed & 0xFFFF0) // 1024)
            blocks[slot] = pool_alloc(sizes[slot])
            if blocks[slot] != NULL:
                (<void**>blocks[slot])[0] = &blocks[slot]
                (<char*>blocks[slot])[sizes[slot] - 1] = <char>slot
        for slot in range(32):
            pool_free(blocks[slot])
    return damaged


def _set_up():
    global limit, largest
    ram, all_of_it = host.memory()
    limit = min(ram // 4, 2 << 30)
    largest = min(all_of_it, LARGEST)
    if pthread_atfork(lock_before_fork, unlock_after_fork, unlock_after_fork):
        raise MemoryError("cdl: cannot register the pool's fork handler")


_set_up()
