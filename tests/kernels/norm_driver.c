/* uses: norm.c norm_rows.c
 *
 * Batch, group, layer and RMS normalisation against their formulas in a wider type: sizes around every vector and block
 * edge, a mean far above the deviation, guard pages around every array.
 */
#include "driver.h"
#define KERNEL_ROW(name, args) void KERNEL(name) args;
#include "kernels.def"

#define MANY (GUARDED_BYTES / sizeof(real))
#define BLOCK 5 /* rows of a block here: many blocks from few rows */
static char *page[8];
static wide slope[MANY], hat[MANY]; /* g', and (x - mean) rstd */

static void near(real got, wide want, double tolerance, const char *what) {
    check(WIDE(fabs)((wide)got - want) <= (wide)(tolerance * EPSILON), what);
}

static void fill(real *x, size_t n, double low, double high) {
    for (size_t i = 0; i < n; i++)
        x[i] = (real)uniform(low, high);
}

/* mean and variance of every group of columns by the kernels, the columns in two parts */
static void statistics(const real *x, double *stat, size_t rows, size_t cols, size_t group) {
    static double total[2 * MANY];
    size_t blocks = (rows + BLOCK - 1) / BLOCK, part = (cols / group + 1) / 2 * group;
    real *sums = malloc(blocks * 2 * cols * sizeof(real));
    for (size_t r = 0, b = 0; r < rows; r += BLOCK, b++)
        KERNEL(norm_moments)(x + r * cols, sums + b * 2 * cols, rows - r < BLOCK ? rows - r : BLOCK, cols);
    for (size_t j = 0; j < cols; j += part) {
        size_t n = cols - j < part ? cols - j : part;
        KERNEL(norm_fold_moments)(x + j, sums + j, total + j, cols, rows, n, BLOCK);
        KERNEL(norm_statistics)(x + j, total + j, stat + j / group, cols, cols / group, rows, n, group);
    }
    free(sums);
}

/* the same in the wider type for the columns from j on; sets hat and gives rstd */
static wide expected(const real *x, const double *stat, size_t groups, size_t rows, size_t cols, size_t group,
                     size_t k) {
    wide mean = 0, variance = 0, n = (wide)(rows * group);
    for (size_t i = 0; i < rows * group; i++)
        mean += x[i / group * cols + k * group + i % group] / n;
    for (size_t i = 0; i < rows * group; i++) {
        wide d = x[i / group * cols + k * group + i % group] - mean;
        variance += d * d / n;
    }
    near((real)(stat[k] - (double)mean), 0, PICK(8, 8 + 8 * fabs((double)mean)), "mean");
    near((real)(stat[groups + k] - (double)variance), 0, 64 * (1 + (double)variance), "variance");
    wide rstd = 1 / WIDE(sqrt)(variance + (wide)1e-3);
    for (size_t i = 0; i < rows * group; i++) {
        size_t at = i / group * cols + k * group + i % group;
        hat[at] = (x[at] - mean) * rstd;
    }
    return rstd;
}

static void columns(size_t rows, size_t cols, size_t group, double mean, int end, int relu, int frozen) {
    static double stat[3 * MANY], total[2 * MANY];
    size_t n = rows * cols, groups = cols / group;
    real *x = placed(page[0], n, end), *y = placed(page[1], n, end), *g = placed(page[2], n, end);
    real *gamma = placed(page[3], cols, end), *beta = placed(page[4], cols, end),
         *coef = placed(page[5], 3 * cols, end);
    real *pulls = placed(page[6], 2 * cols, end), *sums = placed(page[7], 2 * cols, end);
    fill(x, n, mean - 2, mean + 2), fill(g, n, -1, 1), fill(gamma, cols, 0.5, 2), fill(beta, cols, -1, 1);
    statistics(x, stat, rows, cols, group);
    KERNEL(norm_coefficients)(stat, gamma, beta, coef, cols, groups, cols, group, 1e-3);
    KERNEL(norm_forward)(x, coef, y, rows, cols, relu);
    for (size_t i = 0; i < n; i++)
        slope[i] = relu && y[i] <= 0 ? 0 : g[i];
    KERNEL(norm_slopes)(x, g, coef, sums, rows, cols, relu);
    KERNEL(norm_fold)(sums, total, 1, 2 * cols, 2 * cols);
    KERNEL(norm_pulls)(coef, stat, total, pulls, cols, groups, rows, cols, group, frozen);
    KERNEL(norm_backward)(x, g, coef, pulls, g, rows, cols, relu); /* dx over g */
    for (size_t k = 0; k < groups; k++) {
        wide rstd = expected(x, stat, groups, rows, cols, group, k), one = 0, two = 0, count = (wide)(rows * group);
        double scale = 64 * (1 + (double)rstd) * PICK(1, 1 + mean); /* in f64 the mean itself is rounded to a double */
        for (size_t j = k * group; j < (k + 1) * group; j++) {
            wide dbeta = 0, dgamma = 0;
            for (size_t at = j; at < n; at += cols) {
                wide z = hat[at] * gamma[j] + beta[j];
                near(y[at], relu && z < 0 ? 0 : z, scale, "norm_forward");
                dbeta += slope[at], dgamma += slope[at] * hat[at];
            }
            near((real)total[j], dbeta, 16 * (double)rows, "beta's gradient");
            near((real)total[cols + j], dgamma, scale * (double)rows, "gamma's gradient");
            one += gamma[j] * dbeta / count, two += gamma[j] * dgamma / count;
        }
        for (size_t j = k * group; j < (k + 1) * group; j++)
            for (size_t at = j; at < n; at += cols)
                near(g[at], rstd * (gamma[j] * slope[at] - (frozen ? 0 : one + hat[at] * two)),
                     scale * (1 + (double)rstd), "norm_backward");
    }
}

/* y = norm(x) + added and g' from coefficients that are given; over the arguments where that is allowed */
static void added(size_t rows, size_t cols, int end, int relu) {
    const size_t n = rows * cols, words = (cols + 15) / 16;
    real *x = placed(page[0], n, end), *past = placed(page[1], n, end), *y = placed(page[2], n, end);
    real *coef = placed(page[3], 3 * cols, end), *g = placed(page[4], n, end), *sums = placed(page[5], 2 * cols, end);
    real *dadded = placed(page[6], n, end);
    uint16_t *kept = (uint16_t *)(page[7] + (end ? GUARDED_BYTES - rows * words * sizeof *kept : 0));
    fill(x, n, -2, 2), fill(past, n, -1, 1), fill(g, n, -1, 1), fill(coef, 3 * cols, -1, 1);
    x[n / 2] = (real)NAN;
    KERNEL(norm_add_forward)(x, past, coef, y, NULL, rows, cols, relu);
    KERNEL(norm_add_forward)(x, past, coef, past, kept, rows, cols, relu);
    check(memcmp(y, past, n * sizeof(real)) == 0, "norm_add_forward without bits");
    x[n / 2] = 0;
    KERNEL(norm_add_slopes)(x, g, kept, coef, sums, dadded, rows, cols);
    for (size_t j = 0; j < cols; j++) {
        wide one = 0, two = 0;
        for (size_t i = j; i < n; i += cols) {
            const int passed = kept[i / cols * words + j / 16] >> j % 16 & 1;
            if (relu)
                check(i == n / 2 ? isnan(y[i]) && !passed : y[i] >= 0 && passed == (y[i] > 0), "what the ReLU kept");
            check(dadded[i] == (passed ? g[i] : 0), "the gradient of what was added");
            one += dadded[i], two += (wide)dadded[i] * (x[i] - (wide)coef[j]);
        }
        near(sums[j], one, 4 * (double)rows, "norm_add_slopes, sums");
        near(sums[cols + j], two, 16 * (double)rows, "norm_add_slopes, products");
    }
    KERNEL(norm_add_slopes)(x, g, kept, coef, sums, g, rows, cols);
    check(memcmp(g, dadded, n * sizeof(real)) == 0, "g' over g");
    fill(past, n, -1, 1);
    KERNEL(norm_add_forward)(x, past, coef, y, kept, rows, cols, relu);
    for (size_t i = 0; i < n; i++) {
        const size_t j = i % cols;
        wide z = ((wide)x[i] - coef[j]) * coef[cols + j] + coef[2 * cols + j] + past[i];
        near(y[i], relu && z < 0 ? 0 : z, 8, "norm_add_forward");
    }
}

static void rows_of(size_t rows, size_t n, double mean, int end, int centred, int affine) {
    real *x = placed(page[0], rows * n, end), *y = placed(page[1], rows * n, end), *g = placed(page[2], rows * n, end);
    real *gamma = affine ? placed(page[3], n, end) : NULL, *beta = affine && centred ? placed(page[4], n, end) : NULL;
    real *stat = placed(page[5], 2 * rows, end), *dgamma = placed(page[6], n, end), *dbeta = placed(page[7], n, end);
    static wide sum[MANY], dot[MANY];
    fill(x, rows * n, mean - 2, mean + 2), fill(g, rows * n, -1, 1);
    if (affine)
        fill(gamma, n, 0.5, 2);
    if (beta)
        fill(beta, n, -1, 1);
    for (size_t i = 0; i < rows * n; i++)
        slope[i] = g[i];
    KERNEL(norm_rows_forward)(x, gamma, beta, y, stat, rows, n, 1e-3, centred);
    KERNEL(norm_rows_backward)(x, g, gamma, stat, NULL, NULL, NULL, rows, n, centred);
    KERNEL(norm_rows_backward)(x, g, gamma, stat, g, dgamma, dbeta, rows, n, centred);
    memset(sum, 0, n * sizeof(wide)), memset(dot, 0, n * sizeof(wide));
    for (size_t r = 0; r < rows; r++) {
        const size_t top = r * n;
        wide m = 0, v = 0, one = 0, two = 0;
        for (size_t i = 0; i < n && centred; i++)
            m += x[top + i] / (wide)n;
        for (size_t i = 0; i < n; i++)
            v += (x[top + i] - m) * (x[top + i] - m) / (wide)n;
        wide rstd = 1 / WIDE(sqrt)(v + (wide)1e-3);
        double scale = 64 * (1 + (double)rstd);
        for (size_t i = 0; i < n; i++) {
            wide h = (x[top + i] - m) * rstd, inner = slope[top + i] * (affine ? gamma[i] : 1);
            near(y[top + i], h * (affine ? gamma[i] : 1) + (beta ? beta[i] : 0), scale, "norm_rows_forward");
            one += centred ? inner / (wide)n : 0, two += inner * h / (wide)n;
            sum[i] += slope[top + i], dot[i] += slope[top + i] * h;
        }
        for (size_t i = 0; i < n; i++) {
            wide h = (x[top + i] - m) * rstd, inner = slope[top + i] * (affine ? gamma[i] : 1);
            near(g[top + i], rstd * (inner - one - h * two), scale * (1 + (double)rstd), "norm_rows_backward");
        }
    }
    for (size_t i = 0; i < n; i++)
        near(dbeta[i], sum[i], 16 * (double)rows, "beta's gradient"),
            near(dgamma[i], dot[i], 2000 * (double)rows, "gamma's gradient");
}

int main(void) {
    for (int i = 0; i < 8; i++)
        page[i] = guarded();
    const size_t widths[] = {1, 2, 3, VLEN - 1, VLEN, VLEN + 1, 4 * VLEN - 1, 4 * VLEN + 1};
    for (size_t k = 0; k < sizeof widths / sizeof *widths; k++)
        for (int end = 0; end < 2; end++)
            for (size_t rows = 1; rows <= 12; rows += rows < 6 ? 1 : 3) {
                size_t n = widths[k];
                if (n) {
                    added(rows, n, end, 1), added(rows, n, end, 0);
                    columns(rows, n, 1, 0, end, 0, 0), columns(rows, n, n, 1e4, end, 1, 0),
                        columns(rows, n, 1, 1e4, end, 1, 1);
                    rows_of(rows, n, 0, end, 1, 1), rows_of(rows, n, 1e4, end, 1, 0), rows_of(rows, n, 0, end, 0, 1);
                }
            }
    added(9, 37, 0, 1), added(9, 48, 1, 1), added(9, 50, 1, 1);
    columns(30, 6 * VLEN, 2 * VLEN, 1e4, 1, 1, 0), rows_of(3, 65 * VLEN + 3, 1e4, 1, 1, 1),
        rows_of(2, 65 * VLEN + 3, 0, 1, 0, 0);
    return failures != 0;
}
