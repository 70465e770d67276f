/* uses: reduce.c softmax.c
 *
 * Reductions and softmax against sums in a wider type, for sizes around every block edge; guard pages; NaN and
 * infinities.
 */
#include "driver.h"
#define KERNEL_ROW(name, args) void KERNEL(name) args;
#include "kernels.def"

#define MANY (GUARDED_BYTES / sizeof(real))
static char *page[3];
static double worst;

static void close_to(real got, wide want, wide size, const char *what) {
    double off = (double)(WIDE(fabs)(got - want) / (size > 0 ? size : 1) / (wide)EPSILON);
    if (off > worst)
        worst = off;
    check(off <= 4, what); /* in units of the size that the formula adds up */
}

static void reduce_rows(size_t rows, size_t n, int end) {
    real *x = placed(page[0], rows * n, end), *y = placed(page[1], rows, end), *shift = placed(page[2], rows, end);
    int64_t index[64];
    for (size_t i = 0; i < rows * n; i++)
        x[i] = (real)uniform(-1, 2);
    for (size_t r = 0; r < rows; r++)
        shift[r] = (real)uniform(0, 1);
    for (int kind = 0; kind < 5; kind++) {
        if (kind == 0)
            KERNEL(sum_rows)(x, y, rows, n);
        if (kind == 1)
            KERNEL(sum_square_rows)(x, shift, y, rows, n);
        if (kind == 2)
            KERNEL(max_rows)(x, y, rows, n), n ? KERNEL(arg_extreme_rows)(x, index, rows, n, 1) : (void)0;
        if (kind == 3)
            KERNEL(min_rows)(x, y, rows, n), n ? KERNEL(arg_extreme_rows)(x, index, rows, n, -1) : (void)0;
        if (kind == 4)
            KERNEL(sum_square_rows)(x, NULL, y, rows, n);
        for (size_t r = 0; r < rows; r++) {
            wide sum = 0, size = 0;
            size_t best = 0;
            for (size_t i = 0; i < n; i++) {
                wide d = x[r * n + i] - (kind == 1 ? (wide)shift[r] : 0), term = kind ? d * d : d;
                sum += term, size += WIDE(fabs)(term);
                if (kind == 2 ? x[r * n + i] > x[r * n + best] : x[r * n + i] < x[r * n + best])
                    best = i;
            }
            if (kind == 2 || kind == 3) {
                real want = n ? x[r * n + best] : kind == 2 ? -(real)INFINITY : (real)INFINITY;
                check(y[r] == want && (!n || (size_t)index[r] == best), "max, min, argmax, argmin rows");
            } else
                close_to(y[r], sum, size, "sum, sum_square rows");
        }
    }
    KERNEL(product_rows)(x, y, rows, n < 20 ? n : 20);
    for (size_t r = 0; r < rows; r++) {
        wide product = 1;
        for (size_t i = 0; i < (n < 20 ? n : 20); i++)
            product *= x[r * (n < 20 ? n : 20) + i];
        check(WIDE(fabs)(y[r] - product) <= 20 * (wide)EPSILON * WIDE(fabs)(product), "product rows");
    }
}

static void reduce_columns(size_t n, size_t width, int end) {
    size_t cols = width + 3;
    size_t size = n ? (n - 1) * cols + width : 0; /* the last row ends where the array ends */
    real *x = placed(page[0], size, end), *y = placed(page[1], width, end), *shift = placed(page[2], width, end);
    static int64_t index[2048];
    for (size_t i = 0; i < size; i++)
        x[i] = (real)uniform(-1, 2);
    for (size_t c = 0; c < width; c++)
        shift[c] = (real)uniform(0, 1);
    for (int kind = 0; kind < 5; kind++) {
        if (kind == 0)
            KERNEL(sum_columns)(x, y, n, width, cols);
        if (kind == 1)
            KERNEL(sum_square_columns)(x, shift, y, n, width, cols);
        if (kind == 2)
            KERNEL(max_columns)(x, y, n, width, cols), KERNEL(arg_extreme_columns)(x, index, n, width, cols, 1);
        if (kind == 3)
            KERNEL(min_columns)(x, y, n, width, cols), KERNEL(arg_extreme_columns)(x, index, n, width, cols, -1);
        if (kind == 4)
            KERNEL(product_columns)(x, y, n < 20 ? n : 20, width, cols);
        for (size_t c = 0; c < width; c++) {
            wide sum = 0, total = 0, product = 1;
            size_t best = 0;
            for (size_t i = 0; i < n; i++) {
                wide d = x[i * cols + c] - (kind == 1 ? (wide)shift[c] : 0), term = kind ? d * d : d;
                sum += term, total += WIDE(fabs)(term);
                if (i < 20)
                    product *= x[i * cols + c];
                if (kind == 2 ? x[i * cols + c] > x[best * cols + c] : x[i * cols + c] < x[best * cols + c])
                    best = i;
            }
            if (kind == 4)
                check(WIDE(fabs)(y[c] - product) <= 20 * (wide)EPSILON * WIDE(fabs)(product), "product columns");
            else if (kind >= 2)
                check(!n || (y[c] == x[best * cols + c] && (size_t)index[c] == best), "extreme columns");
            else
                close_to(y[c], sum, total, "sum, sum_square columns");
        }
    }
}

static void cumsum(size_t rows, size_t n) {
    real *x = placed(page[0], rows * n, 1), *y = placed(page[1], rows * n, 1);
    for (size_t i = 0; i < rows * n; i++)
        x[i] = (real)uniform(0, 1);
    for (int reverse = 0; reverse < 2; reverse++) {
        KERNEL(cumsum_rows)(x, y, rows, n, reverse);
        for (size_t r = 0; r < rows; r++) {
            wide sum = 0;
            for (size_t i = 0; i < n; i++) {
                size_t at = r * n + (reverse ? n - 1 - i : i);
                sum += x[at];
                check(WIDE(fabs)(y[at] - sum) <= sum * (wide)(PICK(1, 40) * EPSILON), "cumsum");
            }
        }
    }
}

static void softmax(size_t rows, size_t n, int end) {
    real *x = placed(page[0], rows * n, end), *y = placed(page[1], rows * n, end), *g = placed(page[2], rows * n, end);
    static real loss[64], lse[64], dx[MANY];
    int64_t labels[64];
    wide total[64];
    for (size_t i = 0; i < rows * n; i++)
        x[i] = (real)uniform(-20, 20), g[i] = (real)uniform(-1, 1);
    for (size_t r = 0; r < rows; r++) {
        total[r] = 0, labels[r] = (int64_t)uniform(0, (double)n);
        for (size_t i = 0; i < n; i++)
            total[r] += WIDE(exp)(x[r * n + i]);
    }
#define EACH(r, i, at)                                                                                                 \
    for (size_t r = 0; r < rows; r++)                                                                                  \
        for (size_t i = 0, at = r * n; i < n; i++, at++)
#define NEAR(got, want, tolerance, what) check(WIDE(fabs)((got) - (want)) <= (wide)((tolerance) * EPSILON), what)
    KERNEL(softmax_forward)(x, y, rows, n);
    EACH(r, i, at) {
        wide want = WIDE(exp)(x[at]) / total[r];
        check(WIDE(fabs)(y[at] - want) <= (wide)(20 * EPSILON) * want, "softmax"); /* x - max < 40 rounds by 16 eps */
    }
    KERNEL(softmax_backward)(y, g, dx, rows, n);
    for (size_t r = 0; r < rows; r++) {
        wide dot = 0;
        for (size_t i = 0; i < n; i++)
            dot += (wide)g[r * n + i] * y[r * n + i];
        for (size_t i = 0; i < n; i++)
            NEAR(dx[r * n + i], y[r * n + i] * (g[r * n + i] - dot), 8, "softmax gradient");
    }
    KERNEL(log_softmax_forward)(x, y, rows, n);
    EACH(r, i, at) NEAR(y[at], x[at] - WIDE(log)(total[r]), 40, "log_softmax");
    KERNEL(log_softmax_backward)(y, g, dx, rows, n);
    for (size_t r = 0; r < rows; r++) {
        wide sum = 0;
        for (size_t i = 0; i < n; i++)
            sum += g[r * n + i];
        for (size_t i = 0; i < n; i++)
            NEAR(dx[r * n + i], g[r * n + i] - WIDE(exp)(y[r * n + i]) * sum, 8 + 16 * (double)WIDE(fabs)(sum),
                 "log_softmax gradient");
    }
    KERNEL(logsumexp_forward)(x, lse, rows, n);
    KERNEL(logsumexp_backward)(x, lse, g, dx, rows, n);
    EACH(r, i, at) {
        NEAR(lse[r], WIDE(log)(total[r]), 40, "logsumexp");
        NEAR(dx[at], g[r] * WIDE(exp)(x[at]) / total[r], 40, "logsumexp gradient");
    }
    KERNEL(cross_entropy_forward)(x, labels, loss, lse, rows, n);
    for (size_t step = 0; step < 2; step++) {
        KERNEL(cross_entropy_backward)(x, labels, lse, g, step, dx, rows, n);
        EACH(r, i, at) {
            wide p = WIDE(exp)(x[at]) / total[r], hot = (size_t)labels[r] == i;
            if (hot)
                NEAR(loss[r], WIDE(log)(total[r]) - x[at], 40, "cross_entropy");
            NEAR(dx[at], g[r * step] * (p - hot), 40, "cross_entropy gradient");
        }
    }
}

static void accuracy(void) {
    static real x[1 << 20];
    wide sum = 0, size = 0;
    real y;
    for (size_t i = 0; i < 1 << 20; i++)
        x[i] = (real)uniform(0, 1), sum += x[i], size += x[i];
    KERNEL(sum_rows)(x, &y, 1, 1 << 20);
    close_to(y, sum, size, "sum of 2^20 in a row");
    KERNEL(sum_columns)(x, &y, 1 << 20, 1, 1);
    close_to(y, sum, size, "sum of 2^20 in a column");
}

static void edges(void) {
    enum { COUNT = 3 * VLEN + 1 };
    real x[COUNT], y[COUNT], loss, lse;
    int64_t index;
    const real infinity = (real)INFINITY;
    for (size_t bad = 0; bad < COUNT; bad++) {
        for (size_t i = 0; i < COUNT; i++)
            x[i] = (real)i;
        x[bad] = (real)NAN;
        KERNEL(max_rows)(x, y, 1, COUNT), check(isnan(y[0]), "max keeps NaN");
        KERNEL(min_rows)(x, y, 1, COUNT), check(isnan(y[0]), "min keeps NaN");
        KERNEL(max_columns)(x, y, COUNT, 1, 1), check(isnan(y[0]), "max keeps NaN in columns");
        KERNEL(arg_extreme_rows)(x, &index, 1, COUNT, 1), check(index == (int64_t)bad, "argmax of NaN");
        KERNEL(arg_extreme_columns)(x, &index, COUNT, 1, 1, -1), check(index == (int64_t)bad, "argmin of NaN");
        KERNEL(softmax_forward)(x, y, 1, COUNT), check(isnan(y[0]) && isnan(y[COUNT - 1]), "softmax of NaN");
        x[bad] = infinity;
        KERNEL(sum_rows)(x, y, 1, COUNT), check(y[0] == infinity, "sum with inf");
        KERNEL(sum_columns)(x, y, COUNT, 1, 1), check(y[0] == infinity, "column sum with inf");
        KERNEL(logsumexp_forward)(x, y, 1, COUNT), check(y[0] == infinity, "logsumexp with inf");
    }
    static real long_row[8192 * 2];
    for (size_t i = 0; i < 16384; i++)
        long_row[i] = i == 9 ? infinity : 1;
    KERNEL(sum_rows)(long_row, y, 1, 16384), check(y[0] == infinity, "long sum with inf");
    for (size_t i = 0; i < COUNT; i++)
        x[i] = -infinity;
    KERNEL(softmax_forward)(x, y, 1, COUNT), check(isnan(y[0]), "softmax of -inf is NaN");
    KERNEL(logsumexp_forward)(x, y, 1, COUNT), check(y[0] == -infinity, "logsumexp of -inf");
    const real logits[] = {0, -1000};
    KERNEL(cross_entropy_forward)(logits, (const int64_t[]){1}, &loss, &lse, 1, 2);
    check(loss == 1000 && lse == 0, "cross-entropy at logit -1000 is 1000");
    const real sure[] = {40, 0};
    KERNEL(cross_entropy_forward)(sure, (const int64_t[]){0}, &loss, &lse, 1, 2);
    check(loss >= 0 && loss < R(1e-15), "cross-entropy of a sure answer");
}

int main(void) {
    for (int i = 0; i < 3; i++)
        page[i] = guarded();
    const size_t widths[] = {
        0, 1, 2, 3, VLEN - 1, VLEN, VLEN + 1, 4 * VLEN - 1, 4 * VLEN + 1, 16 * VLEN, 16 * VLEN + 1, 37 * VLEN + 3};
    for (size_t k = 0; k < sizeof widths / sizeof *widths; k++)
        for (int end = 0; end < 2; end++) {
            reduce_rows(3, widths[k], end);
            reduce_columns(13, widths[k], end), reduce_columns(0, widths[k], end);
            if (widths[k])
                softmax(3, widths[k], end);
        }
    reduce_rows(1, MANY, 0), reduce_rows(64, 5, 1);
    reduce_columns(64, 3, 0), reduce_columns(65, 3, 1), reduce_columns(777, 2, 1), reduce_columns(1, 9, 1);
    cumsum(3, 100), cumsum(2, 0), cumsum(1, 1);
    softmax(1, MANY / 2, 1), softmax(64, 10, 1);
    accuracy();
    edges();
    printf("largest error of a sum: %.2f eps of the sum of sizes\n", worst);
    return failures != 0;
}
