/* uses: index.c
 *
 * Rows by index, every row length from 0 to 2 vectors and 1: values against a plain loop, the order of the additions,
 * no access outside the arrays.
 */
#include "driver.h"

#define KERNEL_ROW(name, args) void KERNEL(name) args;
#include "kernels.def"
#undef KERNEL_ROW

enum { ROWS = 9, COUNT = 23, LONGEST = 33 };

static void fill(real *x, size_t n) {
    for (size_t i = 0; i < n; i++)
        x[i] = (real)uniform(-1, 1);
}

static void gathers(const int64_t *ids, size_t inner, real *x, real *y) {
    fill(x, ROWS * inner);
    KERNEL(gather_rows)(x, ids, y, COUNT, inner);
    int good = 1;
    for (size_t i = 0; i < COUNT; i++)
        for (size_t j = 0; j < inner; j++)
            good &= y[i * inner + j] == x[(size_t)ids[i] * inner + j];
    check(good, "gather_rows: the rows at ids");
}

/* All rows at once, or in two ranges, give the same bits as a loop over ids in their order. */
static void scatters(const int64_t *ids, size_t inner, real *g, real *dx, size_t cut) {
    real start[ROWS * LONGEST], wanted[ROWS * LONGEST];
    fill(start, ROWS * inner);
    fill(g, COUNT * inner);
    for (size_t i = 0; i < ROWS * inner; i++)
        dx[i] = wanted[i] = start[i];
    for (size_t i = 0; i < COUNT; i++)
        for (size_t j = 0; j < inner; j++)
            wanted[(size_t)ids[i] * inner + j] += g[i * inner + j];
    KERNEL(scatter_add_rows)(g, ids, dx, COUNT, inner, cut, ROWS);
    int good = 1;
    for (size_t i = 0; i < cut * inner; i++)
        good &= dx[i] == start[i];
    check(good, "scatter_add_rows: other rows stay");
    KERNEL(scatter_add_rows)(g, ids, dx, COUNT, inner, 0, cut);
    for (size_t i = 0; i < ROWS * inner; i++)
        good &= dx[i] == wanted[i];
    check(good, "scatter_add_rows: the sums, in the order of ids");
}

int main(void) {
    char *first = guarded(), *second = guarded();
    int64_t ids[COUNT];
    for (int at_end = 0; at_end < 2; at_end++)
        for (size_t inner = 0; inner <= LONGEST; inner++) {
            for (size_t i = 0; i < COUNT; i++)
                ids[i] = (int64_t)uniform(0, ROWS);
            gathers(ids, inner, placed(first, ROWS * inner, at_end), placed(second, COUNT * inner, at_end));
            for (size_t cut = 0; cut <= ROWS; cut += 3)
                scatters(ids, inner, placed(first, COUNT * inner, at_end), placed(second, ROWS * inner, at_end), cut);
        }
    return failures != 0;
}
