/* Dropout: which elements are kept follows from a key and their positions alone, so no mask is stored. */
#include "threefry.h"

#define AHEAD                                                                                                          \
    1024 /* bytes fetched ahead: the processor's own fetching stops at every 4 KB (copies of 50 MB: 23 to 29 GB/s) */

/* all ones in the lanes of elements i to i + VLEN whose random word is at least the threshold */
VEC vec kept(const uint32_t *word, uint32_t threshold) {
#ifdef CDL_REAL_f32
    words w;
    memcpy(&w, word, sizeof w);
    return (vec)(w >= threshold);
#else
    uvec w;
    for (size_t i = 0; i < VLEN; i++)
        w[i] = word[i];
    return (vec)(w >= (ubits)threshold);
#endif
}

/* y[i] = x[i] scale + shift where random word i is at least the threshold, else fill. The words begin with batch
 * `first` of the key, RANDOM_BATCH elements to a batch. y may be x. */
void KERNEL(dropout)(const void *xs, void *ys, size_t n, uint64_t key, uint64_t first, uint32_t threshold, double scale,
                     double shift, double fill) {
    const real *x = xs;
    real *y = ys;
    const vec other = v_set((real)fill);
    for (size_t top = 0; top < n; top += RANDOM_BATCH) {
        uint32_t word[RANDOM_BATCH];
        size_t left = n - top < RANDOM_BATCH ? n - top : RANDOM_BATCH;
        random_words(word, key, first + top / RANDOM_BATCH);
        for (size_t i = 0; i < left; i += VLEN) {
            __builtin_prefetch((const char *)(x + top + i) + AHEAD);
            __builtin_prefetch((const char *)(y + top + i) + AHEAD, 1);
            vec mask = kept(word + i, threshold);
            vec value = v_load_n(x + top + i, left - i) * (real)scale + (real)shift;
            v_store_n(y + top + i, v_or(v_and(mask, value), (vec)(~(ivec)mask & (ivec)other)), left - i);
        }
    }
}
