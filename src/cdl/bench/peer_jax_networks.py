"""The networks of reference_networks.py in JAX, channels last."""

import jax
import jax.numpy as jnp
import numpy as np

from . import reference
from .peer_jax_call import adam_update, call, fresh
from .reference_networks import NORM_EPSILON


def _forward(steps, weights, x, training):
    """The logits, and the batch statistics by name."""
    values, moved = {"x": x}, {}
    for what, out, inputs, options in steps:
        a, *rest = (values[name] for name in inputs)
        w, b, mean, var = (weights.get(f"{out}.{name}") for name in ("weight", "bias", "running_mean", "running_var"))
        if what == "conv":
            pads = [(options["padding"],) * 2] * 2
            y = jax.lax.conv_general_dilated(a, w, (options["stride"],) * 2, pads,
                                             dimension_numbers=("NHWC", "HWIO", "NHWC"))
            y = y if b is None else y + b
        elif what == "norm":
            if training:
                mean, var = a.mean((0, 1, 2)), a.var((0, 1, 2))
                moved |= {out + ".running_mean": mean, out + ".running_var": var}
            y = (a - mean) * (jax.lax.rsqrt(var + NORM_EPSILON) * w) + b
        elif what == "max_pool":
            pads = [(0, 0), *[(options["padding"],) * 2] * 2, (0, 0)]
            y = jax.lax.reduce_window(a, -jnp.inf, jax.lax.max, (1, options["kernel"], options["kernel"], 1),
                                      (1, options["stride"], options["stride"], 1), pads)
        elif what == "dense":
            y = a @ w + b
        else:
            y = {"relu": jax.nn.relu, "add": jnp.add, "mean": lambda a: a.mean((1, 2)),
                 "flatten": lambda a: a.reshape(len(a), -1)}[what](a, *rest)
        values[out] = y
    return values[steps[-1][1]], moved


def network_predict(d):
    """The network in use; its weights are arguments on the device."""
    run = call(lambda weights, x: _forward(d.net.steps, weights, x, False)[0], d.net.weights, d.x)
    return run, lambda: [run()]


def _split(weights):
    trained = {name: array for name, array in weights.items() if "running" not in name}
    return trained, {name: array for name, array in weights.items() if "running" in name}


def _loss(steps):
    def loss(params, running, x, y):
        z, batch = _forward(steps, params | running, x, True)
        moved = {name: 0.9 * running[name] + 0.1 * batch[name] for name in running}
        return -jnp.take_along_axis(jax.nn.log_softmax(z), y[:, None], axis=1).mean(), moved

    return loss


def _stepper(d):
    """The whole step as one compiled function of (state, x, y), and a fresh state: Adam's and the running statistics."""
    params, running = _split(d.net.weights)
    names, loss = list(params), _loss(d.net.steps)

    def step(state, x, y):
        adam, running = state
        grads, running = jax.grad(loss, has_aux=True)(dict(zip(names, adam[0], strict=True)), running, x, y)
        return adam_update(adam, [grads[name] for name in names]), running

    start = jax.device_put((fresh(params.values()), {name: jnp.array(a) for name, a in running.items()}))
    return step, start, names


def network_step(d):
    """The step compiled into one call that reuses the state's memory."""
    step, state, names = _stepper(d)
    step, (x, y) = jax.jit(step, donate_argnums=0), jax.device_put((d.x, d.y))
    value = jax.jit(lambda params, running: _loss(d.net.steps)(params, running, x, y)[0])

    def run():
        nonlocal state
        state = step(state, x, y)

    def loss():
        return float(value(dict(zip(names, state[0][0], strict=True)), state[1]))

    def outputs():
        params, running = jax.device_put(_split(d.net.weights))
        before, grads = jax.jit(jax.value_and_grad(lambda p: _loss(d.net.steps)(p, running, x, y)[0]))(params)
        last = d.net.steps[-1][1]
        return [before, grads[last + ".weight"], grads[last + ".bias"], reference.learns(loss, run)]

    return run, outputs, lambda: jax.block_until_ready(state)


def network_epoch(d):
    """A whole epoch compiled into one call (lax.scan over the batches); compiling is not timed."""
    step, state, names = _stepper(d)
    x, y = jax.device_put((d.x, d.y))
    batches = len(d.x) // d.batch

    @jax.jit
    def epoch(state, key):
        order = jax.random.permutation(key, len(x)).reshape(batches, d.batch)
        return jax.lax.scan(lambda s, rows: (step(s, x[rows], y[rows]), None), state, order)[0]

    key = jax.random.key(0)

    def run():
        nonlocal state, key
        key, draw = jax.random.split(key)
        state = epoch(state, draw)

    def outputs():
        run()
        weights = dict(zip(names, state[0][0], strict=True)) | state[1]
        logits = jax.jit(lambda weights: _forward(d.net.steps, weights, x, False)[0])(weights)
        return [(np.asarray(logits).argmax(1) == d.y).mean()]

    return run, outputs, lambda: jax.block_until_ready(state)
