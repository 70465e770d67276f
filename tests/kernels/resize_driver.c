/* uses: resize.c
 *
 * Bilinear rows and their gradients, element by element in a wider type: numbers of channels around every vector, the
 * last pixel, shares of 0 and 1, guard pages.
 */
#include "driver.h"
#define KERNEL_ROW(name, args) void KERNEL(name) args;
#include "kernels.def"

static char *page[5];

static void near(real got, wide want, const char *what) {
    check(WIDE(fabs)((wide)got - want) <= (wide)(16 * EPSILON), what);
}

static void run(size_t Q, size_t W, size_t C, int end) {
    real *top = placed(page[0], W * C, end), *bottom = placed(page[1], W * C, end), *y = placed(page[2], Q * C, end);
    real *dx = placed(page[3], W * C, end), *g = placed(page[4], Q * C, end);
    int64_t *low = malloc(Q * sizeof *low + 8);
    double *share = malloc(Q * sizeof *share + 8), weight = uniform(0, 1);
    wide *exact = calloc(W * C + 1, sizeof *exact);
    for (size_t i = 0; i < W * C; i++)
        top[i] = (real)uniform(-1, 1), bottom[i] = (real)uniform(-1, 1), dx[i] = (real)uniform(-1, 1), exact[i] = dx[i];
    for (size_t i = 0; i < Q * C; i++)
        g[i] = (real)uniform(-1, 1);
    for (size_t q = 0; q < Q; q++) {
        low[q] = (int64_t)(q * W / Q);
        share[q] = (size_t)low[q] + 1 == W || q % 3 == 0 ? 0 : q % 3 == 1 ? 1 : uniform(0, 1);
    }
    KERNEL(resize_forward)(top, bottom, weight, low, share, y, Q, W - 1, C);
    KERNEL(resize_backward)(g, weight, low, share, dx, Q, W - 1, C);
    for (size_t q = 0; q < Q; q++)
        for (size_t c = 0; c < C; c++) {
            const size_t a = (size_t)low[q] * C + c, b = (size_t)low[q] + 1 < W ? a + C : a;
            const wide s = (real)share[q], d = (real)weight;
            near(y[q * C + c], (1 - d) * ((1 - s) * top[a] + s * top[b]) + d * ((1 - s) * bottom[a] + s * bottom[b]),
                 "resize_forward");
            exact[a] += (wide)(weight * (1 - share[q])) * g[q * C + c];
            exact[b] += (wide)(weight * share[q]) * g[q * C + c];
        }
    for (size_t i = 0; i < W * C; i++)
        near(dx[i], exact[i], "resize_backward");
    free(low), free(share), free(exact);
}

int main(void) {
    for (int i = 0; i < 5; i++)
        page[i] = guarded();
    const size_t channels[] = {1, 2, 3, VLEN - 1, VLEN, VLEN + 1, 3 * VLEN + 2};
    for (size_t k = 0; k < sizeof channels / sizeof *channels; k++)
        for (int end = 0; end < 2; end++)
            for (size_t Q = 0; Q < 9; Q += Q ? 3 : 1)
                run(Q, 1, channels[k], end), run(Q, 2, channels[k], end), run(Q, 5, channels[k], end);
    return failures != 0;
}
