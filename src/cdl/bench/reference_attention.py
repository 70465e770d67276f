"""Attention's inputs, and the answer of the formula in float64."""

from types import SimpleNamespace

import numpy as np

from .attention_numpy import attended, gradients


def _inputs(n, heads, t, size, causal):
    rng = np.random.default_rng(0)
    q, k, v, g = (rng.standard_normal((n, heads, t, size)).astype(np.float32) for _ in range(4))
    return SimpleNamespace(q=q, k=k, v=v, g=g, causal=causal)


def attention(*args):
    """Inputs (N, heads, T, d) and y in float64."""
    d = _inputs(*args)
    return d, [attended(*(a.astype(float) for a in (d.q, d.k, d.v)), d.causal)[0]]


def attention_grad(*args):
    """Inputs (N, heads, T, d), y and the three gradients in float64."""
    d = _inputs(*args)
    exact = SimpleNamespace(**{name: getattr(d, name).astype(float) for name in "qkvg"})
    y, w = attended(exact.q, exact.k, exact.v, d.causal)
    return d, [y, *gradients(exact, y, w)]
