#include "kernels.h"
#define UNARY(name, saved, fwd, bwd)                                                                                   \
    cdl_unary_forward KERNEL(unary_forward_##name);                                                                    \
    cdl_unary_backward KERNEL(unary_backward_##name);                                                                  \
    void KERNEL(unary_forward_##name)(const void *xs, void *ys, size_t n, double p, double q) {                        \
        (void)p, (void)q;                                                                                              \
        for (size_t i = 0; i < n; i++) {                                                                               \
            real x = ((const real *)xs)[i];                                                                            \
            ((real *)ys)[i] = fwd;                                                                                     \
        }                                                                                                              \
    }                                                                                                                  \
    void KERNEL(unary_backward_##name)(const void *xs, const void *ys, const void *gs, void *ds, size_t n, double p,   \
                                       double q) {                                                                     \
        (void)p, (void)q, (void)xs;                                                                                    \
        for (size_t i = 0; i < n; i++) {                                                                               \
            real y = ((const real *)ys)[i], g = ((const real *)gs)[i];                                                 \
            ((real *)ds)[i] = bwd;                                                                                     \
        }                                                                                                              \
    }
#include "unary.def"
