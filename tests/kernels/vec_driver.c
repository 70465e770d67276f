/* uses: (nothing but the headers)
 *
 * Measures the functions of vecmath.h in units of the last place against the C library in long double (for float32: in
 * double), and holds them to the bounds that the header states. Also the primitives of vec.h, at their edges.
 */
#include "driver.h"

typedef struct {
    const char *name;
    vec (*value)(vec);
    wide (*reference)(wide);
    double low, high, bound; /* low > 0 means: sample the logarithm as well, down to subnormals */
} row;

#define F(name)                                                                                                        \
    static __attribute__((noinline)) vec f_##name(vec x) {                                                             \
        return v_##name(x);                                                                                            \
    }
/* clang-format off */
F(exp) F(exp2) F(expm1) F(log) F(log2) F(log10) F(log1p) F(tanh) F(sigmoid) F(erf) F(sin) F(cos)
    /* clang-format on */
    static __attribute__((noinline)) vec f_bell(vec x) {
    return v_exp_minus_half_square(v_clamp(x, -NORMAL_LIMIT, NORMAL_LIMIT));
}
static __attribute__((noinline)) vec f_tail(vec x) {
    vec z = v_min(v_set(NORMAL_LIMIT), v_abs(x));
    return v_exp_minus_half_square(z) * v_normal_ratio(z);
}

static wide r_sigmoid(wide x) {
    return x < 0 ? WIDE(exp)(x) / (1 + WIDE(exp)(x)) : 1 / (1 + WIDE(exp)(-x));
}
static wide r_bell(wide x) {
    return WIDE(exp)(-x * x / 2);
}
static wide r_tail(wide x) {
    return WIDE(erfc)(WIDE(fabs)(x) * (wide)0.70710678118654752440L) / 2;
}

static const row rows[] = {
    {"exp", f_exp, WIDE(exp), PICK(-105, -747), PICK(89, 710), FUSED ? 1 : 1.25},
    {"exp2", f_exp2, WIDE(exp2), PICK(-152, -1080), PICK(129, 1025), 1.5},
    {"expm1", f_expm1, WIDE(expm1), PICK(-20, -42), PICK(89, 710), 2},
    {"log", f_log, WIDE(log), 0.01, 100, 1.5},
    {"log2", f_log2, WIDE(log2), 0.01, 100, 2.5},
    {"log10", f_log10, WIDE(log10), 0.01, 100, 2.5},
    {"log1p", f_log1p, WIDE(log1p), -1, 100, 2},
    {"tanh", f_tanh, WIDE(tanh), -20, 20, 3},
    {"sigmoid", f_sigmoid, r_sigmoid, PICK(-105, -747), 40, 2.5},
    {"erf", f_erf, WIDE(erf), -7, 7, 2.5},
    {"sin", f_sin, WIDE(sin), -12000, 12000, 2.5},
    {"cos", f_cos, WIDE(cos), -12000, 12000, 2.5},
    {"exp(-x^2/2)", f_bell, r_bell, -PICK(15, 39), PICK(15, 39), 1.5},
    {"Phi(-|x|)", f_tail, r_tail, -PICK(13, 37), PICK(13, 37), PICK(8, 14)},
};

/* the k-th sample: over the range, close to 1, close to 0 (down to subnormals), over all magnitudes */
static real sample(const row *r, size_t k) {
    real x = (real)uniform(r->low, r->high);
    switch (k % 4) {
    case 0:
        return x;
    case 1:
        return (real)uniform(r->low < -2 ? -2 : r->low, r->high > 2 ? 2 : r->high);
    case 2:
        x = (real)ldexp(uniform(1, 2), (int)uniform(PICK(-149, -1074), 1));
        break;
    default:
        x = (real)ldexp(uniform(1, 2), (int)uniform(-20, 7));
        break;
    }
    if (r->low < 0 && r->low != -1 && k & 4)
        x = -x;
    return (double)x > r->high || (double)x < r->low ? (real)(r->low / 2 + r->high / 2) : x;
}

static void measure(const row *r) {
    double worst = 0, at = 0;
    for (size_t k = 0; k < SAMPLES; k += VLEN) {
        vec x;
        for (size_t i = 0; i < VLEN; i++)
            x[i] = sample(r, k / VLEN + i * 7 + k);
        vec y = r->value(x);
        for (size_t i = 0; i < VLEN; i++) {
            double e = ulp_error(y[i], r->reference((wide)x[i]));
            if (e > worst)
                worst = e, at = (double)x[i];
        }
    }
    printf("%-18s %.2f ulp of %.1f, at %.17g\n", r->name, worst, r->bound, at);
    check(worst <= r->bound, r->name);
    const real special[] = {
        0, R(-0.0), 1, -1, (real)INFINITY, (real)-INFINITY, (real)NAN, PICK(1e-45, 5e-324), PICK(3e38, 1e308)};
    for (size_t i = 0; i < sizeof special / sizeof *special; i++) {
        real got = r->value(v_set(special[i]))[0];
        wide want = r->reference((wide)special[i]);
        int bad = !(ulp_error(got, want) <= r->bound) || (got == 0 && want == 0 && !signbit(got) != !signbit(want));
        if (bad)
            printf("  %s(%g) = %g, expected %g\n", r->name, (double)special[i], (double)got, (double)want), failures++;
    }
}

static __attribute__((noinline)) vec f_pow(vec x, vec y) {
    return v_pow(x, y);
}

static void measure_pow(double bound) {
    double worst = 0, at[2] = {0, 0};
    for (size_t k = 0; k < SAMPLES; k += VLEN) {
        vec x, y;
        for (size_t i = 0; i < VLEN; i++) {
            int reach = k / VLEN % 2 ? (int)uniform(PICK(-148, -1073), PICK(127, 1023)) : (int)uniform(-3, 3);
            x[i] = (real)ldexp(uniform(1, 2), reach);
            y[i] = (real)uniform(-1, 1) * (real)(PICK(150, 1075) / (LIBM(fabs)(LIBM(log2)(x[i])) + R(1e-3)));
            if (k % 3 == 0)
                y[i] = LIBM(rint)(y[i]), x[i] = uniform(0, 1) < 0.5 ? -x[i] : x[i];
        }
        vec p = f_pow(x, y);
        for (size_t i = 0; i < VLEN; i++) {
            double e = ulp_error(p[i], WIDE(pow)((wide)x[i], (wide)y[i]));
            if (e > worst)
                worst = e, at[0] = (double)x[i], at[1] = (double)y[i];
        }
    }
    printf("%-18s %.2f ulp of %.1f, at %.17g, %.17g\n", "pow", worst, bound, at[0], at[1]);
    check(worst <= bound, "pow");
    const real special[] = {0,
                            R(-0.0),
                            1,
                            -1,
                            (real)INFINITY,
                            (real)-INFINITY,
                            (real)NAN,
                            R(0.5),
                            PICK(-3e38, -1e308),
                            2,
                            -3,
                            PICK(1e-45, 5e-324)};
    for (size_t i = 0; i < sizeof special / sizeof *special; i++)
        for (size_t j = 0; j < sizeof special / sizeof *special; j++) {
            real got = f_pow(v_set(special[i]), v_set(special[j]))[0], want = LIBM(pow)(special[i], special[j]);
            if (!(ulp_error(got, (wide)want) <= bound + 1))
                printf("  pow(%g, %g) = %g, expected %g\n", (double)special[i], (double)special[j], (double)got,
                       (double)want),
                    failures++;
        }
}

static void primitives(void) {
    real in[3 * VLEN], out[3 * VLEN];
    for (size_t i = 0; i < 3 * VLEN; i++)
        in[i] = (real)i + 1;
    for (size_t n = 0; n <= VLEN + 1; n++) {
        for (size_t i = 0; i < 3 * VLEN; i++)
            out[i] = -1;
        vec a = v_load_n(in + VLEN, n);
        v_store_n(out + VLEN, a, n);
        for (size_t i = 0; i < 3 * VLEN; i++) {
            int inside = i >= VLEN && i < 2 * VLEN && i - VLEN < n;
            check(out[i] == (inside ? in[i] : -1), "load_n, store_n");
        }
        vec kept = v_keep_n(a, n, 7);
        for (size_t i = 0; i < VLEN; i++)
            check(kept[i] == (i < n ? in[VLEN + i] : 7), "keep_n");
    }
    const real not_a_number = (real)NAN;
    check(isnan(v_max(v_set(1), v_set(not_a_number))[0]), "max keeps NaN in b");
    check(isnan(v_maximum(v_set(1), v_set(not_a_number))[0]) && isnan(v_maximum(v_set(not_a_number), v_set(1))[0]),
          "maximum");
    check(isnan(v_minimum(v_set(1), v_set(not_a_number))[0]) && isnan(v_minimum(v_set(not_a_number), v_set(1))[0]),
          "minimum");
    check(isnan(v_clamp(v_set(not_a_number), 0, 1)[0]) && v_clamp(v_set(-3), 0, 1)[0] == 0, "clamp");
    vec a = v_load(in);
    check(v_sum(a) == (real)(VLEN * (VLEN + 1) / 2) && v_lane_max(a) == (real)VLEN && v_lane_min(a) == 1, "folds");
    a[VLEN - 1] = not_a_number;
    check(isnan(v_lane_max(a)) && isnan(v_lane_min(a)), "folds keep NaN");
    const real halves[] = {R(0.5), R(1.5), R(-0.5), R(-1.5), R(2.5)}, rounded[] = {0, 2, 0, -2, 2};
    for (int i = 0; i < 5; i++) {
        check(v_round(v_set(halves[i]))[0] == rounded[i], "round to even");
        check(v_floor(v_set(halves[i]))[0] == LIBM(floor)(halves[i]), "floor");
        check(v_ceil(v_set(halves[i]))[0] == LIBM(ceil)(halves[i]), "ceil");
    }
    for (int n = PICK(-160, -1100); n < PICK(128, 1024); n++)
        check(v_ldexp(v_set(R(1.5)), v_set((real)n))[0] == (real)LIBM(ldexp)(R(1.5), n), "ldexp");
    for (int n = PICK(-149, -1074); n < PICK(127, 1023); n++) {
        real x = (real)ldexp(n < PICK(-140, -1060) ? 1 : 1.25, n);
        vec k, m = v_frexp(v_set(x), &k);
        check(m[0] >= R(0.75) && m[0] < R(1.5) && LIBM(ldexp)(m[0], (int)k[0]) == x, "frexp");
    }
}

int main(void) {
    primitives();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        measure(rows + i);
    measure_pow(PICK(1.5, 3));
    return failures != 0;
}
