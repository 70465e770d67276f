/* exp, log, tanh and their family on `vec`, for both precisions and every instruction set.
 *
 * The bounds are the largest errors that tests/kernels/vec_driver.c allows, in units of the last place of the result,
 * subnormal results included. NaN gives NaN, infinities and domain errors give what C's math.h gives. The polynomial
 * coefficients come from tests/kernels/minimax.py, which also states what each polynomial stands for.
 */
#ifndef CDL_VECMATH_H
#define CDL_VECMATH_H
#include "vec.h"

#ifdef CDL_REAL_f32
#define LIBM(function) function##f
static const real exp_terms[] = {0.499999935f, 0.166665207f, 0.0416683869f, 0.00836870968f, 0.00138146417f};
static const real exp2_terms[] = {0.693147215f,   0.240226528f,   0.0555031055f,
                                  0.00961769326f, 0.00134066436f, 0.000155946044f};
static const real expm1_terms[] = {0.500000004f,   0.166666664f,   0.041666361f,
                                   0.00833338925f, 0.00139406168f, 0.000198459359f};
static const real tanh_terms[] = {0.999999963f, 0.666661746f, 0.3333376f, 0.133864239f, 0.0444239813f};
static const real log_terms[] = {0.333333399f,  -0.250001653f, 0.199996047f,   -0.166552964f, 0.142762416f,
                                 -0.127277857f, 0.117006497f,  -0.0911614243f, 0.0376725421f};
static const real atanh5_terms[] = {0.40000393f, 0.285254848f, 0.238751058f};
static const real sin_terms[] = {-0.166666549f, 0.00833217584f, -0.000195169772f};
static const real cos_terms[] = {0.0416666468f, -0.00138873646f, 2.44381011e-5f};
static const real erf_terms[] = {0.128379166f,   -0.376126199f,  0.112833927f,
                                 -0.0268354188f, 0.00511594535f, -0.000676080715f};
static const real erfcx_terms[] = {1,
                                   -1.25675927f,
                                   0.486524353f,
                                   0.210995397f,
                                   -0.0928401851f,
                                   -0.125338835f,
                                   0.0963863267f,
                                   -0.17912262f,
                                   0.274255082f,
                                   -0.168149987f,
                                   0.0361387096f};
static const real normal_over[] = {0.5f, 0.437798988f, 0.182841125f, 0.0404926605f, 0.00409313213f};
static const real normal_under[] = {1, 1.67348282f, 1.20092439f, 0.468423498f, 0.101506556f, 0.0102598399f};
#else
#define LIBM(function) function
static const real exp_terms[] = {
    0.50000000000000106,    0.16666666666666413,  0.041666666666530263,  0.0083333333334942706, 0.0013888888943598661,
    0.00019841269506889477, 2.480149313512039e-5, 2.7557586183706501e-6, 2.7630234331356206e-7, 2.5000095047475804e-8};
static const real exp2_terms[] = {0.6931471805599457,    0.24022650695910098,   0.055504108664790396,
                                  0.0096181291076070034, 0.0013333558153439666, 0.00015403530441570593,
                                  1.5252727385452212e-5, 1.3215442676079094e-6, 1.0180647556780211e-7,
                                  7.0725703006458676e-9, 4.0780874157855423e-10};
static const real expm1_terms[] = {0.5,
                                   0.16666666666666676,
                                   0.041666666666666509,
                                   0.0083333333333217004,
                                   0.0013888888888962294,
                                   0.00019841269885940266,
                                   2.480158717263063e-5,
                                   2.755724440295815e-6,
                                   2.7557402606150748e-7,
                                   2.5108967915293569e-8,
                                   2.0875329767894402e-9};
static const real tanh_terms[] = {
    1.000000000000001,   0.66666666666666357,   0.33333333333261466,    0.13333333333423236,    0.044444444580921287,
    0.01269841262019728, 0.0031745926794325829, 0.00070546963248017465, 0.00014144524086482356, 2.565506375486718e-5};
static const real atanh_terms[] = {0.66666666666666596, 0.40000000000056952, 0.28571428555767934, 0.22222224302857798,
                                   0.1818166551126373,  0.15391123414463739, 0.13173412034609342, 0.13844278297419042};
static const real atanh5_terms[] = {0.40000000000020546, 0.28571428562553945, 0.22222223679523337, 0.18181696888499252,
                                    0.15390240944681513, 0.13186427176053189, 0.13765849672919782};
static const real sin_terms[] = {-0.16666666666666632,  0.0083333333333223701,  -0.0001984126982977116,
                                 2.7557313678639111e-6, -2.5050755954992091e-8, 1.5896666048580796e-10};
static const real cos_terms[] = {0.041666666666666599,   -0.0013888888888874065, 2.4801587289443572e-5,
                                 -2.7557314340679528e-7, 2.0875721625551464e-9,  -1.1359559381059777e-11};
static const real erf_terms[] = {0.12837916709551257,    -0.37612638903183744,  0.11283791670954532,
                                 -0.026866170644963532,  0.0052239776230088729, -0.00085483268167812808,
                                 0.00012055321977814752, -1.492527066320023e-5, 1.6453565407044711e-6,
                                 -1.6242701527222458e-7, 1.3734781084960938e-8, -7.3035161257130782e-10};
static const real erfcx_terms[] = {1.0,
                                   -1.8209479177387775,
                                   1.6081041645216157,
                                   -0.46679341039296819,
                                   -0.26834030296272062,
                                   0.12713977852434692,
                                   0.094927133988798362,
                                   -0.015720851150834496,
                                   -0.037122013103705673,
                                   -0.008941918781332655,
                                   -0.00011717995652457212,
                                   0.046464733778015795,
                                   -0.13704365209638668,
                                   0.40750115708235947,
                                   -0.97757762611849499,
                                   1.8775459068503135,
                                   -2.9156095663783366,
                                   3.6233972633060052,
                                   -3.5576825541049798,
                                   2.7098968960417155,
                                   -1.5545445515949511,
                                   0.64189072133542648,
                                   -0.17778204163472664,
                                   0.029115093600556167,
                                   -0.0020834295938741914};
#endif

/* terms[0] + x terms[1] + ... */
#define POLYNOMIAL(x, terms) v_polynomial(x, terms, sizeof(terms) / sizeof *(terms))
VEC vec v_polynomial(vec x, const real *terms, int count) {
    vec sum = v_set(terms[count - 1]);
#pragma GCC unroll 32
    for (int i = count - 2; i >= 0; i--)
        sum = sum * x + terms[i];
    return sum;
}

/* ln 2 in two parts: the first has 16 (42) bits, so that its product with an exponent is exact */
#define LN2_HIGH PICK(0x1.62e4p-1, 0x1.62e42fefa38p-1)
#define LN2_LOW PICK(0x1.7f7d1cf79abcap-20, 0x1.ef35793c76730p-45)
#define LOG2E R(1.4426950408889634)
/* e^x is infinite above and rounds to 0 below; half the smallest subnormal is e^-103.97 (e^-745.13) */
#define EXP_HIGH PICK(89.0, 710.0)
#define EXP_LOW PICK(-104.0, -746.0)

/* x = n ln 2 + r, |r| <= ln 2 / 2 */
VEC vec v_reduce_exp(vec x, vec *n) {
    *n = v_round(x * LOG2E);
    return (x - *n * LN2_HIGH) - *n * LN2_LOW;
}

/* e^(x + low) for x as below and a correction |low| < 1/16 */
VEC vec v_exp_sum(vec x, vec low) {
    vec n, r = v_reduce_exp(x, &n) + low;
    return v_ldexp(1 + r * (1 + r * POLYNOMIAL(r, exp_terms)), n);
}

/* e^x for x that is known to lie in EXP_LOW..EXP_HIGH. 1 ulp, 1.25 without fused multiply-add */
VEC vec v_exp_inside(vec x) {
    vec n, r = v_reduce_exp(x, &n);
    return v_ldexp(1 + r * (1 + r * POLYNOMIAL(r, exp_terms)), n);
}

/* e^x. 1 ulp, 1.25 without fused multiply-add */
VEC vec v_exp(vec x) {
    return v_exp_inside(v_clamp(x, EXP_LOW, EXP_HIGH));
}

/* 2^x. 1.5 ulp */
VEC vec v_exp2(vec x) {
    x = v_clamp(x, PICK(-151, -1076), PICK(128, 1024));
    vec n = v_round(x), r = x - n;
    return v_ldexp(1 + r * POLYNOMIAL(r, exp2_terms), n);
}

/* (e^x - 1) / 2 for x within -40..EXP_HIGH */
VEC vec v_half_expm1(vec x) {
    vec n, r = v_reduce_exp(x, &n);
    vec power = v_exp2_integral(n - 1);
    return (r + r * r * POLYNOMIAL(r, expm1_terms)) * power + (power - R(0.5));
}

/* e^x - 1, to its full relative precision around 0. 2 ulp */
VEC vec v_expm1(vec x) {
    return v_copysign(2 * v_half_expm1(v_clamp(x, -40, EXP_HIGH)), x);
}

/* tanh x = h / (h + 1), h = (e^(2|x|) - 1) / 2, with the sign of x. The division forgives h its error as it grows, so
 * one part of ln 2 is enough in |x| = n ln 2 / 2 + r. 1 from 9.1 (19.1) on, and x itself where 1 + |x| is 1. 3 ulp */
VEC vec v_tanh(vec x) {
    vec size = v_min(v_set(PICK(9.1, 19.1)), v_abs(x)), n;
    vec power = v_exp2_nearest(size * (2 * LOG2E), &n);
    vec r = size - n * R(0.34657359027997265);
    vec h = (r + r * r * POLYNOMIAL(r, tanh_terms)) * power + (R(0.5) * power - R(0.5));
    return v_copysign(h / (h + 1), x);
}

/* 1 / (1 + e^-x), from e^-|x| so that nothing overflows and small results stay subnormal. 2.5 ulp */
VEC vec v_sigmoid(vec x) {
    vec e = v_exp_inside(v_max(v_set(EXP_LOW), v_or(x, v_set(R(-0.0)))));
    return v_select(v_lt(x, v_set(0)), e, v_set(1)) / (1 + e);
}

/* log m of x = m 2^*n, 0.75 <= m < 1.5. Where x is 0, infinite or out of the domain, v_log_edges corrects the end
 * result */
VEC vec v_log_parts(vec x, vec *n) {
    vec f = v_frexp(x, n) - 1;
#ifdef CDL_REAL_f32
    return f + f * f * (f * POLYNOMIAL(f, log_terms) - R(0.5));
#else
    vec s = f / (2 + f), s2 = s * s; /* log (1 + f) = 2s + s^3 p(s^2) and 2s = f - s f */
    return f - s * (f - s2 * POLYNOMIAL(s2, atanh_terms));
#endif
}

VEC vec v_log_edges(vec x, vec y) {
#if defined(__AVX512F__)
    (void)x; /* getexp and getmant already answer -inf, inf and NaN */
    return y;
#else
    const vec zero = v_set(0), infinity = v_set((real)INFINITY);
    vec edge = v_select(v_eq(x, zero), -infinity, v_select(v_lt(x, zero), v_set((real)NAN), x));
    return v_select(v_gt(x, zero) & v_lt(x, infinity), y, edge);
#endif
}

/* natural logarithm. 1.5 ulp */
VEC vec v_log(vec x) {
    vec n, y = v_log_parts(x, &n);
    return v_log_edges(x, n * LN2_HIGH + (n * LN2_LOW + y));
}

/* logarithm to base 2, exact for powers of two. 2.5 ulp */
VEC vec v_log2(vec x) {
    vec n, y = v_log_parts(x, &n);
    return v_log_edges(x, n + y * LOG2E);
}

/* logarithm to base 10. 2.5 ulp */
VEC vec v_log10(vec x) {
    vec n, y = v_log_parts(x, &n);
    return v_log_edges(x, n * PICK(0x1.344p-2, 0x1.34413509f78p-2) +
                              (n * PICK(0x1.3509f79fef312p-18, 0x1.fef311f12b358p-46) + y * R(0.43429448190325182)));
}

/* log (1 + x), to its full relative precision around 0. 2 ulp */
VEC vec v_log1p(vec x) {
    vec u = 1 + x, x_in_u = u - 1;
    vec lost = (1 - (u - x_in_u)) + (x - x_in_u); /* what rounding took from u; log u moves by lost / u */
    vec correction = v_select(v_gt(u, v_set(0)) & v_lt(u, v_set((real)INFINITY)), lost / u, v_set(0));
    return v_copysign(v_log(u) + correction, x);
}

/* e^(z^2) erfc z for z = |x| / scale >= 0: (1 - w) p(w), w = z / (c + z), c = 2 (2.5). 7 ulp (f64: 13, in the far tail)
 */
VEC vec v_erfcx(vec x, real scale) {
    const real c = PICK(2, 2.5) * scale;
    vec size = v_abs(x), reciprocal = 1 / (c + size);
    return c * reciprocal * POLYNOMIAL(size * reciprocal, erfcx_terms);
}

/* error function. 2.5 ulp */
VEC vec v_erf(vec x) {
    vec z = v_min(v_set(PICK(4, 6)), v_abs(x)), z2 = z * z; /* erf is 1 from there on */
    vec inner = z + z * POLYNOMIAL(z2, erf_terms);
    vec outer = 1 - v_exp_inside(-z2) * v_erfcx(z, 1);
    return v_copysign(v_select(v_lt(z, v_set(R(0.75))), inner, outer), x);
}

/* e^(-x^2/2) is 0 from here on */
#define NORMAL_LIMIT PICK(14.6, 38.8)
/* x e^(-x^2/2) / sqrt(2 pi), and with it the tail of x Phi(x), is below the smallest normal number from here on */
#define NORMAL_TAIL PICK(13.14, 37.61)
/* e^(-x^2/2) for |x| <= NORMAL_LIMIT. x^2 rounded would cost x^2/4 ulp, so it is not rounded before n ln 2 is taken off
 * (the exact x^2 - n 2 ln 2 needs the fused instruction), or is taken in two parts. 1.5 ulp */
VEC vec v_exp_minus_half_square(vec x) {
#ifdef VEC_FUSED
    vec n = v_round(x * (x * (R(-0.5) * LOG2E)));
    vec r = R(-0.5) * (v_fused(x, x, n * (2 * LN2_HIGH)) + n * (2 * LN2_LOW));
    return v_ldexp(1 + r * (1 + r * POLYNOMIAL(r, exp_terms)), n);
#else
    vec high = v_upper(x), low = (x - high) * (x + high);
    return v_exp_sum(high * high * R(-0.5), low * R(-0.5));
#endif
}

/* Phi(-t) e^(t^2/2) for 0 <= t <= NORMAL_LIMIT, Phi(t) = erfc(-t / sqrt 2) / 2 the normal distribution. 6.5 ulp (f64:
 * 13, in the far tail) */
VEC vec v_normal_ratio(vec t) {
#ifdef CDL_REAL_f32
    return POLYNOMIAL(t, normal_over) / POLYNOMIAL(t, normal_under); /* positive terms: nothing cancels */
#else
    return R(0.5) * v_erfcx(t, R(1.4142135623730951));
#endif
}

/* sine (quarter = 0) or cosine (1) for |x| <= TRIG_LIMIT: x = n pi/2 + r, and the polynomial that n + quarter asks for
 */
#define TRIG_LIMIT R(1e4) /* n has 13 bits, and so n times each of the first parts of pi / 2 is exact */
VEC vec v_sine(vec x, int quarter) {
    vec n = v_round(x * R(0.63661977236758134));
#ifdef CDL_REAL_f32
    vec r = (((x - n * 0x1.92p+0f) - n * 0x1.fb4p-12f) - n * 0x1.444p-24f) - n * 0x1.68c234p-39f;
#else
    vec r = ((x - n * 0x1.921fb54440000p+0) - n * 0x1.68c234c4c4000p-39) - n * 0x1.3145c06e0e689p-78;
#endif
    vec r2 = r * r, turn = n + (real)quarter, half = turn * R(0.5);
    vec sine = r + r * r2 * POLYNOMIAL(r2, sin_terms);
    vec cosine = 1 - (R(0.5) * r2 - r2 * r2 * POLYNOMIAL(r2, cos_terms));
    vec size = v_select(v_eq(half, v_floor(half)), sine, cosine);
    ivec sign = ((ivec)(turn + ROUNDER) & 2) << (8 * sizeof(real) - 2);
    return (vec)((ivec)size ^ sign);
}

/* y, but for the lanes where |x| is beyond the limit (or NaN), which are rare, the C library's value */
#define VEC_LIBM_BEYOND(y, x, limit, function)                                                                         \
    if (__builtin_expect(v_any(v_not(v_le(v_abs(x), v_set(limit)))), 0))                                               \
        for (size_t i = 0; i < VLEN; i++)                                                                              \
            if (!((x)[i] <= (limit) && (x)[i] >= -(limit)))                                                            \
                (y)[i] = LIBM(function)((x)[i]);

/* sine. 2.5 ulp */
VEC vec v_sin(vec x) {
    vec y = v_select(v_eq(x, v_set(0)), x, v_sine(x, 0)); /* keeps -0 */
    VEC_LIBM_BEYOND(y, x, TRIG_LIMIT, sin)
    return y;
}

/* cosine. 2.5 ulp */
VEC vec v_cos(vec x) {
    vec y = v_sine(x, 1);
    VEC_LIBM_BEYOND(y, x, TRIG_LIMIT, cos)
    return y;
}

/* log2 of x > 0 in two parts; relative error 2^-33 (2^-65) of the sum. log m = 2/3 s (3 + s^2 + r), s = f / d,
 * f = m - 1, d = m + 1, r = 3/2 s^4 p(s^2); 2 / (3 ln 2) too is taken in two parts. What a product loses is had from a
 * fused multiply-add, or else the factors are cut to upper halves, and so is the first part of the result */
VEC vec v_log2_twofold(vec x, vec *low) {
    vec n, m = v_frexp(x, &n);
    vec f = m - 1, d = m + 1, d_lost = m - (d - 1), per_d = 1 / d, s = f * per_d, s2 = s * s;
    vec r = R(1.5) * s2 * s2 * POLYNOMIAL(s2, atanh5_terms);
#ifdef VEC_FUSED
    const vec constant = v_set(PICK(0x1.ec709e0000000p-1, 0x1.ec709dc3a03fdp-1));
    vec s_low = (v_fused(-s, d, f) - s * d_lost) * per_d;
    vec t = 3 + s2, t_low = v_fused(s, s, -s2) + (s2 - (t - 3)) + (r + 2 * s * s_low);
    vec p = s * t, p_low = v_fused(s, t, -p) + s * t_low + s_low * t;
    vec z = p * constant,
        z_low = v_fused(p, constant, -z) + p * PICK(-0x1.e2fe020000000p-28, 0x1.d27f05548af0cp-55) + p_low * constant;
    vec high = n + z;
    *low = (z - (high - n)) + z_low;
#else
    vec s_high = v_upper(s), d_high = v_upper(d), square = s_high * s_high;
    vec s_low = ((f - s_high * d_high) - s_high * (d - d_high) - s_high * d_lost) * per_d;
    r = r + s_low * (s_high + s);
    vec t_high = v_upper(3 + square + r), t_low = r - ((t_high - 3) - square);
    vec u = s_high * t_high, v = s_low * t_high + t_low * s;
    vec p_high = v_upper(u + v), p_low = v - (p_high - u);
    vec z_high = p_high * PICK(0x1.ec6p-1, 0x1.ec709d8p-1);
    vec z_low = p_high * PICK(0x1.09dc3ap-13, 0x1.0e80ff5d27f05p-27) + p_low * R(0.96179669392597560);
    vec high = v_upper(z_high + z_low + n);
    *low = z_low - ((high - n) - z_high);
#endif
    return high;
}

/* |x|^y for finite x != 0 and finite y, with the sign of an odd power; NaN for a fraction's power of a negative x */
VEC vec v_pow_inside(vec x, vec y) {
    vec low, high = v_log2_twofold(v_abs(x), &low);
    /* beyond 2^34 (2^66) any base but 1 has left the range, and the products below stay finite */
    vec limited = v_clamp(y, PICK(-0x1p34, -0x1p66), PICK(0x1p34, 0x1p66));
#ifdef VEC_FUSED
    vec z = limited * high, z_low = v_fused(limited, high, -z) + limited * low;
#else
    vec y_high = v_upper(limited), z = y_high * high, z_low = (limited - y_high) * high + limited * low;
#endif
    vec sum = z + z_low, top = v_clamp(sum, PICK(-160, -1090), PICK(140, 1040)), n = v_round(top);
    vec r = v_select(v_eq(top, sum), (z - n) + z_low, v_set(0)); /* clamped: 0 or infinite whatever r */
    vec power = v_ldexp(1 + r * POLYNOMIAL(r, exp2_terms), n);
    vmask below = v_lt(x, v_set(0));
    if (__builtin_expect(!v_any(below), 1))
        return power;
    vec half = y * R(0.5);
    vec odd = v_select(v_eq(half, v_floor(half)), power, v_negative(power));
    return v_select(below, v_select(v_eq(y, v_floor(y)), odd, v_set((real)NAN)), power);
}

/* x^y. 1.5 ulp (f64: 3); zero, infinite and NaN operands (and the numbers of C's many rules for them) go to the C
 * library */
VEC vec v_pow(vec x, vec y) {
    vec power = v_pow_inside(x, y), size = v_abs(x), infinity = v_set((real)INFINITY);
    vmask usual = v_gt(size, v_set(0)) & v_lt(size, infinity) & v_lt(v_abs(y), infinity);
    if (__builtin_expect(v_any(v_not(usual)), 0))
        for (size_t i = 0; i < VLEN; i++)
            if (!(size[i] > 0 && size[i] < (real)INFINITY && LIBM(fabs)(y[i]) < (real)INFINITY))
                power[i] = LIBM(pow)(x[i], y[i]);
    return power;
}
#endif
