/* Dropout: which elements are kept follows from a key and their positions alone, so no mask is stored.
 *
 * An element is kept where its draw, a number of 32 bits, is at least the threshold. The upper half of the draw decides
 * but once in 65,536, when it equals the threshold's, so one random word serves two elements, and the lower halves are
 * made for those batches only that need them.
 */
#include "threefry.h"

#define BATCH (2 * RANDOM_BATCH) /* elements that a batch of words serves */
#define AHEAD 4096 /* bytes fetched ahead, into L2: 1 KB to 8 KB took 10.4, 9.3, 8.6, 9.3 ms for 4 arrays of 50 MB */

typedef uint16_t halves __attribute__((vector_size(VEC_BYTES), may_alias));

/* half a word for element e of a batch: the low halves of sixteen words, their high halves, then the next sixteen */
VEC uint32_t half(const uint32_t *word, size_t e) {
    return word[e / 32 * 16 + e % 16] >> (e / 16 % 2 * 16) & 0xffff;
}

/* the halves of elements e to e + VLEN */
VEC uvec halves_at(const uint32_t *word, size_t e) {
    uvec w;
    word += e / 32 * 16 + e % 16;
#ifdef CDL_REAL_f32
    memcpy(&w, word, sizeof w);
#else
    for (size_t i = 0; i < VLEN; i++)
        w[i] = word[i];
#endif
    return e / 16 % 2 ? w >> 16 : w & 0xffff;
}

/* whether an upper half of the batch's draws is the threshold's */
VEC int undecided(const uint32_t *word, uint32_t upper) {
    halves equal = {0};
    for (size_t i = 0; i < RANDOM_BATCH; i += WORDS) {
        halves h;
        memcpy(&h, word + i, sizeof h);
        equal |= (halves)(h == (uint16_t)upper);
    }
    uint64_t lanes[VEC_BYTES / 8], any = 0;
    memcpy(lanes, &equal, sizeof lanes);
    for (size_t i = 0; i < VEC_BYTES / 8; i++)
        any |= lanes[i];
    return any != 0;
}

/* a batch whose draws are made in full, element by element */
static void by_element(const real *x, real *y, size_t n, const uint32_t *word, uint64_t key, uint64_t batch,
                       uint32_t threshold, real scale, real shift, real fill) {
    uint32_t lower[RANDOM_BATCH];
    random_words(lower, key, batch, 1);
    for (size_t i = 0; i < n; i++)
        y[i] = (half(word, i) << 16 | half(lower, i)) >= threshold ? x[i] * scale + shift : fill;
}

VEC void by_vector(const real *x, real *y, const uint32_t *word, uint32_t upper, real scale, real shift, real fill,
                   int stream) {
#pragma GCC unroll 64
    for (size_t i = 0; i < BATCH; i += VLEN) {
        __builtin_prefetch((const char *)(x + i) + AHEAD, 0, 2);
        if (!stream)
            __builtin_prefetch((const char *)(y + i) + AHEAD / 4, 1);
        ivec keep = (ivec)(halves_at(word, i) >= (ubits)upper);
        vec value = v_load(x + i) * scale + shift, kept = (vec)((keep & (ivec)value) | (~keep & (ivec)v_set(fill)));
        if (stream)
            v_stream(y + i, kept);
        else
            v_store(y + i, kept);
    }
}

/* y[i] = x[i] scale + shift where draw i is at least the threshold, else fill. The draws begin with batch `first` of
 * the key, BATCH elements to a batch. y may be x. With `stream` y goes past the caches, if it is aligned. */
void KERNEL(dropout)(const void *xs, void *ys, size_t n, uint64_t key, uint64_t first, uint32_t threshold, double scale,
                     double shift, double fill, int stream) {
    const real *x = xs, a = (real)scale, b = (real)shift, c = (real)fill;
    real *y = ys;
    const uint32_t upper = threshold >> 16;
    stream = stream && (uintptr_t)ys % VEC_BYTES == 0;
    for (size_t top = 0; top < n; top += BATCH, first++) {
        uint32_t word[RANDOM_BATCH];
        random_words(word, key, first, 0);
        if (n - top < BATCH || undecided(word, upper))
            by_element(x + top, y + top, n - top < BATCH ? n - top : BATCH, word, key, first, threshold, a, b, c);
        else if (stream)
            by_vector(x + top, y + top, word, upper, a, b, c, 1);
        else
            by_vector(x + top, y + top, word, upper, a, b, c, 0);
    }
    if (stream)
        v_stream_end();
}
