/* Copies a block of a matrix, transposed or not, into rows of unit stride: what the product kernels want to read where
 * a block is used many times. */
#include "gemm.h"
#include "vec.h"

/* One VLEN x VLEN block: each of log2 VLEN passes interleaves the upper half of the rows with the lower. */
#if VEC_BYTES / 4 == 16 && defined(CDL_REAL_f32)
#define LOW 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23
#define HIGH 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31
#define LANES 16
#elif VEC_BYTES == 64 || (VEC_BYTES == 32 && defined(CDL_REAL_f32))
#define LOW 0, 8, 1, 9, 2, 10, 3, 11
#define HIGH 4, 12, 5, 13, 6, 14, 7, 15
#define LANES 8
#elif VEC_BYTES == 32 || defined(CDL_REAL_f32)
#define LOW 0, 4, 1, 5
#define HIGH 2, 6, 3, 7
#define LANES 4
#else
#define LOW 0, 2
#define HIGH 1, 3
#define LANES 2
#endif

static void transpose_block(const real *source, ptrdiff_t source_row, real *target, ptrdiff_t target_row) {
    vec row[LANES], next[LANES];
#pragma GCC unroll 16
    for (size_t i = 0; i < LANES; i++)
        row[i] = v_load(source + (ptrdiff_t)i * source_row);
#pragma GCC unroll 4
    for (size_t pass = 1; pass < LANES; pass *= 2) {
#pragma GCC unroll 8
        for (size_t i = 0; i < LANES / 2; i++) {
            next[2 * i] = __builtin_shufflevector(row[i], row[i + LANES / 2], LOW);
            next[2 * i + 1] = __builtin_shufflevector(row[i], row[i + LANES / 2], HIGH);
        }
#pragma GCC unroll 16
        for (size_t i = 0; i < LANES; i++)
            row[i] = next[i];
    }
#pragma GCC unroll 16
    for (size_t i = 0; i < LANES; i++)
        v_store(target + (ptrdiff_t)i * target_row, row[i]);
}

static void copy_elements(size_t rows, size_t columns, const real *source, ptrdiff_t row, ptrdiff_t column,
                          real *target, ptrdiff_t target_row) {
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < columns; j++)
            target[(ptrdiff_t)i * target_row + (ptrdiff_t)j] = source[(ptrdiff_t)i * row + (ptrdiff_t)j * column];
}

/* One panel of a matrix that is stored transposed, its columns `column` apart. */
static void transpose_panel(size_t rows, size_t columns, const real *source, ptrdiff_t column, real *target,
                            ptrdiff_t target_row) {
    size_t i = 0;
    for (; i + LANES <= rows; i += LANES, source += LANES, target += LANES * target_row) {
        size_t j = 0;
        for (; j + LANES <= columns; j += LANES)
            transpose_block(source + (ptrdiff_t)j * column, column, target + j, target_row);
        copy_elements(LANES, columns - j, source + (ptrdiff_t)j * column, 1, column, target + j, target_row);
    }
    copy_elements(rows - i, columns, source, 1, column, target, target_row);
}

/* target gets source (rows, columns), an element of which is at i row + j column: rows target_row apart, column j at
 * j / PANEL * panel + j % PANEL, so that with PANEL for `panel` the columns lie together. They do not overlap. */
void KERNEL(gemm_pack)(size_t rows, size_t columns, const void *source_, ptrdiff_t row, ptrdiff_t column, void *target_,
                       ptrdiff_t target_row, size_t panel) {
    const real *source = source_;
    real *target = target_;
    const size_t wide = panel == CDL_GEMM_PANEL && column == 1 ? columns : CDL_GEMM_PANEL;
    if (column == 1) { /* row by row over all panels: the runs of memory are as long as they can be */
        for (size_t i = 0; i < rows; i++, source += row, target += target_row)
            for (size_t j = 0; j < columns; j += wide) {
                const size_t n = columns - j < wide ? columns - j : wide;
                real *to = target + j / CDL_GEMM_PANEL * panel;
                size_t c = 0;
                for (; c + VLEN <= n; c += VLEN)
                    v_store(to + c, v_load(source + j + c));
                if (c < n)
                    v_store_part(to + c, v_load_part(source + j + c, n - c), n - c);
            }
        return;
    }
    for (size_t j = 0; j < columns; j += CDL_GEMM_PANEL) {
        const size_t n = columns - j < CDL_GEMM_PANEL ? columns - j : CDL_GEMM_PANEL;
        const real *from = source + (ptrdiff_t)j * column;
        real *to = target + j / CDL_GEMM_PANEL * panel;
        if (row == 1)
            transpose_panel(rows, n, from, column, to, target_row);
        else
            copy_elements(rows, n, from, row, column, to, target_row);
    }
}
