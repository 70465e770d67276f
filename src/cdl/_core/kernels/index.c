/* Rows by index. */
#include <string.h>

#include "kernels.h"

/* y (n, inner) = the rows ids[0 … n-1] of x (rows, inner). */
void KERNEL(gather_rows)(const void *restrict x, const int64_t *restrict ids, void *restrict y, size_t n,
                         size_t inner) {
    const real *xs = x;
    real *ys = y;
    if (inner == 1) {
        for (size_t i = 0; i < n; i++)
            ys[i] = xs[ids[i]];
        return;
    }
    for (size_t i = 0; i < n; i++)
        memcpy(ys + i * inner, xs + (size_t)ids[i] * inner, inner * sizeof(real));
}

/* dx (rows, inner) += the rows of g (n, inner), in order, at those ids that lie in first … last-1. */
void KERNEL(scatter_add_rows)(const void *restrict g, const int64_t *restrict ids, void *restrict dx, size_t n,
                              size_t inner, size_t first, size_t last) {
    const real *gs = g;
    for (size_t i = 0; i < n; i++) {
        size_t row = (size_t)ids[i];
        if (row < first || row >= last)
            continue;
        real *to = (real *)dx + row * inner;
        for (size_t j = 0; j < inner; j++)
            to[j] += gs[i * inner + j];
    }
}
