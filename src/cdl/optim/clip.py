"""Gradients held within bounds, before the optimizer sees them."""
from cdl._core.optim import clip_gradients

__all__ = ["clip_grad_norm", "clip_grad_value"]


def clip_grad_norm(parameters, max_norm):
    """Scale all gradients together, in place, so that their common Euclidean norm is at most max_norm::

        norm = sqrt(Σ g²) over all elements of all gradients
        g = g max_norm / norm       where norm > max_norm

    The sum is taken in float64. Optimizers do the same without the pass that writes the gradients: `clip_norm=`.

    Parameters
    ----------
    parameters : list of Tensor or ndarray
        Tensors, whose `.grad` is changed (those without one are passed over), or arrays of gradients.
    max_norm : float above 0

    Returns
    -------
    float
        The norm before.

    Raises
    ------
    FloatingPointError
        If the norm is NaN or infinite. Nothing is changed.
    TypeError, ValueError
        For what is not a list of Tensors or writable arrays, one given twice, or max_norm out of its range.

    Source
    ------
    Pascanu, Mikolov and Bengio, "On the difficulty of training recurrent neural networks", 2013, algorithm 1. torch
    divides by norm + 1e-6.

    Examples
    --------
    >>> import numpy as np
    >>> import cdl
    >>> w = cdl.Tensor(np.zeros(2), requires_grad=True)
    >>> w.grad = np.array([3.0, 4.0])
    >>> cdl.clip_grad_norm([w], 1.0)
    5.0
    >>> w.grad.numpy().round(3).tolist()
    [0.6, 0.8]
    """
    return clip_gradients(parameters, max_norm, None, "clip_grad_norm")


def clip_grad_value(parameters, limit):
    """Hold every element of the gradients, in place, within -limit and limit. NaN stays NaN.

    Optimizers do the same without a pass of its own: `clip_value=`.

    Parameters
    ----------
    parameters : list of Tensor or ndarray
        Tensors, whose `.grad` is changed (those without one are passed over), or arrays of gradients.
    limit : float above 0

    Raises
    ------
    TypeError, ValueError
        For what is not a list of Tensors or writable arrays, one given twice, or a limit out of its range.

    Examples
    --------
    >>> import numpy as np
    >>> import cdl
    >>> g = np.array([0.5, -3.0])
    >>> cdl.clip_grad_value([g], 1.0)
    >>> g.tolist()
    [0.5, -1.0]
    """
    clip_gradients(parameters, None, limit, "clip_grad_value")
