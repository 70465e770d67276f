"""Initial weights: draws whose spread keeps signals the same size from layer to layer.

Every initialiser makes float64 arrays of a shape from the library's generator or from `rng`, and layers take it by its
name: `Dense(64, kernel_initializer="he_uniform")`. A weight (in, out) has fan-in `in` and fan-out `out`; a convolution's
(KH, KW, in, out) has KH KW in and KH KW out.
"""
import math
from contextlib import contextmanager
from contextvars import ContextVar

import numpy as np

from cdl._core.check import number
from cdl.random import generator

__all__ = ["constant", "he_initialization", "initialize", "normal", "ones", "orthogonal", "xavier_initialization", "zeros"]

_room = ContextVar("room", default=None)    # how many weights there may be, where they come from a file

# The spread of a normal distribution that is cut at two of its deviations, as a share of the uncut one's.
_CUT_SPREAD = 0.87962566103423978


def he_initialization(shape, n_in, *, distribution="normal", rng=None):
    """Draws of variance 2 / n_in, for layers followed by ReLU and its kin.

    Parameters
    ----------
    shape : tuple of int
        The shape of the weights.
    n_in : int
        How many inputs each unit sums, > 0.
    distribution : {"normal", "uniform", "truncated"}
        Normal; uniform over ±sqrt(3 variance); or normal, drawn again beyond two deviations and widened by 1 / 0.8796,
        so that the variance is the same.
    rng : numpy.random.Generator or int, optional
        Where the draws come from; default: the library's generator (`cdl.seed`).

    Returns
    -------
    ndarray of float64, of `shape`

    Raises
    ------
    ValueError
        If `n_in` is not positive, or for another distribution.

    Source
    ------
    He et al., "Delving deep into rectifiers", 2015, eq. 10; the notes, section 3.2.

    Examples
    --------
    >>> import cdl
    >>> cdl.he_initialization((784, 100), 784).shape
    (784, 100)
    """
    _positive(n_in, "n_in", "he_initialization")
    return _draw(shape, 2.0 / n_in, distribution, rng, "he_initialization")


def xavier_initialization(shape, n_in, n_out=None, *, distribution="normal", rng=None):
    """Draws of variance 1 / n_in or, given n_out, 2 / (n_in + n_out), for layers followed by tanh, sigmoid or nothing.

    Parameters
    ----------
    shape : tuple of int
    n_in : int
        How many inputs each unit sums, > 0.
    n_out : int, optional
        How many units each input goes to, > 0: then gradients keep their size as well, as the paper has it. Without it
        only signals do, as the notes have it.
    distribution, rng
        As for `he_initialization`.

    Returns and Raises as `he_initialization`.

    Source
    ------
    Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks", 2010, eq. 12 and 16;
    counting inputs only: the notes, section 3.2.

    Examples
    --------
    >>> import cdl
    >>> cdl.xavier_initialization((64, 10), 64).shape
    (64, 10)
    >>> bool(abs(cdl.xavier_initialization((64, 10), 64, 10, distribution="uniform")).max() <= (6 / 74) ** 0.5)
    True
    """
    _positive(n_in, "n_in", "xavier_initialization")
    if n_out is not None:
        _positive(n_out, "n_out", "xavier_initialization")
    return _draw(shape, 1.0 / n_in if n_out is None else 2.0 / (n_in + n_out), distribution, rng, "xavier_initialization")


def orthogonal(shape, *, gain=1.0, rng=None):
    """A matrix with orthonormal columns (or rows, whichever are fewer) times `gain`, uniform among all such.

    Of more than two axes all but the last are taken together: (KH, KW, in, out) is a matrix (KH KW in, out).

    Parameters
    ----------
    shape : tuple of int
        At least two axes.
    gain : float
    rng
        As for `he_initialization`.

    Returns
    -------
    ndarray of float64, of `shape`

    Raises
    ------
    ValueError
        For fewer than two axes.

    Source
    ------
    Saxe, McClelland, Ganguli, "Exact solutions to the nonlinear dynamics of learning in deep linear neural networks",
    2014; the signs: Mezzadri, "How to generate random matrices from the classical compact groups", 2007.

    Examples
    --------
    >>> import numpy as np
    >>> import cdl
    >>> w = cdl.orthogonal((5, 3))
    >>> bool(np.allclose(w.T @ w, np.eye(3)))
    True
    """
    shape = tuple(shape)
    if len(shape) < 2:
        raise ValueError(f"orthogonal: expected at least two axes, got shape {shape}")
    rows, columns = math.prod(shape[:-1]), shape[-1]
    draws = _draw((max(rows, columns), min(rows, columns)), 1.0, "normal", rng, "orthogonal")
    if draws.size == 0 or _room.get() is not None:
        return draws.reshape(shape)
    q, r = np.linalg.qr(draws)
    q *= np.where(np.diag(r) < 0, -1.0, 1.0)      # else the factorisation's own signs would favour some matrices
    return gain * (q if rows >= columns else q.T).reshape(shape)


def normal(shape, deviation=0.02, *, rng=None):
    """Normal draws of mean 0 and this deviation, whatever the shape; the default is BERT's and GPT-2's.

    Parameters
    ----------
    shape : tuple of int
    deviation : float
    rng
        As for `he_initialization`.

    Returns
    -------
    ndarray of float64

    Examples
    --------
    >>> import cdl
    >>> float(cdl.init.normal((100, 100), 0.5, rng=0).std().round(2))
    0.5
    """
    _positive(deviation, "deviation", "normal")
    return _draw(tuple(shape), deviation**2, "normal", rng, "normal")


def zeros(shape):
    """Zeros, for biases.

    Examples
    --------
    >>> import cdl
    >>> cdl.init.zeros((2, 3)).shape
    (2, 3)
    """
    return constant(shape, 0.0)


def ones(shape):
    """Ones, for scales.

    Examples
    --------
    >>> import cdl
    >>> cdl.init.ones(3)
    array([1., 1., 1.])
    """
    return constant(shape, 1.0)


def constant(shape, value):
    """The same number everywhere.

    Examples
    --------
    >>> import cdl
    >>> cdl.init.constant((2,), 0.25)
    array([0.25, 0.25])
    """
    _require_room(shape)
    return np.full(shape, float(value))


_KINDS = ("normal", "uniform", "truncated")
# Names as layers take them, to a function of (shape, fan-in, fan-out, rng).
INITIALIZERS = {
    **{f"he_{kind}": lambda shape, n_in, n_out, rng, kind=kind: he_initialization(shape, n_in, distribution=kind, rng=rng)
       for kind in _KINDS},
    **{f"xavier_{kind}": lambda shape, n_in, n_out, rng, kind=kind: xavier_initialization(shape, n_in, n_out,
                                                                                      distribution=kind, rng=rng)
       for kind in _KINDS},
    "lecun_normal": lambda shape, n_in, n_out, rng: xavier_initialization(shape, n_in, rng=rng),
    "orthogonal": lambda shape, n_in, n_out, rng: orthogonal(shape, rng=rng),
    "zeros": lambda shape, n_in, n_out, rng: zeros(shape),
    "ones": lambda shape, n_in, n_out, rng: ones(shape),
}


def check_initializer(initializer, who):
    """Raise ValueError, with the list of known ones, for what `initialize` does not take."""
    if not (initializer in INITIALIZERS if isinstance(initializer, str) else
            callable(initializer) or hasattr(initializer, "__float__")):
        raise ValueError(f"{who}: unknown initializer {initializer!r}; known are {', '.join(INITIALIZERS)}, or pass a "
                         "number or a function of the shape")


def initialize(initializer, shape, *, rng=None):
    """Weights of a shape from an initialiser: its name, a number for all, or a function of the shape.

    Parameters
    ----------
    initializer : str, float or callable
        "he_normal", "he_uniform", "he_truncated", "xavier_normal", "xavier_uniform", "xavier_truncated" (these with both
        fans), "lecun_normal" (variance 1 / fan-in), "orthogonal", "zeros", "ones"; a number; or a function
        `shape → array`.
    shape : tuple of int
        The last axis is the outputs, the one before the inputs, the others a kernel's window; of one axis both fans are
        its length.
    rng
        As for `he_initialization`.

    Returns
    -------
    ndarray of float64

    Raises
    ------
    ValueError
        For an unknown name, or a function that makes another shape.

    Examples
    --------
    >>> import cdl
    >>> cdl.init.initialize("he_uniform", (3, 3, 16, 32)).shape
    (3, 3, 16, 32)
    """
    shape = tuple(shape)
    check_initializer(initializer, "initialize")
    if isinstance(initializer, str):
        window = math.prod(shape[:-2])
        n_in, n_out = (window * shape[-2], window * shape[-1]) if len(shape) > 1 else shape * 2
        return INITIALIZERS[initializer](shape, n_in, n_out, rng)
    if not callable(initializer):
        return constant(shape, initializer)
    _require_room(shape)
    weights = np.asarray(initializer(shape), dtype=np.float64)
    if weights.shape != shape:
        raise ValueError(f"initialize: {initializer!r} made weights of shape {weights.shape}, expected {shape}")
    return weights


def _positive(n, name, who):
    if not number(n, who, name) > 0:
        raise ValueError(f"{who}: {name} must be positive, got {n}")


def _draw(shape, variance, distribution, rng, who):
    if distribution not in _KINDS:
        raise ValueError(f"{who}: distribution must be one of {', '.join(_KINDS)}, got {distribution!r}")
    if _require_room(shape):
        return np.zeros(shape)
    rng, deviation = generator(rng), math.sqrt(variance)
    if distribution == "uniform":
        return np.asarray(rng.uniform(-math.sqrt(3) * deviation, math.sqrt(3) * deviation, shape))
    draws = np.asarray(rng.standard_normal(shape))
    if distribution == "truncated":
        deviation /= _CUT_SPREAD
        while (outside := np.abs(draws) > 2).any():
            draws[outside] = rng.standard_normal(int(outside.sum()))
    return draws * deviation


def _require_room(shape):
    """Whether draws are not wanted; ValueError for more weights than a file holds."""
    room = _room.get()
    if room is not None and np.prod(shape, dtype=object) > room:
        raise ValueError(f"weights of shape {shape} are asked for, {room} numbers are there")
    return room is not None


@contextmanager
def no_draws(room):
    """Within it weights are zeros, to be set from a file that holds `room` numbers; ValueError for more than these."""
    token = _room.set(room)
    try:
        yield
    finally:
        _room.reset(token)
