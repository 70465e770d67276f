/* uses: loss.c
 *
 * Losses element by element against the C library in a wider type: sizes around every vector, guard pages, one gradient
 * for all and one each, kinks, clipped probabilities and NaN.
 */
#include "driver.h"
#define KERNEL_ROW(name, args) void KERNEL(name) args;
#include "kernels.def"

static char *page[5];

/* value, and the derivatives by p and by t */
static void formula(int op, wide t, wide p, wide q, wide *out) {
    wide e = p - t, s = p < q ? q : p > 1 - q ? 1 - q : p;
    switch (op) {
    case CDL_LOSS_mse:
        out[0] = e * e, out[1] = 2 * e, out[2] = -2 * e;
        return;
    case CDL_LOSS_mae:
        out[0] = WIDE(fabs)(e), out[1] = (e > 0) - (e < 0), out[2] = -out[1];
        return;
    case CDL_LOSS_huber:
        out[0] = WIDE(fabs)(e) <= q ? e * e / 2 : q * (WIDE(fabs)(e) - q / 2);
        out[1] = e < -q ? -q : e > q ? q : e, out[2] = -out[1];
        return;
    case CDL_LOSS_hinge:
        out[0] = t * p < 1 ? 1 - t * p : 0, out[1] = t * p < 1 ? -t : 0, out[2] = t * p < 1 ? -p : 0;
        return;
    case CDL_LOSS_binary:
        out[0] = -(t * WIDE(log)(s) + (1 - t) * WIDE(log)(1 - s));
        out[1] = s == p ? (1 - t) / (1 - p) - t / p : 0, out[2] = WIDE(log)(1 - s) - WIDE(log)(s);
        return;
    default:
        out[0] = t * WIDE(log1p)(WIDE(exp)(-p)) + (1 - t) * WIDE(log1p)(WIDE(exp)(p));
        out[1] = 1 / (1 + WIDE(exp)(-p)) - t, out[2] = -p;
    }
}

static int near(wide got, wide want) {
    return WIDE(fabs)(got - want) <= 16 * (wide)EPSILON * (1 + WIDE(fabs)(want));
}

static void run(int op, size_t n, int end, size_t step) {
    real *t = placed(page[0], n, end), *p = placed(page[1], n, end), *g = placed(page[2], n, end),
         *a = placed(page[3], n, end), *b = placed(page[4], n, end);
    const real one = R(0.75);
    double sum, q = op == CDL_LOSS_binary ? 0.0625 : 0.5;
    wide out[3], total = 0, size = 0;
    for (size_t i = 0; i < n; i++) {
        int share = op >= CDL_LOSS_binary;
        t[i] = op == CDL_LOSS_hinge ? (real)(i % 2 ? 1 : -1) : (real)uniform(share ? 0 : -2, share ? 1 : 2);
        p[i] = op == CDL_LOSS_binary ? (i % 5 == 4 ? (real)(i % 2) : (real)uniform(0.1, 0.9)) : (real)uniform(-2, 2);
        g[i] = (real)uniform(-1, 1);
    }
    KERNEL(loss_forward)(op, t, p, a, &sum, n, q);
    int good = 1;
    for (size_t i = 0; i < n; i++) {
        formula(op, t[i], p[i], (wide)q, out);
        good &= near(a[i], out[0]), total += a[i], size += WIDE(fabs)(a[i]);
    }
    check(good, "loss"), check(WIDE(fabs)((wide)sum - total) <= 32 * (wide)EPSILON * size, "sum of losses");
    double again;
    KERNEL(loss_forward)(op, t, p, NULL, &again, n, q), check(again == sum, "the sum alone");
    KERNEL(loss_backward)(op, t, p, step ? g : &one, step, a, b, n, q);
    for (size_t i = 0; i < n; i++) {
        formula(op, t[i], p[i], (wide)q, out);
        good &= near(a[i], (wide)(step ? g[i] : one) * out[1]) && near(b[i], (wide)(step ? g[i] : one) * out[2]);
    }
    check(good, "gradients of a loss");
    KERNEL(loss_backward)(op, t, p, g, step, g, NULL, step ? n : 0, q);
    for (size_t i = 0; step && i < n; i++)
        good &= memcmp(g + i, a + i, sizeof *g) == 0;
    check(good, "dp alone, over g");
}

int main(void) {
    for (int i = 0; i < 5; i++)
        page[i] = guarded();
    const size_t sizes[] = {
        0, 1, 2, VLEN - 1, VLEN, VLEN + 1, 4 * VLEN + 1, 64 * VLEN - 1, 64 * VLEN + 1, 200 * VLEN + 3};
    for (int op = 0; op < CDL_LOSS_COUNT; op++) {
        for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++)
            for (int end = 0; end < 2; end++)
                run(op, sizes[k], end, 0), run(op, sizes[k], end, 1);
        const real t[] = {1, (real)NAN}, p[] = {(real)NAN, R(0.5)};
        real y[2];
        double sum;
        KERNEL(loss_forward)(op, t, p, y, &sum, 2, 0.25);
        check(isnan(y[0]) && isnan(y[1]) && isnan(sum), "a loss keeps NaN");
    }
    return failures != 0;
}
