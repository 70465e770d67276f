"""Gradients as a function, and a check of them against differences."""
import numpy as np

from cdl._core.tensor import Tensor

__all__ = ["GradientError", "gradcheck", "value_and_grad"]


class GradientError(AssertionError):
    """A gradient differs from the central difference, or an argument was changed."""


def value_and_grad(f, params):
    """The value of f(params) and its gradient by each parameter.

    Parameters
    ----------
    f : callable
        Takes `params` as they are given, with Tensors for the arrays, and returns a Tensor of one element.
    params : array_like, or a list, tuple or dict of them
        Left as they are: their `.grad` is neither read nor written.

    Returns
    -------
    value : Tensor or float
    grads : like `params`
        Tensors if one of the parameters is, else ndarrays; zeros for a parameter that f does not use.

    Raises
    ------
    TypeError
        If f does not return a Tensor computed from its argument.

    Examples
    --------
    >>> import cdl, numpy as np
    >>> value, grad = cdl.value_and_grad(lambda w: (w * w).sum(), np.array([1.0, 2.0]))
    >>> float(value), grad
    (5.0, array([2., 4.]))
    """
    leaves = []

    def leaf(x):
        t = x.detach() if isinstance(x, Tensor) else Tensor(x)
        t.requires_grad = True
        leaves.append(t)
        return t
    y = f(_rebuilt(params, leaf))
    if not isinstance(y, Tensor):
        raise TypeError(f"value_and_grad: f must return a Tensor, got {type(y).__name__}")
    if y.requires_grad:
        y.backward()
    as_tensors = _any_tensor(params)
    remaining = iter(leaves)

    def gradient(_):
        t = next(remaining)
        g = t.grad if t.grad is not None else Tensor(np.zeros(t.shape, t.dtype))
        return g if as_tensors else g.numpy()
    return (y.detach() if as_tensors else y.item()), _rebuilt(params, gradient)


def _rebuilt(params, change):
    if isinstance(params, dict):
        return {name: _rebuilt(x, change) for name, x in params.items()}
    if isinstance(params, (list, tuple)):
        return type(params)([_rebuilt(x, change) for x in params])
    return change(params)


def _any_tensor(params):
    if isinstance(params, dict):
        params = list(params.values())
    return any(map(_any_tensor, params)) if isinstance(params, (list, tuple)) else isinstance(params, Tensor)


def gradcheck(f, inputs, *, step=1e-6, rtol=1e-5, atol=1e-7, places=500, seed=0):
    """Compare the gradient that `backward` computes for f with central differences in float64.

    For a random weight W of f's result and each element x: (L(x + h) - L(x - h)) / 2h against dL/dx, L = sum(W f(x)).

    Parameters
    ----------
    f : callable
        Takes Tensors, one per input, and returns a Tensor or a tuple of Tensors. It must compute the same each time.
    inputs : array_like or sequence of array_like
        Floats are checked, as float64; integers and booleans are passed on. Keep them off kinks (a relu at 0).
    step : float
        h, times max(1, abs(x)).
    rtol, atol : float
        A place is wrong if abs(difference) > atol + rtol * abs(expected).
    places : int
        At most so many elements of an input are checked, chosen at random.
    seed : int

    Returns
    -------
    bool
        True.

    Raises
    ------
    GradientError
        Naming the place that is most wrong; or if f changed an argument.
    TypeError
        If f returns no Tensor.

    Examples
    --------
    >>> import cdl, numpy as np
    >>> cdl.gradcheck(lambda x: x * x, [np.array([1.0, -2.0])])
    True
    """
    arrays = list(inputs) if isinstance(inputs, (list, tuple)) else [inputs]
    arrays = [np.array(x) for x in arrays]
    arrays = [x.astype(np.float64) if x.dtype.kind == "f" else x for x in arrays]
    rng = np.random.default_rng(seed)
    tensors = [Tensor(x, requires_grad=x.dtype.kind == "f") for x in arrays]
    outputs = _outputs(f, tensors)
    weights = [rng.standard_normal(y.shape) for y in outputs]
    recorded = [(y, w) for y, w in zip(outputs, weights, strict=True) if y.requires_grad]
    for k, (y, w) in enumerate(recorded):
        y.backward(w, retain_graph=k + 1 < len(recorded))
    for k, (t, x) in enumerate(zip(tensors, arrays, strict=True)):
        if t.numpy().tobytes() != x.tobytes():
            raise GradientError(f"gradcheck: f or its backward changed input {k}")

    def total(k, place, value):
        moved = [x.copy() for x in arrays]
        moved[k].flat[place] = value
        return sum(float((y.numpy() * w).sum()) for y, w in zip(_outputs(f, map(Tensor, moved)), weights, strict=True))

    worst = (0.0, None)
    for k, x in enumerate(arrays):
        if x.dtype.kind != "f":
            continue
        found = np.zeros(x.shape) if tensors[k].grad is None else tensors[k].grad.numpy()
        for place in rng.permutation(x.size)[:places]:
            h = step * max(1.0, abs(x.flat[place]))
            up, down = x.flat[place] + h, x.flat[place] - h
            expected = (total(k, place, up) - total(k, place, down)) / (up - down)
            got = found.flat[place]
            excess = abs(got - expected) / (atol + rtol * abs(expected))
            excess = excess if np.isfinite(excess) else np.inf
            if excess > max(worst[0], 1.0):
                worst = (excess, (k, np.unravel_index(place, x.shape), got, expected))
    if worst[1] is not None:
        k, place, got, expected = worst[1]
        raise GradientError(f"gradcheck: the gradient of input {k} at {tuple(map(int, place))} is {got:.9g}, central "
                            f"differences give {expected:.9g}")
    return True


def _outputs(f, tensors):
    y = f(*tensors)
    outputs = list(y) if isinstance(y, (tuple, list)) else [y]
    for one in outputs:
        if not isinstance(one, Tensor):
            raise TypeError(f"gradcheck: f must return Tensors, got {type(one).__name__}")
    return outputs
