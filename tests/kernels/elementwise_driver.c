/* uses: unary.c binary.c
 *
 * Every row of unary.def and binary.def: values against the formula in a wider type, gradients against its central
 * difference, the same bits wherever an element stands, no access outside the arrays, NaN and infinities.
 */
#include "driver.h"

#define UNARY(name, ...)                                                                                               \
    cdl_unary_forward KERNEL(unary_forward_##name);                                                                    \
    cdl_unary_backward KERNEL(unary_backward_##name);
#include "unary.def"
#undef UNARY
#define BINARY(name, ...)                                                                                              \
    cdl_binary_forward KERNEL(binary_forward_##name);                                                                  \
    cdl_binary_backward KERNEL(binary_backward_##name);
#include "binary.def"
#undef BINARY

typedef struct {
    const char *name;
    cdl_unary_forward *forward;
    cdl_unary_backward *backward;
    int saved;
} unary_kernel;
static const unary_kernel unary[] = {
#define UNARY(name, saved, ...) {#name, KERNEL(unary_forward_##name), KERNEL(unary_backward_##name), CDL_SAVED_##saved},
#include "unary.def"
#undef UNARY
};
typedef struct {
    const char *name;
    cdl_binary_forward *forward;
    cdl_binary_backward *backward;
    int saved;
} binary_kernel;
static const binary_kernel binary[] = {
#define BINARY(name, saved, ...)                                                                                       \
    {#name, KERNEL(binary_forward_##name), KERNEL(binary_backward_##name), CDL_SAVED_##saved},
#include "binary.def"
#undef BINARY
};

/* -- What each op is, written from its formula -- */
#define REFERENCE(name, expression)                                                                                    \
    static wide unary_##name(wide x, wide p, wide q) {                                                                 \
        (void)p, (void)q;                                                                                              \
        return expression;                                                                                             \
    }
#define CUT(x, low, high) ((x) < (low) ? (low) : (x) > (high) ? (high) : (x))
static wide phi(wide x) {
    return WIDE(erfc)(-x * (wide)0.70710678118654752440084436210485L) / 2;
}
static wide logistic(wide x) {
    return x < 0 ? WIDE(exp)(x) / (1 + WIDE(exp)(x)) : 1 / (1 + WIDE(exp)(-x));
}
static wide soft(wide x) {
    return (x > 0 ? x : 0) + WIDE(log1p)(WIDE(exp)(-WIDE(fabs)(x)));
}
REFERENCE(exp, WIDE(exp)(x))
REFERENCE(exp2, WIDE(exp2)(x))
REFERENCE(expm1, WIDE(expm1)(x))
REFERENCE(log, WIDE(log)(x))
REFERENCE(log2, WIDE(log2)(x))
REFERENCE(log10, WIDE(log10)(x))
REFERENCE(log1p, WIDE(log1p)(x))
REFERENCE(sqrt, WIDE(sqrt)(x))
REFERENCE(square, x *x)
REFERENCE(reciprocal, 1 / x)
REFERENCE(power_scalar, WIDE(pow)(x, p))
REFERENCE(negative, -x)
REFERENCE(abs, WIDE(fabs)(x))
REFERENCE(sign, x > 0 ? 1 : x < 0 ? -1 : x)
REFERENCE(floor, WIDE(floor)(x))
REFERENCE(ceil, WIDE(ceil)(x))
REFERENCE(round, WIDE(rint)(x))
REFERENCE(sin, WIDE(sin)(x))
REFERENCE(cos, WIDE(cos)(x))
REFERENCE(tanh, WIDE(tanh)(x))
REFERENCE(sigmoid, logistic(x))
REFERENCE(erf, WIDE(erf)(x))
REFERENCE(softplus, soft(x))
REFERENCE(log_sigmoid, -soft(-x))
REFERENCE(gelu, x *phi(x))
REFERENCE(gelu_tanh, x * (1 + WIDE(tanh)((wide)0.79788456080286535588L * (x + (wide)0.044715L * x * x * x))) / 2)
REFERENCE(silu, x *logistic(x))
REFERENCE(relu, x > 0 ? x : 0)
REFERENCE(leaky_relu, x > 0 ? x : p * x)
REFERENCE(elu, x > 0 ? x : p * WIDE(expm1)(x))
REFERENCE(relu6, CUT(x, 0, 6))
REFERENCE(hard_tanh, CUT(x, -1, 1))
REFERENCE(hard_sigmoid, CUT((x + 3) / 6, 0, 1))
REFERENCE(hard_swish, x *CUT((x + 3) / 6, 0, 1))
REFERENCE(clip, CUT(x, p, q))
REFERENCE(scale, p *x + q)

typedef struct {
    int op;
    wide (*formula)(wide, wide, wide);
    double low, high, p, q;
    double ulps, absolute; /* error allowed: ulps of the result and `absolute` times EPSILON */
} unary_row;
#define ROW(name, ...) {CDL_UNARY_##name, unary_##name, __VA_ARGS__}
static const unary_row unary_rows[] = {
    ROW(exp, -10, 10, 0, 0, 1.5, 0),
    ROW(exp2, -10, 10, 0, 0, 1.5, 0),
    ROW(expm1, -10, 10, 0, 0, 2, 0),
    ROW(log, 0.2, 30, 0, 0, 1.5, 0),
    ROW(log2, 0.2, 30, 0, 0, 2.5, 0),
    ROW(log10, 0.2, 30, 0, 0, 2.5, 0),
    ROW(log1p, -0.9, 30, 0, 0, 2, 0),
    ROW(sqrt, 0.2, 30, 0, 0, 0.5, 0),
    ROW(square, -9, 9, 0, 0, 0.5, 0),
    ROW(reciprocal, 0.2, 9, 0, 0, 0.5, 0),
    ROW(power_scalar, -9, 9, 2, 0, 0.5, 0),
    ROW(power_scalar, -9, 9, 3, 0, 1.5, 0),
    ROW(power_scalar, -9, 9, 1, 0, 0, 0),
    ROW(power_scalar, -9, 9, 0, 0, 0, 0),
    ROW(power_scalar, 0.1, 9, 0.5, 0, 0.5, 0),
    ROW(power_scalar, 0.3, 9, -0.5, 0, 1.5, 0),
    ROW(power_scalar, 0.3, 9, -1, 0, 0.5, 0),
    ROW(power_scalar, 0.3, 9, -2, 0, 1.5, 0),
    ROW(power_scalar, 0.1, 9, 2.5, 0, 3, 0),
    ROW(power_scalar, -9, 9, 5, 0, 3, 0),
    ROW(negative, -9, 9, 0, 0, 0, 0),
    ROW(abs, -9, 9, 0, 0, 0, 0),
    ROW(sign, -9, 9, 0, 0, 0, 0),
    ROW(floor, -9, 9, 0, 0, 0, 0),
    ROW(ceil, -9, 9, 0, 0, 0, 0),
    ROW(round, -9, 9, 0, 0, 0, 0),
    ROW(sin, -30, 30, 0, 0, 2.5, 0),
    ROW(cos, -30, 30, 0, 0, 2.5, 0),
    ROW(tanh, -10, 10, 0, 0, 3, 0),
    ROW(sigmoid, -30, 30, 0, 0, 2.5, 0),
    ROW(erf, -5, 5, 0, 0, 2.5, 0),
    ROW(softplus, -30, 30, 0, 0, 3, 0),
    ROW(log_sigmoid, -30, 30, 0, 0, 3, 0),
    ROW(gelu, -12, 12, 0, 0, PICK(8, 14), 0),
    ROW(gelu_tanh, -9, 9, 0, 0, 4, 4),
    ROW(silu, -30, 30, 0, 0, 4, 0),
    ROW(relu, -9, 9, 0, 0, 0, 0),
    ROW(leaky_relu, -9, 9, 0.25, 0, 0, 0),
    ROW(elu, -9, 9, 0.5, 0, 2, 0),
    ROW(relu6, -9, 9, 0, 0, 0, 0),
    ROW(hard_tanh, -3, 3, 0, 0, 0, 0),
    ROW(hard_sigmoid, -9, 9, 0, 0, 1, 1),
    ROW(hard_swish, -9, 9, 0, 0, 2, 4),
    ROW(clip, -3, 3, -0.75, 1.25, 0, 0),
    ROW(scale, -3, 3, -0.75, 1.25, 1, 1),
};
#define STEP PICK(1e-5, 1e-6) /* of the central difference, in the wider type: its own error is about STEP squared */

static void check_unary(const unary_row *r) {
    const unary_kernel *k = unary + r->op;
    enum { COUNT = 4000 };
    static real x[COUNT], y[COUNT], g[COUNT], dx[COUNT];
    for (size_t i = 0; i < COUNT; i++)
        x[i] = (real)uniform(r->low, r->high), g[i] = (real)uniform(-2, 2);
    k->forward(x, y, COUNT, r->p, r->q);
    k->backward(k->saved & CDL_SAVED_X ? x : NULL, k->saved & CDL_SAVED_Y ? y : NULL, g, dx, COUNT, r->p, r->q);
    double worst = 0, slope_worst = 0;
    for (size_t i = 0; i < COUNT; i++) {
        wide want = r->formula(x[i], r->p, r->q), h = STEP;
        if (!((double)WIDE(fabs)(y[i] - want) <= r->absolute * (double)EPSILON)) {
            double e = ulp_error(y[i], want);
            worst = e > worst ? e : worst;
        }
        wide above = r->formula(x[i] + h, r->p, r->q), below = r->formula(x[i] - h, r->p, r->q);
        if (WIDE(fabs)(above + below - 2 * want) > WIDE(fabs)(h) * 1e-2)
            continue; /* a kink, or steeper than h resolves */
        wide slope = g[i] * (above - below) / (2 * h);
        double off = (double)(WIDE(fabs)(dx[i] - slope) / (1 + WIDE(fabs)(slope)));
        slope_worst = off > slope_worst ? off : slope_worst;
    }
    printf("%-13s %8.2f ulp of %4.1f, gradient off by %.1e\n", k->name, worst, r->ulps, slope_worst);
    if (!(worst <= r->ulps) || !(slope_worst <= PICK(3e-6, 1e-10)))
        check(0, k->name);
}

/* -- Bits that do not depend on the place, and nothing touched outside -- */
static char *page[4];

static void place_unary(const unary_kernel *k) {
    enum { COUNT = 4 * VLEN };
    real x[COUNT], y[COUNT], g[COUNT], dx[COUNT];
    for (size_t i = 0; i < COUNT; i++)
        x[i] = (real)uniform(0.1, 3), g[i] = (real)uniform(-2, 2);
    k->forward(x, y, COUNT, 0.3, 1.1);
    k->backward(x, y, g, dx, COUNT, 0.3, 1.1);
    for (size_t n = 0; n < 2 * VLEN + 2; n++)
        for (int end = 0; end < 2; end++)
            for (size_t from = 0; from < 3; from++) {
                real *px = placed(page[0], n, end), *py = placed(page[1], n, end), *pg = placed(page[2], n, end);
                memcpy(px, x + from, n * sizeof *x), memcpy(pg, g + from, n * sizeof *g);
                k->forward(px, py, n, 0.3, 1.1);
                int good = !memcmp(py, y + from, n * sizeof *y);
                k->backward(px, py, pg, pg, n, 0.3, 1.1); /* dx over g */
                good &= !memcmp(pg, dx + from, n * sizeof *dx);
                k->forward(px, px, n, 0.3, 1.1); /* y over x */
                good &= !memcmp(px, y + from, n * sizeof *y);
                check(good, k->name);
            }
}

static void place_binary(const binary_kernel *k) {
    enum { COUNT = 4 * VLEN };
    real a[COUNT], b[COUNT], y[COUNT], g[COUNT], da[COUNT], db[COUNT];
    for (int steps = 0; steps < 4; steps++) {
        size_t sa = steps & 1, sb = steps >> 1;
        for (size_t i = 0; i < COUNT; i++) {
            a[i] = (real)uniform(0.1, 3), b[i] = (real)uniform(0.1, 3), g[i] = (real)uniform(-2, 2);
            if (!sa)
                a[i] = a[0];
            if (!sb)
                b[i] = b[0];
        }
        k->forward(a, b, y, COUNT, 1, 1);
        k->backward(a, b, y, g, da, db, COUNT, 1, 1);
        for (size_t n = 0; n < 2 * VLEN + 2; n++)
            for (int end = 0; end < 2; end++) {
                size_t from = n % 3;
                real *pa = placed(page[0], sa ? n : 1, end), *pb = placed(page[1], sb ? n : 1, end);
                real *py = placed(page[2], n, end), *pg = placed(page[3], n, end), pda[COUNT];
                memcpy(pa, a + from, (sa ? n : 1) * sizeof *a), memcpy(pb, b + from, (sb ? n : 1) * sizeof *b);
                memcpy(pg, g + from, n * sizeof *g);
                k->forward(pa, pb, py, n, sa, sb);
                int good = !memcmp(py, y + from, n * sizeof *y);
                k->backward(pa, pb, py, pg, pda, NULL, n, sa, sb);
                good &= !memcmp(pda, da + from, n * sizeof *da);
                k->backward(pa, pb, py, pg, NULL, pg, n, sa, sb); /* db over g */
                good &= !memcmp(pg, db + from, n * sizeof *db);
                check(good, k->name);
            }
    }
}

/* -- Binary values and gradients -- */
static wide binary_formula(int op, wide a, wide b) {
    switch (op) {
    case CDL_BINARY_add:
        return a + b;
    case CDL_BINARY_subtract:
        return a - b;
    case CDL_BINARY_multiply:
        return a * b;
    case CDL_BINARY_divide:
        return a / b;
    case CDL_BINARY_power:
        return WIDE(pow)(a, b);
    case CDL_BINARY_maximum:
        return a > b ? a : b;
    case CDL_BINARY_minimum:
        return a < b ? a : b;
    default:
        return (wide)NAN;
    }
}

static void check_binary(int op) {
    const binary_kernel *k = binary + op;
    enum { COUNT = 4000 };
    static real a[COUNT], b[COUNT], y[COUNT], g[COUNT], da[COUNT], db[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        a[i] = (real)uniform(0.2, 4), b[i] = (real)uniform(-3, 3), g[i] = (real)uniform(-2, 2);
        if (op == CDL_BINARY_divide && b[i] > -R(0.2))
            b[i] = R(0.5) + LIBM(fabs)(b[i]);
    }
    k->forward(a, b, y, COUNT, 1, 1);
    k->backward(k->saved & CDL_SAVED_A ? a : NULL, k->saved & CDL_SAVED_B ? b : NULL, k->saved & CDL_SAVED_Y ? y : NULL,
                g, da, db, COUNT, 1, 1);
    double worst = 0, slope_worst = 0;
    for (size_t i = 0; i < COUNT; i++) {
        wide h = STEP, wa = a[i], wb = b[i];
        double e = ulp_error(y[i], binary_formula(op, wa, wb));
        worst = e > worst ? e : worst;
        if (fabs((double)(wa - wb)) < 1e-3)
            continue; /* the kink of maximum and minimum */
        wide sa = g[i] * (binary_formula(op, wa + h, wb) - binary_formula(op, wa - h, wb)) / (2 * h);
        wide sb = g[i] * (binary_formula(op, wa, wb + h) - binary_formula(op, wa, wb - h)) / (2 * h);
        double off =
            (double)(WIDE(fabs)(da[i] - sa) / (1 + WIDE(fabs)(sa)) + WIDE(fabs)(db[i] - sb) / (1 + WIDE(fabs)(sb)));
        slope_worst = off > slope_worst ? off : slope_worst;
    }
    printf("%-13s %8.2f ulp, gradients off by %.1e\n", k->name, worst, slope_worst);
    if (!(worst <= (op == CDL_BINARY_power ? 3 : 0.5)) || !(slope_worst <= PICK(5e-6, 1e-9)))
        check(0, k->name);
}

/* -- Edges -- */
static real value_at(int op, double x, double p, double q) {
    real in = (real)x, out;
    unary[op].forward(&in, &out, 1, p, q);
    return out;
}
static real slope_at(int op, double x, double p, double q) {
    real in = (real)x, y, g = 1, out;
    unary[op].forward(&in, &y, 1, p, q);
    unary[op].backward(&in, &y, &g, &out, 1, p, q);
    return out;
}
#define VALUE(name, x, want) check(value_at(CDL_UNARY_##name, x, 0.5, 1) == (real)(want), #name "(" #x ") = " #want)
#define SLOPE(name, x, want) check(slope_at(CDL_UNARY_##name, x, 0.5, 1) == (real)(want), #name "'(" #x ") = " #want)

static void edges(void) {
    for (int op = 0; op < CDL_UNARY_COUNT; op++)
        check(isnan(value_at(op, NAN, 0.5, 1)), unary[op].name);
    VALUE(gelu, -INFINITY, 0), VALUE(gelu, INFINITY, INFINITY), VALUE(gelu_tanh, -INFINITY, 0);
    VALUE(gelu_tanh, INFINITY, INFINITY), VALUE(silu, -INFINITY, 0), VALUE(silu, INFINITY, INFINITY);
    VALUE(softplus, -INFINITY, 0), VALUE(softplus, INFINITY, INFINITY), VALUE(log_sigmoid, -INFINITY, -INFINITY);
    VALUE(log_sigmoid, INFINITY, 0), VALUE(softplus, 1000, 1000), VALUE(log_sigmoid, -1000, -1000);
    VALUE(hard_swish, -INFINITY, 0), VALUE(hard_swish, INFINITY, INFINITY), VALUE(elu, -INFINITY, -0.5);
    VALUE(relu, -INFINITY, 0), VALUE(sigmoid, -INFINITY, 0), VALUE(sigmoid, INFINITY, 1), VALUE(tanh, INFINITY, 1);
    VALUE(tanh, -INFINITY, -1), VALUE(erf, -INFINITY, -1), VALUE(exp, -INFINITY, 0), VALUE(log, 0, -INFINITY);
    SLOPE(relu, 0, 0), SLOPE(abs, 0, 0), SLOPE(abs, -2, -1), SLOPE(clip, 0.5, 1), SLOPE(clip, 1, 1),
        SLOPE(clip, 1.5, 0);
    SLOPE(gelu, INFINITY, 1), SLOPE(gelu, -INFINITY, 0), SLOPE(silu, INFINITY, 1), SLOPE(silu, -INFINITY, 0);
    SLOPE(gelu_tanh, INFINITY, 1), SLOPE(gelu_tanh, -INFINITY, 0), SLOPE(hard_swish, 5, 1), SLOPE(hard_swish, -5, 0);
    SLOPE(softplus, INFINITY, 1), SLOPE(softplus, -INFINITY, 0), SLOPE(tanh, INFINITY, 0), SLOPE(erf, INFINITY, 0);
    check(isnan(value_at(CDL_UNARY_log, -1, 0, 0)) && isnan(value_at(CDL_UNARY_sqrt, -1, 0, 0)), "log, sqrt of -1");
    check(slope_at(CDL_UNARY_power_scalar, 0, 2, 0) == 0 && slope_at(CDL_UNARY_power_scalar, 0, 0, 0) == 0,
          "x^2' at 0");
    const real ties[] = {1, 2, 3}, with[] = {1, 3, (real)NAN}, g[] = {1, 1, 1};
    real y[3], da[3], db[3];
    KERNEL(binary_forward_maximum)(ties, with, y, 3, 1, 1);
    KERNEL(binary_backward_maximum)(ties, with, y, g, da, db, 3, 1, 1);
    check(y[0] == 1 && y[1] == 3 && isnan(y[2]), "maximum");
    check(da[0] == R(0.5) && db[0] == R(0.5) && da[1] == 0 && db[1] == 1 && da[2] == 0 && db[2] == 1,
          "maximum's ties, NaN");
    KERNEL(binary_forward_minimum)(with, ties, y, 3, 1, 1);
    check(y[0] == 1 && y[1] == 2 && isnan(y[2]), "minimum");
    const real zero[] = {0, 0, 0}, powers[] = {2, 1, 0};
    KERNEL(binary_forward_power)(zero, powers, y, 3, 1, 1);
    KERNEL(binary_backward_power)(zero, powers, y, g, da, db, 3, 1, 1);
    check(da[0] == 0 && da[1] == 1 && da[2] == 0 && db[0] == 0 && db[1] == 0 && db[2] == 0, "gradients of powers of 0");
}

int main(void) {
    for (int i = 0; i < 4; i++)
        page[i] = guarded();
    int seen[CDL_UNARY_COUNT] = {0};
    for (size_t i = 0; i < sizeof unary_rows / sizeof *unary_rows; i++)
        check_unary(unary_rows + i), seen[unary_rows[i].op] = 1;
    for (int op = 0; op < CDL_UNARY_COUNT; op++)
        check(seen[op], "a row of unary.def that this driver does not know");
    for (int op = 0; op < CDL_BINARY_COUNT; op++)
        check_binary(op), place_binary(binary + op);
    for (int op = 0; op < CDL_UNARY_COUNT; op++)
        place_unary(unary + op);
    edges();
    return failures != 0;
}
