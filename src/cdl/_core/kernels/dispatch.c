/* Knows which instruction sets were built and which of them this processor runs. */
#include "kernels.h"

const char *const cdl_isa_names[CDL_ISA_COUNT] = {"base", "avx2", "avx512"};

const char *const cdl_unary_names[CDL_UNARY_COUNT] = {
#define UNARY(name, ...) #name,
#include "unary.def"
#undef UNARY
};

const char *const cdl_binary_names[CDL_BINARY_COUNT] = {
#define BINARY(name, ...) #name,
#include "binary.def"
#undef BINARY
};

const char *const cdl_loss_names[CDL_LOSS_COUNT] = {
#define LOSS(name, ...) #name,
#include "loss.def"
#undef LOSS
};

const unsigned char cdl_unary_saved[CDL_UNARY_COUNT] = {
#define UNARY(name, saved, ...) CDL_SAVED_##saved,
#include "unary.def"
#undef UNARY
};

const unsigned char cdl_binary_saved[CDL_BINARY_COUNT] = {
#define BINARY(name, saved, ...) CDL_SAVED_##saved,
#include "binary.def"
#undef BINARY
};

extern const cdl_kernels cdl_table_f32_base, cdl_table_f64_base;
#ifdef __x86_64__
extern const cdl_kernels cdl_table_f32_avx2, cdl_table_f64_avx2, cdl_table_f32_avx512, cdl_table_f64_avx512;
static const cdl_kernels *const tables[2][CDL_ISA_COUNT] = {
    {&cdl_table_f32_base, &cdl_table_f32_avx2, &cdl_table_f32_avx512},
    {&cdl_table_f64_base, &cdl_table_f64_avx2, &cdl_table_f64_avx512},
};

int cdl_cpu_isa(void) {
    int avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    int avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
                 __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw");
    return avx512 ? CDL_ISA_avx512 : avx2 ? CDL_ISA_avx2 : CDL_ISA_base;
}

int cdl_cpu_bf16_unit(void) {
    if (cdl_cpu_isa() != CDL_ISA_avx512 || !__builtin_cpu_supports("avx512bf16"))
        return CDL_BF16_FLOATS;
    return __builtin_cpu_supports("amx-bf16") ? CDL_BF16_TILES : CDL_BF16_PAIRS;
}
#else
static const cdl_kernels *const tables[2][CDL_ISA_COUNT] = {{&cdl_table_f32_base}, {&cdl_table_f64_base}};

int cdl_cpu_isa(void) {
    return CDL_ISA_base;
}

int cdl_cpu_bf16_unit(void) {
    return CDL_BF16_FLOATS;
}
#endif

const cdl_kernels *cdl_kernel_table(int precision, int isa) {
    return tables[precision][isa];
}
