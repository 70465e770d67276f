/* c (m, n) = a (m, k) b (k, n) in register tiles. Each element is one chain of multiply-adds in the order of k that
 * starts from 0, the bias or c: neither the tile it falls in nor a split of k into several calls changes its bits. */
#include "gemm.h"
#include "vec.h"

/* Rows of the largest tile, and rows up to which tiles of 4 and of 8 vectors are used instead of 2: few rows read b
 * faster the longer the run of each of its rows (one row: 54 -> 80 GB/s). The sums, the vectors of b and one value of a
 * must fit the registers: 32 with AVX-512 and on aarch64 (where gcc 12 spills above 24 or so), 16 elsewhere. */
#if defined(__AVX512F__)
#define ROWS 14
#define ROWS_OF_4 6
#define ROWS_OF_8 3
#elif defined(__aarch64__)
#define ROWS 8
#define ROWS_OF_4 4
#define ROWS_OF_8 1
#else
#define ROWS 6
#define ROWS_OF_4 2
#define ROWS_OF_8 1
#endif
#define MAX_WIDTH 8

typedef struct {
    size_t k;
    const real *a, *b;
    real *c;
    const real *bias; /* NULL: none */
    ptrdiff_t a_row, a_col, b_row, c_row;
    int accumulate;
    size_t lanes;    /* columns of c in a tile one vector wide */
    ptrdiff_t ahead; /* from b to what will be read next, to be fetched meanwhile; 0: nothing */
} tile_args;

VEC vec load_tile(const real *p, size_t w, size_t width, size_t lanes) {
    if (width > 1)
        return v_load(p + w * VLEN);
#ifdef __AVX512F__
    return v_load_part(p, lanes); /* a mask costs nothing here, a branch would */
#else
    return v_load_n(p, lanes);
#endif
}

/* rows x width vectors of c; both are constants in every caller, so the sums live in registers. */
VEC void tile(const size_t rows, const size_t width, const tile_args *t) {
    vec sum[ROWS][MAX_WIDTH];
    const size_t lanes = t->lanes;
#pragma GCC unroll 16
    for (size_t i = 0; i < rows; i++)
#pragma GCC unroll 8
        for (size_t w = 0; w < width; w++) {
            sum[i][w] = t->accumulate ? load_tile(t->c + (ptrdiff_t)i * t->c_row, w, width, lanes) : v_set(0);
            if (t->bias)
                sum[i][w] += load_tile(t->bias, w, width, lanes);
        }
    /* Five rows of a from one pointer: 0, 1, 2, 3, 4 strides are what x86 addresses from two registers. The empty asm
     * hides from gcc how the pointers are related; left alone it keeps 14 offsets and spills most of them (-4 %). */
    ptrdiff_t stride = t->a_row * (ptrdiff_t)sizeof(real), stride3 = 3 * stride;
    __asm__("" : "+r"(stride), "+r"(stride3));
    const char *a[(ROWS + 4) / 5];
#pragma GCC unroll 4
    for (size_t g = 0; g * 5 < rows; g++) {
        a[g] = (const char *)t->a + (ptrdiff_t)g * 5 * stride;
        __asm__("" : "+r"(a[g]));
    }
    const ptrdiff_t a_col = t->a_col * (ptrdiff_t)sizeof(real), b_row = t->b_row, ahead = t->ahead;
    const real *b = t->b;
    for (size_t k = t->k; k > 0; k--, b += b_row) {
        vec row[MAX_WIDTH];
#pragma GCC unroll 8
        for (size_t w = 0; w < width; w++) {
            row[w] = load_tile(b, w, width, lanes);
            /* once a line; the branch is worth 3 % where a is transposed and nothing is to be fetched */
            if (width == 2 && ahead && w * VEC_BYTES % 64 == 0)
                __builtin_prefetch(b + ahead + w * VLEN, 0, 2);
        }
#pragma GCC unroll 16
        for (size_t i = 0; i < rows; i++) {
            const ptrdiff_t steps[] = {0, stride, 2 * stride, stride3, 4 * stride};
            const real a_ik = *(const real *)(a[i / 5] + steps[i % 5]);
#pragma GCC unroll 8
            for (size_t w = 0; w < width; w++)
                sum[i][w] += a_ik * row[w];
        }
#pragma GCC unroll 4
        for (size_t g = 0; g * 5 < rows; g++)
            a[g] += a_col;
    }
#pragma GCC unroll 16
    for (size_t i = 0; i < rows; i++)
#pragma GCC unroll 8
        for (size_t w = 0; w < width; w++) {
            real *c = t->c + (ptrdiff_t)i * t->c_row + w * VLEN;
            if (width > 1)
                v_store(c, sum[i][w]);
            else
                v_store_n(c, sum[i][w], lanes);
        }
}

typedef void tile_kernel(const tile_args *t);
#define TILE(rows, width)                                                                                              \
    static void tile_##rows##x##width(const tile_args *t) {                                                            \
        tile(rows, width, t);                                                                                          \
    }
/* EACH(X) X(rows, width) for every tile there is, by width, so that one list makes the functions and their tables. */
#if defined(__AVX512F__)
#define EACH_ROW(X, width)                                                                                             \
    X(1, width)                                                                                                        \
    X(2, width)                                                                                                        \
    X(3, width)                                                                                                        \
    X(4, width)                                                                                                        \
    X(5, width)                                                                                                        \
    X(6, width) X(7, width) X(8, width) X(9, width) X(10, width) X(11, width) X(12, width) X(13, width) X(14, width)
#define EACH_ROW_OF_4(X) X(4, 4) X(5, 4) X(6, 4)
#define EACH_ROW_OF_8(X) X(1, 8) X(2, 8) X(3, 8)
#elif defined(__aarch64__)
#define EACH_ROW(X, width)                                                                                             \
    X(1, width) X(2, width) X(3, width) X(4, width) X(5, width) X(6, width) X(7, width) X(8, width)
#define EACH_ROW_OF_4(X) X(2, 4) X(3, 4) X(4, 4)
#define EACH_ROW_OF_8(X) X(1, 8)
#else
#define EACH_ROW(X, width) X(1, width) X(2, width) X(3, width) X(4, width) X(5, width) X(6, width)
#define EACH_ROW_OF_4(X) X(2, 4)
#define EACH_ROW_OF_8(X) X(1, 8)
#endif
EACH_ROW(TILE, 1)
EACH_ROW(TILE, 2)
EACH_ROW_OF_4(TILE)
EACH_ROW_OF_8(TILE)

#define ENTRY(rows, width) tile_##rows##x##width,
static tile_kernel *const narrow[] = {EACH_ROW(ENTRY, 1)};
static tile_kernel *const full[] = {EACH_ROW(ENTRY, 2)};
static tile_kernel *const wide[] = {EACH_ROW_OF_8(ENTRY) EACH_ROW_OF_4(ENTRY)};

static size_t column_of_b(size_t j, size_t b_panel) {
    return j / CDL_GEMM_PANEL * b_panel + j % CDL_GEMM_PANEL;
}

/* a (m, k) by strides a_row and a_col of any value. b (k, n): rows b_row apart, column j at b + j / PANEL * b_panel +
 * j % PANEL; so b_panel is PANEL for b where it lies, and the size of a panel for packed b. c (m, n), rows c_row apart,
 * gets the product, plus bias (n) unless that is NULL, plus its old value where `accumulate`. c overlaps no input. */
void KERNEL(gemm)(size_t m, size_t n, size_t k, const void *a, ptrdiff_t a_row, ptrdiff_t a_col, const void *b,
                  ptrdiff_t b_row, size_t b_panel, void *c, ptrdiff_t c_row, const void *bias, int accumulate) {
    const size_t tiles = (m + ROWS - 1) / ROWS;
    const size_t widest = b_panel != CDL_GEMM_PANEL ? 2 : m <= ROWS_OF_8 ? 8 : m <= ROWS_OF_4 ? 4 : 2;
    for (size_t j = 0, columns; j < n; j += columns) {
        const size_t left = n - j;
        const size_t width = left >= widest * VLEN ? widest : left >= 2 * VLEN ? 2 : 1;
        tile_kernel *const *kernels = width > 2 ? wide : width == 2 ? full : narrow;
        columns = width * VLEN < left ? width * VLEN : left;
        const size_t next = j + columns, here = column_of_b(j, b_panel);
        tile_args t = {k,
                       a,
                       (const real *)b + here,
                       (real *)c + j,
                       bias ? (const real *)bias + j : NULL,
                       a_row,
                       a_col,
                       b_row,
                       c_row,
                       accumulate,
                       columns,
                       0};
        /* The last tile of these columns fetches the next ones into L2: b from L3 cost 6 % of (128, 768, 3072). */
        const ptrdiff_t ahead = next < n ? (ptrdiff_t)(column_of_b(next, b_panel) - here) : 0;
        /* Rows are shared out evenly: two tiles of 8 run faster than one of 14 and one of 2. */
        for (size_t i = 0; i < tiles; i++) {
            const size_t rows = m / tiles + (i < m % tiles);
            if (i + 1 == tiles)
                t.ahead = ahead;
            kernels[rows - 1](&t);
            t.a += (ptrdiff_t)rows * a_row;
            t.c += (ptrdiff_t)rows * c_row;
        }
    }
}
