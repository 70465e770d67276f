"""Dropout and its variants. The elements to drop follow from a key that is drawn once a call; no mask is stored."""
import numpy as np

from cdl._core.check import number
from cdl._core.dropout import dropout as _dropout
from cdl._core.dropout import unchanged as _unchanged
from cdl._core.tensor import Tensor
from cdl.random import generator

__all__ = ["alpha_dropout", "dropout", "spatial_dropout"]

# The limit of SELU at -infinity, -lambda alpha (Klambauer et al. 2017): what AlphaDropout puts in place of a value.
_SATURATED = -1.0507009873554805 * 1.6732632423543772


def check_drop_prob(drop_prob, who):
    """Raise ValueError for a number outside [0, 1), TypeError for what is none."""
    if not 0 <= number(drop_prob, who, "drop_prob") < 1:
        raise ValueError(f"{who}: drop_prob must be at least 0 and less than 1, got {drop_prob!r}")


def _key(rng):
    return int(generator(rng).bit_generator.random_raw()) & 0xFFFFFFFFFFFFFFFF


def dropout(x, drop_prob, training=True, *, rng=None):
    """Dropout: every element becomes 0 with probability drop_prob, the others x / (1 - drop_prob), so the mean stays.

    Parameters
    ----------
    x : array_like
        Integers and booleans become float32.
    drop_prob : float
        At least 0, less than 1.
    training : bool
        With False nothing is dropped or scaled: a Tensor is returned as it is, of an array a copy.
    rng : numpy.random.Generator or int, optional
        What the key is drawn from, one draw a call; default: the library's own generator, which `cdl.seed` starts anew.
        What is dropped follows from the key and an element's position, and is the same for every number of threads,
        instruction set and dtype.

    Returns
    -------
    Tensor or ndarray
        Of x's shape. A dropped infinity or NaN is 0.

    Raises
    ------
    ValueError
        For a drop_prob outside [0, 1).

    Source
    ------
    Notes, section 7.2; Srivastava et al., "Dropout", 2014.

    Examples
    --------
    >>> import cdl
    >>> cdl.dropout([1.0, 1.0, 1.0, 1.0, 1.0, 1.0], 0.5, rng=1)
    array([0., 2., 2., 0., 0., 2.])
    >>> cdl.dropout([1.0, 2.0], 0.5, training=False)
    array([1., 2.])
    """
    check_drop_prob(drop_prob, "dropout")
    if not training or drop_prob == 0:
        return _unchanged(x)
    return _dropout(x, drop_prob, _key(rng), 1 / (1 - drop_prob), 0.0, 0.0)


def alpha_dropout(x, drop_prob, training=True, *, rng=None):
    """Dropout for networks with SELU: keeps mean 0 and variance 1.

    With q = 1 - drop_prob and s = -1.7581, the limit of SELU at -inf, every element becomes a * s + b with probability
    drop_prob and a * x + b otherwise, where a = 1 / sqrt(q + s² q (1 - q)) and b = -a (1 - q) s. Arguments as in `dropout`.

    Source
    ------
    Klambauer et al., "Self-Normalizing Neural Networks", 2017, section 3.

    Examples
    --------
    >>> import cdl
    >>> cdl.ops.alpha_dropout([0.0, 0.0, 0.0, 0.0, 0.0], 0.5, rng=1).round(3)
    array([-0.779,  0.779,  0.779, -0.779, -0.779])
    """
    check_drop_prob(drop_prob, "alpha_dropout")
    if not training or drop_prob == 0:
        return _unchanged(x)
    q = 1 - drop_prob
    a = (q + _SATURATED**2 * q * drop_prob) ** -0.5
    b = -a * drop_prob * _SATURATED
    return _dropout(x, drop_prob, _key(rng), a, b, a * _SATURATED + b)


def spatial_dropout(x, drop_prob, training=True, *, rng=None):
    """Dropout of whole channels: x is (N, …, channels), and each channel of each sample is dropped as one.

    Arguments as in `dropout`; x needs at least three axes.

    Raises
    ------
    ValueError
        For a drop_prob outside [0, 1), and for an x of fewer axes.

    Source
    ------
    Tompson et al., "Efficient Object Localization Using Convolutional Networks", 2015, section 3.2.

    Examples
    --------
    >>> import numpy as np
    >>> import cdl
    >>> cdl.ops.spatial_dropout(np.ones((1, 2, 5)), 0.5, rng=1)
    array([[[0., 2., 2., 0., 0.],
            [0., 2., 2., 0., 0.]]])
    """
    check_drop_prob(drop_prob, "spatial_dropout")
    x = _unchanged(x)
    if np.ndim(x) < 3:
        raise ValueError(f"spatial_dropout: x must be (N, …, channels) with an axis between them, got shape {np.shape(x)}")
    if not training or drop_prob == 0:
        return x
    factors = np.ones((x.shape[0], *[1] * (x.ndim - 2), x.shape[-1]), x.dtype)
    factors = dropout(factors, drop_prob, rng=rng)
    return x * (Tensor(factors) if isinstance(x, Tensor) else factors)


METHODS = {}
NUMPY = {}
