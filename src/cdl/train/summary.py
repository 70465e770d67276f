"""The table of a model's layers."""
from contextlib import contextmanager

import numpy as np

from cdl.nn import Embedding

# The batch of the run that finds the shapes: as small as can be told from an axis that was left out.
_BATCH = 2


def summary(model, input_shape=None):
    """Layers, output shapes and numbers of parameters of `model`, as a string.

    The shapes are those of a run on zeros, so they are right for any forward; a layer that the run did not reach has
    "?". Beside each layer stand the parameters that it holds itself, each once where layers share them.

    Raises
    ------
    RuntimeError
        If the model's sizes are not known and no input shape is given.
    ValueError
        If the input shape is no tuple, or an axis of it other than the first is None.
    """
    shapes = _shapes(model, input_shape)
    rows, seen = [], set()
    for depth, name, layer in _nested(model):
        counts = _counts(layer, seen)
        if layer is not model or any(counts):
            rows.append(("  " * depth + name, shapes.get(id(layer), "?"), counts))
    totals = [sum(counts[i] for _, _, counts in rows) for i in range(3)]
    titles = [("trained" if totals[1] else "parameters", 0)]
    titles += [(title, i) for title, i in (("frozen", 1), ("buffers", 2)) if totals[i]]
    table = [["layer", "output shape", *(title for title, _ in titles)]]
    table += [[name, shape, *(f"{counts[i]:,}" if counts[i] else "" for _, i in titles)] for name, shape, counts in rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = ["  ".join(cell.ljust(width) if i < 2 else cell.rjust(width)
                       for i, (cell, width) in enumerate(zip(row, widths, strict=True))).rstrip() for row in table]
    rule = "-" * max(map(len, lines))
    return "\n".join([lines[0], rule, *lines[1:], rule, _total(*totals)])


def _total(trained, frozen, buffers):
    text = f"{trained + frozen:,} parameters"
    if frozen:
        text += f", {trained:,} trained and {frozen:,} frozen"
    return text + (f"; {buffers:,} numbers in buffers" if buffers else "")


def _nested(model):
    """(depth, name and class, layer) of the model and all layers inside it, in order; each place, not each layer."""
    def visit(layer, name, depth, above):
        yield depth, f"{name} {type(layer).__name__}".strip(), layer
        for name, child in layer.children():
            if not any(child is other for other in above):
                yield from visit(child, name, depth + (layer is not model), (*above, child))
    return visit(model, "", 0, (model,))


def _counts(layer, seen):
    """Trained parameters, frozen ones and numbers in buffers that the layer holds itself, without those seen before."""
    counts = [0, 0, 0]
    for name, tensor in layer.own_tensors():
        if id(tensor) not in seen:
            seen.add(id(tensor))
            counts[2 if layer.is_buffer(name, tensor) else 0 if tensor.requires_grad else 1] += tensor.size
    return counts


def _shapes(model, input_shape):
    """The output shape of each layer, as text by its id, and the model's parameters made where they were not."""
    if input_shape is None:
        guess = model.known_input_shape()
        if guess is None:
            model.require_built("summary")
            return {}
        try:
            return _shapes(model, guess)
        except (TypeError, ValueError):     # the layer that told its size is not the first one of the forward
            return {}
    if not isinstance(input_shape, (tuple, list)) or not input_shape:
        raise ValueError(f"summary: input_shape must be that of a batch, such as (None, 64), got {input_shape!r}")
    batch, *rest = input_shape
    if None in rest:
        raise ValueError(f"summary: only the first axis of input_shape may be None, got {tuple(input_shape)}")
    x, shapes = np.zeros((_BATCH, *rest), np.int64 if _reads_tokens(model) else np.float32), {}
    model.ensure_built(x)
    with watched(model.layers_inside(), lambda layer, y: shapes.setdefault(id(layer), getattr(y, "shape", None))):
        model.predict(x)
    return {key: _text(shape, batch) for key, shape in shapes.items()}


def _reads_tokens(model):
    """Whether the first layer is a table of tokens, which takes integers."""
    return type(next((layer for layer in model.layers_inside() if not any(layer.children())), None)) is Embedding


@contextmanager
def watched(layers, note):
    """While it lasts `note(layer, y)` is told the output y of every forward of these layers."""
    layers = [(layer, type(layer)) for layer in {id(layer): layer for layer in layers}.values()]
    for layer, kind in layers:
        layer.__class__ = _watching(kind, note)
    try:
        yield
    finally:
        for layer, kind in layers:
            layer.__class__ = kind


def _watching(kind, note):
    def forward(self, *inputs, **options):
        y = kind.forward(self, *inputs, **options)
        note(self, y)
        return y
    call = forward if kind.__call__ is kind.forward else kind.__call__
    return type(kind.__name__, (kind,), {"forward": forward, "__call__": call, "__module__": kind.__module__})


def _text(shape, batch):
    if not shape:
        return "?" if shape is None else "()"
    times, left = divmod(shape[0], _BATCH)
    first = str(shape[0]) if left else str(times * batch) if batch is not None else "batch" if times == 1 else f"{times}·batch"
    return f"({', '.join([first, *map(str, shape[1:])])}{',' if len(shape) == 1 else ''})"
