/* uses: prelu.c
 *
 * PReLU and its gradients, element by element: sizes around every vector, one slope and one a column, guard pages, NaN.
 */
#include "driver.h"
#define KERNEL_ROW(name, args) void KERNEL(name) args;
#include "kernels.def"

static char *page[4];

static void run(size_t rows, size_t n, size_t step, int end) {
    real *x = placed(page[0], rows * n, end), *g = placed(page[1], rows * n, end), *y = placed(page[2], rows * n, end),
         *slope = placed(page[3], step ? n : 1, end), *sums = malloc((n + 1) * sizeof(real));
    wide *exact = calloc(n + 1, sizeof(wide)), *size = calloc(n + 1, sizeof(wide));
    for (size_t i = 0; i < rows * n; i++)
        x[i] = i % 7 == 3 ? 0 : (real)uniform(-2, 2), g[i] = (real)uniform(-1, 1);
    for (size_t j = 0; j < (step ? n : 1); j++)
        slope[j] = (real)uniform(-1, 1);
    KERNEL(prelu_forward)(x, slope, step, y, rows, n);
    int good = 1;
    for (size_t i = 0; i < rows * n; i++) {
        real s = slope[i % n * step];
        good &= y[i] == (x[i] > 0 ? x[i] : s * x[i]);
        if (!(x[i] > 0)) {
            exact[i % n * step] += (wide)g[i] * x[i];
            size[i % n * step] += WIDE(fabs)((wide)g[i] * x[i]);
        }
    }
    check(good, "prelu");
    KERNEL(prelu_backward)(x, slope, step, g, y, sums, rows, n);
    for (size_t i = 0; i < rows * n; i++)
        good &= y[i] == (x[i] > 0 ? g[i] : slope[i % n * step] * g[i]);
    check(good, "prelu's gradient");
    for (size_t j = 0; j < (step ? n : 1); j++)
        check(WIDE(fabs)(sums[j] - exact[j]) <= (wide)((double)rows * (double)n * EPSILON) * size[j], "the slope's gradient");
    free(sums), free(exact), free(size);
}

int main(void) {
    for (int i = 0; i < 4; i++)
        page[i] = guarded();
    const size_t sizes[] = {1, 2, VLEN - 1, VLEN, VLEN + 1, 4 * VLEN - 1, 9 * VLEN + 3};
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++)
        for (size_t step = 0; step < 2; step++)
            for (int end = 0; end < 2; end++)
                run(1, sizes[k], step, end), run(5, sizes[k], step, end), run(0, sizes[k], step, end);
    const real x[] = {(real)NAN, -1}, one = 2;
    real y[2];
    KERNEL(prelu_forward)(x, &one, 0, y, 1, 2);
    check(isnan(y[0]) && y[1] == -2, "prelu keeps NaN");
    return failures != 0;
}
