"""A block whose input is added to its output."""
from cdl.models.sequential import Sequential
from cdl.nn.activation import FUSED, ROWWISE, check_activation
from cdl.nn.conv import Conv2D
from cdl.nn.fuse import Folded, conv_norm
from cdl.nn.layer import Layer

__all__ = ["Residual"]


class Residual(Layer):
    """activation(body(x) + shortcut(x)); without a shortcut, activation(body(x) + x).

    Parameters
    ----------
    body : Layer or list of Layer
        A list is a Sequential.
    shortcut : Layer or list of Layer, optional
        What takes the input past the body where that changes the shape, such as a Dense layer or a convolution of size
        1; default: the input itself.
    activation : str, optional
        As for `Dense`; default: none.

    Shape
    -----
    body and shortcut must give the same shape; nothing is broadcast.

    Raises
    ------
    TypeError
        If body or shortcut is no layer.
    ValueError
        For an unknown activation, or where the shapes of body and shortcut differ.

    Source
    ------
    He et al., "Deep residual learning for image recognition", 2016, equations 1 and 2; the notes, section 5.2.

    Examples
    --------
    >>> import numpy as np
    >>> import cdl
    >>> block = cdl.Residual([cdl.Dense(8, activation="relu"), cdl.Dense(4)], activation="relu")
    >>> block(np.ones((5, 4))).shape
    (5, 4)
    >>> cdl.Residual(cdl.Dense(8), shortcut=cdl.Dense(8, use_bias=False))(np.ones((5, 4))).shape
    (5, 8)
    """

    def __init__(self, body, shortcut=None, activation=None):
        check_activation(activation, "Residual")
        self.body, self.shortcut, self.activation = _layer(body, "body"), None, activation
        if shortcut is not None:
            self.shortcut = _layer(shortcut, "shortcut")
        self._activate = FUSED.get(activation) or ROWWISE.get(activation)
        self._head, self._tail, self._finish = [], None, None

    def build(self, input_shape):
        self.body.build(input_shape)
        if self.shortcut is not None:
            self.shortcut.build(input_shape)

    def forward(self, x):
        past = x if self.shortcut is None else self.shortcut.forward(x)
        if self._tail is not None:
            for layer in self._head:
                x = layer.forward(x)
            return conv_norm(self._tail, self._finish, x, added=past)
        y = self.body.forward(x)
        if y.shape != past.shape:
            self._refuse(y.shape, past.shape)
        y = y + past
        return y if self._activate is None else self._activate(y)

    def fuse_parts(self, absorb, fold):
        """A convolution at the end of the body adds the shortcut and activates while its output is in the cache."""
        body = self.body.layers if isinstance(self.body, Sequential) else [self.body]
        if body and type(body[-1]) is Conv2D and body[-1].activation is None and self.activation not in ROWWISE:
            self._head, self._tail, self._finish = body[:-1], body[-1], Folded(self.activation)

    def output_shape(self, input_shape):
        shape = self.body.output_shape(input_shape)
        past = input_shape if self.shortcut is None else self.shortcut.output_shape(input_shape)
        if tuple(shape) != tuple(past):
            self._refuse(shape, past)
        return shape

    def _refuse(self, shape, past):
        if self.shortcut is not None:
            raise ValueError(f"Residual: the body gives shape {tuple(shape)}, the shortcut {tuple(past)}; they must be equal")
        raise ValueError(f"Residual: the body gives shape {tuple(shape)} for an input of shape {tuple(past)}; keep the "
                         "shape, or give a shortcut= that makes the same one, such as a Dense layer")

    def config(self):
        return {"body": self.body, "shortcut": self.shortcut, "activation": self.activation}


def _layer(layer, name):
    if isinstance(layer, Layer):
        return layer
    if isinstance(layer, (list, tuple)):
        return Sequential(layer)
    raise TypeError(f"Residual: {name} must be a layer or a list of layers, got {layer!r}")
