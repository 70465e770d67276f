/* uses: reduce.c
 *
 * Reductions and running sums against sums in a wider type, for sizes around every block edge; guard pages; NaN,
 * infinities.
 */
#include "driver.h"
#define KERNEL_ROW(name, args) void KERNEL(name) args;
#include "kernels.def"

#define MANY (GUARDED_BYTES / sizeof(real))
static char *page[3];
static double worst;
static real values[2048]; /* what arg_rows and arg_cols find, beside where */

static void rows_of(int op, const real *x, const real *shift, real *y, size_t rows, size_t n) {
    KERNEL(reduce_rows)(op, x, shift, y, rows, n, n, 1);
}
static void columns_of(int op, const real *x, const real *shift, real *y, size_t n, size_t width, size_t cols) {
    KERNEL(reduce_cols)(op, x, shift, y, n, width, cols, 1);
}

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
            rows_of(CDL_REDUCE_SUM, x, NULL, y, rows, n);
        if (kind == 1)
            rows_of(CDL_REDUCE_SQUARES, x, shift, y, rows, n);
        if (kind == 2)
            rows_of(CDL_REDUCE_MAX, x, NULL, y, rows, n),
                n ? KERNEL(arg_rows)(x, values, index, rows, n, n, 0, 1) : (void)0;
        if (kind == 3)
            rows_of(CDL_REDUCE_MIN, x, NULL, y, rows, n),
                n ? KERNEL(arg_rows)(x, values, index, rows, n, n, 0, 0) : (void)0;
        if (kind == 4)
            rows_of(CDL_REDUCE_SQUARES, x, NULL, y, rows, n);
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
    rows_of(CDL_REDUCE_PROD, x, NULL, y, rows, n < 20 ? n : 20);
    for (size_t r = 0; r < rows; r++) {
        wide product = 1;
        for (size_t i = 0; i < (n < 20 ? n : 20); i++)
            product *= x[r * (n < 20 ? n : 20) + i];
        check(WIDE(fabs)(y[r] - product) <= 20 * (wide)EPSILON * WIDE(fabs)(product), "product rows");
    }
}

static void dot_rows(size_t rows, size_t n, int end) {
    real *a = placed(page[0], rows * n, end), *b = placed(page[1], rows * n, end), *y = placed(page[2], rows, end);
    for (size_t i = 0; i < rows * n; i++)
        a[i] = (real)uniform(-1, 2), b[i] = (real)uniform(-1, 2);
    KERNEL(dot_rows)(a, b, y, rows, n, n);
    for (size_t r = 0; r < rows; r++) {
        wide sum = 0, size = 0;
        for (size_t i = r * n; i < (r + 1) * n; i++)
            sum += (wide)a[i] * b[i], size += WIDE(fabs)((wide)a[i] * b[i]);
        close_to(y[r], sum, size, "dot rows");
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
            columns_of(CDL_REDUCE_SUM, x, NULL, y, n, width, cols);
        if (kind == 1)
            columns_of(CDL_REDUCE_SQUARES, x, shift, y, n, width, cols);
        if (kind == 2)
            columns_of(CDL_REDUCE_MAX, x, NULL, y, n, width, cols),
                KERNEL(arg_cols)(x, values, index, n, width, cols, 0, 1);
        if (kind == 3)
            columns_of(CDL_REDUCE_MIN, x, NULL, y, n, width, cols),
                KERNEL(arg_cols)(x, values, index, n, width, cols, 0, 0);
        if (kind == 4)
            columns_of(CDL_REDUCE_PROD, x, NULL, y, n < 20 ? n : 20, width, cols);
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

static void accuracy(void) {
    static real x[1 << 20];
    wide sum = 0, size = 0;
    real y;
    for (size_t i = 0; i < 1 << 20; i++)
        x[i] = (real)uniform(0, 1), sum += x[i], size += x[i];
    rows_of(CDL_REDUCE_SUM, x, NULL, &y, 1, 1 << 20);
    close_to(y, sum, size, "sum of 2^20 in a row");
    columns_of(CDL_REDUCE_SUM, x, NULL, &y, 1 << 20, 1, 1);
    close_to(y, sum, size, "sum of 2^20 in a column");
}

static void edges(void) {
    enum { COUNT = 3 * VLEN + 1 };
    real x[COUNT], y[COUNT];
    int64_t index;
    const real infinity = (real)INFINITY;
    for (size_t bad = 0; bad < COUNT; bad++) {
        for (size_t i = 0; i < COUNT; i++)
            x[i] = (real)i;
        x[bad] = (real)NAN;
        rows_of(CDL_REDUCE_MAX, x, NULL, y, 1, COUNT), check(isnan(y[0]), "max keeps NaN");
        rows_of(CDL_REDUCE_MIN, x, NULL, y, 1, COUNT), check(isnan(y[0]), "min keeps NaN");
        columns_of(CDL_REDUCE_MAX, x, NULL, y, COUNT, 1, 1), check(isnan(y[0]), "max keeps NaN in columns");
        KERNEL(arg_rows)(x, values, &index, 1, COUNT, COUNT, 0, 1), check(index == (int64_t)bad, "argmax of NaN");
        KERNEL(arg_cols)(x, values, &index, COUNT, 1, 1, 0, 0), check(index == (int64_t)bad, "argmin of NaN");
        x[bad] = infinity;
        rows_of(CDL_REDUCE_SUM, x, NULL, y, 1, COUNT), check(y[0] == infinity, "sum with inf");
        columns_of(CDL_REDUCE_SUM, x, NULL, y, COUNT, 1, 1), check(y[0] == infinity, "column sum with inf");
    }
    static real long_row[8192 * 2];
    for (size_t i = 0; i < 16384; i++)
        long_row[i] = i == 9 ? infinity : 1;
    rows_of(CDL_REDUCE_SUM, long_row, NULL, y, 1, 16384), check(y[0] == infinity, "long sum with inf");
}

int main(void) {
    for (int i = 0; i < 3; i++)
        page[i] = guarded();
    const size_t widths[] = {
        0, 1, 2, 3, VLEN - 1, VLEN, VLEN + 1, 4 * VLEN - 1, 4 * VLEN + 1, 16 * VLEN, 16 * VLEN + 1, 37 * VLEN + 3};
    for (size_t k = 0; k < sizeof widths / sizeof *widths; k++)
        for (int end = 0; end < 2; end++) {
            reduce_rows(3, widths[k], end), dot_rows(3, widths[k], end);
            reduce_columns(13, widths[k], end), reduce_columns(1, widths[k], end);
        }
    reduce_rows(1, MANY, 0), reduce_rows(64, 5, 1), dot_rows(1, MANY, 1);
    reduce_columns(64, 3, 0), reduce_columns(65, 3, 1), reduce_columns(777, 2, 1), reduce_columns(1, 9, 1);
    cumsum(3, 100), cumsum(2, 0), cumsum(1, 1);
    accuracy();
    edges();
    printf("largest error of a sum: %.2f eps of the sum of sizes\n", worst);
    return failures != 0;
}
