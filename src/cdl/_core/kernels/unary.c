/* Elementwise y = f(x) and dx = g f'(x): every row of unary.def becomes two kernels.
 *
 * One loop body serves whole vectors and the tail, so the bits of a result do not depend on where its element stands.
 * y may be x and dx may be g, x or y; they may not overlap otherwise.
 */
#include "vecmath.h"

#define ZERO v_set(0)
#define ONE v_set(1)

/* x^p, with products and square roots for the usual exponents; their result is that of v_pow within 1 ulp */
VEC vec v_power(vec x, real p) {
    if (p == 2)
        return x * x;
    if (p == 3)
        return x * x * x;
    if (p == 1)
        return x;
    if (p == 0)
        return ONE;
    if (p == R(0.5))
        return v_sqrt(x);
    if (p == R(-0.5))
        return 1 / v_sqrt(x);
    if (p == -1)
        return 1 / x;
    if (p == -2)
        return 1 / (x * x);
    return v_pow(x, v_set(p));
}

/* p x^(p - 1), which is 0 for p = 0 even where x is 0 */
VEC vec v_power_slope(vec x, real p) {
    return p == 0 ? ZERO : p * v_power(x, p - 1);
}

/* log(1 + e^x) = max(x, 0) + log(1 + e^-|x|), which neither overflows nor cancels */
VEC vec v_softplus(vec x) {
    vec e = v_exp_inside(v_max(v_set(EXP_LOW), v_or(x, v_set(R(-0.0)))));
    return v_max(ZERO, x) + v_log1p(e);
}

/* x s(x) where s falls to 0 before `low`: held there, because -inf s(-inf) would be NaN */
VEC vec v_silu(vec x) {
    return v_max(v_set(EXP_LOW), x) * v_sigmoid(x);
}
VEC vec v_silu_slope(vec x) {
    vec s = v_sigmoid(x);
    return s * (1 + v_clamp(x, EXP_LOW, -EXP_LOW) * (1 - s));
}

/* x Phi(x). From the tail T = Phi(-|x|), which is small and has its full relative precision, so that large negative x
 * do not cancel: max(x, 0) - |x| T. The tail counts as 0 where it would be subnormal (see v_ldexp). */
VEC vec v_gelu(vec x) {
    vec size = v_min(v_set(NORMAL_TAIL), v_abs(x));
    vec tail = size * v_normal_ratio(size) * v_exp_minus_half_square(size);
    return v_max(ZERO, x) - v_select(v_le(v_set(NORMAL_TAIL), size), ZERO, tail);
}
/* Phi(x) + x e^(-x^2/2) / sqrt(2 pi); for -|x| it is e^(-x^2/2) (ratio - |x| / sqrt(2 pi)), for |x| 1 less that */
VEC vec v_gelu_slope(vec x) {
    vec size = v_min(v_set(NORMAL_TAIL), v_abs(x));
    vec below = v_exp_minus_half_square(size) * (v_normal_ratio(size) - size * R(0.39894228040143268));
    below = v_select(v_le(v_set(NORMAL_TAIL), size), ZERO, below);
    return v_select(v_gt(x, ZERO), 1 - below, below);
}

/* x (1 + tanh u) / 2 = x s(2u), u = sqrt(2 / pi) (x + 0.044715 x^3); s(2u) is 0 below -12 (-24) and 1 above 12 (24) */
#define GELU_TANH_LIMIT PICK(12, 24)
VEC vec v_gelu_tanh_gate(vec x) {
    return v_sigmoid(x * (R(1.5957691216057308) + R(1.5957691216057308 * 0.044715) * x * x));
}
VEC vec v_gelu_tanh(vec x) {
    return v_max(v_set(-GELU_TANH_LIMIT), x) * v_gelu_tanh_gate(x);
}
VEC vec v_gelu_tanh_slope(vec x) {
    x = v_clamp(x, -GELU_TANH_LIMIT, GELU_TANH_LIMIT);
    vec s = v_gelu_tanh_gate(x), du = R(1.5957691216057308) + R(3 * 1.5957691216057308 * 0.044715) * x * x;
    return s + x * s * (1 - s) * du;
}

/* x min(max(x + 3, 0), 6) / 6 */
VEC vec v_hard_swish(vec x) {
    return v_max(v_set(-3), x) * v_clamp((x + 3) / 6, 0, 1);
}
VEC vec v_hard_swish_slope(vec x) {
    vec inside = v_select(v_le(x, v_set(-3)), ZERO, (x + x + 3) / 6);
    return v_select(v_ge(x, v_set(3)), ONE, inside);
}

#define UNARY(name, saved, value, gradient)                                                                            \
    cdl_unary_forward KERNEL(unary_forward_##name);                                                                    \
    cdl_unary_backward KERNEL(unary_backward_##name);                                                                  \
    void KERNEL(unary_forward_##name)(const void *xs, void *ys, size_t n, double p_, double q_) {                      \
        const real p = (real)p_, q = (real)q_;                                                                         \
        (void)p, (void)q;                                                                                              \
        for (size_t i = 0; i < n; i += VLEN) {                                                                         \
            vec x = v_load_n((const real *)xs + i, n - i);                                                             \
            v_store_n((real *)ys + i, value, n - i);                                                                   \
        }                                                                                                              \
    }                                                                                                                  \
    void KERNEL(unary_backward_##name)(const void *xs, const void *ys, const void *gs, void *ds, size_t n, double p_,  \
                                       double q_) {                                                                    \
        const real p = (real)p_, q = (real)q_;                                                                         \
        (void)p, (void)q;                                                                                              \
        for (size_t i = 0; i < n; i += VLEN) {                                                                         \
            vec x = CDL_SAVED_##saved & CDL_SAVED_X ? v_load_n((const real *)xs + i, n - i) : ZERO;                    \
            vec y = CDL_SAVED_##saved & CDL_SAVED_Y ? v_load_n((const real *)ys + i, n - i) : ZERO;                    \
            vec g = v_load_n((const real *)gs + i, n - i);                                                             \
            (void)x, (void)y, (void)g;                                                                                 \
            v_store_n((real *)ds + i, gradient, n - i);                                                                \
        }                                                                                                              \
    }
#include "unary.def"
