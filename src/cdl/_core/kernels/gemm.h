/* What the matrix-product kernels and their driver (gemm.pyx) agree on. */
#ifndef CDL_GEMM_H
#define CDL_GEMM_H
/* Columns of one panel of packed b: a multiple of every tile's width in every instruction set and precision, so that
 * the driver need not know the tile. */
#define CDL_GEMM_PANEL 32
/* So few rows stay in L2 while each panel passes by all of them, the next one being fetched: packed b may then come
 * from memory. Four of the largest tiles; an image of 7 x 7 pixels. */
#define CDL_GEMM_FEW_ROWS 56
#endif
