"""Softmax, its logarithm, logsumexp, and cross-entropy fused with them. Natural logarithms throughout."""
from cdl._core.check import probabilities
from cdl._core.kernels import UNARY
from cdl._core.softmax import cross_entropy as _cross_entropy
from cdl._core.softmax import logsumexp as _logsumexp
from cdl._core.softmax import softmax as _softmax
from cdl._core.unary import unary

__all__ = ["cross_entropy", "log_softmax", "logsumexp", "softmax"]


def softmax(x, axis=-1):
    """Softmax along an axis, exp(x - max) / sum exp(x - max): positive, with sum 1.

    Parameters
    ----------
    x : array_like
    axis : int

    Returns
    -------
    Tensor or ndarray of x's shape; NaN where everything along the axis is -inf.

    Examples
    --------
    >>> import cdl
    >>> cdl.softmax([0.0, 0.0])
    array([0.5, 0.5])
    """
    return _softmax(False, x, axis)


def log_softmax(x, axis=-1):
    """Logarithm of softmax, x - logsumexp(x): exact where softmax itself would round to 0. Arguments as in `softmax`.

    Examples
    --------
    >>> import cdl
    >>> cdl.log_softmax([0.0, -1000.0])
    array([    0., -1000.])
    """
    return _softmax(True, x, axis)


def logsumexp(x, axis=None, *, keepdims=False):
    """log(sum(exp(x))) along axes, without overflow; -inf over nothing.

    Parameters
    ----------
    x : array_like
    axis : int, tuple of int or None
    keepdims : bool
        Keep the reduced axes with length 1.

    Examples
    --------
    >>> import cdl
    >>> float(cdl.logsumexp([1000.0, 1000.0]))
    1000.6931471805599
    """
    return _logsumexp(x, axis, keepdims)


def cross_entropy(y_true, y_pred, *, from_logits=True, label_smoothing=0.0, ignore_index=None, class_weight=None,
                  sample_weight=None, reduction="mean"):
    """Cross-entropy of predicted class scores, -sum_c t_c log softmax(y_pred)_c, natural logarithm, per row.

    Forward and backward are one pass each over the scores, whatever the options; where labels are given and a gradient is
    wanted, the forward of a mean or sum computes it as well, so that the exponentials are taken once.

    Parameters
    ----------
    y_true : array_like
        Integer labels of y_pred's shape without its last axis, or probabilities (one-hot rows) of its whole shape.
    y_pred : array_like
        Scores (…, classes): logits, or with `from_logits=False` probabilities, which are held above 1e-15 and scaled to
        sum 1.
    label_smoothing : float
        0 to 1: t becomes (1 - label_smoothing) t + label_smoothing / classes.
    ignore_index : int, optional
        A label whose rows count neither in the loss nor in the mean.
    class_weight : array_like, optional
        One factor a class, 0 or more, multiplied with t.
    sample_weight : array_like, optional
        One factor a row, 0 or more, multiplied with its loss. Whatever the scores of a row of weight 0 hold, NaN too, it
        adds nothing.
    reduction : {"mean", "sum", "none"}
        Over rows; "none" gives a loss a row. The mean is the sum divided by the sum of the rows' weights, a row's weight
        being its sample weight (or 1) and, where labels are given, times the class weight of its label. It is 0 where
        nothing has any weight.

    Returns
    -------
    Tensor, or where y_pred is none a NumPy scalar or array, in the precision of y_pred.

    Raises
    ------
    ValueError
        If the shapes do not fit, there are no rows, y_true holds probabilities of only one class, probabilities lie outside
        [0, 1] or are NaN, or weights are negative.
    TypeError
        For labels that are not integers, and for a y_true that wants a gradient.
    IndexError
        For a label that is no class.

    Source
    ------
    Notes, section 2.3; smoothing: Szegedy et al., "Rethinking the Inception Architecture for Computer Vision", 2016,
    section 7.

    Examples
    --------
    >>> import cdl
    >>> float(cdl.cross_entropy([1], [[0.0, -1000.0]]))
    1000.0
    >>> float(cdl.cross_entropy([1, 0], [[0.0, -2.0], [0.0, -1000.0]], sample_weight=[0, 1]))
    0.0
    """
    if not from_logits:
        probabilities(y_pred, "cross_entropy", "y_pred", nan=True)
        y_pred = unary(UNARY["log"], unary(UNARY["clip"], y_pred, 1e-15, float("inf")))
    return _cross_entropy(y_true, y_pred, label_smoothing, ignore_index, class_weight, sample_weight, reduction)


METHODS = {"softmax": softmax, "log_softmax": log_softmax, "logsumexp": logsumexp}
NUMPY = {}
