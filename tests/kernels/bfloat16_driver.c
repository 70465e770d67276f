/* uses: bfloat16.c
 *
 * Rounding to bfloat16 against its definition, for every pattern of the upper half and of the bits below it; packing of
 * every size around a panel; products of small integers, which are exact, with each unit that this processor has. Guard
 * pages around every array.
 */
#define _GNU_SOURCE
#include "driver.h"
#include "gemm.h"
#if defined(__x86_64__) && defined(__linux__)
#include <sys/syscall.h>
#endif
#define KERNEL_ROW(name, args) void KERNEL(name) args;
#include "kernels.def"

enum { PANEL = CDL_GEMM_PANEL, STEP = 16 };
static char *page[4];

static uint32_t *placed_words(char *memory, size_t n, int at_end) {
    return (uint32_t *)(memory + (at_end ? GUARDED_BYTES - n * sizeof(uint32_t) : 0));
}

static float single_of(uint32_t bits) {
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* The nearest number with 8 bits, found by trying its neighbours: the one below and above in magnitude, ties to even */
static uint32_t nearest_half(uint32_t bits) {
    const uint32_t below = bits >> 16, above = below + 1;
    const double x = single_of(bits), low = single_of(below << 16);
    /* what follows the largest finite number would be 2^128 */
    const double high = (above & 0x7fff) == 0x7f80 ? (x < 0 ? -0x1p128 : 0x1p128) : (double)single_of(above << 16);
    const double to_low = fabs(x - low), to_high = fabs(high - x);
    return to_low < to_high || (to_low == to_high && below % 2 == 0) ? below : above;
}

static void rounding(void) {
    static const uint32_t ends[] = {0, 1, 0x7fff, 0x8000, 0x8001, 0xffff};
    for (uint32_t upper = 0; upper < 0x10000; upper++)
        for (size_t e = 0; e < sizeof ends / sizeof ends[0]; e++) {
            const float x = single_of(upper << 16 | ends[e]);
            const real value[1] = {(real)x};
            uint32_t words[STEP];
            KERNEL(bf16_rows)(1, 1, value, 1, 1, words, STEP, STEP);
            const uint32_t got = words[0];
            const int good = isnan(x)   ? got < 0x10000 && isnan(single_of(got << 16))
                             : isinf(x) ? got == upper
                                        : got == nearest_half(upper << 16 | ends[e]);
            if (!good && failures++ < 20)
                printf("FAILED rounding %08x: %04x\n", upper << 16 | ends[e], got);
        }
}

/* The half at place p of words that hold pairs `step` words apart */
static uint32_t half_at(const uint32_t *words, size_t p, size_t step) {
    return words[p / 2 * step] >> (p % 2 * 16) & 0xffff;
}

static uint32_t expected_half(real x) {
    const float single = (float)x;
    uint32_t bits;
    memcpy(&bits, &single, sizeof bits);
    return bits >> 16; /* exact for the small integers of this file */
}

static void packing(size_t k, size_t n, int at_end) {
    const size_t count = (k + 2 * STEP - 1) / (2 * STEP) * STEP, wide = (n + PANEL - 1) / PANEL * PANEL;
    const real *rows = integers(page[0], n * k, at_end);
    uint32_t *words = placed_words(page[1], n * count, at_end);
    KERNEL(bf16_rows)(n, k, rows, (ptrdiff_t)k, 1, words, count, count);
    for (size_t i = 0; i < n; i++)
        for (size_t p = 0; p < 2 * count; p++)
            check(half_at(words + i * count, p, 1) == (p < k ? expected_half(rows[i * k + p]) : 0), "rows");
    KERNEL(bf16_rows)(n, k, rows, 1, (ptrdiff_t)n, words, count, count);
    for (size_t i = 0; i < n; i++)
        for (size_t p = 0; p < 2 * count; p++)
            check(half_at(words + i * count, p, 1) == (p < k ? expected_half(rows[p * n + i]) : 0), "turned rows");
    words = placed_words(page[1], wide * count, at_end);
    KERNEL(bf16_panels)(k, n, rows, (ptrdiff_t)n, words, count);
    for (size_t j = 0; j < wide; j++)
        for (size_t p = 0; p < 2 * count; p++)
            check(half_at(words + j / PANEL * count * PANEL + j % PANEL, p, PANEL) ==
                      (p < k && j < n ? expected_half(rows[p * n + j]) : 0),
                  "panels");
}

static void product(int unit, size_t m, size_t n, size_t k, int start, int at_end) {
    const size_t count = (k + 2 * STEP - 1) / (2 * STEP) * STEP, tall = (m + PANEL - 1) / PANEL * PANEL;
    const size_t a_row = count + STEP, wide = (n + PANEL - 1) / PANEL * PANEL;
    static real a[70 * 70], b[70 * 70], bias[70];
    for (size_t e = 0; e < 70 * 70; e++)
        a[e] = (real)below(9) - 4, b[e] = (real)below(7) - 3, bias[e % 70] = (real)below(5);
    uint32_t *rows = placed_words(page[0], tall * a_row, at_end), *panels = placed_words(page[1], wide * count, at_end);
    memset(rows, 0, tall * a_row * sizeof *rows);
    KERNEL(bf16_rows)(m, k, a, (ptrdiff_t)k, 1, rows, count, a_row);
    KERNEL(bf16_panels)(k, n, b, (ptrdiff_t)n, panels, count);
    real *c = placed(page[2], m * n, at_end), *given = placed(page[3], n, at_end);
    memcpy(given, bias, n * sizeof(real));
    for (size_t e = 0; e < m * n; e++)
        c[e] = (real)(e % 11);
    KERNEL(bf16_product)(unit, m, n, count, rows, a_row, panels, c, (ptrdiff_t)n, start & 1 ? given : NULL, start >> 1);
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++) {
            real want = (start & 1 ? bias[j] : 0) + (start >> 1 ? (real)((i * n + j) % 11) : 0);
            for (size_t p = 0; p < k; p++)
                want += a[i * k + p] * b[p * n + j];
            if (c[i * n + j] != want && failures++ < 20)
                printf("FAILED unit %d m=%zu n=%zu k=%zu start=%d at %zu, %zu: %g, not %g\n", unit, m, n, k, start, i,
                       j, (double)c[i * n + j], (double)want);
        }
}

static int best_unit(void) {
#if defined(__AVX512F__) && defined(__linux__)
    if (__builtin_cpu_supports("amx-bf16") && syscall(SYS_arch_prctl, 0x1023, 18) == 0)
        return CDL_BF16_TILES;
    if (__builtin_cpu_supports("avx512bf16"))
        return CDL_BF16_PAIRS;
#endif
    return CDL_BF16_FLOATS;
}

int main(void) {
    for (size_t i = 0; i < 4; i++)
        page[i] = guarded();
    rounding();
    static const size_t sizes[] = {0, 1, 15, 16, 31, 32, 33, 64, 65};
    enum { COUNT = sizeof sizes / sizeof sizes[0] };
    for (size_t i = 0; i < COUNT * COUNT; i++)
        for (int at_end = 0; at_end < 2; at_end++)
            packing(sizes[i / COUNT], sizes[i % COUNT], at_end);
    for (int unit = 0; unit <= best_unit(); unit++)
        for (size_t i = 0; i < COUNT * COUNT * COUNT; i++)
            product(unit, sizes[i / COUNT / COUNT], sizes[i / COUNT % COUNT], sizes[i % COUNT], (int)(i % 4),
                    (int)(i / 4 % 2));
    printf("units up to %d, %d failed\n", best_unit(), failures);
    return failures != 0;
}
