/* Selection by a mask. A mask is one byte an element, 0 or 1. */
#include "kernels.h"
#include <string.h>

/* One loop for steps known when it is compiled, so that it vectorises. */
static inline __attribute__((always_inline)) void choose(const unsigned char *mask, const real *a, const real *b,
                                                         real *y, size_t n, size_t sa, size_t sb) {
    for (size_t i = 0; i < n; i++) {
        real yes = a[i * sa], no = b[i * sb];
        y[i] = mask[i] ? yes : no;
    }
}

/* y = mask ? a : b, of n elements; sm, sa and sb are 1, or 0 for an operand that is one repeated value. */
void KERNEL(where_forward)(const void *mask, const void *as, const void *bs, void *ys, size_t n, size_t sm, size_t sa,
                           size_t sb) {
    const unsigned char *m = mask;
    const real *a = as, *b = bs;
    real *y = ys;
    if (!sm) {
        const real *x = *m ? a : b;
        size_t sx = *m ? sa : sb;
        if (sx && n)
            memcpy(y, x, n * sizeof(real));
        else
            for (size_t i = 0; i < n; i++)
                y[i] = *x;
    } else if (sa && sb)
        choose(m, a, b, y, n, 1, 1);
    else if (sa)
        choose(m, a, b, y, n, 1, 0);
    else if (sb)
        choose(m, a, b, y, n, 0, 1);
    else
        choose(m, a, b, y, n, 0, 0);
}

/* d = g where the mask is `keep` (0 or 1), else 0; sm is 1, or 0 for a mask that is one repeated value. */
void KERNEL(where_backward)(const void *mask, const void *gs, void *ds, size_t n, size_t sm, int keep) {
    const unsigned char *m = mask;
    const real *g = gs;
    real *d = ds;
    unsigned char wanted = (unsigned char)keep;
    if (!sm) {
        if (*m == wanted)
            memcpy(d, g, n * sizeof(real));
        else
            memset(d, 0, n * sizeof(real));
        return;
    }
    for (size_t i = 0; i < n; i++)
        d[i] = m[i] == wanted ? g[i] : 0;
}
