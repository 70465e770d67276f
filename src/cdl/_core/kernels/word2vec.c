/* Vectors of words: rows of `width` elements, a multiple of a vector's (what a row lacks of it is 0), at their own
 * addresses, since they are rows of large tables. Other threads may write the same rows meanwhile. */
#include <string.h>

#include "vecmath.h"

/* No element of a table leaves this range, so that no product overflows and no rate makes a NaN; those of a trained
 * table stay below 10. */
#define BOUND R(128.0)

/* Rows that share a loaded one. Word2Vec computes in float32; float64 is kept small. */
#ifdef CDL_REAL_f32
enum { X_ROWS = 2, Y_ROWS = 3 };
#else
enum { X_ROWS = 1, Y_ROWS = 1 };
#endif

/* sum[i * n + j] = x[i] . y[j] for `a` rows of x and `b` of y; both are constants where it is called */
VEC void inner_block(const real *const *x, real *const *y, size_t a, size_t b, size_t n, size_t width, real *sum) {
    vec total[X_ROWS][Y_ROWS];
    for (size_t i = 0; i < a; i++)
        for (size_t j = 0; j < b; j++)
            total[i][j] = v_set(0);
    for (size_t d = 0; d < width; d += VLEN)
        for (size_t j = 0; j < b; j++) {
            vec other = v_load(y[j] + d);
            for (size_t i = 0; i < a; i++)
                total[i][j] += v_load(x[i] + d) * other;
        }
    for (size_t i = 0; i < a; i++)
        for (size_t j = 0; j < b; j++)
            sum[i * n + j] = v_sum(total[i][j]);
}

VEC void inner_rows(const real *const *x, real *const *y, size_t a, size_t n, size_t width, real *sum) {
    size_t j = 0;
    for (; Y_ROWS > 1 && j + Y_ROWS <= n; j += Y_ROWS)
        inner_block(x, y + j, a, Y_ROWS, n, width, sum + j);
    for (; j < n; j++)
        inner_block(x, y + j, a, 1, n, width, sum + j);
}

/* to[j] = from[j] + the sum over i of g[i * gi + j * gj] x[i], for `b` of j, at column d; b is a constant where called
 */
VEC void mix_block(const real *g, size_t gi, size_t gj, real *const *x, size_t m, size_t b, size_t d, vec *to) {
    for (size_t i = 0; i < m; i++) {
        vec row = v_load(x[i] + d);
        for (size_t j = 0; j < b; j++)
            to[j] += row * g[i * gi + j * gj];
    }
}

VEC void mix(const real *g, size_t gi, size_t gj, real *const *x, size_t m, size_t n, size_t d, vec *to) {
    size_t j = 0;
    for (; j < n; j++)
        to[j] = v_set(0);
    for (j = 0; Y_ROWS > 1 && j + Y_ROWS <= n; j += Y_ROWS)
        mix_block(g + j * gj, gi, gj, x, m, Y_ROWS, d, to + j);
    for (; j < n; j++)
        mix_block(g + j * gj, gi, gj, x, m, 1, d, to + j);
}

VEC void add_bounded(real *to, vec change) {
    v_store(to, v_clamp(v_load(to) + change, -BOUND, BOUND));
}

/* One step of logistic regression of every x[i], m of them, on every y[j], n of them, that shares them:
 *     g[i, j] = rate (target[i, j] - sigmoid(x[i] . y[j])),  dx[i] += sum_j g[i, j] y[j],  y[j] += sum_i g[i, j] x[i]
 * all from the x and y of before. dx[i] may be x[i]; the same row may be there more than once. m is at most
 * CDL_PAIRS_M, n at most CDL_PAIRS_N; target (m, n) has rows `target_row` apart. */
void KERNEL(pairs_step)(const void *const *xs, void *const *dxs, size_t m, void *const *ys, size_t n,
                        const void *targets, size_t target_row, size_t width, double rate) {
    const real *const *x = (const real *const *)xs;
    real *const *y = (real *const *)ys, *const *dx = (real *const *)dxs;
    real g[CDL_PAIRS_M * CDL_PAIRS_N], target[CDL_PAIRS_M * CDL_PAIRS_N];
    vec change[CDL_PAIRS_N];
    size_t i = 0;
    for (; X_ROWS > 1 && i + X_ROWS <= m; i += X_ROWS)
        inner_rows(x + i, y, X_ROWS, n, width, g + i * n);
    for (; i < m; i++)
        inner_rows(x + i, y, 1, n, width, g + i * n);
    for (i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++)
            target[i * n + j] = ((const real *)targets)[i * target_row + j];
    for (i = 0; i < m * n; i += VLEN) {
        vec slope = v_load_n(target + i, m * n - i) - v_sigmoid(v_load_n(g + i, m * n - i));
        v_store_n(g + i, (real)rate * slope, m * n - i);
    }
    for (size_t d = 0; d < width; d += VLEN) {
        vec pull[CDL_PAIRS_M];
        mix(g, n, 1, (real *const *)x, m, n, d, change);
        mix(g, 1, n, y, n, m, d, pull);
        for (i = 0; i < n; i++)
            add_bounded(y[i] + d, change[i]);
        for (i = 0; i < m; i++)
            add_bounded(dx[i] + d, pull[i]);
    }
}

/* y = scale times the sum of n rows */
void KERNEL(rows_sum)(const void *const *xs, size_t n, double scale, void *ys, size_t width) {
    real *y = ys;
    for (size_t d = 0; d < width; d += VLEN) {
        vec total = v_set(0);
        for (size_t i = 0; i < n; i++)
            total += v_load((const real *)xs[i] + d);
        v_store(y + d, total * (real)scale);
    }
}

/* each of n rows += scale x; the same row may be there more than once */
void KERNEL(rows_add)(const void *xs, double scale, void *const *ys, size_t n, size_t width) {
    const real *x = xs;
    for (size_t d = 0; d < width; d += VLEN) {
        vec change = v_load(x + d) * (real)scale;
        for (size_t i = 0; i < n; i++)
            add_bounded((real *)ys[i] + d, change);
    }
}
