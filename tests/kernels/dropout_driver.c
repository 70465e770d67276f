/* uses: dropout.c
 *
 * Threefry's published answers; dropout element by element against one counter at a time, for sizes around every vector
 * and batch, with guard pages.
 */
#include "driver.h"
#include "threefry.h"
#define KERNEL_ROW(name, args) void KERNEL(name) args;
#include "kernels.def"

#define BATCH (2 * RANDOM_BATCH)
static char *page[2];

static void answers(uint32_t counter0, uint32_t counter1, uint32_t counter2, uint32_t counter3, const uint32_t key[4],
                    const uint32_t want[4]) {
    words x[4] = {(words){0} + counter0, (words){0} + counter1, (words){0} + counter2, (words){0} + counter3};
    threefry(x, key);
    for (size_t w = 0; w < 4; w++)
        for (size_t lane = 0; lane < WORDS; lane++)
            check(x[w][lane] == want[w], "threefry");
}

static void each_word(void) {
    uint32_t out[RANDOM_BATCH];
    const uint64_t key = 0x0123456789abcdefu, batches[] = {0, 1, 0x0fffffff, 0x10000000, 0xfffffffffffffu};
    for (size_t b = 0; b < sizeof batches / sizeof *batches; b++) {
        for (uint32_t stream = 0; stream < 2; stream++) {
            random_words(out, key, batches[b], stream);
            for (size_t c = 0; c < 16; c++) {
                uint64_t counter = 16 * batches[b] + c;
                words x[4] = {
                    (words){0} + (uint32_t)counter, (words){0} + (uint32_t)(counter >> 32), (words){0} + stream, {0}};
                threefry(x, (const uint32_t[]){(uint32_t)key, (uint32_t)(key >> 32), 0, 0});
                for (size_t w = 0; w < 4; w++)
                    check(out[16 * w + c] == x[w][0], "random_words");
            }
        }
    }
}

/* the draw of element i of a stream that begins with batch 7 of key 99 */
static uint32_t draw(size_t i) {
    uint32_t upper[RANDOM_BATCH], lower[RANDOM_BATCH];
    size_t e = i % BATCH, w = e / 32 * 16 + e % 16, shift = e / 16 % 2 * 16;
    random_words(upper, 99, 7 + i / BATCH, 0), random_words(lower, 99, 7 + i / BATCH, 1);
    return (upper[w] >> shift) << 16 | (lower[w] >> shift & 0xffff);
}

static void dropout(size_t n, int end, uint32_t threshold, int in_place, int stream) {
    real *x = placed(page[0], n, end), *y = in_place ? x : placed(page[1], n, end);
    static real before[GUARDED_BYTES / sizeof(real)];
    for (size_t i = 0; i < n; i++)
        before[i] = x[i] = (real)uniform(-1, 1);
    KERNEL(dropout)(x, y, n, 99, 7, threshold, 1.25, 0.5, -3, stream);
    for (size_t i = 0; i < n; i++) {
        wide want = draw(i) >= threshold ? (wide)before[i] * (wide)1.25 + (wide)0.5 : -3;
        check(WIDE(fabs)(y[i] - want) <= (wide)(2 * EPSILON), "dropout");
    }
}

int main(void) {
    for (int i = 0; i < 2; i++)
        page[i] = guarded();
    const uint32_t ones = 0xffffffff, more_pi[] = {0xa4093822, 0x299f31d0, 0x082efa98, 0xec4e6c89};
    answers(0, 0, 0, 0, (const uint32_t[4]){0}, (const uint32_t[]){0x531c7e4f, 0x39491ee5, 0x2c855a92, 0x3d6abf9a});
    answers(ones, ones, ones, ones, (const uint32_t[]){ones, ones, ones, ones},
            (const uint32_t[]){0xc4189358, 0x1c9cc83a, 0xd5881c67, 0x6a0a89e0});
    answers(0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, more_pi,
            (const uint32_t[]){0x4aa71d8f, 0x734738c2, 0x431fc6a8, 0xae6debf1});
    each_word();
    const size_t sizes[] = {0, 1, VLEN - 1, VLEN, VLEN + 1, BATCH - 1, BATCH, BATCH + 1, BATCH + VLEN + 1, 1000};
    const uint32_t thresholds[] = {0,       0x60000000,  ones,         draw(0),
                                   draw(3), draw(BATCH), draw(500) + 1}; /* some undecided */
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (size_t t = 0; t < sizeof thresholds / sizeof *thresholds; t++)
            for (int end = 0; end < 2; end++)
                for (int in_place = 0; in_place < 2; in_place++)
                    dropout(sizes[i], end, thresholds[t], in_place, !in_place && t % 2);
    return failures != 0;
}
