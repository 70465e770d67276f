"""Attention in JAX: jax.nn.dot_product_attention, which takes (N, T, heads, d)."""

import jax
import jax.numpy as jnp
import numpy as np

from .peer_jax_call import call


def _attended(d):
    def f(q, k, v):
        return jax.nn.dot_product_attention(q, k, v, is_causal=d.causal)

    return f, [jnp.asarray(a.swapaxes(1, 2)) for a in (d.q, d.k, d.v, d.g)]


def attention(d):
    """The function."""
    f, (q, k, v, _) = _attended(d)
    run = call(f, q, k, v)
    return run, lambda: [np.asarray(run()).swapaxes(1, 2)]


def attention_grad(d):
    """The function and its vector-Jacobian product in one compiled call."""
    f, arrays = _attended(d)

    def both(q, k, v, g):
        y, pull = jax.vjp(f, q, k, v)
        return y, *pull(g)

    run = call(both, *arrays)
    return run, lambda: [np.asarray(a).swapaxes(1, 2) for a in run()]
