/* Windows of images as the rows of a matrix: what turns a convolution into a product without the whole matrix ever
 * being there. */
#include "vec.h"

VEC void copy_run(real *to, const real *from, size_t n) {
    size_t i = 0;
    for (; i + VLEN <= n; i += VLEN)
        v_store(to + i, v_load(from + i));
    if (i < n)
        v_store_part(to + i, v_load_part(from + i, n - i), n - i);
}

VEC void zero_run(real *to, size_t n) {
    size_t i = 0;
    for (; i + VLEN <= n; i += VLEN)
        v_store(to + i, v_set(0));
    if (i < n)
        v_store_part(to + i, v_set(0), n - i);
}

/* Elements first to first + n of a run that begins at `start` and lies in the image from `low` to `high`; 0 outside. */
VEC void fetch_run(real *to, const real *start, size_t first, size_t n, size_t low, size_t high) {
    const size_t end = first + n, from = first > low ? first : low, past = end < high ? end : high;
    if (from >= past) {
        zero_run(to, n);
        return;
    }
    if (from > first)
        zero_run(to, from - first);
    copy_run(to + (from - first), start + from, past - from);
    if (past < end)
        zero_run(to + (past - first), end - past);
}

/* What one kernel row reads is one run of S times C neighbours where nothing lies between its columns. */
VEC int in_one_run(const cdl_windows *w) {
    return w->dilation_w == 1 && w->channels == w->C;
}

/* Elements [column, column + columns) of the window at (p, q), which has its R x S pixels of `channels` channels one
 * after the other. */
static void fetch_window(const cdl_windows *w, const real *image, ptrdiff_t p, ptrdiff_t q, size_t column,
                         size_t columns, real *to) {
    const int whole = in_one_run(w);
    const size_t length = whole ? w->S * w->C : w->channels, runs = whole ? 1 : w->S;
    const ptrdiff_t W = (ptrdiff_t)w->W, C = (ptrdiff_t)w->C;
    size_t run = column / length, first = column - run * length, r = run / runs, s = run - r * runs;
    while (columns > 0) {
        const size_t n = length - first < columns ? length - first : columns;
        const ptrdiff_t h = p * w->stride_h + (ptrdiff_t)r * w->dilation_h - w->top;
        const ptrdiff_t x = q * w->stride_w + (ptrdiff_t)s * w->dilation_w - w->left;
        size_t low = 0, high = 0;
        if (h >= 0 && h < (ptrdiff_t)w->H) {
            if (!whole)
                high = x >= 0 && x < W ? length : 0;
            else {
                low = x < 0 ? (size_t)(-x * C) : 0;
                high = x >= W ? 0 : (size_t)((W - x) * C);
            }
        }
        fetch_run(to, low < high ? image + (h * W + x) * C + (ptrdiff_t)w->first : NULL, first, n, low, high);
        to += n;
        columns -= n;
        first = 0;
        if (++s >= runs)
            s = 0, r++;
    }
}

/* Rows [row, row + rows) and columns [column, column + columns) of the matrix whose row (n, p, q) is the window at p, q
 * of image n of x (N, H, W, C); to `target`, whose rows are target_row apart. */
void KERNEL(conv_windows)(const cdl_windows *w, const void *x, size_t row, size_t rows, size_t column, size_t columns,
                          void *target, ptrdiff_t target_row) {
    size_t q = row % w->Q, p = row / w->Q % w->P;
    const real *image = (const real *)x + row / w->Q / w->P * w->H * w->W * w->C;
    real *to = target;
    for (size_t i = 0; i < rows; i++, to += target_row) {
        fetch_window(w, image, (ptrdiff_t)p, (ptrdiff_t)q, column, columns, to);
        if (++q == w->Q) {
            q = 0;
            if (++p == w->P)
                p = 0, image += w->H * w->W * w->C;
        }
    }
}
