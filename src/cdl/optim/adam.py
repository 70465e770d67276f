"""Adam and AdamW: a step per parameter, sized by what its gradients have been."""
from cdl._core.optim import FusedAdam

__all__ = ["Adam", "AdamOptimizer", "AdamW"]


class Adam(FusedAdam):
    """Adaptive moment estimation.

    For update t, with gradient g::

        m = beta1 m + (1 - beta1) g             m_hat = m / (1 - beta1**t)
        v = beta2 v + (1 - beta2) g**2          v_hat = v / (1 - beta2**t)
        p = p - lr m_hat / (sqrt(v_hat) + eps)

    Both moments are bias-corrected, and eps stands outside the root, beside the corrected one.

    Parameters
    ----------
    params : list of Tensor or ndarray
        What is trained. Tensors for `step()`, which reads their `.grad`; arrays for `update(params, grads)`.
    lr : float
        The step size, ≥ 0. The attribute `lr` may be changed between steps.
    beta1, beta2 : float in [0, 1)
        How much of the moments is kept.
    eps : float
        Keeps the division finite, ≥ 0.
    weight_decay : float
        λ of a penalty ½ λ Σp², added to the gradient (coupled; for the decoupled form see `AdamW`).

    Raises
    ------
    ValueError
        For numbers out of their range.
    TypeError
        For parameters that are not floats.

    Source
    ------
    Kingma and Ba, "Adam: a method for stochastic optimization", 2015, algorithm 1; the notes, section 4.2.

    Examples
    --------
    >>> import cdl
    >>> w = cdl.Tensor([1.0], requires_grad=True)
    >>> optimizer = cdl.Adam([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> round(w.item(), 6)
    0.9
    """

    def __init__(self, params, lr=0.001, beta1=0.9, beta2=0.999, eps=1e-8, *, weight_decay=0.0):
        super().__init__(params, lr, beta1, beta2, eps, weight_decay, 0.0)

    def __repr__(self):
        return f"{type(self).__name__}(lr={self.lr:g}, beta1={self.beta1:g}, beta2={self.beta2:g}, eps={self.eps:g})"


AdamOptimizer = Adam


class AdamW(Adam):
    """Adam with decoupled weight decay: p is first multiplied by 1 - lr weight_decay, and the moments never see it.

    Parameters as `Adam`; weight_decay is λ of the decoupled rule.

    Source
    ------
    Loshchilov and Hutter, "Decoupled weight decay regularization", 2019, algorithm 2, with the schedule multiplier 1
    and λ scaled by lr, as most libraries have it.

    Examples
    --------
    >>> import cdl
    >>> cdl.AdamW([cdl.Tensor([1.0], requires_grad=True)], weight_decay=0.1)
    AdamW(lr=0.001, beta1=0.9, beta2=0.999, eps=1e-08)
    """

    def __init__(self, params, lr=0.001, beta1=0.9, beta2=0.999, eps=1e-8, *, weight_decay=0.01):
        FusedAdam.__init__(self, params, lr, beta1, beta2, eps, 0.0, weight_decay)
