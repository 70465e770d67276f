/* The vector type of the house: one width per instruction set, loads and stores that respect the end of an array, and
 * the few operations that GCC's vector extensions do not express well (minimum, rounding and selection through compare
 * and mask run at half the speed of the instruction). Everything else is written with the operators + - * / on `vec`.
 *
 * a * b + c becomes one fused instruction where the processor has it and two roundings where it has not (base x86-64),
 * so no code here may rely on the fused result unless it asks for it with v_fused. Mathematical functions are in
 * vecmath.h.
 */
#ifndef CDL_VEC_H
#define CDL_VEC_H
#include "kernels.h"
#include <math.h>
#include <string.h>

#if defined(__AVX512F__)
#define VEC_BYTES 64
#elif defined(__AVX2__)
#define VEC_BYTES 32
#else
#define VEC_BYTES 16
#endif
#define VLEN (VEC_BYTES / sizeof(real))

typedef real vec __attribute__((vector_size(VEC_BYTES)));
typedef real_bits ivec __attribute__((vector_size(VEC_BYTES)));
#ifdef CDL_REAL_f32
typedef uint32_t ubits;
#else
typedef uint64_t ubits;
#endif
typedef ubits uvec __attribute__((vector_size(VEC_BYTES))); /* shifts that fill with zeros, sums that wrap */
typedef real vec_unaligned __attribute__((vector_size(VEC_BYTES), aligned(sizeof(real)), may_alias));

#define VEC static inline __attribute__((always_inline))
#define R(constant) ((real)(constant)) /* a constant in the precision of the file */

#ifdef CDL_REAL_f32
#define MANTISSA_BITS 23
#define EXPONENT_BIAS 127
#define PICK(single, twofold) R(single) /* the f32 and the f64 constant, side by side */
#else
#define MANTISSA_BITS 52
#define EXPONENT_BIAS 1023
#define PICK(single, twofold) R(twofold)
#endif

/* -- Which instructions: X(op) is the intrinsic of this width and precision -- */
#if defined(__AVX512F__) || defined(__AVX2__) || defined(__SSE4_1__)
#include <immintrin.h>
#define VEC_X86
#define X_CAT_(a, b, c) a##b##c
#define X_CAT(a, b, c) X_CAT_(a, b, c)
#if defined(__AVX512F__)
#define X_PREFIX _mm512_
#elif defined(__AVX2__)
#define X_PREFIX _mm256_
#else
#define X_PREFIX _mm_
#endif
#ifdef CDL_REAL_f32
#define X(op) X_CAT(X_PREFIX, op, _ps)
#else
#define X(op) X_CAT(X_PREFIX, op, _pd)
#endif
#elif defined(__aarch64__)
#include <arm_neon.h>
#define VEC_NEON
#ifdef CDL_REAL_f32
#define N(op) op##q_f32
#else
#define N(op) op##q_f64
#endif
#endif

/* -- Masks: one bit an element on AVX-512, one integer elsewhere; combine them with & and | -- */
#if defined(__AVX512F__)
#ifdef CDL_REAL_f32
typedef __mmask16 vmask;
#define X_COMPARE(a, b, how) _mm512_cmp_ps_mask(a, b, how)
#else
typedef __mmask8 vmask;
#define X_COMPARE(a, b, how) _mm512_cmp_pd_mask(a, b, how)
#endif
VEC vmask v_lt(vec a, vec b) {
    return X_COMPARE(a, b, _CMP_LT_OQ);
}
VEC vmask v_le(vec a, vec b) {
    return X_COMPARE(a, b, _CMP_LE_OQ);
}
VEC vmask v_eq(vec a, vec b) {
    return X_COMPARE(a, b, _CMP_EQ_OQ);
}
VEC vmask v_not(vmask m) {
    return (vmask)~m;
}
VEC vec v_select(vmask m, vec yes, vec no) {
    return X(mask_blend)(m, no, yes);
}
VEC int v_any(vmask m) {
    return m != 0;
}
#else
typedef ivec vmask;
VEC vmask v_lt(vec a, vec b) {
    return a < b;
}
VEC vmask v_le(vec a, vec b) {
    return a <= b;
}
VEC vmask v_eq(vec a, vec b) {
    return a == b;
}
VEC vmask v_not(vmask m) {
    return ~m;
}
VEC vec v_select(vmask m, vec yes, vec no) {
#ifdef VEC_X86
    return X(blendv)(no, yes, (vec)m);
#else
    return (vec)((m & (ivec)yes) | (~m & (ivec)no));
#endif
}
VEC int v_any(vmask m) {
#ifdef VEC_X86
    return X(movemask)((vec)m) != 0;
#else
    real_bits any = 0;
    for (size_t i = 0; i < VLEN; i++)
        any |= m[i];
    return any != 0;
#endif
}
#endif
VEC vmask v_gt(vec a, vec b) {
    return v_lt(b, a);
}
VEC vmask v_ge(vec a, vec b) {
    return v_le(b, a);
}
VEC vmask v_isnan(vec a) {
    return v_not(v_eq(a, a));
}

/* -- Constants, bits, signs -- */
VEC vec v_set(real a) {
    return a - (vec){0};
} /* not 0 + a, which loses the sign of -0 */
VEC ivec v_iset(real_bits a) {
    return (ivec){0} + a;
}
VEC vec v_or(vec a, vec b) {
    return (vec)((ivec)a | (ivec)b);
}
VEC vec v_and(vec a, vec b) {
    return (vec)((ivec)a & (ivec)b);
}
VEC vec v_xor(vec a, vec b) {
    return (vec)((ivec)a ^ (ivec)b);
}
VEC vec v_sign_bit(vec a) {
    return v_and(a, v_set(R(-0.0)));
}
VEC vec v_abs(vec a) {
    return (vec)((ivec)a & ~(ivec)v_set(R(-0.0)));
}
VEC vec v_negative(vec a) {
    return v_xor(a, v_set(R(-0.0)));
}
VEC vec v_copysign(vec size, vec sign) {
    return v_or(v_abs(size), v_sign_bit(sign));
}

/* -- a b + c rounded once: only where VEC_FUSED is defined -- */
#if defined(VEC_X86) && defined(__FMA__)
#define VEC_FUSED
VEC vec v_fused(vec a, vec b, vec c) {
    return X(fmadd)(a, b, c);
}
#elif defined(VEC_NEON)
#define VEC_FUSED
VEC vec v_fused(vec a, vec b, vec c) {
    return N(vfma)(c, a, b);
}
#endif

/* -- Minimum, maximum: v_min and v_max keep a NaN in b, the second operand, and lose one in a on some processors;
 * v_minimum and v_maximum keep both, as NumPy does. -- */
#if defined(VEC_X86)
VEC vec v_min(vec a, vec b) {
    return X(min)(a, b);
}
VEC vec v_max(vec a, vec b) {
    return X(max)(a, b);
}
VEC vec v_minimum(vec a, vec b) {
    return v_select(v_isnan(a), a, v_min(a, b));
}
VEC vec v_maximum(vec a, vec b) {
    return v_select(v_isnan(a), a, v_max(a, b));
}
#elif defined(VEC_NEON)
VEC vec v_min(vec a, vec b) {
    return N(vmin)(a, b);
}
VEC vec v_max(vec a, vec b) {
    return N(vmax)(a, b);
}
VEC vec v_minimum(vec a, vec b) {
    return N(vmin)(a, b);
}
VEC vec v_maximum(vec a, vec b) {
    return N(vmax)(a, b);
}
#else
VEC vec v_min(vec a, vec b) {
    return v_select(a < b, a, b);
}
VEC vec v_max(vec a, vec b) {
    return v_select(a > b, a, b);
}
VEC vec v_minimum(vec a, vec b) {
    return v_select(v_isnan(a), a, v_min(a, b));
}
VEC vec v_maximum(vec a, vec b) {
    return v_select(v_isnan(a), a, v_max(a, b));
}
#endif
/* x held between low and high; NaN stays NaN */
VEC vec v_clamp(vec x, real low, real high) {
    return v_min(v_set(high), v_max(v_set(low), x));
}

/* -- Square root and rounding: v_round goes to the nearest integer, ties to even -- */
#if defined(__AVX512F__)
VEC vec v_sqrt(vec a) {
    return X(sqrt)(a);
}
VEC vec v_round(vec a) {
    return X(roundscale)(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
VEC vec v_floor(vec a) {
    return X(roundscale)(a, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
}
VEC vec v_ceil(vec a) {
    return X(roundscale)(a, _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC);
}
#elif defined(VEC_X86)
VEC vec v_sqrt(vec a) {
    return X(sqrt)(a);
}
VEC vec v_round(vec a) {
    return X(round)(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
VEC vec v_floor(vec a) {
    return X(round)(a, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
}
VEC vec v_ceil(vec a) {
    return X(round)(a, _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC);
}
#elif defined(VEC_NEON)
VEC vec v_sqrt(vec a) {
    return N(vsqrt)(a);
}
VEC vec v_round(vec a) {
    return N(vrndn)(a);
}
VEC vec v_floor(vec a) {
    return N(vrndm)(a);
}
VEC vec v_ceil(vec a) {
    return N(vrndp)(a);
}
#else
#define VEC_EACH(name, function)                                                                                       \
    VEC vec name(vec a) {                                                                                              \
        for (size_t i = 0; i < VLEN; i++)                                                                              \
            a[i] = (real)function((double)a[i]);                                                                       \
        return a;                                                                                                      \
    }
VEC_EACH(v_sqrt, sqrt)
VEC_EACH(v_round, rint)
VEC_EACH(v_floor, floor)
VEC_EACH(v_ceil, ceil)
#endif

/* -- Powers of two -- */
/* adding it leaves an integral |n| < 2^(MANTISSA_BITS - 2) in the low bits of the sum */
#define ROUNDER PICK(12582912.0, 6755399441055744.0)

/* 2^n for integral n within the normal exponents */
VEC vec v_exp2_integral(vec n) {
    return (vec)((ivec)(n + (ROUNDER + EXPONENT_BIAS)) << MANTISSA_BITS);
}

/* 2^n for the integer *n next to x, which lies within the normal exponents */
VEC vec v_exp2_nearest(vec x, vec *n) {
    vec shifted = x + (ROUNDER + EXPONENT_BIAS);
    *n = shifted - (ROUNDER + EXPONENT_BIAS);
    return (vec)((ivec)shifted << MANTISSA_BITS);
}

/* x 2^n for integral n, |n| < 2 EXPONENT_BIAS */
VEC vec v_scale(vec x, vec n) {
#if defined(__AVX512F__)
    return X(scalef)(x, n);
#else
    vec half = v_floor(n * R(0.5)); /* one power of two does not reach from the normals to the smallest subnormal */
    return x * v_exp2_integral(half) * v_exp2_integral(n - half);
#endif
}

/* The same for 1/2 <= x < 2; rounds once, also into the subnormals. Intel's multipliers hand a subnormal result over to
 * microcode, at 150 cycles, also if it then rounds to 0: 30 times the time of an exponential. But a subnormal number is
 * an integer, its bits, times the smallest of them. */
VEC vec v_ldexp(vec x, vec n) {
#ifdef VEC_X86
    vmask small = v_lt(n, v_set(2 - EXPONENT_BIAS));
    if (__builtin_expect(v_any(small), 0)) {
        vec bits = v_round(v_scale(x, v_select(small, n + (EXPONENT_BIAS + MANTISSA_BITS - 1), v_set(0))));
        vec normal = v_scale(x, v_select(small, v_set(0), n));
        return v_select(small, (vec) __builtin_convertvector(bits, ivec), normal);
    }
#endif
    return v_scale(x, n);
}

/* x = m 2^*n with 0.75 <= m < 1.5, for x > 0 and finite, subnormals included */
VEC vec v_frexp(vec x, vec *n) {
#if defined(__AVX512F__)
    vec m = X(getmant)(x, _MM_MANT_NORM_p75_1p5, _MM_MANT_SIGN_nan);
    vec one = v_set(1);
    vec exponent = X(getexp)(x);
    *n = X(mask_add)(exponent, v_lt(m, one), exponent, one);
    return m;
#else
    vmask small = v_lt(x, v_set(PICK(0x1p-126, 0x1p-1022)));
    x = v_select(small, x * PICK(0x1p23, 0x1p52), x);
    /* the exponent of x / 0.75, kept positive by (BIAS + 1) because AVX2 has no arithmetic shift of 64-bit integers */
    const ubits above = (ubits)(EXPONENT_BIAS + 1) << MANTISSA_BITS;
    uvec e = ((uvec)x - (uvec)v_set(R(0.75)) + above) >> MANTISSA_BITS;
    vec k = (vec)(e + (uvec)v_set(ROUNDER)) - (ROUNDER + (EXPONENT_BIAS + 1));
    *n = v_select(small, k - MANTISSA_BITS, k);
    return (vec)((uvec)x - (e << MANTISSA_BITS) + above);
#endif
}

/* the upper half of the mantissa: its product with another such half is exact, with or without a fused multiply-add */
VEC vec v_upper(vec a) {
    return (vec)((ivec)a & v_iset(~(((real_bits)1 << ((MANTISSA_BITS + 2) / 2)) - 1)));
}

/* -- Memory. The _n forms touch min(n, VLEN) elements and never memory beyond; the lanes that were not read are 0. --
 */
VEC vec v_load(const real *p) {
    return *(const vec_unaligned *)p;
}
VEC void v_store(real *p, vec a) {
    *(vec_unaligned *)p = a;
}

/* a store past the caches, for arrays larger than they are: memory is then not read before it is written. p is aligned
 * to VEC_BYTES; v_stream_end() before another thread may read. */
VEC void v_stream(real *p, vec a) {
#ifdef VEC_X86
    X(stream)(p, a);
#else
    v_store(p, a);
#endif
}
VEC void v_stream_end(void) {
#ifdef VEC_X86
    _mm_sfence();
#endif
}

/* the first n < VLEN lanes */
VEC vmask v_first(size_t n) {
#if defined(__AVX512F__)
    return (vmask)((1u << n) - 1);
#else
    ivec lane;
    for (size_t i = 0; i < VLEN; i++)
        lane[i] = (real_bits)i;
    return lane < v_iset((real_bits)n);
#endif
}

#if defined(__AVX512F__)
VEC vec v_load_part(const real *p, size_t n) {
    return X(maskz_loadu)(v_first(n), p);
}
VEC void v_store_part(real *p, vec a, size_t n) {
    X(mask_storeu)(p, v_first(n), a);
}
#elif defined(__AVX2__)
VEC vec v_load_part(const real *p, size_t n) {
    return X(maskload)(p, (__m256i)v_first(n));
}
VEC void v_store_part(real *p, vec a, size_t n) {
    X(maskstore)(p, (__m256i)v_first(n), a);
}
#else
VEC vec v_load_part(const real *p, size_t n) {
    real lanes[VLEN] = {0};
    for (size_t i = 0; i < n; i++)
        lanes[i] = p[i];
    return v_load(lanes);
}
VEC void v_store_part(real *p, vec a, size_t n) {
    for (size_t i = 0; i < n; i++)
        p[i] = a[i];
}
#endif
VEC vec v_load_n(const real *p, size_t n) {
    return n >= VLEN ? v_load(p) : v_load_part(p, n);
}
VEC void v_store_n(real *p, vec a, size_t n) {
    if (n >= VLEN)
        v_store(p, a);
    else
        v_store_part(p, a, n);
}
/* a in the first n lanes, `rest` in the others: what a reduction needs at the end of a row */
VEC vec v_keep_n(vec a, size_t n, real rest) {
    return n >= VLEN ? a : v_select(v_first(n), a, v_set(rest));
}

/* -- Across the lanes, in a fixed order: the vector is combined with itself turned by half, a quarter ... of its lanes,
 * in registers, because a detour through memory waits for the store -- */
#define V_TURN(v, ...) __builtin_shufflevector(v, v, __VA_ARGS__)
#if VEC_BYTES == 64 && defined(CDL_REAL_f32)
#define VEC_TURNS(do)                                                                                                  \
    do                                                                                                                 \
    (V_TURN(v, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7)) do(                                              \
        V_TURN(v, 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10,                                                    \
               11)) do(V_TURN(v, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12,                                     \
                              13)) do(V_TURN(v, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14))
#elif VEC_BYTES == 64 || (VEC_BYTES == 32 && defined(CDL_REAL_f32))
#define VEC_TURNS(do)                                                                                                  \
    do                                                                                                                 \
    (V_TURN(v, 4, 5, 6, 7, 0, 1, 2, 3)) do(V_TURN(v, 2, 3, 0, 1, 6, 7, 4, 5)) do(V_TURN(v, 1, 0, 3, 2, 5, 4, 7, 6))
#elif VEC_BYTES == 32 || defined(CDL_REAL_f32)
#define VEC_TURNS(do)                                                                                                  \
    do                                                                                                                 \
    (V_TURN(v, 2, 3, 0, 1)) do(V_TURN(v, 1, 0, 3, 2))
#else
#define VEC_TURNS(do)                                                                                                  \
    do                                                                                                                 \
    (V_TURN(v, 1, 0))
#endif
#define VEC_FOLD(name, combine)                                                                                        \
    VEC real name(vec v) {                                                                                             \
        VEC_TURNS(combine)                                                                                             \
        return v[0];                                                                                                   \
    }
#define V_FOLD_SUM(turned) v = v + turned;
#define V_FOLD_PROD(turned) v = v * turned;
#define V_FOLD_MAX(turned) v = v_maximum(v, turned);
#define V_FOLD_MIN(turned) v = v_minimum(v, turned);
VEC_FOLD(v_sum, V_FOLD_SUM)
VEC_FOLD(v_prod, V_FOLD_PROD)
VEC_FOLD(v_lane_max, V_FOLD_MAX) /* NaN in any lane gives NaN */
VEC_FOLD(v_lane_min, V_FOLD_MIN)
#endif
