/* uses: winograd.c
 *
 * The five transforms of Winograd's convolution against their matrices in a wider type: channels around every vector
 * edge, images around every tile edge and with every padding, guard pages around every array; and that the matrices
 * convolve.
 */
#include "driver.h"
#define KERNEL_ROW(name, args) void KERNEL(name) args;
#include "kernels.def"

#define SIDE 6 /* points of one dimension */
static char *page[3];
static wide bt[SIDE][SIDE], g_[SIDE][SIDE], at[SIDE][SIDE], transposed[3][SIDE][SIDE];

/* The rows of At are the powers of the points 0, a, -a, b, -b, infinity; G the same, each row divided by the product of
 * the distances from the other points; Bt the coefficients of the polynomials that are 0 at the other points. */
static void matrices(void) {
    const wide a = WIDE(sqrt)(0.5), b = WIDE(sqrt)(2), point[] = {0, a, -a, b, -b};
    for (int j = 0; j < 5; j++) {
        wide polynomial[SIDE] = {1}, product = 1;
        for (int i = 0, degree = 0; i < 5; i++)
            if (i != j) {
                product *= point[j] - point[i];
                for (int d = ++degree; d >= 0; d--)
                    polynomial[d] = (d ? polynomial[d - 1] : 0) - point[i] * polynomial[d];
            }
        for (int i = 0; i < SIDE; i++) {
            const wide power = i ? WIDE(pow)(point[j], i) : 1;
            bt[j][i] = polynomial[i], at[i][j] = power, g_[j][i] = power / product;
        }
    }
    const wide last[] = {0, a * a * b * b, 0, -(a * a + b * b), 0, 1};
    for (int i = 0; i < SIDE; i++)
        bt[5][i] = last[i], at[i][5] = i == 3, g_[5][i] = i == 2;
    for (int i = 0; i < SIDE; i++)
        for (int j = 0; j < SIDE; j++)
            transposed[1][i][j] = at[j][i], transposed[2][i][j] = g_[j][i];
}

/* to (rows, rows) = m (rows, columns) from (columns, columns) mt; all stored with rows of SIDE */
static void twice(wide m[SIDE][SIDE], int rows, int columns, wide from[SIDE][SIDE], wide to[SIDE][SIDE]) {
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < rows; j++) {
            to[i][j] = 0;
            for (int r = 0; r < columns; r++)
                for (int s = 0; s < columns; s++)
                    to[i][j] += m[i][r] * from[r][s] * m[j][s];
        }
}

static int near(real got, wide want) {
    return WIDE(fabs)((wide)got - want) <= (wide)(200 * EPSILON); /* values of up to 80 in sums of 36 */
}

static void fill(real *x, size_t n) {
    for (size_t i = 0; i < n; i++)
        x[i] = (real)uniform(-1, 1);
}

/* Pixel (i, j) of a tile, 0 outside of the image. */
static const real *pixel(const real *x, const cdl_tiles *t, size_t tile, int i, int j) {
    const ptrdiff_t row = (ptrdiff_t)(tile % t->count / t->across * 4) - t->top + i;
    const ptrdiff_t column = (ptrdiff_t)(tile % t->count % t->across * 4) - t->left + j;
    if (row < 0 || column < 0 || row >= (ptrdiff_t)t->height || column >= (ptrdiff_t)t->width)
        return NULL;
    return x + ((tile / t->count * t->height + (size_t)row) * t->width + (size_t)column) * t->channels;
}

/* Both transforms of pixels: n channels of tiles from `first`, the last of the first of two images, on. */
static void pixels(cdl_tiles t, size_t first, size_t tiles, size_t n, int end) {
    const size_t size = 2 * t.height * t.width * t.channels, row = n + 1, plane = tiles * row + 3;
    real *x = placed(page[0], size, end), *v = placed(page[1], 36 * plane - 4, end);
    fill(x, size);
    for (int gradient = 0; gradient < 2; gradient++) {
        if (gradient)
            KERNEL(winograd_gradient)(x, &t, first, tiles, n, v, plane, row);
        else
            KERNEL(winograd_input)(x, &t, first, tiles, n, v, plane, row);
        int good = 1;
        for (size_t tile = 0; tile < tiles; tile++)
            for (size_t c = 0; c < n; c++) {
                wide d[SIDE][SIDE], want[SIDE][SIDE];
                for (int p = 0; p < 36; p++) {
                    const real *from = pixel(x, &t, first + tile, p / 6, p % 6);
                    d[p / 6][p % 6] = from ? from[c] : 0;
                }
                twice(gradient ? transposed[1] : bt, 6, gradient ? 4 : 6, d, want);
                for (size_t p = 0; p < 36; p++)
                    good &= near(v[p * plane + tile * row + c], want[p / 6][p % 6]);
            }
        check(good, gradient ? "winograd_gradient" : "winograd_input");
    }
}

static void output(cdl_tiles t, size_t tiles, size_t n, int end, int biased) {
    const size_t size = 2 * t.height * t.width * t.channels, row = n + 1, plane = tiles * row + 3;
    real *m = placed(page[0], 36 * plane - 4, end), *y = placed(page[1], size, end), *bias = placed(page[2], n, end);
    fill(m, 36 * plane - 4), fill(bias, n);
    for (size_t i = 0; i < size; i++)
        y[i] = 7;
    KERNEL(winograd_output)(m, plane, row, biased ? bias : NULL, y, &t, 0, tiles, n);
    int good = 1;
    for (size_t tile = 0; tile < tiles; tile++)
        for (size_t k = 0; k < t.channels; k++) {
            wide d[SIDE][SIDE] = {{0}}, want[SIDE][SIDE];
            for (size_t p = 0; p < 36 && k < n; p++)
                d[p / 6][p % 6] = m[p * plane + tile * row + k];
            twice(at, 4, 6, d, want);
            for (int p = 0; p < 16; p++) {
                const real *to = pixel(y, &t, tile, p / 4, p % 4);
                if (to)
                    good &= k < n ? near(to[k], want[p / 4][p % 4] + (biased ? bias[k] : 0)) : to[k] == 7;
            }
        }
    check(good, "winograd_output");
}

static void filter(size_t depth, size_t n, int end, int turned) {
    const size_t gap = n + 2, row = n + 1, plane = depth * row + 3, tap = depth * gap + 2;
    real *w = placed(page[0], 9 * tap - 4, end), *u = placed(page[1], 36 * plane - 4, end);
    fill(w, 9 * tap - 4);
    KERNEL(winograd_filter)(depth, n, turned ? w + 8 * tap : w, turned ? -(ptrdiff_t)tap : (ptrdiff_t)tap,
                            (ptrdiff_t)gap, u, plane, row);
    int good = 1;
    for (size_t e = 0; e < depth * n; e++) {
        wide d[SIDE][SIDE], want[SIDE][SIDE];
        for (size_t i = 0; i < 9; i++)
            d[i / 3][i % 3] = w[(turned ? 8 - i : i) * tap + e / n * gap + e % n];
        twice(g_, 6, 3, d, want);
        for (size_t p = 0; p < 36; p++)
            good &= near(u[p * plane + e / n * row + e % n], want[p / 6][p % 6]);
    }
    check(good, "winograd_filter");
    fill(u, 36 * plane - 4);
    for (int accumulate = 0; accumulate < 2; accumulate++)
        KERNEL(winograd_filter_backward)(depth, n, u, plane, row, w, tap, gap, accumulate);
    for (size_t e = 0; e < depth * n; e++) {
        wide d[SIDE][SIDE], want[SIDE][SIDE];
        for (size_t p = 0; p < 36; p++)
            d[p / 6][p % 6] = u[p * plane + e / n * row + e % n];
        twice(transposed[2], 3, 6, d, want);
        for (size_t i = 0; i < 9; i++)
            good &= near(w[i * tap + e / n * gap + e % n], 2 * want[i / 3][i % 3]);
    }
    check(good, "winograd_filter_backward");
}

/* y = At [(G w Gt) . (Bt d B)] A is the convolution of d with w. */
static void convolves(void) {
    wide d[SIDE][SIDE], w[SIDE][SIDE], v[SIDE][SIDE], u[SIDE][SIDE], y[SIDE][SIDE];
    for (int i = 0; i < 36; i++)
        d[i / 6][i % 6] = uniform(-1, 1), w[i / 6][i % 6] = uniform(-1, 1);
    twice(bt, 6, 6, d, v), twice(g_, 6, 3, w, u);
    for (int i = 0; i < 36; i++)
        v[i / 6][i % 6] *= u[i / 6][i % 6];
    twice(at, 4, 6, v, y);
    for (int i = 0; i < 16; i++) {
        wide want = 0;
        for (int r = 0; r < 9; r++)
            want += d[i / 4 + r / 3][i % 4 + r % 3] * w[r / 3][r % 3];
        check(WIDE(fabs)(y[i / 4][i % 4] - want) < (wide)1e-12, "the matrices convolve");
    }
}

int main(void) {
    for (int i = 0; i < 3; i++)
        page[i] = guarded();
    matrices();
    convolves();
    const size_t channels[] = {1, 2, VLEN - 1, VLEN, VLEN + 1, 2 * VLEN + 3};
    for (size_t k = 0; k < sizeof channels / sizeof *channels; k++)
        for (int end = 0; end < 2; end++) {
            const size_t n = channels[k];
            for (size_t side = 1; n && side <= 9; side += 1 + side / 4) {
                const size_t across = (side + 3) / 4;
                for (ptrdiff_t pad = -1; pad <= 2; pad++)
                    pixels((cdl_tiles){side, side + 1, n + (size_t)end, across * ((side + 4) / 4), (side + 4) / 4, pad,
                                       1 - pad},
                           across * ((side + 4) / 4) - 1, side > 4 ? 3 : 1, n, end);
                output((cdl_tiles){side, side, n + end, across * across, across, 0, 0}, across * across, n, end, end);
            }
            if (n)
                filter(1, n, end, 0), filter(3, n, end, 1), filter(0, n, end, 0);
        }
    return failures != 0;
}
