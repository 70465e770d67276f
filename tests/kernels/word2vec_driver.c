/* uses: word2vec.c
 *
 * Steps of Word2Vec for every number of rows up to those that a step takes: against the formula, the same row more than
 * once, gradients apart from the rows, and nothing beyond the bound or outside the arrays.
 */
#include "driver.h"

#define KERNEL_ROW(name, args) void KERNEL(name) args;
#include "kernels.def"
#undef KERNEL_ROW

enum { MOST = 9, WIDEST = 48 };

static void fill(real *x, size_t n, double size) {
    for (size_t i = 0; i < n; i++)
        x[i] = (real)uniform(-size, size);
}

static wide inner(const wide *x, const wide *y, size_t n) {
    wide sum = 0;
    for (size_t d = 0; d < n; d++)
        sum += x[d] * y[d];
    return sum;
}

static void steps(size_t m, size_t n, size_t width, int apart, int at_end, char *first, char *second, char *third) {
    real *in = placed(first, m * width, at_end), *out = placed(second, n * width, at_end);
    real *pull = placed(third, m * width, at_end), target[MOST * MOST];
    static wide x[MOST][WIDEST], y[MOST][WIDEST], dx[MOST][WIDEST], dy[MOST][WIDEST];
    const void *from[CDL_PAIRS_M];
    void *to[CDL_PAIRS_M], *rows[CDL_PAIRS_N];
    fill(in, m * width, 1), fill(out, n * width, 1), fill(pull, m * width, 1), fill(target, m * n, 1);
    for (size_t i = 0; i < m; i++) {
        size_t row = m > 3 && i == 2 ? 0 : i; /* the same row once more */
        from[i] = in + row * width, to[i] = (apart ? pull : in) + row * width;
        for (size_t d = 0; d < width; d++)
            x[i][d] = in[row * width + d], dx[i][d] = 0;
    }
    for (size_t j = 0; j < n; j++) {
        size_t row = n > 4 && j == 3 ? 1 : j;
        rows[j] = out + row * width;
        for (size_t d = 0; d < width; d++)
            y[j][d] = out[row * width + d], dy[j][d] = 0;
    }
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++) {
            wide sum = inner(x[i], y[j], width);
            wide g = (wide)0.25 * (target[i * n + j] - 1 / (1 + WIDE(exp)(-sum)));
            for (size_t d = 0; d < width; d++)
                dx[i][d] += g * y[j][d], dy[j][d] += g * x[i][d];
        }
    wide *start = calloc((m + n) * width, sizeof(wide)), *wanted_out = start + m * width;
    for (size_t i = 0; i < m * width; i++)
        start[i] = (apart ? pull : in)[i];
    for (size_t i = 0; i < n * width; i++)
        wanted_out[i] = out[i];
    for (size_t d = 0; d < width; d++) {
        for (size_t i = 0; i < m; i++)
            start[(m > 3 && i == 2 ? 0 : i) * width + d] += dx[i][d];
        for (size_t j = 0; j < n; j++)
            wanted_out[(n > 4 && j == 3 ? 1 : j) * width + d] += dy[j][d];
    }
    KERNEL(pairs_step)(from, to, m, rows, n, target, n, width, 0.25);
    int good = 1;
    for (size_t i = 0; i < m * width; i++)
        good &= WIDE(fabs)(start[i] - (apart ? pull : in)[i]) < 200 * EPSILON;
    for (size_t i = 0; i < n * width; i++)
        good &= WIDE(fabs)(wanted_out[i] - out[i]) < 200 * EPSILON;
    check(good, "pairs_step: the formula");
    free(start);
}

static void sums(size_t n, size_t width, int at_end, char *first, char *second) {
    real *table = placed(first, 4 * width, at_end), *x = placed(second, width, at_end), before[4 * WIDEST];
    void *rows[2 * MOST] = {0};
    size_t times[4] = {0};
    fill(table, 4 * width, 1);
    for (size_t i = 0; i < n; i++) {
        size_t row = below(4);
        rows[i] = table + row * width, times[row]++;
    }
    KERNEL(rows_sum)((const void *const *)rows, n, 0.5, x, width);
    int good = 1;
    for (size_t d = 0; d < width; d++) {
        wide sum = 0;
        for (size_t r = 0; r < 4; r++)
            sum += (wide)times[r] * table[r * width + d];
        good &= WIDE(fabs)(sum / 2 - x[d]) < 50 * EPSILON;
    }
    check(good, "rows_sum");
    memcpy(before, table, 4 * width * sizeof(real));
    KERNEL(rows_add)(x, 0.25, rows, n, width);
    for (size_t r = 0; r < 4; r++)
        for (size_t d = 0; d < width; d++)
            good &=
                WIDE(fabs)(before[r * width + d] + (wide)times[r] * x[d] / 4 - table[r * width + d]) < 100 * EPSILON;
    check(good, "rows_add");
}

/* Whatever the rate and however wrong the rows, all stays finite. */
static void bounded(char *first, char *second) {
    real *in = placed(first, 16, 1), *out = placed(second, 16, 1), target = 0;
    const void *from[CDL_PAIRS_M];
    void *to[CDL_PAIRS_M], *rows[CDL_PAIRS_N];
    real targets[CDL_PAIRS_M * CDL_PAIRS_N] = {target};
    fill(in, 16, 1), fill(out, 16, 1);
    for (size_t i = 0; i < CDL_PAIRS_M; i++)
        from[i] = to[i] = in;
    for (size_t j = 0; j < CDL_PAIRS_N; j++)
        rows[j] = out;
    for (int t = 0; t < 100; t++)
        KERNEL(pairs_step)(from, to, CDL_PAIRS_M, rows, CDL_PAIRS_N, targets, CDL_PAIRS_N, 16, 1e6);
    int good = 1;
    for (size_t d = 0; d < 16; d++)
        good &= fabs((double)in[d]) <= 128 && fabs((double)out[d]) <= 128;
    check(good, "pairs_step: within the bound");
}

int main(void) {
    char *first = guarded(), *second = guarded(), *third = guarded();
    for (int at_end = 0; at_end < 2; at_end++)
        for (size_t width = 16; width <= WIDEST; width += 16) {
            for (size_t m = 1; m <= MOST; m++)
                for (size_t n = 1; n <= MOST; n++)
                    for (int apart = 0; apart < 2; apart++)
                        steps(m, n, width, apart, at_end, first, second, third);
            for (size_t n = 0; n <= 2 * MOST; n++)
                sums(n, width, at_end, first, second);
        }
    bounded(first, second);
    return failures != 0;
}
