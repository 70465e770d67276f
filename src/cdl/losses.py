"""Losses: how far predictions are from the truth, as one number to be made small. All take (y_true, y_pred).

The mean of every loss is the sum divided by the number of elements it is taken over or, where there are sample weights,
by the sum of the weights of these elements; it is 0 where they are all 0.
"""
import numpy as np

from cdl._core import check
from cdl._core.kernels import LOSS
from cdl._core.loss import loss as fused
from cdl._core.tensor import Tensor
from cdl.nn.layer import Layer
from cdl.nn.weights import named_weights
from cdl.ops import abs, clip, cross_entropy, log, log_softmax, mean, sqrt, square, sum, where

__all__ = ["binary_cross_entropy", "cosine_loss", "cross_entropy", "hinge", "huber", "kl_divergence", "l1_penalty",
           "l2_penalty", "mae", "mse"]

_SHORT = 1e-16      # the square of the length below which a vector has no direction
_TINY = 1e-15       # a probability is held above it before its logarithm is taken


def mse(y_true, y_pred, *, sample_weight=None, reduction="mean"):
    """Mean squared error, mean((y_true - y_pred)²).

    Parameters
    ----------
    y_true, y_pred : array_like or Tensor
        Of the same shape.
    sample_weight : array_like, optional
        Factors, 0 or more, of the first axes of what is reduced: one for each sample, (N,), or one for each element.
    reduction : {"mean", "sum", "none"}
        The mean over all elements (with weights: their weighted mean), the sum, or every element for itself.

    Returns
    -------
    Tensor or NumPy value
        Without axes, or of the inputs' shape with "none"; in the precision of y_pred.

    Raises
    ------
    ValueError
        If the shapes differ ((N,) against (N, 1) is a mistake that broadcasting would hide), a target is NaN, or the
        weights are of another shape, negative or not finite.

    Source
    ------
    The notes, section 2.3.

    Examples
    --------
    >>> import cdl
    >>> float(cdl.mse([1.0, 2.0], [1.0, 4.0]))
    2.0
    >>> float(cdl.mse([1.0, 2.0], [1.0, 4.0], sample_weight=[3, 1]))
    1.0
    """
    return _each("mse", "mse", y_true, y_pred, sample_weight, reduction)


def mae(y_true, y_pred, *, sample_weight=None, reduction="mean"):
    """Mean absolute error, mean(|y_true - y_pred|); its derivative where they are equal is 0.

    Parameters, Returns and Raises as `mse`.

    Examples
    --------
    >>> import cdl
    >>> float(cdl.mae([1.0, 2.0], [1.0, 4.0]))
    1.0
    """
    return _each("mae", "mae", y_true, y_pred, sample_weight, reduction)


def huber(y_true, y_pred, *, delta=1.0, sample_weight=None, reduction="mean"):
    """Mean of e² / 2 where |e| ≤ delta, else delta (|e| - delta / 2), with e = y_true - y_pred.

    Parameters, Returns and Raises as `mse`, and:

    Parameters
    ----------
    delta : float
        Where the loss goes over from the square to the straight line, > 0.

    Source
    ------
    Huber, "Robust estimation of a location parameter", 1964, eq. 3.1.

    Examples
    --------
    >>> import cdl
    >>> cdl.huber([0.0, 0.0], [1.0, 3.0], reduction="none")
    array([0.5, 2.5])
    """
    if not 0 < check.number(delta, "huber", "delta") < float("inf"):
        raise ValueError(f"huber: delta must be positive and finite, got {delta}")
    return _each("huber", "huber", y_true, y_pred, sample_weight, reduction, delta)


def binary_cross_entropy(y_true, y_pred, *, from_logits=False, label_smoothing=0.0, sample_weight=None, reduction="mean",
                         epsilon=1e-15):
    """Cross-entropy of yes-or-no labels, -mean(y_true log(p) + (1 - y_true) log(1 - p)), p = y_pred off 0 and 1.

    Natural logarithms. p is y_pred clipped to [e, 1 - e], where e is `epsilon` but at least the distance from 1 to the
    number below it (6e-8 in float32), since a smaller one would leave 1 - e = 1 and the loss infinite. From logits z,
    p = sigmoid(z), the loss is y_true log(1 + exp(-z)) + (1 - y_true) log(1 + exp(z)), exact for any size of z.

    Parameters
    ----------
    y_true : array_like or Tensor
        Labels in [0, 1].
    y_pred : array_like or Tensor
        Probabilities, of the same shape; with `from_logits` any numbers.
    from_logits : bool
        Whether y_pred is what a sigmoid would make probabilities of.
    label_smoothing : float
        0 to 1: y_true becomes (1 - label_smoothing) y_true + label_smoothing / 2, as `cross_entropy` has it with two classes.
    sample_weight, reduction
        As for `mse`.
    epsilon : float
        How near to 0 and 1 a probability is taken seriously, in (0, ½).

    Raises
    ------
    ValueError
        If the shapes differ, labels or probabilities lie outside [0, 1], a label is NaN, weights do not fit, or epsilon or
        label_smoothing is out of range.

    Source
    ------
    The notes, section 2.3.

    Examples
    --------
    >>> import cdl
    >>> round(float(cdl.binary_cross_entropy([1.0, 0.0], [0.9, 0.1])), 4)
    0.1054
    >>> float(cdl.binary_cross_entropy([1.0], [-1000.0], from_logits=True))
    1000.0
    """
    who = "binary_cross_entropy"
    if not 0 < check.number(epsilon, who, "epsilon") < 0.5:
        raise ValueError(f"{who}: epsilon must be in (0, 0.5), got {epsilon}")
    if not 0 <= check.number(label_smoothing, who, "label_smoothing") <= 1:
        raise ValueError(f"{who}: label_smoothing must be 0 to 1, got {label_smoothing}")
    check.probabilities(y_true, who, "y_true")
    if label_smoothing:
        y_true = (y_true if isinstance(y_true, Tensor) else np.asarray(y_true)) * (1 - label_smoothing) + label_smoothing / 2
    if from_logits:
        return _each(who, "binary_logits", y_true, y_pred, sample_weight, reduction)
    check.probabilities(y_pred, who, "y_pred", nan=True)
    y_pred = y_pred if isinstance(y_pred, Tensor) else np.asarray(y_pred)
    epsilon = max(epsilon, 2.0 ** (-53 if y_pred.dtype == np.float64 else -24))
    return _each(who, "binary", y_true, y_pred, sample_weight, reduction, epsilon)


def kl_divergence(y_true, y_pred, *, from_logits=False, sample_weight=None, reduction="mean"):
    """How far the distribution y_pred is from y_true, sum_c t_c (log t_c - log p_c) over the last axis, mean over rows.

    Natural logarithms; 0 log 0 is 0.

    Parameters
    ----------
    y_true : array_like or Tensor
        Probabilities (…, classes).
    y_pred : array_like or Tensor
        Probabilities of the same shape, which are held above 1e-15; with `from_logits` scores of which a softmax would
        make probabilities.
    sample_weight, reduction
        As for `mse`, over rows: one weight a row.

    Raises
    ------
    ValueError
        If the shapes differ or have no axis, or probabilities lie outside [0, 1] or are NaN.

    Source
    ------
    Kullback and Leibler, "On information and sufficiency", 1951.

    Examples
    --------
    >>> import cdl
    >>> round(float(cdl.kl_divergence([[1.0, 0.0]], [[0.5, 0.5]])), 4)
    0.6931
    """
    y_true, y_pred = _vectors(y_true, y_pred, "kl_divergence")
    check.probabilities(y_true, "kl_divergence", "y_true")
    if from_logits:
        log_p = log_softmax(y_pred)
    else:
        check.probabilities(y_pred, "kl_divergence", "y_pred", nan=True)
        log_p = log(clip(y_pred, _TINY))
    each = sum(y_true * (log(clip(y_true, _TINY)) - log_p), axis=-1)
    return _reduce(each, sample_weight, reduction, "kl_divergence")


def hinge(y_true, y_pred, *, sample_weight=None, reduction="mean"):
    """Mean of max(0, 1 - y_true y_pred), for labels -1 and 1 and scores of any size.

    Parameters, Returns and Raises as `mse`, and:

    Raises
    ------
    ValueError
        For labels that are neither -1 nor 1; of labels 0 and 1, 2 * y - 1 makes them.

    Source
    ------
    Cortes and Vapnik, "Support-vector networks", 1995.

    Examples
    --------
    >>> import cdl
    >>> cdl.hinge([1.0, -1.0], [0.25, -3.0], reduction="none")
    array([0.75, 0.  ])
    """
    labels = np.asarray(y_true)
    check.require(labels, (labels == 1) | (labels == -1), "hinge", "y_true", "hold labels -1 and 1 (2 * y - 1 of 0 and 1)")
    return _each("hinge", "hinge", y_true, y_pred, sample_weight, reduction)


def cosine_loss(y_true, y_pred, *, sample_weight=None, reduction="mean"):
    """1 - cos of the angle between the vectors y_true and y_pred along the last axis, mean over them.

    0 where they point the same way, 2 where opposite ways, and 1, without a gradient, where one is shorter than 1e-8.

    Parameters
    ----------
    y_true, y_pred : array_like or Tensor
        Vectors (…, D), such as embeddings, of the same shape.
    sample_weight, reduction
        As for `mse`, over vectors: one weight a vector.

    Raises
    ------
    ValueError
        As `mse`, and if there is no axis.

    Examples
    --------
    >>> import cdl
    >>> cdl.cosine_loss([[1.0, 0.0], [1.0, 0.0]], [[2.0, 0.0], [0.0, 3.0]], reduction="none")
    array([0., 1.])
    """
    y_true, y_pred = _vectors(y_true, y_pred, "cosine_loss")
    check.no_nan(y_true, "cosine_loss", "y_true")
    squares = [sum(square(y), axis=-1) for y in (y_true, y_pred)]
    lengths = [sqrt(clip(s, _SHORT)) for s in squares]
    short = (np.asarray(squares[0]) < _SHORT) | (np.asarray(squares[1]) < _SHORT)
    each = 1 - where(short, 0, sum(y_true * y_pred, axis=-1) / (lengths[0] * lengths[1]))
    return _reduce(each, sample_weight, reduction, "cosine_loss")


# --- penalties, to be added to a loss ---------------------------------------------------------------------------------
def l1_penalty(params, strength):
    """strength * sum(|w|) over all numbers of the parameters: pulls weights to 0, many of them nearly all the way.

    For zeros that are exact: `cdl.callbacks.SoftThreshold`.

    Parameters
    ----------
    params : Layer, Tensor, or iterable of Tensors
        Of a layer or model its weights: the trained parameters of two axes or more, so neither biases nor the scales and
        shifts of normalisations. Tensors count as they are given; `model.parameters()` are all.
    strength : float
        λ, 0 or more.

    Returns
    -------
    Tensor or NumPy value, without axes

    Raises
    ------
    ValueError
        If there are no parameters, or the strength is negative or NaN.
    RuntimeError
        For a layer that does not know its sizes yet.

    Examples
    --------
    >>> import cdl
    >>> w = cdl.Tensor([1.0, -3.0], requires_grad=True)
    >>> float(cdl.l1_penalty([w], 0.5))
    2.0
    """
    return _penalty(abs, params, strength, "l1_penalty")


def l2_penalty(params, strength):
    """strength * sum(w²) over all numbers of the parameters; its gradient is 2 strength w.

    An optimizer's weight_decay of 2 strength, not decoupled, takes the same steps without a pass of its own, but for biases
    and normalisations too unless they are in a group of their own.

    Parameters, Returns and Raises as `l1_penalty`.

    Source
    ------
    The notes, section 7.2.

    Examples
    --------
    As a part of what a model is fitted with:

    >>> import numpy as np
    >>> import cdl
    >>> model = cdl.Sequential([cdl.Dense(1)])
    >>> history = model.fit(np.ones((8, 2)), np.ones((8, 1)), loss="mse", progress=False,
    ...                     penalty=lambda model: cdl.l2_penalty(model, 1e-3))
    """
    return _penalty(square, params, strength, "l2_penalty")


def _penalty(of_each, params, strength, who):
    if not check.number(strength, who, "strength") >= 0:
        raise ValueError(f"{who}: strength must be 0 or more, got {strength}")
    if isinstance(params, Layer):
        params = [weight for _, weight in named_weights(params)]
    parts = [sum(of_each(p)) for p in ([params] if isinstance(params, Tensor) else params)]
    if not parts:
        raise ValueError(f"{who}: there are no parameters")
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total * strength


class Penalty:
    """l1 Σ|w| + l2 Σw² over the weights of a model, as an object to fit with: L1, L2, or both, the elastic net.

    It is added to the loss of every training batch, and so to the training loss in the history, not to that of a validation.
    Its strengths are attributes, which `cdl.callbacks.Scheduled` may change.

    Parameters
    ----------
    l1, l2 : float
        0 or more.
    layers : sequence of Layer, optional
        Whose weights count, each with all inside it; default: the whole model's. What counts as a weight: `cdl.l1_penalty`.

    Raises
    ------
    ValueError
        If a strength is negative, NaN or infinite.

    Source
    ------
    The notes, section 7.2; Zou and Hastie, "Regularization and variable selection via the elastic net", 2005.

    Examples
    --------
    >>> import numpy as np
    >>> import cdl
    >>> model, penalty = cdl.Sequential([cdl.Dense(1)]), cdl.losses.Penalty(l2=0.1)
    >>> history = model.fit(np.ones((8, 2)), np.ones((8, 1)), loss="mse", penalty=penalty, progress=False)
    >>> float(penalty(model)) == float(cdl.l2_penalty(model, 0.1))
    True
    """

    def __init__(self, l1=0.0, l2=0.0, layers=None):
        for name, strength in {"l1": l1, "l2": l2}.items():
            if not 0 <= check.number(strength, "Penalty", name) < float("inf"):
                raise ValueError(f"Penalty: {name} must be 0 or more and finite, got {strength!r}")
        self.l1, self.l2 = l1, l2
        self.layers = [layers] if isinstance(layers, Layer) else layers if layers is None else list(layers)

    def __call__(self, model):
        weights = {id(w): w for layer in ([model] if self.layers is None else self.layers) for _, w in named_weights(layer)}
        parts = [of(weights.values(), strength) for of, strength in ((l1_penalty, self.l1), (l2_penalty, self.l2)) if strength]
        return parts[0] + parts[1] if len(parts) == 2 else parts[0] if parts else 0.0

    def __repr__(self):
        return f"Penalty(l1={self.l1:g}, l2={self.l2:g})"


# --- what the losses share --------------------------------------------------------------------------------------------
def _each(who, op, y_true, y_pred, sample_weight, reduction, q=0.0):
    """A loss of kernels/loss.def; a NaN among the targets is looked for where the loss is NaN."""
    loss = fused(who, LOSS[op], y_true, y_pred, "none" if sample_weight is not None else reduction, q)
    if np.isnan(loss.item() if loss.ndim == 0 else np.asarray(loss).sum()):
        check.no_nan(y_true, who, "y_true")
    return loss if sample_weight is None else _reduce(loss, sample_weight, reduction, who)


def _vectors(y_true, y_pred, who):
    """Both as arrays or Tensors of one shape, which has a last axis."""
    y_true, y_pred = (y if isinstance(y, Tensor) else np.asarray(y) for y in (y_true, y_pred))
    if y_true.shape != y_pred.shape:
        raise ValueError(f"{who}: y_true and y_pred must have the same shape, got {y_true.shape} and {y_pred.shape}")
    if not y_true.shape:
        raise ValueError(f"{who}: expected vectors along the last axis, got numbers without axes")
    return y_true, y_pred


def _reduce(each, sample_weight, reduction, who):
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"{who}: reduction must be 'mean', 'sum' or 'none', got {reduction!r}")
    if sample_weight is None:
        return mean(each) if reduction == "mean" else sum(each) if reduction == "sum" else each
    w = np.asarray(sample_weight)
    w = check.weights(w, each.shape[:max(w.ndim, 1)], who, "sample_weight", "for each of the first axes of the loss")
    total = w.sum() * (each.size / w.size if w.size else 0)
    each = each * w.reshape(w.shape + (1,) * (each.ndim - w.ndim)).astype(each.dtype)
    if reduction == "none":
        return each
    return sum(each) / (total or 1) if reduction == "mean" else sum(each)


# The losses by name, as `fit` takes them.
LOSSES = {loss.__name__: loss for loss in (cross_entropy, binary_cross_entropy, mse, mae, huber, kl_divergence, hinge,
                                           cosine_loss)}
