/* uses: optim.c
 *
 * Optimizer updates and clipping against their formulas in a wider type, for sizes around a vector and a cache line,
 * with guard pages at both ends of every array.
 */
#include "driver.h"
#define KERNEL_ROW(name, args) void KERNEL(name) args;
#include "kernels.def"

enum { MOST = 100, STEPS = 10 };
static char *page[5];

/* The wide copies of the arrays of one update, and the real ones. */
typedef struct arrays {
    real *p, *g, *a, *b, *c;
    wide P[MOST], A[MOST], B[MOST], C[MOST];
} arrays;

static void start(arrays *x, size_t n, int end, int state) {
    real *all[5];
    for (int k = 0; k < 5; k++)
        all[k] = placed(page[k], n, end);
    x->p = all[0], x->g = all[1];
    x->a = state & 1 ? all[2] : NULL, x->b = state & 2 ? all[3] : NULL, x->c = state & 4 ? all[4] : NULL;
    for (size_t i = 0; i < n; i++) {
        x->P[i] = x->p[i] = (real)uniform(-1, 1), x->A[i] = x->B[i] = x->C[i] = 0;
        for (int k = 2; k < 5; k++)
            all[k][i] = 0;
    }
}

/* d, and P as decay leaves it */
static wide descent(wide *p, real g, const cdl_update *u) {
    wide d = (wide)u->scale * g;
    d = d > u->limit ? u->limit : d < -u->limit ? -u->limit : d;
    d += (wide)u->coupled * *p;
    *p *= (wide)u->kept;
    return d;
}

static void adam(arrays *x, size_t i, const cdl_update *u) {
    wide d = descent(&x->P[i], x->g[i], u), b1 = u->beta1, b2 = u->beta2;
    x->A[i] = b1 * x->A[i] + (1 - b1) * d, x->B[i] = b2 * x->B[i] + (1 - b2) * d * d;
    x->C[i] = x->C[i] > x->B[i] ? x->C[i] : x->B[i];
    wide v = x->c ? x->C[i] : x->B[i];
    x->P[i] -= (wide)u->rate * x->A[i] / (WIDE(sqrt)(v * (wide)u->per_v) + (wide)u->eps);
}

static void sgd(arrays *x, size_t i, const cdl_update *u) {
    wide d = descent(&x->P[i], x->g[i], u), mu = u->beta1;
    x->A[i] = mu * x->A[i] + d;
    x->P[i] -= (wide)u->rate * (!x->a ? d : u->nesterov ? d + mu * x->A[i] : x->A[i]);
}

static void rmsprop(arrays *x, size_t i, const cdl_update *u) {
    wide d = descent(&x->P[i], x->g[i], u), rho = u->beta2;
    x->A[i] = rho * x->A[i] + (1 - rho) * d * d, x->B[i] = rho * x->B[i] + (1 - rho) * d;
    wide v = x->A[i] - (x->b ? x->B[i] * x->B[i] : 0);
    wide step = d / (WIDE(sqrt)(v) + (wide)u->eps);
    x->C[i] = (wide)u->beta1 * x->C[i] + step;
    x->P[i] -= (wide)u->rate * (x->c ? x->C[i] : step);
}

static void adagrad(arrays *x, size_t i, const cdl_update *u) {
    wide d = descent(&x->P[i], x->g[i], u);
    x->A[i] += d * d;
    x->P[i] -= (wide)u->rate * d / (WIDE(sqrt)(x->A[i]) + (wide)u->eps);
}

static void path(cdl_update_kernel *kernel, void (*formula)(arrays *, size_t, const cdl_update *), const char *name,
                 size_t n, int end, int state, cdl_update u) {
    arrays x;
    start(&x, n, end, state);
    for (int t = 1; t <= STEPS; t++) {
        for (size_t i = 0; i < n; i++)
            x.g[i] = (real)uniform(0.2, 1); /* of one sign, away from 0: a mean is not lost in its variance */
        kernel(x.p, x.g, x.a, x.b, x.c, n, &u);
        for (size_t i = 0; i < n; i++) {
            formula(&x, i, &u);
            check(fabs((double)(x.p[i] - x.P[i])) < PICK(3e-6, 1e-14), name);
        }
    }
}

static void updates(size_t n, int end) {
    const cdl_update plain = {
        .rate = 0.01, .scale = 1, .limit = INFINITY, .kept = 1, .beta1 = 0.9, .beta2 = 0.99, .per_v = 1.5, .eps = 1e-3};
    cdl_update coupled = plain, decoupled = plain, clipped = plain, scaled = plain, nesterov = plain;
    coupled.coupled = 0.1, decoupled.kept = 0.999, clipped.limit = 0.5, scaled.scale = 0.3, nesterov.nesterov = 1;
    const cdl_update all[] = {plain, coupled, decoupled, clipped, scaled, nesterov};
    for (size_t k = 0; k < sizeof all / sizeof *all; k++) {
        path(KERNEL(adam), adam, "adam", n, end, 3, all[k]);
        path(KERNEL(adam), adam, "adam, largest v", n, end, 7, all[k]);
        path(KERNEL(sgd), sgd, "sgd", n, end, 0, all[k]);
        path(KERNEL(sgd), sgd, "sgd, momentum", n, end, 1, all[k]);
        for (int state = 1; state < 8; state += 2)
            path(KERNEL(rmsprop), rmsprop, "rmsprop", n, end, state, all[k]);
        path(KERNEL(adagrad), adagrad, "adagrad", n, end, 1, all[k]);
    }
}

static void clipping(size_t n, int end) {
    real *g = placed(page[0], n, end);
    wide want = 0, before[MOST];
    for (size_t i = 0; i < n; i++)
        before[i] = g[i] = (real)uniform(-1, 1), want += before[i] * before[i];
    double sum;
    KERNEL(squared_norm)(g, n, &sum);
    check(fabs((double)(sum - want)) <= 1e-14 * (double)want, "squared_norm");
    KERNEL(clip_gradient)(g, n, 0.5, 0.25);
    for (size_t i = 0; i < n; i++) {
        wide d = before[i] / 2;
        check(g[i] == (real)(d > 0.25 ? 0.25 : d < -0.25 ? -0.25 : d), "clip_gradient");
    }
}

int main(void) {
    for (int i = 0; i < 5; i++)
        page[i] = guarded();
    for (size_t n = 0; n <= MOST; n += n < 2 * VLEN + 2 ? 1 : 7)
        for (int end = 0; end < 2; end++)
            updates(n, end), clipping(n, end);
    return failures != 0;
}
