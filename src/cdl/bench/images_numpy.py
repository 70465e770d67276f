"""Work on images for NumPy: the windows of all pixels as one matrix, a view where NumPy can make one."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from . import reference_images


def _windows(d, x):
    """(N, P, Q, R, S, C), a view."""
    r, s = d.w.shape[:2]
    return sliding_window_view(x, (r, s), axis=(1, 2))[:, :: d.stride, :: d.stride].transpose(0, 1, 2, 4, 5, 3)


def _padded(d):
    edge = (d.padding, d.padding)
    return np.pad(d.x, ((0, 0), edge, edge, (0, 0))) if d.padding else d.x


def _forward(d):
    windows = _windows(d, _padded(d)).reshape(-1, d.w[..., 0].size)
    return windows, (windows @ d.w.reshape(-1, d.w.shape[-1])).reshape(d.g.shape)


def conv(d):
    """The matrix of windows, and one product."""
    return lambda: _forward(d), lambda: [_forward(d)[1]]


def conv_grad(d):
    """dw is a product with the same matrix; dx adds the kernel's taps one by one."""

    def run():
        windows, y = _forward(d)
        dw = (windows.T @ d.g.reshape(-1, d.g.shape[-1])).reshape(d.w.shape)
        if not d.wants_dx:
            return [y, dw]
        dx, (_, p, q, _) = np.zeros_like(_padded(d)), d.g.shape
        for r in range(d.w.shape[0]):
            for s in range(d.w.shape[1]):
                dx[:, r : r + (p - 1) * d.stride + 1 : d.stride, s : s + (q - 1) * d.stride + 1 : d.stride] += d.g @ d.w[r, s].T
        inside = slice(d.padding, d.padding + d.x.shape[1])
        return [y, dw, dx[:, inside, inside]]

    return run, run


def pool_grad(d):
    """Tap by tap on views of the images with their border."""
    edge = (d.padding, d.padding)
    inside = slice(d.padding, d.padding + d.x.shape[1])

    def run():
        x = d.x
        if d.padding:
            x = np.pad(x, ((0, 0), edge, edge, (0, 0)), constant_values=-np.inf if d.op == "max" else 0)
        y, dx = reference_images.pooled(d, x, d.g)
        return [y, dx[:, inside, inside]]

    return run, run


def image_norm_grad(d):
    """The formulas of the reference."""

    def run():
        return reference_images.norm_relu_and_gradients(d)

    return run, run


def upsample_grad(d):
    """Two products with the matrix of weights, and two with its transpose."""

    def run():
        return [reference_images.between(d.m, d.x), reference_images.between(d.m.T, d.g)]

    return run, run
