"""RMSprop: each parameter's gradient divided by its usual size."""
from cdl.optim.base import Optimizer, option

__all__ = ["RMSprop"]


class RMSprop(Optimizer):
    """Gradients divided by a running root mean square.

    With gradient g::

        v = rho v + (1 - rho) g**2
        step = g / (sqrt(v) + eps)
        p = p - lr step                             without momentum
        m = momentum m + step,  p = p - lr m        with momentum

    Centred, the variance stands in place of the mean square: mean = rho mean + (1 - rho) g, and sqrt(v - mean**2) + eps
    is the divisor, where a difference below 0, which only rounding makes, counts as 0. Nothing is bias-corrected: the
    first step is about lr / sqrt(1 - rho). eps stands outside the root, as in torch and Keras 3; older Keras and
    TensorFlow have it inside.

    Parameters
    ----------
    params : list of Tensor or ndarray, or of groups
        What is trained. Tensors for `step()`, which reads their `.grad`; arrays for `update(params, grads)`.
    lr : float above 0, or a schedule
        The step size.
    rho : float in [0, 1)
        How much of the running means is kept; torch calls it alpha, and has 0.99.
    eps : float
        Keeps the division finite, ≥ 0.
    momentum : float in [0, 1)
    centred : bool
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
    Hinton, "Neural networks for machine learning", lecture 6e, 2012; centred: Graves, "Generating sequences with recurrent
    neural networks", 2013, equations 38 to 45, without its eps under the root; the notes, section 4.2.

    Examples
    --------
    >>> import cdl
    >>> w = cdl.Tensor([1.0], requires_grad=True)
    >>> optimizer = cdl.RMSprop([w], lr=0.01)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> round(w.item(), 4)
    0.9684
    """

    rho, eps, momentum = option("rho"), option("eps"), option("momentum")

    def __init__(self, params, lr=0.001, rho=0.9, eps=1e-8, *, momentum=0.0, centred=False, weight_decay=0.0,
                 decoupled=False, clip_norm=None, clip_value=None):
        options = {"lr": lr, "rho": rho, "eps": eps, "momentum": momentum, "weight_decay": weight_decay,
                   "decoupled": decoupled}
        super().__init__(params, "rmsprop", options, variant=centred, clip_norm=clip_norm, clip_value=clip_value)
