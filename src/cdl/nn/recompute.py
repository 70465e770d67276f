"""Memory for time: what a part of a network keeps for its backward is dropped, and computed again when it is needed."""
from cdl._core.custom import as_tensor, follow
from cdl._core.tape import is_recording, no_grad
from cdl._core.tensor import Tensor
from cdl.nn.layer import Layer
from cdl.random import generator

__all__ = ["checkpoint"]


def checkpoint(function, *inputs):
    """function(*inputs), of which nothing but the inputs is kept; its backward runs the function again.

    A network of L such blocks keeps L inputs and what one block needs, instead of what all of them need, and takes one
    forward more, about a third of a step. Results and gradients are the same: what is drawn (dropout) is drawn again
    alike. A batch normalisation inside sees its batch twice, and moves its running statistics twice.

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
    draws = [generator(), *_own_generators(function)]
    states = [rng.bit_generator.state for rng in draws]
    with no_grad():
        y = _checked(function(*inputs))
    if any(y is x for x in inputs):
        y = y.copy()

    def gradients(g, _):
        before = [rng.bit_generator.state for rng in draws]
        _set_states(draws, states)
        try:
            again = [_leaf(x) for x in inputs]
            z = function(*again)
        finally:
            _set_states(draws, before)
        if z.requires_grad:
            z.backward(g)
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


def _own_generators(function):
    """The generators that the layers of a layer, or of a method of one, draw from, where these are not the library's."""
    owner = getattr(function, "__self__", function)
    layers = owner.layers_inside() if isinstance(owner, Layer) else ()
    found = (getattr(layer, "_rng", None) for layer in layers)
    return list({id(rng): rng for rng in found if hasattr(rng, "bit_generator")}.values())


def _set_states(draws, states):
    for rng, state in zip(draws, states, strict=True):
        rng.bit_generator.state = state
