"""Initial weights: draws whose spread keeps signals the same size from layer to layer."""
import math
from contextlib import contextmanager
from contextvars import ContextVar

import numpy as np

from cdl.random import generator

__all__ = ["he_initialization", "xavier_initialization"]

_room = ContextVar("room", default=None)    # how many weights there may be, where they come from a file


def he_initialization(shape, n_in, *, rng=None):
    """Normal draws of variance 2 / n_in, for layers followed by ReLU and its kin.

    Parameters
    ----------
    shape : tuple of int
        The shape of the weights.
    n_in : int
        How many inputs each unit sums, > 0.
    rng : numpy.random.Generator or int, optional
        Where the draws come from; default: the library's generator (`cdl.seed`).

    Returns
    -------
    ndarray of float64, of `shape`

    Raises
    ------
    ValueError
        If `n_in` is not positive.

    Source
    ------
    He et al., "Delving deep into rectifiers", 2015, eq. 10; the notes, section 3.2.

    Examples
    --------
    >>> import cdl
    >>> cdl.he_initialization((784, 100), 784).shape
    (784, 100)
    """
    return _normal(shape, 2.0, n_in, rng, "he_initialization")


def xavier_initialization(shape, n_in, *, rng=None):
    """Normal draws of variance 1 / n_in, for layers followed by tanh, sigmoid or nothing.

    Parameters, Returns and Raises as `he_initialization`.

    Source
    ------
    Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks", 2010, in the form
    that counts inputs only: the notes, section 3.2.

    Examples
    --------
    >>> import cdl
    >>> cdl.xavier_initialization((64, 10), 64).shape
    (64, 10)
    """
    return _normal(shape, 1.0, n_in, rng, "xavier_initialization")


def _normal(shape, gain, n_in, rng, who):
    if not n_in > 0:
        raise ValueError(f"{who}: n_in must be positive, got {n_in}")
    room = _room.get()
    if room is not None:
        if math.prod(shape) > room:
            raise ValueError(f"weights of shape {shape} are asked for, {room} numbers are there")
        return np.zeros(shape)
    return np.asarray(generator(rng).standard_normal(shape) * math.sqrt(gain / n_in))


@contextmanager
def no_draws(room):
    """Within it weights are zeros, to be set from a file that holds `room` numbers; ValueError for more than these."""
    token = _room.set(room)
    try:
        yield
    finally:
        _room.reset(token)
