/* What the kernel drivers share: a wider type to measure against, random numbers, guarded memory and the verdict. */
#include "vecmath.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#ifdef CDL_REAL_f32
typedef double wide;
#define WIDE(function) function
#define SAMPLES 400000
#else
typedef long double wide;
#define WIDE(function) function##l
#define SAMPLES 100000
#endif

#if defined(__FMA__) || defined(__aarch64__)
#define FUSED 1
#else
#define FUSED 0
#endif

static int failures;
static uint64_t state = 88172645463325252u;

static inline double uniform(double low, double high) {
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return low + (high - low) * ((double)(state >> 11) * 0x1p-53);
}

/* 0, 1, ... n - 1 */
static inline size_t below(size_t n) {
    return (size_t)uniform(0, (double)n);
}

static inline void check(int good, const char *what) {
    if (!good)
        failures++, printf("FAILED %s\n", what);
}

/* |got - want| in units of the last place of want */
static inline double ulp_error(real got, wide want) {
    real nearest = (real)want;
    if (isnan(want) || isnan(got))
        return isnan(want) && isnan(got) ? 0 : INFINITY;
    if (isinf(nearest) || isinf(got)) {
        real huge = LIBM(nextafter)((real)INFINITY, 0); /* one unit above the largest number is infinity */
        if (isinf(nearest) && isinf(got))
            return nearest == got ? 0 : INFINITY;
        return LIBM(fabs)(isinf(got) ? nearest : got) == huge ? 1 : INFINITY;
    }
    int exponent;
    WIDE(frexp)(want, &exponent);
    const int lowest = PICK(-149, -1074);
    int unit = want == 0 || exponent - 1 - MANTISSA_BITS < lowest ? lowest : exponent - 1 - MANTISSA_BITS;
    wide difference = (wide)got - want;
    return (double)WIDE(fabs)(WIDE(ldexp)(difference, -unit));
}

/* The smallest number with 1 + EPSILON > 1, about */
#define EPSILON PICK(0x1p-23, 0x1p-52)

#define GUARDED_BYTES 65536
/* GUARDED_BYTES of memory; reading or writing a byte before or after them ends the program */
static inline char *guarded(void) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *p = mmap(NULL, GUARDED_BYTES + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED || mprotect(p + page, GUARDED_BYTES, PROT_READ | PROT_WRITE))
        exit(3);
    return p + page;
}
/* n elements at the start (at_end = 0) or the end (1) of guarded memory */
static inline real *placed(char *memory, size_t n, int at_end) {
    return (real *)(memory + (at_end ? GUARDED_BYTES - n * sizeof(real) : 0));
}

/* n of them with small integers, of which every sum is exact */
static inline real *integers(char *memory, size_t n, int at_end) {
    real *p = placed(memory, n, at_end);
    for (size_t i = 0; i < n; i++)
        p[i] = (real)below(9) - 4;
    return p;
}
