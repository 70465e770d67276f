/* Optimizer updates, all in one pass over parameter p, gradient g and their state; p, m and v are overwritten. */
#include "vec.h"

#define LOAD(name) v_load_n((const real *)name + i, n - i)
#define STORE(name, value) v_store_n((real *)name + i, value, n - i)

/* Adam: m = beta1 m + (1 - beta1) g, v = beta2 v + (1 - beta2) g^2, p -= lr m_hat / (sqrt(v_hat) + eps) with
 * m_hat = m / correction1, v_hat = v / correction2, correction1 = 1 - beta1^t, correction2 = 1 - beta2^t.
 * decay adds decay p to the gradient (L2 penalty); decoupled takes lr decoupled p from p first (AdamW). */
void KERNEL(adam)(void *p, const void *g, void *m, void *v, size_t n, double lr, double beta1, double beta2, double eps,
                  double correction1, double correction2, double decay, double decoupled) {
    const real b1 = (real)beta1, r1 = (real)(1 - beta1), b2 = (real)beta2, r2 = (real)(1 - beta2);
    const real rate = (real)(lr / correction1), per_v = (real)(1 / correction2), kept = (real)(1 - lr * decoupled);
    for (size_t i = 0; i < n; i += VLEN) {
        vec old = LOAD(p), slope = LOAD(g) + (real)decay * old;
        vec first = b1 * LOAD(m) + r1 * slope, second = b2 * LOAD(v) + r2 * (slope * slope);
        STORE(m, first);
        STORE(v, second);
        STORE(p, kept * old - rate * first / (v_sqrt(second * per_v) + (real)eps));
    }
}

/* Stochastic gradient descent: d = g + decay p; with momentum mu != 0, m = mu m + d and the step is m, or d + mu m with
 * Nesterov's rule; p -= lr step. m may be NULL where momentum is 0. */
void KERNEL(sgd)(void *p, const void *g, void *m, size_t n, double lr, double momentum, double decay, int nesterov) {
    const real rate = (real)lr, mu = (real)momentum, fade = (real)decay;
    for (size_t i = 0; i < n; i += VLEN) {
        vec old = LOAD(p), step = LOAD(g) + fade * old;
        if (momentum != 0) {
            vec speed = mu * LOAD(m) + step;
            STORE(m, speed);
            step = nesterov ? step + mu * speed : speed;
        }
        STORE(p, old - rate * step);
    }
}
