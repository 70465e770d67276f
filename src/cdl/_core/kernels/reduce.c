/* Sums, extremes and products over the last axis, (rows, n) -> rows, and over the first, (n, cols) -> cols.
 *
 * The order of the additions depends on the sizes alone, never on where an array lies or on threads. Sums are taken in
 * blocks of many short running sums, and the blocks are added with their rounding errors kept, so that the error does
 * not grow with n. Extremes keep NaN, as NumPy's do. n = 0 gives 0, 1, -inf (max) or inf (min).
 */
#include "vec.h"

#define INF ((real)INFINITY)
#define LANES 4                   /* independent running values: enough to hide the latency of an addition */
#define BLOCK (64 * LANES * VLEN) /* elements of one row block: 64 additions in each running sum */
#define STRIP (16 * VLEN) /* columns taken together: their partial sums stay in L1 beside the rows they come from */
#define ROWS 64           /* rows of one column block: 64 additions in each partial sum */

/* *sum += a, with what rounding loses gathered in *lost */
VEC void v_add_kept(vec *sum, vec *lost, vec a) {
    vec t = *sum + a, back = t - *sum;
    vec error = (*sum - (t - back)) + (a - back);
    *lost += v_select(v_lt(v_abs(t), v_set(INF)), error, v_set(0)); /* inf - inf is no rounding error */
    *sum = t;
}

/* The reductions of one row. `map` is what becomes of an element x; `shift` is a value taken from all elements of a
 * row. */
#define REDUCE_ROW(name, start, map, combine, fold)                                                                    \
    static real name##_block(const real *xs, size_t n, vec shift) {                                                    \
        vec total[LANES];                                                                                              \
        (void)shift;                                                                                                   \
        for (size_t j = 0; j < LANES; j++)                                                                             \
            total[j] = v_set(start);                                                                                   \
        size_t i = 0;                                                                                                  \
        for (; i + LANES * VLEN <= n; i += LANES * VLEN)                                                               \
            for (size_t j = 0; j < LANES; j++) {                                                                       \
                vec x = v_load(xs + i + j * VLEN), mapped = map, a = total[j], b = mapped;                             \
                total[j] = combine;                                                                                    \
            }                                                                                                          \
        for (; i < n; i += VLEN) {                                                                                     \
            vec x = v_load_n(xs + i, n - i), mapped = map, a = total[0], b = v_keep_n(mapped, n - i, start);           \
            total[0] = combine;                                                                                        \
        }                                                                                                              \
        for (size_t half = LANES / 2; half; half /= 2)                                                                 \
            for (size_t j = 0; j < half; j++) {                                                                        \
                vec a = total[j], b = total[j + half];                                                                 \
                total[j] = combine;                                                                                    \
            }                                                                                                          \
        return fold(total[0]);                                                                                         \
    }
#define PLUS (a + b)
REDUCE_ROW(sum, 0, x, PLUS, v_sum)
REDUCE_ROW(square, 0, (x - shift) * (x - shift), PLUS, v_sum)
REDUCE_ROW(product, 1, x, (a * b), v_prod)
REDUCE_ROW(max, -INF, x, v_maximum(a, b), v_lane_max)
REDUCE_ROW(min, INF, x, v_minimum(a, b), v_lane_min)

static real sum_row(const real *x, size_t n, real shift, real (*block)(const real *, size_t, vec)) {
    if (n <= BLOCK)
        return block(x, n, v_set(shift));
    vec sum = v_set(0), lost = v_set(0);
    for (size_t i = 0; i < n; i += BLOCK)
        v_add_kept(&sum, &lost, v_set(block(x + i, n - i < BLOCK ? n - i : BLOCK, v_set(shift))));
    return (sum + lost)[0];
}

/* y[r] = sum of x[r, :] */
void KERNEL(sum_rows)(const void *x, void *y, size_t rows, size_t n) {
    for (size_t r = 0; r < rows; r++)
        ((real *)y)[r] = sum_row((const real *)x + r * n, n, 0, sum_block);
}

/* y[r] = sum of (x[r, :] - shift[r])^2; shift NULL is 0 */
void KERNEL(sum_square_rows)(const void *x, const void *shift, void *y, size_t rows, size_t n) {
    for (size_t r = 0; r < rows; r++)
        ((real *)y)[r] = sum_row((const real *)x + r * n, n, shift ? ((const real *)shift)[r] : 0, square_block);
}

#define REDUCE_ROWS(name)                                                                                              \
    void KERNEL(name##_rows)(const void *x, void *y, size_t rows, size_t n) {                                          \
        for (size_t r = 0; r < rows; r++)                                                                              \
            ((real *)y)[r] = name##_block((const real *)x + r * n, n, v_set(0));                                       \
    }
REDUCE_ROWS(product)
REDUCE_ROWS(max)
REDUCE_ROWS(min)

/* Columns: strip by strip, `partial` gathers up to ROWS rows, and `total` the partials. */
#define REDUCE_COLUMNS(name, start, map, combine, collect)                                                             \
    static void name##_strip(const real *xs, const real *shifts, real *ys, size_t n, size_t cols, size_t width) {      \
        vec total[STRIP / VLEN], lost[STRIP / VLEN];                                                                   \
        for (size_t j = 0; j < STRIP / VLEN; j++)                                                                      \
            total[j] = v_set(start), lost[j] = v_set(0);                                                               \
        for (size_t top = 0; top < n; top += ROWS) {                                                                   \
            vec partial[STRIP / VLEN];                                                                                 \
            for (size_t j = 0; j < STRIP / VLEN; j++)                                                                  \
                partial[j] = v_set(start);                                                                             \
            for (size_t i = top; i < n && i < top + ROWS; i++)                                                         \
                for (size_t j = 0; j * VLEN < width; j++) {                                                            \
                    vec shift = shifts ? v_load_n(shifts + j * VLEN, width - j * VLEN) : v_set(0);                     \
                    vec x = v_load_n(xs + i * cols + j * VLEN, width - j * VLEN), mapped = map;                        \
                    vec a = partial[j], b = mapped;                                                                    \
                    (void)shift;                                                                                       \
                    partial[j] = combine;                                                                              \
                }                                                                                                      \
            for (size_t j = 0; j * VLEN < width; j++) {                                                                \
                vec a = total[j], b = partial[j];                                                                      \
                collect;                                                                                               \
            }                                                                                                          \
        }                                                                                                              \
        for (size_t j = 0; j * VLEN < width; j++)                                                                      \
            v_store_n(ys + j * VLEN, total[j] + lost[j], width - j * VLEN);                                            \
    }
#define KEPT ((void)a, v_add_kept(&total[j], &lost[j], b))
REDUCE_COLUMNS(sum, 0, x, PLUS, KEPT)
REDUCE_COLUMNS(square, 0, (x - shift) * (x - shift), PLUS, KEPT)
REDUCE_COLUMNS(product, 1, x, (a * b), total[j] = a * b)
REDUCE_COLUMNS(max, -INF, x, v_maximum(a, b), total[j] = v_maximum(a, b))
REDUCE_COLUMNS(min, INF, x, v_minimum(a, b), total[j] = v_minimum(a, b))

#define ALL_STRIPS(strip, shift_of_strip)                                                                              \
    for (size_t j = 0; j < width; j += STRIP)                                                                          \
        strip((const real *)x + j, shift_of_strip, (real *)y + j, n, cols, width - j < STRIP ? width - j : STRIP);

/* y[c] = sum over r of x[r, c]; x has n rows of which `width` columns are taken, a row every `cols` elements */
#define COLUMNS_KERNEL(name, strip)                                                                                    \
    void KERNEL(name##_columns)(const void *x, void *y, size_t n, size_t width, size_t cols) {                         \
        ALL_STRIPS(strip, NULL)                                                                                        \
    }
COLUMNS_KERNEL(sum, sum_strip)
COLUMNS_KERNEL(product, product_strip)
COLUMNS_KERNEL(max, max_strip)
COLUMNS_KERNEL(min, min_strip)

/* y[c] = sum over r of (x[r, c] - shift[c])^2; shift NULL is 0 */
void KERNEL(sum_square_columns)(const void *x, const void *shift, void *y, size_t n, size_t width, size_t cols) {
    ALL_STRIPS(square_strip, shift ? (const real *)shift + j : NULL)
}

/* index[r] = the first position of the largest (sign 1) or smallest (sign -1) of x[r, :], or of its first NaN; n > 0 */
void KERNEL(arg_extreme_rows)(const void *x, int64_t *index, size_t rows, size_t n, int sign) {
    for (size_t r = 0; r < rows; r++) {
        const real *row = (const real *)x + r * n;
        real best = sign > 0 ? max_block(row, n, v_set(0)) : min_block(row, n, v_set(0));
        size_t i = 0;
        if (best == best)
            while (row[i] != best)
                i++;
        else
            while (row[i] == row[i])
                i++;
        index[r] = (int64_t)i;
    }
}

/* index[c] = the same down the columns of x (n, cols) */
void KERNEL(arg_extreme_columns)(const void *x, int64_t *index, size_t n, size_t width, size_t cols, int sign) {
    const real *xs = x;
    for (size_t j = 0; j < width; j++)
        index[j] = 0;
    for (size_t i = 1; i < n; i++)
        for (size_t j = 0; j < width; j++) {
            real best = xs[(size_t)index[j] * cols + j], here = xs[i * cols + j];
            if ((sign > 0 ? here > best : here < best) || (here != here && best == best))
                index[j] = (int64_t)i;
        }
}

/* y[r, i] = x[r, 0] + ... + x[r, i], or from the end where `reverse`; summed in double. y may be x */
void KERNEL(cumsum_rows)(const void *x, void *y, size_t rows, size_t n, int reverse) {
    for (size_t r = 0; r < rows; r++) {
        const real *from = (const real *)x + r * n;
        real *to = (real *)y + r * n;
        double sum = 0;
        for (size_t i = 0; i < n; i++) {
            size_t at = reverse ? n - 1 - i : i;
            to[at] = (real)(sum += (double)from[at]);
        }
    }
}
