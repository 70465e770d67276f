"""What `fit` and `evaluate` are given, checked: data to batches, names to functions, options that would be heard by nobody."""

from cdl._core.batches import Batches
from cdl._core.check import number, positive_integer
from cdl.data.loader import Loader
from cdl.extras import nearest
from cdl.losses import LOSSES
from cdl.optim import OPTIMIZERS, Optimizer
from cdl.random import generator
from cdl.train.samples import Loaded, Slices, checked, prepared
from cdl.train.weights import weights_of

__all__ = ["EVALUATED_BATCH", "batches_of", "callbacks_of", "facts_of", "functions", "left_to_the_loader", "loss_of",
           "metrics_of", "optimizer_of", "validation_of"]

# A validation goes through the network in batches of this size.
EVALUATED_BATCH = 1024
_TRAINED_BATCH = 32
# An option with more values than this is told by their number.
_LISTED = 100


def left_to_the_loader(who, options):
    """Refuse options that would be heard by nobody."""
    given = [name for name, value in options.items() if value is not None]
    if given:
        raise ValueError(f"{who}: {', '.join(given)} cannot be given with a Loader, which makes the batches itself; give it "
                         "batch_size, shuffle and rng, and weights of samples as its third array")


def batches_of(model, x, y, validation_data, *, batch_size, sample_weight, class_weight, shuffle, rng, validation_split):
    """Batches, the number of samples, the generator of their orders (or None), and the batches to evaluate (or None)."""
    batch_size = _TRAINED_BATCH if batch_size is None else positive_integer(batch_size, "fit", "batch_size")
    weights = weights_of(y, sample_weight, class_weight, "fit")
    if validation_data is not None and validation_split:
        raise ValueError("fit: give validation_data or validation_split, not both")
    if validation_split:
        (x, y, weights), validation_data = _held_out(x, y, weights, validation_split)
    model.ensure_built(x)
    held_out = validation_of(model, validation_data)
    batches = Batches((*prepared(model, x, y), weights), batch_size)
    return batches, len(x), generator(rng) if shuffle is None or shuffle else None, held_out


def validation_of(model, data):
    """The batches to evaluate after every epoch, or None."""
    if data is None:
        return None
    if isinstance(data, Loader):
        return Loaded(model, data, "fit: validation_data")
    if not isinstance(data, (tuple, list)) or len(data) not in (2, 3):
        raise ValueError("fit: validation_data must be (x, y), (x, y, sample_weight) or a Loader")
    x, y = checked(*data[:2], "fit: validation_data")
    weights = weights_of(y, *(data[2:] or (None,)), None, "fit: validation_data")
    return Slices(*prepared(model, x, y), weights, EVALUATED_BATCH)


def _held_out(x, y, weights, validation_split):
    """Samples, targets and weights to train on, and those to evaluate after every epoch."""
    if not 0 <= number(validation_split, "fit", "validation_split") < 1:
        raise ValueError(f"fit: validation_split must be in [0, 1), got {validation_split!r}")
    kept = len(x) - round(len(x) * validation_split)
    if not 0 < kept < len(x):
        raise ValueError(f"fit: validation_split {validation_split:g} of {len(x)} samples leaves none to "
                         f"{'train on' if kept <= 0 else 'evaluate'}")
    train, held = ([None if array is None else array[part] for array in (x, y, weights)]
                   for part in (slice(kept), slice(kept, None)))
    for part in (train[2], held[2]):
        if part is not None and not part.any():
            raise ValueError("fit: validation_split leaves only samples of weight 0 on one side")
    return train, held


def callbacks_of(callbacks):
    callbacks = [callbacks] if callable(callbacks) else list(callbacks)
    for callback in callbacks:
        if isinstance(callback, type):
            raise TypeError(f"fit: a callback is an object, got the class {callback.__name__}; write {callback.__name__}(…)")
        if not callable(callback):
            raise TypeError(f"fit: a callback is called as callback(model, epoch, figures), got {callback!r}")
    return callbacks


def functions(**options):
    for name, option in options.items():
        if option is not None and not callable(option):
            raise TypeError(f"fit: {name} must be a function, got {option!r}")


def loss_of(loss, who):
    if callable(loss):
        return loss
    if not isinstance(loss, str) or loss not in LOSSES:
        raise ValueError(f"{who}: unknown loss {loss!r}{nearest(loss, LOSSES)}; known are {', '.join(LOSSES)}, or pass a "
                         "function loss(y_true, y_pred)")
    return LOSSES[loss]


def metrics_of(metrics, who, loss):
    """The streaming metrics of names, functions and objects, by name."""
    from cdl.metrics import metric_of  # when it is needed: most of `import cdl` would be metrics

    metrics = [metrics] if isinstance(metrics, str) or not hasattr(metrics, "__iter__") else metrics
    made = [metric_of(metric, who, loss) for metric in metrics]
    names = [metric.name for metric in made]
    twice = next((name for name in names if names.count(name) > 1 or name == "loss"), None)
    if twice is not None:
        raise ValueError(f"{who}: two figures would have the name {twice!r}; give one of the metrics another `name`")
    return dict(zip(names, made, strict=True))


def optimizer_of(optimizer, parameters):
    if isinstance(optimizer, str) and optimizer in OPTIMIZERS:
        return OPTIMIZERS[optimizer](parameters)
    made = optimizer(parameters) if callable(optimizer) else optimizer
    if not hasattr(made, "step"):
        raise ValueError(f"fit: unknown optimizer {made!r}{nearest(made, OPTIMIZERS)}; known are {', '.join(OPTIMIZERS)}, or "
                         "pass one, or a function that makes one from the list of parameters")
    own = {id(parameter) for parameter in parameters}
    if isinstance(made, Optimizer) and own and not any(id(parameter) in own for parameter in made.params):
        raise ValueError("fit: the optimizer has none of this model's parameters; make it from model.parameters(), or pass "
                         "a function that does")
    return made


def facts_of(*, batch_size, **options):
    """What `fit` was told, as plain values: what reports show."""
    return {"batch_size": batch_size or _TRAINED_BATCH} | {name: _plain(option) for name, option in options.items()}


def _plain(option):
    """Numbers, texts, lists and dicts of them as they are, others by what they are called."""
    if option is None or isinstance(option, (bool, int, float, str)):
        return option
    if isinstance(option, (list, tuple)) and len(option) <= _LISTED:
        return [_plain(one) for one in option]
    if isinstance(option, dict) and len(option) <= _LISTED:
        return {str(name): _plain(one) for name, one in option.items()}
    if hasattr(option, "__len__"):
        return f"{len(option)} values"
    name = getattr(option, "__name__", type(option).__name__)
    return "a function" if name == "<lambda>" else name
