/* c (m, n) = a (m, k) bT, for b given as (n, k): sums along k, where packing b would cost more than it saves (few rows
 * of a) and for matrix times vector. An element's bits depend on k alone, not on the tile it falls in. */
#include "vec.h"

/* A tile is ROWS rows of a by COLUMNS rows of b: ROWS x COLUMNS sums, ROWS vectors of a and one of b in registers. */
#if defined(__AVX512F__)
#define ROWS 6
#elif defined(__aarch64__)
#define ROWS 4
#else
#define ROWS 2
#endif
#define COLUMNS 4

typedef struct {
    size_t k;
    const real *a, *b;
    real *c;
    const real *bias;
    ptrdiff_t a_row, b_row, c_row;
    int accumulate;
} dot_args;

/* The sum of the lanes, halves folded: the same order for each element whatever its tile. */
typedef real quarter __attribute__((vector_size(16)));
VEC quarter fold(vec v) {
#if defined(__AVX512F__)
    const __m512d d = (__m512d)v;
    typedef real half __attribute__((vector_size(32)));
    const half h = (half)_mm512_castpd512_pd256(d) + (half)_mm512_extractf64x4_pd(d, 1);
    return (quarter)_mm256_castpd256_pd128((__m256d)h) + (quarter)_mm256_extractf128_pd((__m256d)h, 1);
#elif defined(__AVX2__)
    const __m256d d = (__m256d)v;
    return (quarter)_mm256_castpd256_pd128(d) + (quarter)_mm256_extractf128_pd(d, 1);
#else
    return v;
#endif
}
VEC real lane_sum(vec v) {
    const quarter q = fold(v);
#ifdef CDL_REAL_f32
    return (q[0] + q[2]) + (q[1] + q[3]);
#else
    return q[0] + q[1];
#endif
}

/* lane_sum of four vectors, element for element the same additions, and far fewer of them than one by one. */
enum { QUARTER = 16 / sizeof(real), PAIRS = COLUMNS / QUARTER };
VEC void lane_sums(const vec *v, quarter *sums) {
    const quarter a = fold(v[0]), b = fold(v[1]), c = fold(v[2]), d = fold(v[3]);
#ifdef CDL_REAL_f32
    const quarter ab = __builtin_shufflevector(a, b, 0, 1, 4, 5) + __builtin_shufflevector(a, b, 2, 3, 6, 7);
    const quarter cd = __builtin_shufflevector(c, d, 0, 1, 4, 5) + __builtin_shufflevector(c, d, 2, 3, 6, 7);
    sums[0] = __builtin_shufflevector(ab, cd, 0, 2, 4, 6) + __builtin_shufflevector(ab, cd, 1, 3, 5, 7);
#else
    sums[0] = __builtin_shufflevector(a, b, 0, 2) + __builtin_shufflevector(a, b, 1, 3);
    sums[1] = __builtin_shufflevector(c, d, 0, 2) + __builtin_shufflevector(c, d, 1, 3);
#endif
}

typedef real quarter_at __attribute__((vector_size(16), aligned(sizeof(real)), may_alias));

/* c = its old value, if wanted, plus the bias, plus the sum: for `columns` elements of a row */
VEC void store_sums(const size_t columns, const vec *sum, real *c, const dot_args *t) {
    if (columns == COLUMNS) {
        quarter sums[PAIRS];
        lane_sums(sum, sums);
#pragma GCC unroll 2
        for (size_t j = 0; j < PAIRS; j++) {
            quarter start = {0};
            if (t->accumulate)
                start = ((const quarter_at *)c)[j];
            if (t->bias)
                start += ((const quarter_at *)t->bias)[j];
            ((quarter_at *)c)[j] = start + sums[j];
        }
        return;
    }
    real start = t->accumulate ? c[0] : 0;
    if (t->bias)
        start += t->bias[0];
    c[0] = start + lane_sum(sum[0]);
}

/* rows x columns elements of c, both constants in every caller. */
VEC void dot_tile(const size_t rows, const size_t columns, const dot_args *t) {
    vec sum[ROWS][COLUMNS];
#pragma GCC unroll 8
    for (size_t i = 0; i < rows; i++)
#pragma GCC unroll 4
        for (size_t j = 0; j < columns; j++)
            sum[i][j] = v_set(0);
    size_t p = 0;
#define STEP(load)                                                                                                     \
    {                                                                                                                  \
        vec a[ROWS];                                                                                                   \
        _Pragma("GCC unroll 8") for (size_t i = 0; i < rows; i++) a[i] = load(t->a + (ptrdiff_t)i * t->a_row + p);     \
        _Pragma("GCC unroll 4") for (size_t j = 0; j < columns; j++) {                                                 \
            const vec b = load(t->b + (ptrdiff_t)j * t->b_row + p);                                                    \
            _Pragma("GCC unroll 8") for (size_t i = 0; i < rows; i++) sum[i][j] += a[i] * b;                           \
        }                                                                                                              \
    }
#define LOAD_REST(q) v_load_part(q, t->k - p)
    for (; p + VLEN <= t->k; p += VLEN)
        STEP(v_load)
    if (p < t->k)
        STEP(LOAD_REST)
#undef STEP
#undef LOAD_REST
#pragma GCC unroll 8
    for (size_t i = 0; i < rows; i++)
        store_sums(columns, sum[i], t->c + (ptrdiff_t)i * t->c_row, t);
}

typedef void dot_kernel(const dot_args *t);
#define DOT(rows)                                                                                                      \
    static void dot_##rows##x1(const dot_args *t) {                                                                    \
        dot_tile(rows, 1, t);                                                                                          \
    }                                                                                                                  \
    static void dot_##rows##x4(const dot_args *t) {                                                                    \
        dot_tile(rows, COLUMNS, t);                                                                                    \
    }
#if ROWS == 6
#define EACH_ROW(X) X(1) X(2) X(3) X(4) X(5) X(6)
#elif ROWS == 4
#define EACH_ROW(X) X(1) X(2) X(3) X(4)
#else
#define EACH_ROW(X) X(1) X(2)
#endif
EACH_ROW(DOT)
#define ENTRY(rows) {dot_##rows##x1, dot_##rows##x4},
static dot_kernel *const kernels[][2] = {EACH_ROW(ENTRY)};

/* a (m, k) and b (n, k), their rows a_row and b_row apart; c (m, n), rows c_row apart, gets the product, plus bias (n)
 * unless NULL, plus its old value where `accumulate`. c overlaps no input. */
void KERNEL(gemm_dot)(size_t m, size_t n, size_t k, const void *a, ptrdiff_t a_row, const void *b, ptrdiff_t b_row,
                      void *c, ptrdiff_t c_row, const void *bias, int accumulate) {
    const size_t tiles = (m + ROWS - 1) / ROWS;
    for (size_t j = 0, columns; j < n; j += columns) {
        const int whole = n - j >= COLUMNS;
        columns = whole ? COLUMNS : 1;
        dot_args t = {k,
                      a,
                      (const real *)b + (ptrdiff_t)j * b_row,
                      (real *)c + j,
                      bias ? (const real *)bias + j : NULL,
                      a_row,
                      b_row,
                      c_row,
                      accumulate};
        for (size_t i = 0; i < tiles; i++) {
            const size_t rows = m / tiles + (i < m % tiles);
            kernels[rows - 1][whole](&t);
            t.a += (ptrdiff_t)rows * a_row;
            t.c += (ptrdiff_t)rows * c_row;
        }
    }
}

/* sum (1) = a (k) . b (k), on as many running sums as hide the latency of a multiply-add. */
void KERNEL(gemm_inner)(size_t k, const void *a, const void *b, void *sum) {
    enum { SUMS = 8 };
    const real *x = a, *y = b;
    vec total[SUMS];
    size_t p = 0;
    for (size_t i = 0; i < SUMS; i++)
        total[i] = v_set(0);
    for (; p + SUMS * VLEN <= k; p += SUMS * VLEN)
#pragma GCC unroll 8
        for (size_t i = 0; i < SUMS; i++)
            total[i] += v_load(x + p + i * VLEN) * v_load(y + p + i * VLEN);
    for (; p < k; p += VLEN)
        total[0] += v_load_n(x + p, k - p) * v_load_n(y + p, k - p);
    for (size_t half = SUMS / 2; half; half /= 2)
        for (size_t i = 0; i < half; i++)
            total[i] += total[i + half];
    *(real *)sum = lane_sum(total[0]);
}
