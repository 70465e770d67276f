/* uses: recurrent.c
 *
 * The steps of recurrent cells and their gradients, element by element in a wider type: sizes around every vector,
 * places in order and not, without y and g, gradients written over the gates, guard pages, NaN in one row.
 */
#include "driver.h"
#define KERNEL_ROW(name, args) void KERNEL(name) args;
#include "kernels.def"

enum { GATES, DGATES, H_PREV, C_PREV, H, C, Y, G, RESET, DH, DC, ARRAYS };
static char *page[ARRAYS];
static real *array[ARRAYS], *before[ARRAYS];
static size_t count[ARRAYS];
static cdl_cell s;
static wide worst; /* error, as a share of what was added up */

static wide gate_of(wide x) {
    return 1 / (1 + WIDE(exp)(-x));
}

/* Room for rows of `units`, random and within `size`; places turned round where `turned`. */
static void fill(size_t rows, size_t units, int end, int turned, int64_t *place, double size) {
    const size_t row = 4 * units + 3;
    for (int a = 0; a < ARRAYS; a++) {
        count[a] = rows * (a == GATES || a == DGATES ? row : units);
        array[a] = placed(page[a], count[a], end);
        before[a] = realloc(before[a], (count[a] + 1) * sizeof(real));
        for (size_t i = 0; i < count[a]; i++)
            before[a][i] = array[a][i] = (real)uniform(-size, size);
    }
    for (size_t r = 0; r < rows; r++)
        place[r] = (int64_t)(turned ? rows - 1 - r : r);
    s = (cdl_cell){.rows = rows,
                   .units = units,
                   .row = row,
                   .gate = units,
                   .width = units,
                   .gates = array[GATES],
                   .dgates = array[DGATES],
                   .h_prev = array[H_PREV],
                   .c_prev = array[C_PREV],
                   .h = array[H],
                   .c = array[C],
                   .y = array[Y],
                   .place = turned ? place : NULL,
                   .g = array[G],
                   .reset = array[RESET],
                   .dh = array[DH],
                   .dc = array[DC]};
}

static void near(real got, wide want, const char *what) {
    wide error = WIDE(fabs)((wide)got - want) / (1 + WIDE(fabs)(want));
    check(error < (wide)(24 * EPSILON), what);
    worst = error > worst ? error : worst;
}

/* Element j of gate k of row r: as it was, or as it is. */
#define WAS(a, k) ((wide)before[a][r * s.row + (k) * s.gate + j])
#define IS(a, k) array[a][r * s.row + (k) * s.gate + j]
#define ONE_WAS(a) ((wide)before[a][r * s.width + j])
#define ONE_IS(a) array[a][r * s.width + j]
#define PLACED(a) array[a][(s.place ? (size_t)s.place[r] : r) * s.width + j]
#define EACH                                                                                                           \
    for (size_t r = 0; r < s.rows; r++)                                                                                \
        for (size_t j = 0; j < s.units; j++)

static void lstm(void) {
    KERNEL(lstm_forward)(&s);
    EACH {
        wide i = gate_of(WAS(GATES, 0)), f = gate_of(WAS(GATES, 1)), o = gate_of(WAS(GATES, 3));
        wide g = WIDE(tanh)(WAS(GATES, 2)), c = f * ONE_WAS(C_PREV) + i * g;
        near(IS(GATES, 0), i, "lstm i"), near(IS(GATES, 1), f, "lstm f"), near(IS(GATES, 2), g, "lstm g");
        near(IS(GATES, 3), o, "lstm o"), near(ONE_IS(C), c, "lstm c"), near(ONE_IS(H), o * WIDE(tanh)(c), "lstm h");
        check(PLACED(Y) == ONE_IS(H), "lstm y");
    }
}

static void lstm_backward(void) {
    KERNEL(lstm_backward)(&s);
    EACH {
        wide i = WAS(GATES, 0), f = WAS(GATES, 1), g = WAS(GATES, 2), o = WAS(GATES, 3), t = WIDE(tanh)(ONE_WAS(C));
        wide d = ONE_WAS(DH) + (s.g ? PLACED(G) : 0), dc = ONE_WAS(DC) + d * o * (1 - t * t);
        real *got = s.dgates == s.gates ? array[GATES] : array[DGATES];
        got += r * s.row + j;
        near(got[0], dc * g * i * (1 - i), "lstm di"), near(got[s.gate], dc * ONE_WAS(C_PREV) * f * (1 - f), "lstm df");
        near(got[2 * s.gate], dc * i * (1 - g * g), "lstm dg"), near(got[3 * s.gate], d * t * o * (1 - o), "lstm do");
        near(ONE_IS(DC), dc * f, "lstm dc");
    }
}

static void gru(int after) {
    s.variant = after;
    if (!after) {
        KERNEL(gru_reset)(&s);
        EACH {
            near(IS(GATES, 3), gate_of(WAS(GATES, 0)) * ONE_WAS(H_PREV), "gru reset state");
        }
    }
    KERNEL(gru_forward)(&s);
    EACH {
        wide reset = gate_of(WAS(GATES, 0)), z = gate_of(WAS(GATES, 1));
        wide n = WIDE(tanh)(WAS(GATES, 2) + (after ? reset * WAS(GATES, 3) : 0));
        near(IS(GATES, 0), reset, "gru r"), near(IS(GATES, 1), z, "gru z"), near(IS(GATES, 2), n, "gru n");
        near(ONE_IS(H), (1 - z) * n + z * ONE_WAS(H_PREV), "gru h");
        check(PLACED(Y) == ONE_IS(H), "gru y");
    }
}

static void gru_backward(int after) {
    s.variant = after;
    KERNEL(gru_backward)(&s);
    real *got = s.dgates == s.gates ? array[GATES] : array[DGATES];
    EACH {
        wide reset = WAS(GATES, 0), z = WAS(GATES, 1), n = WAS(GATES, 2), q = WAS(GATES, 3);
        wide d = ONE_WAS(DH) + (s.g ? PLACED(G) : 0), dn = d * (1 - z) * (1 - n * n);
        real *at = got + r * s.row + j;
        near(at[s.gate], d * (ONE_WAS(H_PREV) - n) * z * (1 - z), "gru dz"), near(at[2 * s.gate], dn, "gru dn");
        near(ONE_IS(DH), d * z, "gru dh");
        if (after)
            near(at[0], dn * q * reset * (1 - reset), "gru dr"), near(at[3 * s.gate], dn * reset, "gru dq");
    }
    if (after)
        return;
    memcpy(before[DH], array[DH], count[DH] * sizeof(real));
    KERNEL(gru_reset_backward)(&s);
    EACH {
        wide reset = WAS(GATES, 0), d = ONE_WAS(RESET);
        near(got[r * s.row + j], d * ONE_WAS(H_PREV) * reset * (1 - reset), "gru dr, reset before");
        near(ONE_IS(DH), ONE_WAS(DH) + d * reset, "gru dh, reset before");
    }
}

static void rnn(int relu) {
    s.variant = relu;
    KERNEL(rnn_forward)(&s);
    EACH {
        wide a = WAS(GATES, 0);
        near(ONE_IS(H), relu ? (a > 0 ? a : 0) : WIDE(tanh)(a), "rnn h");
        check(PLACED(Y) == ONE_IS(H) && IS(GATES, 0) == ONE_IS(H), "rnn y");
    }
}

static void rnn_backward(int relu) {
    s.variant = relu;
    KERNEL(rnn_backward)(&s);
    EACH {
        wide h = WAS(GATES, 0), d = ONE_WAS(DH) + (s.g ? PLACED(G) : 0);
        real got = (s.dgates == s.gates ? array[GATES] : array[DGATES])[r * s.row + j];
        near(got, relu ? (h > 0 ? d : 0) : d * (1 - h * h), "rnn gradient");
    }
}

static void run(size_t rows, size_t units, int end, int turned, int64_t *place) {
    fill(rows, units, end, turned, place, 3), lstm();
    for (int variant = 0; variant < 2; variant++) {
        fill(rows, units, end, turned, place, 3), gru(variant);
        fill(rows, units, end, turned, place, 3), rnn(variant);
        for (int in_place = 0; in_place < 2; in_place++) {
            void (*each[])(int) = {gru_backward, rnn_backward};
            for (int k = 0; k < 2; k++) {
                fill(rows, units, end, turned, place, 1);
                s.dgates = in_place ? s.gates : s.dgates, s.g = variant ? NULL : s.g;
                each[k](variant);
            }
            fill(rows, units, end, turned, place, 1);
            s.dgates = in_place ? s.gates : s.dgates, s.g = variant ? NULL : s.g;
            lstm_backward();
        }
    }
}

/* Gates at their ends, and that NaN and infinity stay in their row. */
static void edges(int64_t *place) {
    const real large[] = {-1000, 1000, (real)-INFINITY, (real)INFINITY};
    for (size_t k = 0; k < 4; k++) {
        fill(2, 3, 0, 0, place, 3);
        for (size_t i = 0; i < 3 * s.gate; i++)
            array[GATES][i] = k < 4 ? large[k] : 0;
        array[GATES][s.row] = (real)NAN;
        KERNEL(lstm_forward)(&s);
        int high = large[k] > 0;
        check(array[GATES][0] <= 1 && array[GATES][0] >= 0 && (high ? array[GATES][0] == 1 : array[GATES][0] < 1e-30),
              "gates at their ends");
        for (size_t j = 0; j < 3; j++)
            check(array[C][j] == (high ? before[C_PREV][j] + 1 : array[C][j]), "a whole gate");
        check(!isnan(array[H][0]) && isnan(array[H][3]) && !isnan(array[H][4]), "NaN stays in its unit");
    }
}

int main(void) {
    int64_t place[8];
    for (int a = 0; a < ARRAYS; a++)
        page[a] = guarded();
    const size_t sizes[] = {0, 1, VLEN - 1, VLEN, VLEN + 1, 3 * VLEN + 2};
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++)
        for (int end = 0; end < 2; end++)
            for (size_t rows = 0; rows < 6; rows += rows ? 4 : 1)
                run(rows, sizes[k], end, end, place);
    edges(place);
    if (failures)
        printf("largest error %g\n", (double)worst);
    return failures != 0;
}
