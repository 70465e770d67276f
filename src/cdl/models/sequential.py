"""Layers one after another."""
from reprlib import recursive_repr

from cdl.nn.dense import Dense
from cdl.nn.layer import Layer, lines
from cdl.nn.pool import Flatten
from cdl.train.model import Model

__all__ = ["Sequential"]


class Sequential(Model):
    """A model that is a list of layers: each one's output is the next one's input.

    Parameters
    ----------
    layers : list of Layer
    names : list of str, optional
        What the layers are called in the state, one name each; default: their positions, "0", "1", ….

    Raises
    ------
    TypeError
        If `layers` is one layer instead of a list, or an item is not a Layer (a class instead of an object, a function).
    ValueError
        For names that are not one for each layer, occur twice, or have a dot.

    Examples
    --------
    >>> import cdl
    >>> model = cdl.Sequential([cdl.Dense(16, activation="relu", in_features=4), cdl.Dense(3, in_features=16)])
    >>> model.count_parameters()
    131
    """

    def __init__(self, layers=(), names=None):
        if isinstance(layers, Layer):
            raise TypeError(f"Sequential: expected a list of layers, got {layers!r}; write Sequential([…])")
        self.layers = list(layers)
        for layer in self.layers:
            self._check(layer)
        self._names = None if names is None else _checked(list(names), len(self.layers))

    @property
    def names(self):
        """What each layer is called in the state."""
        return [str(i) for i in range(len(self.layers))] if self._names is None else list(self._names)

    @staticmethod
    def _check(layer):
        if not isinstance(layer, Layer):
            hint = ""
            if isinstance(layer, type) and issubclass(layer, Layer):
                hint = f"; write {layer.__name__}(…)"
            elif hasattr(layer, "dtype"):
                hint = ": an activation called on a value is the function; for the layer name the option, LeakyReLU(slope=0.2)"
            raise TypeError(f"Sequential: expected layers, got {layer!r}{hint}")

    def append(self, layer):
        """Put one more layer at the end."""
        self._check(layer)
        if self._names is not None:
            self._names = _checked([*self._names, str(len(self.layers))], len(self.layers) + 1)
        self.layers.append(layer)

    def forward(self, x):
        for layer in self.layers:
            x = layer.forward(x)
        return x

    def children(self):
        return zip(self.names, self.layers, strict=True)

    def fuse_parts(self, absorb, fold):
        kept = []
        for name, layer in self.children():
            if not kept or not absorb(kept[-1][1], layer):
                kept.append((name, layer))
        if self._names is not None:
            self._names = [name for name, _ in kept]
        self.layers = [layer for _, layer in kept]

    def build(self, input_shape):
        image = None
        for layer in self.layers:
            layer.build(input_shape)
            if isinstance(layer, Flatten):
                image = tuple(input_shape[1:])
            elif isinstance(layer, Dense) and image is not None:
                layer.flattened, image = image if len(image) == 3 else None, None
            input_shape = layer.output_shape(input_shape)

    def output_shape(self, input_shape):
        for layer in self.layers:
            input_shape = layer.output_shape(input_shape)
        return input_shape

    def config(self):
        return {"layers": self.layers} | ({} if self._names is None else {"names": self.names})

    def __len__(self):
        return len(self.layers)

    def __getitem__(self, index):
        if not isinstance(index, slice):
            return self.layers[index]
        return Sequential(self.layers[index], None if self._names is None else self._names[index])

    def __iter__(self):
        return iter(self.layers)

    @recursive_repr()
    def __repr__(self):
        return f"Sequential([{lines(self.layers) if self.layers else ''}])"


def _checked(names, count):
    for name in names:
        if not isinstance(name, str) or not name or "." in name or names.count(name) > 1:
            raise ValueError(f"Sequential: names must be words without a dot, each once, got {name!r} in {names}")
    if len(names) != count:
        raise ValueError(f"Sequential: expected {count} names, one for each layer, got {names}")
    return names
