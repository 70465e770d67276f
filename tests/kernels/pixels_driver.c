/* uses: pixels.c planes.c
 *
 * Convolution of few channels with filters and with pixels in the lanes, and its weight gradient, against plain loops,
 * for any number of filters, pixels and rows; the values are small integers, so every sum is exact. Nothing outside of
 * the arrays is touched.
 */
#include "driver.h"

#define KERNEL_ROW(name, args) void KERNEL(name) args;
#include "kernels.def"
#undef KERNEL_ROW

static char *memory[4];

/* An image of `high` x `across` values, and windows of rows x taps runs over it: m rows of n of them. */
typedef struct {
    size_t m, n, rows, taps, run, filters, down, col, x_row, x_tap, across, high;
} shape;

static shape any_shape(int planes) {
    shape s = {.m = 1 + below(4), .n = 1 + below(planes ? 3 * VLEN : 31), .rows = 1 + below(5), .taps = 1 + below(3)};
    s.run = below(4) ? 1 + below(7) : 1 + below(33);
    s.filters = below(3) ? 1 + below(planes ? 14 : 2 * VLEN) : 1 + below(7 * VLEN);
    s.x_tap = s.taps > 1 ? s.run + below(4) : s.run;
    s.col = planes ? 1 : 1 + below(6);
    s.across = (s.n - 1) * s.col + (s.taps - 1) * s.x_tap + (planes ? 1 : s.run);
    s.down = s.across * (1 + below(2));
    s.x_row = s.across * (1 + below(2));
    s.high = ((s.m - 1) * s.down + (s.rows - 1) * s.x_row) / s.across + 1;
    return s;
}

static size_t w_at(const shape *s, size_t r, size_t t, size_t j, size_t k) {
    return ((((r * s->taps) + t) * s->run) + j) * s->filters + k;
}

static real sum_of(const shape *s, const real *x, const real *w, size_t plane, size_t k) {
    real sum = 0; /* x is at the first value of the window; a step of the run is 1, or a plane */
    for (size_t r = 0; r < s->rows; r++)
        for (size_t t = 0; t < s->taps; t++)
            for (size_t j = 0; j < s->run; j++)
                sum += x[r * s->x_row + t * s->x_tap + j * plane] * w[w_at(s, r, t, j, k)];
    return sum;
}

static void forward(int planes, int at_end) {
    const shape s = any_shape(planes);
    const size_t plane = planes ? s.high * s.across : 1, size = s.high * s.across * (planes ? s.run : 1);
    const size_t w_size = s.rows * s.taps * s.run * s.filters, y_size = s.m * s.n * s.filters;
    if (size * sizeof(real) > GUARDED_BYTES || w_size * sizeof(real) > GUARDED_BYTES ||
        y_size * sizeof(real) > GUARDED_BYTES)
        return;
    const real *x = integers(memory[0], size, at_end), *w = integers(memory[1], w_size, at_end);
    const real *bias = below(2) ? integers(memory[3], s.filters, at_end) : NULL;
    real *y = integers(memory[2], y_size, at_end);
    if (planes)
        KERNEL(planes_forward)(x, w, bias, y, s.m, (ptrdiff_t)s.down, s.rows, s.taps, s.run, (ptrdiff_t)s.x_row,
                               (ptrdiff_t)s.x_tap, (ptrdiff_t)plane, s.n, s.filters);
    else
        for (size_t i = 0; i < s.m; i++)
            KERNEL(pixels_forward)(x + i * s.down, w, bias, y + i * s.n * s.filters, s.rows, s.taps, s.run,
                                   (ptrdiff_t)s.x_row, (ptrdiff_t)s.x_tap, s.n, (ptrdiff_t)s.col, s.filters);
    int good = 1;
    for (size_t e = 0; e < y_size; e++) {
        const size_t k = e % s.filters, i = e / s.filters % s.n, m = e / s.filters / s.n;
        good &= y[e] == sum_of(&s, x + m * s.down + i * s.col, w, plane, k) + (bias ? bias[k] : 0);
    }
    check(good, planes ? "planes_forward" : "pixels_forward");
}

static void weights(int at_end) {
    const shape s = any_shape(0);
    const size_t size = s.high * s.across, w_size = s.rows * s.taps * s.run * s.filters, g_size = s.m * s.n * s.filters;
    if (size * sizeof(real) > GUARDED_BYTES || w_size * sizeof(real) > GUARDED_BYTES ||
        g_size * sizeof(real) > GUARDED_BYTES)
        return;
    const real *x = integers(memory[0], size, at_end), *g = integers(memory[1], g_size, at_end);
    real *dw = integers(memory[2], w_size, at_end);
    static real before[GUARDED_BYTES / sizeof(real)];
    memcpy(before, dw, w_size * sizeof(real));
    KERNEL(pixels_weights)(x, g, dw, s.m, (ptrdiff_t)s.down, (ptrdiff_t)(s.n * s.filters), s.n, (ptrdiff_t)s.col,
                           s.rows, s.taps, s.run, (ptrdiff_t)s.x_row, (ptrdiff_t)s.x_tap, s.filters);
    for (size_t m = 0; m < s.m; m++)
        for (size_t i = 0; i < s.n; i++)
            for (size_t r = 0; r < s.rows; r++)
                for (size_t t = 0; t < s.taps; t++)
                    for (size_t j = 0; j < s.run; j++)
                        for (size_t k = 0; k < s.filters; k++)
                            before[w_at(&s, r, t, j, k)] += x[m * s.down + i * s.col + r * s.x_row + t * s.x_tap + j] *
                                                            g[(m * s.n + i) * s.filters + k];
    check(memcmp(before, dw, w_size * sizeof(real)) == 0, "pixels_weights");
}

static void split(int at_end) {
    const size_t rows = below(4), n = 1 + below(2 * VLEN + 2), channels = 1 + below(5), gap = below(3);
    const size_t x_row = n * channels + gap, row = n + below(3), plane = rows * row + below(3);
    const size_t size = rows ? (rows - 1) * x_row + n * channels : 0;
    const size_t planes_size = rows ? (channels - 1) * plane + (rows - 1) * row + n : 0;
    const real *x = integers(memory[0], size, at_end);
    real *planes = integers(memory[1], planes_size, at_end);
    KERNEL(planes_split)(x, planes, rows, n, channels, (ptrdiff_t)x_row, (ptrdiff_t)row, (ptrdiff_t)plane);
    int good = 1;
    for (size_t r = 0; r < rows; r++)
        for (size_t i = 0; i < n; i++)
            for (size_t c = 0; c < channels; c++)
                good &= planes[c * plane + r * row + i] == x[r * x_row + i * channels + c];
    check(good, "planes_split");
}

int main(void) {
    for (size_t i = 0; i < 4; i++)
        memory[i] = guarded();
    for (size_t i = 0; i < 4000; i++) {
        forward(0, i % 2);
        forward(1, i % 2);
        weights(i % 2);
        split(i % 2);
    }
    return failures != 0;
}
