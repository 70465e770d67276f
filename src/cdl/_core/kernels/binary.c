#include "kernels.h"
#define BINARY(name, saved, fwd, da_, db_)                                                                             \
    cdl_binary_forward KERNEL(binary_forward_##name);                                                                  \
    cdl_binary_backward KERNEL(binary_backward_##name);                                                                \
    void KERNEL(binary_forward_##name)(const void *as, const void *bs, void *ys, size_t n, size_t sa, size_t sb) {     \
        for (size_t i = 0; i < n; i++) {                                                                               \
            real a = ((const real *)as)[i * sa], b = ((const real *)bs)[i * sb];                                       \
            ((real *)ys)[i] = fwd;                                                                                     \
        }                                                                                                              \
    }                                                                                                                  \
    void KERNEL(binary_backward_##name)(const void *as, const void *bs, const void *ys, const void *gs, void *das,     \
                                        void *dbs, size_t n, size_t sa, size_t sb) {                                   \
        (void)as, (void)bs, (void)ys, (void)sa, (void)sb;                                                              \
        for (size_t i = 0; i < n; i++) {                                                                               \
            real g = ((const real *)gs)[i];                                                                            \
            if (das) ((real *)das)[i] = da_;                                                                           \
            if (dbs) ((real *)dbs)[i] = db_;                                                                           \
        }                                                                                                              \
    }
#include "binary.def"
