/* uses: copy.c index.c
 *
 * Copies and indexed rows element by element.
 */
#include "driver.h"
#define KERNEL_ROW(name, args) void KERNEL(name) args;
#include "kernels.def"

static char *page[4];

/* every element of y (rows, cols) is x at its strides, whatever their sign; and back */
static void strided(size_t rows, size_t cols, ptrdiff_t row_stride, ptrdiff_t col_stride) {
    static real x[1 << 16], y[1 << 14], back[1 << 16];
    ptrdiff_t origin = 1 << 15;
    for (size_t i = 0; i < 1 << 16; i++)
        x[i] = (real)i, back[i] = -1;
    real *dense = placed(page[0], rows * cols, 1);
    KERNEL(gather_strided)(x + origin, dense, rows, cols, row_stride, col_stride);
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < cols; j++)
            check(dense[i * cols + j] == x[origin + (ptrdiff_t)i * row_stride + (ptrdiff_t)j * col_stride],
                  "gather_strided");
    memcpy(y, dense, rows * cols * sizeof(real));
    KERNEL(scatter_strided)(y, back + origin, rows, cols, row_stride, col_stride);
    size_t written = 0;
    for (size_t i = 0; i < 1 << 16; i++)
        written += back[i] != -1, check(back[i] == -1 || back[i] == x[i], "scatter_strided");
    check(written == rows * cols, "scatter_strided writes each element");
}

static void indexed(size_t n) {
    enum { ROWS = 7, COUNT = 20 };
    real *x = placed(page[0], ROWS * n, 1), *y = placed(page[1], COUNT * n, 1);
    real *sum = placed(page[2], ROWS * n, 1), *g = placed(page[3], COUNT * n, 1);
    int64_t index[COUNT];
    for (size_t i = 0; i < COUNT; i++)
        index[i] = (int64_t)uniform(0, ROWS);
    for (size_t i = 0; i < ROWS * n; i++)
        x[i] = (real)i, sum[i] = 0;
    for (size_t i = 0; i < COUNT * n; i++)
        g[i] = (real)(i % 9); /* small integers: sums are exact */
    KERNEL(gather_rows)(x, index, y, COUNT, n);
    KERNEL(scatter_add_rows)(g, index, sum, COUNT, n, 0, 3);
    KERNEL(scatter_add_rows)(g, index, sum, COUNT, n, 3, ROWS);
    for (size_t i = 0; i < COUNT; i++)
        for (size_t j = 0; j < n; j++)
            check(y[i * n + j] == x[(size_t)index[i] * n + j], "gather_rows");
    for (size_t r = 0; r < ROWS; r++)
        for (size_t j = 0; j < n; j++) {
            real want = 0;
            for (size_t i = 0; i < COUNT; i++)
                want += (size_t)index[i] == r ? g[i * n + j] : 0;
            check(sum[r * n + j] == want, "scatter_add_rows");
        }
}

int main(void) {
    for (int i = 0; i < 4; i++)
        page[i] = guarded();
    const size_t sizes[] = {0, 1, 2, VLEN - 1, VLEN, VLEN + 1, 2 * VLEN + 3};
    for (size_t i = 0; i < 7; i++)
        for (size_t j = 0; j < 7; j++) {
            size_t rows = sizes[i], cols = sizes[j];
            ptrdiff_t dense = (ptrdiff_t)cols, tall = (ptrdiff_t)rows;
            strided(rows, cols, dense, 1), strided(rows, cols, dense + 5, 1), strided(rows, cols, -dense, 1);
            strided(rows, cols, 1, tall + 0), strided(rows, cols, 1, tall + 2), strided(rows, cols, 1, -tall - 1);
            strided(rows, cols, 3 * dense, 3), strided(rows, cols, -1, tall), strided(rows, cols, dense, -1);
        }
    indexed(1), indexed(5), indexed(VLEN), indexed(2 * VLEN + 1);
    return failures != 0;
}
