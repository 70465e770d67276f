"""Recurrent layers in NumPy, of any precision: what NumPy's peer times in float32 and the answers are in float64."""

from types import SimpleNamespace

import numpy as np

from .reference_loss import loss_and_slope

GATES = {"rnn": 1, "lstm": 4, "gru": 3}
SYMBOLS = 96  # of the characters of a text


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def step(cell, z, h, c, w_hh, b_hh):
    """The state after one step, z being x w_ih + b_ih, and what the gradient needs; torch's gates and their order."""
    past = h @ w_hh + b_hh
    if cell == "rnn":
        h = np.tanh(z + past)
        return h, None, (h,)
    if cell == "lstm":
        i, f, g, o = np.split(z + past, 4, axis=-1)
        i, f, g, o = sigmoid(i), sigmoid(f), np.tanh(g), sigmoid(o)
        new = f * c + i * g
        t = np.tanh(new)
        return o * t, new, (i, f, g, o, c, t)
    (zr, zz, zn), (r, u, q) = np.split(z, 3, axis=-1), np.split(past, 3, axis=-1)
    r, u = sigmoid(zr + r), sigmoid(zz + u)
    n = np.tanh(zn + r * q)
    return n + u * (h - n), None, (r, u, n, q, h)


def step_gradient(cell, kept, dh, dc):
    """The gradients of z and of the product with h, of c, and the part of h's that passes by the product."""
    if cell == "rnn":
        dz = dh * (1 - kept[0] ** 2)
        return dz, dz, None, 0
    if cell == "lstm":
        i, f, g, o, c, t = kept
        dc = dc + dh * o * (1 - t * t)
        dz = np.concatenate([dc * g * i * (1 - i), dc * c * f * (1 - f), dc * i * (1 - g * g), dh * t * o * (1 - o)], -1)
        return dz, dz, dc * f, 0
    r, u, n, q, h = kept
    dn = dh * (1 - u) * (1 - n * n)
    gates = [dn * q * r * (1 - r), dh * (h - n) * u * (1 - u)]
    return np.concatenate([*gates, dn], -1), np.concatenate([*gates, dn * r], -1), None, dh * u


def forward(cell, x, w_ih, w_hh, b_ih, b_hh):
    """y (N, T, H) and what the gradient needs."""
    n, t, _ = x.shape
    z = (x.reshape(n * t, -1) @ w_ih + b_ih).reshape(n, t, -1)
    h = c = np.zeros((n, len(w_hh)), x.dtype)
    y, kept = np.empty((n, t, len(w_hh)), x.dtype), []
    for i in range(t):
        before = h
        h, c, saved = step(cell, z[:, i], h, c, w_hh, b_hh)
        y[:, i] = h
        kept.append((before, saved))
    return y, kept


def gradients(cell, kept, g, x, w_ih, w_hh):
    """The gradients of x, w_ih, w_hh, b_ih and b_hh."""
    n, t, features = x.shape
    dh, dc = np.zeros_like(g[:, 0]), 0
    outer, inner = (np.empty((t, n, w_hh.shape[1]), x.dtype) for _ in range(2))
    for i in reversed(range(t)):
        outer[i], inner[i], dc, passed = step_gradient(cell, kept[i][1], dh + g[:, i], dc)
        dh = inner[i] @ w_hh.T + passed
    flat, wide = x.transpose(1, 0, 2).reshape(n * t, features), w_hh.shape[1]
    outer, inner = outer.reshape(n * t, wide), inner.reshape(n * t, wide)
    states = np.concatenate([before for before, _ in kept])
    dx = (outer @ w_ih.T).reshape(t, n, features).transpose(1, 0, 2)
    return dx, flat.T @ outer, states.T @ inner, outer.sum(0), inner.sum(0)


def weights(rng, cell, features, units):
    """w_ih, w_hh, b_ih, b_hh; uniform up to 1 / sqrt(units), as torch has them."""
    wide, bound = GATES[cell] * units, units**-0.5
    shapes = (features, wide), (units, wide), (wide,), (wide,)
    return [rng.uniform(-bound, bound, shape).astype(np.float32) for shape in shapes]


def _data(cell, t, n, units):
    rng = np.random.default_rng(0)
    x, g = (rng.standard_normal((n, t, units)).astype(np.float32) for _ in range(2))
    return SimpleNamespace(cell=cell, x=x, g=g, weights=weights(rng, cell, units, units))


def recurrent(*args):
    """A layer over sequences."""
    d = _data(*args)
    return d, [forward(d.cell, *(a.astype(float) for a in (d.x, *d.weights)))[0]]


def recurrent_grad(*args):
    """The same, and the gradients of the input and the weights."""
    d = _data(*args)
    x, w_ih, w_hh, b_ih, b_hh = (a.astype(float) for a in (d.x, *d.weights))
    y, kept = forward(d.cell, x, w_ih, w_hh, b_ih, b_hh)
    return d, [y, *gradients(d.cell, kept, d.g.astype(float), x, w_ih, w_hh)]


def cell_step(units):
    """h and c after one step of an LSTM cell, of one sequence."""
    rng = np.random.default_rng(0)
    x, h, c = (rng.standard_normal((1, units)).astype(np.float32) for _ in range(3))
    d = SimpleNamespace(x=x, h=h, c=c, weights=weights(rng, "lstm", units, units))
    w_ih, w_hh, b_ih, b_hh = (w.astype(float) for w in d.weights)
    return d, list(step("lstm", x @ w_ih + b_ih, h.astype(float), c.astype(float), w_hh, b_hh)[:2])


def char_step(layers, units, t, n):
    """The loss of a stacked LSTM that foretells the next of so many symbols, and some gradients, before any step."""
    rng = np.random.default_rng(0)
    ids = rng.integers(0, SYMBOLS, (n, t + 1))
    x = np.eye(SYMBOLS, dtype=np.float32)[ids[:, :-1]]
    sizes = [SYMBOLS] + [units] * (layers - 1)
    stack = [weights(rng, "lstm", size, units) for size in sizes]
    out = (rng.standard_normal((units, SYMBOLS)) * units**-0.5).astype(np.float32)
    d = SimpleNamespace(x=x, y=ids[:, 1:].reshape(-1), stack=stack, out=out, bias=np.zeros(SYMBOLS, np.float32))
    return d, char_gradients(x.astype(float), d.y, [[a.astype(float) for a in w] for w in stack], out.astype(float))


def char_gradients(x, y, stack, out):
    """Loss, gradient of the last layer and of the first layer's w_hh."""
    passed = [x]
    kept = []
    for w in stack:
        h, saved = forward("lstm", passed[-1], *w)
        passed.append(h)
        kept.append(saved)
    flat = passed[-1].reshape(-1, passed[-1].shape[-1])
    loss, dz = loss_and_slope(flat @ out, y)
    g = (dz @ out.T).reshape(passed[-1].shape)
    for w, saved, below in zip(reversed(stack), reversed(kept), reversed(passed[:-1]), strict=True):
        g, _, dw_hh, _, _ = gradients("lstm", saved, g, below, w[0], w[1])
    return [loss, flat.T @ dz, dw_hh]
