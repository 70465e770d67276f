/* Convolution where the images lie: a kernel row of S pixels of C channels is one run of S C neighbours, so that
 * windows side by side are the rows of a matrix that overlap, and the R kernel rows are R segments of the sum. */
#include "gemm_tile.h"

#define TILE_OF(layout, rows, width)                                                                                   \
    static void tile_##layout##_##rows##x##width(const tile_args *t) {                                                 \
        tile(rows, width, layout, 1, t);                                                                               \
    }
#define TILE(rows, width) TILE_OF(ALONG_K, rows, width) TILE_OF(ACROSS_K, rows, width)
EACH_ROW(TILE, 1)
EACH_ROW(TILE, 2)

#define ENTRY_ALONG(rows, width) tile_ALONG_K_##rows##x##width,
#define ENTRY_ACROSS(rows, width) tile_ACROSS_K_##rows##x##width,
static tile_kernel *const along[][ROWS] = {{EACH_ROW(ENTRY_ALONG, 1)}, {EACH_ROW(ENTRY_ALONG, 2)}};
static tile_kernel *const across[][ROWS] = {{EACH_ROW(ENTRY_ACROSS, 1)}, {EACH_ROW(ENTRY_ACROSS, 2)}};

/* c (m, n) = the sum over s of a_s (m, k) b_s (k, n), where a_s begins s a_segment after a, and one of a_row and a_col
 * is 1; rows of a may overlap. b (segments k, n) is packed: panels of CDL_GEMM_PANEL columns, b_panel elements apart.
 * Plus bias (n) unless that is NULL, plus the old c where `accumulate`. What lies like c from `ahead` on is fetched
 * meanwhile, unless that is NULL. */
void KERNEL(conv_rows)(size_t m, size_t n, size_t segments, size_t k, const void *a, ptrdiff_t a_row, ptrdiff_t a_col,
                       ptrdiff_t a_segment, const void *b, size_t b_panel, void *c, ptrdiff_t c_row, const void *bias,
                       int accumulate, int stream, const void *ahead) {
    const size_t tiles = (m + ROWS - 1) / ROWS;
    tile_kernel *const(*kernels)[ROWS] = a_col == 1 ? along : across;
    tile_args t = {.k = k,
                   .a_row = a_row,
                   .a_col = a_col,
                   .b_row = CDL_GEMM_PANEL,
                   .c_row = c_row,
                   .accumulate = accumulate,
                   .stream = stream,
                   .segments = segments,
                   .ahead_row = ahead ? c_row : 0,
                   .a_jump = (a_segment - (ptrdiff_t)k * a_col) * (ptrdiff_t)sizeof(real)};
    for (size_t i = 0, row = 0; i < tiles; i++) {
        const size_t rows = m / tiles + (i < m % tiles);
        t.a = (const real *)a + (ptrdiff_t)row * a_row;
        for (size_t j = 0; j < n;) {
            const size_t width = n - j >= 2 * VLEN ? 2 : 1;
            t.lanes = width * VLEN < n - j ? width * VLEN : n - j;
            t.b = (const real *)b + j / CDL_GEMM_PANEL * b_panel + j % CDL_GEMM_PANEL;
            t.c = (real *)c + (ptrdiff_t)row * c_row + j;
            t.bias = bias ? (const real *)bias + j : NULL;
            t.ahead = ahead ? (const real *)ahead + (ptrdiff_t)row * c_row + j : t.b;
            kernels[width - 1][rows - 1](&t);
            j += t.lanes;
        }
        row += rows;
    }
    if (stream)
        v_stream_end();
}
