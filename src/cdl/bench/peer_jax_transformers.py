"""The networks of reference_transformer.py in JAX."""

import jax
import jax.numpy as jnp
import numpy as np

from . import reference
from .peer_jax_call import adam_update, call, fresh
from .reference_transformer import EPSILON, forward


class InJax:
    """The functions that `forward` calls, on these weights."""

    def __init__(self, net, weights):
        self.net, self.weights = net, weights

    def _of(self, name):
        return self.weights[name + ".weight"], self.weights[name + ".bias"]

    def embed(self, ids, start):
        return self.weights["tokens"][ids] + self.weights["positions"][start:start + ids.shape[1]]

    def add(self, a, b):
        return a + b

    def dense(self, x, name, act=None):
        w, b = self._of(name)
        z = x @ w + b
        return z if act is None else jax.nn.gelu(z, approximate=act == "gelu_tanh")

    def norm(self, x, name):
        w, b = self._of(name)
        return (x - x.mean(-1, keepdims=True)) * jax.lax.rsqrt(x.var(-1, keepdims=True) + EPSILON) * w + b

    def attend(self, joined, past):
        query, *pair = jnp.split(joined, 3, axis=-1)
        if past is not None:
            pair = [jnp.concatenate([old, new], 1) for old, new in zip(past, pair, strict=True)]
        parts = (part.reshape(*part.shape[:2], self.net.heads, -1) for part in (query, *pair))
        y = jax.nn.dot_product_attention(*parts, is_causal=self.net.causal and past is None)
        return y.reshape(joined.shape[0], joined.shape[1], -1)

    def scores(self, x):
        return x @ self.weights["tokens"].T


def _weights(net):
    weights, net.weights = net.weights, None
    return weights


def transformer_predict(d):
    """The network in use; its weights are arguments on the device."""
    run = call(lambda weights, ids: forward(InJax(d.net, weights), d.net, ids), _weights(d.net), d.ids)
    return run, lambda: [run()]


def transformer_token(d):
    """One more token, its keys and values put behind those of the others."""

    def scores(weights, ids, past):
        f = InJax(d.net, weights)
        return f.scores(forward(f, d.net, ids, past)[:, -1])

    run = call(scores, _weights(d.net), d.ids, d.past)
    return run, lambda: [run()]


def transformer_step(d):
    """The step compiled into one call that reuses the state's memory."""
    weights = _weights(d.net)
    names = list(weights)
    ids, y = jax.device_put((d.ids, d.y))

    def loss(params):
        f = InJax(d.net, dict(zip(names, params, strict=True)))
        z = jax.nn.log_softmax(f.scores(forward(f, d.net, ids)))
        return -jnp.take_along_axis(z, y[..., None], axis=-1).mean()

    step = jax.jit(lambda adam: adam_update(adam, jax.grad(loss)(adam[0])), donate_argnums=0)
    state, value = jax.device_put(fresh(weights.values())), jax.jit(loss)

    def run():
        nonlocal state
        state = step(state)

    def outputs():
        before, grads = jax.jit(jax.value_and_grad(loss))(state[0])
        grads = dict(zip(names, map(np.asarray, grads), strict=True))
        return [before, grads["norm.weight"], grads["norm.bias"], reference.learns(lambda: float(value(state[0])), run)]

    return run, outputs, lambda: jax.block_until_ready(state)
