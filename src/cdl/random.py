"""The library's one random generator."""
import numpy as np

_generator = None   # made when it is first drawn from: importing numpy.random takes as long as importing cdl


def seed(n):
    """Start the library's generator anew: the same seed gives the same weights, orders and drops.

    Parameters
    ----------
    n : int or None
        0 or more; None takes fresh entropy from the system.

    Raises
    ------
    ValueError
        For a negative seed.
    TypeError
        For one that is not an integer.

    Examples
    --------
    >>> import cdl
    >>> cdl.seed(0)
    >>> a = cdl.he_initialization((2, 2), 2)
    >>> cdl.seed(0)
    >>> bool((a == cdl.he_initialization((2, 2), 2)).all())
    True
    """
    global _generator
    _generator = _seeded(n, "seed")


def generator(rng=None):
    """The generator to draw from: `rng` itself, one seeded with the integer `rng`, or the library's own for None."""
    global _generator
    if rng is None:
        if _generator is None:
            _generator = np.random.default_rng()
        return _generator
    return rng if isinstance(rng, np.random.Generator) else _seeded(rng, "rng")


def _seeded(n, name):
    try:
        return np.random.default_rng(n)
    except (TypeError, ValueError) as error:    # NumPy's own words do not say of what they speak
        raise type(error)(f"{name}: expected an integer of 0 or more, or None for a seed from the system, "
                          f"got {n!r}") from None
