"""Inputs of work on images, channels last, and the answer in NumPy float64 written from the formula."""

from types import SimpleNamespace

import numpy as np


def _padded(x, size):
    return np.pad(x, ((0, 0), (size, size), (size, size), (0, 0)))


def _taps(d, padded):
    """(r, s, the pixels of the padded images that this tap of the kernel sees) for each tap."""
    p, q, step = d.g.shape[1], d.g.shape[2], d.stride
    for r in range(d.w.shape[0]):
        for s in range(d.w.shape[1]):
            yield r, s, padded[:, r : r + (p - 1) * step + 1 : step, s : s + (q - 1) * step + 1 : step]


def _convolution(n, size, channels, filters, kernel, stride, padding):
    rng = np.random.default_rng(0)
    out = (size + 2 * padding - kernel) // stride + 1
    return SimpleNamespace(
        x=rng.standard_normal((n, size, size, channels)).astype(np.float32),
        w=(rng.standard_normal((kernel, kernel, channels, filters)) / kernel / channels**0.5).astype(np.float32),
        g=rng.standard_normal((n, out, out, filters)).astype(np.float32),
        stride=stride,
        padding=padding,
    )


def _forward(d):
    y = np.zeros(d.g.shape)
    for r, s, pixels in _taps(d, _padded(d.x.astype(float), d.padding)):
        y += pixels @ d.w[r, s].astype(float)
    return y


def conv(*sizes):
    """x (N, H, H, C), w (R, R, C, K), stride and padding: x * w."""
    data = _convolution(*sizes)
    return data, [_forward(data)]


def conv_grad(*sizes):
    """The same with the gradients dx and dw for g; of images of 1 or 3 channels, which are a network's input, dw alone."""
    data = _convolution(*sizes)
    data.wants_dx = data.x.shape[-1] > 3
    x, g = _padded(data.x.astype(float), data.padding), data.g.astype(float)
    dx, dw = np.zeros(x.shape), np.zeros(data.w.shape)
    for (r, s, pixels), (_, _, to) in zip(_taps(data, x), _taps(data, dx), strict=True):
        dw[r, s] = np.tensordot(pixels, g, axes=((0, 1, 2), (0, 1, 2)))
        to += g @ data.w[r, s].astype(float).T
    inside = slice(data.padding, data.padding + data.x.shape[1])
    return data, [_forward(data), dw] + ([dx[:, inside, inside]] if data.wants_dx else [])
