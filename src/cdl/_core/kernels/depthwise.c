/* Depthwise convolution: every channel has a small filter of its own. The channels lie in the lanes; of each vector of
 * channels several pixels of a row are summed side by side. Which taps a pixel has is the same for all pixels of a
 * call: a rectangle of `rows` x `taps`, cut off at the edges of the image by the caller, so nothing is padded or
 * copied.
 */
#include "vec.h"

/* Pixels summed side by side: their multiply-adds, of 4 cycles each, then follow one another without a gap. */
#define PIXELS 8
/* Sums of a weight gradient side by side, as many as 16 registers hold beside g and x. */
#define SUMS 10

typedef struct {
    size_t rows, taps;
    ptrdiff_t x_row, x_tap, x_col; /* from a row of taps to the next, from a tap, from an output pixel */
    size_t w_row, channels;        /* the taps of w lie `channels` apart */
    size_t width;                  /* of them, the channels to do */
} window;

/* Only the last vector of channels may be a part of one; whole ones need no mask. */
VEC vec load(const real *p, const int part, size_t lanes) {
    return part ? v_load_part(p, lanes) : v_load(p);
}

VEC void store(real *p, vec a, const int part, size_t lanes, int stream) {
    if (part)
        v_store_part(p, a, lanes);
    else if (stream)
        v_stream(p, a);
    else
        v_store(p, a);
}

/* One vector of channels of `pixels` outputs; pixels and part are constants in every caller. */
VEC void sum_taps(const size_t pixels, const int part, const window *k, const real *x, const real *w, const real *bias,
                  real *y, size_t y_col, size_t lanes, int stream) {
    const vec first = bias ? load(bias, part, lanes) : v_set(0);
    vec sum[PIXELS];
#pragma GCC unroll 8
    for (size_t i = 0; i < pixels; i++)
        sum[i] = first;
    for (size_t r = 0; r < k->rows; r++, x += k->x_row, w += k->w_row) {
        const real *at = x, *tap = w;
        for (size_t s = 0; s < k->taps; s++, at += k->x_tap, tap += k->channels) {
            const vec weight = load(tap, part, lanes);
#pragma GCC unroll 8
            for (size_t i = 0; i < pixels; i++)
                sum[i] += weight * load(at + (ptrdiff_t)i * k->x_col, part, lanes);
        }
    }
#pragma GCC unroll 8
    for (size_t i = 0; i < pixels; i++)
        store(y + i * y_col, sum[i], part, lanes, stream);
}

VEC void sum_pixels(const size_t pixels, const window *k, const real *x, const real *w, const real *bias, real *y,
                    size_t y_col, int stream) {
    size_t c = 0;
    for (; c + VLEN <= k->width; c += VLEN)
        sum_taps(pixels, 0, k, x + c, w + c, bias ? bias + c : NULL, y + c, y_col, VLEN, stream);
    if (c < k->width)
        sum_taps(pixels, 1, k, x + c, w + c, bias ? bias + c : NULL, y + c, y_col, k->width - c, 0);
}

/* n output pixels of a row, y_col apart in y: y[i][c] = bias[c] + sum over r < rows, s < taps of
 * x[i x_col + r x_row + s x_tap + c] w[r w_row + s channels + c]; bias may be NULL. y overlaps no input. `stream`: past
 * the caches, where y, y_col and `channels` are multiples of a vector. */
void KERNEL(depthwise_forward)(const void *x_, const void *w_, const void *bias_, void *y_, size_t rows, size_t taps,
                               ptrdiff_t x_row, ptrdiff_t x_tap, size_t w_row, size_t n, ptrdiff_t x_col, size_t y_col,
                               size_t channels, int stream) {
    const real *x = x_, *w = w_, *bias = bias_;
    real *y = y_;
    const window k = {rows, taps, x_row, x_tap, x_col, w_row, channels, channels};
    for (; n >= PIXELS; n -= PIXELS, x += PIXELS * x_col, y += PIXELS * y_col)
        sum_pixels(PIXELS, &k, x, w, bias, y, y_col, stream);
    for (; n >= 4; n -= 4, x += 4 * x_col, y += 4 * y_col)
        sum_pixels(4, &k, x, w, bias, y, y_col, stream);
    for (; n >= 2; n -= 2, x += 2 * x_col, y += 2 * y_col)
        sum_pixels(2, &k, x, w, bias, y, y_col, stream);
    for (; n > 0; n--, x += x_col, y += y_col)
        sum_pixels(1, &k, x, w, bias, y, y_col, stream);
    if (stream)
        v_stream_end();
}

/* dw of a block of `rows` x `taps` taps and one vector of channels, over n pixels; rows, taps and part are constants.
 */
VEC void sum_products(const size_t rows, const size_t taps, const int part, const window *k, const real *x,
                      const real *g, real *dw, size_t n, size_t g_col, size_t lanes) {
    vec sum[SUMS];
#pragma GCC unroll 10
    for (size_t j = 0; j < rows * taps; j++)
        sum[j] = load(dw + j / taps * k->w_row + j % taps * k->channels, part, lanes);
    for (; n > 0; n--, x += k->x_col, g += g_col) {
        const vec slope = load(g, part, lanes);
#pragma GCC unroll 10
        for (size_t j = 0; j < rows * taps; j++)
            sum[j] +=
                slope * load(x + (ptrdiff_t)(j / taps) * k->x_row + (ptrdiff_t)(j % taps) * k->x_tap, part, lanes);
    }
#pragma GCC unroll 10
    for (size_t j = 0; j < rows * taps; j++)
        store(dw + j / taps * k->w_row + j % taps * k->channels, sum[j], part, lanes, 0);
}

typedef void products(const window *k, const real *x, const real *g, real *dw, size_t n, size_t g_col);
#define PRODUCTS(rows, taps)                                                                                           \
    static void products_##rows##x##taps(const window *k, const real *x, const real *g, real *dw, size_t n,            \
                                         size_t g_col) {                                                               \
        size_t c = 0;                                                                                                  \
        for (; c + VLEN <= k->width; c += VLEN)                                                                        \
            sum_products(rows, taps, 0, k, x + c, g + c, dw + c, n, g_col, VLEN);                                      \
        if (c < k->width)                                                                                              \
            sum_products(rows, taps, 1, k, x + c, g + c, dw + c, n, g_col, k->width - c);                              \
    }
PRODUCTS(1, 1)
PRODUCTS(1, 2)
PRODUCTS(1, 3)
PRODUCTS(1, 4)
PRODUCTS(1, 5)
PRODUCTS(2, 1)
PRODUCTS(2, 2)
PRODUCTS(2, 3)
PRODUCTS(2, 4)
PRODUCTS(2, 5)
PRODUCTS(3, 1)
PRODUCTS(3, 2)
PRODUCTS(3, 3)
static products *const blocks[3][5] = {{products_1x1, products_1x2, products_1x3, products_1x4, products_1x5},
                                       {products_2x1, products_2x2, products_2x3, products_2x4, products_2x5},
                                       {products_3x1, products_3x2, products_3x3, NULL, NULL}};

VEC size_t at_most(size_t a, size_t b) {
    return a < b ? a : b;
}

/* n pixels of g, `channels` apart: dw[r w_row + s channels + c] += sum over i < n of
 * g[i channels + c] x[i x_col + r x_row + s x_tap + c], pixel after pixel, for c < width. dw overlaps no input. */
void KERNEL(depthwise_weights)(const void *x_, const void *g_, void *dw_, size_t rows, size_t taps, ptrdiff_t x_row,
                               ptrdiff_t x_tap, size_t w_row, size_t n, ptrdiff_t x_col, size_t channels,
                               size_t width) {
    /* pixels whose x and g stay in a quarter of L1 while the channels are gone through */
    const size_t run = 12288 / (2 * (width + 1) * sizeof(real)), most = run > 8 ? run : 8;
    const window k = {rows, taps, x_row, x_tap, x_col, w_row, channels, width};
    for (size_t i = 0; i < n; i += most) {
        const real *x = (const real *)x_ + (ptrdiff_t)i * x_col, *g = (const real *)g_ + i * channels;
        const size_t pixels = at_most(most, n - i);
        for (size_t s = 0, wide; s < taps; s += wide) {
            wide = taps - s <= 5 ? taps - s : at_most(taps - s, 4);
            for (size_t r = 0, high; r < rows; r += high) {
                high = at_most(rows - r, wide <= 3 ? 3 : 2);
                blocks[high - 1][wide - 1](&k, x + (ptrdiff_t)r * x_row + (ptrdiff_t)s * x_tap, g,
                                           (real *)dw_ + r * w_row + s * channels, pixels, channels);
            }
        }
    }
}

/* Multiplier m: each of n values m times, one after the other, y (n, m). */
void KERNEL(depthwise_repeat)(const void *x_, void *y_, size_t n, size_t m) {
    const real *x = x_;
    real *y = y_;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < m; j++)
            y[i * m + j] = x[i];
}

/* The gradient of that: dx[i] is the sum of the m values of g (n, m). */
void KERNEL(depthwise_gather)(const void *g_, void *dx_, size_t n, size_t m) {
    const real *g = g_;
    real *dx = dx_;
    for (size_t i = 0; i < n; i++) {
        real sum = g[i * m];
        for (size_t j = 1; j < m; j++)
            sum += g[i * m + j];
        dx[i] = sum;
    }
}
