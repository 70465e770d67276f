/* uses: pool.c
 *
 * Pooling and its gradients against loops over single elements: windows that overlap, touch, leave gaps and reach out
 * of the image, numbers of channels around every vector, NaN, equal pixels, guard pages around every array.
 */
#include "driver.h"
#define KERNEL_ROW(name, args) void KERNEL(name) args;
#include "kernels.def"

#define IMAGES 2
#define MANY (GUARDED_BYTES / sizeof(real))
static char *page[5];

typedef ptrdiff_t in;

/* the pixel of x that tap (r, s) of window (p, q) reads, or NULL outside of the image */
static const real *pixel(const cdl_pool *w, const real *x, size_t n, size_t p, size_t q, size_t r, size_t s) {
    in h = (in)p * w->stride_h - w->top + (in)r, v = (in)q * w->stride_w - w->left + (in)s;
    if (h < 0 || v < 0 || h >= (in)w->H || v >= (in)w->W)
        return NULL;
    return x + ((n * w->H + (size_t)h) * w->W + (size_t)v) * w->C;
}

/* y, and what each element of x gets of g, for the largest (scale < 0) or the mean (0) or sum times scale of windows */
static void expected(const cdl_pool *w, const real *x, const real *g, double scale, wide *y, wide *dx) {
    for (size_t n = 0, i = 0; n < IMAGES; n++)
        for (size_t pq = 0; pq < w->P * w->Q; pq++)
            for (size_t c = 0; c < w->C; c++, i++) {
                const real *best = NULL, *here;
                wide sum = 0, count = 0;
#define TAPS                                                                                                           \
    for (size_t t = 0; t < w->R * w->S; t++)                                                                           \
        if ((here = pixel(w, x, n, pq / w->Q, pq % w->Q, t / w->S, t % w->S)))
                TAPS {
                    sum += here[c], count++;
                    if (!best || (!isnan(*best) && (here[c] > *best || isnan(here[c]))))
                        best = here + c;
                }
                wide share = scale == 0 ? 1 / count : (wide)scale;
                y[i] = scale < 0 ? (wide)*best : sum * share;
                if (scale < 0)
                    dx[best - x] += g[i];
                else
                    TAPS dx[here + c - x] += g[i] * share;
            }
}

static void near(const real *got, const wide *want, size_t n, double tolerance, const char *what) {
    for (size_t i = 0; i < n; i++)
        if (!(WIDE(fabs)((wide)got[i] - want[i]) <= (wide)(tolerance * EPSILON)) &&
            !(isnan(got[i]) && isnan(want[i]))) {
            check(0, what);
            return;
        }
}

static void run(cdl_pool w, double scale, int end) {
    static wide y_[MANY], dx_[MANY];
    const size_t nx = IMAGES * w.H * w.W * w.C, rows = IMAGES * w.P, ny = rows * w.Q * w.C;
    const size_t item = w.R * w.S > 256 ? 4 : 1, bytes = rows * (w.Q * w.C + CDL_POOL_SLACK) * item;
    real *x = placed(page[0], nx, end), *y = placed(page[1], ny, end), *g = placed(page[2], ny, end);
    real *dx = placed(page[3], nx, end);
    char *index = page[4] + (end ? GUARDED_BYTES - bytes : 0);
    for (size_t i = 0; i < nx; i++)
        x[i] = (real)(int)uniform(-4, 4); /* equal pixels in most windows */
    if (scale < 0 && nx > 9)
        x[nx / 2] = (real)NAN, x[nx / 2 + 3] = (real)NAN;
    for (size_t i = 0; i < ny; i++)
        g[i] = (real)uniform(-1, 1);
    memset(dx_, 0, nx * sizeof(wide));
    expected(&w, x, g, scale, y_, dx_);
    const size_t half = rows / 2, middle = IMAGES * w.H / 2 + 1; /* in two parts, one of which ends within a window */
    const int stream = (uintptr_t)dx % VEC_BYTES == 0 && w.C % VLEN == 0;
    if (scale < 0) {
        KERNEL(max_pool_forward)(&w, x, y, NULL, 0, rows);
        near(y, y_, ny, 0, "max_pool_forward without an index");
        memset(y, 1, ny * sizeof(real));
        KERNEL(max_pool_forward)(&w, x, y, index, half, rows - half);
        KERNEL(max_pool_forward)(&w, x, y, index, 0, half);
        near(y, y_, ny, 0, "max_pool_forward");
        KERNEL(max_pool_backward)(&w, index, g, dx, middle, IMAGES * w.H - middle, 0);
        KERNEL(max_pool_backward)(&w, index, g, dx, 0, middle, stream);
        near(dx, dx_, nx, 64, "max_pool_backward");
        return;
    }
    KERNEL(avg_pool_forward)(&w, x, y, half, rows - half, scale);
    KERNEL(avg_pool_forward)(&w, x, y, 0, half, scale);
    near(y, y_, ny, 64, "avg_pool_forward");
    KERNEL(avg_pool_backward)(&w, g, dx, middle, IMAGES * w.H - middle, scale, 0);
    KERNEL(avg_pool_backward)(&w, g, dx, 0, middle, scale, stream);
    near(dx, dx_, nx, 64, "avg_pool_backward");
}

/* windows of (R, S) over images with `margin` pixels around them */
static void windows(size_t C, size_t H, size_t W, size_t R, size_t S, in stride_h, in stride_w, size_t margin) {
    cdl_pool w = {H,
                  W,
                  C,
                  (H + 2 * margin - R) / (size_t)stride_h + 1,
                  (W + 2 * margin - S) / (size_t)stride_w + 1,
                  R,
                  S,
                  stride_h,
                  stride_w,
                  (in)margin,
                  (in)margin};
    for (int end = 0; end < 2; end++) {
        run(w, -1, end), run(w, 0, end);
        run(w, 1 / (double)(R * S), end);
    }
}

int main(void) {
    for (int i = 0; i < 5; i++)
        page[i] = guarded();
    const size_t channels[] = {1, 2, VLEN - 1, VLEN, VLEN + 1, 4 * VLEN, 4 * VLEN + 3};
    for (size_t k = 0; k < sizeof channels / sizeof *channels; k++) {
        const size_t C = channels[k];
        windows(C, 5, 4, 2, 2, 2, 2, 0), windows(C, 4, 5, 2, 2, 2, 2, 1), windows(C, 5, 6, 3, 3, 2, 2, 1);
        windows(C, 4, 4, 3, 3, 1, 1, 1), windows(C, 5, 6, 1, 2, 2, 3, 0), windows(C, 3, 5, 2, 3, 1, 3, 1);
        windows(C, 1, 1, 1, 1, 1, 1, 0), windows(C, 5, 6, 3, 3, 3, 3, 1), windows(C, 6, 5, 2, 2, 3, 3, 0);
    }
    windows(VLEN + 1, 17, 16, 17, 16, 1, 1, 0), windows(1, 18, 18, 17, 17, 1, 1, 2);
    return failures != 0;
}
