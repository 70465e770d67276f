"""Gradient descent, plain and with momentum."""
from cdl.optim.base import Optimizer, option

__all__ = ["SGD", "Momentum"]


class SGD(Optimizer):
    """Stochastic gradient descent.

    With gradient g::

        p = p - lr g                                        without momentum
        m = momentum m + g,  p = p - lr m                   with momentum
        m = momentum m + g,  p = p - lr (g + momentum m)    with Nesterov's rule

    The momentum is not damped: the first step is lr g, not lr (1 - momentum) g. As in torch the step size stands outside
    the momentum, so a new lr takes hold at once; the paper, Keras and TensorFlow have it inside, m = momentum m - lr g.
    While lr stays the same the two are equal.

    Parameters
    ----------
    params : list of Tensor or ndarray, or of groups
        What is trained. Tensors for `step()`, which reads their `.grad`; arrays for `update(params, grads)`.
    lr : float above 0, or a schedule
        The step size.
    momentum : float in [0, 1)
    nesterov : bool
        Look ahead along the momentum; needs momentum > 0.
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
    Polyak, "Some methods of speeding up the convergence of iteration methods", 1964; Sutskever et al., "On the importance
    of initialization and momentum in deep learning", 2013, equations 1 to 4; the notes, sections 1.2 and 4.2.

    Examples
    --------
    >>> import cdl
    >>> w = cdl.Tensor([1.0], requires_grad=True)
    >>> optimizer = cdl.SGD([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> round(w.item(), 6)
    0.8
    """

    momentum = option("momentum")

    def __init__(self, params, lr=0.01, momentum=0.0, *, nesterov=False, weight_decay=0.0, decoupled=False,
                 clip_norm=None, clip_value=None):
        options = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay, "decoupled": decoupled}
        super().__init__(params, "sgd", options, variant=nesterov, clip_norm=clip_norm, clip_value=clip_value)
        if nesterov and not any(group["momentum"] or "momentum" in group.schedules for group in self.groups):
            raise ValueError(f"{type(self).__name__}: Nesterov's rule needs momentum > 0")


class Momentum(SGD):
    """`SGD` with momentum 0.9, by its name in the notes.

    Parameters as `SGD`.

    Source
    ------
    The notes, section 4.2.

    Examples
    --------
    >>> import cdl
    >>> cdl.Momentum([cdl.Tensor([1.0], requires_grad=True)])
    Momentum(lr=0.01, momentum=0.9)
    """

    def __init__(self, params, lr=0.01, momentum=0.9, *, nesterov=False, weight_decay=0.0, decoupled=False,
                 clip_norm=None, clip_value=None):
        super().__init__(params, lr, momentum, nesterov=nesterov, weight_decay=weight_decay, decoupled=decoupled,
                         clip_norm=clip_norm, clip_value=clip_value)
