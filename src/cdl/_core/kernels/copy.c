/* Strided copies. */
#include "kernels.h"

/* y (rows, cols), dense, from x with any strides (in elements). */
void KERNEL(gather_strided)(const void *x, void *y, size_t rows, size_t cols, ptrdiff_t row_stride, ptrdiff_t col_stride) {
    const real *xs = x;
    real *ys = y;
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < cols; j++) ys[i * cols + j] = xs[(ptrdiff_t)i * row_stride + (ptrdiff_t)j * col_stride];
}

/* y, with any strides (in elements), from x (rows, cols), dense. */
void KERNEL(scatter_strided)(const void *x, void *y, size_t rows, size_t cols, ptrdiff_t row_stride, ptrdiff_t col_stride) {
    const real *xs = x;
    real *ys = y;
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < cols; j++) ys[(ptrdiff_t)i * row_stride + (ptrdiff_t)j * col_stride] = xs[i * cols + j];
}
