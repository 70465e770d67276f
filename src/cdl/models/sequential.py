"""Layers one after another."""
from reprlib import recursive_repr

from cdl.nn.layer import Layer, lines
from cdl.train.model import Model

__all__ = ["Sequential"]


class Sequential(Model):
    """A model that is a list of layers: each one's output is the next one's input.

    Parameters
    ----------
    layers : list of Layer

    Raises
    ------
    TypeError
        If `layers` is one layer instead of a list, or an item is not a Layer (a class instead of an object, a function).

    Examples
    --------
    >>> import cdl
    >>> model = cdl.Sequential([cdl.Dense(16, activation="relu", in_features=4), cdl.Dense(3, in_features=16)])
    >>> model.count_parameters()
    131
    """

    def __init__(self, layers=()):
        if isinstance(layers, Layer):
            raise TypeError(f"Sequential: expected a list of layers, got {layers!r}; write Sequential([…])")
        self.layers = list(layers)
        for layer in self.layers:
            self._check(layer)

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
        self.layers.append(layer)

    def forward(self, x):
        for layer in self.layers:
            x = layer.forward(x)
        return x

    def children(self):
        return ((str(i), layer) for i, layer in enumerate(self.layers))

    def build(self, input_shape):
        for layer in self.layers:
            layer.build(input_shape)
            input_shape = layer.output_shape(input_shape)

    def output_shape(self, input_shape):
        for layer in self.layers:
            input_shape = layer.output_shape(input_shape)
        return input_shape

    def config(self):
        return {"layers": self.layers}

    def __len__(self):
        return len(self.layers)

    def __getitem__(self, index):
        return Sequential(self.layers[index]) if isinstance(index, slice) else self.layers[index]

    def __iter__(self):
        return iter(self.layers)

    @recursive_repr()
    def __repr__(self):
        return f"Sequential([{lines(self.layers) if self.layers else ''}])"
