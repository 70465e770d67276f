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


def _strided(x, d):
    """The pixels that each tap of the windows sees, as views of x with its border."""
    p, q, step = d.g.shape[1], d.g.shape[2], d.stride
    return [
        x[:, r : r + (p - 1) * step + 1 : step, s : s + (q - 1) * step + 1 : step]
        for r in range(d.size)
        for s in range(d.size)
    ]


def pool_grad(op, n, size, channels, window, stride, padding):
    """The largest pixel or the mean of windows, and dx: g to the first of the largest, or a share of it to every pixel."""
    rng = np.random.default_rng(0)
    out = (size + 2 * padding - window) // stride + 1
    data = SimpleNamespace(
        op=op,
        x=rng.standard_normal((n, size, size, channels)).astype(np.float32),
        g=rng.standard_normal((n, out, out, channels)).astype(np.float32),
        size=window,
        stride=stride,
        padding=padding,
    )
    edge = ((0, 0), (padding, padding), (padding, padding), (0, 0))
    x = np.pad(data.x.astype(float), edge, constant_values=-np.inf if op == "max" else 0)
    y, dx = pooled(data, x, data.g.astype(float))
    return data, [y, dx[:, padding : padding + size, padding : padding + size]]


def pooled(d, x, g):
    """y and dx for x with its border, as a careful NumPy user writes them."""
    dx = np.zeros_like(x)
    taps, to = _strided(x, d), _strided(dx, d)
    if d.op == "avg":
        share = g / d.size**2
        for part in to:
            part += share
        return sum(taps) / d.size**2, dx
    y, which = taps[0].copy(), np.zeros(g.shape, np.uint8)
    for i, tap in enumerate(taps[1:], 1):
        which[tap > y] = i
        np.maximum(y, tap, out=y)
    for i, part in enumerate(to):
        part += g * (which == i)
    return y, dx


def image_norm_grad(end, n, size, channels):
    """Batch normalisation of images with a ReLU; `end` is "relu", or "residual" for something added before it. y, and the
    gradients of x, weight and bias, and of what was added.
    """
    rng = np.random.default_rng(0)
    x, g, past = rng.standard_normal((3, n, size, size, channels)).astype(np.float32)
    w, b = rng.uniform(0.5, 1.5, (2, channels)).astype(np.float32)
    data = SimpleNamespace(x=x, g=g, w=w, b=b, past=past if end == "residual" else None, eps=1e-5)
    exact = SimpleNamespace(**{k: v.astype(float) if isinstance(v, np.ndarray) else v for k, v in vars(data).items()})
    # Where the ReLU's input is so near 0 that rounding decides on which side it lies, the gradient that comes in is 0.
    exact.g[abs(_before_relu(exact)) < 1e-4] = 0
    data.g = exact.g.astype(np.float32)
    return data, norm_relu_and_gradients(exact)


def _before_relu(d):
    x = d.x - d.x.mean(axis=(0, 1, 2))
    y = x * (d.w / np.sqrt((x * x).mean(axis=(0, 1, 2)) + d.eps)) + d.b
    return y if d.past is None else y + d.past


def norm_relu_and_gradients(d):
    """The formulas of image_norm_grad, as a careful NumPy user writes them."""
    axes = (0, 1, 2)
    h = d.x - d.x.mean(axis=axes)
    rstd = 1 / np.sqrt(np.mean(h * h, axis=axes) + d.x.dtype.type(d.eps))
    h *= rstd
    y = h * d.w
    y += d.b
    if d.past is not None:
        y += d.past
    np.maximum(y, 0, out=y)
    passed = d.g * (y > 0)
    dw, db = (passed * h).sum(axis=axes), passed.sum(axis=axes)
    n = d.x.size // len(d.w)
    dx = (passed - db / n - h * (dw / n)) * (d.w * rstd)
    return [y, dx, dw, db] + ([] if d.past is None else [passed])


def upsample_grad(n, size, channels):
    """Twice as many rows and columns, bilinear between pixels that are squares, and dx."""
    rng = np.random.default_rng(0)
    at = np.clip((np.arange(2 * size) + 0.5) / 2 - 0.5, 0, size - 1)
    low = at.astype(int)
    m = np.zeros((2 * size, size))
    np.add.at(m, (np.arange(2 * size), low), 1 - (at - low))
    np.add.at(m, (np.arange(2 * size), np.minimum(low + 1, size - 1)), at - low)
    data = SimpleNamespace(
        x=rng.standard_normal((n, size, size, channels)).astype(np.float32),
        g=rng.standard_normal((n, 2 * size, 2 * size, channels)).astype(np.float32),
        m=m.astype(np.float32),
    )
    return data, [between(m, data.x.astype(float)), between(m.T, data.g.astype(float))]


def between(m, x):
    """The product with m along rows and along columns."""
    return np.matmul(m, np.tensordot(m, x, axes=(1, 1)).swapaxes(0, 1))
