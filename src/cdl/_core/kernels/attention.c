/* What attention does between its matrix products, on a block of scores s (rows, keys): a row for a query, s_row apart.
 * Exponents are of base 2, which saves a multiplication each: s scale, plus the mask times log2 e.
 *
 * s_row is at least keys rounded up to the longest vector; what lies between may be overwritten. */
#include "vecmath.h"

/* 2^x for x <= 0 (or barely above), 1.5 ulp. Below 2^-126 it is 0: as a subnormal number it would add nothing to a sum
 * whose largest term is 1, and cost 150 cycles. 2^-inf is 0, NaN stays NaN. */
VEC vec power(vec x) {
    x = v_max(v_set(-EXPONENT_BIAS), x); /* the bits of 2^n are then those of +0 */
    vec n, scale = v_exp2_nearest(x, &n), r = x - n;
    return scale + scale * (r * POLYNOMIAL(r, exp2_terms));
}

#define FOLD_TOP(turned) v = v_max(v, turned);
VEC_FOLD(lane_top, FOLD_TOP)

/* How many keys row r may look at, apart from the mask. */
static size_t visible_keys(const cdl_scores *t, size_t r) {
    const ptrdiff_t keys = t->visible + (ptrdiff_t)r;
    return keys <= 0 ? 0 : (size_t)keys < t->keys ? (size_t)keys : t->keys;
}

/* What a mask adds to an exponent: the lowest finite masks do not become -inf, which hides a key altogether. */
#define LOWEST ((real) - 3e38)
VEC real added(real mask) {
    const real x = mask * LOG2E;
    return x < LOWEST ? LOWEST : x;
}

/* Row r of the scores as exponents, masked, where that is more than a positive factor. */
static void apply_mask(const cdl_scores *t, real *s, size_t r, size_t n) {
    const real scale = (real)t->scale, nothing = -(real)INFINITY;
    if (t->masked == CDL_MASK_BOOL) {
        const unsigned char *mask = (const unsigned char *)t->mask + (ptrdiff_t)r * t->mask_row;
        if (t->mask_col)
            for (size_t j = 0; j < n; j++)
                s[j] = mask[j] ? s[j] * scale : nothing;
        else
            for (size_t j = 0; j < n; j++)
                s[j] = *mask ? s[j] * scale : nothing;
    } else if (t->masked == CDL_MASK_ADDED) {
        const real *mask = (const real *)t->mask + (ptrdiff_t)r * t->mask_row;
        if (t->mask_col)
            for (size_t j = 0; j < n; j++) /* a score that is not looked at may be NaN */
                s[j] = mask[j] == nothing ? nothing : s[j] * scale + added(mask[j]);
        else
            for (size_t j = 0; j < n; j++)
                s[j] = *mask == nothing ? nothing : s[j] * scale + added(*mask);
    } else
        for (size_t j = 0; j < n; j++)
            s[j] *= scale;
}

static int is_plain(const cdl_scores *t) {
    return !t->masked && t->scale > 0;
}

static void clear(real *s, size_t from, size_t to) {
    for (size_t j = (from + VLEN - 1) / VLEN * VLEN; j < to; j += VLEN)
        v_store(s + j, v_set(0));
}

VEC real row_top(const real *s, size_t n) {
    vec top = v_set(-(real)INFINITY);
    size_t j = 0;
    for (; j + VLEN <= n; j += VLEN)
        top = v_max(top, v_load(s + j));
    if (j < n)
        top = v_max(top, v_keep_n(v_load(s + j), n - j, -(real)INFINITY));
    return lane_top(top);
}

/* s = 2^(s scale - top), and the sum of the row */
VEC real row_powers(real *s, size_t n, real scale, real top) {
    vec sum = v_set(0);
    size_t j = 0;
    for (; j + VLEN <= n; j += VLEN) {
        const vec p = power(v_load(s + j) * scale - top);
        v_store(s + j, p);
        sum = sum + p;
    }
    if (j < n) {
        const vec p = v_keep_n(power(v_load(s + j) * scale - top), n - j, 0);
        v_store(s + j, p);
        sum = sum + p;
    }
    return v_sum(sum);
}

/* Rows whose tops are found before their weights: what a row waits for is found while others are worked on. */
#define GROUP 8

/* The weights of a row with this largest exponent, and what that does to what was summed before. */
static void row_weights(real *s, size_t count, size_t keys, real scale, real above, real *top, real *sum, real *o,
                        size_t n) {
    const real before = *top;
    if (above == -(real)INFINITY) {
        clear(s, 0, keys);
        return;
    }
    above = above < before ? before : above;
    const real block = row_powers(s, count, scale, above);
    clear(s, count, keys);
    if (before != above && before != -(real)INFINITY) {
        const vec fade = power(v_set(before - above));
        *sum *= fade[0];
        for (size_t j = 0; j < n; j += VLEN)
            v_store_n(o + j, v_load_n(o + j, n - j) * fade, n - j);
    }
    *sum += block;
    *top = above;
}

/* A block of scores becomes the weights 2^(exponent - top), 0 where a query may not look; top and sum (rows) are the
 * largest exponent and the sum of the weights so far; where this block moves the top, sum and o (rows, n), the values
 * summed so far, are scaled. With n = 0 it is the first block: top and sum are set. */
void KERNEL(attention_softmax)(const cdl_scores *t, void *s_, size_t rows, void *top_, void *sum_, void *o_,
                               ptrdiff_t o_row, size_t n) {
    real *s = s_, *top = top_, *sum = sum_, *o = o_, above[GROUP];
    const int plain = is_plain(t);
    const real scale = plain ? (real)t->scale : 1;
    for (size_t r = 0; r < rows; r += GROUP) {
        const size_t group = rows - r < GROUP ? rows - r : GROUP;
        for (size_t i = 0; i < group; i++) {
            if (n == 0)
                top[r + i] = -(real)INFINITY, sum[r + i] = 0;
            real *row = s + (ptrdiff_t)(r + i) * t->s_row;
            const size_t count = visible_keys(t, r + i);
            if (!plain)
                apply_mask(t, row, r + i, count);
            above[i] = row_top(row, count) * scale;
        }
        for (size_t i = r; i < r + group; i++)
            row_weights(s + (ptrdiff_t)i * t->s_row, visible_keys(t, i), t->keys, scale, above[i - r], top + i, sum + i,
                        o + (ptrdiff_t)i * o_row, n);
    }
}

/* o (rows, n) divided by its sums (rows), which become the logarithms (base 2) of all weights' sums: of a row that
 * looks at nothing o is 0 and the logarithm inf. */
void KERNEL(attention_divide)(void *o_, ptrdiff_t o_row, size_t rows, size_t n, const void *top_, void *sum_) {
    real *o = o_, *sum = sum_;
    const real *top = top_;
    for (size_t r = 0; r < rows; r++, o += o_row) {
        const vec share = v_set(sum[r] == 0 ? 0 : 1 / sum[r]);
        for (size_t j = 0; j < n; j += VLEN)
            v_store_n(o + j, v_load_n(o + j, n - j) * share, n - j);
    }
    for (size_t r = 0; r < rows; r += VLEN) {
        const vec total = v_load_n(sum + r, rows - r), log = v_load_n(top + r, rows - r) + v_log(total) * LOG2E;
        v_store_n(sum + r, v_select(v_eq(total, v_set(0)), v_set((real)INFINITY), log), rows - r);
    }
}

/* dmask += ds of a row; its elements lie `col` apart, 0: one for all keys */
static void add_to_mask(real *dmask, ptrdiff_t col, const real *ds, size_t n) {
    vec sum = v_set(0);
    for (size_t j = 0; j < n; j += VLEN) {
        if (col)
            v_store_n(dmask + j, v_load_n(dmask + j, n - j) + v_load_n(ds + j, n - j), n - j);
        else
            sum = sum + v_load_n(ds + j, n - j);
    }
    if (!col)
        *dmask += v_sum(sum);
}

/* A block of scores becomes the weights w = 2^(exponent - log); dw, their gradients, those of the scores,
 * w (dw - dot) factor, where dot (rows) is the sum of w dw along the row. dmask, unless NULL, gains w (dw - dot).
 * Neither is read where w = 0, so that NaN does not come out of where a query may not look. */
void KERNEL(attention_backward)(const cdl_scores *t, void *s_, void *dw_, size_t rows, const void *log_,
                                const void *dot_, double factor, void *dmask_) {
    real *s = s_, *dw = dw_, *dmask = dmask_;
    const real *log = log_, *dot = dot_;
    const int plain = is_plain(t);
    const real scale = plain ? (real)t->scale : 1;
    for (size_t r = 0; r < rows; r++, s += t->s_row, dw += t->s_row) {
        const size_t count = visible_keys(t, r);
        if (!plain)
            apply_mask(t, s, r, count);
        for (size_t j = 0; j < count; j += VLEN) {
            vec w = power(v_load(s + j) * scale - log[r]), ds = w * (v_load(dw + j) - dot[r]);
            if (count - j < VLEN)
                w = v_keep_n(w, count - j, 0);
            ds = v_select(v_eq(w, v_set(0)), v_set(0), ds);
            v_store(s + j, w);
            v_store(dw + j, dmask ? ds : ds * (real)factor);
        }
        clear(s, count, t->keys);
        clear(dw, count, t->keys);
        if (dmask && count) {
            add_to_mask(dmask + (ptrdiff_t)r * t->mask_row, t->mask_col, dw, count);
            for (size_t j = 0; j < count; j += VLEN)
                v_store(dw + j, v_load(dw + j) * (real)factor);
        }
    }
}

static int row_is_finite(const real *x, size_t n) {
    vec sum = v_set(0);
    for (size_t j = 0; j < n; j += VLEN) {
        const vec v = v_load_n(x + j, n - j);
        sum = sum + (v - v);
    }
    return v_sum(sum) == 0;
}

/* *finite is cleared if x (rows, n) holds NaN or infinity; y (rows, n) dense, unless NULL, gets x with zeros for such
 * rows. */
void KERNEL(attention_finite)(const void *x_, ptrdiff_t x_row, size_t rows, size_t n, void *y_, int *finite) {
    const real *x = x_;
    real *y = y_;
    for (size_t r = 0; r < rows; r++, x += x_row) {
        const int good = row_is_finite(x, n);
        if (!good)
            *finite = 0;
        if (y)
            for (size_t j = 0; j < n; j++)
                y[r * n + j] = good ? x[j] : 0;
    }
}

/* c (m, n) += a (m, k) x (k, n) for those rows of x that are not finite, where a is not 0: what the product of a with
 * the zeros put in their place leaves out. a by strides. */
void KERNEL(attention_rest)(size_t m, size_t n, size_t k, const void *a_, ptrdiff_t a_row, ptrdiff_t a_col,
                            const void *x_, ptrdiff_t x_row, void *c_, ptrdiff_t c_row) {
    const real *a = a_, *x = x_;
    real *c = c_;
    for (size_t p = 0; p < k; p++, a += a_col, x += x_row) {
        if (row_is_finite(x, n))
            continue;
        for (size_t i = 0; i < m; i++) {
            const real w = a[(ptrdiff_t)i * a_row];
            if (w != 0)
                for (size_t j = 0; j < n; j++)
                    c[(ptrdiff_t)i * c_row + (ptrdiff_t)j] += w * x[j];
        }
    }
}
