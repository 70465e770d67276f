/* Fills the kernel table of one precision and instruction set. Compiled once for each; a new kernel needs no edit. */
#include "kernels.h"

#define UNARY(name, ...)                                                                                               \
    cdl_unary_forward KERNEL(unary_forward_##name);                                                                    \
    cdl_unary_backward KERNEL(unary_backward_##name);
#include "unary.def"
#undef UNARY
#define BINARY(name, ...)                                                                                              \
    cdl_binary_forward KERNEL(binary_forward_##name);                                                                  \
    cdl_binary_backward KERNEL(binary_backward_##name);
#include "binary.def"
#undef BINARY
#define KERNEL_ROW(name, args) void KERNEL(name) args;
#include "kernels.def"
#undef KERNEL_ROW

extern const cdl_kernels KERNEL(table);
const cdl_kernels KERNEL(table) = {
    .unary_forward =
        {
#define UNARY(name, ...) KERNEL(unary_forward_##name),
#include "unary.def"
#undef UNARY
        },
    .unary_backward =
        {
#define UNARY(name, ...) KERNEL(unary_backward_##name),
#include "unary.def"
#undef UNARY
        },
    .binary_forward =
        {
#define BINARY(name, ...) KERNEL(binary_forward_##name),
#include "binary.def"
#undef BINARY
        },
    .binary_backward =
        {
#define BINARY(name, ...) KERNEL(binary_backward_##name),
#include "binary.def"
#undef BINARY
        },
#define KERNEL_ROW(name, args) .name = KERNEL(name),
#include "kernels.def"
#undef KERNEL_ROW
};
