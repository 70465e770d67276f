"""cdl, through its public functions and layers."""

import threading
import time

import numpy as np

import cdl
from cdl._core import kernels

from . import reference
from .attention_cdl import attention as attention
from .attention_cdl import attention_grad as attention_grad
from .data_cdl import balanced_weights as balanced_weights
from .data_cdl import label_codes as label_codes
from .data_cdl import minmax_fit as minmax_fit
from .data_cdl import minmax_transform as minmax_transform
from .data_cdl import one_hot_rows as one_hot_rows
from .data_cdl import standard_fit as standard_fit
from .data_cdl import standard_transform as standard_transform
from .data_cdl import stratified as stratified
from .data_cdl import table as table
from .images_cdl import conv as conv
from .images_cdl import conv_grad as conv_grad
from .images_cdl import image_norm_grad as image_norm_grad
from .images_cdl import pool_grad as pool_grad
from .images_cdl import upsample_grad as upsample_grad
from .networks_cdl import network_epoch as network_epoch
from .networks_cdl import network_predict as network_predict
from .networks_cdl import network_step as network_step
from .recurrent_cdl import cell_step as cell_step
from .recurrent_cdl import char_step as char_step
from .recurrent_cdl import recurrent as recurrent
from .recurrent_cdl import recurrent_grad as recurrent_grad
from .reference_augment import MEAN, STD
from .rows import IDIOMS, METRICS
from .text_cdl import byte_pairs as byte_pairs
from .text_cdl import wordpiece as wordpiece
from .transformers_cdl import transformer_predict as transformer_predict
from .transformers_cdl import transformer_predict_bfloat16 as transformer_predict_bfloat16
from .transformers_cdl import transformer_step as transformer_step
from .transformers_cdl import transformer_token as transformer_token
from .words_cdl import word2vec as word2vec
from .words_cdl import word_counts as word_counts


def start(threads):
    """The thread count came by the environment."""


def version():
    """The library's version and the kernels it chose."""
    return f"{cdl.__version__}, {kernels.ISA}"


def fma_peak(ms, threads):
    """GF/s of the FMA loop: `threads` Python threads, each inside the kernel for about `ms` milliseconds.

    Each times itself, because starting them one after the other takes a few percent of so short a time.
    """
    start = time.perf_counter()
    kernels.fma_peak(0, 10_000)
    iterations = int(10_000 * ms / 1e3 / (time.perf_counter() - start)) + 1
    rates = []

    def measure():
        start = time.perf_counter()
        flop = kernels.fma_peak(0, iterations)
        rates.append(flop / (time.perf_counter() - start) / 1e9)

    pool = [threading.Thread(target=measure) for _ in range(threads - 1)]
    for thread in pool:
        thread.start()
    measure()
    for thread in pool:
        thread.join()
    return sum(rates)


def dense(d):
    """cdl.matmul, or the layer's own function with its bias and activation."""
    if d.act is None:
        x, w = cdl.Tensor(d.x), cdl.Tensor(d.w)

        def run():
            return cdl.matmul(x, w)

    else:
        x, w, b = cdl.Tensor(d.x), cdl.Tensor(d.w), cdl.Tensor(d.b)

        def run():
            return cdl.dense(x, w, b, d.act)

    return run, lambda: [run().data]


def augment(d):
    """cdl.data.Augment, with the draws given that it would make itself in a hundredth of the time."""
    run = cdl.data.Augment(**d.options, scaler=cdl.data.ImageScaler(MEAN, STD))
    return lambda: run.apply(d.x, d.draws), lambda: [run.apply(d.x, d.draws)]


def resize(d):
    """cdl.data.resize."""
    return lambda: cdl.data.resize(d.x, d.size), lambda: [cdl.data.resize(d.x, d.size)]


def unary(d):
    """The function."""
    f, x = getattr(cdl.ops, d.op), cdl.Tensor(d.x)
    return lambda: f(x), lambda: [f(x).data]


def unary_grad(d):
    """The function and .backward(g)."""
    f, x = getattr(cdl.ops, d.op), cdl.Tensor(d.x, requires_grad=True)

    def run():
        x.grad = None
        y = f(x)
        y.backward(d.g)
        return y

    def outputs():
        return [run().data, np.asarray(x.grad)]

    return run, outputs


def norm_grad(d):
    """The function and .backward(g)."""
    x, w, b = (cdl.Tensor(a, requires_grad=True) for a in (d.x, d.w, d.b))
    g, f = cdl.Tensor(d.g), getattr(cdl.ops, d.op)

    def run():
        x.grad = w.grad = b.grad = None
        y = f(x, w, b, eps=reference.NORM_EPSILON)
        y.backward(g)
        return y

    return run, lambda: [run().data, *(np.asarray(t.grad) for t in (x, w, b))]


def dropout_grad(d):
    """The function and .backward(g)."""
    x, g = cdl.Tensor(d.x, requires_grad=True), cdl.Tensor(d.g)

    def run():
        x.grad = None
        y = cdl.dropout(x, d.p)
        y.backward(g)
        return y

    return run, lambda: reference.kept(d, run().data, np.asarray(x.grad))


def softmax(d):
    """The function and .backward(g)."""
    x, g = cdl.Tensor(d.x, requires_grad=True), cdl.Tensor(d.g)

    def run():
        x.grad = None
        y = cdl.softmax(x)
        y.backward(g)
        return y

    return run, lambda: [run().data, np.asarray(x.grad)]


def cross_entropy(d):
    """The function and .backward()."""
    x = cdl.Tensor(d.x, requires_grad=True)

    def run():
        x.grad = None
        loss = cdl.cross_entropy(d.y, x)
        loss.backward()
        return loss

    return run, lambda: [run().data, np.asarray(x.grad)]


def loss(d):
    """The function and .backward()."""
    f, t, p = getattr(cdl, d.name), cdl.Tensor(d.t), cdl.Tensor(d.p, requires_grad=True)

    def run():
        p.grad = None
        value = f(t, p)
        value.backward()
        return value

    return run, lambda: [run().data, np.asarray(p.grad)]


def prelu(d):
    """The function and .backward(g)."""
    x, slope, g = cdl.Tensor(d.x, requires_grad=True), cdl.Tensor(d.slope, requires_grad=True), cdl.Tensor(d.g)

    def run():
        x.grad = slope.grad = None
        y = cdl.ops.prelu(x, slope)
        y.backward(g)
        return y

    return run, lambda: [run().data, np.asarray(x.grad), np.asarray(slope.grad)]


def _model(params):
    w1, _, w2, _ = params
    model = cdl.Sequential([cdl.Dense(w1.shape[1], activation="relu"), cdl.Dense(w2.shape[1])])
    model.predict(np.zeros((1, w1.shape[0]), np.float32))
    for mine, given in zip(model.parameters(), params, strict=True):
        mine.data[...] = given
    return model


def backprop(d):
    """Sequential, cross_entropy, backward()."""
    model = _model(d.params)

    def run():
        model.zero_grad()
        loss = cdl.cross_entropy(d.y, model(d.x))
        loss.backward()
        return loss

    def outputs():
        return [run().data, *(np.asarray(p.grad) for p in model.parameters())]

    return run, outputs


def step(d):
    """Layers, loss, backward and Adam, from Python."""
    model = _model(d.params)
    adam = cdl.Adam(model.parameters(), lr=reference.LEARNING_RATE)

    def run():
        adam.zero_grad()
        cdl.cross_entropy(d.y, model(d.x)).backward()
        adam.step()

    def outputs():
        for _ in range(reference.CHECKED_STEPS):
            run()
        return [p.data for p in model.parameters()]

    return run, outputs


def _regularised(d, drop_prob):
    hidden = [layer for w in d.weights[:-1] for layer in (
        cdl.Dense(w.shape[1], use_bias=False), cdl.BatchNorm(eps=reference.NORM_EPSILON, activation="relu"),
        cdl.Dropout(drop_prob))]
    model = cdl.Sequential([*hidden, cdl.Dense(d.weights[-1].shape[1])])
    model.predict(d.x[:1])
    for layer, w in zip((layer for layer in model if isinstance(layer, cdl.Dense)), d.weights, strict=True):
        layer.weight.data[...] = w
    return model


def regularised(d):
    """Layers, loss, backward and Adam."""
    model, plain = _regularised(d, reference.DROP_PROB), _regularised(d, 0)
    x, y, adam = cdl.Tensor(d.x), cdl.Tensor(d.y), cdl.Adam(model.parameters(), lr=reference.LEARNING_RATE)

    def run():
        adam.zero_grad()
        cdl.cross_entropy(y, model(x)).backward()
        adam.step()

    def outputs():
        cdl.cross_entropy(y, plain(x)).backward()
        running = [t for layer in plain if isinstance(layer, cdl.BatchNorm) for t in (layer.running_mean, layer.running_var)]
        learns = reference.learns(lambda: float(cdl.cross_entropy(d.y, model.predict(d.x))), run)
        return [*(np.asarray(p.grad) for p in plain.parameters()), *(t.data for t in running), learns]

    return run, outputs


def update(d):
    """optimizer.step()."""
    params = [cdl.Tensor(p, requires_grad=True) for p in d.params]
    for p, g in zip(params, d.grads, strict=True):
        p.grad = g
    optimizer = {"Adam": cdl.Adam, "RMSprop": cdl.RMSprop, "Momentum": cdl.Momentum}[d.rule](params, reference.LEARNING_RATE)

    def outputs():
        for _ in range(reference.CHECKED_STEPS):
            optimizer.step()
        return [p.data for p in params]

    return optimizer.step, outputs


class _Layer(cdl.Layer):
    """Parameters, for callbacks that look for them in a layer."""

    def __init__(self, params):
        self.params = [cdl.Tensor(p, requires_grad=True) for p in params]


def average(d):
    """What ExponentialMovingAverage does after a step."""
    callback, layer = cdl.callbacks.ExponentialMovingAverage(reference.AVERAGE_DECAY, warm_up=False), _Layer(d.averages)
    callback.on_fit_begin(layer)                        # the averages begin as the weights are …
    for tensor, p in zip(layer.params, d.params, strict=True):
        tensor.numpy()[...] = p                         # … which are others from then on

    def run():
        callback.on_batch_end(layer)

    def outputs():
        for _ in range(reference.CHECKED_STEPS):
            run()
        return list(callback.averages().values())

    return run, outputs


def max_norm(d):
    """What MaxNorm does after a step."""
    callback, layer = cdl.callbacks.MaxNorm(reference.MOST_NORM), _Layer(d.weights)
    callback.on_fit_begin(layer)

    def run():
        callback.on_batch_end(layer)

    def outputs():
        run()
        return [w.numpy() for w in layer.params]

    return run, outputs


def predict(d):
    """From an ndarray to an ndarray."""
    model = _model(d.params)
    return lambda: model.predict(d.x), lambda: [model.predict(d.x)]


def digits(d):
    """model.fit."""

    def fit():
        cdl.seed(0)
        model = cdl.Sequential([cdl.Dense(d.hidden, activation="relu"), cdl.Dense(10)])
        model.fit(d.x, d.y, loss="cross_entropy", optimizer=lambda params: cdl.Adam(params, reference.LEARNING_RATE),
                  epochs=reference.EPOCHS, batch_size=reference.BATCH, progress=False)
        return model

    return fit, lambda: [(fit().predict(d.x_test).argmax(1) == d.y_test).mean()]


def fit(d, **options):
    """model.fit, with its line of progress."""

    def train():
        cdl.seed(0)
        model = cdl.Sequential([cdl.Dense(d.hidden, activation="relu"), cdl.Dense(10)])
        model.fit(d.x, d.y, loss="cross_entropy", optimizer=lambda params: cdl.Adam(params, reference.LEARNING_RATE),
                  epochs=reference.FIT_EPOCHS, batch_size=reference.BATCH, **options)
        return model

    return train, lambda: [(train().predict(d.x_test).argmax(1) == d.y_test).mean()]


def fit_validated(d):
    """The same with validation_data."""
    return fit(d, validation_data=(d.x_test, d.y_test))


def epochs(d, threads):
    """The weights after three epochs with so many threads, as asked for, more than there are cores or not."""
    cdl.set_num_threads(threads)
    if cdl.get_num_threads() != threads:
        raise RuntimeError(f"{threads} threads asked for, {cdl.get_num_threads()} given")
    cdl.seed(0)
    model = cdl.Sequential([cdl.Dense(d.hidden, activation="relu"), cdl.Dense(10)])
    model.fit(d.x, d.y, loss="cross_entropy", epochs=3, batch_size=256, progress=False)
    return [p.data for p in model.parameters()]


def pool_bytes():
    """What the library holds of the system's memory."""
    stats = cdl.memory_stats()
    return stats["in_use"] + stats["held"]


def idiom(d):
    """The same line of NumPy, its floats Tensors that want a gradient."""
    for name in "abpv":
        setattr(d, name, cdl.Tensor(getattr(d, name), requires_grad=True))
    f = IDIOMS[d.name]
    return lambda: f(np, d), lambda: [np.asarray(f(np, d))]


def metric(d):
    """The function of cdl.metrics."""
    f = getattr(cdl.metrics, METRICS[d.title][1])
    weights = {} if d.weights is None else {"sample_weight": d.weights}
    return lambda: f(d.t, d.p, **d.options, **weights), lambda: [f(d.t, d.p, **d.options, **weights)]
