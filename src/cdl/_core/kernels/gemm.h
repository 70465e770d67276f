/* What the matrix-product kernels and their driver (gemm.pyx) agree on. */
#ifndef CDL_GEMM_H
#define CDL_GEMM_H
/* Columns of one panel of packed b: a multiple of every tile's width in every instruction set and precision, so that
 * the driver need not know the tile. */
#define CDL_GEMM_PANEL 32
#endif
