/* The processor's floating-point bound, for the benchmark: every speed it quotes is a share of this. */
#include "kernels.h"

/* One vector register of this instruction set. Independent sums must cover latency x issue width (4 x 2 on the cores
 * of today, 8), and must stay in registers together with the two constants: 32 registers hold 24, 16 hold 12. */
#if defined(__AVX512F__)
#define BYTES 64
#define SUMS 24
#elif defined(__AVX__)
#define BYTES 32
#define SUMS 12
#elif defined(__aarch64__)
#define BYTES 16
#define SUMS 24
#else
#define BYTES 16
#define SUMS 12
#endif
typedef real vec __attribute__((vector_size(BYTES)));

/* out[0] = floating-point operations carried out; out[1] is any finite number before, and the sum of all results after,
 * so that none is optimised away. */
void KERNEL(fma_peak)(size_t iterations, double *out) {
    /* x -> x/2 + 1/2 tends to 1, never to a subnormal. out[1] is read so that the compiler cannot know a sum's start:
     * it drops a sum that starts at 1, the fixed point. */
    const vec scale = (vec){0} + (real)0.5, shift = (vec){0} + (real)0.5;
    vec sum[SUMS];
    for (size_t j = 0; j < SUMS; j++)
        sum[j] = (vec){0} + (real)out[1] + (real)(j + 2);
    for (size_t i = 0; i < iterations; i++) {
#pragma GCC unroll 24
        for (size_t j = 0; j < SUMS; j++)
            sum[j] = sum[j] * scale + shift;
    }
    vec all = {0};
    for (size_t j = 0; j < SUMS; j++)
        all += sum[j];
    out[0] = 2.0 * SUMS * (BYTES / sizeof(real)) * (double)iterations;
    out[1] = 0;
    for (size_t l = 0; l < BYTES / sizeof(real); l++)
        out[1] += all[l];
}
