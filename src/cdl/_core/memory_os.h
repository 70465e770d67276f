/* What the pool needs of the operating system and cannot say in Cython: aligned pages with the huge-page hint. */
#ifndef CDL_MEMORY_OS_H
#define CDL_MEMORY_OS_H
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

/* AddressSanitizer sees an overrun only of a block it knows: then every block is malloc's own. */
#if defined(__SANITIZE_ADDRESS__)
#define CDL_POOLED 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define CDL_POOLED 0
#endif
#endif
#ifndef CDL_POOLED
#define CDL_POOLED 1
#endif

#ifndef MAP_ANONYMOUS
#define MAP_ANONYMOUS MAP_ANON
#endif

/* An address at a multiple of `align` with `bytes` bytes behind it and one page, for the header, before it; NULL when
 * exhausted. What the alignment cut off is given back at once. */
static inline void *cdl_pages_new(size_t bytes, size_t align) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE), whole = page + align + bytes;
    char *start = mmap(NULL, whole, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (start == MAP_FAILED)
        return NULL;
    char *block = (char *)(((uintptr_t)start + page + align - 1) / align * align), *end = block + bytes;
    if (block - page > start)
        munmap(start, (size_t)(block - page - start));
    if (start + whole > end)
        munmap(end, (size_t)(start + whole - end));
#ifdef MADV_HUGEPAGE
    madvise(block, bytes, MADV_HUGEPAGE); /* a hint: where it is refused the pages stay small */
#endif
    return block;
}

static inline void cdl_pages_free(void *block, size_t bytes) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    munmap((char *)block - page, page + bytes);
}

static inline void *cdl_aligned_new(size_t align, size_t bytes) {
    void *block;
    return posix_memalign(&block, align, bytes) ? NULL : block;
}

/* Has malloc give back what is free in it, which else it keeps for itself. */
static inline void cdl_trim(void) {
#ifdef __GLIBC__
    malloc_trim(0);
#endif
}

/* A thread that waits for the pool's lock: its holder needs some 10 ns, or was taken off its processor. */
static inline void cdl_relax(int round) {
    if (round < 64) {
#if defined(__x86_64__)
        __builtin_ia32_pause();
#endif
    } else if (round < 1000) {
        sched_yield();
    } else { /* a real-time thread that only yields would never let a lesser holder run */
        struct timespec moment = {0, 50000};
        nanosleep(&moment, NULL);
    }
}
#endif
