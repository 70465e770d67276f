/* Copies between strided and dense arrays. */
#include "vec.h"

/* Interleave the lower (upper) halves of a and b: a0 b0 a1 b1 ... */
#if defined(__AVX512F__) && defined(CDL_REAL_f32)
#define ZIP_LOW(a, b) __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23)
#define ZIP_HIGH(a, b) __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31)
#elif defined(__AVX512F__) || (defined(__AVX2__) && defined(CDL_REAL_f32))
#define ZIP_LOW(a, b) __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11)
#define ZIP_HIGH(a, b) __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15)
#elif defined(__AVX2__) || defined(CDL_REAL_f32)
#define ZIP_LOW(a, b) __builtin_shufflevector(a, b, 0, 4, 1, 5)
#define ZIP_HIGH(a, b) __builtin_shufflevector(a, b, 2, 6, 3, 7)
#else
#define ZIP_LOW(a, b) __builtin_shufflevector(a, b, 0, 2)
#define ZIP_HIGH(a, b) __builtin_shufflevector(a, b, 1, 3)
#endif

/* to[j, i] = from[i, j] for a square of VLEN: log2(VLEN) rounds that interleave row i with row i + VLEN / 2 */
VEC void transpose_square(const real *from, ptrdiff_t from_stride, real *to, ptrdiff_t to_stride) {
    vec row[VLEN], next[VLEN];
    for (size_t i = 0; i < VLEN; i++)
        row[i] = v_load(from + (ptrdiff_t)i * from_stride);
    for (size_t round = 1; round < VLEN; round *= 2) {
        for (size_t i = 0; i < VLEN / 2; i++) {
            next[2 * i] = ZIP_LOW(row[i], row[i + VLEN / 2]);
            next[2 * i + 1] = ZIP_HIGH(row[i], row[i + VLEN / 2]);
        }
        for (size_t i = 0; i < VLEN; i++)
            row[i] = next[i];
    }
    for (size_t i = 0; i < VLEN; i++)
        v_store(to + (ptrdiff_t)i * to_stride, row[i]);
}

/* to[i, j] = from[j, i] where neighbours along i are adjacent in `from` and neighbours along j in `to` */
static void transpose(const real *from, ptrdiff_t from_stride, real *to, ptrdiff_t to_stride, size_t rows,
                      size_t cols) {
    size_t whole_rows = rows / VLEN * VLEN, whole_cols = cols / VLEN * VLEN;
    for (size_t i = 0; i < whole_rows; i += VLEN)
        for (size_t j = 0; j < whole_cols; j += VLEN)
            transpose_square(from + (ptrdiff_t)j * from_stride + i, from_stride, to + (ptrdiff_t)i * to_stride + j,
                             to_stride);
    for (size_t i = 0; i < rows; i++)
        for (size_t j = i < whole_rows ? whole_cols : 0; j < cols; j++)
            to[(ptrdiff_t)i * to_stride + (ptrdiff_t)j] = from[(ptrdiff_t)j * from_stride + (ptrdiff_t)i];
}

/* y (rows, cols), dense, from x with any strides (in elements). */
void KERNEL(gather_strided)(const void *x, void *y, size_t rows, size_t cols, ptrdiff_t row_stride,
                            ptrdiff_t col_stride) {
    const real *xs = x;
    real *ys = y;
    if (row_stride == 1 && col_stride != 1) {
        transpose(xs, col_stride, ys, (ptrdiff_t)cols, rows, cols);
        return;
    }
    for (size_t i = 0; i < rows; i++) {
        const real *row = xs + (ptrdiff_t)i * row_stride;
        if (col_stride == 1)
            memcpy(ys + i * cols, row, cols * sizeof(real));
        else
            for (size_t j = 0; j < cols; j++)
                ys[i * cols + j] = row[(ptrdiff_t)j * col_stride];
    }
}

/* y, with any strides (in elements), from x (rows, cols), dense. */
void KERNEL(scatter_strided)(const void *x, void *y, size_t rows, size_t cols, ptrdiff_t row_stride,
                             ptrdiff_t col_stride) {
    const real *xs = x;
    real *ys = y;
    if (row_stride == 1 && col_stride != 1) {
        transpose(xs, (ptrdiff_t)cols, ys, col_stride, cols, rows);
        return;
    }
    for (size_t i = 0; i < rows; i++) {
        real *row = ys + (ptrdiff_t)i * row_stride;
        if (col_stride == 1)
            memcpy(row, xs + i * cols, cols * sizeof(real));
        else
            for (size_t j = 0; j < cols; j++)
                row[(ptrdiff_t)j * col_stride] = xs[i * cols + j];
    }
}
