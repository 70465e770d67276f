"""JAX under jit, arrays already on its device; a call waits for its result. Threads follow the CPU affinity."""

from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np

from . import reference
from .attention_jax import attention as attention
from .attention_jax import attention_grad as attention_grad
from .images_jax import conv as conv
from .images_jax import conv_grad as conv_grad
from .images_jax import image_norm_grad as image_norm_grad
from .images_jax import pool_grad as pool_grad
from .images_jax import upsample_grad as upsample_grad
from .peer_jax_call import adam_update, call, fresh
from .peer_jax_networks import network_epoch as network_epoch
from .peer_jax_networks import network_predict as network_predict
from .peer_jax_networks import network_step as network_step
from .peer_jax_recurrent import cell_step as cell_step
from .peer_jax_recurrent import char_step as char_step
from .peer_jax_recurrent import recurrent as recurrent
from .peer_jax_recurrent import recurrent_grad as recurrent_grad
from .peer_jax_transformers import transformer_predict as transformer_predict
from .peer_jax_transformers import transformer_step as transformer_step
from .peer_jax_transformers import transformer_token as transformer_token

FORWARD = {
    None: lambda z: z,
    "exp": jnp.exp,
    "sigmoid": jax.nn.sigmoid,
    "tanh": jnp.tanh,
    "gelu": lambda z: jax.nn.gelu(z, approximate=False),
    "relu": jax.nn.relu,
}


def start(threads):
    """JAX reads the affinity when it makes its pool; there is nothing else to set."""


def version():
    """JAX and its compiler's package."""
    import jaxlib

    return f"{jax.__version__}, jaxlib {jaxlib.__version__}"


def dense(d):
    """act(x @ w + b)."""
    act = FORWARD[d.act]
    if d.act is None:
        run = call(jnp.matmul, d.x, d.w)
    else:
        run = call(lambda x, w, b: act(x @ w + b), d.x, d.w, d.b)
    return run, lambda: [run()]


def unary(d):
    """The function."""
    run = call(FORWARD[d.op], d.x)
    return run, lambda: [run()]


def unary_grad(d):
    """The function and its vector-Jacobian product in one compiled call."""

    def both(x, g):
        y, pull = jax.vjp(FORWARD[d.op], x)
        return y, pull(g)[0]

    run = call(both, d.x, d.g)
    return run, lambda: list(run())


def norm_grad(d):
    """The formula and its vector-Jacobian product in one compiled call."""

    def norm(x, w, b):
        h = x - x.mean(axis=d.axis, keepdims=True)
        return h * jax.lax.rsqrt((h * h).mean(axis=d.axis, keepdims=True) + reference.NORM_EPSILON) * w + b

    def both(x, w, b, g):
        y, pull = jax.vjp(norm, x, w, b)
        return y, *pull(g)

    run = call(both, d.x, d.w, d.b, d.g)
    return run, lambda: list(run())


def dropout_grad(d):
    """jax.random.bernoulli, and the vector-Jacobian product, in one compiled call."""

    def both(x, g, key):
        y, pull = jax.vjp(lambda x: jnp.where(jax.random.bernoulli(key, 1 - d.p, x.shape), x / (1 - d.p), 0), x)
        return y, pull(g)[0]

    run = call(both, d.x, d.g, jax.random.key(0))
    return run, lambda: reference.kept(d, *(np.asarray(a) for a in run()))


def softmax(d):
    """The function and its vector-Jacobian product in one compiled call."""

    def both(x, g):
        y, pull = jax.vjp(jax.nn.softmax, x)
        return y, pull(g)[0]

    run = call(both, d.x, d.g)
    return run, lambda: list(run())


def cross_entropy(d):
    """value_and_grad."""

    def loss(x, y):
        return -jnp.take_along_axis(jax.nn.log_softmax(x), y[:, None], axis=1).mean()

    run = call(jax.value_and_grad(loss), d.x, d.y)
    return run, lambda: list(run())


def _huber(e):
    return jnp.where(jnp.abs(e) <= 1, e * e / 2, jnp.abs(e) - 0.5)


LOSSES = {
    "mse": lambda p, t: jnp.square(p - t).mean(),
    "mae": lambda p, t: jnp.abs(p - t).mean(),
    "huber": lambda p, t: _huber(p - t).mean(),
    "binary_cross_entropy": lambda p, t: -(t * jnp.log(p) + (1 - t) * jnp.log(1 - p)).mean(),
}


def loss(d):
    """value_and_grad."""
    run = call(jax.value_and_grad(LOSSES[d.name]), d.p, d.t)
    return run, lambda: list(run())


def prelu(d):
    """The function and its vector-Jacobian product in one compiled call."""

    def both(x, slope, g):
        y, pull = jax.vjp(lambda x, slope: jnp.where(x > 0, x, slope * x), x, slope)
        return (y, *pull(g))

    run = call(both, d.x, d.slope, d.g)
    return run, lambda: list(run())


def _logits(params, x):
    w1, b1, w2, b2 = params
    return jax.nn.relu(x @ w1 + b1) @ w2 + b2


def _loss(params, x, y):
    z = jax.nn.log_softmax(_logits(params, x))
    return -jnp.take_along_axis(z, y[:, None], axis=1).mean()


def backprop(d):
    """value_and_grad."""
    run = call(jax.value_and_grad(_loss), d.params, d.x, d.y)

    def outputs():
        loss, grads = run()
        return [loss, *grads]

    return run, outputs


def _rmsprop(state, grads):
    params, _, v, t = state
    v = [reference.RHO * a + (1 - reference.RHO) * g * g for a, g in zip(v, grads, strict=True)]
    steps = [g / (jnp.sqrt(a) + reference.EPSILON) for g, a in zip(grads, v, strict=True)]
    return [p - reference.LEARNING_RATE * s for p, s in zip(params, steps, strict=True)], None, v, t


def _momentum(state, grads):
    params, m, _, t = state
    m = [reference.MOMENTUM * a + g for a, g in zip(m, grads, strict=True)]
    return [p - reference.LEARNING_RATE * a for p, a in zip(params, m, strict=True)], m, None, t


def _update(state, x, y):
    return adam_update(state, jax.grad(_loss)(state[0], x, y))


def step(d):
    """The whole step compiled into one call that reuses the state's memory; only a batch of calls is waited for."""
    update = jax.jit(_update, donate_argnums=0)
    x, y = jax.device_put((d.x, d.y))
    state = jax.device_put(fresh(d.params))

    def run():
        nonlocal state
        state = update(state, x, y)

    def outputs():
        for _ in range(reference.CHECKED_STEPS):
            run()
        return [np.asarray(p) for p in state[0]]

    return run, outputs, lambda: jax.block_until_ready(state)


def _hidden(x, params, drop_prob, key):
    """Dropout of the ReLU of batch normalisation, and the statistics."""
    w, gamma, beta = params
    z = x @ w
    mean = z.mean(axis=0)
    var = jnp.square(z - mean).mean(axis=0)
    h = jax.nn.relu((z - mean) * jax.lax.rsqrt(var + reference.NORM_EPSILON) * gamma + beta)
    if drop_prob:
        h = jnp.where(jax.random.bernoulli(key, 1 - drop_prob, h.shape), h / (1 - drop_prob), 0)
    return h, (mean, var * (len(z) / (len(z) - 1)))


def _regularised_loss(params, running, key, x, y, drop_prob):
    """The loss, and the running statistics after this batch."""
    moved = []
    for i, key_of_layer in enumerate(jax.random.split(key, len(running) // 2)):
        x, batch = _hidden(x, params[3 * i : 3 * i + 3], drop_prob, key_of_layer)
        moved += [0.9 * old + 0.1 * new for old, new in zip(running[2 * i : 2 * i + 2], batch, strict=True)]
    z = jax.nn.log_softmax(x @ params[-2] + params[-1])
    return -jnp.take_along_axis(z, y[:, None], axis=1).mean(), moved


def _loss_in_use(params, running, x, y):
    for i in range(len(running) // 2):
        (w, gamma, beta), (mean, var) = params[3 * i : 3 * i + 3], running[2 * i : 2 * i + 2]
        x = jax.nn.relu((x @ w - mean) / jnp.sqrt(var + reference.NORM_EPSILON) * gamma + beta)
    z = jax.nn.log_softmax(x @ params[-2] + params[-1])
    return -jnp.take_along_axis(z, y[:, None], axis=1).mean()


def regularised(d):
    """The whole step compiled into one call that reuses the state's memory; the key of the draws is part of the state."""
    params, running = [], []
    for w in d.weights[:-1]:
        params += [w, np.ones(w.shape[1], np.float32), np.zeros(w.shape[1], np.float32)]
        running += [np.zeros(w.shape[1], np.float32), np.ones(w.shape[1], np.float32)]
    params += [d.weights[-1], np.zeros(d.weights[-1].shape[1], np.float32)]
    x, y = jax.device_put((d.x, d.y))
    key = jax.random.key(0)

    def step(state, x, y):
        adam, running, key = state
        key, draw = jax.random.split(key)
        grads, running = jax.grad(_regularised_loss, has_aux=True)(adam[0], running, draw, x, y, reference.DROP_PROB)
        return adam_update(adam, grads), running, key

    step = jax.jit(step, donate_argnums=0)
    state = jax.device_put((fresh(params), [jnp.array(a) for a in running], key))

    def run():
        nonlocal state
        state = step(state, x, y)

    def outputs():
        grads, moved = jax.jit(jax.grad(lambda p, r: _regularised_loss(p, r, key, x, y, 0), has_aux=True))(params, running)
        learns = reference.learns(lambda: float(_loss_in_use(state[0][0], state[1], x, y)), run)
        return [*grads, *moved, learns]

    return run, outputs, lambda: jax.block_until_ready(state)


def update(d):
    """The update compiled into one call that reuses the memory of the parameters and the state."""
    rule = jax.jit({"Adam": adam_update, "RMSprop": _rmsprop, "Momentum": _momentum}[d.rule], donate_argnums=0)
    params, m, v, t = fresh(d.params)
    grads = jax.device_put(d.grads)
    state = jax.device_put((params, m if d.rule != "RMSprop" else None, v if d.rule != "Momentum" else None, t))

    def run():
        nonlocal state
        state = rule(state, grads)

    def outputs():
        for _ in range(reference.CHECKED_STEPS):
            run()
        return [np.asarray(p) for p in state[0]]

    return run, outputs, lambda: jax.block_until_ready(state)


def predict(d):
    """From an ndarray to an ndarray."""
    f = jax.jit(_logits)
    params = jax.device_put(d.params)

    def run():
        return np.asarray(f(params, d.x))

    return run, lambda: [run()]


def digits(d):
    """A whole epoch compiled into one call (lax.scan over the batches); compiling is not timed. The last, short batch
    of an epoch is left out, because a scan wants equal sizes.
    """
    x, y = jax.device_put((d.x, d.y))
    batches = len(d.x) // reference.BATCH

    @jax.jit
    def epoch(state, key):
        order = jax.random.permutation(key, len(x))[: batches * reference.BATCH].reshape(batches, reference.BATCH)
        return jax.lax.scan(lambda s, rows: (_update(s, x[rows], y[rows]), None), state, order)[0]

    def fit():
        rng = np.random.default_rng(0)
        sizes = (d.x.shape[1], d.hidden, 10)
        params = []
        for i, o in pairwise(sizes):
            params += [(rng.standard_normal((i, o)) * np.sqrt(2 / i)).astype(np.float32), np.zeros(o, np.float32)]
        state = jax.device_put(fresh(params))
        for key in jax.random.split(jax.random.key(0), reference.EPOCHS):
            state = epoch(state, key)
        return jax.block_until_ready(state)

    def outputs():
        return [(np.asarray(_logits(fit()[0], d.x_test)).argmax(1) == d.y_test).mean()]

    return fit, outputs
