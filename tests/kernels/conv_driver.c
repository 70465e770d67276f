/* uses: conv.c conv_rows.c
 *
 * The matrix of windows against its definition, for any strides, dilations and paddings, any part of its rows and
 * columns; sums of products of overlapping rows against plain loops. Nothing outside of the arrays is touched.
 */
#include "driver.h"
#include "gemm.h"

#define KERNEL_ROW(name, args) void KERNEL(name) args;
#include "kernels.def"
#undef KERNEL_ROW

static real element(const cdl_windows *w, const real *x, size_t row, size_t column) {
    const size_t q = row % w->Q, p = row / w->Q % w->P, n = row / w->Q / w->P;
    const size_t c = column % w->channels, s = column / w->channels % w->S, r = column / w->channels / w->S;
    const ptrdiff_t h = (ptrdiff_t)p * w->stride_h + (ptrdiff_t)r * w->dilation_h - w->top;
    const ptrdiff_t v = (ptrdiff_t)q * w->stride_w + (ptrdiff_t)s * w->dilation_w - w->left;
    if (h < 0 || h >= (ptrdiff_t)w->H || v < 0 || v >= (ptrdiff_t)w->W)
        return 0;
    return x[((n * w->H + (size_t)h) * w->W + (size_t)v) * w->C + w->first + c];
}

static void compare(const cdl_windows *w, size_t images, char *first, char *second, int at_end) {
    const size_t all = w->R * w->S * w->channels, rows = images * w->P * w->Q;
    const size_t row = below(rows), column = below(all), height = 1 + below(rows - row),
                 width = 1 + below(all - column);
    const size_t size = images * w->H * w->W * w->C;
    if (size * sizeof(real) > GUARDED_BYTES || height * width * sizeof(real) > GUARDED_BYTES)
        return;
    real *x = placed(first, size, at_end), *target = placed(second, height * width, at_end);
    for (size_t i = 0; i < size; i++)
        x[i] = (real)uniform(-1, 1);
    KERNEL(conv_windows)(w, x, row, height, column, width, target, (ptrdiff_t)width);
    int good = 1;
    for (size_t i = 0; i < height; i++)
        for (size_t j = 0; j < width; j++)
            good &= target[i * width + j] == element(w, x, row + i, column + j);
    check(good, "conv_windows: the windows, zeros outside of the image");
}

/* Runs of overlapping rows, along or across them; sizes of no, one and several tiles and vectors. */
static void products(char *first, char *second, char *third, int at_end) {
    const int stream = !at_end && below(4) == 0;
    const size_t m = 1 + below(33), n = stream ? 2 * CDL_GEMM_PANEL : 1 + below(70), k = 1 + below(19),
                 segments = 1 + below(4);
    const int transposed = (int)below(2), accumulate = (int)below(2);
    const ptrdiff_t step = 1 + (ptrdiff_t)below(5), apart = (ptrdiff_t)below(60);
    const ptrdiff_t a_row = transposed ? 1 : step, a_col = transposed ? step : 1;
    const size_t last = (segments - 1) * (size_t)apart + (m - 1) * (size_t)a_row + (k - 1) * (size_t)a_col;
    const size_t depth = segments * k, panels = (n + CDL_GEMM_PANEL - 1) / CDL_GEMM_PANEL, gap = below(9);
    const size_t panel = depth * CDL_GEMM_PANEL + gap, c_row = n + (stream ? 0 : below(4)), size = (m - 1) * c_row + n;
    real *a = placed(first, last + 1, at_end), *b = placed(second, panels * panel, at_end),
         *c = placed(third, size, at_end);
    real bias[70], before[33 * 74];
    for (size_t i = 0; i <= last; i++)
        a[i] = (real)uniform(-1, 1);
    for (size_t i = 0; i < panels * panel; i++)
        b[i] = (real)uniform(-1, 1);
    for (size_t i = 0; i < n; i++)
        bias[i] = (real)uniform(-1, 1);
    for (size_t i = 0; i < size; i++)
        before[i] = c[i] = (real)uniform(-1, 1);
    KERNEL(conv_rows)(m, n, segments, k, a, a_row, a_col, apart, b, panel, c, (ptrdiff_t)c_row, bias, accumulate,
                      stream, below(2) ? before : NULL);
    int good = 1, kept = 1;
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++) {
            wide sum = bias[j] + (accumulate ? (wide)before[i * c_row + j] : 0);
            for (size_t s = 0; s < segments; s++)
                for (size_t p = 0; p < k; p++)
                    sum += (wide)a[s * (size_t)apart + i * (size_t)a_row + p * (size_t)a_col] *
                           b[j / CDL_GEMM_PANEL * panel + (s * k + p) * CDL_GEMM_PANEL + j % CDL_GEMM_PANEL];
            good &= WIDE(fabs)(c[i * c_row + j] - sum) <= 2 * EPSILON * (double)(depth + 2);
        }
    for (size_t i = 0; i + 1 < m; i++)
        for (size_t j = n; j < c_row; j++)
            kept &= c[i * c_row + j] == before[i * c_row + j];
    check(good, "conv_rows: the sum of the products");
    check(kept, "conv_rows: nothing between the rows of c");
}

int main(void) {
    char *first = guarded(), *second = guarded(), *third = guarded();
    for (int at_end = 0; at_end < 2; at_end++)
        for (size_t trial = 0; trial < 3000; trial++) {
            cdl_windows w = {.H = 1 + below(6),
                             .W = 1 + below(6),
                             .P = 1 + below(4),
                             .Q = 1 + below(4),
                             .R = 1 + below(4),
                             .S = 1 + below(4),
                             .channels = 1 + below(trial % 2 ? 5 : 40),
                             .stride_h = 1 + (ptrdiff_t)below(3),
                             .stride_w = 1 + (ptrdiff_t)below(3),
                             .dilation_h = 1 + (ptrdiff_t)below(2),
                             .dilation_w = 1 + (ptrdiff_t)below(2),
                             .top = (ptrdiff_t)below(5) - 2,
                             .left = (ptrdiff_t)below(5) - 2};
            w.first = trial % 3 ? 0 : below(3);
            w.C = w.channels + w.first + (trial % 3 ? 0 : below(3));
            compare(&w, 1 + below(2), first, second, at_end);
            products(first, second, third, at_end);
        }
    return failures != 0;
}
