/* Losses element by element: their sum, and their gradients. Every row of loss.def becomes a pair of loops. */
#include "vecmath.h"

#define ZERO v_set(0)
enum { BLOCK = 64 * VLEN }; /* elements that are added up in the precision of the file; their sums in double */

VEC vec v_sign(vec a) {
    return v_select(v_eq(a, ZERO), ZERO, v_copysign(v_set(1), a));
}

#define LOSS(name, value, by_p, by_t)                                                                                  \
    static double forward_##name(const real *ts, const real *ps, real *each, size_t n, real q) {                       \
        double total = 0;                                                                                              \
        for (size_t top = 0; top < n; top += BLOCK) {                                                                  \
            vec sum = ZERO;                                                                                            \
            for (size_t i = top; i < n && i < top + BLOCK; i += VLEN) {                                                \
                vec t = v_load_n(ts + i, n - i), p = v_load_n(ps + i, n - i), e = p - t, y = value;                    \
                if (each)                                                                                              \
                    v_store_n(each + i, y, n - i);                                                                     \
                sum += v_keep_n(y, n - i, 0);                                                                          \
                (void)e;                                                                                               \
            }                                                                                                          \
            total += (double)v_sum(sum);                                                                               \
        }                                                                                                              \
        (void)q;                                                                                                       \
        return total;                                                                                                  \
    }                                                                                                                  \
    static void backward_##name(const real *ts, const real *ps, const real *gs, size_t g_step, real *dp, real *dt,     \
                                size_t n, real q) {                                                                    \
        for (size_t i = 0; i < n; i += VLEN) {                                                                         \
            vec t = v_load_n(ts + i, n - i), p = v_load_n(ps + i, n - i), e = p - t;                                   \
            vec g = g_step ? v_load_n(gs + i, n - i) : v_set(*gs);                                                     \
            if (dp)                                                                                                    \
                v_store_n(dp + i, g * (by_p), n - i);                                                                  \
            if (dt)                                                                                                    \
                v_store_n(dt + i, g * (by_t), n - i);                                                                  \
            (void)e, (void)t, (void)p;                                                                                 \
        }                                                                                                              \
        (void)q;                                                                                                       \
    }
#include "loss.def"
#undef LOSS

/* *sum = the sum of the losses of n targets t and predictions p; where each is not NULL it gets them one by one */
void KERNEL(loss_forward)(int op, const void *t, const void *p, void *each, double *sum, size_t n, double q) {
    switch (op) {
#define LOSS(name, value, by_p, by_t)                                                                                  \
    case CDL_LOSS_##name:                                                                                              \
        *sum = forward_##name(t, p, each, n, (real)q);                                                                 \
        return;
#include "loss.def"
#undef LOSS
    }
}

/* dp and dt, each where not NULL: g times the derivative; g_step is 1, or 0 for one g for all. They may be g. */
void KERNEL(loss_backward)(int op, const void *t, const void *p, const void *g, size_t g_step, void *dp, void *dt,
                           size_t n, double q) {
    switch (op) {
#define LOSS(name, value, by_p, by_t)                                                                                  \
    case CDL_LOSS_##name:                                                                                              \
        backward_##name(t, p, g, g_step, dp, dt, n, (real)q);                                                          \
        return;
#include "loss.def"
#undef LOSS
    }
}
