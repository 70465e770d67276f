"""Memory for time: what a part of a network keeps for its backward is dropped, and computed again when it is needed."""
from contextlib import contextmanager

from cdl._core.custom import as_tensor, follow
from cdl._core.tape import GraphError, is_recording, no_grad
from cdl._core.tensor import Tensor
from cdl.nn.layer import Layer
from cdl.random import Draws

__all__ = ["checkpoint"]


def checkpoint(function, *inputs):
    """function(*inputs), of which nothing but the inputs is kept; its backward runs the function again.

    A network of L such blocks keeps L inputs and what one block needs, instead of what all of them need, and takes one
    forward more, about a third of a step. Results and gradients are the same: what cdl draws (dropout), from whatever
    generator, is drawn again alike, and layers are in the mode (training or use) that they were in: all inside `function`
    if it is a layer or a method of one; do not change that of others before the backward. A batch normalisation inside
    sees its batch twice, and moves its running statistics twice.

    Parameters
    ----------
    function : callable
        A layer, or a function of Tensors that returns one Tensor. Parameters that it uses get their gradients too.
    inputs
        Tensors or arrays; None is passed on.

    Returns
    -------
    Tensor

    Raises
    ------
    TypeError
        If the function returns something else than a Tensor of floats.
    RuntimeError
        In the backward, if the function reads a Tensor that was computed outside it from what has a gradient, and that
        another part of the network reads too: such a Tensor must be one of the inputs.

    Source
    ------
    Chen et al., "Training deep nets with sublinear memory cost", 2016.

    Examples
    --------
    >>> import cdl
    >>> x = cdl.Tensor([1.0, 2.0], requires_grad=True)
    >>> cdl.nn.checkpoint(lambda x: (x * x).sum(), x).backward()
    >>> x.grad
    Tensor([2., 4.], dtype=float64)
    """
    if not is_recording():
        return _checked(function(*inputs))
    draws, modes = Draws(), _modes(function)
    with no_grad(), draws.noted():
        y = _checked(function(*inputs))
    if any(y is x for x in inputs):
        y = y.copy()

    def gradients(g, _):
        again = [_leaf(x) for x in inputs]
        with draws.again(), _in_modes(modes):
            z = function(*again)
        if z.requires_grad:
            try:
                z.backward(g)
            except GraphError as error:
                raise RuntimeError("checkpoint: the function reads a Tensor that was computed outside it and goes into this "
                                   "result otherwise too; make it one of the inputs (parameters may hold parts of gradients "
                                   "now)") from error
        return [x.grad for x in again if isinstance(x, Tensor)] + [None]

    # The parameters are not among the inputs: without one that wants a gradient nothing would be recorded.
    followed = [x for x in inputs if isinstance(x, Tensor)] + [Tensor(0.0, requires_grad=True)]
    return follow(y, followed, gradients)


def _checked(y):
    if not isinstance(y, Tensor) or y.dtype.kind != "f":
        what = f"a Tensor of {y.dtype}" if isinstance(y, Tensor) else type(y).__name__
        raise TypeError(f"checkpoint: the function must return one Tensor of floats, got {what}")
    return y


def _leaf(x):
    """x as the start of a graph of its own."""
    if not isinstance(x, Tensor):
        return x
    leaf = as_tensor(x, "checkpoint").detach()
    leaf.requires_grad = x.requires_grad
    return leaf


def _modes(function):
    """(layer, whether it trains) for what is inside a layer, or the layer of a method."""
    owner = getattr(function, "__self__", function)
    return [(layer, layer.training) for layer in owner.layers_inside()] if isinstance(owner, Layer) else []


@contextmanager
def _in_modes(modes):
    before = [(layer, layer.training) for layer, _ in modes]
    try:
        for layer, training in modes:
            layer.training = training
        yield
    finally:
        for layer, training in before:
            layer.training = training
