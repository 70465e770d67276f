"""Work on images for cdl."""

import numpy as np

import cdl
from cdl.ops import avg_pool2d, conv2d, max_pool2d, upsample2d


def conv(d):
    """The function, no gradient wanted."""
    x, w = cdl.Tensor(d.x), cdl.Tensor(d.w)
    return lambda: conv2d(x, w, None, d.stride, d.padding), lambda: [conv2d(x, w, None, d.stride, d.padding).data]


def conv_grad(d):
    """The function and .backward(g)."""
    x, w = cdl.Tensor(d.x, requires_grad=d.wants_dx), cdl.Tensor(d.w, requires_grad=True)
    g = cdl.Tensor(d.g)

    def run():
        x.grad = w.grad = None
        y = conv2d(x, w, None, d.stride, d.padding)
        y.backward(g)
        return y

    return run, lambda: [run().data, *(np.asarray(t.grad) for t in ((w, x) if d.wants_dx else (w,)))]


def pool_grad(d):
    """The function and .backward(g)."""
    x, g = cdl.Tensor(d.x, requires_grad=True), cdl.Tensor(d.g)
    f = max_pool2d if d.op == "max" else avg_pool2d

    def run():
        x.grad = None
        y = f(x, d.size, d.stride, d.padding)
        y.backward(g)
        return y

    return run, lambda: [run().data, np.asarray(x.grad)]


def image_norm_grad(d):
    """The function with its activation and what is added, and .backward(g)."""
    x, w, b = (cdl.Tensor(a, requires_grad=True) for a in (d.x, d.w, d.b))
    past = None if d.past is None else cdl.Tensor(d.past, requires_grad=True)
    g, inputs = cdl.Tensor(d.g), [x, w, b] if past is None else [x, w, b, past]

    def run():
        for t in inputs:
            t.grad = None
        y = cdl.batch_norm(x, w, b, eps=d.eps, activation="relu", added=past)
        y.backward(g)
        return y

    return run, lambda: [run().data, *(np.asarray(t.grad) for t in inputs)]


def upsample_grad(d):
    """The function and .backward(g)."""
    x, g = cdl.Tensor(d.x, requires_grad=True), cdl.Tensor(d.g)

    def run():
        x.grad = None
        y = upsample2d(x, 2, interpolation="bilinear")
        y.backward(g)
        return y

    return run, lambda: [run().data, np.asarray(x.grad)]
