/* The register tile of a matrix product: gemm.c drives it along matrices, conv_rows.c along the rows of images;
 * pixels.c has a tile of its own, of the same parts. */
#ifndef CDL_GEMM_TILE_H
#define CDL_GEMM_TILE_H
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

/* Steps of k in one round of the loop. Its counters and pointers compete with the multiply-adds for ports: on a core
 * that starts two of these a cycle, 256 steps of k run at 89 % of the peak one by one, at 96 % in fours. */
#define STEPS 4

/* How a lies, so that the addresses of its elements are constants from few registers. */
enum { ANY, ALONG_K, ACROSS_K }; /* any strides; a_col = 1; a_row = 1 */

typedef struct {
    size_t k;
    const real *a, *b;
    real *c;
    const real *bias; /* NULL: none */
    ptrdiff_t a_row, a_col, b_row, c_row;
    int accumulate;
    size_t lanes;      /* columns of c in a tile one vector wide */
    const real *ahead; /* what is fetched meanwhile, two lines a round, ahead_row apart */
    ptrdiff_t ahead_row;
    size_t segments; /* how often k steps are taken, if segmented; a_jump: bytes from the end of one run of a to the
                        next */
    ptrdiff_t a_jump;
    int stream; /* c goes past the caches */
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

/* Where this step's elements of a are: five rows from one pointer, since 0, 1, 2, 3, 4 strides are what x86 addresses
 * from two registers; rows that lie side by side need only the first. */
#define GROUPS ((ROWS + 4) / 5)
typedef struct {
    const char *group[GROUPS];
    ptrdiff_t stride, stride3;
} rows_of_a;

/* The empty asm hides from gcc how the pointers are related; left alone it keeps 14 offsets and spills most (-4 %). */
VEC rows_of_a first_rows(const size_t rows, const int layout, const tile_args *t) {
    rows_of_a a = {{(const char *)t->a}, t->a_row * (ptrdiff_t)sizeof(real), 3 * t->a_row * (ptrdiff_t)sizeof(real)};
    if (layout == ACROSS_K)
        return a;
    __asm__("" : "+r"(a.stride), "+r"(a.stride3));
#pragma GCC unroll 4
    for (size_t g = 1; g * 5 < rows; g++) {
        a.group[g] = a.group[0] + (ptrdiff_t)g * 5 * a.stride;
        __asm__("" : "+r"(a.group[g]));
    }
    return a;
}

VEC real element_of_a(const rows_of_a *a, const int layout, const size_t i, const ptrdiff_t offset) {
    if (layout == ACROSS_K)
        return *(const real *)(a->group[0] + i * sizeof(real));
    const ptrdiff_t steps[] = {0, a->stride, 2 * a->stride, a->stride3, 4 * a->stride};
    return *(const real *)(a->group[i / 5] + steps[i % 5] + offset);
}

VEC void advance(rows_of_a *a, const size_t rows, const int layout, const ptrdiff_t step) {
#pragma GCC unroll 4
    for (size_t g = 0; g < GROUPS; g++)
        if (g == 0 || (layout != ACROSS_K && g * 5 < rows))
            a->group[g] += step;
}

/* sum += a b. With 28 sums, 2 vectors of b and 1 value of a in 32 registers, gcc's own choice of multiply-add forms an
 * unrolled loop with copies and spills (-2 %); the form that accumulates in place needs neither. */
VEC vec add_product(vec sum, vec a, vec b) {
#if defined(__AVX512F__) && defined(CDL_REAL_f32)
    __asm__("vfmadd231ps %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b));
    return sum;
#elif defined(__AVX512F__)
    __asm__("vfmadd231pd %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b));
    return sum;
#else
    return sum + a * b;
#endif
}

/* sum += one column of a times one row of b */
VEC void multiply_add(vec (*sum)[MAX_WIDTH], const size_t rows, const size_t width, const int layout,
                      const rows_of_a *a, const ptrdiff_t offset, const real *b, const size_t lanes) {
    vec row[MAX_WIDTH];
#pragma GCC unroll 8
    for (size_t w = 0; w < width; w++)
        row[w] = load_tile(b, w, width, lanes);
#pragma GCC unroll 16
    for (size_t i = 0; i < rows; i++) {
        const vec a_ik = v_set(element_of_a(a, layout, i, offset));
#pragma GCC unroll 8
        for (size_t w = 0; w < width; w++)
            sum[i][w] = add_product(sum[i][w], a_ik, row[w]);
    }
}

/* The empty asm keeps gcc from holding the addresses of all rows at once, on the stack (-4 % at k = 256). */
VEC real *next_row(real *c, const tile_args *t) {
    c += t->c_row;
    __asm__("" : "+r"(c));
    return c;
}

VEC void first_sums(vec (*sum)[MAX_WIDTH], const size_t rows, const size_t width, const tile_args *t) {
    real *c = t->c;
#pragma GCC unroll 8
    for (size_t w = 0; w < width; w++)
        sum[0][w] = t->bias ? load_tile(t->bias, w, width, t->lanes) : v_set(0);
#pragma GCC unroll 16
    for (size_t i = 1; i < rows; i++)
#pragma GCC unroll 8
        for (size_t w = 0; w < width; w++)
            sum[i][w] = sum[0][w];
    if (t->accumulate)
#pragma GCC unroll 16
        for (size_t i = 0; i < rows; i++, c = next_row(c, t))
#pragma GCC unroll 8
            for (size_t w = 0; w < width; w++)
                sum[i][w] = load_tile(c, w, width, t->lanes) + sum[i][w];
}

/* Claims the lines of c before they are stored: stores that wait for a line from L3 hold up loads from the same offset
 * in other pages, and 28 lines are nearly half of all offsets (Sapphire Rapids, 512 x 768 x 2304: 5 %). */
VEC void claim(const size_t rows, const size_t width, const tile_args *t) {
    real *c = t->c;
#pragma GCC unroll 16
    for (size_t i = 0; i < rows; i++, c = next_row(c, t))
#pragma GCC unroll 8
        for (size_t w = 0; w < width; w++)
            if (w * VEC_BYTES % 64 == 0)
                __builtin_prefetch(c + w * VLEN, 1, 3);
}

VEC void store_sums(vec (*sum)[MAX_WIDTH], const size_t rows, const size_t width, const int stream,
                    const tile_args *t) {
    real *c = t->c;
#pragma GCC unroll 16
    for (size_t i = 0; i < rows; i++, c = next_row(c, t))
#pragma GCC unroll 8
        for (size_t w = 0; w < width; w++) {
            if (width == 1)
                v_store_n(c, sum[i][w], t->lanes);
            else if (stream)
                v_stream(c + w * VLEN, sum[i][w]);
            else
                v_store(c + w * VLEN, sum[i][w]);
        }
}

/* rows x width vectors of c; these, layout and segmented are constants in every caller, so the sums live in registers.
 */
VEC void tile(const size_t rows, const size_t width, const int layout, const int segmented, const tile_args *t) {
    vec sum[ROWS][MAX_WIDTH];
    first_sums(sum, rows, width, t);
    if (width > 1 && !t->accumulate && !(segmented && t->stream))
        claim(rows, width, t);
    rows_of_a a = first_rows(rows, layout, t);
    const ptrdiff_t a_col = (layout == ALONG_K ? 1 : t->a_col) * (ptrdiff_t)sizeof(real);
    const ptrdiff_t b_row = t->b_row, ahead_row = t->ahead_row;
    const real *b = t->b, *ahead = t->ahead;
    for (size_t segment = segmented ? t->segments : 1; segment > 0; segment--) {
        size_t k = t->k;
        if (width > 1)
            for (; k >= STEPS; k -= STEPS) {
#pragma GCC unroll 4
                for (ptrdiff_t s = 0; s < STEPS; s++) {
                    multiply_add(sum, rows, width, layout, &a, layout == ALONG_K ? s * a_col : 0, b, t->lanes);
                    b += b_row;
                    __asm__("" : "+r"(b)); /* one pointer, not one for each step */
                    if (layout != ALONG_K)
                        advance(&a, rows, layout, a_col);
                }
                if (layout == ALONG_K)
                    advance(&a, rows, layout, STEPS * a_col);
                __builtin_prefetch(ahead, 0, 2);
                __builtin_prefetch((const char *)ahead + 64, 0, 2);
                ahead += ahead_row;
            }
        for (; k > 0; k--, b += b_row) {
            multiply_add(sum, rows, width, layout, &a, 0, b, t->lanes);
            advance(&a, rows, layout, a_col);
        }
        if (segmented)
            advance(&a, rows, layout, t->a_jump);
    }
    if (segmented && t->stream)
        store_sums(sum, rows, width, 1, t);
    else
        store_sums(sum, rows, width, 0, t);
}

typedef void tile_kernel(const tile_args *t);
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
#endif
