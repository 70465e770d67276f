"""Attention in NumPy, as the notes write it, and in float64 with its gradients from the formula."""

from types import SimpleNamespace

import numpy as np


def attended(q, k, v, causal):
    """y, and the weights."""
    w = np.matmul(q, k.swapaxes(-2, -1))
    w *= q.dtype.type(q.shape[-1] ** -0.5)
    if causal:
        w[..., ~np.tri(*w.shape[-2:], dtype=bool)] = -np.inf
    w -= w.max(-1, keepdims=True)
    np.exp(w, out=w)
    w /= w.sum(-1, keepdims=True)
    return np.matmul(w, v), w


def gradients(d, y, w):
    """dq, dk, dv."""
    dw = np.matmul(d.g, d.v.swapaxes(-2, -1))
    dw -= np.einsum("...i,...i->...", d.g, y)[..., None]
    dw *= w
    dw *= d.q.dtype.type(d.q.shape[-1] ** -0.5)
    return np.matmul(dw, d.k), np.matmul(dw.swapaxes(-2, -1), d.q), np.matmul(w.swapaxes(-2, -1), d.g)


def attention(d):
    """y alone."""
    return lambda: attended(d.q, d.k, d.v, d.causal), lambda: [attended(d.q, d.k, d.v, d.causal)[0]]


def attention_grad(d):
    """y, then the gradients."""

    def run():
        y, w = attended(d.q, d.k, d.v, d.causal)
        return y, *gradients(d, y, w)

    return run, run


def _inputs(n, heads, t, size, causal):
    rng = np.random.default_rng(0)
    q, k, v, g = (rng.standard_normal((n, heads, t, size)).astype(np.float32) for _ in range(4))
    return SimpleNamespace(q=q, k=k, v=v, g=g, causal=causal)


def attention_reference(*args):
    """Inputs (N, heads, T, d) and y in float64."""
    d = _inputs(*args)
    return d, [attended(*(a.astype(float) for a in (d.q, d.k, d.v)), d.causal)[0]]


def attention_grad_reference(*args):
    """Inputs (N, heads, T, d), y and the three gradients in float64."""
    d = _inputs(*args)
    exact = SimpleNamespace(**{name: getattr(d, name).astype(float) for name in "qkvg"})
    y, w = attended(exact.q, exact.k, exact.v, d.causal)
    return d, [y, *gradients(exact, y, w)]
