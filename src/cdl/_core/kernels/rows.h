/* What softmax and cross-entropy do along one long row: its largest element, the sum of its exponentials, and stores
 * that go past the caches where the whole output would not stay in them.
 */
#ifndef CDL_ROWS_H
#define CDL_ROWS_H
#include "vecmath.h"

enum {
    GROUP = 64,         /* rows whose sums are kept for one vectorised logarithm: one a row would waste its lanes */
    MOST_BLOCKS = 64,   /* a row is cut into so many blocks at most, each with a shift of its own */
    BLOCK = 64 * VLEN   /* elements of a block, 4 KB: still in L1 when its exponentials follow its maximum */
};

/* e^x for x that is at most 0, or above it by a rounding error; NaN stays NaN */
VEC vec v_exp_below(vec x) {
    return v_exp_inside(v_max(v_set(EXP_LOW), x));
}

VEC real exp_of(real x) {
    return v_exp(v_set(x))[0];
}

/* The largest of n elements, -inf of none. A NaN may be lost: the sum of exponentials still has it. */
VEC real span_max(const real *x, size_t n) {
    vec top[4] = {v_set((real)-INFINITY), v_set((real)-INFINITY), v_set((real)-INFINITY), v_set((real)-INFINITY)};
    size_t i = 0;
    for (; i + 4 * VLEN <= n; i += 4 * VLEN)
        for (size_t k = 0; k < 4; k++)
            top[k] = v_max(top[k], v_load(x + i + k * VLEN));
    for (; i < n; i += VLEN)
        top[0] = v_max(top[0], v_keep_n(v_load_n(x + i, n - i), n - i, (real)-INFINITY));
    return v_lane_max(v_max(v_max(top[0], top[1]), v_max(top[2], top[3])));
}

/* The sum of e^(x - shift); the terms go to e where that is not NULL */
VEC real span_exp_sum(const real *x, real *e, size_t n, real shift) {
    vec sum = v_set(0);
    for (size_t i = 0; i < n; i += VLEN) {
        vec term = v_exp_below(v_load_n(x + i, n - i) - shift);
        if (e)
            v_store_n(e + i, term, n - i);
        sum += v_keep_n(term, n - i, 0);
    }
    return v_sum(sum);
}

typedef struct {
    real shift, total; /* of a row: its largest element (0 where all are -inf), and the sum of e^(x - shift) */
} RowSum;

VEC size_t block_of(size_t n) {
    size_t least = (n + MOST_BLOCKS - 1) / MOST_BLOCKS;
    return least <= BLOCK ? BLOCK : (least + VLEN - 1) / VLEN * VLEN;
}

/* One pass over memory: each block is shifted by the largest element so far, and what was summed before is scaled when
 * a larger one comes. shifts[b] keeps the shift of block b where e, which got the terms, is to be scaled later. */
VEC RowSum row_exp_sum(const real *x, real *e, size_t n, real *shifts) {
    real top = (real)-INFINITY;
    RowSum row = {0, 0};
    size_t block = block_of(n);
    for (size_t at = 0, b = 0; at < n; at += block, b++) {
        size_t count = n - at < block ? n - at : block;
        real largest = span_max(x + at, count);
        if (!(largest <= top)) { /* or NaN */
            if (row.total != 0)
                row.total *= exp_of(row.shift - largest);
            top = row.shift = largest;
        }
        row.total += span_exp_sum(x + at, e ? e + at : NULL, count, row.shift);
        if (e)
            shifts[b] = row.shift;
    }
    return row;
}

/* The same for the logarithm of a sum: a row with inf and no NaN has the sum inf, though inf - inf is NaN */
VEC RowSum row_log_sum(const real *x, size_t n) {
    RowSum row = row_exp_sum(x, NULL, n, NULL);
    if (row.shift == (real)INFINITY) {
        row.total = 1;
        for (size_t i = 0; i < n; i++)
            row.total = x[i] == x[i] ? row.total : x[i];
    }
    return row;
}

/* shift[r], the largest of row r (0 where all are -inf), and rest[r] = log of the sum of e^(x[r, :] - shift[r]), for up to GROUP rows;
 * those of weight 0 are passed over, where there are weights */
static inline void group_logsumexp(const real *x, size_t rows, size_t n, real *shift, real *rest, const real *weight) {
    for (size_t r = 0; r < rows; r++) {
        RowSum row = weight && weight[r] == 0 ? (RowSum){0, 1} : row_log_sum(x + r * n, n);
        shift[r] = row.shift, rest[r] = row.total;
    }
    for (size_t r = 0; r < rows; r += VLEN)
        v_store_n(rest + r, v_log(v_load_n(rest + r, rows - r)), rows - r);
}
#define GROUPS(top, count)                                                                                             \
    for (size_t top = 0, count; count = rows - top < GROUP ? rows - top : GROUP, top < rows; top += GROUP)

/* Stores: where `stream`, past the caches, which saves reading the lines first. The loops over a row begin with the
 * elements before y's first whole vector, so that all others are aligned as such stores must be:
 *     ALONG(y, i, count, n, stream) v_put(y + i, ..., count, stream) */
VEC size_t until_aligned(const real *y, int stream) {
    size_t past = (uintptr_t)y % VEC_BYTES / sizeof(real);
    return stream && past ? VLEN - past : VLEN;
}
#define ALONG(y, i, count, n, stream)                                                                                  \
    for (size_t i = 0, step_ = until_aligned(y, stream), count;                                                        \
         count = (n) - i < step_ ? (n) - i : step_, i < (n); i += step_, step_ = VLEN)

VEC void v_put(real *p, vec a, size_t n, int stream) {
#if defined(__AVX512F__) || defined(__AVX2__) || defined(__SSE4_1__)
    if (stream && n >= VLEN) {
        X(stream)(p, a);
        return;
    }
#endif
    v_store_n(p, a, n);
}

/* After the last streaming store of a kernel: other threads see them in order with what follows */
VEC void stream_end(int stream) {
#if defined(__AVX512F__) || defined(__AVX2__) || defined(__SSE4_1__)
    if (stream)
        _mm_sfence();
#else
    (void)stream;
#endif
}
#endif
