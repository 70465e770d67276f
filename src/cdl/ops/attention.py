"""Scaled dot-product attention, softmax(Q Kᵀ / √d) V, and its weights."""
import numpy as np

from cdl._core.attention import attention as _attention
from cdl._core.attention import check_operands
from cdl._core.tensor import Tensor
from cdl.ops.binary import where
from cdl.ops.gemm import matmul
from cdl.ops.reduce import sum
from cdl.ops.shape import broadcast_to, expand_dims, reshape, swapaxes
from cdl.ops.unary import exp

__all__ = ["attention", "attention_weights"]


def attention(query, key, value, mask=None, causal=False, *, scale=None):
    """Scaled dot-product attention, softmax(query keyᵀ scale + mask) value.

    Parameters
    ----------
    query : array_like
        (…, Tq, d). Any axes may lead, such as samples and heads.
    key : array_like
        (…, Tk, d). Its leading axes are broadcast against the query's; or there are fewer heads in it, Hk on the last
        leading axis, which divide the H of the query: query head h then looks at key head h // (H / Hk).
    value : array_like
        (…, Tk, dv), its leading axes as the key's.
    mask : array_like, optional
        Of a shape that broadcasts to (…, Tq, Tk): booleans, True where a query may look at a key; or floats, which are
        added to the scores (-inf: may not look), and have a gradient if they want one, as relative positions do.
    causal : bool
        Whether a query looks at no later keys. The two are aligned at their ends: with Tq < Tk, as in generation from a
        cache, query i looks at the keys 0 … Tk - Tq + i.
    scale : float, optional
        What the scores are multiplied by; default: 1 / √d.

    The computation, and the result, are of the dtype that query, key and value have together; an additive mask is taken in it.

    Returns
    -------
    Tensor or ndarray of shape (…, Tq, dv)
        A query that may look at nothing gives zeros, and has a gradient of zeros. What masked keys and values hold, NaN
        too, is of no consequence.

    Raises
    ------
    ValueError
        For shapes that do not fit.
    TypeError
        For a mask that is neither boolean nor floating.

    Source
    ------
    Notes, section 6.3; Vaswani et al., "Attention Is All You Need", 2017, equation 1.

    Examples
    --------
    >>> import numpy as np
    >>> import cdl
    >>> x = np.eye(2)
    >>> cdl.attention(x, x, x, scale=1000.0)
    array([[1., 0.],
           [0., 1.]])
    >>> cdl.attention(x, x, x, causal=True)[0]
    array([1., 0.])
    """
    return _attention(query, key, value, mask, causal, scale)


def attention_weights(query, key, mask=None, causal=False, *, scale=None):
    """softmax(query keyᵀ scale + mask): how much each query looks at each key, (…, Tq, Tk), for pictures.

    Parameters as in `attention`, which does not keep them.

    Returns
    -------
    Tensor or ndarray of shape (…, Tq, Tk)
        Rows of sum 1, or of zeros where a query may look at nothing.

    Examples
    --------
    >>> import cdl
    >>> cdl.ops.attention_weights([[0.0], [0.0]], [[1.0], [2.0]], causal=True)
    array([[1. , 0. ],
           [0.5, 0.5]])
    """
    check_operands(query, key, mask)
    d = np.shape(query)[-1]
    key = _repeated(key, np.shape(query))
    scores = matmul(query, swapaxes(key, -2, -1)) * float(d**-0.5 if scale is None else scale)
    shape = np.shape(scores)
    allowed = np.ones(shape[-2:], bool)
    if causal:
        allowed = np.tri(shape[-2], shape[-1], shape[-1] - shape[-2], dtype=bool)
    if mask is not None:
        if not isinstance(mask, Tensor):
            mask = np.asarray(mask)
        if mask.dtype.kind == "b":
            allowed = allowed & np.asarray(mask)
        else:
            mask = mask.astype(scores.dtype)
            finite = np.asarray(mask) > -np.inf
            allowed = allowed & finite
            scores = scores + where(finite, mask, 0)
    return _softmax_of(scores, allowed)


def _softmax_of(scores, allowed):
    """The softmax over the scores that are allowed, whatever the others are; 0 for these, and in rows of nothing else."""
    top = np.where(allowed, np.asarray(scores), -np.inf).max(axis=-1, keepdims=True, initial=-np.inf)
    top = np.where(top == -np.inf, 0, top).astype(scores.dtype)
    weights = where(allowed, exp(where(allowed, scores - top, 0)), 0)
    total = sum(weights, axis=-1, keepdims=True)
    return weights / where(np.asarray(total) == 0, 1, total)


def _repeated(x, like):
    """Key or value with as many heads as the query has."""
    shape = np.shape(x)
    if len(shape) > 2 and len(like) > 2 and shape[-3] not in (0, 1, like[-3]) and like[-3] % shape[-3] == 0:
        more = (*shape[:-2], like[-3] // shape[-3], *shape[-2:])
        return reshape(broadcast_to(expand_dims(x, -3), more), (*shape[:-3], like[-3], *shape[-2:]))
    return x


METHODS = {}
NUMPY = {}
