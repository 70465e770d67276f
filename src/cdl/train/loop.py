"""The training loop: what `model.fit` and `model.evaluate` do."""
from math import isfinite

import numpy as np

from cdl._core.check import positive_integer
from cdl._core.tape import enter_inference, leave_inference
from cdl._core.tensor import Tensor
from cdl.callbacks.callback import Callback
from cdl.data.loader import Loader
from cdl.train.arguments import (
    EVALUATED_BATCH,
    batches_of,
    callbacks_of,
    facts_of,
    functions,
    left_to_the_loader,
    loss_of,
    metrics_of,
    optimizer_of,
    validation_of,
)
from cdl.train.finite import not_finite
from cdl.train.progress import Progress
from cdl.train.samples import Loaded, Slices, checked, prepared
from cdl.train.training import Training
from cdl.train.weights import weights_of

__all__ = ["evaluate", "fit"]

def fit(model, x, y=None, *, loss, optimizer="adam", epochs=1, batch_size=None, validation_data=None, validation_split=0.0,
        metrics=(), callbacks=(), sample_weight=None, class_weight=None, augment=None, penalty=None, shuffle=None,
        progress=True, rng=None):
    """Train `model` to map samples x to targets y.

    For every batch: the loss of the output, its gradient for every parameter, one step of the optimizer.

    Parameters
    ----------
    model : Model
        Sizes that it does not know yet are taken from x.
    x, y : array_like
        Samples and targets, along the first axis. Floats are converted to the type of the parameters, once. Layers and
        loss get them as Tensors. Or x is a `cdl.data.Loader` of both, y is left out, and so are batch_size, shuffle, rng,
        weights and validation_split, which are the Loader's matter.
    loss : str or callable
        "cross_entropy" (integer labels or one-hot rows, logits), "binary_cross_entropy" (probabilities), "mse", "mae",
        "huber", "kl_divergence", "hinge", "cosine_loss", or a function `loss(y_true, y_pred)` whose value is one number;
        with weights it is called with `sample_weight=` too, and its mean is to be the weighted one.
    optimizer : str, Optimizer or callable
        "adam", "adamw", "amsgrad", "sgd", "momentum", "nesterov", "rmsprop", "adagrad", an optimizer over the model's
        parameters, or a function that makes one from the list of them (`lambda parameters: cdl.Adam(parameters,
        lr=0.01)`).
    epochs, batch_size : int
        How often all samples are used, and how many at a time, 32 unless given; the last batch of an epoch may be smaller.
    validation_data : (x, y), (x, y, sample_weight) or Loader, optional
        Evaluated after every epoch; its figures are named val_….
    validation_split : float in [0, 1)
        Instead of validation_data: the share of the samples, the last ones as given, that is kept from training and
        evaluated. Where samples are sorted, split them at random first (`cdl.train_test_split`).
    metrics : sequence of str, callables or Metric
        More figures of every epoch: of the training, from the outputs it was done with, and, named val_…, of the
        validation. Names such as "accuracy" and "top_5_accuracy", functions `f(y_true, y_pred)`, or streaming metrics; see
        `cdl.metrics`. Validations with a cross-entropy have "val_accuracy" anyway.
    callbacks : sequence of callables
        Called as `callback(model, epoch, figures)` after every epoch; one that returns True ends the training. What else
        they may do: `cdl.callbacks.Callback`; those that there are: `cdl.callbacks`, among them `EarlyStopping`.
    sample_weight : array_like, optional
        How much each sample counts in the loss, one number ≥ 0 for each.
    class_weight : dict, array_like or "balanced", optional
        How much the samples of each class count, by label (1 for those left out) or by position; "balanced": samples /
        (classes × samples of the class). Multiplied with the sample weights.
    augment : callable, optional
        `augment(x, y)` returns what to train on instead of the batch x, y, ndarrays that it may change.
    penalty : callable, optional
        `penalty(model)` is added to the loss of every training batch, such as `cdl.losses.Penalty(l2=1e-4)` or
        `lambda model: cdl.l2_penalty(model, 1e-4)`, which are over the weights, without biases and normalisations.
    shuffle : bool, default True
        Whether every epoch takes the samples in a new random order.
    progress : bool
        Whether a line shows how far it is.
    rng : numpy.random.Generator or int, optional
        Where the orders come from; default: the library's generator.

    Returns
    -------
    History
        The figures of every whole epoch by name; the training loss is the mean over the epoch's batches as they were
        trained, penalty included. Ctrl-C ends the training at once and returns the history, with `interrupted` True; the
        model is as the last step left it, or callbacks bring it back.

    Raises
    ------
    ValueError
        For no samples, x and y of different lengths, sizes that are not positive, weights that are negative, not finite
        or not one for each sample, if every parameter is frozen, or if the optimizer has none of the model's parameters.
        Also if the last batch of an epoch has one sample and the model a BatchNorm: another batch_size helps.
    TypeError
        For a callback that cannot be called, a loss that returns no Tensor of one value, or no y.
    FloatingPointError
        If the loss of a batch is NaN or infinite. It names the first layer whose output was not finite, `history` of the
        error holds the epochs before, and the step was not taken.

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
    positive_integer(epochs, "fit", "epochs")
    functions(augment=augment, penalty=penalty)
    loss, callbacks = loss_of(loss, "fit"), callbacks_of(callbacks)
    metrics = metrics_of(metrics, "fit", loss)
    options = dict(batch_size=batch_size, sample_weight=sample_weight, class_weight=class_weight, shuffle=shuffle, rng=rng,
                   validation_split=validation_split or None)
    loader = x if isinstance(x, Loader) and y is None else None
    if loader is not None:
        left_to_the_loader("fit", options)
        batches, samples, reorder = Loaded(model, x, "fit", tensors=True), x.samples, None
        held_out = validation_of(model, validation_data)
    else:
        batches, samples, reorder, held_out = batches_of(model, *checked(x, y, "fit"), validation_data, **options)
    parameters, layers = model.parameters(), list(model.layers_inside())
    optimizer = optimizer_of(optimizer, parameters)
    if not any(parameter.requires_grad for parameter in parameters):
        raise ValueError("fit: every parameter is frozen; call unfreeze() on the layers to be trained")
    facts = facts_of(loss=loss, batch_size=batch_size if loader is None else loader.batch_size, samples=samples,
                     validation_samples=held_out.samples if held_out else None, metrics=list(metrics),
                     shuffle=reorder is not None if loader is None else loader.shuffle, class_weight=class_weight,
                     sample_weight=sample_weight, augment=augment, penalty=penalty, rng=rng)
    training = Training(model, optimizer, loss, callbacks, epochs=epochs, rng=reorder, loader=loader, augment=augment,
                        validation=validation_data, facts=facts)
    modes = [(layer, layer.training) for layer in layers]
    try:
        model.train()
        training.call("attach", training)
        training.call("on_fit_begin", model)
        training.call("resume", training)
        while training.epoch < epochs and not training.stopped:
            if reorder is not None:
                batches.shuffle(reorder)
            with Progress(samples, label=f"epoch {training.epoch + 1}/{epochs}", enabled=progress) as bar:
                figures = _epoch(training, batches, metrics, augment, penalty, bar)
                training.call("on_measure_begin", model)
                if held_out:
                    seen = _measured(model, held_out, loss, metrics, training.observers)
                    figures |= {f"val_{name}": value for name, value in seen.items()}
                bar.finish(**figures)
            _end_epoch(training, figures)
    except KeyboardInterrupt:
        training.history.interrupted = True
    finally:
        for layer, mode in modes:
            layer.training = mode
        training.end()
    return training.history


def _end_epoch(training, figures):
    """Record an epoch, ask the callbacks, all of them, and move on to the next."""
    training.history.append(**figures)
    for callback in training.callbacks:
        answer = callback(training.model, training.epoch, figures)
        if isinstance(answer, (bool, np.bool_)) and answer:
            training.stop()
    training.call("on_measure_end", training.model)
    training.optimizer.next_epoch()
    training.epoch += 1
    training.call("on_epoch_end", training)


def _epoch(training, batches, metrics, augment, penalty, bar):
    """Train on every batch once; the mean loss and the metrics."""
    model, loss = training.model, training.loss
    forget, step = training.optimizer.zero_grad, training.optimizer.step
    _reset(metrics.values())
    after = [callback.on_batch_end for callback in training.callbacks if _has_own(callback, "on_batch_end")]
    measured = list(metrics.values())
    total = counted = done = told = 0
    for x, y, weights in batches:
        share = count = len(y)
        done += count
        if weights is not None:
            share = float(np.sum(weights))      # a batch's loss is the mean by weight
            if not share:
                continue        # a step of no gradient would still go on with the momentum
        if augment is not None:
            x, y = augment(np.asarray(x), np.asarray(y))
        y_pred = model(x)
        value = loss(y, y_pred) if weights is None else loss(y, y_pred, sample_weight=weights)
        if penalty is not None:
            value = value + penalty(model)
        if type(value) is not Tensor:
            raise TypeError(f"fit: the loss must return a Tensor of one value, got {type(value).__name__}")
        plain = value.item()
        if not isfinite(plain):
            raise not_finite(training, x, y, plain, done)
        forget()
        value.backward()
        step()
        total += plain * share
        counted += share
        if measured:
            for metric in measured:
                metric.update(y, y_pred, sample_weight=weights)
        if after:
            for hook in after:
                hook(model)
        if done >= bar.due:
            bar.update(done - told, loss=total / counted)
            told = done
    bar.update(done - told)
    _require_weight(counted, "fit")
    return {"loss": total / counted} | {name: metric.result() for name, metric in metrics.items()}


def _require_weight(counted, who):
    if not counted:
        raise ValueError(f"{who}: all weights are 0, so no sample counts")


def _has_own(callback, hook):
    """Whether a callback has this method, and not just `Callback`'s, which does nothing."""
    return getattr(type(callback), hook, None) is not getattr(Callback, hook) and hasattr(callback, hook)


def _reset(metrics):
    for metric in metrics:
        metric.reset()


def evaluate(model, x, y=None, *, loss, metrics=(), batch_size=None, sample_weight=None):
    """The mean loss of `model` on samples x and targets y, and the accuracy where the loss is one of classification.

    Parameters
    ----------
    model, x, y, loss : as for `fit`, where x may be a Loader
    metrics : sequence of str, callables or Metric
        More figures, as for `fit`.
    batch_size : int, default 1024
        How many samples go through the network at once.
    sample_weight : array_like, optional
        How much each sample counts in the figures, as for `fit`.

    Returns
    -------
    dict of float
        "loss", for cross-entropies "accuracy", and the metrics by their names.

    Raises
    ------
    ValueError
        For no samples, x and y of different lengths, or weights as `fit` refuses them.

    Examples
    --------
    >>> import numpy as np
    >>> import cdl
    >>> model = cdl.Sequential([cdl.Dense(2)])
    >>> sorted(cdl.evaluate(model, np.ones((4, 3)), np.zeros(4, int), loss="cross_entropy"))
    ['accuracy', 'loss']
    """
    loss = loss_of(loss, "evaluate")
    metrics = metrics_of(metrics, "evaluate", loss)
    if isinstance(x, Loader) and y is None:
        left_to_the_loader("evaluate", dict(batch_size=batch_size, sample_weight=sample_weight))
        return _measured(model, Loaded(model, x, "evaluate"), loss, metrics)
    x, y = checked(x, y, "evaluate")
    batch_size = EVALUATED_BATCH if batch_size is None else positive_integer(batch_size, "evaluate", "batch_size")
    weights = weights_of(y, sample_weight, None, "evaluate")
    model.ensure_built(x)
    return _measured(model, Slices(*prepared(model, x, y), weights, batch_size), loss, metrics)


def _measured(model, batches, loss, metrics, observers=()):
    """What `evaluate` returns, for batches of prepared samples, targets and weights, which observers are shown too."""
    from cdl.metrics import metrics_for  # when it is needed: most of `import cdl` would be metrics

    metrics = metrics_for(loss) | metrics
    watching = [*metrics.values(), *observers]
    _reset(watching)
    total = counted = 0
    try:    # an interrupt may come right after the next call: it must be undone then too
        enter_inference()
        for x, y_true, weights in batches:
            options = {} if weights is None else {"sample_weight": weights}
            share = len(y_true) if weights is None else float(weights.sum())
            if not share:
                continue
            y_pred = model(x)
            total += float(loss(y_true, y_pred, **options)) * share
            counted += share
            for one in watching:
                one.update(y_true, y_pred, **options)
    finally:
        leave_inference()
    _require_weight(counted, "evaluate")
    return {"loss": total / counted} | {name: metric.result() for name, metric in metrics.items()}
