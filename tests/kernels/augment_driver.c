/* uses: augment.c
 *
 * Pictures placed anew, coloured, scaled, resized and made bytes, each against its definition in a wider type, for
 * bytes and reals, 1 to 5 and more channels, with guard pages around every array.
 */
#include "driver.h"

#define KERNEL_ROW(name, args) void KERNEL(name) args;
#include "kernels.def"
#undef KERNEL_ROW

static char *page[4];

/* n elements of a picture, bytes or reals in [0, 1), in guarded memory */
static void *pixels(size_t n, int bytes, int at_end) {
    if (bytes) {
        unsigned char *x = (unsigned char *)page[0] + (at_end ? GUARDED_BYTES - n : 0);
        for (size_t i = 0; i < n; i++)
            x[i] = (unsigned char)below(256);
        return x;
    }
    real *x = placed(page[0], n, at_end);
    for (size_t i = 0; i < n; i++)
        x[i] = (real)uniform(0, 1);
    return x;
}

static wide value(const void *x, int bytes, size_t i) {
    return bytes ? ((const unsigned char *)x)[i] : ((const real *)x)[i];
}

static int near(real got, wide want, int bytes) {
    return WIDE(fabs)(got - want) <= (wide)(16 * EPSILON) * (bytes ? 256 : 1);
}

/* what stands at (row, column), which may lie outside */
static wide seen(const cdl_placing *s, const void *x, int bytes, ptrdiff_t row, ptrdiff_t column, size_t c) {
    ptrdiff_t at[2] = {row, column}, n[2] = {(ptrdiff_t)s->H, (ptrdiff_t)s->W};
    for (int k = 0; k < 2; k++)
        while (at[k] < 0 || at[k] >= n[k]) {
            if (s->edge == CDL_EDGE_FILL)
                return (wide)s->fill;
            if (s->edge == CDL_EDGE_NEAREST || n[k] == 1)
                at[k] = at[k] < 0 ? 0 : n[k] - 1;
            else
                at[k] = at[k] < 0 ? -at[k] : 2 * (n[k] - 1) - at[k];
        }
    return value(x, bytes, ((size_t)at[0] * s->W + (size_t)at[1]) * s->C + c);
}

static void places(const cdl_placing *s, int bytes, int at_end) {
    const void *x = pixels(s->H * s->W * s->C, bytes, at_end);
    real *y = placed(page[1], s->P * s->Q * s->C, at_end);
    KERNEL(image_place)(s, x, bytes, y);
    int good = 1;
    for (size_t p = 0; p < s->P; p++)
        for (size_t q = 0; q < s->Q; q++)
            for (size_t c = 0; c < s->C; c++) {
                const double v = s->y[0] + s->y[1] * (double)p + s->y[2] * (double)q;
                const double u = s->x[0] + s->x[1] * (double)p + s->x[2] * (double)q;
                const ptrdiff_t i = (ptrdiff_t)floor(v), j = (ptrdiff_t)floor(u);
                const wide down = (wide)v - i, right = (wide)u - j;
                const wide want =
                    (1 - down) * ((1 - right) * seen(s, x, bytes, i, j, c) + right * seen(s, x, bytes, i, j + 1, c)) +
                    down * ((1 - right) * seen(s, x, bytes, i + 1, j, c) + right * seen(s, x, bytes, i + 1, j + 1, c));
                good &= near(y[(p * s->Q + q) * s->C + c], want, bytes);
            }
    check(good, "image_place");
}

static void place(size_t C, int bytes, int at_end) {
    cdl_placing s = {.H = 1 + below(9), .W = 1 + below(9), .C = C, .P = below(8), .Q = below(8)};
    s.edge = (int)below(3), s.fill = uniform(0, 1);
    for (int on_pixels = 0; on_pixels < 2; on_pixels++) {
        s.y[0] = uniform(-12, 12), s.x[0] = uniform(-12, 12);
        s.y[1] = uniform(-2, 2), s.y[2] = uniform(-2, 2), s.x[1] = uniform(-2, 2), s.x[2] = uniform(-2, 2);
        if (on_pixels) {
            s.y[0] = floor(s.y[0]), s.x[0] = floor(s.x[0]), s.y[2] = s.x[1] = 0;
            s.y[1] = below(2) ? 1 : -1, s.x[2] = below(2) ? 1 : -1;
        }
        places(&s, bytes, at_end);
    }
}

static wide held(wide v, wide top) {
    return v < 0 ? 0 : v > top ? top : v;
}

static wide grey(const wide *y, size_t C) {
    wide sum = 0;
    for (size_t c = 0; c < C; c++)
        sum += y[c] * (C != 3 ? (wide)1 / (wide)C : c == 0 ? (wide)0.299 : c == 1 ? (wide)0.587 : (wide)0.114);
    return sum;
}

static void colour(size_t n, size_t C, int at_end, wide top, wide brightness, wide contrast, wide saturation) {
    static wide want[GUARDED_BYTES / sizeof(real)];
    real *y = placed(page[1], n * C, at_end);
    wide mean = 0;
    for (size_t i = 0; i < n * C; i++)
        y[i] = (real)uniform(0, (double)top), want[i] = held(y[i] * brightness, top);
    for (size_t i = 0; i < n; i++)
        mean += grey(want + i * C, C) / (wide)n;
    for (size_t i = 0; i < n * C; i++)
        want[i] = held(want[i] * contrast + (1 - contrast) * mean, top);
    for (size_t i = 0; i < n; i++) {
        const wide own = grey(want + i * C, C);
        for (size_t c = 0; c < C; c++)
            want[i * C + c] = held(want[i * C + c] * saturation + (1 - saturation) * own, top);
    }
    KERNEL(image_colour)(y, n, C, (double)top, (double)brightness, (double)contrast, (double)saturation);
    int good = 1;
    for (size_t i = 0; i < n * C; i++)
        good &= near(y[i], want[i], top > 1);
    check(good, "image_colour");
}

static void scale(size_t n, size_t C, int bytes, int in_place, int at_end) {
    const void *x = pixels(n * C, bytes, at_end);
    static wide want[GUARDED_BYTES / sizeof(real)];
    double shift[40], divisor[40];
    for (size_t c = 0; c < C; c++)
        shift[c] = (real)uniform(-2, 2), divisor[c] = (real)uniform(0.5, 2);
    for (size_t i = 0; i < n * C; i++)
        want[i] = (value(x, bytes, i) - (wide)shift[i % C]) / (wide)divisor[i % C];
    real *y = in_place && !bytes ? (real *)page[0] + ((const real *)x - (const real *)page[0])
                                 : placed(page[1], n * C, at_end);
    KERNEL(image_scale)(x, bytes, y, n, C, shift, divisor);
    int good = 1;
    for (size_t i = 0; i < n * C; i++)
        good &= near(y[i], want[i], bytes);
    check(good, "image_scale");
}

static void bytes_of(size_t n, int at_end) {
    const real special[] = {(real)NAN, (real)INFINITY, -(real)INFINITY, R(-0.0), R(254.5), R(255.4), R(0.49), 7};
    const int wanted[] = {0, 255, 0, 0, 255, 255, 0, 7};
    real *x = placed(page[0], n, at_end);
    unsigned char *y = (unsigned char *)page[1] + (at_end ? GUARDED_BYTES - n : 0);
    for (size_t i = 0; i < n; i++)
        x[i] = i % 9 < 8 ? special[i % 9] : (real)uniform(-20, 280);
    KERNEL(image_bytes)(x, y, n);
    int good = 1;
    for (size_t i = 0; i < n; i++)
        good &= i % 9 < 8 ? y[i] == wanted[i % 9] : WIDE(fabs)(y[i] - held(x[i], 255)) <= (wide)0.5;
    check(good, "image_bytes");
}

static void rows(size_t n, size_t taps, int bytes, int at_end) {
    const size_t row = n + below(3);
    const void *x = pixels((taps - 1) * row + n, bytes, at_end);
    real *y = placed(page[1], n, at_end);
    double weight[8];
    for (size_t k = 0; k < taps; k++)
        weight[k] = (real)uniform(0, 1);
    KERNEL(image_rows)(x, bytes, row, weight, taps, y, n);
    int good = 1;
    for (size_t i = 0; i < n; i++) {
        wide want = 0;
        for (size_t k = 0; k < taps; k++)
            want += (wide)weight[k] * value(x, bytes, k * row + i);
        good &= near(y[i], want, bytes);
    }
    check(good, "image_rows");
}

static void columns(size_t W, size_t Q, size_t C, size_t taps, int at_end) {
    const real *x = pixels(W * C, 0, at_end);
    real *y = placed(page[1], Q * C, at_end);
    double *weight = (double *)page[2] + (at_end ? GUARDED_BYTES / sizeof(double) - Q * taps : 0);
    int64_t *first = (int64_t *)page[3] + (at_end ? GUARDED_BYTES / sizeof(int64_t) - Q : 0);
    for (size_t i = 0; i < Q * taps; i++)
        weight[i] = (real)uniform(0, 1);
    for (size_t q = 0; q < Q; q++)
        first[q] = (int64_t)below(W - taps + 1);
    KERNEL(image_columns)(x, first, weight, taps, y, Q, C);
    int good = 1;
    for (size_t i = 0; i < Q * C; i++) {
        wide want = 0;
        for (size_t k = 0; k < taps; k++)
            want += (wide)weight[i / C * taps + k] * x[((size_t)first[i / C] + k) * C + i % C];
        good &= near(y[i], want, 0);
    }
    check(good, "image_columns");
}

int main(void) {
    for (int i = 0; i < 4; i++)
        page[i] = guarded();
    const size_t channels[] = {1, 2, 3, 4, 5, 16, 17, 40},
                 counts[] = {0, 1, VLEN - 1, VLEN, VLEN + 1, 5 * VLEN + 1, 100};
    for (int at_end = 0; at_end < 2; at_end++) {
        for (size_t k = 0; k < sizeof channels / sizeof *channels; k++) {
            for (int i = 0; i < 200; i++)
                place(channels[k], i % 2, at_end);
            for (size_t j = 0; j < sizeof counts / sizeof *counts; j++) {
                for (int way = 0; way < 3; way++)
                    scale(counts[j], channels[k], way == 0, way == 1, at_end);
                for (int way = 0; way < 8; way++)
                    colour(counts[j] + 1, channels[k], at_end, way & 1 ? 255 : 1, 1.25, way & 2 ? 1.5 : 0.25,
                           way & 4 ? 2 : 0.5);
                columns(9 + counts[j], counts[j], channels[k], 1 + below(8), at_end);
            }
        }
        colour(50, 3, at_end, 1, 1, 1, 1);
        for (size_t j = 0; j < sizeof counts / sizeof *counts; j++) {
            bytes_of(counts[j], at_end);
            for (size_t taps = 1; taps < 8; taps++)
                for (int bytes = 0; bytes < 2; bytes++)
                    rows(counts[j], taps, bytes, at_end);
        }
    }
    return failures != 0;
}
