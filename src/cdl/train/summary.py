"""The table of a model's layers."""


def summary(model, input_shape=None):
    """Layers, output shapes and parameter counts of `model`, as a string.

    Raises
    ------
    RuntimeError
        If the model's sizes are not known and no input shape is given.
    """
    if input_shape is not None:
        model.build(tuple(input_shape))
    rows = [("layer", "output shape", "parameters")]
    shape = input_shape
    for name, layer in model.children():
        shape = _shape_after(layer, shape)
        rows.append((f"{name} {type(layer).__name__}", _text(shape), f"{layer.count_parameters():,}"))
    widths = [max(len(row[i]) for row in rows) for i in range(3)]
    lines = [f"{row[0]:<{widths[0]}}  {row[1]:<{widths[1]}}  {row[2]:>{widths[2]}}" for row in rows]
    rule = "-" * len(lines[0])
    return "\n".join([lines[0], rule, *lines[1:], rule, f"{model.count_parameters():,} parameters"])


def _shape_after(layer, shape):
    """The output shape where the input's is known; else what the layer's own size says."""
    if shape is None:
        size = layer.config().get("in_features")
        shape = None if size is None else (None, size)
    return None if shape is None else layer.output_shape(tuple(shape))


def _text(shape):
    return "?" if shape is None else f"({', '.join('batch' if n is None else str(n) for n in shape)})"
