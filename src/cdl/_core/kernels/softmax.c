/* Softmax and its relatives over the rows of x (rows, n), and cross-entropy from class labels.
 *
 * Every row is shifted by its maximum before exp, so nothing overflows. A row without a finite maximum is not shifted:
 * all -inf has logsumexp -inf, and its softmax is NaN.
 */
#include "tile.h"
#include "vecmath.h"

#define GROUP 64 /* rows whose sums are kept for one vectorised logarithm: one value a row would waste its lanes */
#define BLOCK (64 * VLEN) /* elements whose terms go to one running sum before it joins the row's */

static real row_max(const real *x, size_t n) {
    vec largest = v_set((real)-INFINITY), second = largest;
    size_t i = 0;
    for (; i + 2 * VLEN <= n; i += 2 * VLEN) {
        largest = v_maximum(largest, v_load(x + i));
        second = v_maximum(second, v_load(x + i + VLEN));
    }
    for (; i < n; i += VLEN)
        largest = v_maximum(largest, v_keep_n(v_load_n(x + i, n - i), n - i, (real)-INFINITY));
    return v_lane_max(v_maximum(largest, second));
}

VEC real finite_or_zero(real a) {
    return a - a == 0 ? a : 0;
}

/* sum of e^(x - shift), the terms written to y where that is not NULL */
VEC real row_exp_sum(const real *x, real *y, size_t n, real shift) {
    vec total = v_set(0);
    for (size_t top = 0; top < n; top += BLOCK) {
        size_t end = n - top < BLOCK ? n : top + BLOCK;
        vec part = v_set(0);
        for (size_t i = top; i < end; i += VLEN) {
            vec e = v_exp(v_load_n(x + i, n - i) - shift);
            if (y)
                v_store_n(y + i, e, n - i);
            part += v_keep_n(e, n - i, 0);
        }
        total += part;
    }
    return v_sum(total);
}

/* sum of g y over a row, or of g alone where y is NULL */
VEC real row_dot(const real *g, const real *y, size_t n) {
    vec total = v_set(0);
    for (size_t top = 0; top < n; top += BLOCK) {
        size_t end = n - top < BLOCK ? n : top + BLOCK;
        vec part = v_set(0);
        for (size_t i = top; i < end; i += VLEN) {
            vec a = v_load_n(g + i, n - i);
            part += y ? a * v_load_n(y + i, n - i) : a;
        }
        total += part;
    }
    return v_sum(total);
}

VEC void row_scale(real *y, size_t n, real factor) {
    for (size_t i = 0; i < n; i += VLEN)
        v_store_n(y + i, v_load_n(y + i, n - i) * factor, n - i);
}

/* The kernels below for rows of at most CDL_SHORT_ROW elements */
static void short_softmax(const real *x, real *y, size_t rows, size_t n, int log) {
    vec tile[CDL_SHORT_ROW], e[CDL_SHORT_ROW];
    for (size_t r = 0; r < rows; r += VLEN) {
        load_tile(tile, x + r * n, tile_rows(r, rows), n);
        vec shift = tile_max(tile, n), sum = {0};
        for (size_t j = 0; j < n; j++)
            sum += e[j] = v_exp(tile[j] - shift);
        vec rest = log ? v_log(sum) : 1 / sum;
        for (size_t j = 0; j < n; j++)
            tile[j] = log ? (tile[j] - shift) - rest : e[j] * rest;
        store_tile(tile, y + r * n, tile_rows(r, rows), n);
    }
}

static void short_softmax_backward(const real *y, const real *g, real *dx, size_t rows, size_t n, int log) {
    vec p[CDL_SHORT_ROW], tile[CDL_SHORT_ROW];
    for (size_t r = 0; r < rows; r += VLEN) {
        load_tile(p, y + r * n, tile_rows(r, rows), n);
        load_tile(tile, g + r * n, tile_rows(r, rows), n);
        vec sum = {0};
        for (size_t j = 0; j < n; j++)
            sum += log ? tile[j] : tile[j] * p[j];
        for (size_t j = 0; j < n; j++)
            tile[j] = log ? tile[j] - v_exp(p[j]) * sum : p[j] * (tile[j] - sum);
        store_tile(tile, dx + r * n, tile_rows(r, rows), n);
    }
}

static void short_logsumexp(const real *x, real *y, size_t rows, size_t n) {
    vec tile[CDL_SHORT_ROW];
    for (size_t r = 0; r < rows; r += VLEN) {
        load_tile(tile, x + r * n, tile_rows(r, rows), n);
        vec top = tile_max(tile, n), sum = {0};
        vec shift = v_select(v_lt(v_abs(top), v_set((real)INFINITY)), top, v_set(0));
        for (size_t j = 0; j < n; j++)
            sum += v_exp(tile[j] - shift);
        v_store_n(y + r, shift + v_log(sum), tile_rows(r, rows));
    }
}

/* y = e^x / sum e^x along each row of x (rows, n); y may be x */
void KERNEL(softmax_forward)(const void *xs, void *ys, size_t rows, size_t n) {
    if (n - 1 < CDL_SHORT_ROW) {
        short_softmax(xs, ys, rows, n, 0);
        return;
    }
    for (size_t r = 0; r < rows; r++) {
        const real *x = (const real *)xs + r * n;
        real *y = (real *)ys + r * n;
        row_scale(y, n, 1 / row_exp_sum(x, y, n, row_max(x, n)));
    }
}

/* dx = y (g - sum of g y) along each row; dx may be g */
void KERNEL(softmax_backward)(const void *ys, const void *gs, void *dxs, size_t rows, size_t n) {
    if (n - 1 < CDL_SHORT_ROW) {
        short_softmax_backward(ys, gs, dxs, rows, n, 0);
        return;
    }
    for (size_t r = 0; r < rows; r++) {
        const real *y = (const real *)ys + r * n, *g = (const real *)gs + r * n;
        real *dx = (real *)dxs + r * n, mean = row_dot(g, y, n);
        for (size_t i = 0; i < n; i += VLEN)
            v_store_n(dx + i, v_load_n(y + i, n - i) * (v_load_n(g + i, n - i) - mean), n - i);
    }
}

/* shift[r], a finite row maximum, and rest[r] = log of the sum of e^(x[r, :] - shift[r]), for up to GROUP rows */
static void group_logsumexp(const real *x, size_t rows, size_t n, real *shift, real *rest) {
    for (size_t r = 0; r < rows; r++) {
        shift[r] = finite_or_zero(row_max(x + r * n, n));
        rest[r] = row_exp_sum(x + r * n, NULL, n, shift[r]);
    }
    for (size_t r = 0; r < rows; r += VLEN)
        v_store_n(rest + r, v_log(v_load_n(rest + r, rows - r)), rows - r);
}
#define GROUPS(top, count)                                                                                             \
    for (size_t top = 0, count; count = rows - top < GROUP ? rows - top : GROUP, top < rows; top += GROUP)

/* y[r] = log of the sum of e^x[r, :] */
void KERNEL(logsumexp_forward)(const void *x, void *y, size_t rows, size_t n) {
    if (n - 1 < CDL_SHORT_ROW) {
        short_logsumexp(x, y, rows, n);
        return;
    }
    real shift[GROUP], rest[GROUP];
    GROUPS(top, count) {
        group_logsumexp((const real *)x + top * n, count, n, shift, rest);
        for (size_t r = 0; r < count; r++)
            ((real *)y)[top + r] = shift[r] + rest[r];
    }
}

/* dx[r, :] = g[r] e^(x[r, :] - y[r]) */
void KERNEL(logsumexp_backward)(const void *xs, const void *y, const void *g, void *dxs, size_t rows, size_t n) {
    for (size_t r = 0; r < rows; r++) {
        const real *x = (const real *)xs + r * n;
        real *dx = (real *)dxs + r * n, shift = ((const real *)y)[r], scale = ((const real *)g)[r];
        for (size_t i = 0; i < n; i += VLEN)
            v_store_n(dx + i, scale * v_exp(v_load_n(x + i, n - i) - shift), n - i);
    }
}

/* y = x - max - log(sum of e^(x - max)) along each row; y may be x */
void KERNEL(log_softmax_forward)(const void *xs, void *ys, size_t rows, size_t n) {
    if (n - 1 < CDL_SHORT_ROW) {
        short_softmax(xs, ys, rows, n, 1);
        return;
    }
    for (size_t r = 0; r < rows; r++) {
        const real *x = (const real *)xs + r * n;
        real *y = (real *)ys + r * n, shift = row_max(x, n);
        real rest = v_log(v_set(row_exp_sum(x, NULL, n, shift)))[0];
        for (size_t i = 0; i < n; i += VLEN)
            v_store_n(y + i, (v_load_n(x + i, n - i) - shift) - rest, n - i);
    }
}

/* dx = g - e^y (sum of g) along each row; dx may be g */
void KERNEL(log_softmax_backward)(const void *ys, const void *gs, void *dxs, size_t rows, size_t n) {
    if (n - 1 < CDL_SHORT_ROW) {
        short_softmax_backward(ys, gs, dxs, rows, n, 1);
        return;
    }
    for (size_t r = 0; r < rows; r++) {
        const real *y = (const real *)ys + r * n, *g = (const real *)gs + r * n;
        real *dx = (real *)dxs + r * n, total = row_dot(g, NULL, n);
        for (size_t i = 0; i < n; i += VLEN)
            v_store_n(dx + i, v_load_n(g + i, n - i) - v_exp(v_load_n(y + i, n - i)) * total, n - i);
    }
}

/* loss[r] = logsumexp(x[r, :]) - x[r, labels[r]], from logits x (rows, n) and labels 0..n-1, already checked; lse[r]
 * keeps the logsumexp for the backward. The difference is taken before the logarithm is added, so that small losses are
 * exact. */
void KERNEL(cross_entropy_forward)(const void *xs, const int64_t *labels, void *loss, void *lse, size_t rows,
                                   size_t n) {
    real shift[GROUP], rest[GROUP];
    GROUPS(top, count) {
        const real *x = (const real *)xs + top * n;
        group_logsumexp(x, count, n, shift, rest);
        for (size_t r = 0; r < count; r++) {
            ((real *)loss)[top + r] = rest[r] + (shift[r] - x[r * n + (size_t)labels[top + r]]);
            ((real *)lse)[top + r] = shift[r] + rest[r];
        }
    }
}

/* dx[r, :] = g[r] (softmax(x[r, :]) - onehot(labels[r])); g_step is 1, or 0 for one g for all rows. dx may be x */
void KERNEL(cross_entropy_backward)(const void *xs, const int64_t *labels, const void *lse, const void *g,
                                    size_t g_step, void *dxs, size_t rows, size_t n) {
    for (size_t r = 0; r < rows; r++) {
        const real *x = (const real *)xs + r * n;
        real *dx = (real *)dxs + r * n, shift = ((const real *)lse)[r], scale = ((const real *)g)[r * g_step];
        for (size_t i = 0; i < n; i += VLEN)
            v_store_n(dx + i, scale * v_exp(v_load_n(x + i, n - i) - shift), n - i);
        dx[labels[r]] -= scale;
    }
}
