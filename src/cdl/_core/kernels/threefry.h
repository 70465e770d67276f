/* Random words by counter: Threefry-4x32, so that any part of a stream can be computed at any time, by any thread and
 * on any instruction set. Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
 * 12 rounds pass BigCrush; known answers are published for 13, so there are 13 here.
 */
#ifndef CDL_THREEFRY_H
#define CDL_THREEFRY_H
#include "vec.h"

#define ROUNDS 13
#define RANDOM_BATCH 64 /* words of a batch: the 16 counters in the lanes of the widest vectors, 4 words each */

typedef uint32_t words __attribute__((vector_size(VEC_BYTES), may_alias));
#define WORDS (VEC_BYTES / sizeof(uint32_t))

static const unsigned char threefry_turns[8][2] = {{10, 26}, {11, 21}, {13, 27}, {23, 5},
                                                   {6, 20},  {17, 11}, {25, 10}, {18, 20}};

VEC void threefry_mix(words *a, words *b, int turn) {
    *a += *b;
    *b = (*b << turn | *b >> (32 - turn)) ^ *a;
}

/* Each lane's counter x becomes its four random words. */
VEC void threefry(words x[4], const uint32_t key[4]) {
    const uint32_t schedule[5] = {key[0], key[1], key[2], key[3], 0x1BD11BDA ^ key[0] ^ key[1] ^ key[2] ^ key[3]};
    for (int i = 0; i < 4; i++)
        x[i] += schedule[i];
#pragma GCC unroll 13
    for (int r = 0; r < ROUNDS; r++) {
        threefry_mix(x, x + (r % 2 ? 3 : 1), threefry_turns[r % 8][0]);
        threefry_mix(x + 2, x + (r % 2 ? 1 : 3), threefry_turns[r % 8][1]);
        if (r % 4 == 3) {
            for (int i = 0; i < 4; i++)
                x[i] += schedule[(r / 4 + 1 + i) % 5];
            x[3] += (uint32_t)(r / 4 + 1);
        }
    }
}

/* out (RANDOM_BATCH): word w of counter 16 batch + c at 16 w + c; another stream of the same key has other words */
VEC void random_words(uint32_t *out, uint64_t key, uint64_t batch, uint32_t stream) {
    const uint32_t keys[4] = {(uint32_t)key, (uint32_t)(key >> 32), 0, 0};
    words lane;
    for (size_t i = 0; i < WORDS; i++)
        lane[i] = (uint32_t)i;
    for (size_t c = 0; c < RANDOM_BATCH / 4; c += WORDS) {
        words x[4] = {
            lane + (uint32_t)(16 * batch + c), (words){0} + (uint32_t)(batch >> 28), (words){0} + stream, {0}};
        threefry(x, keys);
        for (size_t w = 0; w < 4; w++)
            memcpy(out + 16 * w + c, x + w, sizeof(words));
    }
}
#endif
