"""Gradient descent, plain and with momentum."""
from cdl._core.optim import FusedSGD

__all__ = ["SGD"]


class SGD(FusedSGD):
    """Stochastic gradient descent.

    With d = g + weight_decay p::

        p = p - lr d                                        without momentum
        m = momentum m + d,  p = p - lr m                   with momentum
        m = momentum m + d,  p = p - lr (d + momentum m)    with Nesterov's rule

    The momentum is not damped: the first step is lr g, not lr (1 - momentum) g.

    Parameters
    ----------
    params : list of Tensor or ndarray
        What is trained. Tensors for `step()`, which reads their `.grad`; arrays for `update(params, grads)`.
    lr : float
        The step size, ≥ 0. The attribute `lr` may be changed between steps.
    momentum : float in [0, 1)
    nesterov : bool
        Look ahead along the momentum; needs momentum > 0.
    weight_decay : float
        λ of a penalty ½ λ Σp², added to the gradient (coupled).

    Raises
    ------
    ValueError
        For numbers out of their range.
    TypeError
        For parameters that are not floats.

    Source
    ------
    Sutskever et al., "On the importance of initialization and momentum in deep learning", 2013, with the step size
    outside the momentum; the notes, section 1.2.

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

    def __init__(self, params, lr=0.01, momentum=0.0, *, nesterov=False, weight_decay=0.0):
        super().__init__(params, lr, momentum, nesterov, weight_decay)

    def __repr__(self):
        extra = f", momentum={self.momentum:g}" if self.momentum else ""
        return f"SGD(lr={self.lr:g}{extra}{', nesterov=True' if self.nesterov else ''})"
