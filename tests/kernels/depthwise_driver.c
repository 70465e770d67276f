/* uses: depthwise.c
 *
 * Depthwise sums over any rectangle of taps, any strides, any number of channels and pixels, against plain loops; the
 * values are small integers, so every sum is exact. Nothing outside of the arrays is touched.
 */
#include "driver.h"

#define KERNEL_ROW(name, args) void KERNEL(name) args;
#include "kernels.def"
#undef KERNEL_ROW

static char *memory[4];

/* A call of both kernels: windows of `rows` x `taps` pixels out of an image of `high` x `across`. */
static void compare(int at_end) {
    const size_t channels = 1 + below(3 * VLEN), rows = below(6), taps = below(8), n = below(21), extra = below(3);
    const size_t col = 1 + below(3), tap = 1 + below(3), width = n ? 1 + below(channels) : channels;
    const size_t across = (n ? (n - 1) * col : 0) + (taps ? (taps - 1) * tap : 0) + 1,
                 y_col = channels * (1 + below(2));
    const size_t size = rows && taps ? ((rows - 1) * across + across) * channels : channels;
    const size_t w_row = (taps + extra) * channels, w_size = rows && taps ? (rows - 1) * w_row + taps * channels : 1;
    const size_t y_size = n ? (n - 1) * y_col + channels : 0, g_size = n * channels;
    if (size * sizeof(real) > GUARDED_BYTES)
        return;
    const real *x = integers(memory[0], size, at_end), *w = integers(memory[1], w_size, at_end);
    const real *bias = below(2) ? integers(memory[3], channels, at_end) : NULL;
    real *y = integers(memory[2], y_size, at_end);
    KERNEL(depthwise_forward)(x, w, bias, y, rows, taps, (ptrdiff_t)(across * channels), (ptrdiff_t)(tap * channels),
                              w_row, n, (ptrdiff_t)(col * channels), y_col, channels, 0);
    int good = 1;
    for (size_t i = 0; i < n; i++)
        for (size_t c = 0; c < channels; c++) {
            real sum = bias ? bias[c] : 0;
            for (size_t r = 0; r < rows; r++)
                for (size_t s = 0; s < taps; s++)
                    sum += x[(r * across + i * col + s * tap) * channels + c] * w[r * w_row + s * channels + c];
            good &= y[i * y_col + c] == sum;
        }
    check(good, "depthwise_forward");
    if (!rows || !taps)
        return;
    const real *g = integers(memory[2], g_size, at_end);
    real *dw = integers(memory[1], w_size, at_end);
    static real before[GUARDED_BYTES / sizeof(real)];
    memcpy(before, dw, w_size * sizeof(real));
    KERNEL(depthwise_weights)(x, g, dw, rows, taps, (ptrdiff_t)(across * channels), (ptrdiff_t)(tap * channels), w_row,
                              n, (ptrdiff_t)(col * channels), channels, width);
    good = 1;
    for (size_t e = 0; e < w_size; e++) {
        const size_t r = e / w_row, s = e % w_row / channels, c = e % channels;
        real sum = before[e];
        if (s < taps && c < width)
            for (size_t i = 0; i < n; i++)
                sum += g[i * channels + c] * x[(r * across + i * col + s * tap) * channels + c];
        good &= dw[e] == sum;
    }
    check(good, "depthwise_weights");
}

/* Past the caches: whole vectors of channels at aligned places. */
static void streamed(void) {
    enum { N = 19, CHANNELS = 2 * VLEN };
    real *x = integers(memory[0], N * CHANNELS, 0), *w = integers(memory[1], CHANNELS, 0);
    real *y = integers(memory[2], N * CHANNELS, 0);
    KERNEL(depthwise_forward)(x, w, NULL, y, 1, 1, 0, 0, 0, N, CHANNELS, CHANNELS, CHANNELS, 1);
    int good = 1;
    for (size_t e = 0; e < N * CHANNELS; e++)
        good &= y[e] == x[e] * w[e % CHANNELS];
    check(good, "depthwise_forward past the caches");
}

static void multiplied(int at_end) {
    const size_t n = below(40), m = 1 + below(5);
    const real *x = integers(memory[0], n, at_end);
    real *y = integers(memory[1], n * m, at_end), *dx = integers(memory[2], n, at_end);
    int good = 1;
    KERNEL(depthwise_repeat)(x, y, n, m);
    for (size_t e = 0; e < n * m; e++)
        good &= y[e] == x[e / m];
    KERNEL(depthwise_gather)(y, dx, n, m);
    for (size_t i = 0; i < n; i++)
        good &= dx[i] == (real)m * x[i];
    check(good, "depthwise_repeat and depthwise_gather");
}

int main(void) {
    for (size_t i = 0; i < 4; i++)
        memory[i] = guarded();
    for (size_t i = 0; i < 6000; i++) {
        compare(i % 2);
        multiplied(i % 2);
    }
    streamed();
    return failures != 0;
}
