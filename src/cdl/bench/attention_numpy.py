"""Attention in NumPy, as the notes write it, and its gradients from the formula."""

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
