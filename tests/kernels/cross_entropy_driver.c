/* uses: cross_entropy.c
 *
 * Cross-entropy of few classes and of targets that are probabilities, against sums in a wider type: every number of
 * classes of a short row, row counts around every vector, guard pages, masked classes, NaN and infinities.
 */
#include "driver.h"
#define KERNEL_ROW(name, args) void KERNEL(name) args;
#include "kernels.def"

#define NEAR(got, want, tolerance, what) check(WIDE(fabs)((got) - (want)) <= (wide)((tolerance) * EPSILON), what)
enum { MANY_ROWS = 64 };
static char *page[6];
static wide total[MANY_ROWS]; /* of exp(x), a row */

static void fill(real *x, real *g, size_t rows, size_t n) {
    for (size_t i = 0; i < rows * n; i++)
        x[i] = (real)uniform(-20, 20);
    for (size_t r = 0; r < rows; r++) {
        g[r] = (real)uniform(-1, 1), total[r] = 0;
        for (size_t j = 0; j < n; j++)
            total[r] += WIDE(exp)(x[r * n + j]);
    }
}

static void short_rows(size_t rows, size_t n, int end) {
    real *x = placed(page[0], rows * n, end), *dx = placed(page[1], rows * n, end), *g = placed(page[2], rows, end),
         *loss = placed(page[3], rows, end), *lse = placed(page[4], rows, end);
    int64_t *labels = (int64_t *)(page[5] + (end ? GUARDED_BYTES - rows * sizeof(int64_t) : 0));
    fill(x, g, rows, n);
    for (size_t r = 0; r < rows; r++)
        labels[r] = (int64_t)uniform(0, (double)n);
    KERNEL(cross_entropy_short_forward)(x, labels, loss, lse, rows, n);
    for (size_t r = 0; r < rows; r++) {
        NEAR(lse[r], WIDE(log)(total[r]), 40, "short lse");
        NEAR(loss[r], WIDE(log)(total[r]) - x[r * n + (size_t)labels[r]], 40, "short cross-entropy");
    }
    for (size_t step = 0; step < 2; step++) {
        KERNEL(cross_entropy_short_backward)(x, labels, lse, g, step, dx, rows, n);
        for (size_t r = 0; r < rows; r++)
            for (size_t j = 0; j < n; j++) {
                wide p = WIDE(exp)(x[r * n + j]) / total[r], hot = (size_t)labels[r] == j;
                NEAR(dx[r * n + j], g[r * step] * (p - hot), 40, "short cross-entropy gradient");
            }
    }
}

/* Targets need not sum to 1 (class weights), and a third of them is 0: there x may be -inf */
static void soft(size_t rows, size_t n, int end, int masked) {
    real *x = placed(page[0], rows * n, end), *dx = placed(page[1], rows * n, end), *g = placed(page[2], rows, end),
         *t = placed(page[3], rows * n, end), *loss = placed(page[4], rows, end), *lse = placed(page[5], rows, end);
    fill(x, g, rows, n);
    for (size_t i = 0; i < rows * n; i++) {
        int out = i % 3 == 1;
        t[i] = out ? 0 : (real)uniform(0, 2) / (real)n;
        if (out && masked)
            total[i / n] -= WIDE(exp)(x[i]), x[i] = -(real)INFINITY;
    }
    for (size_t r = 0; r < rows; r++)
        lse[r] = (real)WIDE(log)(total[r]);
    KERNEL(soft_cross_entropy_forward)(x, t, lse, loss, rows, n);
    for (size_t step = 0; step < 2; step++) {
        KERNEL(soft_cross_entropy_backward)(x, t, lse, g, step, dx, rows, n);
        for (size_t r = 0; r < rows; r++) {
            wide sum = 0, want = 0, size = 0;
            for (size_t j = 0, at = r * n; j < n; j++, at++) {
                wide part = t[at] > 0 ? t[at] * ((wide)lse[r] - x[at]) : 0;
                want += part, size += WIDE(fabs)(part), sum += t[at];
            }
            NEAR(loss[r], want, 4 * (double)size, "soft cross-entropy");
            for (size_t j = 0, at = r * n; j < n; j++, at++) {
                wide p = WIDE(exp)(x[at] - (wide)lse[r]);
                NEAR(dx[at], g[r * step] * (sum * p - t[at]), 40, "soft cross-entropy gradient");
            }
        }
    }
}

static void edges(void) {
    enum { ROWS = 2 * VLEN + 1 };
    const real infinity = (real)INFINITY;
    real x[ROWS * 3], loss[ROWS], lse[ROWS];
    int64_t labels[ROWS];
    for (size_t bad = 0; bad < ROWS; bad++) { /* what happens in one row stays in it */
        for (size_t r = 0; r < ROWS; r++)
            x[3 * r] = 0, x[3 * r + 1] = -1000, x[3 * r + 2] = -infinity, labels[r] = 1;
        x[3 * bad] = (real)NAN;
        KERNEL(cross_entropy_short_forward)(x, labels, loss, lse, ROWS, 3);
        for (size_t r = 0; r < ROWS; r++)
            check(r == bad ? isnan(loss[r]) : loss[r] == 1000 && lse[r] == 0, "logit -1000 costs 1000; NaN is kept");
        x[3 * bad] = infinity, x[3 * bad + 1] = -1000;
        KERNEL(cross_entropy_short_forward)(x, labels, loss, lse, ROWS, 3);
        check(lse[bad] == infinity && loss[bad] == infinity, "an infinite logit elsewhere costs infinity");
    }
    const real sure[] = {40, 0}, one[] = {7}, large[] = {1000, 0}; /* exp(1000) is infinity */
    KERNEL(cross_entropy_short_forward)(sure, (const int64_t[]){0}, loss, lse, 1, 2);
    check(loss[0] >= 0 && loss[0] < R(1e-15), "cross-entropy of a sure answer");
    KERNEL(cross_entropy_short_forward)(one, (const int64_t[]){0}, loss, lse, 1, 1);
    check(loss[0] == 0 && lse[0] == 7, "one class costs nothing");
    KERNEL(cross_entropy_short_forward)(large, (const int64_t[]){1}, loss, lse, 1, 2);
    check(loss[0] == 1000 && lse[0] == 1000, "logits are shifted by their largest");
    const real none[] = {-infinity, -infinity}, half[] = {R(0.5), R(0.5)};
    KERNEL(soft_cross_entropy_forward)(none, half, (const real[]){0}, loss, 1, 2);
    check(loss[0] == infinity, "a wanted class at -inf costs infinity, not NaN");
    KERNEL(soft_cross_entropy_forward)((const real[]){1, (real)NAN}, half, (const real[]){0}, loss, 1, 2);
    check(isnan(loss[0]), "soft cross-entropy keeps NaN");
}

int main(void) {
    for (int i = 0; i < 6; i++)
        page[i] = guarded();
    const size_t counts[] = {0, 1, VLEN - 1, VLEN, VLEN + 1, 2 * VLEN + 3};
    for (size_t n = 1; n <= CDL_SHORT_ROW; n++)
        for (size_t k = 0; k < sizeof counts / sizeof *counts; k++)
            short_rows(counts[k], n, 0), short_rows(counts[k], n, 1);
    const size_t widths[] = {0, 1, 2, 3, VLEN - 1, VLEN, VLEN + 1, 4 * VLEN - 1, 16 * VLEN + 1, 37 * VLEN + 3};
    for (size_t k = 0; k < sizeof widths / sizeof *widths; k++)
        for (int end = 0; end < 2; end++)
            soft(3, widths[k], end, 0), soft(3, widths[k], end, widths[k] > 1);
    soft(1, GUARDED_BYTES / sizeof(real), 1, 1), soft(MANY_ROWS, 10, 1, 1), soft(0, 10, 0, 0);
    edges();
    return failures != 0;
}
