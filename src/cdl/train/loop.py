"""The training loop: what `model.fit` and `model.evaluate` do."""
import math

import numpy as np

from cdl import losses
from cdl._core.tape import enter_inference, leave_inference
from cdl.optim import OPTIMIZERS, Optimizer
from cdl.random import generator
from cdl.train.history import History
from cdl.train.metrics import metrics_for
from cdl.train.progress import Progress

__all__ = ["evaluate", "fit"]

# Samples up to this size are put in their new order once an epoch; larger ones batch by batch, to save the memory.
_REORDER_BYTES = 1 << 28

LOSSES = {"cross_entropy": losses.cross_entropy, "binary_cross_entropy": losses.binary_cross_entropy,
          "mse": losses.mse, "mae": losses.mae}


def fit(model, x, y, *, loss, optimizer="adam", epochs=1, batch_size=32, validation_data=None, callbacks=(),
        shuffle=True, progress=True, rng=None):
    """Train `model` to map samples x to targets y.

    For every batch: the loss of the output, its gradient for every parameter, one step of the optimizer.

    Parameters
    ----------
    model : Model
        Sizes that it does not know yet are taken from x.
    x, y : array_like
        Samples and targets, along the first axis. Floats are converted to the type of the parameters, once.
    loss : str or callable
        "cross_entropy" (integer labels, logits), "binary_cross_entropy", "mse", "mae", or a function
        `loss(y_true, y_pred)` whose value is one number.
    optimizer : str, Optimizer or callable
        "adam", "adamw", "amsgrad", "sgd", "momentum", "nesterov", "rmsprop", "adagrad", an optimizer over the model's
        parameters, or a function that makes one from the list of them (`lambda parameters: cdl.Adam(parameters,
        lr=0.01)`).
    epochs, batch_size : int
        How often all samples are used, and how many at a time; the last batch of an epoch may be smaller.
    validation_data : (x, y), optional
        Evaluated after every epoch; its figures are named val_….
    callbacks : sequence of callables
        Called as `callback(model, epoch, figures)` after every epoch; one that returns True ends the training.
    shuffle : bool
        Whether every epoch takes the samples in a new random order.
    progress : bool
        Whether a line shows how far it is.
    rng : numpy.random.Generator or int, optional
        Where the orders come from; default: the library's generator.

    Returns
    -------
    History
        The figures of every epoch by name; the training loss is the mean over the epoch's batches as they were trained.

    Raises
    ------
    ValueError
        For no samples, x and y of different lengths, or sizes that are not positive.
    FloatingPointError
        If the loss is NaN or infinite at the end of an epoch.

    Examples
    --------
    >>> import numpy as np
    >>> import cdl
    >>> x = np.linspace(-1, 1, 64)[:, None]
    >>> model = cdl.Sequential([cdl.Dense(1)])
    >>> history = cdl.fit(model, x, 3 * x + 2, loss="mse", epochs=200, progress=False,
    ...                   optimizer=lambda parameters: cdl.Adam(parameters, lr=0.05))
    >>> history["loss"][-1] < 1e-4
    True
    """
    x, y = _samples(x, y, "fit")
    _positive(epochs, "epochs"), _positive(batch_size, "batch_size")
    model.ensure_built(x)
    x, y = as_parameters(model, x), as_parameters(model, y)
    loss, optimizer = _loss(loss), _optimizer(optimizer, model)
    rng, history, was_training = generator(rng), History(), [(layer, layer.training) for layer in model.layers_inside()]
    model.train()
    try:
        for epoch in range(epochs):
            order = rng.permutation(len(x)) if shuffle else None
            with Progress(len(x), label=f"epoch {epoch + 1}/{epochs}", enabled=progress) as bar:
                figures = {"loss": _epoch(model, x, y, order, loss, optimizer, batch_size, bar)}
                if not math.isfinite(figures["loss"]):
                    raise FloatingPointError(f"fit: the loss became {figures['loss']} in epoch {epoch + 1}; lower "
                                             "the learning rate, scale the inputs, or look for NaN in the data")
                if validation_data is not None:
                    seen = evaluate(model, *validation_data, loss=loss)
                    figures |= {f"val_{name}": value for name, value in seen.items()}
                bar.finish(**figures)
            history.append(**figures)
            stops = [callback(model, epoch, figures) is True for callback in callbacks]     # all of them are called
            optimizer.next_epoch()
            if any(stops):
                break
    finally:
        for layer, training in was_training:
            layer.training = training
    return history


def _epoch(model, x, y, order, loss, optimizer, batch_size, bar):
    """Train on every batch once; the mean loss."""
    if order is not None and x.nbytes + y.nbytes <= _REORDER_BYTES:
        x, y, order = x[order], y[order], None
    total, n = 0.0, len(x)
    for start in range(0, n, batch_size):
        part = slice(start, start + batch_size) if order is None else order[start:start + batch_size]
        xs, ys = x[part], y[part]
        value = loss(ys, model(xs))
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        total += value.item() * len(xs)
        bar.update(len(xs), loss=total / (start + len(xs)))
    return total / n


def evaluate(model, x, y, *, loss, batch_size=1024):
    """The mean loss of `model` on samples x and targets y, and the accuracy where the loss is one of classification.

    Parameters
    ----------
    model, x, y, loss : as for `fit`
    batch_size : int
        How many samples go through the network at once.

    Returns
    -------
    dict of float
        "loss" and, for cross-entropies, "accuracy".

    Raises
    ------
    ValueError
        For no samples, or x and y of different lengths.

    Examples
    --------
    >>> import numpy as np
    >>> import cdl
    >>> model = cdl.Sequential([cdl.Dense(2)])
    >>> sorted(cdl.evaluate(model, np.ones((4, 3)), np.zeros(4, int), loss="cross_entropy"))
    ['accuracy', 'loss']
    """
    x, y = _samples(x, y, "evaluate")
    _positive(batch_size, "batch_size")
    model.ensure_built(x)
    x, y, loss = as_parameters(model, x), as_parameters(model, y), _loss(loss)
    measured = {"loss": lambda y_true, y_pred: loss(y_true, y_pred), **metrics_for(loss)}
    totals = dict.fromkeys(measured, 0.0)
    try:    # an interrupt may come right after the next call: it must be undone then too
        enter_inference()
        for start in range(0, len(x), batch_size):
            xs, ys = x[start:start + batch_size], y[start:start + batch_size]
            output = model(xs)
            for name, function in measured.items():
                totals[name] += float(function(ys, output)) * len(xs)
    finally:
        leave_inference()
    return {name: total / len(x) for name, total in totals.items()}


def _samples(x, y, who):
    if isinstance(x, np.ma.MaskedArray) or isinstance(y, np.ma.MaskedArray):
        raise TypeError(f"{who}: masked arrays are not supported; fill the masked values first, with x.filled(value)")
    x, y = np.asarray(x), np.asarray(y)
    if x.ndim == 0 or y.ndim == 0 or len(x) != len(y):
        raise ValueError(f"{who}: x and y need one entry per sample along their first axis, got shapes "
                         f"{x.shape} and {y.shape}")
    if len(x) == 0:
        raise ValueError(f"{who}: there are no samples (x has shape {x.shape})")
    return x, y


def as_parameters(model, array):
    """Floating samples in the type of the model's parameters, so that no batch is converted again."""
    if array.dtype.kind != "f":
        return array
    parameters = model.parameters() if model.built else ()
    return np.ascontiguousarray(array, dtype=parameters[0].dtype if parameters else np.float32)


def _positive(value, name):
    if isinstance(value, bool) or not hasattr(value, "__index__") or value < 1:
        raise ValueError(f"fit: {name} must be a positive integer, got {value!r}")


def _loss(loss):
    if callable(loss):
        return loss
    if loss not in LOSSES:
        raise ValueError(f"fit: unknown loss {loss!r}; known are {', '.join(LOSSES)}, or pass a function "
                         "loss(y_true, y_pred)")
    return LOSSES[loss]


def _optimizer(optimizer, model):
    if isinstance(optimizer, Optimizer):
        return optimizer
    if callable(optimizer):
        return optimizer(model.parameters())
    if optimizer not in OPTIMIZERS:
        raise ValueError(f"fit: unknown optimizer {optimizer!r}; known are {', '.join(OPTIMIZERS)}, or pass one")
    return OPTIMIZERS[optimizer](model.parameters())
