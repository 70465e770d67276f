/* Optimizer updates: each is one pass over parameter p, gradient g and up to three state arrays a, b, c of n elements.
 * p and the state are overwritten; a gradient may be its parameter, otherwise no two arrays may overlap.
 *
 * What all of them share (the numbers are those of cdl_update, kernels.h):
 *     d = clip(scale g, -limit, limit) + coupled p        clipping, then the gradient of an L2 penalty
 *     p = kept p - rate (the rule's step from d)          decoupled weight decay
 * One loop body serves whole vectors and the tail, so the bits of a result do not depend on where its element stands.
 */
#include "vec.h"

/* Of the arrays, which come from memory in large models, the processor fetches too few lines ahead: 2 KB further on
 * brings 12 % at 11M parameters (1 KB 6 %, 4 KB 11 %, 8 KB 2 %) and costs nothing where they lie in a cache. */
#define AHEAD (2048 / sizeof(real))
#define LINE (64 / sizeof(real))

typedef struct numbers {
    real rate, scale, limit, coupled, kept, beta1, rest1, beta2, rest2, per_v, eps, least_v;
    int nesterov;
} numbers;

/* A moment whose gradient stays 0 fades until it is subnormal, then rounds to itself for ever, and each such number
 * costs about 80 ns an update. So moments become 0 before: first moments below 2^-100 (8e-31), where lr m is ordinary
 * too and no parameter above 1e-23 sees it, second ones below 1e-38, whose root is nothing beside an eps of 1e-12 or
 * more; with a smaller eps they stay as they are. */
#define LEAST_M PICK(0x1p-100, 0x1p-1000)
#define LEAST_V(eps) ((eps) >= 1e-12 ? PICK(0x1p-126, 0x1p-1022) : 0)

/* in the precision of the arrays, and where the compiler knows that no store changes them */
VEC numbers rounded(const cdl_update *u) {
    return (numbers){.rate = (real)u->rate,
                     .scale = (real)u->scale,
                     .limit = (real)u->limit,
                     .coupled = (real)u->coupled,
                     .kept = (real)u->kept,
                     .beta1 = (real)u->beta1,
                     .rest1 = (real)(1 - u->beta1),
                     .beta2 = (real)u->beta2,
                     .rest2 = (real)(1 - u->beta2),
                     .per_v = (real)u->per_v,
                     .eps = (real)u->eps,
                     .least_v = LEAST_V(u->eps),
                     .nesterov = u->nesterov};
}

/* sqrt(v) + eps, for v >= 0. The processor's root of 16 floats takes 12 to 19 cycles, more than all the rest of an
 * update; an estimate of 14 bits and one step of Newton's method are as good as exact (1 ulp) in a third of that. */
VEC vec root_plus(vec v, real eps) {
#if defined(__AVX512F__) && defined(CDL_REAL_f32)
    vec estimate = _mm512_rsqrt14_ps(v), root = v * estimate;
    root += root * (R(0.5) - R(0.5) * root * estimate);
    vmask ordinary = v_lt(v_set(0), v) & v_lt(v, v_set(INFINITY)); /* the others have themselves for a root */
    return v_select(ordinary, root, v) + eps;
#else
    return v_sqrt(v) + eps;
#endif
}

VEC vec faded(vec x, real least) {
    return v_select(v_lt(v_abs(x), v_set(least)), v_set(0), x);
}

VEC vec descent(vec old, const real *g, size_t lanes, const numbers *u) {
    return v_clamp(v_load_n(g, lanes) * u->scale, -u->limit, u->limit) + u->coupled * old;
}

/* Adam: m = beta1 m + (1 - beta1) d, v = beta2 v + (1 - beta2) d^2, step m / (sqrt(per_v v) + eps).
 * a = m, b = v, c = NULL; for AMSGrad c is the largest v so far, which stands under the root instead. */
VEC void adam_one(real *p, const real *g, real *a, real *b, real *c, size_t lanes, const numbers *u) {
    vec old = v_load_n(p, lanes), d = descent(old, g, lanes, u);
    vec m = faded(u->beta1 * v_load_n(a, lanes) + u->rest1 * d, LEAST_M);
    vec v = faded(u->beta2 * v_load_n(b, lanes) + u->rest2 * (d * d), u->least_v);
    v_store_n(a, m, lanes);
    v_store_n(b, v, lanes);
    if (c) {
        v = v_maximum(v_load_n(c, lanes), v);
        v_store_n(c, v, lanes);
    }
    v_store_n(p, u->kept * old - u->rate * m / root_plus(v * u->per_v, u->eps), lanes);
}

/* Gradient descent, step d; with momentum m = beta1 m + d, step m, or d + beta1 m by Nesterov's rule.
 * a = m, NULL without momentum. */
VEC void sgd_one(real *p, const real *g, real *a, real *b, real *c, size_t lanes, const numbers *u) {
    (void)b, (void)c;
    vec old = v_load_n(p, lanes), d = descent(old, g, lanes, u), step = d;
    if (a) {
        step = faded(u->beta1 * v_load_n(a, lanes) + d, LEAST_M);
        v_store_n(a, step, lanes);
        if (u->nesterov)
            step = u->beta1 * step + d;
    }
    v_store_n(p, u->kept * old - u->rate * step, lanes);
}

/* RMSprop: v = beta2 v + (1 - beta2) d^2, step d / (sqrt(v) + eps).
 * a = v; b, centred: the mean of d, whose square is taken from v; c, with momentum: m = beta1 m + the step, step m. */
VEC void rmsprop_one(real *p, const real *g, real *a, real *b, real *c, size_t lanes, const numbers *u) {
    vec old = v_load_n(p, lanes), d = descent(old, g, lanes, u);
    vec v = faded(u->beta2 * v_load_n(a, lanes) + u->rest2 * (d * d), u->least_v);
    v_store_n(a, v, lanes);
    if (b) {
        vec mean = faded(u->beta2 * v_load_n(b, lanes) + u->rest2 * d, LEAST_M);
        v_store_n(b, mean, lanes);
        v = v_max(v_set(0), v - mean * mean); /* a variance that rounding left below 0 is 0; NaN stays */
    }
    vec step = d / root_plus(v, u->eps);
    if (c) {
        step = faded(u->beta1 * v_load_n(c, lanes) + step, LEAST_M);
        v_store_n(c, step, lanes);
    }
    v_store_n(p, u->kept * old - u->rate * step, lanes);
}

/* Adagrad: s = s + d^2, step d / (sqrt(s) + eps). a = s. */
VEC void adagrad_one(real *p, const real *g, real *a, real *b, real *c, size_t lanes, const numbers *u) {
    (void)b, (void)c;
    vec old = v_load_n(p, lanes), d = descent(old, g, lanes, u), s = v_load_n(a, lanes) + d * d;
    v_store_n(a, s, lanes);
    v_store_n(p, u->kept * old - u->rate * d / root_plus(s, u->eps), lanes);
}

/* One vector of an update; an array that is NULL is not touched. */
typedef void update_one(real *p, const real *g, real *a, real *b, real *c, size_t lanes, const numbers *u);

VEC void fetch(const real *x, size_t i) {
    __builtin_prefetch(x + i + AHEAD);
}

/* An update over n elements. Inlined where `one` and the arrays that are NULL are constants, so that what these would
 * do is left out of the loop; lanes is the constant VLEN but at the end. */
VEC void each(update_one *one, real *p, const real *g, real *a, real *b, real *c, size_t n, const cdl_update *given) {
    const numbers u = rounded(given);
    size_t i = 0;
    for (; i + LINE <= n; i += LINE) {
        fetch(p, i), fetch(g, i);
        if (a)
            fetch(a, i);
        if (b)
            fetch(b, i);
        if (c)
            fetch(c, i);
        for (size_t j = i; j < i + LINE; j += VLEN)
            one(p + j, g + j, a ? a + j : NULL, b ? b + j : NULL, c ? c + j : NULL, VLEN, &u);
    }
    for (; i < n; i += VLEN)
        one(p + i, g + i, a ? a + i : NULL, b ? b + i : NULL, c ? c + i : NULL, n - i, &u);
}

void KERNEL(adam)(void *p, const void *g, void *m, void *v, void *top, size_t n, const cdl_update *u) {
    if (top)
        each(adam_one, p, g, m, v, top, n, u);
    else
        each(adam_one, p, g, m, v, NULL, n, u);
}

void KERNEL(sgd)(void *p, const void *g, void *m, void *unused1, void *unused2, size_t n, const cdl_update *u) {
    (void)unused1, (void)unused2;
    if (m)
        each(sgd_one, p, g, m, NULL, NULL, n, u);
    else
        each(sgd_one, p, g, NULL, NULL, NULL, n, u);
}

void KERNEL(rmsprop)(void *p, const void *g, void *v, void *mean, void *m, size_t n, const cdl_update *u) {
    if (mean || m)
        each(rmsprop_one, p, g, v, mean, m, n, u);
    else
        each(rmsprop_one, p, g, v, NULL, NULL, n, u);
}

void KERNEL(adagrad)(void *p, const void *g, void *s, void *unused1, void *unused2, size_t n, const cdl_update *u) {
    (void)unused1, (void)unused2;
    each(adagrad_one, p, g, s, NULL, NULL, n, u);
}

/* g = clip(scale g, -limit, limit) */
void KERNEL(clip_gradient)(void *g_, size_t n, double scale, double limit) {
    real *g = g_;
    for (size_t i = 0; i < n; i += VLEN)
        v_store_n(g + i, v_clamp(v_load_n(g + i, n - i) * (real)scale, -(real)limit, (real)limit), n - i);
}

/* The sum of the squares of g, in double: no float32 whose square is beyond float32 makes it infinite. Sixteen partial
 * sums, folded in order. */
void KERNEL(squared_norm)(const void *g_, size_t n, double *sum) {
    enum { PARTS = 16 };
    const real *g = g_;
    double part[PARTS] = {0};
    size_t i = 0;
    for (; i + PARTS <= n; i += PARTS)
        for (size_t j = 0; j < PARTS; j++)
            part[j] += (double)g[i + j] * (double)g[i + j];
    for (size_t j = 0; i + j < n; j++)
        part[j] += (double)g[i + j] * (double)g[i + j];
    *sum = 0;
    for (size_t j = 0; j < PARTS; j++)
        *sum += part[j];
}
