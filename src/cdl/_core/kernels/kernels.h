/* The one header of the kernel floor: the scalar type, the naming macro, and the table the floors above call through.
 *
 * Every kernel is compiled once per precision (CDL_REAL_f32, CDL_REAL_f64) and instruction set (CDL_ISA = base, avx2,
 * avx512). Arrays cross the table as `void *` and scalars as `double`, so that both precisions share one table type and
 * the caller chooses with `K[dtype]`; inside a kernel the first lines give the pointers their type again.
 */
#ifndef CDL_KERNELS_H
#define CDL_KERNELS_H
#include <stddef.h>
#include <stdint.h>

enum cdl_unary {
#define UNARY(name, ...) CDL_UNARY_##name,
#include "unary.def"
#undef UNARY
    CDL_UNARY_COUNT
};

enum cdl_binary {
#define BINARY(name, ...) CDL_BINARY_##name,
#include "binary.def"
#undef BINARY
    CDL_BINARY_COUNT
};

enum cdl_loss {
#define LOSS(name, ...) CDL_LOSS_##name,
#include "loss.def"
#undef LOSS
    CDL_LOSS_COUNT
};

/* y = f(x); p and q are the op's parameters (slope, bounds), ignored where it has none. x == y is allowed. */
typedef void cdl_unary_forward(const void *x, void *y, size_t n, double p, double q);
/* dx = g f'(x), from x, y = f(x) and g; an op that does not read x (or y) may be given NULL for it. dx may be g. */
typedef void cdl_unary_backward(const void *x, const void *y, const void *g, void *dx, size_t n, double p, double q);
/* y = f(a, b); sa and sb are 1, or 0 for an operand that is one repeated value. y may be a or b where its step is 1. */
typedef void cdl_binary_forward(const void *a, const void *b, void *y, size_t n, size_t sa, size_t sb);
/* da = g df/da, db = g df/db, all of n elements; da or db may be NULL where not wanted. */
typedef void cdl_binary_backward(const void *a, const void *b, const void *y, const void *g, void *da, void *db,
                                 size_t n, size_t sa, size_t sb);

/* The numbers of an optimizer's update (optim.c); a rule ignores those it has no use for. */
typedef struct cdl_update {
    double rate;          /* p -= rate * the rule's step */
    double scale, limit;  /* clipping: the gradient is multiplied by scale, then held within -limit and limit */
    double coupled, kept; /* weight decay: coupled p is added to the gradient; p is multiplied by kept */
    double beta1, beta2;  /* how much of the first and of the second moment is kept */
    double per_v, eps;    /* what the second moment is multiplied by; what is added to its root */
    int nesterov;
} cdl_update;
/* One update of p from g; a, b and c are the rule's state arrays. */
typedef void cdl_update_kernel(void *p, const void *g, void *a, void *b, void *c, size_t n, const cdl_update *u);

/* How cross-entropy weighs rows and classes (cross_entropy.c); where NULL: 1, 1, 0. rest_sum: the sum of rest. */
typedef struct cdl_targets {
    const void *weight, *hot, *rest;
    double rest_sum;
} cdl_targets;

/* Windows of R x S pixels over images (N, H, W, C), which make (N, P, Q, C) (pool.c). */
typedef struct cdl_pool {
    size_t H, W, C, P, Q, R, S;
    ptrdiff_t stride_h, stride_w, top, left; /* top and left: how far the first window begins before the image */
} cdl_pool;
/* Elements at the end of a row of max pooling's index that belong to nobody: the longest vector's lanes. */
enum { CDL_POOL_SLACK = 16 };
/* Where the pixels of a picture (P, Q, C) are read in one of (H, W, C): see image_place (augment.c). */
typedef struct cdl_placing {
    size_t H, W, C, P, Q;
    double y[3], x[3], fill;
    int edge; /* what is read outside of it: cdl_edge */
} cdl_placing;
enum cdl_edge { CDL_EDGE_FILL, CDL_EDGE_NEAREST, CDL_EDGE_MIRROR };

/* Windows of R x S pixels over images (N, H, W, C), of which they take `channels` channels from `first` on (conv.c). */
typedef struct cdl_windows {
    size_t H, W, C, P, Q, R, S, first, channels;
    ptrdiff_t stride_h, stride_w, dilation_h, dilation_w, top, left;
} cdl_windows;

/* How images (height, width, channels) are cut into tiles that lie 4 pixels apart (winograd.c): `count` to an image,
 * `across` side by side, the first of them beginning `top` rows above the image and `left` columns before it. */
typedef struct cdl_tiles {
    size_t height, width, channels, count, across;
    ptrdiff_t top, left;
} cdl_tiles;

/* Some rows (sequences) and units of one step of a recurrent layer of `width` units (recurrent.c). All pointers are at
 * the first row and unit. gates, dgates: rows `row` apart, of blocks `gate` apart, a block of `width` for each gate;
 * the others: rows `width` apart; those of y and g, which may be NULL, are their rows place[0], place[1], ..., or 0,
 * 1, ... */
typedef struct cdl_cell {
    size_t rows, units, row, gate, width;
    void *gates, *dgates;
    const void *h_prev, *c_prev;
    void *h, *c, *y;
    const int64_t *place;
    const void *g, *reset;
    void *dh, *dc;
    int variant; /* RNN: ReLU; GRU: the reset gate acts after the product */
} cdl_cell;
/* A block of attention's scores (rows, keys), and who may look at what (attention.c). */
typedef struct cdl_scores {
    size_t keys;
    ptrdiff_t s_row;
    ptrdiff_t visible; /* row r may look at the first visible + r keys, as far as there are so many */
    double scale;      /* of a score, as an exponent of base 2 */
    const void *mask;  /* its element for row r and key j is at r mask_row + j mask_col; mask_col is 0 or 1 */
    ptrdiff_t mask_row, mask_col;
    int masked;
} cdl_scores;
enum cdl_mask { CDL_MASK_NONE, CDL_MASK_BOOL, CDL_MASK_ADDED };

typedef struct cdl_kernels {
    cdl_unary_forward *unary_forward[CDL_UNARY_COUNT];
    cdl_unary_backward *unary_backward[CDL_UNARY_COUNT];
    cdl_binary_forward *binary_forward[CDL_BINARY_COUNT];
    cdl_binary_backward *binary_backward[CDL_BINARY_COUNT];
#define KERNEL_ROW(name, args) void(*name) args;
#include "kernels.def"
#undef KERNEL_ROW
} cdl_kernels;

/* Rows of so few classes take the kernels that put a row in each lane. */
enum { CDL_SHORT_ROW = 32 };

/* The most rows that one step of Word2Vec takes on each side. */
enum { CDL_PAIRS_M = 16, CDL_PAIRS_N = 32 };

/* What reduce_rows and reduce_cols compute. */
enum cdl_reduce { CDL_REDUCE_SUM, CDL_REDUCE_SQUARES, CDL_REDUCE_MAX, CDL_REDUCE_MIN, CDL_REDUCE_PROD };

enum cdl_isa { CDL_ISA_base, CDL_ISA_avx2, CDL_ISA_avx512, CDL_ISA_COUNT };

/* What multiplies bfloat16 (bfloat16.c): floats made of them, AVX-512's dot product of pairs, the tiles of AMX. */
enum cdl_bf16_unit { CDL_BF16_FLOATS, CDL_BF16_PAIRS, CDL_BF16_TILES };
/* The best of them in this processor, for its best instruction set; the system may still refuse a process the tiles. */
int cdl_cpu_bf16_unit(void);

/* The best instruction set of this processor among those that were built. */
int cdl_cpu_isa(void);
/* The kernel table of one precision (0 is float, 1 is double) and instruction set; NULL where it was not built. */
const cdl_kernels *cdl_kernel_table(int precision, int isa);
extern const char *const cdl_isa_names[CDL_ISA_COUNT];
extern const char *const cdl_unary_names[CDL_UNARY_COUNT];
extern const char *const cdl_binary_names[CDL_BINARY_COUNT];
extern const char *const cdl_loss_names[CDL_LOSS_COUNT];

/* What the backward of an elementwise op reads: bits of the `saved` column of unary.def and binary.def. */
enum cdl_saved {
    CDL_SAVED_NONE = 0,
    CDL_SAVED_X = 1,
    CDL_SAVED_A = 1,
    CDL_SAVED_B = 2,
    CDL_SAVED_AB = 3,
    CDL_SAVED_Y = 4,
    CDL_SAVED_XY = 5,
    CDL_SAVED_AY = 5,
    CDL_SAVED_BY = 6,
    CDL_SAVED_ABY = 7
};
extern const unsigned char cdl_unary_saved[CDL_UNARY_COUNT];
extern const unsigned char cdl_binary_saved[CDL_BINARY_COUNT];

#if defined(CDL_REAL_f32)
typedef float real;
typedef int32_t real_bits;
#define CDL_SUFFIX f32
#elif defined(CDL_REAL_f64)
typedef double real;
typedef int64_t real_bits;
#define CDL_SUFFIX f64
#endif
#ifdef CDL_SUFFIX
#define CDL_CAT_(a, b, c) cdl_##a##_##b##_##c
#define CDL_CAT(a, b, c) CDL_CAT_(a, b, c)
#define KERNEL(name) CDL_CAT(name, CDL_SUFFIX, CDL_ISA) /* cdl_name_f32_avx512 */
#endif
#endif
