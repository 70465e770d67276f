/* Convolution of few channels straight from the image, without a matrix of windows. Where there are filters enough to
 * fill the lanes these hold filters, and a value of x is a factor of several vectors of them. A row of the window is
 * one run of neighbouring values, S C of them, so a window is `rows` runs (rows x taps runs of C where it is dilated).
 */
#include "gemm_tile.h"

typedef struct {
    size_t rows, taps, run;
    ptrdiff_t x_row, x_tap, x_col; /* from a row of runs to the next, from a run, from an output pixel */
    size_t filters, lanes;         /* of y and w; those in a tile one vector wide */
} window;

VEC void store(real *p, vec a, const size_t width, size_t v, size_t lanes) {
    if (width > 1)
        v_store(p + v * VLEN, a);
    else
        v_store_n(p, a, lanes);
}

/* `pixels` x `width` vectors of filters; both are constants in every caller, so the sums live in registers. */
VEC void pixels_tile(const size_t pixels, const size_t width, const window *k, const real *x, const real *w,
                     const real *bias, real *y) {
    vec sum[ROWS][MAX_WIDTH];
#pragma GCC unroll 14
    for (size_t i = 0; i < pixels; i++)
#pragma GCC unroll 4
        for (size_t v = 0; v < width; v++)
            sum[i][v] = i ? sum[0][v] : bias ? load_tile(bias, v, width, k->lanes) : v_set(0);
    const tile_args first = {.a = x, .a_row = k->x_col};
    rows_of_a p = first_rows(pixels, ANY, &first);
    const ptrdiff_t run = (ptrdiff_t)(k->run * sizeof(real)), next_tap = k->x_tap * (ptrdiff_t)sizeof(real) - run;
    const ptrdiff_t next_row = (k->x_row - (ptrdiff_t)k->taps * k->x_tap) * (ptrdiff_t)sizeof(real);
    for (size_t r = k->rows; r > 0; r--, advance(&p, pixels, ANY, next_row))
        for (size_t s = k->taps; s > 0; s--, advance(&p, pixels, ANY, next_tap))
            for (size_t j = k->run; j > 0; j--, w += k->filters) {
                vec row[MAX_WIDTH];
#pragma GCC unroll 4
                for (size_t v = 0; v < width; v++)
                    row[v] = load_tile(w, v, width, k->lanes);
#pragma GCC unroll 14
                for (size_t i = 0; i < pixels; i++) {
                    const vec value = v_set(element_of_a(&p, ANY, i, 0));
#pragma GCC unroll 4
                    for (size_t v = 0; v < width; v++)
                        sum[i][v] = add_product(sum[i][v], value, row[v]);
                }
                advance(&p, pixels, ANY, sizeof(real));
            }
#pragma GCC unroll 14
    for (size_t i = 0; i < pixels; i++, y += k->filters)
#pragma GCC unroll 4
        for (size_t v = 0; v < width; v++)
            store(y, sum[i][v], width, v, k->lanes);
}

typedef void pixels_kernel(const window *k, const real *x, const real *w, const real *bias, real *y);
#define TILE(pixels, width)                                                                                            \
    static void tile_##pixels##x##width(const window *k, const real *x, const real *w, const real *bias, real *y) {    \
        pixels_tile(pixels, width, k, x, w, bias, y);                                                                  \
    }
#define ENTRY(pixels, width) tile_##pixels##x##width,
#if defined(__AVX512F__)
#define EACH_OF_4(X) X(1, 4) X(2, 4) X(3, 4) X(4, 4) X(5, 4) X(6, 4)
#elif defined(__aarch64__)
#define EACH_OF_4(X) X(1, 4) X(2, 4) X(3, 4) X(4, 4)
#else
#define EACH_OF_4(X) X(1, 4) X(2, 4)
#endif
EACH_ROW(TILE, 1)
EACH_ROW(TILE, 2)
EACH_OF_4(TILE)
static pixels_kernel *const of_1[] = {EACH_ROW(ENTRY, 1)}, *const of_2[] = {EACH_ROW(ENTRY, 2)},
                            *const of_4[] = {EACH_OF_4(ENTRY)};

/* n pixels of a row of y (n, filters): y[i][k] = bias[k] + sum over r < rows, s < taps, j < run of
 * x[i x_col + r x_row + s x_tap + j] w[(r taps + s) run + j][k], w (rows taps run, filters); bias may be NULL. y
 * overlaps no input. */
void KERNEL(pixels_forward)(const void *x_, const void *w_, const void *bias_, void *y_, size_t rows, size_t taps,
                            size_t run, ptrdiff_t x_row, ptrdiff_t x_tap, size_t n, ptrdiff_t x_col, size_t filters) {
    const real *bias = bias_;
    window k = {rows, taps, run, x_row, x_tap, x_col, filters, VLEN};
    for (size_t f = 0, columns; f < filters; f += columns) {
        const size_t left = filters - f, width = left >= 4 * VLEN ? 4 : left >= 2 * VLEN ? 2 : 1;
        pixels_kernel *const *kernels = width == 4 ? of_4 : width == 2 ? of_2 : of_1;
        const size_t most = width == 4 ? ROWS_OF_4 : ROWS, tiles = (n + most - 1) / most;
        columns = width * VLEN < left ? width * VLEN : left;
        k.lanes = columns;
        for (size_t t = 0, i = 0; t < tiles; t++) {
            const size_t pixels = n / tiles + (t < n % tiles); /* shared out evenly */
            kernels[pixels - 1](&k, (const real *)x_ + (ptrdiff_t)i * x_col, (const real *)w_ + f,
                                bias ? bias + f : NULL, (real *)y_ + i * filters + f);
            i += pixels;
        }
    }
}

/* -- The weight gradient: the sums are of `high` rows x `wide` values of a run; g is loaded in vectors of filters -- */
typedef struct {
    size_t rows, n;           /* of output pixels */
    ptrdiff_t x_down, g_down; /* from one of these rows to the next */
    ptrdiff_t x_col, x_row;   /* from pixel to pixel, from a row of the window to the next */
    size_t dw_row;            /* the same in dw, in filters */
    size_t filters, lanes;
} sweep;

VEC void weights_tile(const size_t high, const size_t wide, const size_t width, const sweep *k, const real *x,
                      const real *g, real *dw) {
    vec sum[28][MAX_WIDTH];
#pragma GCC unroll 28
    for (size_t j = 0; j < high * wide; j++)
#pragma GCC unroll 4
        for (size_t v = 0; v < width; v++)
            sum[j][v] = v_set(0);
    for (size_t m = k->rows; m > 0; m--, x += k->x_down, g += k->g_down) {
        const real *at = x, *slope = g;
        for (size_t i = k->n; i > 0; i--, at += k->x_col, slope += k->filters) {
            vec row[MAX_WIDTH];
#pragma GCC unroll 4
            for (size_t v = 0; v < width; v++)
                row[v] = load_tile(slope, v, width, k->lanes);
#pragma GCC unroll 28
            for (size_t j = 0; j < high * wide; j++) {
                const vec value = v_set(at[(ptrdiff_t)(j / wide) * k->x_row + (ptrdiff_t)(j % wide)]);
#pragma GCC unroll 4
                for (size_t v = 0; v < width; v++)
                    sum[j][v] = add_product(sum[j][v], value, row[v]);
            }
        }
    }
#pragma GCC unroll 28
    for (size_t j = 0; j < high * wide; j++) {
        real *to = dw + (j / wide * k->dw_row + j % wide) * k->filters;
#pragma GCC unroll 4
        for (size_t v = 0; v < width; v++)
            store(to, load_tile(to, v, width, k->lanes) + sum[j][v], width, v, k->lanes);
    }
}

typedef void weights_kernel(const sweep *k, const real *x, const real *g, real *dw);
#define WEIGHTS_OF(high, wide, width)                                                                                  \
    static void weights_##high##x##wide##x##width(const sweep *k, const real *x, const real *g, real *dw) {            \
        weights_tile(high, wide, width, k, x, g, dw);                                                                  \
    }
#define WEIGHTS(wide, width) WEIGHTS_OF(1, wide, width)
#define WEIGHTS_ENTRY(wide, width) weights_1x##wide##x##width,
EACH_ROW(WEIGHTS, 1)
EACH_ROW(WEIGHTS, 2)
EACH_OF_4(WEIGHTS)
static weights_kernel *const weights_of_1[] = {EACH_ROW(WEIGHTS_ENTRY, 1)},
                             *const weights_of_2[] = {EACH_ROW(WEIGHTS_ENTRY, 2)},
                             *const weights_of_4[] = {EACH_OF_4(WEIGHTS_ENTRY)};
#if defined(__AVX512F__)
/* Short runs, of one or a few channels, have too few sums to hide the latency of a multiply-add: several rows at once.
 */
WEIGHTS_OF(3, 3, 1)
WEIGHTS_OF(3, 3, 2)
WEIGHTS_OF(2, 3, 4)
WEIGHTS_OF(5, 5, 1)
WEIGHTS_OF(2, 5, 2)
WEIGHTS_OF(3, 7, 1)
WEIGHTS_OF(2, 7, 2)
static const struct {
    size_t high, wide, width;
    weights_kernel *kernel;
} high_tiles[] = {{3, 3, 1, weights_3x3x1}, {3, 3, 2, weights_3x3x2}, {2, 3, 4, weights_2x3x4},
                  {5, 5, 1, weights_5x5x1}, {2, 5, 2, weights_2x5x2}, {3, 7, 1, weights_3x7x1},
                  {2, 7, 2, weights_2x7x2}};
enum { HIGH_TILES = sizeof high_tiles / sizeof high_tiles[0] };
#endif

VEC weights_kernel *kernel_for(size_t rows, size_t run, size_t wide, size_t width, size_t *high) {
    *high = 1;
#if defined(__AVX512F__)
    if (run == wide)
        for (size_t t = 0; t < HIGH_TILES; t++)
            if (high_tiles[t].wide == wide && high_tiles[t].width == width && high_tiles[t].high <= rows) {
                *high = high_tiles[t].high;
                return high_tiles[t].kernel;
            }
#else
    (void)rows, (void)run;
#endif
    if (width == 4) /* not one ?: of the tables: gcc 12's object-size sanitizer takes their sizes for one */
        return weights_of_4[wide - 1];
    return width == 2 ? weights_of_2[wide - 1] : weights_of_1[wide - 1];
}

/* Over `pixel_rows` rows, x_down and g_down apart, of n pixels, x_col and `filters` apart:
 * dw[(r taps + s) run + j][k] += the sum of x[… + r x_row + s x_tap + j] g[… + k]. dw overlaps no input. */
void KERNEL(pixels_weights)(const void *x_, const void *g_, void *dw_, size_t pixel_rows, ptrdiff_t x_down,
                            ptrdiff_t g_down, size_t n, ptrdiff_t x_col, size_t rows, size_t taps, size_t run,
                            ptrdiff_t x_row, ptrdiff_t x_tap, size_t filters) {
    sweep k = {pixel_rows, n, x_down, g_down, x_col, x_row, taps * run, filters, VLEN};
    for (size_t f = 0, columns; f < filters; f += columns) {
        const size_t left = filters - f, width = left >= 4 * VLEN ? 4 : left >= 2 * VLEN ? 2 : 1;
        const size_t most = width == 4 ? ROWS_OF_4 : ROWS, parts = (run + most - 1) / most;
        columns = width * VLEN < left ? width * VLEN : left;
        k.lanes = columns;
        for (size_t s = 0; s < taps; s++)
            for (size_t t = 0, j = 0, wide; t < parts; t++, j += wide) {
                wide = run / parts + (t < run % parts);
                for (size_t r = 0, high; r < rows; r += high) {
                    weights_kernel *kernel = kernel_for(rows - r, run, wide, width, &high);
                    kernel(&k, (const real *)x_ + (ptrdiff_t)r * x_row + (ptrdiff_t)s * x_tap + (ptrdiff_t)j,
                           (const real *)g_ + f, (real *)dw_ + ((r * taps + s) * run + j) * filters + f);
                }
            }
    }
}
