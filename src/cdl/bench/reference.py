"""Inputs of every kind of work, and the answer in NumPy float64 written from the formula."""

import gzip
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from .reference_attention import attention as attention
from .reference_attention import attention_grad as attention_grad
from .reference_augment import augment as augment
from .reference_augment import resize as resize
from .reference_data import balanced_weights as balanced_weights
from .reference_data import label_codes as label_codes
from .reference_data import minmax_fit as minmax_fit
from .reference_data import minmax_transform as minmax_transform
from .reference_data import one_hot_rows as one_hot_rows
from .reference_data import standard_fit as standard_fit
from .reference_data import standard_transform as standard_transform
from .reference_data import stratified as stratified
from .reference_data import table as table
from .reference_images import conv as conv
from .reference_images import conv_grad as conv_grad
from .reference_images import image_norm_grad as image_norm_grad
from .reference_images import pool_grad as pool_grad
from .reference_images import upsample_grad as upsample_grad
from .reference_loss import loss_and_slope
from .reference_metrics import metric as metric
from .reference_networks import network_epoch as network_epoch
from .reference_networks import network_predict as network_predict
from .reference_networks import network_step as network_step
from .reference_recurrent import cell_step as cell_step
from .reference_recurrent import char_step as char_step
from .reference_recurrent import recurrent as recurrent
from .reference_recurrent import recurrent_grad as recurrent_grad
from .reference_text import byte_pairs as byte_pairs
from .reference_text import wordpiece as wordpiece
from .reference_transformer import transformer_predict as transformer_predict
from .reference_transformer import transformer_predict_bfloat16 as transformer_predict_bfloat16
from .reference_transformer import transformer_step as transformer_step
from .reference_transformer import transformer_token as transformer_token
from .reference_words import word2vec as word2vec
from .reference_words import word_counts as word_counts
from .rows import IDIOMS, OPTIMIZED

LEARNING_RATE, BETA1, BETA2, EPSILON = 1e-3, 0.9, 0.999, 1e-8
NORM_EPSILON = 1e-5
RHO, MOMENTUM = 0.9, 0.9
EPOCHS, BATCH = 30, 32
FIT_EPOCHS = 5
DROP_PROB = 0.5
AVERAGE_DECAY = 0.99  # of a moving average of weights
MOST_NORM = 3.0  # of the weights of a unit
CHECKED_STEPS = 10  # steps of a training row whose parameters are compared


def _uniform(rng, *shape):
    return rng.uniform(-1, 1, shape).astype(np.float32)


def _erf(x):
    """Abramowitz and Stegun would give 1e-7; the standard library's erf is exact to the last digit."""
    from math import erf

    return np.vectorize(erf, otypes=[float])(x)


FORWARD = {
    None: lambda x: x,
    "exp": np.exp,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "tanh": np.tanh,
    "gelu": lambda x: x * 0.5 * (1 + _erf(x / np.sqrt(2))),
    "relu": lambda x: np.maximum(x, 0),
}
DERIVATIVE = {
    "exp": np.exp,
    "sigmoid": lambda x: FORWARD["sigmoid"](x) * (1 - FORWARD["sigmoid"](x)),
    "tanh": lambda x: 1 - np.tanh(x) ** 2,
    "gelu": lambda x: 0.5 * (1 + _erf(x / np.sqrt(2))) + x * np.exp(-x * x / 2) / np.sqrt(2 * np.pi),
    "relu": lambda x: (x > 0) * 1.0,
}


def dense(m, k, n, act):
    """x (M, K), w (K, N) and, where there is an activation, b (N): act(x w + b)."""
    rng = np.random.default_rng(0)
    data = SimpleNamespace(x=_uniform(rng, m, k), w=_uniform(rng, k, n), b=_uniform(rng, n) if act else None, act=act)
    z = data.x.astype(float) @ data.w.astype(float)
    return data, [FORWARD[act](z + data.b if act else z)]


def _samples(rng, batch, inputs, outputs):
    """Half of the rows are the other half again under other labels: the loss has a floor, and no gradient of an endless
    training fades into subnormals, where every processor is slow.
    """
    half = rng.standard_normal(((batch + 1) // 2, inputs)).astype(np.float32)
    return np.concatenate([half, half])[:batch], rng.integers(0, outputs, batch)


def _network(batch, inputs, hidden, outputs):
    rng = np.random.default_rng(0)
    x, y = _samples(rng, batch, inputs, outputs)
    return SimpleNamespace(
        x=x,
        y=y,
        params=[
            (rng.standard_normal((inputs, hidden)) * np.sqrt(2 / inputs)).astype(np.float32),
            np.zeros(hidden, np.float32),
            (rng.standard_normal((hidden, outputs)) * np.sqrt(2 / hidden)).astype(np.float32),
            np.zeros(outputs, np.float32),
        ],
    )


def loss_and_gradients(params, x, y):
    """Mean cross-entropy of a ReLU network with one hidden layer, and its gradient by each parameter."""
    w1, b1, w2, b2 = params
    h = np.maximum(x @ w1 + b1, 0)
    loss, p = loss_and_slope(h @ w2 + b2, y)
    dh = p @ w2.T
    dh *= h > 0
    return loss, [x.T @ dh, dh.sum(axis=0), h.T @ p, p.sum(axis=0)]


class Adam:
    """Adam on plain arrays, each array updated where it stands (Kingma and Ba 2014, algorithm 1)."""

    def __init__(self, params):
        self.m = [np.zeros_like(p) for p in params]
        self.v = [np.zeros_like(p) for p in params]
        self.t = 0

    def update(self, params, grads):
        """One step."""
        self.t += 1
        rate = LEARNING_RATE * (1 - BETA2**self.t) ** 0.5 / (1 - BETA1**self.t)
        epsilon = EPSILON * (1 - BETA2**self.t) ** 0.5
        for p, g, m, v in zip(params, grads, self.m, self.v, strict=True):
            m *= BETA1
            m += (1 - BETA1) * g
            v *= BETA2
            v += (1 - BETA2) * (g * g)
            p -= rate * m / (np.sqrt(v) + epsilon)


class RMSprop:
    """RMSprop on plain arrays, each array updated where it stands (Hinton 2012, eps outside the root)."""

    def __init__(self, params):
        self.v = [np.zeros_like(p) for p in params]

    def update(self, params, grads):
        """One step."""
        for p, g, v in zip(params, grads, self.v, strict=True):
            v *= RHO
            v += (1 - RHO) * (g * g)
            p -= LEARNING_RATE * g / (np.sqrt(v) + EPSILON)


class Momentum:
    """Gradient descent with momentum on plain arrays, each array updated where it stands."""

    def __init__(self, params):
        self.m = [np.zeros_like(p) for p in params]

    def update(self, params, grads):
        """One step."""
        for p, g, m in zip(params, grads, self.m, strict=True):
            m *= MOMENTUM
            m += g
            p -= LEARNING_RATE * m


RULES = {"Adam": Adam, "RMSprop": RMSprop, "Momentum": Momentum}


def update(rule, count):
    """The parameters after CHECKED_STEPS updates by the same gradients."""
    rng = np.random.default_rng(0)
    params, grads = ([rng.standard_normal(shape, np.float32) for shape in OPTIMIZED[count]] for _ in range(2))
    exact, slopes = [p.astype(float) for p in params], [g.astype(float) for g in grads]
    optimizer = RULES[rule](exact)
    for _ in range(CHECKED_STEPS):
        optimizer.update(exact, slopes)
    return SimpleNamespace(rule=rule, params=params, grads=grads), exact


def average(count):
    """Averages after CHECKED_STEPS of a moving average of the same weights."""
    rng = np.random.default_rng(0)
    averages, params = ([rng.standard_normal(shape, np.float32) for shape in OPTIMIZED[count]] for _ in range(2))
    left = AVERAGE_DECAY**CHECKED_STEPS
    exact = [left * a.astype(float) + (1 - left) * p for a, p in zip(averages, params, strict=True)]
    return SimpleNamespace(averages=averages, params=params), exact


def max_norm(count):
    """Matrices whose columns have norms of at most MOST_NORM, which about half of them exceed at first."""
    rng = np.random.default_rng(0)
    weights = [rng.standard_normal(shape, np.float32) * np.float32(MOST_NORM / shape[0] ** 0.5)
               for shape in OPTIMIZED[count] if len(shape) > 1]
    norms = [np.sqrt((w.astype(float) ** 2).sum(0)) for w in weights]
    return SimpleNamespace(weights=weights), [w * np.minimum(1, MOST_NORM / n) for w, n in zip(weights, norms, strict=True)]


def backprop(*args):
    """The loss and the gradients of one batch."""
    data = _network(*args)
    loss, grads = loss_and_gradients([p.astype(float) for p in data.params], data.x.astype(float), data.y)
    return data, [loss, *grads]


def step(*args):
    """The parameters after CHECKED_STEPS training steps with Adam."""
    data = _network(*args)
    params, adam = [p.astype(float) for p in data.params], Adam([p.astype(float) for p in data.params])
    for _ in range(CHECKED_STEPS):
        adam.update(params, loss_and_gradients(params, data.x.astype(float), data.y)[1])
    return data, params


def regularised(batch, inputs, hidden, outputs):
    """Linear, normalisation, ReLU and dropout, twice, and a linear layer with a bias: its gradients without dropout, the
    running statistics after that step, and whether the steps that drop learn.
    """
    rng = np.random.default_rng(0)
    sizes = (inputs, hidden, hidden, outputs)
    x, y = _samples(rng, batch, inputs, outputs)
    weights = [(rng.standard_normal((i, o)) * np.sqrt(2 / i)).astype(np.float32) for i, o in pairwise(sizes)]
    grads, statistics = regularised_gradients([w.astype(float) for w in weights], x.astype(float), y)
    return SimpleNamespace(x=x, y=y, weights=weights), [*grads, *statistics, np.array(True)]


def regularised_gradients(weights, x, y):
    """Gradients in the order of the layers (weight, gamma, beta; weight, bias), running means and variances likewise."""
    *hidden, last = weights
    kept, statistics, grads = [], [], []
    for w in hidden:
        z = x @ w
        one, zero = np.ones(w.shape[1]), np.zeros(w.shape[1])
        h = norm_and_gradients(z, one, zero, z, 0)[0]
        statistics += [0.1 * z.mean(axis=0), 0.9 + 0.1 * z.var(axis=0, ddof=1)]
        kept.append((x, w, z, h, one, zero))
        x = np.maximum(h, 0)
    dz = loss_and_slope(x @ last, y)[1]
    grads, dx = [x.T @ dz, dz.sum(axis=0)], dz @ last.T
    for x, w, z, h, one, zero in reversed(kept):
        _, dz, dgamma, dbeta = norm_and_gradients(z, one, zero, dx * (h > 0), 0)
        grads[:0] = [x.T @ dz, dgamma, dbeta]
        dx = dz @ w.T
    return grads, statistics


def learns(loss, steps):
    """Whether loss() falls by a tenth at least over steps()."""
    before = loss()
    for _ in range(CHECKED_STEPS):
        steps()
    return np.array(loss() < 0.9 * before)


def predict(*args):
    """The logits."""
    data = _network(*args)
    w1, b1, w2, b2 = (p.astype(float) for p in data.params)
    return data, [np.maximum(data.x @ w1 + b1, 0) @ w2 + b2]


def unary(op, n):
    """y = op(x)."""
    x = np.random.default_rng(0).uniform(-4, 4, n).astype(np.float32)
    return SimpleNamespace(op=op, x=x), [FORWARD[op](x.astype(float))]


def unary_grad(op, n):
    """y = op(x) and dx = g op'(x)."""
    data, (y,) = unary(op, n)
    data.g = np.random.default_rng(1).uniform(-1, 1, n).astype(np.float32)
    return data, [y, data.g * DERIVATIVE[op](data.x.astype(float))]


def softmax(rows, n):
    """y = softmax(x) along each row, and dx = y (g - sum of g y)."""
    rng = np.random.default_rng(0)
    x = rng.uniform(-4, 4, (rows, n)).astype(np.float32)
    g = rng.uniform(-1, 1, (rows, n)).astype(np.float32)
    y = np.exp(x.astype(float))
    y /= y.sum(axis=1, keepdims=True)
    return SimpleNamespace(x=x, g=g), [y, y * (g - (g * y).sum(axis=1, keepdims=True))]


def cross_entropy(rows, n):
    """The mean cross-entropy of logits x with class labels, and its gradient."""
    rng = np.random.default_rng(0)
    data = SimpleNamespace(x=rng.uniform(-4, 4, (rows, n)).astype(np.float32), y=rng.integers(0, n, rows))
    p = np.exp(data.x.astype(float))
    p /= p.sum(axis=1, keepdims=True)
    loss = -np.log(p[np.arange(rows), data.y]).mean()
    p[np.arange(rows), data.y] -= 1
    return data, [loss, p / rows]


def _huber(e):
    return np.where(abs(e) <= 1, e * e / 2, abs(e) - 0.5), np.clip(e, -1, 1)


# The losses of targets t and predictions p, and their derivative by p.
LOSSES = {
    "mse": lambda t, p: ((p - t) ** 2, 2 * (p - t)),
    "mae": lambda t, p: (abs(p - t), np.sign(p - t)),
    "huber": lambda t, p: _huber(p - t),
    "binary_cross_entropy": lambda t, p: (-(t * np.log(p) + (1 - t) * np.log(1 - p)), (p - t) / (p * (1 - p))),
}


def loss(name, n):
    """The mean loss, and its gradient by the predictions."""
    rng = np.random.default_rng(0)
    share = name == "binary_cross_entropy"
    p = (rng.uniform(0.05, 0.95, n) if share else rng.standard_normal(n)).astype(np.float32)
    t = ((rng.random(n) > 0.5) if share else rng.standard_normal(n)).astype(np.float32)
    each, slope = LOSSES[name](t.astype(float), p.astype(float))
    return SimpleNamespace(name=name, t=t, p=p), [each.mean(), slope / n]


def prelu(rows, n):
    """y, and the gradients of x and of one slope a column."""
    rng = np.random.default_rng(0)
    x, g = rng.standard_normal((2, rows, n)).astype(np.float32)
    slope = rng.uniform(0, 0.5, n).astype(np.float32)
    y, dx = (np.where(x > 0, a, slope.astype(float) * a) for a in (x, g))
    return SimpleNamespace(x=x, g=g, slope=slope), [y, dx, np.where(x > 0, 0, x.astype(float) * g).sum(axis=0)]


def norm_grad(op, rows, n):
    """y = w h + b with h = (x - mean) / sqrt(var + 1e-5), over axis 0 (batch) or 1 (layer); dx, dw and db."""
    rng = np.random.default_rng(0)
    axis = 0 if op == "batch_norm" else 1
    data = SimpleNamespace(
        op=op, axis=axis, x=_uniform(rng, rows, n), g=_uniform(rng, rows, n), w=_uniform(rng, n), b=_uniform(rng, n)
    )
    return data, norm_and_gradients(*(a.astype(float) for a in (data.x, data.w, data.b, data.g)), axis)


def norm_and_gradients(x, w, b, g, axis):
    """The formulas of norm_grad, as a careful NumPy user writes them."""
    h = x - x.mean(axis=axis, keepdims=True)
    rstd = 1 / np.sqrt(np.mean(h * h, axis=axis, keepdims=True) + NORM_EPSILON)
    h *= rstd
    y = h * w
    y += b
    dw, db = (g * h).sum(axis=0), g.sum(axis=0)
    dx = g * w
    one, two = dx.mean(axis=axis, keepdims=True), (dx * h).mean(axis=axis, keepdims=True)
    dx -= one
    h *= two
    dx -= h
    dx *= rstd
    return [y, dx, dw, db]


def dropout_grad(drop_prob, rows, n):
    """x and g; the answer is what `kept` tells of y and dx."""
    rng = np.random.default_rng(0)
    data = SimpleNamespace(p=drop_prob, x=_uniform(rng, rows, n), g=_uniform(rng, rows, n))
    return data, [np.array([1 - drop_prob, 0, 0])]


def kept(d, y, dx):
    """The share of kept elements, and how far y and dx are from what they must be where y is kept and elsewhere."""
    mask = (y != 0) / np.float32(1 - d.p)
    return [np.array([np.mean(y != 0), abs(y - d.x * mask).max(), abs(dx - d.g * mask).max()])]


def idiom(name):
    """One line of NumPy over arrays of 1024 × 1024."""
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, 1024, 1024)).astype(np.float32)
    data = SimpleNamespace(
        name=name, a=a, b=b, p=np.abs(a) + np.float32(0.1), v=a[0].copy(), mask=a > 0, rows=rng.integers(0, 1024, 1024)
    )
    exact = {key: value.astype(float) if key in "abpv" else value for key, value in vars(data).items() if key != "name"}
    return data, [IDIOMS[name](np, SimpleNamespace(**exact))]


def digits(inputs, hidden, outputs):
    """The 1,797 digits, every fifth kept for testing; the answer is the accuracy, which is near 0.97 for everyone."""
    x, y = _load_digits()
    test = np.arange(len(x)) % 5 == 0
    data = SimpleNamespace(x=x[~test], y=y[~test], x_test=x[test], y_test=y[test], hidden=hidden)
    return data, [np.array(0.97)]


def fit(hidden):
    """The digits of training four times over; the answer is the accuracy again."""
    data, answer = digits(64, hidden, 10)
    data.x, data.y = np.tile(data.x, (4, 1)), np.tile(data.y, 4)
    return data, answer


fit_validated = fit


def _load_digits():
    """The package's own files, read here once more because a peer's process must not import cdl."""
    folder = Path(__file__).parent.parent / "data" / "uci_digits"
    pixels = gzip.decompress((folder / "images-idx3-ubyte.gz").read_bytes())[16:]
    labels = gzip.decompress((folder / "labels-idx1-ubyte.gz").read_bytes())[8:]
    x = np.frombuffer(pixels, np.uint8).reshape(len(labels), -1).astype(np.float32) / 16
    return x, np.frombuffer(labels, np.uint8).astype(np.int64)
