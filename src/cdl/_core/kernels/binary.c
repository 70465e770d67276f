/* Elementwise y = f(a, b) and its two gradients: every row of binary.def becomes two kernels.
 *
 * As in unary.c, one loop body serves whole vectors and the tail. An operand of step 0 is one value, repeated. y may be
 * an operand of step 1, da and db may be g or an operand.
 */
#include "vecmath.h"

#define ZERO v_set(0)

VEC vec v_load_step(const void *p, size_t i, size_t step, size_t n) {
    return step ? v_load_n((const real *)p + i, n - i) : v_set(*(const real *)p);
}

/* b a^(b - 1), 0 for b = 0 */
VEC vec v_power_slope_a(vec a, vec b) {
    return v_select(v_eq(b, ZERO), ZERO, b * v_pow(a, b - 1));
}
/* y log a, 0 where a = 0 and so y stays 0 (or 1) when b > 0 moves */
VEC vec v_power_slope_b(vec a, vec b, vec y) {
    return v_select(v_eq(a, ZERO) & v_ge(b, ZERO), ZERO, y * v_log(a));
}
/* the share of the gradient that `one` of two operands takes: all if it wins or is NaN, half of a tie */
VEC vec v_share(vmask wins, vec one, vec other) {
    vec share = v_select(wins | v_isnan(one), v_set(1), ZERO);
    return v_select(v_eq(one, other), v_set(R(0.5)), share);
}

#define BINARY(name, saved, value, gradient_a, gradient_b)                                                             \
    cdl_binary_forward KERNEL(binary_forward_##name);                                                                  \
    cdl_binary_backward KERNEL(binary_backward_##name);                                                                \
    void KERNEL(binary_forward_##name)(const void *as, const void *bs, void *ys, size_t n, size_t sa, size_t sb) {     \
        for (size_t i = 0; i < n; i += VLEN) {                                                                         \
            vec a = v_load_step(as, i, sa, n), b = v_load_step(bs, i, sb, n);                                          \
            v_store_n((real *)ys + i, value, n - i);                                                                   \
        }                                                                                                              \
    }                                                                                                                  \
    void KERNEL(binary_backward_##name)(const void *as, const void *bs, const void *ys, const void *gs, void *das,     \
                                        void *dbs, size_t n, size_t sa, size_t sb) {                                   \
        (void)sa, (void)sb;                                                                                            \
        for (size_t i = 0; i < n; i += VLEN) {                                                                         \
            vec a = CDL_SAVED_##saved & CDL_SAVED_A ? v_load_step(as, i, sa, n) : ZERO;                                \
            vec b = CDL_SAVED_##saved & CDL_SAVED_B ? v_load_step(bs, i, sb, n) : ZERO;                                \
            vec y = CDL_SAVED_##saved & CDL_SAVED_Y ? v_load_n((const real *)ys + i, n - i) : ZERO;                    \
            vec g = v_load_n((const real *)gs + i, n - i);                                                             \
            (void)a, (void)b, (void)y;                                                                                 \
            if (das)                                                                                                   \
                v_store_n((real *)das + i, gradient_a, n - i);                                                         \
            if (dbs)                                                                                                   \
                v_store_n((real *)dbs + i, gradient_b, n - i);                                                         \
        }                                                                                                              \
    }
#include "binary.def"
