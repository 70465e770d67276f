"""Attention in torch: scaled_dot_product_attention, which takes its flash kernel."""

import torch
import torch.nn.functional as F


def attention(d, compiled=lambda f: f):
    """The function, in inference mode; `compiled` is what becomes of it."""
    q, k, v = (torch.from_numpy(a) for a in (d.q, d.k, d.v))
    f = compiled(lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=d.causal))

    def run():
        with torch.inference_mode():
            return f(q, k, v)

    return run, lambda: [run().numpy()]


def attention_grad(d, compiled=lambda f: f):
    """The function and .backward(g)."""
    q, k, v = (torch.from_numpy(a).requires_grad_() for a in (d.q, d.k, d.v))
    g = torch.from_numpy(d.g)
    f = compiled(lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=d.causal))

    def run():
        q.grad = k.grad = v.grad = None
        y = f(q, k, v)
        y.backward(g)
        return y

    return run, lambda: [run().detach().numpy(), *(t.grad.numpy() for t in (q, k, v))]
