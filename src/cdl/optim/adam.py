"""Adam and AdamW: a step per parameter, sized by what its gradients have been."""
from cdl.optim.base import Optimizer, option

__all__ = ["Adam", "AdamOptimizer", "AdamW"]


class Adam(Optimizer):
    """Adaptive moment estimation.

    For update t, with gradient g::

        m = beta1 m + (1 - beta1) g             m_hat = m / (1 - beta1**t)
        v = beta2 v + (1 - beta2) g**2          v_hat = v / (1 - beta2**t)
        p = p - lr m_hat / (sqrt(v_hat) + eps)

    Both moments are bias-corrected, and eps stands outside the root, beside the corrected one. (TensorFlow before Keras 3
    and the paper's faster form add it to the uncorrected root.) With amsgrad, v_hat is that of the largest v so far:
    top = max(top, v), v_hat = top / (1 - beta2**t). The paper of AMSGrad has no bias correction; this is torch's and
    Keras's form.

    Parameters
    ----------
    params : list of Tensor or ndarray, or of groups
        What is trained. Tensors for `step()`, which reads their `.grad`; arrays for `update(params, grads)`.
    lr : float above 0, or a schedule
        The step size.
    beta1, beta2 : float in [0, 1)
        How much of the moments is kept.
    eps : float
        Keeps the division finite, ≥ 0.
    amsgrad : bool
        Whether the step never grows again where gradients were once large.
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
    Kingma and Ba, "Adam: a method for stochastic optimization", 2015, algorithm 1; Reddi, Kale and Kumar, "On the
    convergence of Adam and beyond", 2018, algorithm 2; the notes, section 4.2.

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

    beta1, beta2, eps = option("beta1"), option("beta2"), option("eps")

    def __init__(self, params, lr=0.001, beta1=0.9, beta2=0.999, eps=1e-8, *, weight_decay=0.0, decoupled=False,
                 amsgrad=False, clip_norm=None, clip_value=None):
        options = {"lr": lr, "beta1": beta1, "beta2": beta2, "eps": eps, "weight_decay": weight_decay,
                   "decoupled": decoupled}
        super().__init__(params, "adam", options, variant=amsgrad, clip_norm=clip_norm, clip_value=clip_value)


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
    AdamW(lr=0.001, beta1=0.9, beta2=0.999, eps=1e-08, weight_decay=0.1, decoupled=True)
    """

    def __init__(self, params, lr=0.001, beta1=0.9, beta2=0.999, eps=1e-8, *, weight_decay=0.01, amsgrad=False,
                 clip_norm=None, clip_value=None):
        super().__init__(params, lr, beta1, beta2, eps, weight_decay=weight_decay, decoupled=True, amsgrad=amsgrad,
                         clip_norm=clip_norm, clip_value=clip_value)
