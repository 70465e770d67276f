/* Bilinear interpolation of images that lie channels last: a row of the output lies between two rows of the image, each
 * of its pixels between two neighbours of these. `low` says after which pixel, `share` how far on the way to the next,
 * which is the last pixel itself where there is none. */
#include "vec.h"

VEC vec between(const real *a, const real *b, vec share, size_t n) {
    vec first = v_load_n(a, n);
    return first + (v_load_n(b, n) - first) * share;
}

/* y (Q, C): `weight` of the way from row `top` of the image to row `bottom`, both of `last` + 1 pixels; low, share (Q)
 */
void KERNEL(resize_forward)(const void *top, const void *bottom, double weight, const int64_t *low, const double *share,
                            void *ys, size_t Q, size_t last, size_t C) {
    const vec down = v_set((real)weight);
    real *y = ys;
    for (size_t q = 0; q < Q; q++, y += C) {
        const size_t at = (size_t)low[q] * C, next = (size_t)low[q] < last ? C : 0;
        const real *a = (const real *)top + at, *b = (const real *)bottom + at;
        const vec right = v_set((real)share[q]);
        for (size_t j = 0; j < C; j += VLEN) {
            vec above = between(a + j, a + next + j, right, C - j), below = between(b + j, b + next + j, right, C - j);
            v_store_n(y + j, above + (below - above) * down, C - j);
        }
    }
}

/* dx (last + 1, C) += what the row g (Q, C) of the output's gradient sends it, times `weight` */
void KERNEL(resize_backward)(const void *gs, double weight, const int64_t *low, const double *share, void *dxs,
                             size_t Q, size_t last, size_t C) {
    const real *g = gs;
    for (size_t q = 0; q < Q; q++, g += C) {
        real *left = (real *)dxs + (size_t)low[q] * C, *right = left + ((size_t)low[q] < last ? C : 0);
        const vec one = v_set((real)(weight * (1 - share[q]))), two = v_set((real)(weight * share[q]));
        for (size_t j = 0; j < C; j += VLEN) {
            const vec from = v_load_n(g + j, C - j);
            v_store_n(left + j, v_load_n(left + j, C - j) + from * one, C - j);
            v_store_n(right + j, v_load_n(right + j, C - j) + from * two, C - j);
        }
    }
}
