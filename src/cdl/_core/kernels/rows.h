/* What softmax and cross-entropy do along one long row: its largest element, the sum of its exponentials, and stores
 * that go past the caches where the whole output would not stay in them.
 */
#ifndef CDL_ROWS_H
#define CDL_ROWS_H
#include "vecmath.h"

enum {
    GROUP = 16,        /* rows of one block at most that are worked on together: their maxima do not wait for sums */
    MOST_BLOCKS = 64,  /* a row is cut into so many blocks at most, each with a shift of its own */
    BLOCK = 64 * VLEN, /* elements of a block, 4 KB: still in L1 when its exponentials follow its maximum */
    KEPT = 32768 / sizeof(real) /* the longest row of exponentials that waits in L2 for its sum */
};

/* e^x for x that is at most 0, or above it by a rounding error; NaN stays NaN */
VEC vec v_exp_below(vec x) {
    return v_exp_inside(v_max(v_set(EXP_LOW), x));
}

VEC real exp_of(real x) {
    return v_exp(v_set(x))[0];
}

#define V_FOLD_TOP(turned) v = v_max(v, turned);
VEC_FOLD(v_lane_top, V_FOLD_TOP)

/* The largest of n elements, -inf of none. A NaN may be lost: the sum of exponentials still has it. */
VEC real span_max(const real *x, size_t n) {
    vec top[4] = {v_set((real)-INFINITY), v_set((real)-INFINITY), v_set((real)-INFINITY), v_set((real)-INFINITY)};
    size_t i = 0;
    for (; i + 4 * VLEN <= n; i += 4 * VLEN)
        for (size_t k = 0; k < 4; k++)
            top[k] = v_max(top[k], v_load(x + i + k * VLEN));
    for (; i < n; i += VLEN)
        top[0] = v_max(top[0], v_keep_n(v_load_n(x + i, n - i), n - i, (real)-INFINITY));
    return v_lane_top(v_max(v_max(top[0], top[1]), v_max(top[2], top[3])));
}

/* The sum of e^(x - shift); the terms go to e where that is not NULL. What is needed next, `ahead` elements further, is
 * fetched meanwhile: the maxima would wait for memory, while the exponentials leave it idle. */
VEC real span_exp_sum(const real *x, real *e, size_t n, real shift, size_t ahead) {
    vec sum = v_set(0);
    for (size_t i = 0; i < n; i += VLEN) {
        __builtin_prefetch(x + i + ahead);
        if (e)
            __builtin_prefetch(e + i + ahead, 1);
        vec term = v_exp_below(v_load_n(x + i, n - i) - shift);
        if (e)
            v_store_n(e + i, term, n - i);
        sum += v_keep_n(term, n - i, 0);
    }
    return v_sum(sum);
}

/* Of up to GROUP rows: the largest element (0 where all are -inf), the sum of e^(x - shift), and its logarithm. Of a
 * row of several blocks, which is a group by itself, what each block was shifted by. */
typedef struct {
    real shift[GROUP], total[GROUP], log[GROUP], block_shift[MOST_BLOCKS];
} Sums;

VEC size_t block_of(size_t n) {
    size_t least = (n + MOST_BLOCKS - 1) / MOST_BLOCKS;
    return least <= BLOCK ? BLOCK : (least + VLEN - 1) / VLEN * VLEN;
}
#define GROUPS(top, members, rows, n)                                                                                  \
    for (size_t top = 0, members; members = (n) > BLOCK            ? 1                                                 \
                                            : (rows) - top < GROUP ? (rows) - top                                      \
                                                                   : GROUP,                                            \
                top < (rows);                                                                                          \
         top += members)

/* One pass over memory: each block is shifted by the largest element so far, and what was summed before is scaled when
 * a larger one comes. The terms go to e where that is not NULL. */
static void long_exp_sum(const real *x, real *e, size_t n, Sums *s) {
    real top = (real)-INFINITY, shift = 0, total = 0;
    size_t block = block_of(n);
    for (size_t at = 0, b = 0; at < n; at += block, b++) {
        size_t count = n - at < block ? n - at : block;
        real largest = span_max(x + at, count);
        if (!(largest <= top)) { /* or NaN */
            if (total != 0)
                total *= exp_of(shift - largest);
            top = shift = largest;
        }
        total += span_exp_sum(x + at, e ? e + at : NULL, count, shift, block);
        s->block_shift[b] = shift;
    }
    s->shift[0] = shift, s->total[0] = total;
}

/* The sums of a group of rows; those of weight 0 are passed over, where there are weights */
VEC void exp_sums(const real *x, real *e, const real *weight, size_t rows, size_t n, Sums *s) {
    for (size_t r = 0; r < rows; r++) {
        s->shift[r] = 0, s->total[r] = 1;
        if (n <= BLOCK && !(weight && weight[r] == 0)) {
            real top = span_max(x + r * n, n);
            s->shift[r] = top == (real)-INFINITY ? 0 : top;
        }
    }
    for (size_t r = 0; r < rows; r++) {
        if (weight && weight[r] == 0)
            continue;
        if (n > BLOCK)
            long_exp_sum(x, e, n, s);
        else
            s->total[r] = span_exp_sum(x + r * n, e ? e + r * n : NULL, n, s->shift[r], rows * n);
    }
}

/* What block b of row r's exponentials is to be multiplied with */
VEC real block_factor(const Sums *s, size_t r, size_t b, size_t n) {
    real late = n > BLOCK ? s->block_shift[b] - s->shift[r] : 0;
    return (late == 0 ? 1 : exp_of(late)) / s->total[r];
}

/* The logarithms of the totals; a row with inf and no NaN has the sum inf, though inf - inf is NaN */
VEC void log_sums(const real *x, size_t rows, size_t n, Sums *s) {
    for (size_t r = 0; r < rows; r++) {
        s->log[r] = s->total[r];
        if (s->shift[r] == (real)INFINITY)
            s->log[r] = 1;
        for (size_t i = 0; i < n && s->shift[r] == (real)INFINITY; i++)
            s->log[r] = x[r * n + i] == x[r * n + i] ? s->log[r] : x[r * n + i];
    }
    for (size_t r = 0; r < rows; r += VLEN)
        v_store_n(s->log + r, v_log(v_load_n(s->log + r, rows - r)), rows - r);
}

/* Stores: where `stream`, past the caches, which saves reading the lines first. The loops over a row begin with the
 * elements before y's first whole vector, so that all others are aligned as such stores must be:
 *     ALONG(y, i, count, n, stream) v_put(y + i, ..., count, stream) */
VEC size_t until_aligned(const real *y, int stream) {
    size_t past = (uintptr_t)y % VEC_BYTES / sizeof(real);
    return stream && past ? VLEN - past : VLEN;
}
#define ALONG(y, i, count, n, stream)                                                                                  \
    for (size_t i = 0, step_ = until_aligned(y, stream), count; count = (n) - i < step_ ? (n) - i : step_, i < (n);    \
         i += step_, step_ = VLEN)

VEC void v_put(real *p, vec a, size_t n, int stream) {
    if (stream && n >= VLEN)
        v_stream(p, a);
    else
        v_store_n(p, a, n);
}

/* After the last streaming store of a kernel: other threads see them in order with what follows */
VEC void stream_end(int stream) {
    if (stream)
        v_stream_end();
}
#endif
