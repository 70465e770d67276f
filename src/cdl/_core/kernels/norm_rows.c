/* Layer and RMS normalisation: x (rows, n) dense, statistics of each row.
 *
 * Layer: y = gamma (x - mean) rstd + beta. The sums are shifted by the row's first element x0, since the mean may be
 * far larger than the deviation: stat[r] = (mean - x0, rstd), and x - mean is (x - x0) - stat[r][0]. RMS: the same
 * without shift, mean and beta. gamma and beta (n) may be NULL.
 */
#include "vecmath.h"

#define ROWS 4 /* rows taken together: their sums across lanes overlap, and gamma's gradient is fetched once */
#define PART (64 * VLEN) /* elements whose terms go to one running sum before it joins the row's */
#define EACH(k) for (size_t k = 0; k < count; k++)

/* what of x0 and the rest of the mean is left where nothing is centred: nothing */
VEC vec centre(vec x, real first, real mean, int centred) {
    return centred ? (x - first) - mean : x;
}

/* mean[k] - first[k] of `count` rows */
VEC void row_means(const real *x, const real *first, real *mean, size_t n, size_t count) {
    vec total[ROWS] = {0};
    for (size_t top = 0; top < n; top += PART) {
        size_t end = n - top < PART ? n : top + PART;
        vec part[ROWS] = {0};
        for (size_t i = top; i < end; i += VLEN)
            EACH(k) part[k] += v_keep_n(v_load_n(x + k * n + i, n - i) - first[k], n - i, 0);
        EACH(k) total[k] += part[k];
    }
    EACH(k) mean[k] = v_sum(total[k]) / (real)n;
}

/* 1 / sqrt(mean of the squares + eps) of `count` rows */
VEC void row_rstds(const real *x, const real *first, const real *mean, real *rstd, size_t n, real eps, int centred,
                   size_t count) {
    vec total[ROWS] = {0};
    for (size_t top = 0; top < n; top += PART) {
        size_t end = n - top < PART ? n : top + PART;
        vec part[ROWS] = {0};
        for (size_t i = top; i < end; i += VLEN)
            EACH(k) {
                vec d = v_keep_n(centre(v_load_n(x + k * n + i, n - i), first[k], mean[k], centred), n - i, 0);
                part[k] += d * d;
            }
        EACH(k) total[k] += part[k];
    }
    EACH(k) rstd[k] = 1 / LIBM(sqrt)(v_sum(total[k]) / (real)n + eps);
}

VEC void forward_rows(const real *x, const real *gamma, const real *beta, real *y, real *stat, size_t n, real eps,
                      int centred, size_t count) {
    real first[ROWS] = {0}, mean[ROWS] = {0}, rstd[ROWS];
    if (centred) {
        EACH(k) first[k] = x[k * n];
        row_means(x, first, mean, n, count);
    }
    row_rstds(x, first, mean, rstd, n, eps, centred, count);
    EACH(k) stat[2 * k] = mean[k], stat[2 * k + 1] = rstd[k];
    for (size_t i = 0; i < n; i += VLEN) {
        vec slope = gamma ? v_load_n(gamma + i, n - i) : v_set(1), base = beta ? v_load_n(beta + i, n - i) : v_set(0);
        EACH(k) {
            vec hat = centre(v_load_n(x + k * n + i, n - i), first[k], mean[k], centred) * rstd[k];
            v_store_n(y + k * n + i, hat * slope + base, n - i);
        }
    }
}

/* y and stat (rows, 2) from x; n > 0 */
void KERNEL(norm_rows_forward)(const void *xs, const void *gamma, const void *beta, void *ys, void *stats, size_t rows,
                               size_t n, double eps, int centred) {
    size_t r = 0;
#define DO(count)                                                                                                      \
    if (centred)                                                                                                       \
        forward_rows((const real *)xs + r * n, gamma, beta, (real *)ys + r * n, (real *)stats + 2 * r, n, (real)eps,   \
                     1, count);                                                                                        \
    else                                                                                                               \
        forward_rows((const real *)xs + r * n, gamma, beta, (real *)ys + r * n, (real *)stats + 2 * r, n, (real)eps,   \
                     0, count)
    for (; r + ROWS <= rows; r += ROWS)
        DO(ROWS);
    for (; r < rows; r++)
        DO(1);
#undef DO
}

/* of `count` rows, with h = (x - mean) rstd: one = mean of gamma g, two = mean of gamma g h; dgamma += g h, dbeta += g
 */
VEC void row_slopes(const real *x, const real *g, const real *gamma, const real *first, const real *stat, real *one,
                    real *two, real *dgamma, real *dbeta, size_t n, int centred, size_t count) {
    vec sum[ROWS] = {0}, dot[ROWS] = {0};
    for (size_t top = 0; top < n; top += PART) {
        size_t end = n - top < PART ? n : top + PART;
        vec part_sum[ROWS] = {0}, part_dot[ROWS] = {0};
        for (size_t i = top; i < end; i += VLEN) {
            vec scale = gamma ? v_load_n(gamma + i, n - i) : v_set(1), gh = v_set(0), gs = v_set(0);
            EACH(k) {
                vec slope = v_load_n(g + k * n + i, n - i); /* 0 beyond the end, and so is all that follows from it */
                vec hat = centre(v_load_n(x + k * n + i, n - i), first[k], stat[2 * k], centred) * stat[2 * k + 1];
                vec term = slope * hat;
                gh += term, gs += slope;
                part_sum[k] += slope * scale;
                part_dot[k] += v_keep_n(term * scale, n - i, 0);
            }
            if (dgamma)
                v_store_n(dgamma + i, v_load_n(dgamma + i, n - i) + gh, n - i);
            if (dbeta)
                v_store_n(dbeta + i, v_load_n(dbeta + i, n - i) + gs, n - i);
        }
        EACH(k) sum[k] += part_sum[k], dot[k] += part_dot[k];
    }
    EACH(k) one[k] = centred ? v_sum(sum[k]) / (real)n : 0, two[k] = v_sum(dot[k]) / (real)n;
}

VEC void backward_rows(const real *x, const real *g, const real *gamma, const real *stat, real *dx, real *dgamma,
                       real *dbeta, size_t n, int centred, size_t count) {
    real first[ROWS] = {0}, one[ROWS], two[ROWS];
    if (centred)
        EACH(k) first[k] = x[k * n];
    row_slopes(x, g, gamma, first, stat, one, two, dgamma, dbeta, n, centred, count);
    if (!dx)
        return;
    for (size_t i = 0; i < n; i += VLEN) {
        vec scale = gamma ? v_load_n(gamma + i, n - i) : v_set(1);
        EACH(k) {
            real rstd = stat[2 * k + 1];
            vec hat = centre(v_load_n(x + k * n + i, n - i), first[k], stat[2 * k], centred) * rstd;
            vec slope = v_load_n(g + k * n + i, n - i) * scale;
            v_store_n(dx + k * n + i, rstd * (slope - (one[k] + hat * two[k])), n - i);
        }
    }
}

/* dx = rstd (gamma g - mean of gamma g - h mean of gamma g h), h = (x - mean) rstd; RMS without the first mean. dgamma
 * and dbeta (n) are set to the sums over these rows of g h and g. dx may be g; any of the three may be NULL. n > 0 */
void KERNEL(norm_rows_backward)(const void *xs, const void *gs, const void *gamma, const void *stats, void *dx,
                                void *dgamma, void *dbeta, size_t rows, size_t n, int centred) {
    size_t r = 0;
    if (dgamma)
        memset(dgamma, 0, n * sizeof(real));
    if (dbeta)
        memset(dbeta, 0, n * sizeof(real));
#define DO(count, constant)                                                                                            \
    backward_rows((const real *)xs + r * n, (const real *)gs + r * n, gamma, (const real *)stats + 2 * r,              \
                  dx ? (real *)dx + r * n : NULL, dgamma, dbeta, n, constant, count)
    for (; r + ROWS <= rows; r += ROWS)
        if (centred)
            DO(ROWS, 1);
        else
            DO(ROWS, 0);
    for (; r < rows; r++)
        if (centred)
            DO(1, 1);
        else
            DO(1, 0);
#undef DO
}
