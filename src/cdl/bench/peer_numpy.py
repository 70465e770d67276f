"""NumPy, with the network written by hand as a careful user would: arrays reused where that is natural."""

import numpy as np

from . import reference
from .attention_numpy import attention as attention
from .attention_numpy import attention_grad as attention_grad
from .data_numpy import balanced_weights as balanced_weights
from .data_numpy import label_codes as label_codes
from .data_numpy import minmax_fit as minmax_fit
from .data_numpy import minmax_transform as minmax_transform
from .data_numpy import one_hot_rows as one_hot_rows
from .data_numpy import standard_fit as standard_fit
from .data_numpy import standard_transform as standard_transform
from .images_numpy import conv as conv
from .images_numpy import conv_grad as conv_grad
from .images_numpy import image_norm_grad as image_norm_grad
from .images_numpy import pool_grad as pool_grad
from .images_numpy import upsample_grad as upsample_grad
from .recurrent_numpy import cell_step as cell_step
from .recurrent_numpy import char_step as char_step
from .recurrent_numpy import recurrent as recurrent
from .recurrent_numpy import recurrent_grad as recurrent_grad
from .reference_augment import GREY, MEAN, STD, factors, places, triangles
from .rows import IDIOMS


def start(threads):
    """The thread count came by the environment."""


def version():
    """NumPy and its BLAS."""
    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    return f"{np.__version__}, {blas['name']} {blas['version']}"


def _sigmoid(x):
    return 1 / (1 + np.exp(-x))



FORWARD = {
    "exp": np.exp,
    "sigmoid": _sigmoid,
    "tanh": np.tanh,
    "relu": lambda x: np.maximum(x, 0),
}
BACKWARD = {
    "exp": lambda y, g: g * y,
    "sigmoid": lambda y, g: g * y * (1 - y),
    "tanh": lambda y, g: g * (1 - y * y),
    "relu": lambda y, g: g * (y > 0),
}


def dense(d):
    """np.matmul, then the bias and the ReLU in place. NumPy has no erf, and GELU by tanh would be another function."""
    if d.act == "gelu":
        return None
    if d.act is None:
        out = np.empty((len(d.x), d.w.shape[1]), np.float32)
        return lambda: np.matmul(d.x, d.w, out=out), lambda: [np.matmul(d.x, d.w)]

    def run():
        y = d.x @ d.w
        y += d.b
        return np.maximum(y, 0, out=y)

    return run, lambda: [run()]


def augment(d):
    """Image by image, as such code is usually written: flips and windows are slices, a rotation gathers its four pixels."""
    crop, size, colours = d.options["crop"], d.x.shape[1], factors(d).astype(np.float32)
    mean, std, grey = (a.astype(np.float32) for a in (MEAN, STD, GREY))

    def moved(i):
        image = d.x[i, :, ::-1] if d.draws[i, 1] < d.options["flip"] else d.x[i]
        top, left = (d.draws[i, 3:5] * (2 * crop + 1)).astype(int)
        return np.pad(image, ((crop, crop), (crop, crop), (0, 0)))[top : top + size, left : left + size].astype(np.float32)

    def turned(i, rows, columns):
        image = np.pad(d.x[i], ((size, size), (size, size), (0, 0))).astype(np.float32)
        top, left = np.floor(rows).astype(int), np.floor(columns).astype(int)
        f, g = (rows - top)[..., None].astype(np.float32), (columns - left)[..., None].astype(np.float32)
        top, left = top + size, left + size
        above = image[top, left] * (1 - g) + image[top, left + 1] * g
        return above * (1 - f) + (image[top + 1, left] * (1 - g) + image[top + 1, left + 1] * g) * f

    def coloured(y, brightness, contrast, saturation):
        y = np.clip(y * brightness, 0, 255)
        y = np.clip(contrast * y + (1 - contrast) * (y @ grey).mean(), 0, 255)
        return np.clip(saturation * y + (1 - saturation) * (y @ grey)[..., None], 0, 255)

    def run():
        if "rotation" in d.options:
            rows, columns = places(d)
            images = [coloured(turned(i, rows[i], columns[i]), *colours[i]) for i in range(len(d.x))]
        else:
            images = [moved(i) for i in range(len(d.x))]
        return (np.stack(images) / 255 - mean) / std

    return run, lambda: [run()]


def resize(d):
    """Two products with the matrices of weights, made for each call."""

    def run():
        rows, columns = (triangles(n, d.size).astype(np.float32) for n in d.x.shape[1:3])
        y = rows @ d.x.reshape(len(d.x), d.x.shape[1], -1)
        return columns @ y.reshape(len(d.x), d.size, *d.x.shape[2:])

    return run, lambda: [run()]


def unary(d):
    """The formula."""
    f = FORWARD.get(d.op)
    return f and (lambda: f(d.x), lambda: [f(d.x)])


def unary_grad(d):
    """The formula and its derivative from y."""
    if d.op not in FORWARD:
        return None
    f, b = FORWARD[d.op], BACKWARD[d.op]

    def run():
        y = f(d.x)
        return y, b(y, d.g)

    return run, run


def norm_grad(d):
    """The formulas, arrays reused."""

    def run():
        return reference.norm_and_gradients(d.x, d.w, d.b, d.g, d.axis)

    return run, run


def dropout_grad(d):
    """A mask from Generator.random, multiplied in place."""
    rng, scale = np.random.default_rng(0), np.float32(1 / (1 - d.p))

    def run():
        mask = rng.random(d.x.shape, np.float32) >= d.p
        y, dx = d.x * mask, d.g * mask
        y *= scale
        dx *= scale
        return y, dx

    return run, lambda: reference.kept(d, *run())


def softmax(d):
    """In place but for y and dx."""

    def run():
        y = d.x - d.x.max(axis=1, keepdims=True)
        np.exp(y, out=y)
        y /= y.sum(axis=1, keepdims=True)
        dx = d.g - np.einsum("ij,ij->i", d.g, y)[:, None]
        dx *= y
        return y, dx

    return run, lambda: list(run())


def cross_entropy(d):
    """The exponentials become the gradient in place."""
    rows = np.arange(len(d.x))

    def run():
        p = d.x - d.x.max(axis=1, keepdims=True)
        loss = -p[rows, d.y].mean()
        np.exp(p, out=p)
        total = p.sum(axis=1, keepdims=True)
        loss += np.log(total).mean()
        p /= total * np.float32(len(p))
        p[rows, d.y] -= np.float32(1 / len(p))
        return loss, p

    return run, lambda: list(run())


def _huber(e):
    inside = np.clip(e, -1, 1)
    return inside * (e - inside * np.float32(0.5)), inside


LOSSES = {
    "mse": lambda t, e, p: (e * e, 2 * e),
    "mae": lambda t, e, p: (np.abs(e), np.sign(e)),
    "huber": lambda t, e, p: _huber(e),
    "binary_cross_entropy": lambda t, e, p: (-(t * np.log(p) + (1 - t) * np.log(1 - p)), e / (p * (1 - p))),
}


def loss(d):
    """The formula and its derivative."""
    f = LOSSES[d.name]

    def run():
        each, slope = f(d.t, d.p - d.t, d.p)
        slope *= np.float32(1 / len(d.p))
        return each.mean(), slope

    return run, lambda: list(run())


def prelu(d):
    """np.where, three times."""

    def run():
        above = d.x > 0
        y, dx = np.where(above, d.x, d.slope * d.x), np.where(above, d.g, d.slope * d.g)
        return y, dx, np.where(above, 0, d.x * d.g).sum(axis=0)

    return run, lambda: list(run())


def _gradients(params, x, y):
    return reference.loss_and_gradients(params, x, y)


def backprop(d):
    """The hand-written network, forward and backward."""

    def outputs():
        loss, grads = _gradients(d.params, d.x, d.y)
        return [loss, *grads]

    return lambda: _gradients(d.params, d.x, d.y), outputs


def step(d):
    """Forward, backward and Adam in place."""
    params = [p.copy() for p in d.params]
    adam = reference.Adam(params)

    def run():
        adam.update(params, _gradients(params, d.x, d.y)[1])

    def outputs():
        for _ in range(reference.CHECKED_STEPS):
            run()
        return params

    return run, outputs


def average(d):
    """The blend of each array in place."""
    averages = [a.copy() for a in d.averages]

    def run():
        for a, p in zip(averages, d.params, strict=True):
            a += (1 - reference.AVERAGE_DECAY) * (p - a)

    def outputs():
        for _ in range(reference.CHECKED_STEPS):
            run()
        return averages

    return run, outputs


def max_norm(d):
    """The columns of each matrix scaled in place."""
    weights = [w.copy() for w in d.weights]

    def run():
        for w in weights:
            norm = np.sqrt(np.einsum("ij,ij->j", w, w))
            w *= reference.MOST_NORM / np.maximum(norm, reference.MOST_NORM)

    def outputs():
        run()
        return weights

    return run, outputs


def update(d):
    """The update of each array in place."""
    params = [p.copy() for p in d.params]
    optimizer = reference.RULES[d.rule](params)

    def run():
        optimizer.update(params, d.grads)

    def outputs():
        for _ in range(reference.CHECKED_STEPS):
            run()
        return params

    return run, outputs


def predict(d):
    """Two matrix products."""
    w1, b1, w2, b2 = d.params

    def run():
        return np.maximum(d.x @ w1 + b1, 0) @ w2 + b2

    return run, lambda: [run()]


def digits(d):
    """The training loop by hand."""

    def fit():
        rng = np.random.default_rng(0)
        params = [
            (rng.standard_normal((d.x.shape[1], d.hidden)) * np.sqrt(2 / d.x.shape[1])).astype(np.float32),
            np.zeros(d.hidden, np.float32),
            (rng.standard_normal((d.hidden, 10)) * np.sqrt(2 / d.hidden)).astype(np.float32),
            np.zeros(10, np.float32),
        ]
        adam = reference.Adam(params)
        for _ in range(reference.EPOCHS):
            order = rng.permutation(len(d.x))
            for i in range(0, len(order), reference.BATCH):
                rows = order[i : i + reference.BATCH]
                adam.update(params, _gradients(params, d.x[rows], d.y[rows])[1])
        return params

    def outputs():
        w1, b1, w2, b2 = fit()
        logits = np.maximum(d.x_test @ w1 + b1, 0) @ w2 + b2
        return [(logits.argmax(1) == d.y_test).mean()]

    return fit, outputs


def idiom(d):
    """The line itself."""
    f = IDIOMS[d.name]
    return lambda: f(np, d), lambda: [f(np, d)]
