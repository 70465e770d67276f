"""Recurrent layers in JAX: one product for all inputs, lax.scan over the steps."""

import jax
import jax.numpy as jnp
import numpy as np

from .peer_jax_call import adam_update, call, fresh


def _step(cell, z, h, c, w_hh, b_hh):
    past = h @ w_hh + b_hh
    if cell == "rnn":
        return jnp.tanh(z + past), c
    if cell == "lstm":
        i, f, g, o = jnp.split(z + past, 4, axis=-1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        return jax.nn.sigmoid(o) * jnp.tanh(c), c
    (zr, zz, zn), (r, u, q) = jnp.split(z, 3, axis=-1), jnp.split(past, 3, axis=-1)
    r, u = jax.nn.sigmoid(zr + r), jax.nn.sigmoid(zz + u)
    n = jnp.tanh(zn + r * q)
    return n + u * (h - n), c


def _layer(cell, x, w_ih, w_hh, b_ih, b_hh):
    start = jnp.zeros((x.shape[0], w_hh.shape[0]), x.dtype)

    def body(state, z):
        state = _step(cell, z, *state, w_hh, b_hh)
        return state, state[0]

    return jax.lax.scan(body, (start, start), (x @ w_ih + b_ih).transpose(1, 0, 2))[1].transpose(1, 0, 2)


def recurrent(d):
    """The layer, compiled."""
    run = call(lambda *a: _layer(d.cell, *a), d.x, *d.weights)
    return run, lambda: [run()]


def recurrent_grad(d):
    """The layer and its vector-Jacobian product in one compiled call."""

    def both(g, *args):
        y, pull = jax.vjp(lambda *a: _layer(d.cell, *a), *args)
        return (y, *pull(g))

    run = call(both, d.g, d.x, *d.weights)
    return run, lambda: list(run())


def cell_step(d):
    """One step, compiled."""

    def f(x, h, c, w_ih, w_hh, b_ih, b_hh):
        return _step("lstm", x @ w_ih + b_ih, h, c, w_hh, b_hh)

    run = call(f, d.x, d.h, d.c, *d.weights)
    return run, lambda: list(run())


def char_step(d):
    """The whole step as one compiled function."""
    flat = [a for w in d.stack for a in w] + [d.out, d.bias]

    def loss(params, x, y):
        for i in range(len(d.stack)):
            x = _layer("lstm", x, *params[4 * i : 4 * i + 4])
        z = x.reshape(-1, x.shape[-1]) @ params[-2] + params[-1]
        return -jnp.take_along_axis(jax.nn.log_softmax(z), y[:, None], axis=1).mean()

    step = jax.jit(lambda state, x, y: adam_update(state, jax.grad(loss)(state[0], x, y)), donate_argnums=0)
    state, (x, y) = jax.device_put(fresh(flat)), jax.device_put((d.x, d.y))

    def run():
        nonlocal state
        state = step(state, x, y)

    def outputs():
        value, grads = jax.jit(jax.value_and_grad(loss))([jnp.array(a) for a in flat], x, y)
        return [value.item(), np.asarray(grads[-2]), np.asarray(grads[1])]

    return run, outputs, lambda: jax.block_until_ready(state)
