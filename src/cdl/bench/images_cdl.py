"""Work on images for cdl."""

import numpy as np

import cdl
from cdl.ops import conv2d


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
