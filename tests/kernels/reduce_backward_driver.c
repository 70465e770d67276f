/* uses: reduce.c
 *
 * The gradients of the reductions, running sums of columns and the folding of indices, element by element against their
 * formulas: sizes around every vector, rows that lie apart, guard pages, ties, zeros and NaN.
 */
#include "driver.h"
#define KERNEL_ROW(name, args) void KERNEL(name) args;
#include "kernels.def"

/* Of (n, cols) elements, `along` n: one g, y and mean a column, at `stride`; else one a row, dense. */
typedef struct {
    size_t n, cols, stride;
    int along;
} Shape;
static char *page[5];
static real *x, *y, *g, *mean, *dx;

static size_t group(const Shape *s, size_t i, size_t j) {
    return s->along ? j : i;
}

static void fill(const Shape *s, int end) {
    size_t size = s->n ? (s->n - 1) * s->stride + s->cols : 0, groups = s->along ? s->cols : s->n;
    x = placed(page[0], size, end), dx = placed(page[1], size, end);
    y = placed(page[2], groups, end), g = placed(page[3], groups, end), mean = placed(page[4], groups, end);
    for (size_t i = 0; i < size; i++)
        x[i] = (real)(int)uniform(-3, 4), dx[i] = 99; /* few whole numbers: ties and zeros */
    for (size_t i = 0; i < groups; i++)
        g[i] = (real)uniform(-1, 1), mean[i] = (real)uniform(-1, 1), y[i] = -9;
    for (size_t i = 0; i < s->n; i++)
        for (size_t j = 0; j < s->cols; j++)
            if (x[i * s->stride + j] > y[group(s, i, j)])
                y[group(s, i, j)] = x[i * s->stride + j];
}

/* The formula of dx[i, j]; ties and products are counted anew for each element, slowly and surely. */
static wide formula(const Shape *s, int kind, size_t i, size_t j) {
    size_t k = group(s, i, j), at = i * s->stride + j, ties = 0;
    wide product = 1;
    for (size_t l = 0; l < (s->along ? s->n : s->cols); l++) {
        size_t other = s->along ? l * s->stride + j : i * s->stride + l;
        ties += x[other] == y[k];
        product *= other == at ? 1 : x[other];
    }
    switch (kind) {
    case 0:
        return (wide)0.25 * g[k];
    case 1:
        return (wide)0.25 * g[k] * ((wide)x[at] - mean[k]);
    case 2:
        return (wide)0.25 * g[k] * x[at];
    case 3:
        return x[at] == y[k] ? (wide)g[k] / ties : 0;
    default:
        return g[k] * product;
    }
}

static void run(const Shape *s, int kind) {
    if (s->along)
        switch (kind) {
        case 0:
            KERNEL(expand_cols)(g, dx, s->n, s->cols, s->stride, 0.25);
            return;
        case 1:
        case 2:
            KERNEL(squares_backward_cols)(x, kind == 1 ? mean : NULL, g, dx, s->n, s->cols, s->stride, 0.25);
            return;
        case 3:
            KERNEL(extreme_backward_cols)(x, y, g, dx, s->n, s->cols, s->stride);
            return;
        default:
            KERNEL(prod_backward_cols)(x, g, dx, s->n, s->cols, s->stride);
            return;
        }
    switch (kind) {
    case 0:
        KERNEL(expand_rows)(g, dx, s->n, s->cols, 0.25);
        return;
    case 1:
    case 2:
        KERNEL(squares_backward_rows)(x, kind == 1 ? mean : NULL, g, dx, s->n, s->cols, 0.25);
        return;
    case 3:
        KERNEL(extreme_backward_rows)(x, y, g, dx, s->n, s->cols);
        return;
    default:
        KERNEL(prod_backward_rows)(x, g, dx, s->n, s->cols);
        return;
    }
}

static void gradients(size_t n, size_t cols, size_t gap, int along, int end) {
    const char *names[] = {"expand", "squares with a mean", "squares", "extreme", "product"};
    Shape s = {n, cols, cols + gap, along};
    for (int kind = 0; kind < 5; kind++) {
        fill(&s, end);
        run(&s, kind);
        int good = 1;
        for (size_t i = 0; i < n; i++) {
            for (size_t j = 0; j < cols; j++) {
                wide want = formula(&s, kind, i, j);
                good &= WIDE(fabs)(dx[i * s.stride + j] - want) <= 40 * (wide)EPSILON * (WIDE(fabs)(want) + 1);
            }
            for (size_t j = cols; j < s.stride && i + 1 < n; j++)
                good &= dx[i * s.stride + j] == 99; /* what lies between the rows stays */
        }
        check(good, names[kind]);
    }
}

static void cumsum(size_t n, size_t cols, size_t gap, int end) {
    Shape s = {n, cols, cols + gap, 1};
    for (int reverse = 0; reverse < 2; reverse++) {
        fill(&s, end);
        KERNEL(cumsum_cols)(x, dx, n, cols, s.stride, reverse);
        int good = 1;
        for (size_t j = 0; j < cols; j++) {
            real sum = 0; /* of whole numbers: exact */
            for (size_t i = 0; i < n; i++) {
                size_t at = (reverse ? n - 1 - i : i) * s.stride + j;
                good &= dx[at] == (sum += x[at]);
            }
        }
        check(good, "cumsum_cols");
    }
}

/* The first of equal values wins; NaN is further than all */
static void fold(size_t n, size_t cols) {
    enum { MOST = 64 };
    real values[MOST * MOST];
    int64_t index[MOST * MOST], first[MOST];
    for (int largest = 0; largest < 2; largest++) {
        for (size_t i = 0; i < n * cols; i++)
            values[i] = i % 11 == 5 ? (real)NAN : (real)(int)uniform(-3, 4), index[i] = (int64_t)(1000 + i);
        for (size_t j = 0; j < cols; j++) {
            size_t best = 0;
            for (size_t i = 1; i < n; i++) {
                real new = values[i * cols + j], old = values[best * cols + j];
                if (!isnan(old) && (isnan(new) || (largest ? new > old : new < old)))
                    best = i;
            }
            first[j] = (int64_t)(1000 + best * cols + j);
        }
        KERNEL(arg_fold)(values, index, n, cols, largest);
        check(memcmp(index, first, cols * sizeof *first) == 0, "arg_fold");
    }
}

static void edges(void) {
    enum { COUNT = 3 * VLEN + 1 };
    for (size_t bad = 0; bad < COUNT; bad++) /* the gradient of a NaN extreme goes to the NaN */
        for (int along = 0; along < 2; along++) {
            Shape s = {along ? COUNT : 1, along ? 1 : COUNT, along ? 1 : COUNT, along};
            fill(&s, 1);
            x[bad] = y[0] = (real)NAN;
            run(&s, 3);
            int good = dx[bad] == g[0];
            for (size_t i = 0; i < COUNT; i++)
                good &= i == bad || dx[i] == 0;
            check(good, "extreme of NaN");
        }
}

int main(void) {
    for (int i = 0; i < 5; i++)
        page[i] = guarded();
    const size_t sizes[] = {0, 1, 2, VLEN - 1, VLEN, VLEN + 1, 4 * VLEN + 1};
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++)
        for (int end = 0; end < 2; end++) {
            size_t size = sizes[k];
            gradients(3, size, 0, 0, end), gradients(size, 5, 0, 0, end);
            gradients(3, size, 0, 1, end), gradients(3, size, 3, 1, end), gradients(size, VLEN + 1, 1, 1, end);
            cumsum(13, size, 0, end), cumsum(13, size, 3, end), cumsum(size, 2, 0, end);
        }
    for (size_t n = 1; n <= 4; n++)
        for (size_t cols = 0; cols <= 2 * VLEN + 1 && cols <= 64; cols++)
            fold(n, cols);
    edges();
    return failures != 0;
}
