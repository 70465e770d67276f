"""Attention in cdl."""

import numpy as np

import cdl


def attention(d):
    """The function, no gradient wanted."""
    q, k, v = (cdl.Tensor(a) for a in (d.q, d.k, d.v))

    def run():
        return cdl.attention(q, k, v, causal=d.causal)

    return run, lambda: [run().data]


def attention_grad(d):
    """The function and .backward(g)."""
    q, k, v = (cdl.Tensor(a, requires_grad=True) for a in (d.q, d.k, d.v))
    g = cdl.Tensor(d.g)

    def run():
        q.grad = k.grad = v.grad = None
        y = cdl.attention(q, k, v, causal=d.causal)
        y.backward(g)
        return y

    return run, lambda: [run().data, *(np.asarray(t.grad) for t in (q, k, v))]
