/* c (m, n) = a (m, k) b (k, n) in register tiles. Each element is one chain of multiply-adds in the order of k that
 * starts from 0, the bias or c: neither the tile it falls in nor a split of k into several calls changes its bits. */
#include "gemm_tile.h"

#define TILE_OF(layout, rows, width)                                                                                   \
    static void tile_##layout##_##rows##x##width(const tile_args *t) {                                                 \
        tile(rows, width, layout, 0, t);                                                                               \
    }
#define TILE(rows, width) TILE_OF(ALONG_K, rows, width) TILE_OF(ACROSS_K, rows, width) TILE_OF(ANY, rows, width)
EACH_ROW(TILE, 1)
EACH_ROW(TILE, 2)
EACH_ROW_OF_4(TILE)
EACH_ROW_OF_8(TILE)

#define ENTRY_ANY(rows, width) tile_ANY_##rows##x##width,
#define ENTRY_ALONG(rows, width) tile_ALONG_K_##rows##x##width,
#define ENTRY_ACROSS(rows, width) tile_ACROSS_K_##rows##x##width,
#define EACH_OF_4_OR_8(X) EACH_ROW_OF_8(X) EACH_ROW_OF_4(X)
static tile_kernel *const narrow[][ROWS] = {
    {EACH_ROW(ENTRY_ANY, 1)}, {EACH_ROW(ENTRY_ALONG, 1)}, {EACH_ROW(ENTRY_ACROSS, 1)}};
static tile_kernel *const full[][ROWS] = {
    {EACH_ROW(ENTRY_ANY, 2)}, {EACH_ROW(ENTRY_ALONG, 2)}, {EACH_ROW(ENTRY_ACROSS, 2)}};
static tile_kernel *const wide[][ROWS_OF_4] = {
    {EACH_OF_4_OR_8(ENTRY_ANY)}, {EACH_OF_4_OR_8(ENTRY_ALONG)}, {EACH_OF_4_OR_8(ENTRY_ACROSS)}};

#if defined(__AVX512F__)
#define AHEAD 4096 /* bytes: b is fetched from L2 into L1 (400 x 120: 1.7 -> 1.4 us) */

/* One row of fewer columns than the widest tile has, as that tile with masks, which are for nothing here: 8 sums hide
 * the latency of a multiply-add for which two at a time wait (400 x 120: 2.4 -> 1.7 us). */
static void part_of_row(const tile_args *t, ptrdiff_t a_col) {
    vec sum[MAX_WIDTH];
    size_t lanes[MAX_WIDTH];
    const real *a = t->a, *b = t->b;
#pragma GCC unroll 8
    for (size_t w = 0; w < MAX_WIDTH; w++) {
        lanes[w] = t->lanes <= w * VLEN ? 0 : t->lanes < (w + 1) * VLEN ? t->lanes - w * VLEN : VLEN;
        sum[w] = t->bias ? v_load_part(t->bias + w * VLEN, lanes[w]) : v_set(0);
        if (t->accumulate)
            sum[w] = v_load_part(t->c + w * VLEN, lanes[w]) + sum[w];
    }
    for (size_t k = t->k; k > 0; k--, a += a_col, b += t->b_row) {
        const vec value = v_set(*a);
#pragma GCC unroll 8
        for (size_t w = 0; w < MAX_WIDTH; w++) {
            __builtin_prefetch((const char *)(b + w * VLEN) + AHEAD, 0, 3);
            sum[w] = add_product(sum[w], value, v_load_part(b + w * VLEN, lanes[w]));
        }
    }
#pragma GCC unroll 8
    for (size_t w = 0; w < MAX_WIDTH; w++)
        v_store_part(t->c + w * VLEN, sum[w], lanes[w]);
}
#endif

static size_t column_of_b(size_t j, size_t b_panel) {
    return j / CDL_GEMM_PANEL * b_panel + j % CDL_GEMM_PANEL;
}

/* a (m, k) by strides a_row and a_col of any value. b (k, n): rows b_row apart, column j at b + j / PANEL * b_panel +
 * j % PANEL; so b_panel is PANEL for b where it lies, and the size of a panel for packed b. c (m, n), rows c_row apart,
 * gets the product, plus bias (n) unless that is NULL, plus its old value where `accumulate`. c overlaps no input.
 *
 * Tiles go down the columns of c where b lies in place, or rows are few, and the next columns of b are fetched on the
 * way. Along packed panels, which are in L2, they go row by row: the rows of a then stay in L1, and those of c in the
 * same pages. The first tiles of each panel fetch a part of the panel as far behind `next`, which is packed b of the
 * same shape that is multiplied after this one, or NULL. */
void KERNEL(gemm_fetching)(size_t m, size_t n, size_t k, const void *a, ptrdiff_t a_row, ptrdiff_t a_col, const void *b,
                           ptrdiff_t b_row, size_t b_panel, void *c, ptrdiff_t c_row, const void *bias, int accumulate,
                           const void *next) {
    const size_t tiles = (m + ROWS - 1) / ROWS;
    const int layout = a_col == 1 ? ALONG_K : a_row == 1 ? ACROSS_K : ANY, packed = b_panel != CDL_GEMM_PANEL;
    const int down = !packed || m <= CDL_GEMM_FEW_ROWS;
    const size_t widest = packed ? 2 : m <= ROWS_OF_8 ? 8 : m <= ROWS_OF_4 ? 4 : 2;
    tile_args t = {.k = k, .a_row = a_row, .a_col = a_col, .b_row = b_row, .c_row = c_row, .accumulate = accumulate};
    size_t i = 0, j = 0, row = 0;
    while (i < tiles && j < n) {
#if defined(__AVX512F__)
        if (m == 1 && n - j > 2 * VLEN && n - j < MAX_WIDTH * VLEN && !packed) {
            t.a = a, t.b = (const real *)b + j, t.c = (real *)c + j, t.lanes = n - j;
            t.bias = bias ? (const real *)bias + j : NULL;
            part_of_row(&t, a_col);
            return;
        }
#endif
        const size_t left = n - j, width = left >= widest * VLEN ? widest : left >= 2 * VLEN ? 2 : 1;
        tile_kernel *const *kernels = width > 2 ? wide[layout] : width == 2 ? full[layout] : narrow[layout];
        const size_t columns = width * VLEN < left ? width * VLEN : left;
        /* Rows are shared out evenly: two tiles of 8 run faster than one of 14 and one of 2. */
        const size_t rows = m / tiles + (i < m % tiles), fetched = i * (k / STEPS);
        const real *ahead = !down            ? next ? (const real *)next + column_of_b(j, b_panel) : NULL
                            : columns < left ? (const real *)b + column_of_b(j + columns, b_panel)
                                             : next;
        const int fetch = ahead && fetched < k;
        t.a = (const real *)a + (ptrdiff_t)row * a_row;
        t.b = (const real *)b + column_of_b(j, b_panel);
        t.c = (real *)c + (ptrdiff_t)row * c_row + j;
        t.bias = bias ? (const real *)bias + j : NULL;
        t.lanes = columns;
        t.ahead = fetch ? ahead + (ptrdiff_t)fetched * b_row : t.b;
        t.ahead_row = fetch ? b_row : 0;
        kernels[rows - 1](&t);
        if (!down) {
            j += columns;
            if (j >= n)
                j = 0, i++, row += rows;
        } else {
            i++, row += rows;
            if (i >= tiles)
                i = 0, row = 0, j += columns;
        }
    }
}

void KERNEL(gemm)(size_t m, size_t n, size_t k, const void *a, ptrdiff_t a_row, ptrdiff_t a_col, const void *b,
                  ptrdiff_t b_row, size_t b_panel, void *c, ptrdiff_t c_row, const void *bias, int accumulate) {
    KERNEL(gemm_fetching)(m, n, k, a, a_row, a_col, b, b_row, b_panel, c, c_row, bias, accumulate, NULL);
}
