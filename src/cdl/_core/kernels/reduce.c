/* Reductions. `rows` kernels reduce along contiguous memory, `cols` kernels down the columns of a matrix.
 *
 * Sums of a few hundred terms per lane run in plain vectors; these partial sums are added with their rounding errors
 * kept (twofold), so that the error does not grow with the length. Everything runs in a fixed order.
 */
#include "vec.h"

enum {
    STEPS = 16,               /* additions on one lane before its rounding errors are kept: below NumPy's 128 / 8 + 3 */
    BLOCK = STEPS * 4 * VLEN, /* elements of a plain sum */
    STRIP = 2048 / sizeof(real), /* columns whose accumulators stay in L1 beside the rows that stream past */
    GROUP = 8,                   /* rows added at a time: as many as L1 has ways, for row lengths of a power of two */
    NARROW = 128                 /* matrices of few columns are read as if this wide */
};

#define OP_LOOP(i, n) for (size_t i = 0; i < (n); i++)
VEC size_t least(size_t a, size_t b) {
    return a < b ? a : b;
}

/* sum + lost is the sum without rounding errors (lost is NaN once sum is infinite) */
VEC void add_twofold(vec *sum, vec *lost, vec x) {
    vec total = *sum + x, x_in_total = total - *sum;
    *lost += (*sum - (total - x_in_total)) + (x - x_in_total);
    *sum = total;
}

VEC vec twofold(vec sum, vec lost) {
    return sum + v_select(v_isnan(lost), v_set(0), lost);
}

VEC double twofold_lanes(vec sum, vec lost) {
    double total = 0;
    OP_LOOP(i, VLEN) total += lost[i] == lost[i] ? (double)sum[i] + (double)lost[i] : (double)sum[i];
    return total;
}

/* What is summed: x, or (x - shift)^2 */
VEC vec term(vec x, vec shift, int squares) {
    return squares ? (x - shift) * (x - shift) : x;
}

VEC vec sum_block(const real *x, size_t n, vec shift, int squares) {
    vec a = {0}, b = {0}, c = {0}, d = {0};
    size_t j = 0;
    for (; j + 4 * VLEN <= n; j += 4 * VLEN) {
        a += term(v_load(x + j), shift, squares);
        b += term(v_load(x + j + VLEN), shift, squares);
        c += term(v_load(x + j + 2 * VLEN), shift, squares);
        d += term(v_load(x + j + 3 * VLEN), shift, squares);
    }
    for (; j + VLEN <= n; j += VLEN)
        a += term(v_load(x + j), shift, squares);
    if (j < n)
        b += v_keep_n(term(v_load_part(x + j, n - j), shift, squares), n - j, 0);
    return (a + b) + (c + d);
}

VEC double sum_row(const real *x, size_t n, real shift, int squares) {
    vec sum = {0}, lost = {0}, middle = v_set(shift);
    if (n <= BLOCK)
        return v_sum(sum_block(x, n, middle, squares));
    for (size_t j = 0; j < n; j += BLOCK)
        add_twofold(&sum, &lost, sum_block(x + j, least(BLOCK, n - j), middle, squares));
    return twofold_lanes(sum, lost);
}

VEC real prod_row(const real *x, size_t n) {
    vec a = v_set(1), b = a, c = a, d = a;
    size_t j = 0;
    for (; j + 4 * VLEN <= n; j += 4 * VLEN) {
        a *= v_load(x + j);
        b *= v_load(x + j + VLEN);
        c *= v_load(x + j + 2 * VLEN);
        d *= v_load(x + j + 3 * VLEN);
    }
    for (; j < n; j += VLEN)
        a *= v_keep_n(v_load_n(x + j, n - j), n - j, 1);
    return v_prod((a * b) * (c * d));
}

/* -- Maximum and minimum: one instruction an element, and one for two that looks for NaN -- */
VEC vmask either_nan(vec a, vec b) {
#if defined(__AVX512F__)
    return X_COMPARE(a, b, _CMP_UNORD_Q);
#elif defined(__AVX2__)
    return (vmask)X(cmp)(a, b, _CMP_UNORD_Q);
#elif defined(VEC_X86)
    return (vmask)X(cmpunord)(a, b);
#else
    return v_isnan(a) | v_isnan(b);
#endif
}

VEC vec further(vec a, vec b, int largest) {
    return largest ? v_max(a, b) : v_min(a, b);
}

/* The largest (smallest) of n elements, NaN where one is NaN */
VEC real extreme_row(const real *x, size_t n, int largest) {
    const real end = largest ? -(real)INFINITY : (real)INFINITY;
    vec a = v_set(end), b = a, c = a, d = a;
    vmask bad = v_isnan(a);
    size_t j = 0;
    for (; j + 4 * VLEN <= n; j += 4 * VLEN) {
        vec p = v_load(x + j), q = v_load(x + j + VLEN), r = v_load(x + j + 2 * VLEN), s = v_load(x + j + 3 * VLEN);
        bad |= either_nan(p, q) | either_nan(r, s);
        a = further(p, a, largest), b = further(q, b, largest), c = further(r, c, largest), d = further(s, d, largest);
    }
    for (; j < n; j += VLEN) {
        vec p = v_keep_n(v_load_n(x + j, n - j), n - j, end);
        bad |= v_isnan(p);
        a = further(p, a, largest);
    }
    if (v_any(bad))
        return (real)NAN;
    a = further(further(a, b, largest), further(c, d, largest), largest);
    return largest ? v_lane_max(a) : v_lane_min(a);
}

/* y[i] = the sum (of squares of x - shift[i]) / divisor, or the largest, smallest, product, of x[i * stride ...] (n
 * elements); a shift of NULL is 0. */
void KERNEL(reduce_rows)(int op, const void *xs, const void *shifts, void *ys, size_t rows, size_t n, size_t stride,
                         double divisor) {
    const real *x = xs, *shift = shifts;
    real *y = ys;
    switch (op) {
    case CDL_REDUCE_SUM:
        OP_LOOP(i, rows) y[i] = (real)(sum_row(x + i * stride, n, 0, 0) / divisor);
        break;
    case CDL_REDUCE_SQUARES:
        OP_LOOP(i, rows) y[i] = (real)(sum_row(x + i * stride, n, shift ? shift[i] : 0, 1) / divisor);
        break;
    case CDL_REDUCE_MAX:
        OP_LOOP(i, rows) y[i] = extreme_row(x + i * stride, n, 1);
        break;
    case CDL_REDUCE_MIN:
        OP_LOOP(i, rows) y[i] = extreme_row(x + i * stride, n, 0);
        break;
    default:
        OP_LOOP(i, rows) y[i] = prod_row(x + i * stride, n);
    }
}

/* y[i] = the sum of a[i stride + j] b[i stride + j] over j < n */
VEC vec dot_block(const real *x, const real *z, size_t n) {
    vec a = {0}, b = {0}, c = {0}, d = {0};
    size_t j = 0;
    for (; j + 4 * VLEN <= n; j += 4 * VLEN) {
        a += v_load(x + j) * v_load(z + j);
        b += v_load(x + j + VLEN) * v_load(z + j + VLEN);
        c += v_load(x + j + 2 * VLEN) * v_load(z + j + 2 * VLEN);
        d += v_load(x + j + 3 * VLEN) * v_load(z + j + 3 * VLEN);
    }
    for (; j < n; j += VLEN)
        a += v_load_n(x + j, n - j) * v_load_n(z + j, n - j);
    return (a + b) + (c + d);
}

VEC double dot_row(const real *a, const real *b, size_t n) {
    vec sum = {0}, lost = {0};
    if (n <= BLOCK)
        return v_sum(dot_block(a, b, n));
    for (size_t j = 0; j < n; j += BLOCK)
        add_twofold(&sum, &lost, dot_block(a + j, b + j, least(BLOCK, n - j)));
    return twofold_lanes(sum, lost);
}

void KERNEL(dot_rows)(const void *as, const void *bs, void *ys, size_t rows, size_t n, size_t stride) {
    const real *a = as, *b = bs;
    real *y = ys;
    OP_LOOP(i, rows) y[i] = (real)dot_row(a + i * stride, b + i * stride, n);
}

/* -- Columns -- */
VEC vec combine(vec a, vec b, int op) {
    if (op == CDL_REDUCE_MAX)
        return v_maximum(a, b);
    if (op == CDL_REDUCE_MIN)
        return v_minimum(a, b);
    return op == CDL_REDUCE_PROD ? a * b : a + b;
}

VEC vec column_term(const real *x, size_t n, vec shift, int op) {
    return term(v_load_n(x, n), shift, op == CDL_REDUCE_SQUARES);
}

/* GROUP rows, or the last few, reduced to one vector in a fixed tree */
VEC vec group_of_rows(const real *x, size_t rows, size_t stride, size_t n, vec shift, int op) {
    vec a = column_term(x, n, shift, op);
    if (rows == GROUP) {
        vec b = column_term(x + stride, n, shift, op);
        vec c = column_term(x + 2 * stride, n, shift, op), d = column_term(x + 3 * stride, n, shift, op);
        vec e = column_term(x + 4 * stride, n, shift, op), f = column_term(x + 5 * stride, n, shift, op);
        vec g = column_term(x + 6 * stride, n, shift, op), h = column_term(x + 7 * stride, n, shift, op);
        return combine(combine(combine(a, b, op), combine(c, d, op), op),
                       combine(combine(e, f, op), combine(g, h, op), op), op);
    }
    for (size_t i = 1; i < rows; i++)
        a = combine(a, column_term(x + i * stride, n, shift, op), op);
    return a;
}

/* One strip of at most STRIP columns, n >= 1 rows */
VEC void reduce_strip(int op, const real *x, const real *shift, real *y, size_t n, size_t cols, size_t stride,
                      double divisor) {
    const int sums = op == CDL_REDUCE_SUM || op == CDL_REDUCE_SQUARES;
    vec total[STRIP / VLEN], lost[STRIP / VLEN];
    for (size_t i = 0; i < n; i += GROUP)
        for (size_t j = 0, k = 0; j < cols; j += VLEN, k++) {
            vec middle = shift ? v_load_n(shift + j, cols - j) : v_set(0);
            vec part = group_of_rows(x + i * stride + j, least(GROUP, n - i), stride, cols - j, middle, op);
            if (i == 0)
                total[k] = part, lost[k] = v_set(0);
            else if (sums)
                add_twofold(&total[k], &lost[k], part);
            else
                total[k] = combine(total[k], part, op);
        }
    for (size_t j = 0, k = 0; j < cols; j += VLEN, k++)
        v_store_n(y + j, sums ? twofold(total[k], lost[k]) / (real)divisor : total[k], cols - j);
}

VEC void reduce_wide(int op, const real *x, const real *shift, real *y, size_t n, size_t cols, size_t stride,
                     double divisor) {
    for (size_t j = 0; j < cols; j += STRIP)
        reduce_strip(op, x + j, shift ? shift + j : NULL, y + j, n, least(STRIP, cols - j), stride, divisor);
}

/* A dense matrix of few columns: k rows side by side are one row of k times as many columns */
VEC void reduce_narrow(int op, const real *x, const real *shift, real *y, size_t n, size_t cols, double divisor) {
    real part[2 * NARROW], tiled[NARROW];
    size_t k = NARROW / cols, groups = n / k, rest = n % k;
    if (shift)
        OP_LOOP(i, k * cols) tiled[i] = shift[i % cols];
    reduce_wide(op, x, shift ? tiled : NULL, part, groups, k * cols, k * cols, 1);
    if (rest)
        reduce_wide(op, x + groups * k * cols, shift, part + k * cols, rest, cols, cols, 1);
    reduce_wide(op == CDL_REDUCE_SQUARES ? CDL_REDUCE_SUM : op, part, NULL, y, k + (rest > 0), cols, cols, divisor);
}

VEC void reduce_any(int op, const real *x, const real *shift, real *y, size_t n, size_t cols, size_t stride,
                    double divisor) {
    if (cols < VLEN * 2 && cols == stride && n * cols >= 8 * NARROW)
        reduce_narrow(op, x, shift, y, n, cols, divisor);
    else
        reduce_wide(op, x, shift, y, n, cols, stride, divisor);
}

/* y[j] = the same down n >= 1 rows, at x[i * stride + j]; shift[j] or NULL */
void KERNEL(reduce_cols)(int op, const void *xs, const void *shifts, void *ys, size_t n, size_t cols, size_t stride,
                         double divisor) {
    switch (op) { /* one copy of the loops per op */
    case CDL_REDUCE_SUM:
        reduce_any(CDL_REDUCE_SUM, xs, NULL, ys, n, cols, stride, divisor);
        break;
    case CDL_REDUCE_SQUARES:
        reduce_any(CDL_REDUCE_SQUARES, xs, shifts, ys, n, cols, stride, divisor);
        break;
    case CDL_REDUCE_MAX:
        reduce_any(CDL_REDUCE_MAX, xs, NULL, ys, n, cols, stride, divisor);
        break;
    case CDL_REDUCE_MIN:
        reduce_any(CDL_REDUCE_MIN, xs, NULL, ys, n, cols, stride, divisor);
        break;
    default:
        reduce_any(CDL_REDUCE_PROD, xs, NULL, ys, n, cols, stride, divisor);
    }
}

/* -- Where the largest or smallest stands: the first of equals; a NaN is further than anything -- */
VEC int is_further(real a, real b, int largest) {
    return b == b && (a != a || (largest ? a > b : a < b));
}

VEC int64_t arg_row(const real *x, size_t n, int largest, real *value) {
    size_t at = 0;
    real best = extreme_row(x, least(BLOCK, n), largest);
    for (size_t j = BLOCK; j < n; j += BLOCK) {
        real y = extreme_row(x + j, least(BLOCK, n - j), largest);
        if (is_further(y, best, largest))
            best = y, at = j;
    }
    for (vec y = v_set(best); at + VLEN <= n; at += VLEN) { /* best is NaN exactly where there is one */
        vec found = v_load(x + at);
        if (v_any(v_eq(found, y) | v_isnan(found)))
            break;
    }
    while (!(x[at] == best || x[at] != x[at]))
        at++;
    *value = best;
    return (int64_t)at;
}

/* index[i] = first + where, values[i] = what is the largest (or smallest) of the n >= 1 elements at x[i * stride] */
void KERNEL(arg_rows)(const void *xs, void *values, int64_t *index, size_t rows, size_t n, size_t stride, size_t first,
                      int largest) {
    real *value = values;
    OP_LOOP(i, rows) {
        const real *x = (const real *)xs + i * stride;
        index[i] = (int64_t)first + (largest ? arg_row(x, n, 1, value + i) : arg_row(x, n, 0, value + i));
    }
}

/* the same down n >= 1 rows (fewer than 2^31) at x[i * stride + j] */
void KERNEL(arg_cols)(const void *xs, void *values, int64_t *index, size_t n, size_t cols, size_t stride, size_t first,
                      int largest) {
    const real *x = xs;
    real *value = values;
    for (size_t j = 0; j < cols; j += VLEN) {
        size_t width = least(VLEN, cols - j);
        vec best = v_load_n(x + j, width), where = {0};
        for (size_t i = 1; i < n; i++) {
            vec y = v_load_n(x + i * stride + j, width);
            vmask better = (largest ? v_gt(y, best) : v_lt(y, best)) | (v_isnan(y) & v_not(v_isnan(best)));
            best = v_select(better, y, best);
            where = v_select(better, (vec)v_iset((real_bits)i), where);
        }
        v_store_n(value + j, best, width);
        ivec lanes = (ivec)where;
        OP_LOOP(i, width) index[j + i] = (int64_t)(first + (size_t)lanes[i]);
    }
}

/* index[j], of the first row, becomes the index beside the furthest value of column j: values and index (n, cols) */
void KERNEL(arg_fold)(const void *values, int64_t *index, size_t n, size_t cols, int largest) {
    const real *value = values;
    OP_LOOP(j, cols) {
        size_t best = j;
        for (size_t i = 1; i < n; i++)
            if (is_further(value[i * cols + j], value[best], largest))
                best = i * cols + j;
        index[j] = index[best];
    }
}

/* -- Running sums -- */
/* y[i] = x[0] + ... + x[i] within each row of n; from the end where reverse is set. f32 carries the sum in double. y
 * may be x. */
void KERNEL(cumsum_rows)(const void *xs, void *ys, size_t rows, size_t n, int reverse) {
    const ptrdiff_t step = reverse ? -1 : 1;
    OP_LOOP(i, rows) {
        const real *x = (const real *)xs + i * n + (reverse ? n - 1 : 0);
        real *y = (real *)ys + i * n + (reverse ? n - 1 : 0);
        double carry = 0;
        size_t j = 0;
        for (; j + 4 <= n; j += 4, x += 4 * step, y += 4 * step) { /* one addition in four waits for the one before */
            double a = x[0], b = a + x[step], c = b + x[2 * step], d = c + x[3 * step];
            y[0] = (real)(carry + a);
            y[step] = (real)(carry + b);
            y[2 * step] = (real)(carry + c);
            y[3 * step] = (real)(carry += d);
        }
        for (; j < n; j++, x += step, y += step)
            *y = (real)(carry += *x);
    }
}

/* the same down n rows, at x[i * stride + j] and y[i * stride + j] */
void KERNEL(cumsum_cols)(const void *xs, void *ys, size_t n, size_t cols, size_t stride, int reverse) {
    const real *x = xs;
    real *y = ys;
    for (size_t j = 0; j < cols; j += VLEN) {
        vec sum = {0}, lost = {0};
        OP_LOOP(i, n) {
            size_t at = (reverse ? n - 1 - i : i) * stride + j;
            add_twofold(&sum, &lost, v_load_n(x + at, cols - j));
            v_store_n(y + at, twofold(sum, lost), cols - j);
        }
    }
}

/* -- Backward: dx has (rows, n) elements with one g (and y, mean) a row, or (n, cols) with one a column; stride lies
 * between the rows of x and dx -- */
void KERNEL(expand_rows)(const void *gs, void *dxs, size_t rows, size_t n, double scale) {
    const real *g = gs;
    OP_LOOP(i, rows) {
        real *restrict dx = (real *)dxs + i * n, value = (real)scale * g[i];
        OP_LOOP(j, n) dx[j] = value;
    }
}

void KERNEL(expand_cols)(const void *gs, void *dxs, size_t n, size_t cols, size_t stride, double scale) {
    const real *restrict g = gs;
    OP_LOOP(i, n) {
        real *restrict dx = (real *)dxs + i * stride;
        OP_LOOP(j, cols) dx[j] = (real)scale * g[j];
    }
}

/* dx = scale g (x - mean); a mean of NULL is 0 */
void KERNEL(squares_backward_rows)(const void *xs, const void *means, const void *gs, void *dxs, size_t rows, size_t n,
                                   double scale) {
    const real *mean = means, *g = gs;
    OP_LOOP(i, rows) {
        const real *restrict x = (const real *)xs + i * n;
        real *restrict dx = (real *)dxs + i * n, factor = (real)scale * g[i], middle = mean ? mean[i] : 0;
        OP_LOOP(j, n) dx[j] = factor * (x[j] - middle);
    }
}

void KERNEL(squares_backward_cols)(const void *xs, const void *means, const void *gs, void *dxs, size_t n, size_t cols,
                                   size_t stride, double scale) {
    const real *restrict mean = means, *restrict g = gs;
    OP_LOOP(i, n) {
        const real *restrict x = (const real *)xs + i * stride;
        real *restrict dx = (real *)dxs + i * stride;
        if (mean)
            OP_LOOP(j, cols) dx[j] = (real)scale * g[j] * (x[j] - mean[j]);
        else
            OP_LOOP(j, cols) dx[j] = (real)scale * g[j] * x[j];
    }
}

/* 1 where x is y, the extreme value (NaN is NaN) */
VEC vec tie(vec x, vec y) {
    return v_select(v_eq(x, y) | (v_isnan(x) & v_isnan(y)), v_set(1), v_set(0));
}

/* dx = g / ties where x is y, the largest or smallest of its row, and 0 elsewhere */
void KERNEL(extreme_backward_rows)(const void *xs, const void *ys, const void *gs, void *dxs, size_t rows, size_t n) {
    OP_LOOP(i, rows) {
        const real *x = (const real *)xs + i * n;
        real *dx = (real *)dxs + i * n;
        vec y = v_set(((const real *)ys)[i]);
        size_t ties = 0;
        OP_LOOP(j, n) ties += x[j] == y[0] || (x[j] != x[j] && y[0] != y[0]);
        vec share = v_set(((const real *)gs)[i] / (real)ties);
        for (size_t j = 0; j < n; j += VLEN)
            v_store_n(dx + j, v_select(v_gt(tie(v_load_n(x + j, n - j), y), v_set(0)), share, v_set(0)), n - j);
    }
}

void KERNEL(extreme_backward_cols)(const void *xs, const void *ys, const void *gs, void *dxs, size_t n, size_t cols,
                                   size_t stride) {
    for (size_t j = 0; j < cols; j += VLEN) {
        const real *x = (const real *)xs + j;
        real *dx = (real *)dxs + j;
        size_t width = least(VLEN, cols - j);
        vec y = v_load_n((const real *)ys + j, width), ties = {0};
        OP_LOOP(i, n) ties += tie(v_load_n(x + i * stride, width), y);
        vec share = v_load_n((const real *)gs + j, width) / ties;
        OP_LOOP(i, n) {
            vec mine = tie(v_load_n(x + i * stride, width), y);
            v_store_n(dx + i * stride, v_select(v_gt(mine, v_set(0)), share, v_set(0)), width);
        }
    }
}

/* dx[i] = g times the product of all x but x[i]: what stands before it times what stands behind, right with zeros too
 */
void KERNEL(prod_backward_rows)(const void *xs, const void *gs, void *dxs, size_t rows, size_t n) {
    OP_LOOP(i, rows) {
        const real *x = (const real *)xs + i * n;
        real *dx = (real *)dxs + i * n, before = ((const real *)gs)[i], behind = 1;
        for (size_t j = 0; j < n; before *= x[j++])
            dx[j] = before;
        for (size_t j = n; j-- > 0; behind *= x[j])
            dx[j] *= behind;
    }
}

void KERNEL(prod_backward_cols)(const void *xs, const void *gs, void *dxs, size_t n, size_t cols, size_t stride) {
    for (size_t j = 0; j < cols; j += VLEN) {
        const real *x = (const real *)xs + j;
        real *dx = (real *)dxs + j;
        size_t width = least(VLEN, cols - j);
        vec before = v_load_n((const real *)gs + j, width), behind = v_set(1);
        for (size_t i = 0; i < n; before *= v_load_n(x + i++ * stride, width))
            v_store_n(dx + i * stride, before, width);
        for (size_t i = n; i-- > 0; behind *= v_load_n(x + i * stride, width))
            v_store_n(dx + i * stride, v_load_n(dx + i * stride, width) * behind, width);
    }
}
