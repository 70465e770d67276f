/* Convolution with few filters: the lanes hold neighbouring pixels of an output row, and a weight is the factor of
 * vectors of them. x then lies in planes, one channel each, whose rows the caller has padded. */
#include "vec.h"

enum { FILTERS = 6, WIDE = 8 }; /* of a tile: 12 sums, beside two vectors of x and a weight in 16 registers */

typedef struct {
    size_t rows, taps, channels;
    ptrdiff_t x_row, x_tap, x_plane;
    ptrdiff_t second; /* from the first to the second vector of a tile: the pixels beside it, or those below */
    size_t filters;
} window;

VEC vec load(const real *p, const int part, size_t lanes) {
    return part ? v_load_part(p, lanes) : v_load(p);
}

/* a[0] b[0] a[1] b[1] …, of the lower and of the upper halves */
#if VEC_BYTES == 64 && defined(CDL_REAL_f32)
#define ZIP_LOW(a, b) __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23)
#define ZIP_HIGH(a, b) __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31)
#elif VEC_BYTES == 64 || (VEC_BYTES == 32 && defined(CDL_REAL_f32))
#define ZIP_LOW(a, b) __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11)
#define ZIP_HIGH(a, b) __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15)
#elif VEC_BYTES == 32 || defined(CDL_REAL_f32)
#define ZIP_LOW(a, b) __builtin_shufflevector(a, b, 0, 4, 1, 5)
#define ZIP_HIGH(a, b) __builtin_shufflevector(a, b, 2, 6, 3, 7)
#else
#define ZIP_LOW(a, b) __builtin_shufflevector(a, b, 0, 2)
#define ZIP_HIGH(a, b) __builtin_shufflevector(a, b, 1, 3)
#endif

/* `wide` vectors of filters become VLEN pixels of `wide` filters, `wide` a power of two: with element i of vector k at
 * position k VLEN + i, to zip the first half of the vectors with the second is to turn the bits of the position round
 * by one. */
VEC void turn(const size_t wide, const vec *filter, real *pixels) {
    vec a[WIDE], b[WIDE];
#pragma GCC unroll 8
    for (size_t k = 0; k < wide; k++)
        a[k] = filter[k];
#pragma GCC unroll 3
    for (size_t step = 1; step < wide; step *= 2) {
#pragma GCC unroll 4
        for (size_t k = 0; k < wide / 2; k++)
            b[2 * k] = ZIP_LOW(a[k], a[k + wide / 2]), b[2 * k + 1] = ZIP_HIGH(a[k], a[k + wide / 2]);
#pragma GCC unroll 8
        for (size_t k = 0; k < wide; k++)
            a[k] = b[k];
    }
#pragma GCC unroll 8
    for (size_t k = 0; k < wide; k++)
        v_store(pixels + k * VLEN, a[k]);
}

/* `pixels` pixels to y. All `wide` values are copied where the pixels that follow overwrite those that are too many: a
 * copy of fixed length is an instruction or two. */
VEC void put(const size_t filters, const size_t wide, const real *turned, real *y, size_t pixels, size_t gap) {
    size_t i = 0;
    if (gap == filters)
        for (; i * filters + wide <= pixels * filters; i++)
            memcpy(y + i * filters, turned + i * wide, wide * sizeof(real));
    for (; i < pixels; i++)
        for (size_t f = 0; f < filters; f++)
            y[i * gap + f] = turned[i * wide + f];
}

/* `filters` filters of one or two vectors of pixels. The last may be part of one (LAST), or both (BOTH): these three
 * are constants in every caller. */
enum part { WHOLE, LAST, BOTH };
VEC void tile(const size_t filters, const size_t vectors, const enum part part, const window *k, const real *x,
              const real *w, const real *bias, real *y, size_t lanes) {
    const size_t wide = filters > 4 ? 8 : filters > 2 ? 4 : filters;
    vec sum[2][WIDE] = {{{0}}};
    real turned[WIDE * VLEN];
#pragma GCC unroll 6
    for (size_t f = 0; f < filters; f++)
        sum[0][f] = sum[1][f] = v_set(bias ? bias[f] : 0);
    for (size_t r = 0; r < k->rows; r++, x += k->x_row) {
        const real *tap = x;
        for (size_t s = 0; s < k->taps; s++, tap += k->x_tap) {
            const real *at = tap;
            for (size_t c = 0; c < k->channels; c++, at += k->x_plane, w += k->filters) {
                const vec x0 = load(at, part == BOTH || (part == LAST && vectors == 1), lanes);
                const vec x1 = vectors == 2 ? load(at + k->second, part, lanes) : x0;
#pragma GCC unroll 6
                for (size_t f = 0; f < filters; f++) {
                    sum[0][f] += x0 * w[f];
                    if (vectors == 2)
                        sum[1][f] += x1 * w[f];
                }
            }
        }
    }
#pragma GCC unroll 2 /* or the sums would live in memory */
    for (size_t v = 0; v < vectors; v++) {
        const size_t pixels = part == BOTH || (part == LAST && v + 1 == vectors) ? lanes : VLEN;
        turn(wide, sum[v], turned);
        put(filters, wide, turned, y, pixels, k->filters);
        y += pixels * k->filters;
    }
}

typedef void tile_kernel(window *k, const real *x, const real *w, const real *bias, real *y, size_t n, int two_rows);
#define TILES(count)                                                                                                   \
    static void tiles_##count(window *k, const real *x, const real *w, const real *bias, real *y, size_t n,            \
                              int two_rows) {                                                                          \
        if (two_rows) {                                                                                                \
            tile(count, 2, BOTH, k, x, w, bias, y, n);                                                                 \
            return;                                                                                                    \
        }                                                                                                              \
        k->second = VLEN;                                                                                              \
        for (; n >= 2 * VLEN; n -= 2 * VLEN, x += 2 * VLEN, y += 2 * VLEN * k->filters)                                \
            tile(count, 2, WHOLE, k, x, w, bias, y, 0);                                                                \
        if (n > VLEN)                                                                                                  \
            tile(count, 2, LAST, k, x, w, bias, y, n - VLEN);                                                          \
        else if (n == VLEN)                                                                                            \
            tile(count, 1, WHOLE, k, x, w, bias, y, 0);                                                                \
        else if (n > 0)                                                                                                \
            tile(count, 1, LAST, k, x, w, bias, y, n);                                                                 \
    }
TILES(1)
TILES(2)
TILES(3)
TILES(4)
TILES(5)
TILES(6)
static tile_kernel *const tiles_of[] = {tiles_1, tiles_2, tiles_3, tiles_4, tiles_5, tiles_6};

/* `pixel_rows` rows, x_down apart in x, of n pixels of y (pixel_rows, n, filters): y[i][k] = bias[k] + sum over
 * r < rows, s < taps, c < channels of x[i + r x_row + s x_tap + c x_plane] w[(r taps + s) channels + c][k]; bias may be
 * NULL. y overlaps no input. */
void KERNEL(planes_forward)(const void *x_, const void *w, const void *bias, void *y_, size_t pixel_rows,
                            ptrdiff_t x_down, size_t rows, size_t taps, size_t channels, ptrdiff_t x_row,
                            ptrdiff_t x_tap, ptrdiff_t x_plane, size_t n, size_t filters) {
    window k = {rows, taps, channels, x_row, x_tap, x_plane, x_down, filters};
    const size_t parts = (filters + FILTERS - 1) / FILTERS;
    for (size_t t = 0, f = 0, count; t < parts; t++, f += count) {
        const real *x = x_;
        real *y = (real *)y_ + f;
        count = filters / parts + (t < filters % parts);
        for (size_t m = pixel_rows, high; m > 0; m -= high, x += (ptrdiff_t)high * x_down, y += high * n * filters) {
            const int two_rows = m > 1 && n < VLEN; /* then they are the two vectors of a tile */
            high = two_rows ? 2 : 1;
            k.second = x_down;
            tiles_of[count - 1](&k, x, (const real *)w + f, bias ? (const real *)bias + f : NULL, y, n, two_rows);
        }
    }
}

/* planes[c plane + r row + i] = x[r x_row + i channels + c], for `rows` rows of n pixels */
void KERNEL(planes_split)(const void *x_, void *planes_, size_t rows, size_t n, size_t channels, ptrdiff_t x_row,
                          ptrdiff_t row, ptrdiff_t plane) {
    const real *x = x_;
    real *planes = planes_;
    for (; rows > 0; rows--, x += x_row, planes += row) {
        if (channels == 1)
            for (size_t i = 0; i < n; i += VLEN)
                v_store_n(planes + i, v_load_n(x + i, n - i), n - i);
        else
            for (size_t c = 0; c < channels; c++)
                for (size_t i = 0; i < n; i++)
                    planes[(ptrdiff_t)c * plane + (ptrdiff_t)i] = x[i * channels + c];
    }
}
