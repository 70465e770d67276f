/* Softmax and its relatives over the rows of x (rows, n). `stream`: y or dx is stored past the caches.
 *
 * Every row is shifted by its maximum before exp, so nothing overflows. A row without a finite maximum is not shifted:
 * all -inf has logsumexp -inf, and its softmax is NaN.
 */
#include "rows.h"
#include "tile.h"

/* sum of g y over a row, or of g alone where y is NULL */
VEC real row_dot(const real *g, const real *y, size_t n) {
    vec total = v_set(0);
    for (size_t top = 0; top < n; top += BLOCK) {
        size_t end = n - top < BLOCK ? n : top + BLOCK;
        vec part[2] = {v_set(0), v_set(0)};
        size_t i = top;
        for (; i + 2 * VLEN <= end; i += 2 * VLEN)
            for (size_t k = 0; k < 2; k++) {
                vec a = v_load(g + i + k * VLEN);
                part[k] += y ? a * v_load(y + i + k * VLEN) : a;
            }
        for (; i < end; i += VLEN) {
            vec a = v_load_n(g + i, end - i);
            part[0] += y ? a * v_load_n(y + i, end - i) : a;
        }
        total += part[0] + part[1];
    }
    return v_sum(total);
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

/* Row r of y from its exponentials e, which may be y */
VEC void scale_row(const real *e, real *y, size_t n, const Sums *s, size_t r, int stream) {
    size_t block = block_of(n);
    for (size_t at = 0, b = 0; at < n; at += block, b++) {
        size_t length = n - at < block ? n - at : block;
        real factor = block_factor(s, r, b, n);
        ALONG(y + at, i, count, length, stream)
        v_put(y + at + i, v_load_n(e + at + i, count) * factor, count, stream);
    }
}

/* y = e^x / sum e^x along each row of x (rows, n); y may be x where it is not streamed */
void KERNEL(softmax_forward)(const void *xs, void *ys, size_t rows, size_t n, int stream) {
    if (n - 1 < CDL_SHORT_ROW) {
        short_softmax(xs, ys, rows, n, 0);
        return;
    }
    real kept[KEPT];
    Sums sums;
    int aside = stream && (n <= KEPT / GROUP || (n > BLOCK && n <= KEPT));
    GROUPS(top, members, rows, n) {
        real *y = (real *)ys + top * n, *e = aside ? kept : y;
        exp_sums((const real *)xs + top * n, e, NULL, members, n, &sums);
        for (size_t r = 0; r < members; r++)
            scale_row(e + r * n, y + r * n, n, &sums, r, aside);
    }
    stream_end(stream);
}

/* dx = y (g - sum of g y) along each row; dx may be g */
void KERNEL(softmax_backward)(const void *ys, const void *gs, void *dxs, size_t rows, size_t n, int stream) {
    if (n - 1 < CDL_SHORT_ROW) {
        short_softmax_backward(ys, gs, dxs, rows, n, 0);
        return;
    }
    for (size_t r = 0; r < rows; r++) {
        const real *y = (const real *)ys + r * n, *g = (const real *)gs + r * n;
        real *dx = (real *)dxs + r * n, mean = row_dot(g, y, n);
        ALONG(dx, i, count, n, stream)
        v_put(dx + i, v_load_n(y + i, count) * (v_load_n(g + i, count) - mean), count, stream);
    }
    stream_end(stream);
}

/* y[r] = log of the sum of e^x[r, :] */
void KERNEL(logsumexp_forward)(const void *xs, void *y, size_t rows, size_t n) {
    if (n - 1 < CDL_SHORT_ROW) {
        short_logsumexp(xs, y, rows, n);
        return;
    }
    Sums sums;
    GROUPS(top, members, rows, n) {
        const real *x = (const real *)xs + top * n;
        exp_sums(x, NULL, NULL, members, n, &sums);
        log_sums(x, members, n, &sums);
        for (size_t r = 0; r < members; r++)
            ((real *)y)[top + r] = sums.shift[r] + sums.log[r];
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

/* y = x - max - log(sum of e^(x - max)) along each row; y may be x where it is not streamed */
void KERNEL(log_softmax_forward)(const void *xs, void *ys, size_t rows, size_t n, int stream) {
    if (n - 1 < CDL_SHORT_ROW) {
        short_softmax(xs, ys, rows, n, 1);
        return;
    }
    Sums sums;
    GROUPS(top, members, rows, n) {
        const real *xg = (const real *)xs + top * n;
        exp_sums(xg, NULL, NULL, members, n, &sums);
        for (size_t r = 0; r < members; r += VLEN)
            v_store_n(sums.log + r, v_log(v_load_n(sums.total + r, members - r)), members - r);
        for (size_t r = 0; r < members; r++) {
            const real *x = xg + r * n;
            real *y = (real *)ys + (top + r) * n;
            ALONG(y, i, count, n, stream)
            v_put(y + i, (v_load_n(x + i, count) - sums.shift[r]) - sums.log[r], count, stream);
        }
    }
    stream_end(stream);
}

/* dx = g - e^y (sum of g) along each row; dx may be g */
void KERNEL(log_softmax_backward)(const void *ys, const void *gs, void *dxs, size_t rows, size_t n, int stream) {
    if (n - 1 < CDL_SHORT_ROW) {
        short_softmax_backward(ys, gs, dxs, rows, n, 1);
        return;
    }
    for (size_t r = 0; r < rows; r++) {
        const real *y = (const real *)ys + r * n, *g = (const real *)gs + r * n;
        real *dx = (real *)dxs + r * n, total = row_dot(g, NULL, n);
        ALONG(dx, i, count, n, stream)
        v_put(dx + i, v_load_n(g + i, count) - v_exp_below(v_load_n(y + i, count)) * total, count, stream);
    }
    stream_end(stream);
}
