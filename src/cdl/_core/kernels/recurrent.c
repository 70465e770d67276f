/* What recurrent cells do between their matrix products: gates, state and output of one step, for some rows (sequences)
 * and some units of the layer, and the same backward. Rows do not read one another. */
#include "vecmath.h"

#define ROW(pointer, r, step) ((real *)(pointer) + (r) * (step))
/* Where row r of the output (or of its gradient) is; NULL: nowhere. */
#define PLACE(pointer, s, r)                                                                                           \
    ((pointer) ? (real *)(pointer) + ((s)->place ? (size_t)(s)->place[r] : (r)) * (s)->width : NULL)

/* 1 / x for 1 <= x < 2^126. Five divisions of a unit of LSTM take longer than all else it computes; an estimate of 14
 * bits and one Newton step are 1.5 ulp in a third of the time. */
VEC vec v_inverse(vec x) {
#if defined(__AVX512F__) && defined(CDL_REAL_f32)
    const vec y = _mm512_rcp14_ps(x);
    return y + y * (1 - x * y);
#else
    return 1 / x;
#endif
}

/* 1 / (1 + e^-x). 3 ulp; 1e-37 (1e-307) where less. No gate needs the subnormals, with which v_exp takes trouble. */
#define GATE_LIMIT PICK(85, 706)
VEC vec v_gate(vec x) {
    vec n, r = v_reduce_exp(v_clamp(v_negative(x), -GATE_LIMIT, GATE_LIMIT), &n);
    return v_inverse(1 + (1 + r * (1 + r * POLYNOMIAL(r, exp_terms))) * v_exp2_integral(n));
}

/* tanh of vecmath.h, with v_inverse: h / (h + 1) for h = (e^2|x| - 1) / 2. 2 ulp */
VEC vec v_squash(vec x) {
    vec size = v_min(v_set(PICK(9.1, 19.1)), v_abs(x)), n;
    vec power = v_exp2_nearest(size * (2 * LOG2E), &n);
    vec r = size - n * R(0.34657359027997265);
    vec h = (r + r * r * POLYNOMIAL(r, tanh_terms)) * power + (R(0.5) * power - R(0.5));
    return v_copysign(h * v_inverse(h + 1), x);
}

VEC vec v_slope_of_sigmoid(vec y) {
    return y * (1 - y);
}
VEC vec v_slope_of_tanh(vec y) {
    return 1 - y * y;
}
/* The gradient that arrives at h: from the next step, and from the output. */
VEC vec gradient_of_h(const real *dh, const real *g, size_t j, size_t n) {
    vec d = v_load_n(dh + j, n);
    return g ? d + v_load_n(g + j, n) : d;
}
/* Gradients that fade over many steps end among the subnormals, where a multiply-add takes 30 times as long: what is
 * too small to move a weight is 0 (backward of a GRU of 32 units over 200 steps: 18.4 -> 0.94 ms). NaN stays. */
#define FADED PICK(1e-30, 1e-290)
VEC void put_gradient(real *p, vec d, size_t n) {
    v_store_n(p, v_select(v_lt(v_abs(d), v_set(FADED)), v_set(0), d), n);
}
VEC void put_h(vec h, real *state, real *y, size_t j, size_t n) {
    v_store_n(state + j, h, n);
    if (y)
        v_store_n(y + j, h, n);
}

/* gates: i, f, g, o before their functions, in; after them, out. c = s(f) c_prev + s(i) tanh(g), h = s(o) tanh(c). */
void KERNEL(lstm_forward)(const cdl_cell *s) {
    for (size_t r = 0; r < s->rows; r++) {
        real *gates = ROW(s->gates, r, s->row), *c = ROW(s->c, r, s->width), *h = ROW(s->h, r, s->width);
        real *y = PLACE(s->y, s, r);
        const real *c_prev = ROW(s->c_prev, r, s->width);
        for (size_t j = 0; j < s->units; j += VLEN) {
            const size_t n = s->units - j;
            real *gate = gates + j;
            vec i = v_gate(v_load_n(gate, n)), f = v_gate(v_load_n(gate + s->gate, n));
            vec g = v_squash(v_load_n(gate + 2 * s->gate, n)), o = v_gate(v_load_n(gate + 3 * s->gate, n));
            vec cell = f * v_load_n(c_prev + j, n) + i * g;
            v_store_n(gate, i, n), v_store_n(gate + s->gate, f, n);
            v_store_n(gate + 2 * s->gate, g, n), v_store_n(gate + 3 * s->gate, o, n);
            v_store_n(c + j, cell, n);
            put_h(o * v_squash(cell), h, y, j, n);
        }
    }
}

/* dgates (may be gates) from gates, c, c_prev, the gradient dh + g of h and dc of c; dc becomes that of c_prev. */
void KERNEL(lstm_backward)(const cdl_cell *s) {
    for (size_t r = 0; r < s->rows; r++) {
        const real *gates = ROW(s->gates, r, s->row), *c = ROW(s->c, r, s->width), *dh = ROW(s->dh, r, s->width);
        const real *c_prev = ROW(s->c_prev, r, s->width), *g_ = PLACE(s->g, s, r);
        real *dgates = ROW(s->dgates, r, s->row), *dc = ROW(s->dc, r, s->width);
        for (size_t j = 0; j < s->units; j += VLEN) {
            const size_t n = s->units - j;
            const real *gate = gates + j;
            real *dgate = dgates + j;
            vec i = v_load_n(gate, n), f = v_load_n(gate + s->gate, n);
            vec g = v_load_n(gate + 2 * s->gate, n), o = v_load_n(gate + 3 * s->gate, n);
            vec d = gradient_of_h(dh, g_, j, n), t = v_squash(v_load_n(c + j, n));
            vec dcell = v_load_n(dc + j, n) + d * o * v_slope_of_tanh(t);
            put_gradient(dgate, dcell * g * v_slope_of_sigmoid(i), n);
            put_gradient(dgate + s->gate, dcell * v_load_n(c_prev + j, n) * v_slope_of_sigmoid(f), n);
            put_gradient(dgate + 2 * s->gate, dcell * i * v_slope_of_tanh(g), n);
            put_gradient(dgate + 3 * s->gate, d * t * v_slope_of_sigmoid(o), n);
            put_gradient(dc + j, dcell * f, n);
        }
    }
}

/* gates: r, z before their function, in; after it, out. The fourth block gets s(r) h_prev, which W_hn is to multiply.
 */
void KERNEL(gru_reset)(const cdl_cell *s) {
    for (size_t r = 0; r < s->rows; r++) {
        real *gates = ROW(s->gates, r, s->row);
        const real *h_prev = ROW(s->h_prev, r, s->width);
        for (size_t j = 0; j < s->units; j += VLEN) {
            const size_t n = s->units - j;
            real *gate = gates + j;
            vec reset = v_gate(v_load_n(gate, n));
            v_store_n(gate, reset, n);
            v_store_n(gate + s->gate, v_gate(v_load_n(gate + s->gate, n)), n);
            v_store_n(gate + 3 * s->gate, reset * v_load_n(h_prev + j, n), n);
        }
    }
}

/* gates: r, z, n and, with reset_after, q = h_prev W_hn + b_hn, which r multiplies. Before their functions, in; after
 * them, out, but for q; without reset_after r and z come from gru_reset. h = n + z (h_prev - n). */
void KERNEL(gru_forward)(const cdl_cell *s) {
    for (size_t r = 0; r < s->rows; r++) {
        real *gates = ROW(s->gates, r, s->row), *h = ROW(s->h, r, s->width), *y = PLACE(s->y, s, r);
        const real *h_prev = ROW(s->h_prev, r, s->width);
        for (size_t j = 0; j < s->units; j += VLEN) {
            const size_t n = s->units - j;
            real *gate = gates + j;
            vec z = v_load_n(gate + s->gate, n), new = v_load_n(gate + 2 * s->gate, n), past = v_load_n(h_prev + j, n);
            if (s->variant) {
                vec reset = v_gate(v_load_n(gate, n));
                z = v_gate(z);
                new = new + reset * v_load_n(gate + 3 * s->gate, n);
                v_store_n(gate, reset, n), v_store_n(gate + s->gate, z, n);
            }
            new = v_squash(new);
            v_store_n(gate + 2 * s->gate, new, n);
            put_h(new + z * (past - new), h, y, j, n);
        }
    }
}

/* dgates (may be gates): dz, dn and, with reset_after, dr and dq. dh becomes z (dh + g), the part of the gradient of
 * h_prev that passes by the products. */
void KERNEL(gru_backward)(const cdl_cell *s) {
    for (size_t r = 0; r < s->rows; r++) {
        const real *gates = ROW(s->gates, r, s->row), *h_prev = ROW(s->h_prev, r, s->width), *g = PLACE(s->g, s, r);
        real *dgates = ROW(s->dgates, r, s->row), *dh = ROW(s->dh, r, s->width);
        for (size_t j = 0; j < s->units; j += VLEN) {
            const size_t n = s->units - j;
            const real *gate = gates + j;
            real *dgate = dgates + j;
            vec d = gradient_of_h(dh, g, j, n), reset = v_load_n(gate, n), z = v_load_n(gate + s->gate, n);
            vec new = v_load_n(gate + 2 * s->gate, n), q = v_load_n(gate + 3 * s->gate, n);
            vec dnew = d * (1 - z) * v_slope_of_tanh(new);
            if (s->variant) {
                put_gradient(dgate, dnew * q * v_slope_of_sigmoid(reset), n);
                put_gradient(dgate + 3 * s->gate, dnew * reset, n);
            }
            put_gradient(dgate + s->gate, d * (v_load_n(h_prev + j, n) - new) * v_slope_of_sigmoid(z), n);
            put_gradient(dgate + 2 * s->gate, dnew, n);
            put_gradient(dh + j, d * z, n);
        }
    }
}

/* reset: the gradient of s(r) h_prev. dgates gets dr, and dh what reaches h_prev this way, on top. Where dgates is
 * gates, r has to be still there. */
void KERNEL(gru_reset_backward)(const cdl_cell *s) {
    for (size_t r = 0; r < s->rows; r++) {
        const real *gates = ROW(s->gates, r, s->row), *h_prev = ROW(s->h_prev, r, s->width);
        const real *d = ROW(s->reset, r, s->width);
        real *dgates = ROW(s->dgates, r, s->row), *dh = ROW(s->dh, r, s->width);
        for (size_t j = 0; j < s->units; j += VLEN) {
            const size_t n = s->units - j;
            vec reset = v_load_n(gates + j, n), g = v_load_n(d + j, n);
            put_gradient(dgates + j, g * v_load_n(h_prev + j, n) * v_slope_of_sigmoid(reset), n);
            put_gradient(dh + j, v_load_n(dh + j, n) + g * reset, n);
        }
    }
}

/* gates before their function, in; h = tanh(gates), or max(gates, 0) as variant 1, out, in gates too. */
void KERNEL(rnn_forward)(const cdl_cell *s) {
    for (size_t r = 0; r < s->rows; r++) {
        real *gate = ROW(s->gates, r, s->row), *h = ROW(s->h, r, s->width), *y = PLACE(s->y, s, r);
        for (size_t j = 0; j < s->units; j += VLEN) {
            const size_t n = s->units - j;
            vec a = v_load_n(gate + j, n), state = s->variant ? v_max(v_set(0), a) : v_squash(a);
            v_store_n(gate + j, state, n);
            put_h(state, h, y, j, n);
        }
    }
}

/* dgates (may be gates) from gates = h and the gradient dh + g of h. */
void KERNEL(rnn_backward)(const cdl_cell *s) {
    for (size_t r = 0; r < s->rows; r++) {
        const real *gate = ROW(s->gates, r, s->row), *dh = ROW(s->dh, r, s->width), *g = PLACE(s->g, s, r);
        real *dgate = ROW(s->dgates, r, s->row);
        for (size_t j = 0; j < s->units; j += VLEN) {
            const size_t n = s->units - j;
            vec h = v_load_n(gate + j, n), d = gradient_of_h(dh, g, j, n);
            put_gradient(dgate + j, s->variant ? v_select(v_le(h, v_set(0)), v_set(0), d) : d * v_slope_of_tanh(h), n);
        }
    }
}
