/* VLEN short rows at a time, one a lane: with few elements a row, sums across a vector would cost more than the rest.
 */
#ifndef CDL_TILE_H
#define CDL_TILE_H
#include "vec.h"

/* tile[j] gets element j of each of `rows` <= VLEN rows of n <= CDL_SHORT_ROW; lanes without a row repeat the last one
 */
VEC void load_tile(vec *tile, const real *x, size_t rows, size_t n) {
    real *lanes = (real *)tile;
    for (size_t l = 0; l < VLEN; l++) {
        const real *row = x + (l < rows ? l : rows - 1) * n;
        for (size_t j = 0; j < n; j++)
            lanes[j * VLEN + l] = row[j];
    }
}

VEC void store_tile(const vec *tile, real *y, size_t rows, size_t n) {
    const real *lanes = (const real *)tile;
    for (size_t l = 0; l < rows; l++)
        for (size_t j = 0; j < n; j++)
            y[l * n + j] = lanes[j * VLEN + l];
}

VEC size_t tile_rows(size_t r, size_t rows) {
    return rows - r < VLEN ? rows - r : VLEN;
}

VEC vec tile_max(const vec *tile, size_t n) {
    vec top = tile[0];
    for (size_t j = 1; j < n; j++)
        top = v_maximum(top, tile[j]);
    return top;
}
#endif
