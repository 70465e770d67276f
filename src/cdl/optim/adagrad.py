"""Adagrad: steps that shrink with all the gradients there have been."""
from cdl.optim.base import Optimizer, option

__all__ = ["Adagrad"]


class Adagrad(Optimizer):
    """Gradients divided by the root of the sum of their squares so far.

    With gradient g::

        s = s + g**2
        p = p - lr g / (sqrt(s) + eps)

    s starts at `start`: 0 here and in torch, 0.1 in Keras and TensorFlow, where the first steps are smaller. eps stands
    outside the root, as in the paper and torch; Keras has it inside. torch's lr_decay is a schedule here.

    Parameters
    ----------
    params : list of Tensor or ndarray, or of groups
        What is trained. Tensors for `step()`, which reads their `.grad`; arrays for `update(params, grads)`.
    lr : float above 0, or a schedule
        The step size.
    eps : float
        Keeps the division finite, ≥ 0.
    start : float, 0 or more
        The value of s before the first update.
    weight_decay, decoupled, clip_norm, clip_value
        As `cdl.optim.Optimizer` says, which also has the parameter groups and the schedules.

    Raises
    ------
    ValueError
        For numbers out of their range, or a parameter given twice.
    TypeError
        For parameters that are not floats.

    Source
    ------
    Duchi, Hazan and Singer, "Adaptive subgradient methods for online learning and stochastic optimization", 2011, the
    diagonal form of figure 1.

    Examples
    --------
    >>> import cdl
    >>> w = cdl.Tensor([1.0], requires_grad=True)
    >>> optimizer = cdl.Adagrad([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> round(w.item(), 6)
    0.9
    """

    eps = option("eps")

    def __init__(self, params, lr=0.01, eps=1e-10, *, start=0.0, weight_decay=0.0, decoupled=False, clip_norm=None,
                 clip_value=None):
        if not 0 <= start < float("inf"):
            raise ValueError(f"{type(self).__name__}: start must be 0 or more and finite, got {start}")
        options = {"lr": lr, "eps": eps, "weight_decay": weight_decay, "decoupled": decoupled}
        super().__init__(params, "adagrad", options, start=start, clip_norm=clip_norm, clip_value=clip_value)
