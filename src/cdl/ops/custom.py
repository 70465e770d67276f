"""Ops of the user's own: a class with a forward and a backward on plain arrays."""
import copy

import numpy as np

from cdl._core.custom import as_tensor, follow, frozen
from cdl._core.tensor import Tensor

__all__ = ["Function"]


class Function:
    """An op with a gradient written by hand; subclass it with `forward` and `backward`.

    ``forward(self, *arrays, **options)`` takes the inputs as ndarrays that cannot be written to and returns one array
    of floats; what the backward needs it keeps on ``self``. ``backward(self, g)`` takes the derivative of the loss by
    that array and returns the derivative by each input: one array, or a tuple of one per input, None for none.

    Called as ``MyOp.apply(x, w, option=…)``, or as ``MyOp(setting)(x, w)`` where the class has an ``__init__``. Every
    call works on a copy of the object, so that one op may be used many times before the backward.

    Raises
    ------
    TypeError
        If `forward` returns no array of floats, or a Tensor is passed by keyword.
    ValueError
        If `backward` returns the wrong number of gradients, or one of another shape than its input.

    Examples
    --------
    >>> import cdl, numpy as np
    >>> class Cube(cdl.Function):
    ...     def forward(self, x):
    ...         self.x = x
    ...         return x ** 3
    ...     def backward(self, g):
    ...         return 3 * self.x ** 2 * g
    >>> x = cdl.Tensor([1.0, 2.0], requires_grad=True)
    >>> Cube.apply(x).sum().backward()
    >>> x.grad
    Tensor([ 3., 12.], dtype=float64)
    """

    def forward(self, *arrays, **options):
        raise NotImplementedError(f"{type(self).__name__}: define forward(self, *arrays)")

    def backward(self, g):
        raise NotImplementedError(f"{type(self).__name__}: define backward(self, g)")

    @classmethod
    def apply(cls, *inputs, **options):
        """The op on these inputs."""
        return cls()(*inputs, **options)

    def __call__(self, *inputs, **options):
        who = type(self).__name__
        if not inputs:
            raise TypeError(f"{who}: expected at least one array")
        for name, value in options.items():
            if isinstance(value, Tensor):
                raise TypeError(f"{who}: pass the Tensor {name!r} by position; by keyword it would get no gradient")
        run = copy.copy(self)
        tensors = [as_tensor(x, who) for x in inputs]
        y = run.forward(*(frozen(t) for t in tensors), **options)
        if isinstance(y, (tuple, list)):
            raise TypeError(f"{who}: forward must return one array, got {len(y)} of them; stack or concatenate them")
        y = np.asarray(y)
        if y.dtype not in (np.float32, np.float64):
            raise TypeError(f"{who}: forward must return one array of float32 or float64, got dtype {y.dtype}")
        result = follow(Tensor(y), tensors, run._gradients)
        if any(isinstance(x, Tensor) for x in inputs):
            return result
        return result.numpy() if result.ndim else result.numpy()[()]

    def _gradients(self, g, inputs):
        who = type(self).__name__
        found = self.backward(g)
        found = found if isinstance(found, (tuple, list)) else (found,)
        if len(found) != len(inputs):
            raise ValueError(f"{who}: backward must return a gradient (or None) for each of the {len(inputs)} inputs, "
                             f"got {len(found)}")
        checked = []
        for k, (dx, x) in enumerate(zip(found, inputs, strict=True)):
            if dx is not None and np.shape(dx) != x.shape:
                raise ValueError(f"{who}: backward must return a gradient of shape {x.shape} for input {k}, "
                                 f"got shape {np.shape(dx)}")
            checked.append(None if dx is None or not x.requires_grad else np.asarray(dx, x.dtype))
        return checked


METHODS = {}
NUMPY = {}
