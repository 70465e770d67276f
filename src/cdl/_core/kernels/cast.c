/* Conversion to the precision of the file. */
#include "kernels.h"

/* y = x, of n elements; kind tells what x is: 0 float, 1 double, 2 int64, 3 one byte that is 0 or 1. */
void KERNEL(cast)(const void *x, void *ys, size_t n, int kind) {
    real *y = ys;
    switch (kind) {
    case 0:
        for (size_t i = 0; i < n; i++)
            y[i] = (real)((const float *)x)[i];
        break;
    case 1:
        for (size_t i = 0; i < n; i++)
            y[i] = (real)((const double *)x)[i];
        break;
    case 2:
        for (size_t i = 0; i < n; i++)
            y[i] = (real)((const int64_t *)x)[i];
        break;
    default:
        for (size_t i = 0; i < n; i++)
            y[i] = ((const unsigned char *)x)[i];
    }
}
