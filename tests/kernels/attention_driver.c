/* uses: attention.c
 *
 * What attention does between its products against plain loops in a wider type, for any number of rows and keys, masks
 * of every kind and a second block after the first; nothing outside of the arrays is touched.
 */
#include "driver.h"

#define KERNEL_ROW(name, args) void KERNEL(name) args;
#include "kernels.def"
#undef KERNEL_ROW

enum { MOST_ROWS = 20, MOST_KEYS = 70, MOST_N = 40 };
#define CLOSE(got, want) (WIDE(fabs)((wide)(got) - (want)) <= 100 * (wide)EPSILON * (1 + WIDE(fabs)(want)))

static char *memory[8];

typedef struct {
    cdl_scores t;
    size_t rows, gap; /* gap: elements between the keys of two rows */
    unsigned char bytes[MOST_ROWS * MOST_KEYS];
    real added[MOST_ROWS * MOST_KEYS];
} block;

static real random_real(void) {
    return (real)uniform(-3, 3);
}

static real *randoms(size_t which, size_t n, int at_end) {
    real *p = placed(memory[which], n, at_end);
    for (size_t i = 0; i < n; i++)
        p[i] = random_real();
    return p;
}

static void any_block(block *b, size_t rows) {
    const size_t keys = below(3) ? 1 + below(2 * VLEN + 2) : below(MOST_KEYS + 1);
    const int masked = (int)below(3);
    b->rows = rows;
    b->t = (cdl_scores){.keys = keys, .scale = below(3) ? uniform(0.1, 1) : uniform(-1, 0), .masked = masked};
    b->t.s_row = (ptrdiff_t)((keys + 15) / 16 * 16 + below(3));
    b->t.visible = below(2) ? 1 << 20 : (ptrdiff_t)below(keys + 4) - 3;
    b->t.mask_col = below(4) ? 1 : 0;
    b->t.mask_row = below(4) ? (ptrdiff_t)MOST_KEYS : 0;
    for (size_t i = 0; i < MOST_ROWS * MOST_KEYS; i++) {
        b->bytes[i] = below(4) > 0;
        b->added[i] = below(5) ? random_real() : -(real)INFINITY;
    }
    b->t.mask = masked == CDL_MASK_BOOL ? (const void *)b->bytes : b->added;
}

/* The exponent of a score, -inf where it is not looked at. */
static wide exponent_of(const block *b, real s, size_t r, size_t j) {
    const size_t at = r * (size_t)b->t.mask_row + j * (size_t)b->t.mask_col;
    if ((ptrdiff_t)j >= b->t.visible + (ptrdiff_t)r || (b->t.masked == CDL_MASK_BOOL && !b->bytes[at]))
        return -(wide)INFINITY;
    if (b->t.masked == CDL_MASK_ADDED && b->added[at] == -(real)INFINITY)
        return -(wide)INFINITY;
    return (wide)s * (real)b->t.scale +
           (b->t.masked == CDL_MASK_ADDED ? (wide)b->added[at] * (wide)1.44269504088896340736L : 0);
}

static size_t size_of(const block *b) {
    return b->rows ? (b->rows - 1) * (size_t)b->t.s_row + (b->t.keys + 15) / 16 * 16 : 0;
}

/* Two blocks one after the other against all their weights at once. */
static void softmax(int at_end) {
    static block b[2];
    const size_t rows = below(MOST_ROWS + 1), n = 1 + below(MOST_N), gap = below(3);
    static real before[2][MOST_ROWS * (MOST_KEYS + 20)];
    real *top = placed(memory[4], rows, at_end), *sum = placed(memory[5], rows, at_end);
    real *o = randoms(2, rows ? (rows - 1) * (n + gap) + n : 0, at_end);
    static real o_before[MOST_ROWS * (MOST_N + 3)];
    memcpy(o_before, o, (rows ? (rows - 1) * (n + gap) + n : 0) * sizeof(real));
    static wide first[MOST_ROWS];
    int good = 1;
    for (size_t i = 0; i < 2; i++) {
        any_block(b + i, rows);
        real *s = randoms(i, size_of(b + i), at_end);
        memcpy(before[i], s, size_of(b + i) * sizeof(real));
        KERNEL(attention_softmax)(&b[i].t, s, rows, top, sum, o, (ptrdiff_t)(n + gap), i ? n : 0);
        for (size_t r = 0; r < rows && i == 0; r++)
            first[r] = top[r];
        for (size_t r = 0; r < rows; r++)
            for (size_t j = 0; j < b[i].t.keys; j++) {
                const size_t at = r * (size_t)b[i].t.s_row + j;
                const wide x = exponent_of(b + i, before[i][at], r, j);
                good &= CLOSE(s[at], x == -(wide)INFINITY ? 0 : WIDE(exp2)(x - top[r]));
            }
    }
    check(good, "attention_softmax: weights");
    for (size_t r = 0; r < rows; r++) {
        wide total = 0;
        for (size_t i = 0; i < 2; i++)
            for (size_t j = 0; j < b[i].t.keys; j++) {
                const wide x = exponent_of(b + i, before[i][r * (size_t)b[i].t.s_row + j], r, j);
                total += x == -(wide)INFINITY ? 0 : WIDE(exp2)(x - (wide)top[r]);
            }
        good &= CLOSE(sum[r], total);
        const wide fade = first[r] == -(wide)INFINITY ? 1 : WIDE(exp2)(first[r] - (wide)top[r]);
        for (size_t j = 0; j < n; j++)
            good &= CLOSE(o[r * (n + gap) + j], o_before[r * (n + gap) + j] * fade);
    }
    check(good, "attention_softmax: sums");
    memcpy(o_before, o, (rows ? (rows - 1) * (n + gap) + n : 0) * sizeof(real));
    static real sums[MOST_ROWS];
    memcpy(sums, sum, rows * sizeof(real));
    KERNEL(attention_divide)(o, (ptrdiff_t)(n + gap), rows, n, top, sum);
    for (size_t r = 0; r < rows; r++) {
        good &= sums[r] == 0 ? sum[r] == (real)INFINITY : CLOSE(sum[r], top[r] + WIDE(log2)((wide)sums[r]));
        for (size_t j = 0; j < n; j++)
            good &= CLOSE(o[r * (n + gap) + j], sums[r] == 0 ? 0 : o_before[r * (n + gap) + j] / (wide)sums[r]);
    }
    check(good, "attention_divide");
}

static void backward(int at_end) {
    static block b;
    any_block(&b, below(MOST_ROWS + 1));
    const size_t rows = b.rows, size = size_of(&b), row = (size_t)b.t.mask_row, col = (size_t)b.t.mask_col;
    const size_t mask_size = rows && b.t.keys ? (rows - 1) * row + (b.t.keys - 1) * col + 1 : 0;
    real *s = randoms(0, size, at_end), *dw = randoms(1, size, at_end),
         *dmask = below(2) ? randoms(6, mask_size, at_end) : NULL;
    const real *log = randoms(2, rows, at_end), *dot = randoms(3, rows, at_end);
    static real scores[MOST_ROWS * (MOST_KEYS + 20)], given[MOST_ROWS * (MOST_KEYS + 20)];
    static wide want[MOST_ROWS * MOST_KEYS];
    int good = 1;
    for (size_t i = 0; i < size; i++)
        scores[i] = s[i], given[i] = dw[i];
    for (size_t i = 0; dmask && i < mask_size; i++)
        want[i] = dmask[i];
    KERNEL(attention_backward)(&b.t, s, dw, rows, log, dot, 0.25, dmask);
    for (size_t r = 0; r < rows; r++)
        for (size_t j = 0; j < b.t.keys; j++) {
            const size_t at = r * (size_t)b.t.s_row + j;
            const wide x = exponent_of(&b, scores[at], r, j), w = x == -(wide)INFINITY ? 0 : WIDE(exp2)(x - log[r]);
            const wide ds = w * ((wide)given[at] - dot[r]);
            good &= CLOSE(s[at], w) && CLOSE(dw[at], ds / 4);
            want[r * row + j * col] += ds;
        }
    check(good, "attention_backward");
    for (size_t i = 0; dmask && i < mask_size; i++)
        good &= WIDE(fabs)((wide)dmask[i] - want[i]) <= 1e5 * (wide)EPSILON * (1 + WIDE(fabs)(want[i]));
    check(good, "attention_backward: the mask's gradient");
}

static void not_finite(int at_end) {
    const size_t m = below(9), k = below(9), n = 1 + below(MOST_N), gap = below(3), turned = below(2);
    real *x = integers(memory[0], k ? (k - 1) * (n + gap) + n : 0, at_end), *a = integers(memory[1], m * k, at_end);
    real *c = integers(memory[2], m * n, at_end), *y = integers(memory[3], k * n, at_end);
    int finite = 1, all = 1, good = 1;
    static real before[8 * MOST_N];
    memcpy(before, c, m * n * sizeof(real));
    for (size_t p = 0; p < k; p++)
        if (below(2))
            x[p * (n + gap) + below(n)] = below(2) ? (real)INFINITY : (real)NAN, all = 0;
    KERNEL(attention_finite)(x, (ptrdiff_t)(n + gap), k, n, below(2) ? y : NULL, &finite);
    check(finite == all, "attention_finite");
    KERNEL(attention_finite)(x, (ptrdiff_t)(n + gap), k, n, y, &finite);
    KERNEL(attention_rest)(m, n, k, a, turned ? 1 : (ptrdiff_t)k, turned ? (ptrdiff_t)m : 1, x, (ptrdiff_t)(n + gap), c,
                           (ptrdiff_t)n);
    for (size_t p = 0; p < k; p++) {
        int fine = 1;
        for (size_t j = 0; j < n; j++)
            fine &= x[p * (n + gap) + j] - x[p * (n + gap) + j] == 0;
        for (size_t j = 0; j < n; j++)
            good &= y[p * n + j] == (fine ? x[p * (n + gap) + j] : 0);
        for (size_t i = 0; i < m && !fine; i++) {
            const real w = turned ? a[p * m + i] : a[i * k + p];
            for (size_t j = 0; j < n && w != 0; j++)
                before[i * n + j] += w * x[p * (n + gap) + j];
        }
    }
    for (size_t i = 0; i < m * n; i++)
        good &= before[i] == c[i] || (isnan(before[i]) && isnan(c[i]));
    check(good, "attention_rest");
}

int main(void) {
    for (size_t i = 0; i < 8; i++)
        memory[i] = guarded();
    for (size_t i = 0; i < 4000; i++) {
        softmax(i % 2);
        backward(i % 2);
        not_finite(i % 2);
    }
    return failures != 0;
}
