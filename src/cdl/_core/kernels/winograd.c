/* The transforms of Winograd's convolution F(4x4, 3x3): 6 x 6 pixels d of an image and the taps w of a 3 x 3 filter
 * give 4 x 4 pixels of the result by 36 products for each pair of channels where the sum itself takes 144,
 *
 *     y = At [(G w Gt) . (Bt d B)] A,    dw = Gt [(Bt d B) . (A g At)] G
 *
 * (Lavin and Gray 2016; the products are matrix products over channels or tiles, see winograd.pyx). The polynomials
 * behind it are evaluated at 0, +-a, +-b and infinity with a = 1/sqrt(2) and b = sqrt(2): as many operations as with
 * the usual 1 and 2, a third of their rounding error. Each transform takes a vector of channels at a time.
 *
 * Transformed arrays lie as 36 planes, one a point, `plane` elements apart, of rows `row` apart; rows of the
 * transformed image and of the products are tiles, those of the transformed filter are input channels. */
#include "vec.h"

#define POINTS 6
#define A_ R(0.70710678118654752440)
#define B_ R(1.41421356237309504880)

/* The six values of a one-dimensional transform are t[0], t[step], ... t[5 step]; each function replaces them. */

/* Bt d */
VEC void transform_image(vec *t, const size_t step) {
    const vec d0 = t[0], d1 = t[step], d2 = t[2 * step], d3 = t[3 * step], d4 = t[4 * step], d5 = t[5 * step];
    const vec even_a = d4 - d2 * R(2), odd_a = d3 - d1 * R(2), even_b = d4 - d2 * R(0.5), odd_b = d3 - d1 * R(0.5);
    t[0] = d4 + (d0 - d2 * R(2.5));
    t[step] = even_a + odd_a * A_;
    t[2 * step] = even_a - odd_a * A_;
    t[3 * step] = even_b + odd_b * B_;
    t[4 * step] = even_b - odd_b * B_;
    t[5 * step] = d5 + (d1 - d3 * R(2.5));
}

/* G w, from the first three */
VEC void transform_filter(vec *t, const size_t step) {
    const vec w0 = t[0], w1 = t[step], w2 = t[2 * step];
    const vec even_a = w0 * R(-2. / 3) + w2 * R(-1. / 3), even_b = w0 * R(1. / 6) + w2 * R(1. / 3);
    t[step] = even_a + w1 * (A_ * R(-2. / 3));
    t[2 * step] = even_a - w1 * (A_ * R(-2. / 3));
    t[3 * step] = even_b + w1 * (B_ * R(1. / 6));
    t[4 * step] = even_b - w1 * (B_ * R(1. / 6));
    t[5 * step] = w2;
}

/* At m, into the first four */
VEC void transform_product(vec *t, const size_t step) {
    const vec sum_a = t[step] + t[2 * step], odd_a = (t[step] - t[2 * step]) * A_;
    const vec sum_b = t[3 * step] + t[4 * step], odd_b = (t[3 * step] - t[4 * step]) * B_;
    t[0] = t[0] + sum_a + sum_b;
    t[step] = odd_a + odd_b;
    t[2 * step] = sum_a * R(0.5) + sum_b * R(2);
    t[3 * step] = t[5 * step] + odd_a * R(0.5) + odd_b * R(2);
}

/* A g, from the first four */
VEC void transform_gradient(vec *t, const size_t step) {
    const vec g0 = t[0], g1 = t[step], g2 = t[2 * step], g3 = t[3 * step];
    const vec even_a = g0 + g2 * R(0.5), odd_a = g1 + g3 * R(0.5), even_b = g0 + g2 * R(2), odd_b = g1 + g3 * R(2);
    t[step] = even_a + odd_a * A_;
    t[2 * step] = even_a - odd_a * A_;
    t[3 * step] = even_b + odd_b * B_;
    t[4 * step] = even_b - odd_b * B_;
    t[5 * step] = g3;
}

/* Gt m, into the first three */
VEC void transform_sums(vec *t, const size_t step) {
    const vec sum_a = t[step] + t[2 * step], odd_a = t[step] - t[2 * step];
    const vec sum_b = t[3 * step] + t[4 * step], odd_b = t[3 * step] - t[4 * step];
    t[0] = t[0] + sum_a * R(-2. / 3) + sum_b * R(1. / 6);
    t[step] = odd_a * (A_ * R(-2. / 3)) + odd_b * (B_ * R(1. / 6));
    t[2 * step] = t[5 * step] + sum_a * R(-1. / 3) + sum_b * R(1. / 3);
}

/* Where the size x size pixels of a tile are, at pixel[p] + (channel & inside[p]): so those outside of the image can
 * all be one other vector, without a branch. */
typedef struct {
    real *pixel[POINTS * POINTS];
    size_t inside[POINTS * POINTS]; /* all bits, or none */
} tile_pixels;

static void find_pixels(const cdl_tiles *g, size_t tile, size_t size, real *image, real *other, tile_pixels *to) {
    const size_t down = tile % g->count / g->across, across = tile % g->count % g->across;
    const ptrdiff_t first_row = (ptrdiff_t)(4 * down) - g->top, first_column = (ptrdiff_t)(4 * across) - g->left;
    image += tile / g->count * g->height * g->width * g->channels;
    for (size_t i = 0; i < size; i++)
        for (size_t j = 0; j < size; j++) {
            const ptrdiff_t row = first_row + (ptrdiff_t)i, column = first_column + (ptrdiff_t)j;
            const int in = row >= 0 && row < (ptrdiff_t)g->height && column >= 0 && column < (ptrdiff_t)g->width;
            const size_t at = in ? ((size_t)row * g->width + (size_t)column) * g->channels : 0;
            to->pixel[i * size + j] = in ? image + at : other;
            to->inside[i * size + j] = in ? ~(size_t)0 : 0;
        }
}

VEC vec load_lanes(const real *p, const int whole, size_t n) {
    return whole ? v_load(p) : v_load_part(p, n);
}
VEC void store_lanes(real *p, vec a, const int whole, size_t n) {
    if (whole)
        v_store(p, a);
    else
        v_store_part(p, a, n);
}

VEC void load_pixels(vec *t, const size_t size, const size_t column, const tile_pixels *at, size_t channel,
                     const int whole, size_t n) {
#pragma GCC unroll 6
    for (size_t i = 0; i < size; i++) {
        const size_t p = i * size + column;
        t[i * POINTS + column] = load_lanes(at->pixel[p] + (channel & at->inside[p]), whole, n);
    }
}

/* The second pass, row by row, and its results to their planes. */
#define STORE_ROWS(transform, rows)                                                                                    \
    _Pragma("GCC unroll 6") for (size_t i = 0; i < (rows); i++) {                                                      \
        transform(t + i * POINTS, 1);                                                                                  \
        _Pragma("GCC unroll 6") for (size_t j = 0; j < POINTS; j++)                                                    \
            store_lanes(to + (i * POINTS + j) * plane, t[i * POINTS + j], whole, n);                                   \
    }

VEC void image_vector(const tile_pixels *at, size_t channel, real *to, size_t plane, const int whole, size_t n) {
    vec t[POINTS * POINTS];
#pragma GCC unroll 6
    for (size_t j = 0; j < POINTS; j++) {
        load_pixels(t, POINTS, j, at, channel, whole, n);
        transform_image(t + j, POINTS);
    }
    STORE_ROWS(transform_image, POINTS)
}

VEC void gradient_vector(const tile_pixels *at, size_t channel, real *to, size_t plane, const int whole, size_t n) {
    vec t[POINTS * POINTS];
#pragma GCC unroll 4
    for (size_t j = 0; j < 4; j++) {
        load_pixels(t, 4, j, at, channel, whole, n);
        transform_gradient(t + j, POINTS);
    }
    STORE_ROWS(transform_gradient, POINTS)
}

VEC void filter_vector(const real *w, ptrdiff_t tap, real *to, size_t plane, const int whole, size_t n) {
    vec t[POINTS * POINTS];
#pragma GCC unroll 3
    for (size_t j = 0; j < 3; j++) {
#pragma GCC unroll 3
        for (size_t i = 0; i < 3; i++)
            t[i * POINTS + j] = load_lanes(w + (ptrdiff_t)(3 * i + j) * tap, whole, n);
        transform_filter(t + j, POINTS);
    }
    STORE_ROWS(transform_filter, POINTS)
}

/* v = Bt d B: n channels from x on, of `tiles` tiles from the tile `first` on. v overlaps no input. */
void KERNEL(winograd_input)(const void *x, const cdl_tiles *g, size_t first, size_t tiles, size_t n, void *v_,
                            size_t plane, size_t row) {
    real *v = v_, zeros[VLEN] = {0};
    tile_pixels at;
    for (size_t tile = first; tile < first + tiles; tile++, v += row) {
        size_t c = 0;
        find_pixels(g, tile, POINTS, (real *)x, zeros, &at);
        for (; c + VLEN <= n; c += VLEN)
            image_vector(&at, c, v + c, plane, 1, VLEN);
        if (c < n)
            image_vector(&at, c, v + c, plane, 0, n - c);
    }
}

/* v = A g At: n channels from x, a gradient, on. */
void KERNEL(winograd_gradient)(const void *x, const cdl_tiles *g, size_t first, size_t tiles, size_t n, void *v_,
                               size_t plane, size_t row) {
    real *v = v_, zeros[VLEN] = {0};
    tile_pixels at;
    for (size_t tile = first; tile < first + tiles; tile++, v += row) {
        size_t c = 0;
        find_pixels(g, tile, 4, (real *)x, zeros, &at);
        for (; c + VLEN <= n; c += VLEN)
            gradient_vector(&at, c, v + c, plane, 1, VLEN);
        if (c < n)
            gradient_vector(&at, c, v + c, plane, 0, n - c);
    }
}

/* u = G w Gt: the 9 taps of w (depth, n), `tap` apart, its rows w_row. u overlaps no input. */
void KERNEL(winograd_filter)(size_t depth, size_t n, const void *w_, ptrdiff_t tap, ptrdiff_t w_row, void *u_,
                             size_t plane, size_t row) {
    const real *w = w_;
    real *u = u_;
    for (size_t d = 0; d < depth; d++, w += w_row, u += row) {
        size_t k = 0;
        for (; k + VLEN <= n; k += VLEN)
            filter_vector(w + k, tap, u + k, plane, 1, VLEN);
        if (k < n)
            filter_vector(w + k, tap, u + k, plane, 0, n - k);
    }
}

VEC void load_points(vec *t, const real *m, size_t plane, const size_t column, const int whole, size_t n) {
#pragma GCC unroll 6
    for (size_t i = 0; i < POINTS; i++)
        t[i * POINTS + column] = load_lanes(m + (i * POINTS + column) * plane, whole, n);
}

VEC void product_vector(const real *m, size_t plane, vec bias, const tile_pixels *at, size_t channel, const int whole,
                        size_t n) {
    vec t[POINTS * POINTS];
#pragma GCC unroll 6
    for (size_t j = 0; j < POINTS; j++) {
        load_points(t, m, plane, j, whole, n);
        transform_product(t + j, POINTS);
    }
#pragma GCC unroll 4
    for (size_t i = 0; i < 4; i++) {
        transform_product(t + i * POINTS, 1);
#pragma GCC unroll 4
        for (size_t j = 0; j < 4; j++)
            store_lanes(at->pixel[4 * i + j] + (channel & at->inside[4 * i + j]), t[i * POINTS + j] + bias, whole, n);
    }
}

/* y = At m A + bias: n channels from y on, of `tiles` tiles from the tile `first` on. bias (n) or NULL. */
void KERNEL(winograd_output)(const void *m_, size_t plane, size_t row, const void *bias_, void *y, const cdl_tiles *g,
                             size_t first, size_t tiles, size_t n) {
    const real *m = m_, *bias = bias_;
    real nowhere[VLEN];
    tile_pixels at;
    for (size_t tile = first; tile < first + tiles; tile++, m += row) {
        size_t k = 0;
        find_pixels(g, tile, 4, y, nowhere, &at);
        for (; k + VLEN <= n; k += VLEN)
            product_vector(m + k, plane, bias ? v_load(bias + k) : v_set(0), &at, k, 1, VLEN);
        if (k < n)
            product_vector(m + k, plane, bias ? v_load_part(bias + k, n - k) : v_set(0), &at, k, 0, n - k);
    }
}

VEC void sums_vector(const real *m, size_t plane, real *dw, size_t tap, int accumulate, const int whole, size_t n) {
    vec t[POINTS * POINTS];
#pragma GCC unroll 6
    for (size_t j = 0; j < POINTS; j++) {
        load_points(t, m, plane, j, whole, n);
        transform_sums(t + j, POINTS);
    }
#pragma GCC unroll 3
    for (size_t i = 0; i < 3; i++) {
        transform_sums(t + i * POINTS, 1);
#pragma GCC unroll 3
        for (size_t j = 0; j < 3; j++, dw += tap)
            store_lanes(dw, accumulate ? load_lanes(dw, whole, n) + t[i * POINTS + j] : t[i * POINTS + j], whole, n);
    }
}

/* dw = Gt m G, plus its old value where `accumulate`: the 9 taps of dw (depth, n), `tap` apart, its rows dw_row. */
void KERNEL(winograd_filter_backward)(size_t depth, size_t n, const void *m_, size_t plane, size_t row, void *dw_,
                                      size_t tap, size_t dw_row, int accumulate) {
    const real *m = m_;
    real *dw = dw_;
    for (size_t d = 0; d < depth; d++, m += row, dw += dw_row) {
        size_t k = 0;
        for (; k + VLEN <= n; k += VLEN)
            sums_vector(m + k, plane, dw + k, tap, accumulate, 1, VLEN);
        if (k < n)
            sums_vector(m + k, plane, dw + k, tap, accumulate, 0, n - k);
    }
}
