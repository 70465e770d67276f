/* Pooling over images that lie channels last: x (N, H, W, C), y (N, P, Q, C). A window covers R x S pixels from
 * (p stride_h - top, q stride_w - left) on; those outside of the image do not count.
 *
 * Vectors run along the channels, four at a time where there are so many: the loops over a window's pixels are then
 * paid for once in 256 bytes, and few channels cost one masked load a pixel. The backward gathers: every pixel of dx
 * adds up what the windows over it send, and is written once, whether windows overlap, touch or leave pixels out.
 */
#include "vec.h"

#define MANY 4 /* vectors of channels taken together */
#define EACH(k) for (size_t k = 0; k < count; k++)
/* do(j, n, count) for the channels from j on: count vectors of n channels, of which the last may be a part */
#define ALL_CHANNELS(C, do)                                                                                            \
    size_t j = 0;                                                                                                      \
    for (; j + MANY * VLEN <= (C); j += MANY * VLEN)                                                                   \
        do                                                                                                             \
            (j, MANY * VLEN, MANY);                                                                                    \
    for (; j < (C); j += VLEN)                                                                                         \
        do                                                                                                             \
        (j, (C) - j, 1)

typedef uint8_t bytes __attribute__((vector_size(VLEN)));
typedef int32_t words __attribute__((vector_size(4 * VLEN)));

/* The pixels of a window that lie in the image: [from, to) of its `length`, where it begins at `start` of `size` */
typedef struct {
    ptrdiff_t from, to;
} span;

VEC span inside(ptrdiff_t start, size_t length, size_t size) {
    const ptrdiff_t rest = (ptrdiff_t)size - start, n = (ptrdiff_t)length;
    return (span){start < 0 ? -start : 0, rest < n ? rest : n};
}

VEC int is_two(const cdl_pool *w, span r, span s) {
    return w->R == 2 && w->S == 2 && r.from + s.from == 0 && r.to + s.to == 4;
}

/* The windows [low, high] of `count`, each `length` long and `stride` after the one before it, that cover the element
 * at `place`, counted from the begin of the first. Both move on as places do. */
VEC void cover(span *windows, ptrdiff_t place, ptrdiff_t length, ptrdiff_t stride, ptrdiff_t count) {
    while (windows->from * stride + length <= place)
        windows->from++;
    while (windows->to + 1 < count && (windows->to + 1) * stride <= place)
        windows->to++;
}

/* Which pixel of its window was the largest is kept as r S + s, in a byte where that holds it. The rows of the index
 * are Q C + CDL_POOL_SLACK elements long, so that whole vectors may be written over what follows in the row. */
VEC size_t index_row(const cdl_pool *w) {
    return w->Q * w->C + CDL_POOL_SLACK;
}

VEC void put_index(void *index, size_t i, ivec tap, int wide) {
    if (wide) {
        words four = __builtin_convertvector(tap, words);
        memcpy((int32_t *)index + i, &four, sizeof four);
    } else {
#if defined(__AVX512F__) && defined(CDL_REAL_f32) /* the compiler may take it apart, element by element */
        bytes one = (bytes)_mm512_cvtepi32_epi8((__m512i)tap);
#elif defined(__AVX512F__)
        int64_t low = _mm_cvtsi128_si64(_mm512_cvtepi64_epi8((__m512i)tap));
        bytes one;
        memcpy(&one, &low, sizeof one);
#else
        bytes one = __builtin_convertvector(tap, bytes);
#endif
        memcpy((uint8_t *)index + i, &one, sizeof one);
    }
}

VEC vmask index_is(const void *index, size_t i, ptrdiff_t tap, int wide) {
    if (wide) {
        words four;
        memcpy(&four, (const int32_t *)index + i, sizeof four);
        vec both = (vec)(__builtin_convertvector(four, ivec) ^ v_iset((real_bits)tap));
#if defined(__AVX512F__) && defined(CDL_REAL_f32)
        return (vmask)_mm512_testn_epi32_mask((__m512i)both, (__m512i)both);
#elif defined(__AVX512F__)
        return (vmask)_mm512_testn_epi64_mask((__m512i)both, (__m512i)both);
#else
        return (vmask)((ivec)both == 0);
#endif
    }
    bytes one;
    memcpy(&one, (const uint8_t *)index + i, sizeof one);
#if defined(__AVX512F__) && defined(CDL_REAL_f32)
    return _mm_cmpeq_epi8_mask((__m128i)one, _mm_set1_epi8((char)tap));
#elif defined(__AVX512F__)
    return (vmask)_mm_cmpeq_epi8_mask(_mm_loadl_epi64((const __m128i *)&one), _mm_set1_epi8((char)tap));
#else
    return (vmask)(__builtin_convertvector(one, ivec) == v_iset((real_bits)tap));
#endif
}

/* where `value` is larger than `best`, or the first NaN */
VEC vmask exceeds(vec value, vec best) {
#if defined(__AVX512F__) && defined(CDL_REAL_f32)
    return _mm512_mask_cmp_ps_mask(v_eq(best, best), value, best, _CMP_NLE_UQ);
#elif defined(__AVX512F__)
    return _mm512_mask_cmp_pd_mask(v_eq(best, best), value, best, _CMP_NLE_UQ);
#else
    return v_not(v_le(value, best)) & v_eq(best, best);
#endif
}

/* One window, `n` channels in `count` vectors: x is its first pixel, which may lie outside */
VEC void max_window(const cdl_pool *w, const real *x, span r, span s, real *y, void *index, size_t i, int wide,
                    size_t n, size_t count) {
    vec best[MANY];
    ivec tap[MANY];
    const ptrdiff_t C = (ptrdiff_t)w->C, line = (ptrdiff_t)w->W * C;
    EACH(k) {
        best[k] = v_load_n(x + r.from * line + s.from * C + k * VLEN, n - k * VLEN);
        tap[k] = v_iset((real_bits)(r.from * (ptrdiff_t)w->S + s.from));
    }
    for (ptrdiff_t a = r.from; a < r.to; a++)
        for (ptrdiff_t b = a == r.from ? s.from + 1 : s.from; b < s.to; b++) {
            const vec here = (vec)v_iset((real_bits)(a * (ptrdiff_t)w->S + b));
            EACH(k) {
                vec value = v_load_n(x + a * line + b * C + k * VLEN, n - k * VLEN);
                vmask more = exceeds(value, best[k]);
                best[k] = v_select(more, value, best[k]);
                tap[k] = (ivec)v_select(more, here, (vec)tap[k]);
            }
        }
    EACH(k) {
        v_store_n(y + k * VLEN, best[k], n - k * VLEN);
        if (index)
            put_index(index, i + k * VLEN, tap[k], wide);
    }
}

VEC void max_channels(const cdl_pool *w, const real *x, span r, span s, real *y, void *index, size_t i, int wide) {
#define DO(j, n, count) max_window(w, x + (j), r, s, y + (j), index, i + (j), wide, n, count)
    ALL_CHANNELS(w->C, DO);
#undef DO
}

/* How many windows of a row, from the first on, may be taken as 2 x 2 windows of a whole vector although there are
 * fewer channels: what they have too much lies in the row, and the windows after them overwrite it. A mask for each
 * load and store costs half of the time of 6 channels. */
VEC size_t spilling(const cdl_pool *w) {
    const size_t C = w->C, step = (size_t)w->stride_w * C;
    if (C >= VLEN || C == 0 || w->R != 2 || w->S != 2 || w->left != 0)
        return 0;
    const size_t y = w->Q * C >= VLEN ? (w->Q * C - VLEN) / C + 1 : 0;
    const size_t x = w->W * C >= VLEN + C ? (w->W * C - VLEN - C) / step + 1 : 0;
    return x < y ? x : y;
}

/* Rows row to row + rows of the N P rows of y, the largest pixel of each window (NaN where it has one), and, unless
 * index is NULL, which one that was, the first of equals: (N P, Q C + CDL_POOL_SLACK) bytes, with R S > 256 of int32 */
void KERNEL(max_pool_forward)(const cdl_pool *w, const void *xs, void *ys, void *index, size_t row, size_t rows) {
    const int wide = w->R * w->S > 256;
    const span two = {0, 2};
    const size_t spill = spilling(w);
    for (; rows > 0; rows--, row++) {
        const ptrdiff_t h = (ptrdiff_t)(row % w->P) * w->stride_h - w->top, C = (ptrdiff_t)w->C;
        const real *line = (const real *)xs + ((ptrdiff_t)(row / w->P * w->H) + h) * (ptrdiff_t)w->W * C;
        const span r = inside(h, w->R, w->H);
        real *y = (real *)ys + row * w->Q * w->C;
        size_t i = row * index_row(w), q = 0;
        for (const size_t end = r.to - r.from == 2 ? spill : 0; q < end; q++, y += C, i += w->C)
            max_window(w, line + (ptrdiff_t)q * w->stride_w * C, two, two, y, index, i, 0, VLEN, 1);
        for (; q < w->Q; q++, y += C, i += w->C) {
            const ptrdiff_t x = (ptrdiff_t)q * w->stride_w - w->left;
            const span s = inside(x, w->S, w->W);
            if (is_two(w, r, s)) /* the most used window, whose loops the compiler then unrolls */
                for (size_t j = 0; j < w->C; j += VLEN)
                    max_window(w, line + x * C + j, two, two, y + j, index, i + j, 0, w->C - j, 1);
            else
                max_channels(w, line + x * C, r, s, y, index, i, wide);
        }
    }
}

VEC void avg_window(const cdl_pool *w, const real *x, span r, span s, real scale, real *y, size_t n, size_t count) {
    vec total[MANY], row[MANY]; /* of rows, then of windows: a mean of many pixels keeps its digits */
    const ptrdiff_t C = (ptrdiff_t)w->C, line = (ptrdiff_t)w->W * C;
    EACH(k) total[k] = v_set(0);
    for (ptrdiff_t a = r.from; a < r.to; a++) {
        EACH(k) row[k] = v_set(0);
        for (ptrdiff_t b = s.from; b < s.to; b++)
            EACH(k) row[k] += v_load_n(x + a * line + b * C + k * VLEN, n - k * VLEN);
        EACH(k) total[k] += row[k];
    }
    EACH(k) v_store_n(y + k * VLEN, total[k] * scale, n - k * VLEN);
}

/* What a window's sum is multiplied with: `scale`, or where that is 0 one over its pixels in the image */
VEC real weight_of(double scale, ptrdiff_t pixels) {
    return (real)(scale != 0 ? scale : 1 / (double)pixels);
}

/* Rows row to row + rows of the N P rows of y: the sum of each window times `scale`, with 0 its mean over the image */
void KERNEL(avg_pool_forward)(const cdl_pool *w, const void *xs, void *ys, size_t row, size_t rows, double scale) {
    const span two = {0, 2};
    const size_t spill = spilling(w);
    for (; rows > 0; rows--, row++) {
        const ptrdiff_t h = (ptrdiff_t)(row % w->P) * w->stride_h - w->top, C = (ptrdiff_t)w->C;
        const real *line = (const real *)xs + ((ptrdiff_t)(row / w->P * w->H) + h) * (ptrdiff_t)w->W * C;
        const span r = inside(h, w->R, w->H);
        real *y = (real *)ys + row * w->Q * w->C;
        size_t q = 0;
        for (const size_t end = r.to - r.from == 2 ? spill : 0; q < end; q++, y += C)
            avg_window(w, line + (ptrdiff_t)q * w->stride_w * C, two, two, weight_of(scale, 4), y, VLEN, 1);
        for (; q < w->Q; q++, y += C) {
            const ptrdiff_t x = (ptrdiff_t)q * w->stride_w - w->left;
            const span s = inside(x, w->S, w->W);
            const real weight = weight_of(scale, (r.to - r.from) * (s.to - s.from));
#define DO(j, n, count) avg_window(w, line + x * C + (ptrdiff_t)(j), r, s, weight, y + (j), n, count)
            ALL_CHANNELS(w->C, DO);
#undef DO
        }
    }
}

/* --- backward: with an index of the largest pixels, without (NULL) of means ------------------------------------------
 */
VEC void put(real *p, vec a, size_t n, int stream) {
    if (stream)
        v_stream(p, a);
    else
        v_store_n(p, a, n);
}

/* Zeros for `pixels` pixels of each of `lines` rows of dx */
VEC void no_windows(const cdl_pool *w, real *dx, ptrdiff_t pixels, ptrdiff_t lines, int stream) {
    for (ptrdiff_t a = 0; pixels > 0 && a < lines; a++)
        for (size_t i = 0; i < (size_t)pixels * w->C; i += VLEN)
            put(dx + a * (ptrdiff_t)(w->W * w->C) + (ptrdiff_t)i, v_set(0), (size_t)pixels * w->C - i, stream);
}

/* n channels of a window that shares no pixel with others, to its rows r and columns s from dx on */
VEC void send_channels(const cdl_pool *w, const void *index, size_t at, const real *g, real weight, span r, span s,
                       real *dx, size_t n, int wide, int stream) {
    const ptrdiff_t C = (ptrdiff_t)w->C, line = (ptrdiff_t)w->W * C;
    const vec from = v_load_n(g, n), share = from * weight;
    for (ptrdiff_t a = r.from; a < r.to; a++)
        for (ptrdiff_t b = s.from; b < s.to; b++) {
            vec part = share;
            if (index)
                part = v_select(index_is(index, at, a * (ptrdiff_t)w->S + b, wide), from, v_set(0));
            put(dx + (a - r.from) * line + (b - s.from) * C, part, n, stream);
        }
}

VEC void send(const cdl_pool *w, const void *index, size_t at, const real *g, real weight, span r, span s, real *dx,
              int wide, int stream) {
    for (size_t j = 0; j < w->C; j += VLEN)
        send_channels(w, index, at + j, g + j, weight, r, s, dx + j, w->C - j, wide, stream);
}

/* The rows r of row p of windows where no two share a pixel: all at once, which memory takes faster than one by one */
VEC void send_row(const cdl_pool *w, const void *index, const real *g, double scale, size_t p, span r, real *dx,
                  int wide, int stream, size_t spill) {
    const span whole = inside((ptrdiff_t)p * w->stride_h - w->top, w->R, w->H), two = {0, 2};
    const ptrdiff_t C = (ptrdiff_t)w->C, lines = r.to - r.from;
    size_t at = p * index_row(w), q = 0;
    ptrdiff_t done = 0; /* pixels of the rows */
    g += p * w->Q * w->C;
    for (const size_t end = r.to - r.from == 2 ? spill : 0; q < end; q++, at += w->C, g += C, done += 2)
        send_channels(w, index, at, g, index ? 1 : weight_of(scale, 4), two, two, dx + done * C, VLEN, 0, stream);
    for (; q < w->Q; q++, at += w->C, g += C) {
        const ptrdiff_t x = (ptrdiff_t)q * w->stride_w - w->left;
        const span s = inside(x, w->S, w->W);
        const real weight = index ? 1 : weight_of(scale, (whole.to - whole.from) * (s.to - s.from));
        no_windows(w, dx + done * C, x + s.from - done, lines, stream);
        done = x + s.to;
        if (is_two(w, r, s))
            send(w, index, at, g, weight, two, two, dx + x * C, 0, stream);
        else
            send(w, index, at, g, weight, r, s, dx + (x + s.from) * C, wide, stream);
    }
    no_windows(w, dx + done * C, (ptrdiff_t)w->W - done, lines, stream);
}

/* The pixel at (a, b), counted from the begin of the first window, of dx: what windows p and q send it */
VEC void gather(const cdl_pool *w, const void *index, const real *g, double scale, span p, span q, ptrdiff_t a,
                ptrdiff_t b, real *dx, size_t j, int wide, int stream, size_t n, size_t count) {
    vec sum[MANY];
    EACH(k) sum[k] = v_set(0);
    for (ptrdiff_t i = p.from; i <= p.to; i++) {
        const span r = inside(i * w->stride_h - w->top, w->R, w->H);
        for (ptrdiff_t m = q.from; m <= q.to; m++) {
            const span s = inside(m * w->stride_w - w->left, w->S, w->W);
            const real weight = index ? 1 : weight_of(scale, (r.to - r.from) * (s.to - s.from));
            const ptrdiff_t tap = (a - i * w->stride_h) * (ptrdiff_t)w->S + b - m * w->stride_w;
            const size_t at = (size_t)m * w->C + j;
            EACH(k) {
                vec part = v_load_n(g + (size_t)i * w->Q * w->C + at + k * VLEN, n - k * VLEN);
                if (index)
                    part =
                        v_select(index_is(index, (size_t)i * index_row(w) + at + k * VLEN, tap, wide), part, v_set(0));
                sum[k] += index ? part : part * weight;
            }
        }
    }
    EACH(k) put(dx + k * VLEN, sum[k], n - k * VLEN, stream);
}

VEC void gather_row(const cdl_pool *w, const void *index, const real *g, double scale, span p, ptrdiff_t a, real *dx,
                    int wide, int stream) {
    span q = {0, -1};
    for (size_t x = 0; x < w->W; x++, dx += w->C) {
        const ptrdiff_t b = (ptrdiff_t)x + w->left;
        cover(&q, b, (ptrdiff_t)w->S, w->stride_w, (ptrdiff_t)w->Q);
#define DO(j, n, count) gather(w, index, g, scale, p, q, a, b, dx + (j), j, wide, stream, n, count)
        ALL_CHANNELS(w->C, DO);
#undef DO
    }
}

VEC void backward(const cdl_pool *w, const void *indices, const void *gs, double scale, void *dxs, size_t row,
                  size_t rows, int wide, int stream) {
    const size_t spill = w->stride_w == 2 ? spilling(w) : 0; /* no pixel between windows */
    const int apart = (ptrdiff_t)w->R <= w->stride_h && (ptrdiff_t)w->S <= w->stride_w;
    size_t lines = 1;
    for (; rows > 0; rows -= lines, row += lines) {
        const size_t image = row / w->H * w->P;
        const ptrdiff_t a = (ptrdiff_t)(row % w->H) + w->top;
        const real *g = (const real *)gs + image * w->Q * w->C;
        const void *index = indices ? (const char *)indices + image * index_row(w) * (wide ? 4 : 1) : NULL;
        real *dx = (real *)dxs + row * w->W * w->C;
        span p = {0, -1};
        cover(&p, a, (ptrdiff_t)w->R, w->stride_h, (ptrdiff_t)w->P);
        lines = 1;
        if (p.from > p.to)
            no_windows(w, dx, (ptrdiff_t)w->W, 1, stream);
        else if (apart) {
            const ptrdiff_t first = a - p.from * w->stride_h, left = (ptrdiff_t)(w->H - row % w->H);
            span r = {first, (ptrdiff_t)w->R};
            lines = (size_t)(r.to - first < left ? r.to - first : left);
            lines = lines < rows ? lines : rows;
            r.to = first + (ptrdiff_t)lines;
            send_row(w, index, g, scale, (size_t)p.from, r, dx, wide, stream, spill);
        } else
            gather_row(w, index, g, scale, p, a, dx, wide, stream);
    }
    if (stream)
        v_stream_end();
}

/* Rows row to row + rows of the N H rows of dx; `stream` (dx aligned, C whole vectors): past the caches */
void KERNEL(max_pool_backward)(const cdl_pool *w, const void *index, const void *g, void *dx, size_t row, size_t rows,
                               int stream) {
    if (w->R * w->S > 256)
        backward(w, index, g, 0, dx, row, rows, 1, stream);
    else if (stream)
        backward(w, index, g, 0, dx, row, rows, 0, 1);
    else
        backward(w, index, g, 0, dx, row, rows, 0, 0);
}

/* Rows row to row + rows of the N H rows of dx; scale as in the forward, stream as for the largest */
void KERNEL(avg_pool_backward)(const cdl_pool *w, const void *g, void *dx, size_t row, size_t rows, double scale,
                               int stream) {
    if (stream)
        backward(w, NULL, g, scale, dx, row, rows, 0, 1);
    else
        backward(w, NULL, g, scale, dx, row, rows, 0, 0);
}
