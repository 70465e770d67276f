/* Matrix products of operands rounded to bfloat16, summed in float32. Two neighbours along k lie in one word, the first
 * in its lower half; k is filled up with zeros to a multiple of 32. Three ways to multiply words, the same formats for
 * all: AMX, a processor's matrix unit; AVX-512's dot product of pairs; and floats made of words. */
#include "gemm.h"
#include "vec.h"

enum { BLOCK = CDL_GEMM_PANEL }; /* rows and columns of c that are computed at once */
typedef uint32_t word __attribute__((may_alias));
typedef uint16_t half __attribute__((may_alias));
typedef float floats __attribute__((vector_size(VEC_BYTES), aligned(4), may_alias));
typedef uint32_t words __attribute__((vector_size(VEC_BYTES), aligned(4), may_alias));
enum { FLOATS = VEC_BYTES / sizeof(float), VECTORS = BLOCK / FLOATS };

/* x as bfloat16, in the upper half: to nearest, of two equally near the even one; NaN stays NaN, whatever its bits. */
VEC uint32_t rounded(real x) {
    const float single = (float)x;
    uint32_t bits;
    memcpy(&bits, &single, sizeof bits);
    return single != single ? bits | 0x400000 : bits + 0x7fff + (bits >> 16 & 1);
}

/* Rows of `source` (rows, k), an element of which is at i row + j column, as rows of `count` words, target_row apart.
 */
void KERNEL(bf16_rows)(size_t rows, size_t k, const void *source_, ptrdiff_t row, ptrdiff_t column, void *target_,
                       size_t count, size_t target_row) {
    const real *source = source_;
    half *target = target_;
    for (size_t i = 0; i < rows; i++, source += row, target += 2 * target_row) {
        if (column == 1)
            for (size_t p = 0; p < k; p++)
                target[p] = (half)(rounded(source[p]) >> 16);
        else
            for (size_t p = 0; p < k; p++)
                target[p] = (half)(rounded(source[(ptrdiff_t)p * column]) >> 16);
        memset(target + k, 0, (2 * count - k) * sizeof *target);
    }
}

/* `source` (k, columns), rows `row` apart, as panels of BLOCK columns: `count` rows of BLOCK words each, zeros beyond
 * the last column. */
void KERNEL(bf16_panels)(size_t k, size_t columns, const void *source_, ptrdiff_t row, void *target_, size_t count) {
    const real *source = source_;
    word *target = target_;
    for (size_t j = 0; j < columns; j += BLOCK) {
        const size_t n = columns - j < BLOCK ? columns - j : BLOCK;
        for (size_t p = 0; p < count; p++, target += BLOCK) {
            const real *first = source + (ptrdiff_t)(2 * p) * row + j, *second = first + row;
            if (2 * p + 1 < k && n == BLOCK)
                for (size_t i = 0; i < BLOCK; i++)
                    target[i] = rounded(first[i]) >> 16 | (rounded(second[i]) & 0xffff0000);
            else
                for (size_t i = 0; i < BLOCK; i++)
                    target[i] = (2 * p < k && i < n ? rounded(first[i]) >> 16 : 0) |
                                (2 * p + 1 < k && i < n ? rounded(second[i]) & 0xffff0000 : 0);
        }
    }
}

/* sum (BLOCK, BLOCK) = a b, for the first `rows` rows of `count` words and one panel; other rows may be computed too.
 * The tiles fetch `lines` lines from `ahead` on for every STEP words. */
enum { STEP = 16, LINE = 64 };
typedef void block_kernel(size_t rows, size_t count, const word *a, size_t a_row, const word *b, float *sum,
                          const char *ahead, size_t lines);

static void block_of_floats(size_t rows, size_t count, const word *a, size_t a_row, const word *b, float *sum,
                            const char *ahead, size_t lines) {
    (void)ahead, (void)lines;
    enum { ROWS = 2 }; /* with VECTORS up to 8, the sums of two rows fit 16 registers */
    for (size_t i = 0; i < rows; i += ROWS, a += ROWS * a_row, sum += ROWS * BLOCK) {
        floats s[ROWS][VECTORS] = {0};
        const word *panel = b;
        for (size_t p = 0; p < count; p++, panel += BLOCK)
#pragma GCC unroll 8
            for (size_t v = 0; v < VECTORS; v++) {
                const words pair = *(const words *)(panel + v * FLOATS);
                const floats first = (floats)(pair << 16), second = (floats)(pair & 0xffff0000);
#pragma GCC unroll 2
                for (size_t r = 0; r < ROWS; r++) {
                    const words value = (words){0} + a[r * a_row + p];
                    s[r][v] += (floats)(value << 16) * first;
                    s[r][v] += (floats)(value & 0xffff0000) * second;
                }
            }
        for (size_t r = 0; r < ROWS; r++)
            for (size_t v = 0; v < VECTORS; v++)
                *(floats *)(sum + r * BLOCK + v * FLOATS) = s[r][v];
    }
}

#if defined(__AVX512F__) && defined(CDL_REAL_f32)
#define HAS_UNITS
__attribute__((target("avx512bf16"))) static void block_of_pairs(size_t rows, size_t count, const word *a, size_t a_row,
                                                                 const word *b, float *sum, const char *ahead,
                                                                 size_t lines) {
    (void)ahead, (void)lines;
    enum { ROWS = 8 };
    for (size_t i = 0; i < rows; i += ROWS, a += ROWS * a_row, sum += ROWS * BLOCK) {
        __m512 s[ROWS][2];
#pragma GCC unroll 8
        for (size_t r = 0; r < ROWS; r++)
            s[r][0] = s[r][1] = _mm512_setzero_ps();
        const word *panel = b;
        for (size_t p = 0; p < count; p++, panel += BLOCK) {
            const __m512bh left = (__m512bh)_mm512_loadu_si512(panel), right = (__m512bh)_mm512_loadu_si512(panel + 16);
#pragma GCC unroll 8
            for (size_t r = 0; r < ROWS; r++) {
                const __m512bh value = (__m512bh)_mm512_set1_epi32((int)a[r * a_row + p]);
                s[r][0] = _mm512_dpbf16_ps(s[r][0], value, left);
                s[r][1] = _mm512_dpbf16_ps(s[r][1], value, right);
            }
        }
#pragma GCC unroll 8
        for (size_t r = 0; r < ROWS; r++) {
            _mm512_storeu_ps(sum + r * BLOCK, s[r][0]);
            _mm512_storeu_ps(sum + r * BLOCK + 16, s[r][1]);
        }
    }
}

/* Eight tiles of 16 rows of 64 bytes: 0 to 3 are the quarters of the block, 4 and 5 rows of a, 6 and 7 columns of b.
 * Constant, as gcc 12 does not see that the instruction reads all of it. */
__attribute__((target("amx-tile"))) static void claim_tiles(void) {
    static const struct {
        uint8_t palette, start_row, reserved[14];
        uint16_t bytes[16];
        uint8_t rows[16];
    } shape = {1, 0, {0}, {64, 64, 64, 64, 64, 64, 64, 64}, {16, 16, 16, 16, 16, 16, 16, 16}};
    _tile_loadconfig(&shape);
}

__attribute__((target("amx-tile"))) static void release_tiles(void) {
    _tile_release();
}

__attribute__((target("amx-tile,amx-bf16"))) static void block_of_tiles(size_t rows, size_t count, const word *a,
                                                                        size_t a_row, const word *b, float *sum,
                                                                        const char *ahead, size_t lines) {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    for (size_t p = 0; p < count; p += STEP, a += STEP, b += STEP * BLOCK) {
        for (size_t i = 0; i < lines; i++, ahead += LINE)
            __builtin_prefetch(ahead, 0, 2);
        _tile_loadd(4, a, a_row * sizeof(word));
        _tile_loadd(6, b, BLOCK * sizeof(word));
        _tile_loadd(7, b + 16, BLOCK * sizeof(word));
        _tile_dpbf16ps(0, 4, 6);
        _tile_dpbf16ps(1, 4, 7);
        if (rows > 16) {
            _tile_loadd(5, a + 16 * a_row, a_row * sizeof(word));
            _tile_dpbf16ps(2, 5, 6);
            _tile_dpbf16ps(3, 5, 7);
        }
    }
    _tile_stored(0, sum, BLOCK * sizeof(float));
    _tile_stored(1, sum + 16, BLOCK * sizeof(float));
    _tile_stored(2, sum + 16 * BLOCK, BLOCK * sizeof(float));
    _tile_stored(3, sum + 16 * BLOCK + 16, BLOCK * sizeof(float));
}
#endif

static void add_block(size_t rows, size_t columns, const float *sum, real *c, ptrdiff_t c_row, const real *bias,
                      int accumulate) {
    for (size_t i = 0; i < rows; i++, c += c_row, sum += BLOCK)
        if (columns == BLOCK && !accumulate) {
            for (size_t j = 0; j < BLOCK; j++)
                c[j] = (real)sum[j] + (bias ? bias[j] : 0);
        } else
            for (size_t j = 0; j < columns; j++)
                c[j] = (accumulate ? c[j] : 0) + (bias ? bias[j] : 0) + (real)sum[j];
}

/* Words of a panel that all rows pass by before the next, 16 KB of L1: with both operands from L2 the tiles run at 1.5
 * TF/s, with one from L1 at 2.4. Longer panels would go over c too often: from WHOLE words on they are taken whole. */
enum { L1_WORDS = 128, WHOLE = 4 * L1_WORDS };

static size_t words_at_once(size_t count) {
    const size_t parts = count < WHOLE ? (count + L1_WORDS - 1) / L1_WORDS : 1;
    return parts ? (count / STEP + parts - 1) / parts * STEP : 0;
}

/* c (m, n), rows c_row apart, gets a b, plus bias (n) unless that is NULL, plus its old value where `accumulate`: a has
 * rows of `count` words, a_row apart, for m filled up to a multiple of BLOCK; b is panels, a part of which is fetched
 * while the one before is multiplied. unit is a cdl_bf16_unit that this processor has. */
void KERNEL(bf16_product)(int unit, size_t m, size_t n, size_t count, const void *a_, size_t a_row, const void *b_,
                          void *c_, ptrdiff_t c_row, const void *bias_, int accumulate) {
    const word *a = a_, *b = b_;
    const real *bias = bias_;
    float sum[BLOCK * BLOCK] __attribute__((aligned(64)));
    block_kernel *block = block_of_floats;
    if (m == 0)
        return;
#ifdef HAS_UNITS
    if (unit != CDL_BF16_FLOATS)
        block = unit == CDL_BF16_TILES ? block_of_tiles : block_of_pairs;
    if (unit == CDL_BF16_TILES)
        claim_tiles();
#else
    (void)unit;
#endif
    const size_t part = words_at_once(count), blocks = (m + BLOCK - 1) / BLOCK;
    size_t j = 0, p = 0;
    while (j < n) { /* also for k = 0 */
        const size_t depth = count - p < part ? count - p : part;
        const int last = p + depth == count, end = last && j + BLOCK >= n;
        const size_t lines = end ? 0 : (STEP * BLOCK * sizeof(word) / LINE + blocks - 1) / blocks;
        const char *ahead = (const char *)(b + depth * BLOCK);
        for (size_t i = 0; i < m; i += BLOCK, ahead += depth / STEP * lines * LINE) {
            const size_t rows = m - i < BLOCK ? m - i : BLOCK;
            block(rows, depth, a + i * a_row + p, a_row, b, sum, ahead, lines);
            add_block(rows, n - j < BLOCK ? n - j : BLOCK, sum, (real *)c_ + (ptrdiff_t)i * c_row + j, c_row,
                      bias && last ? bias + j : NULL, accumulate || p > 0);
        }
        b += depth * BLOCK;
        p = last ? 0 : p + depth;
        j += last ? BLOCK : 0;
    }
#ifdef HAS_UNITS
    if (unit == CDL_BF16_TILES)
        release_tiles();
#endif
}
