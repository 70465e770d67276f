"""How JAX is called: compiled, on arrays that are on its device already, until the result is there; and its Adam."""

import jax
import jax.numpy as jnp

from . import reference


def call(f, *args):
    """A function of nothing that computes f(*args)."""
    f = jax.jit(f)
    args = jax.device_put(args)
    return lambda: jax.block_until_ready(f(*args))


def fresh(params):
    """The state of an optimizer at its first step: parameters, both moments, the steps taken."""
    m, v = ([jnp.zeros(p.shape) for p in params] for _ in range(2))
    return [jnp.array(p) for p in params], m, v, 0.0


def adam_update(state, grads):
    """One step of Adam."""
    params, m, v, t = state
    t = t + 1
    m = [reference.BETA1 * a + (1 - reference.BETA1) * g for a, g in zip(m, grads, strict=True)]
    v = [reference.BETA2 * a + (1 - reference.BETA2) * g * g for a, g in zip(v, grads, strict=True)]
    c1, c2 = 1 - reference.BETA1**t, 1 - reference.BETA2**t
    params = [
        p - reference.LEARNING_RATE * (a / c1) / (jnp.sqrt(b / c2) + reference.EPSILON)
        for p, a, b in zip(params, m, v, strict=True)
    ]
    return params, m, v, t
