/* PReLU: y = x where x > 0, else slope x, with one slope for all (step 0) or one a column (step 1) of x (rows, n). */
#include "vec.h"

VEC vec slope_at(const real *slope, size_t step, size_t i, size_t n) {
    return step ? v_load_n(slope + i, n) : v_set(*slope);
}

/* y may be x */
void KERNEL(prelu_forward)(const void *xs, const void *slopes, size_t step, void *ys, size_t rows, size_t n) {
    for (size_t r = 0; r < rows; r++) {
        const real *x = (const real *)xs + r * n;
        real *y = (real *)ys + r * n;
        for (size_t i = 0; i < n; i += VLEN) {
            vec a = v_load_n(x + i, n - i);
            v_store_n(y + i, v_select(v_gt(a, v_set(0)), a, slope_at(slopes, step, i, n - i) * a), n - i);
        }
    }
}

/* dx = g where x > 0, else slope g; dslope, overwritten, is the sum of g x where x <= 0: of all elements (step 0) or of
 * each column. dx may be g. */
void KERNEL(prelu_backward)(const void *xs, const void *slopes, size_t step, const void *gs, void *dxs, void *dslopes,
                            size_t rows, size_t n) {
    real *dslope = dslopes;
    vec all = v_set(0), zero = v_set(0);
    memset(dslope, 0, (step ? n : 1) * sizeof(real));
    for (size_t r = 0; r < rows; r++) {
        const real *x = (const real *)xs + r * n, *g = (const real *)gs + r * n;
        real *dx = (real *)dxs + r * n;
        for (size_t i = 0; i < n; i += VLEN) {
            vec a = v_load_n(x + i, n - i), b = v_load_n(g + i, n - i);
            vmask above = v_gt(a, zero);
            vec part = v_select(above, zero, a * b);
            v_store_n(dx + i, v_select(above, b, slope_at(slopes, step, i, n - i) * b), n - i);
            if (step)
                v_store_n(dslope + i, v_load_n(dslope + i, n - i) + part, n - i);
            else
                all += part;
        }
    }
    if (!step)
        *dslope = v_sum(all);
}
