/* Pictures (H, W, C), of bytes or reals: where the pixels of a new one come from, how their colours change, how they
 * are resized and become bytes again. What is computed is real. */
#include "vec.h"

/* pixels whose places are computed in one go */
#define RUN 64
/* channels up to which shifts and divisors are laid out for 16 pixels, so that they fill vectors */
#define SCALED 16

/* a loop over channels, known to the compiler for grey, RGB and RGBA */
#define FOR_CHANNELS(C, call)                                                                                          \
    switch (C) {                                                                                                       \
    case 3:                                                                                                            \
        call(3);                                                                                                       \
        break;                                                                                                         \
    case 1:                                                                                                            \
        call(1);                                                                                                       \
        break;                                                                                                         \
    case 4:                                                                                                            \
        call(4);                                                                                                       \
        break;                                                                                                         \
    default:                                                                                                           \
        call(C);                                                                                                       \
    }

VEC real element(const void *x, int bytes, size_t i) {
    return bytes ? (real)((const uint8_t *)x)[i] : ((const real *)x)[i];
}

VEC real held(real value, real top) { /* in [0, top]; NaN stays NaN */
    value = value > top ? top : value;
    return value < 0 ? 0 : value;
}

/* The index in 0 ... n - 1 that is read for i; -1 where that is the fill. Mirrored about the outermost pixel. */
VEC ptrdiff_t inside(ptrdiff_t i, ptrdiff_t n, int edge) {
    if (i >= 0 && i < n)
        return i;
    if (edge == CDL_EDGE_FILL)
        return -1;
    if (edge == CDL_EDGE_NEAREST || n == 1)
        return i < 0 ? 0 : n - 1;
    const ptrdiff_t period = 2 * (n - 1);
    i %= period;
    i += i < 0 ? period : 0;
    return i < n ? i : period - i;
}

VEC void copy_pixel(const void *x, int bytes, ptrdiff_t pixel, real *y, size_t C, real fill) {
    for (size_t c = 0; c < C; c++)
        y[c] = pixel < 0 ? fill : element(x, bytes, (size_t)pixel * C + c);
}

/* Rows and columns as they are, perhaps in reverse: each pixel is one of x. */
VEC void copied(const cdl_placing *s, const void *x, int bytes, real *y, size_t C) {
    const ptrdiff_t H = (ptrdiff_t)s->H, W = (ptrdiff_t)s->W, Q = (ptrdiff_t)s->Q, step = s->x[2] < 0 ? -1 : 1;
    const ptrdiff_t start = (ptrdiff_t)s->x[0], at = step < 0 ? start - (W - 1) : -start; /* the first q within x */
    const ptrdiff_t first = at < 0 ? 0 : at > Q ? Q : at, past = at + W < first ? first : at + W > Q ? Q : at + W;
    for (size_t p = 0; p < s->P; p++) {
        const ptrdiff_t row = inside((ptrdiff_t)(s->y[0] + s->y[1] * (double)p), H, s->edge);
        ptrdiff_t q = 0;
        for (; q < (row < 0 ? Q : first); q++, y += C) {
            const ptrdiff_t column = inside(start + step * q, W, s->edge);
            copy_pixel(x, bytes, row < 0 || column < 0 ? -1 : row * W + column, y, C, (real)s->fill);
        }
        if (q < past && step > 0) {
            const size_t from = (size_t)(row * W + start + q) * C, n = (size_t)(past - q) * C;
            for (size_t i = 0; i < n; i++)
                y[i] = element(x, bytes, from + i);
            y += n, q = past;
        }
        for (; q < past; q++, y += C)
            copy_pixel(x, bytes, row * W + start - q, y, C, 0);
        for (; q < Q; q++, y += C) {
            const ptrdiff_t column = inside(start + step * q, W, s->edge);
            copy_pixel(x, bytes, column < 0 ? -1 : row * W + column, y, C, (real)s->fill);
        }
    }
}

typedef real four __attribute__((vector_size(4 * sizeof(real))));
typedef int32_t four_ints __attribute__((vector_size(16)));
typedef uint8_t four_bytes __attribute__((vector_size(4)));

VEC void load_four(const void *x, int bytes, size_t at, four *value) {
    if (bytes) {
        four_bytes b;
        memcpy(&b, (const uint8_t *)x + at, sizeof b);
        *value = __builtin_convertvector(__builtin_convertvector(b, four_ints), four);
    } else {
        memcpy(value, (const real *)x + at, sizeof *value);
    }
}

/* One pixel of 3 or 4 channels from the four whose upper left is `pixel`, all within x: the channels side by side in a
 * vector, so that of three one element more is read and written. */
VEC void blend_vector(const void *x, int bytes, size_t pixel, size_t W, size_t C, real down, real right, real *y) {
    four a, b, c, d;
    load_four(x, bytes, pixel * C, &a), load_four(x, bytes, (pixel + 1) * C, &b);
    load_four(x, bytes, (pixel + W) * C, &c), load_four(x, bytes, (pixel + W + 1) * C, &d);
    const four above = a + right * (b - a), below = c + right * (d - c), value = above + down * (below - above);
    memcpy(y, &value, sizeof value);
}

/* One pixel, wherever the four around (i, j) lie. */
VEC void blend_pixel(const cdl_placing *s, const void *x, int bytes, ptrdiff_t i, ptrdiff_t j, size_t C, real down,
                     real right, real *y) {
    ptrdiff_t pixel[4];
    for (int k = 0; k < 4; k++) {
        const ptrdiff_t row = inside(i + k / 2, (ptrdiff_t)s->H, s->edge);
        const ptrdiff_t column = inside(j + k % 2, (ptrdiff_t)s->W, s->edge);
        pixel[k] = row < 0 || column < 0 ? -1 : row * (ptrdiff_t)s->W + column;
    }
    for (size_t c = 0; c < C; c++) {
        real v[4];
        for (int k = 0; k < 4; k++)
            v[k] = pixel[k] < 0 ? (real)s->fill : element(x, bytes, (size_t)pixel[k] * C + c);
        const real above = v[0] + right * (v[1] - v[0]), below = v[2] + right * (v[3] - v[2]);
        y[c] = above + down * (below - above);
    }
}

/* Each pixel from the four of x around its place, by their nearness (bilinear). */
VEC void blended(const cdl_placing *s, const void *x, int bytes, real *y, size_t C) {
    const int32_t H = (int32_t)s->H, W = (int32_t)s->W;
    int32_t i[RUN], j[RUN];
    real down[RUN], right[RUN];
    for (size_t p = 0; p < s->P; p++)
        for (size_t top = 0; top < s->Q; top += RUN) {
            const size_t n = s->Q - top < RUN ? s->Q - top : RUN;
            for (size_t k = 0; k < n; k++) {
                const double v = s->y[0] + s->y[1] * (double)p + s->y[2] * (double)(int32_t)(top + k);
                const double u = s->x[0] + s->x[1] * (double)p + s->x[2] * (double)(int32_t)(top + k);
                i[k] = (int32_t)floor(v), down[k] = (real)(v - floor(v));
                j[k] = (int32_t)floor(u), right[k] = (real)(u - floor(u));
            }
            for (size_t k = 0; k < n; k++, y += C) {
                const int within = i[k] >= 0 && j[k] >= 0 && j[k] < W - 1 && i[k] < H - 1 - (j[k] == W - 2);
                if ((C == 3 || C == 4) && within && (p + 1 < s->P || top + k + 1 < s->Q))
                    blend_vector(x, bytes, (size_t)i[k] * s->W + (size_t)j[k], s->W, C, down[k], right[k], y);
                else
                    blend_pixel(s, x, bytes, i[k], j[k], C, down[k], right[k], y);
            }
        }
}

VEC void placed(const cdl_placing *s, const void *x, int bytes, real *y, size_t C) {
    const int straight = fabs(s->y[1]) == 1 && s->y[2] == 0 && s->x[1] == 0 && fabs(s->x[2]) == 1;
    if (straight && floor(s->y[0]) == s->y[0] && floor(s->x[0]) == s->x[0])
        copied(s, x, bytes, y, C);
    else
        blended(s, x, bytes, y, C);
}

/* y (P, Q, C) from x (H, W, C): pixel (p, q) is read at row y[0] + y[1] p + y[2] q and column x[0] + x[1] p + x[2] q of
 * the placing; between pixels it is interpolated. */
void KERNEL(image_place)(const cdl_placing *s, const void *x, int bytes, void *y) {
#define PLACE_BYTES(C) placed(s, x, 1, y, C)
#define PLACE_REALS(C) placed(s, x, 0, y, C)
    if (bytes)
        FOR_CHANNELS(s->C, PLACE_BYTES)
    else
        FOR_CHANNELS(s->C, PLACE_REALS)
}

/* how bright a pixel is: of three colours as the eye sees them (ITU-R BT.601), else their mean */
VEC real grey(const real *y, size_t C) {
    if (C == 3)
        return R(0.299) * y[0] + R(0.587) * y[1] + R(0.114) * y[2];
    real sum = 0;
    for (size_t c = 0; c < C; c++)
        sum += y[c];
    return sum / (real)C;
}

VEC void coloured(real *y, size_t pixels, size_t C, real top, real brightness, real contrast, real saturation) {
    if (brightness != 1)
        for (size_t i = 0; i < pixels * C; i++)
            y[i] = held(y[i] * brightness, top);
    if (contrast != 1) {
        double sum = 0;
        for (size_t i = 0; i < pixels; i++)
            sum += (double)grey(y + i * C, C);
        const real rest = (1 - contrast) * (real)(sum / (double)pixels);
        for (size_t i = 0; i < pixels * C; i++)
            y[i] = held(y[i] * contrast + rest, top);
    }
    if (saturation != 1)
        for (size_t i = 0; i < pixels; i++, y += C) {
            const real rest = (1 - saturation) * grey(y, C);
            for (size_t c = 0; c < C; c++)
                y[c] = held(y[c] * saturation + rest, top);
        }
}

/* y (pixels, C) changed where it stands: times the brightness; away from its mean grey by the contrast; each pixel away
 * from its own grey by the saturation; after each step held in [0, top]. 1 leaves as it is. */
void KERNEL(image_colour)(void *y, size_t pixels, size_t C, double top, double brightness, double contrast,
                          double saturation){
#define COLOUR(C) coloured(y, pixels, C, (real)top, (real)brightness, (real)contrast, (real)saturation)
    FOR_CHANNELS(C, COLOUR)}

VEC void scaled(const void *x, int bytes, real *y, const real *shift, const real *divisor, size_t n) {
#pragma GCC ivdep
    for (size_t i = 0; i < n; i++)
        y[i] = (element(x, bytes, i) - shift[i]) / divisor[i]; /* rounds 255 / 255 to 1, a product would not */
}

/* y (pixels, C) = (x - shift) / divisor, a shift and a divisor (C) for each channel; y may be x where that is real. */
void KERNEL(image_scale)(const void *x, int bytes, void *ys, size_t pixels, size_t C, const double *shift,
                         const double *divisor) {
    real *y = ys, shifts[16 * SCALED], divisors[16 * SCALED];
    const size_t n = pixels * C, block = C <= SCALED ? 16 * C : SCALED;
    for (size_t top = 0; top < n;) {
        const size_t channel = top % C, size = C <= SCALED || C - channel >= block ? block : C - channel;
        if (top == 0 || C > SCALED)
            for (size_t i = 0; i < size; i++)
                shifts[i] = (real)shift[(channel + i) % C], divisors[i] = (real)divisor[(channel + i) % C];
        const size_t here = n - top < size ? n - top : size;
        if (bytes)
            scaled((const uint8_t *)x + top, 1, y + top, shifts, divisors, here);
        else
            scaled((const real *)x + top, 0, y + top, shifts, divisors, here);
        top += here;
    }
}

/* y (n) = the bytes nearest to x (n), halves upwards; NaN becomes 0 */
void KERNEL(image_bytes)(const void *restrict xs, unsigned char *restrict y, size_t n) {
    const real *restrict x = xs;
    for (size_t i = 0; i < n; i++) {
        const real low = x[i] > 0 ? x[i] : 0, value = low < 255 ? low : 255;
        y[i] = (unsigned char)(int)(value + R(0.5));
    }
}

VEC void summed(const void *x, int bytes, size_t row, const double *weight, size_t taps, real *restrict y, size_t n) {
    for (size_t k = 0; k < taps; k++) {
        const real w = (real)weight[k];
        for (size_t i = 0; i < n; i++)
            y[i] = (k ? y[i] : 0) + w * element(x, bytes, k * row + i);
    }
}

/* y (n) = the sum of `taps` rows of x, `row` elements apart, each times its weight; taps is 1 at least */
void KERNEL(image_rows)(const void *x, int bytes, size_t row, const double *weight, size_t taps, void *y, size_t n) {
    if (bytes)
        summed(x, 1, row, weight, taps, y, n);
    else
        summed(x, 0, row, weight, taps, y, n);
}

VEC void gathered(const real *x, const int64_t *first, const double *weight, size_t taps, real *y, size_t Q, size_t C) {
    for (size_t q = 0; q < Q; q++, y += C, weight += taps)
        for (size_t c = 0; c < C; c++) {
            const real *from = x + (size_t)first[q] * C + c;
            real sum = 0;
            for (size_t k = 0; k < taps; k++)
                sum += (real)weight[k] * from[k * C];
            y[c] = sum;
        }
}

/* y (Q, C): pixel q is the sum of `taps` pixels of x from first[q] on, each times its weight (Q, taps). */
void KERNEL(image_columns)(const void *x, const int64_t *first, const double *weight, size_t taps, void *y, size_t Q,
                           size_t C) {
#define GATHER(C) gathered(x, first, weight, taps, y, Q, C)
    FOR_CHANNELS(C, GATHER)
}
