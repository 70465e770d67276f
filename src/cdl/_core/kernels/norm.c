/* Batch and group normalisation, down columns: x (rows, cols) dense; every column has its own statistics.
 *
 * Sums run over blocks of at most 512 rows in the precision of x, each shifted by the block's first row, and are folded
 * in double, block after block: the mean may be far larger than the deviation, and an outlier by which a block is
 * shifted reaches no other block. A mean is kept as m, its nearest number in the precision of x, and the rest goes to
 * the offset: y = (x - m) scale + offset, where x - m is exact for x near the mean.
 */
#include "vecmath.h"

#define ROWS 4 /* rows taken together: sums and coefficients are read once for them, and memory in one sweep */

typedef struct {
    vec mean, scale, offset;
} affine;

VEC vec at(const void *p, size_t i, size_t n) {
    return v_load_n((const real *)p + i, n);
}

VEC affine affine_at(const real *coef, size_t gap, size_t i, size_t n) {
    return (affine){at(coef, i, n), at(coef, gap + i, n), at(coef, 2 * gap + i, n)};
}

VEC vec positive(vec y) {
    return v_maximum(y, v_set(0)); /* NaN stays NaN */
}

/* g where the ReLU let its input z through */
VEC vec through(vec g, affine a, vec x, int relu) {
    return relu ? v_select(v_gt((x - a.mean) * a.scale + a.offset, v_set(0)), g, v_set(0)) : g;
}

#define EACH(k) for (size_t k = 0; k < count; k++)
/* do(count) for all rows r, ROWS at a time */
#define ALL_ROWS(do)                                                                                                   \
    size_t r = 0;                                                                                                      \
    for (; r + ROWS <= rows; r += ROWS)                                                                                \
        do                                                                                                             \
            (ROWS);                                                                                                    \
    for (; r < rows; r++)                                                                                              \
        do                                                                                                             \
        (1)

VEC void moments_rows(const real *x, const real *first, real *sums, size_t cols, size_t count) {
    for (size_t j = 0; j < cols; j += VLEN) {
        size_t n = cols - j;
        vec shift = at(first, j, n), one = at(sums, j, n), two = at(sums, cols + j, n);
        EACH(k) {
            vec d = at(x, k * cols + j, n) - shift;
            one += d;
            two += d * d;
        }
        v_store_n(sums + j, one, n);
        v_store_n(sums + cols + j, two, n);
    }
}

/* sums[j] = sum of d, sums[cols + j] = sum of d^2 with d = x[r, j] - x[0, j], over one block of rows */
void KERNEL(norm_moments)(const void *xs, void *sums, size_t rows, size_t cols) {
    memset(sums, 0, 2 * cols * sizeof(real));
#define DO(count) moments_rows((const real *)xs + r * cols, xs, sums, cols, count)
    ALL_ROWS(DO);
#undef DO
}

/* total[j], total[gap + j] = the same sums over all rows, shifted by x[0, j]: the blocks of `block` rows, whose sums
 * stand 2 gap apart, one after the other */
void KERNEL(norm_fold_moments)(const void *xs, const void *sums, double *total, size_t gap, size_t rows, size_t cols,
                               size_t block) {
    const real *x = xs, *s = sums;
    for (size_t j = 0; j < cols; j++)
        total[j] = total[gap + j] = 0;
    for (size_t r = 0; r < rows; r += block, s += 2 * gap) {
        const double n = (double)(rows - r < block ? rows - r : block);
        const real *first = x + r * gap;
        for (size_t j = 0; j < cols; j++) {
            double k = (double)first[j] - (double)x[j];
            total[j] += (double)s[j] + n * k;
            total[gap + j] += (double)s[gap + j] + k * (2 * (double)s[j] + n * k);
        }
    }
}

/* From the moments of `rows` rows, of each `group` columns together: stat[i] = mean, stat[stat_gap + i] = variance,
 * which divides by the number of elements */
void KERNEL(norm_statistics)(const void *xs, const double *total, double *stat, size_t gap, size_t stat_gap,
                             size_t rows, size_t cols, size_t group) {
    const real *x = xs;
    const double per_row = (double)rows, n = per_row * (double)group;
    for (size_t j = 0; j < cols; j += group) {
        double one = 0, two = 0;
        for (size_t i = j; i < j + group; i++) {
            double k = (double)x[i] - (double)x[j];
            one += total[i] + per_row * k;
            two += total[gap + i] + k * (2 * total[i] + per_row * k);
        }
        double variance = (two - one * one / n) / n;
        stat[j / group] = (double)x[j] + one / n;
        stat[stat_gap + j / group] = variance < 0 ? 0 : variance; /* rounding; NaN stays */
    }
}

/* From stat, of each `group` columns together, stat[2 stat_gap + i] = rstd = 1 / sqrt(variance + eps), and the columns'
 * mean, scale and offset (gap apart in coef): y = gamma (x - mean) rstd + beta; gamma and beta (cols) may be NULL */
void KERNEL(norm_coefficients)(double *stat, const void *gamma, const void *beta, void *coef, size_t gap,
                               size_t stat_gap, size_t cols, size_t group, double eps) {
    real *mean = coef, *scale = mean + gap, *offset = scale + gap;
    for (size_t j = 0; j < cols; j += group) {
        double exact = stat[j / group], rstd = 1 / sqrt(stat[stat_gap + j / group] + eps);
        double rest = exact - (double)(real)exact;
        stat[2 * stat_gap + j / group] = rstd;
        for (size_t i = j; i < j + group; i++) {
            double slope = gamma ? rstd * (double)((const real *)gamma)[i] : rstd;
            mean[i] = (real)exact;
            scale[i] = (real)slope;
            offset[i] = (real)((beta ? (double)((const real *)beta)[i] : 0) - rest * slope);
        }
    }
}

VEC void forward_rows(const real *x, const real *coef, real *y, size_t cols, int relu, size_t count) {
    for (size_t j = 0; j < cols; j += VLEN) {
        size_t n = cols - j;
        affine a = affine_at(coef, cols, j, n);
        EACH(k) {
            vec z = (at(x, k * cols + j, n) - a.mean) * a.scale + a.offset;
            v_store_n(y + k * cols + j, relu ? positive(z) : z, n);
        }
    }
}

/* y = (x - mean) scale + offset, or with relu the larger of that and 0; y may be x */
void KERNEL(norm_forward)(const void *xs, const void *coef, void *ys, size_t rows, size_t cols, int relu) {
#define DO(count) forward_rows((const real *)xs + r * cols, coef, (real *)ys + r * cols, cols, relu, count)
    ALL_ROWS(DO);
#undef DO
}

VEC void slopes_rows(const real *x, const real *g, const real *coef, real *sums, size_t cols, int relu, size_t count) {
    for (size_t j = 0; j < cols; j += VLEN) {
        size_t n = cols - j;
        affine a = affine_at(coef, cols, j, n);
        vec one = at(sums, j, n), two = at(sums, cols + j, n);
        EACH(k) {
            vec value = at(x, k * cols + j, n), slope = through(at(g, k * cols + j, n), a, value, relu);
            one += slope;
            two += slope * (value - a.mean);
        }
        v_store_n(sums + j, one, n);
        v_store_n(sums + cols + j, two, n);
    }
}

/* sums[j] = sum of g', sums[cols + j] = sum of g' (x - mean) over one block of rows; g' is g where a ReLU passed */
void KERNEL(norm_slopes)(const void *xs, const void *gs, const void *coef, void *sums, size_t rows, size_t cols,
                         int relu) {
    const real *x = xs, *g = gs;
    memset(sums, 0, 2 * cols * sizeof(real));
#define DO(count) slopes_rows(x + r * cols, g + r * cols, coef, sums, cols, relu, count)
    ALL_ROWS(DO);
#undef DO
}

/* --- with something added before the ReLU, which therefore cannot be told from x alone: where it passed is kept, a bit
 * for each element, 16 columns to a word ------------------------------------------------------------------------------
 */
#define WORD 16

VEC unsigned bits_of(vmask m) {
#if defined(__AVX512F__)
    return (unsigned)m;
#elif defined(VEC_X86)
    return (unsigned)X(movemask)((vec)m);
#else
    unsigned bits = 0;
    for (size_t i = 0; i < VLEN; i++)
        bits |= (unsigned)(m[i] & 1) << i;
    return bits;
#endif
}

/* the lanes whose bits are set; higher bits are ignored */
VEC vmask lanes_of(unsigned bits) {
#if defined(__AVX512F__)
    return (vmask)bits;
#else
    ivec lane;
    for (size_t i = 0; i < VLEN; i++)
        lane[i] = (real_bits)1 << i;
    return (v_iset((real_bits)bits) & lane) != v_iset(0);
#endif
}

VEC void add_rows(const real *x, const real *added, const real *coef, real *y, uint16_t *kept, size_t cols, int relu,
                  size_t count) {
    const size_t words = (cols + WORD - 1) / WORD;
    for (size_t j = 0; j < cols; j += WORD) {
        unsigned bits[ROWS] = {0};
        for (size_t i = j; i < cols && i < j + WORD; i += VLEN) {
            const size_t n = cols - i;
            affine a = affine_at(coef, cols, i, n);
            EACH(k) {
                vec z = (at(x, k * cols + i, n) - a.mean) * a.scale + a.offset + at(added, k * cols + i, n);
                bits[k] |= bits_of(v_gt(z, v_set(0))) << (i - j);
                v_store_n(y + k * cols + i, relu ? positive(z) : z, n);
            }
        }
        if (kept)
            EACH(k) kept[k * words + j / WORD] = (uint16_t)bits[k];
    }
}

/* y = (x - mean) scale + offset + added, or with relu the larger of that and 0; kept (rows, words): where it is above
 * 0, NULL if not wanted; y may be x or added */
void KERNEL(norm_add_forward)(const void *xs, const void *added, const void *coef, void *ys, uint16_t *kept,
                              size_t rows, size_t cols, int relu) {
    const size_t words = (cols + WORD - 1) / WORD;
#define DO(count)                                                                                                      \
    add_rows((const real *)xs + r * cols, (const real *)added + r * cols, coef, (real *)ys + r * cols,                 \
             kept ? kept + r * words : NULL, cols, relu, count)
    ALL_ROWS(DO);
#undef DO
}

VEC void add_slopes_rows(const real *x, const real *g, const uint16_t *kept, const real *coef, real *sums, real *dadded,
                         size_t cols, size_t count) {
    const size_t words = (cols + WORD - 1) / WORD;
    for (size_t i = 0; i < cols; i += VLEN) {
        const size_t n = cols - i;
        const vec mean = at(coef, i, n);
        vec one = at(sums, i, n), two = at(sums, cols + i, n);
        EACH(k) {
            vmask passed = lanes_of((unsigned)kept[k * words + i / WORD] >> i % WORD);
            vec slope = v_select(passed, at(g, k * cols + i, n), v_set(0));
            v_store_n(dadded + k * cols + i, slope, n);
            one += slope;
            two += slope * (at(x, k * cols + i, n) - mean);
        }
        v_store_n(sums + i, one, n);
        v_store_n(sums + cols + i, two, n);
    }
}

/* dadded = g' = g where kept, else 0; sums as in norm_slopes; dadded may be g */
void KERNEL(norm_add_slopes)(const void *xs, const void *gs, const uint16_t *kept, const void *coef, void *sums,
                             void *dadded, size_t rows, size_t cols) {
    const real *x = xs, *g = gs;
    const size_t words = (cols + WORD - 1) / WORD;
    memset(sums, 0, 2 * cols * sizeof(real));
#define DO(count)                                                                                                      \
    add_slopes_rows(x + r * cols, g + r * cols, kept + r * words, coef, sums, (real *)dadded + r * cols, cols, count)
    ALL_ROWS(DO);
#undef DO
}

/* total[j] = sum of sums[i, j] over i, in double and in order; the rows of sums stand `gap` apart */
void KERNEL(norm_fold)(const void *sums, double *total, size_t rows, size_t cols, size_t gap) {
    const real *s = sums;
    for (size_t j = 0; j < cols; j++)
        total[j] = 0;
    for (size_t r = 0; r < rows; r++, s += gap)
        for (size_t j = 0; j < cols; j++)
            total[j] += (double)s[j];
}

/* From the slopes' sums over `rows` rows the pull (c, gap apart): dx = scale g' + pull[0] (x - mean) + pull[1], where a
 * group of columns has pull[0] = -rstd^2 / n sum scale g' (x - its exact mean), pull[1] = -sum scale g' / n less what
 * pull[0] takes of the mean's rest. total becomes dbeta and dgamma. Both pulls are 0 where the statistics are `frozen`.
 */
void KERNEL(norm_pulls)(const void *coef, const double *stat, double *total, void *pulls, size_t gap, size_t stat_gap,
                        size_t rows, size_t cols, size_t group, int frozen) {
    const real *mean = coef, *scale = mean + gap;
    real *pull = pulls;
    const double n = (double)rows * (double)group;
    for (size_t j = 0; j < cols; j += group) {
        double rstd = stat[2 * stat_gap + j / group], rest = stat[j / group] - (double)mean[j], one = 0, two = 0;
        for (size_t i = j; i < j + group; i++) {
            double centred = total[gap + i] - rest * total[i];
            one += (double)scale[i] * total[i];
            two += (double)scale[i] * centred;
            total[gap + i] = rstd * centred;
        }
        double first = frozen ? 0 : -rstd * rstd * two / n, second = frozen ? 0 : -one / n - first * rest;
        for (size_t i = j; i < j + group; i++)
            pull[i] = (real)first, pull[gap + i] = (real)second;
    }
}

VEC void backward_rows(const real *x, const real *g, const real *coef, const real *pulls, real *dx, size_t cols,
                       int relu, size_t count) {
    for (size_t j = 0; j < cols; j += VLEN) {
        size_t n = cols - j;
        affine a = affine_at(coef, cols, j, n);
        vec first = at(pulls, j, n), second = at(pulls, cols + j, n);
        EACH(k) {
            vec value = at(x, k * cols + j, n), slope = through(at(g, k * cols + j, n), a, value, relu);
            v_store_n(dx + k * cols + j, a.scale * slope + (first * (value - a.mean) + second), n);
        }
    }
}

/* dx = scale g' + pull[0] (x - mean) + pull[1]; dx may be g */
void KERNEL(norm_backward)(const void *xs, const void *gs, const void *coef, const void *pulls, void *dx, size_t rows,
                           size_t cols, int relu) {
    const real *x = xs, *g = gs;
#define DO(count) backward_rows(x + r * cols, g + r * cols, coef, pulls, (real *)dx + r * cols, cols, relu, count)
    ALL_ROWS(DO);
#undef DO
}
