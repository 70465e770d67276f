/* uses: gemm.c gemm_dot.c gemm_pack.c
 *
 * The matrix-product kernels on every m, n, k from 0 to twice a tile and one, in every form, rows apart and together.
 * Each array stands between two guard pages, once against the first and once against the second, so that any access
 * outside it ends the program. The values are small integers: whatever the order of the sums, the result is exact.
 */
#define _GNU_SOURCE
#include "gemm.h"
#include "vec.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define KERNEL_ROW(name, args) void KERNEL(name) args;
#include "kernels.def"
#undef KERNEL_ROW

#if defined(__AVX512F__)
#define ROWS 14
#elif defined(__aarch64__)
#define ROWS 8
#else
#define ROWS 6
#endif
#define M_MAX (2 * ROWS + 1)
#define N_MAX (8 * VLEN + 1) /* twice the widest tile of common shapes; 8 vectors are the widest of all */
#define K_MAX (2 * VLEN + 1)
#define PANEL CDL_GEMM_PANEL
#define UNTOUCHED 99 /* what stands in c's padding, before and after */

enum form { NN, TN, PACKED, DOT, FORMS };
enum start { ZERO, BIAS, ACCUMULATE, BOTH };
static const char *const form_names[] = {"NN", "TN", "packed", "dot"};
static int failures;

typedef struct {
    char *first;
    size_t bytes;
} arena;

static arena new_arena(size_t elements) {
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    const size_t bytes = (elements * sizeof(real) + page - 1) / page * page + page;
    char *p = mmap(NULL, bytes + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED || mprotect(p + page, bytes, PROT_READ | PROT_WRITE)) {
        perror("mmap");
        exit(2);
    }
    return (arena){p + page, bytes};
}

/* Room for `elements`, against the guard page after it (at_end) or before it. */
static real *place(arena a, size_t elements, int at_end) {
    return (real *)(at_end ? a.first + a.bytes - elements * sizeof(real) : a.first);
}

static real a_at(size_t i, size_t k) {
    return (real)((i * 7 + k * 5) % 9) - 4;
}
static real b_at(size_t k, size_t j) {
    return (real)((k * 3 + j * 11) % 7) - 3;
}
static real c_at(size_t i, size_t j) {
    return (real)((i + j) % 5);
}
static real bias_at(size_t j) {
    return (real)(j % 3);
}

/* A (rows, columns) matrix of value(i, j), or of value(j, i) where transposed; it ends with its last element. */
static real *matrix(arena where, int at_end, size_t rows, size_t columns, size_t stride, int transposed,
                    real (*value)(size_t, size_t)) {
    real *p = place(where, rows && columns ? (rows - 1) * stride + columns : 0, at_end);
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < columns; j++)
            p[i * stride + j] = transposed ? value(j, i) : value(i, j);
    return p;
}

static arena in_a, in_b, in_c, in_bias, in_panels;
static real expected[M_MAX][N_MAX]; /* a b for the current k; grown by one outer product as k grows */

static void check(size_t m, size_t n, size_t k, enum form form, enum start start, const real *c, size_t c_row) {
    for (size_t i = 0; n && i < m; i++)
        for (size_t j = 0; j < (i + 1 < m ? c_row : n); j++) {
            real want = UNTOUCHED;
            if (j < n) {
                want = expected[i][j];
                if (start & BIAS)
                    want += bias_at(j);
                if (start & ACCUMULATE)
                    want += c_at(i, j);
            }
            if (c[i * c_row + j] == want)
                continue;
            if (failures++ < 20)
                printf("FAILED %s m=%zu n=%zu k=%zu start=%d c[%zu][%zu] is %g, not %g\n", form_names[form], m, n, k,
                       start, i, j, (double)c[i * c_row + j], (double)want);
            return;
        }
}

static void run(size_t m, size_t n, size_t k, enum form form, enum start start, size_t pad, int at_end) {
    const int a_turned = form == TN, b_turned = form == PACKED || form == DOT;
    const size_t a_row = (a_turned ? m : k) + pad, b_row = (b_turned ? k : n) + pad, c_row = n + pad;
    const real *a = matrix(in_a, at_end, a_turned ? k : m, a_turned ? m : k, a_row, a_turned, a_at);
    const real *b = matrix(in_b, at_end, b_turned ? n : k, b_turned ? k : n, b_row, b_turned, b_at);
    real *c = place(in_c, m && n ? (m - 1) * c_row + n : 0, at_end);
    for (size_t i = 0; n && i < m; i++)
        for (size_t j = 0; j < (i + 1 < m ? c_row : n); j++)
            c[i * c_row + j] = j < n && start & ACCUMULATE ? c_at(i, j) : UNTOUCHED;
    real *bias = NULL;
    if (start & BIAS) {
        bias = place(in_bias, n, at_end);
        for (size_t j = 0; j < n; j++)
            bias[j] = bias_at(j);
    }
    const int add = (start & ACCUMULATE) != 0;
    const ptrdiff_t ar = (ptrdiff_t)a_row, br = (ptrdiff_t)b_row, cr = (ptrdiff_t)c_row;
    const size_t panel = k * PANEL;
    real *panels;
    switch (form) {
    case NN:
        KERNEL(gemm)(m, n, k, a, ar, 1, b, br, PANEL, c, cr, bias, add);
        break;
    case TN:
        KERNEL(gemm)(m, n, k, a, 1, ar, b, br, PANEL, c, cr, bias, add);
        break;
    case PACKED:
        panels = place(in_panels, (n + PANEL - 1) / PANEL * panel, at_end);
        KERNEL(gemm_pack)(k, n, b, 1, br, panels, PANEL, panel);
        KERNEL(gemm_fetching)(m, n, k, a, ar, 1, panels, PANEL, panel, c, cr, bias, add, at_end ? panels : NULL);
        break;
    default:
        KERNEL(gemm_dot)(m, n, k, a, ar, b, br, c, cr, bias, add);
    }
    check(m, n, k, form, start, c, c_row);
}

static size_t every_size(void) {
    size_t cases = 0;
    for (size_t k = 0; k <= K_MAX; k++) {
        for (size_t m = 0; m <= M_MAX; m++)
            for (size_t n = 0; n <= N_MAX; n++)
                for (enum form form = 0; form < FORMS; form++, cases++) {
                    /* the other combinations of place, padding and start turn up at the neighbouring sizes */
                    const size_t turn = m + 3 * n + 5 * k + form;
                    run(m, n, k, form, turn % 4, turn / 4 % 2 * 3, 0);
                    run(m, n, k, form, (turn + 1) % 4, turn / 2 % 2 * 3, 1);
                }
        for (size_t i = 0; i < M_MAX; i++)
            for (size_t j = 0; j < N_MAX; j++)
                expected[i][j] += a_at(i, k) * b_at(k, j);
    }
    return cases;
}

/* Packing a block by any pair of strides, negative ones included, into rows or into panels. */
static void pack(ptrdiff_t rows, ptrdiff_t columns, int kind, int panels, int at_end) {
    ptrdiff_t row[] = {columns, 1, 2 * columns, -columns, 1}, column[] = {1, rows, 2, 1, -rows};
    const ptrdiff_t r = row[kind], q = column[kind], step = kind == 2 ? 2 : 1;
    const ptrdiff_t extent = rows && columns ? (rows * columns - 1) * step + 1 : 0;
    const ptrdiff_t target_row = panels ? PANEL : columns, panel = panels ? rows * PANEL + 3 : PANEL;
    const ptrdiff_t size = panels ? (columns + PANEL - 1) / PANEL * panel : rows * columns;
    real *source = place(in_b, (size_t)extent, at_end), *target = place(in_panels, (size_t)size, at_end);
    for (ptrdiff_t e = 0; e < extent; e++)
        source[e] = (real)(e % 251);
    if (r < 0 && rows)
        source -= (rows - 1) * r;
    if (q < 0 && columns)
        source -= (columns - 1) * q;
    KERNEL(gemm_pack)((size_t)rows, (size_t)columns, source, r, q, target, target_row, (size_t)panel);
    for (ptrdiff_t i = 0; i < rows; i++)
        for (ptrdiff_t j = 0; j < columns; j++) {
            const ptrdiff_t at = panels ? j / PANEL * panel + i * target_row + j % PANEL : i * columns + j;
            if (target[at] != source[i * r + j * q] && failures++ < 20)
                printf("FAILED pack kind %d panels %d (%td, %td) at %td, %td\n", kind, panels, rows, columns, i, j);
        }
}

static void every_pack(void) {
    const ptrdiff_t most = 2 * VLEN + 1;
    for (int kind = 0; kind < 5; kind++)
        for (int panels = 0; panels < 2; panels++)
            for (int at_end = 0; at_end < 2; at_end++)
                for (ptrdiff_t rows = 0; rows <= most; rows++)
                    for (ptrdiff_t columns = 0; columns <= PANEL + 1; columns++)
                        pack(rows, columns, kind, panels, at_end);
}

static uint64_t state = 88172645463325252u;
static real noise(void) {
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return (real)((double)(state >> 11) * 0x1p-53 - 0.5);
}

/* A product cut anywhere, in m, n and k, has the bits of the whole. */
static void same_bits(void) {
    enum { M = 31, N = 150, K = 77 };
    static real a[M * K], b[K * N], whole[M * N], cut[M * N];
    for (size_t e = 0; e < M * K; e++)
        a[e] = noise();
    for (size_t e = 0; e < K * N; e++)
        b[e] = noise();
    KERNEL(gemm)(M, N, K, a, K, 1, b, N, PANEL, whole, N, b, 0);
    for (size_t turn = 0; turn < 500; turn++) {
        const size_t m = turn % M, n = turn * 7 % N, k = turn * 3 % K;
        const size_t ms[] = {0, m, M}, ns[] = {0, n, N}, ks[] = {0, k, K};
        for (size_t part = 0; part < 8; part++) {
            const size_t z = part / 4, y = part / 2 % 2, x = part % 2;
            KERNEL(gemm)(ms[y + 1] - ms[y], ns[x + 1] - ns[x], ks[z + 1] - ks[z], a + ms[y] * K + ks[z], K, 1,
                         b + ks[z] * N + ns[x], N, PANEL, cut + ms[y] * N + ns[x], N, z ? NULL : b + ns[x], (int)z);
        }
        if (memcmp(whole, cut, sizeof whole) && failures++ < 20)
            printf("FAILED other bits when cut at m=%zu n=%zu k=%zu\n", m, n, k);
    }
}

/* A zero does not hide what it meets: 0 x NaN and 0 x inf are NaN. */
static void keeps_nan(void) {
    enum { M = 3, N = 40, K = 20 };
    real a[M * K] = {0}, b[K * N], c[M * N];
    for (size_t e = 0; e < K * N; e++)
        b[e] = e % N == 5 ? (real)NAN : e % N == 39 ? (real)INFINITY : 1;
    KERNEL(gemm)(M, N, K, a, K, 1, b, N, PANEL, c, N, NULL, 0);
    for (size_t e = 0; e < M * N; e++)
        if ((isnan(c[e]) != 0) != (e % N == 5 || e % N == 39))
            failures++, printf("FAILED NaN at %zu\n", e);
    for (size_t e = 0; e < N * K; e++)
        b[e] = e / K == 5 ? (real)NAN : 1;
    KERNEL(gemm_dot)(M, N, K, a, K, b, K, c, N, NULL, 0);
    for (size_t e = 0; e < M * N; e++)
        if ((isnan(c[e]) != 0) != (e % N == 5))
            failures++, printf("FAILED NaN of dot at %zu\n", e);
}

/* Small integers are exact in any order of additions. */
static void inner_products(void) {
    for (size_t k = 0; k < K_MAX; k++)
        for (int at_end = 0; at_end < 2; at_end++) {
            real *a = place(in_a, k, at_end), *b = place(in_b, k, at_end), sum = -1, wanted = 0;
            for (size_t p = 0; p < k; p++)
                a[p] = (real)(p % 7) - 3, b[p] = (real)(p % 5) - 2, wanted += a[p] * b[p];
            KERNEL(gemm_inner)(k, a, b, &sum);
            if (sum != wanted)
                failures++, printf("FAILED inner product of %zu\n", k);
        }
}

int main(void) {
    in_a = new_arena((M_MAX + 3) * (K_MAX + 3));
    in_b = new_arena((K_MAX + 3) * (N_MAX + 3) * 2);
    in_c = new_arena((M_MAX + 3) * (N_MAX + 3) + (K_MAX + 3) * (K_MAX + 3));
    in_bias = new_arena(N_MAX);
    in_panels = new_arena(K_MAX * (N_MAX + PANEL));
    const size_t cases = every_size();
    every_pack();
    same_bits();
    keeps_nan();
    inner_products();
    printf("%zu sizes and forms, %d failed\n", cases, failures);
    return failures != 0;
}
