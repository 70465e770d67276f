/* uses: softmax.c cross_entropy.c
 *
 * Softmax and its kin against sums in a wider type, for sizes around every block edge; guard pages; NaN and infinities.
 */
#include "driver.h"
#define KERNEL_ROW(name, args) void KERNEL(name) args;
#include "kernels.def"

#define MANY (GUARDED_BYTES / sizeof(real))
static const cdl_targets plain;
static char *page[3];

static void softmax(size_t rows, size_t n, int end, int stream) {
    real *x = placed(page[0], rows * n, end), *y = placed(page[1], rows * n, end), *g = placed(page[2], rows * n, end);
    static real loss[64], lse[64], dx[MANY];
    int64_t labels[64];
    wide total[64];
    for (size_t i = 0; i < rows * n; i++)
        x[i] = (real)uniform(-20, 20), g[i] = (real)uniform(-1, 1);
    for (size_t r = 0; r < rows; r++) {
        total[r] = 0, labels[r] = (int64_t)uniform(0, (double)n);
        for (size_t i = 0; i < n; i++)
            total[r] += WIDE(exp)(x[r * n + i]);
    }
#define EACH(r, i, at)                                                                                                 \
    for (size_t r = 0; r < rows; r++)                                                                                  \
        for (size_t i = 0, at = r * n; i < n; i++, at++)
#define NEAR(got, want, tolerance, what) check(WIDE(fabs)((got) - (want)) <= (wide)((tolerance) * EPSILON), what)
    KERNEL(softmax_forward)(x, y, rows, n, stream);
    EACH(r, i, at) {
        wide want = WIDE(exp)(x[at]) / total[r];
        check(WIDE(fabs)(y[at] - want) <= (wide)(20 * EPSILON) * want, "softmax"); /* x - max < 40 rounds by 16 eps */
    }
    KERNEL(softmax_backward)(y, g, dx, rows, n, stream);
    for (size_t r = 0; r < rows; r++) {
        wide dot = 0;
        for (size_t i = 0; i < n; i++)
            dot += (wide)g[r * n + i] * y[r * n + i];
        for (size_t i = 0; i < n; i++)
            NEAR(dx[r * n + i], y[r * n + i] * (g[r * n + i] - dot), 8, "softmax gradient");
    }
    KERNEL(log_softmax_forward)(x, y, rows, n, stream);
    EACH(r, i, at) NEAR(y[at], x[at] - WIDE(log)(total[r]), 40, "log_softmax");
    KERNEL(log_softmax_backward)(y, g, dx, rows, n, stream);
    for (size_t r = 0; r < rows; r++) {
        wide sum = 0;
        for (size_t i = 0; i < n; i++)
            sum += g[r * n + i];
        for (size_t i = 0; i < n; i++)
            NEAR(dx[r * n + i], g[r * n + i] - WIDE(exp)(y[r * n + i]) * sum, 8 + 16 * (double)WIDE(fabs)(sum),
                 "log_softmax gradient");
    }
    KERNEL(logsumexp_forward)(x, lse, rows, n);
    KERNEL(logsumexp_backward)(x, lse, g, dx, rows, n);
    EACH(r, i, at) {
        NEAR(lse[r], WIDE(log)(total[r]), 40, "logsumexp");
        NEAR(dx[at], g[r] * WIDE(exp)(x[at]) / total[r], 40, "logsumexp gradient");
    }
    KERNEL(cross_entropy_forward)(x, labels, &plain, 1, loss, lse, NULL, rows, n, 0);
    for (size_t step = 0; step < 2; step++) {
        KERNEL(cross_entropy_backward)(x, labels, &plain, lse, g, step, dx, rows, n, stream);
        EACH(r, i, at) {
            wide p = WIDE(exp)(x[at]) / total[r], hot = (size_t)labels[r] == i;
            if (hot)
                NEAR(loss[r], WIDE(log)(total[r]) - x[at], 40, "cross_entropy");
            NEAR(dx[at], g[r * step] * (p - hot), 40, "cross_entropy gradient");
        }
    }
}

static void edges(void) {
    enum { COUNT = 3 * VLEN + 1 };
    real x[COUNT], y[COUNT], loss, lse;
    const real infinity = (real)INFINITY;
    for (size_t bad = 0; bad < COUNT; bad++) {
        for (size_t i = 0; i < COUNT; i++)
            x[i] = (real)i;
        x[bad] = (real)NAN;
        KERNEL(softmax_forward)(x, y, 1, COUNT, 0), check(isnan(y[0]) && isnan(y[COUNT - 1]), "softmax of NaN");
        x[bad] = infinity;
        KERNEL(logsumexp_forward)(x, y, 1, COUNT), check(y[0] == infinity, "logsumexp with inf");
    }
    for (size_t i = 0; i < COUNT; i++)
        x[i] = -infinity;
    KERNEL(softmax_forward)(x, y, 1, COUNT, 0), check(isnan(y[0]), "softmax of -inf is NaN");
    KERNEL(logsumexp_forward)(x, y, 1, COUNT), check(y[0] == -infinity, "logsumexp of -inf");
    const real logits[] = {0, -1000};
    KERNEL(cross_entropy_forward)(logits, (const int64_t[]){1}, &plain, 1, &loss, &lse, NULL, 1, 2, 0);
    check(loss == 1000 && lse == 0, "cross-entropy at logit -1000 is 1000");
    const real sure[] = {40, 0};
    KERNEL(cross_entropy_forward)(sure, (const int64_t[]){0}, &plain, 1, &loss, &lse, NULL, 1, 2, 0);
    check(loss >= 0 && loss < R(1e-15), "cross-entropy of a sure answer");
}

int main(void) {
    for (int i = 0; i < 3; i++)
        page[i] = guarded();
    const size_t widths[] = {
        0, 1, 2, 3, VLEN - 1, VLEN, VLEN + 1, 4 * VLEN - 1, 4 * VLEN + 1, 16 * VLEN, 16 * VLEN + 1, 37 * VLEN + 3};
    for (size_t k = 0; k < sizeof widths / sizeof *widths; k++)
        for (int end = 0; end < 2; end++) {
            if (widths[k])
                softmax(3, widths[k], end, 0), softmax(3, widths[k], end, 1);
        }
    softmax(1, MANY / 2, 1, 0), softmax(1, MANY / 2, 1, 1), softmax(64, 10, 1, 0), softmax(37, 50, 0, 1);
    edges();
    return failures != 0;
}
