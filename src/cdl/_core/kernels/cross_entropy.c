/* Cross-entropy beyond long rows with class labels: rows of few classes, and targets that are probabilities. */
#include "tile.h"
#include "vecmath.h"

/* As cross_entropy_forward, VLEN rows at a time: with few classes the sums across a vector would cost more than exp. */
void KERNEL(cross_entropy_short_forward)(const void *xs, const int64_t *labels, void *loss, void *lse, size_t rows,
                                         size_t n) {
    vec tile[CDL_SHORT_ROW];
    for (size_t r = 0; r < rows; r += VLEN) {
        size_t count = tile_rows(r, rows);
        load_tile(tile, (const real *)xs + r * n, count, n);
        vec top = tile_max(tile, n), sum = {0}, picked = {0};
        vec shift = v_select(v_lt(v_abs(top), v_set((real)INFINITY)), top, v_set(0));
        for (size_t j = 0; j < n; j++)
            sum += v_exp(tile[j] - shift);
        for (size_t l = 0; l < count; l++)
            picked[l] = ((const real *)xs)[(r + l) * n + (size_t)labels[r + l]];
        vec rest = v_log(sum);
        v_store_n((real *)loss + r, rest + (shift - picked), count);
        v_store_n((real *)lse + r, shift + rest, count);
    }
}

/* As cross_entropy_backward; dx may not be x */
void KERNEL(cross_entropy_short_backward)(const void *xs, const int64_t *labels, const void *lses, const void *gs,
                                          size_t g_step, void *dxs, size_t rows, size_t n) {
    vec tile[CDL_SHORT_ROW];
    const real *g = gs;
    for (size_t r = 0; r < rows; r += VLEN) {
        size_t count = tile_rows(r, rows);
        real *dx = (real *)dxs + r * n;
        load_tile(tile, (const real *)xs + r * n, count, n);
        vec lse = v_load_n((const real *)lses + r, count), scale = g_step ? v_load_n(g + r, count) : v_set(*g);
        for (size_t j = 0; j < n; j++)
            tile[j] = scale * v_exp(tile[j] - lse);
        store_tile(tile, dx, count, n);
        for (size_t l = 0; l < count; l++)
            dx[l * n + (size_t)labels[r + l]] -= g[(r + l) * g_step];
    }
}

/* loss[r] = sum over j of t[r, j] (lse[r] - x[r, j]), with lse[r] = logsumexp(x[r, :]) given; where t is 0, x may be
 * -inf */
void KERNEL(soft_cross_entropy_forward)(const void *xs, const void *ts, const void *lses, void *losses, size_t rows,
                                        size_t n) {
    for (size_t r = 0; r < rows; r++) {
        const real *x = (const real *)xs + r * n, *t = (const real *)ts + r * n;
        vec sum = {0}, lost = {0}, lse = v_set(((const real *)lses)[r]), zero = v_set(0);
        for (size_t j = 0; j < n; j += VLEN) {
            vec weight = v_load_n(t + j, n - j), part = weight * (lse - v_load_n(x + j, n - j));
            part = v_select(v_eq(weight, zero), zero, part);
            vec total = sum + part, back = total - sum; /* rounding errors are kept: vocabularies are long */
            lost += (sum - (total - back)) + (part - back);
            sum = total;
        }
        ((real *)losses)[r] = v_sum(sum + v_select(v_isnan(lost), zero, lost));
    }
}

/* dx[r, j] = g[r] (total p[r, j] - t[r, j]), p = softmax(x), total = sum of t[r, :]; g_step is 1, or 0 for one g for
 * all */
void KERNEL(soft_cross_entropy_backward)(const void *xs, const void *ts, const void *lses, const void *g, size_t g_step,
                                         void *dxs, size_t rows, size_t n) {
    for (size_t r = 0; r < rows; r++) {
        const real *x = (const real *)xs + r * n, *t = (const real *)ts + r * n;
        real *dx = (real *)dxs + r * n, scale = ((const real *)g)[r * g_step], lse = ((const real *)lses)[r];
        vec sum = {0};
        for (size_t j = 0; j < n; j += VLEN)
            sum += v_load_n(t + j, n - j);
        real total = v_sum(sum);
        for (size_t j = 0; j < n; j += VLEN)
            v_store_n(dx + j, scale * (total * v_exp(v_load_n(x + j, n - j) - lse) - v_load_n(t + j, n - j)), n - j);
    }
}
