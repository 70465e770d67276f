/* uses: where.c cast.c
 *
 * Selection by a mask and conversion, element by element and bit by bit: sizes around every vector, every combination
 * of repeated operands, guard pages, NaN and infinities where they are not chosen.
 */
#include "driver.h"
#define KERNEL_ROW(name, args) void KERNEL(name) args;
#include "kernels.def"

enum { LONGEST = 37 * VLEN + 3 };
static char *page[4];

static int same(real a, real b) {
    return memcmp(&a, &b, sizeof a) == 0; /* also for NaN, and -0 is not 0 */
}

/* What is not chosen may be anything: nothing is multiplied by 0 */
static real anything(size_t i) {
    const real special[] = {(real)NAN, (real)INFINITY, -(real)INFINITY, R(-0.0), PICK(0x1p-149, 0x1p-1074)};
    return i % 7 < 5 ? special[i % 7] : (real)uniform(-1, 1);
}

static unsigned char *masks(size_t n, int end, int kind) {
    unsigned char *mask = (unsigned char *)page[0] + (end ? GUARDED_BYTES - n : 0);
    for (size_t i = 0; i < n; i++)
        mask[i] = kind < 2 ? (unsigned char)kind : uniform(0, 1) < 0.5;
    return mask;
}

static void forward(size_t n, int end, size_t sm, size_t sa, size_t sb, int kind) {
    real *a = placed(page[1], sa ? n : 1, end), *b = placed(page[2], sb ? n : 1, end), *y = placed(page[3], n, end);
    const unsigned char *mask = masks(sm ? n : 1, end, kind);
    for (size_t i = 0; i < (sa ? n : 1); i++)
        a[i] = anything(i);
    for (size_t i = 0; i < (sb ? n : 1); i++)
        b[i] = anything(i + 3);
    KERNEL(where_forward)(mask, a, b, y, n, sm, sa, sb);
    int good = 1;
    for (size_t i = 0; i < n; i++)
        good &= same(y[i], mask[i * sm] ? a[i * sa] : b[i * sb]);
    check(good, "where_forward");
}

static void backward(size_t n, int end, size_t sm, int keep, int kind) {
    real *g = placed(page[1], n, end), *d = placed(page[2], n, end);
    const unsigned char *mask = masks(sm ? n : 1, end, kind);
    for (size_t i = 0; i < n; i++)
        g[i] = anything(i), d[i] = 9;
    KERNEL(where_backward)(mask, g, d, n, sm, keep);
    int good = 1;
    for (size_t i = 0; i < n; i++)
        good &= same(d[i], mask[i * sm] == keep ? g[i] : 0);
    check(good, "where_backward");
}

static void casts(size_t n, int end) {
    real *y = placed(page[3], n, end);
    float *single = (float *)(page[0] + (end ? GUARDED_BYTES - n * sizeof(float) : 0));
    double *twofold = (double *)(page[1] + (end ? GUARDED_BYTES - n * sizeof(double) : 0));
    int64_t *whole = (int64_t *)(page[2] + (end ? GUARDED_BYTES - n * sizeof(int64_t) : 0));
    for (size_t i = 0; i < n; i++) {
        single[i] = (float)anything(i);
        twofold[i] = i % 4 ? uniform(-1, 1) : i % 8 ? 1e300 : -1e-300; /* f32: infinity and a signed zero */
        whole[i] = i % 4 ? (int64_t)uniform(-1e6, 1e6) : i % 8 ? INT64_MIN : INT64_MAX;
    }
    int good = 1;
    KERNEL(cast)(single, y, n, 0);
    for (size_t i = 0; i < n; i++)
        good &= same(y[i], (real)single[i]);
    check(good, "cast of float");
    KERNEL(cast)(twofold, y, n, 1);
    for (size_t i = 0; i < n; i++)
        good &= same(y[i], (real)twofold[i]);
    check(good, "cast of double");
    KERNEL(cast)(whole, y, n, 2);
    for (size_t i = 0; i < n; i++)
        good &= same(y[i], (real)whole[i]);
    check(good, "cast of int64");
    const unsigned char *mask = masks(n, end, 2);
    KERNEL(cast)(mask, y, n, 3);
    for (size_t i = 0; i < n; i++)
        good &= same(y[i], mask[i] ? 1 : 0);
    check(good, "cast of a mask");
}

int main(void) {
    for (int i = 0; i < 4; i++)
        page[i] = guarded();
    const size_t sizes[] = {0, 1, 2, 3, VLEN - 1, VLEN, VLEN + 1, 4 * VLEN - 1, 4 * VLEN + 1, LONGEST};
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++)
        for (int end = 0; end < 2; end++) {
            for (int kind = 0; kind < 3; kind++) /* a mask of 0, of 1, of both */
                for (size_t steps = 0; steps < 8; steps++) {
                    forward(sizes[k], end, steps >> 2, steps >> 1 & 1, steps & 1, kind);
                    backward(sizes[k], end, steps & 1, steps >> 1 & 1, kind);
                }
            casts(sizes[k], end);
        }
    return failures != 0;
}
