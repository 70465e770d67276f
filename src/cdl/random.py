"""The library's one random generator, and drawing the same again."""
import threading
from contextlib import contextmanager

import numpy as np

_generator = None   # made when it is first drawn from: importing numpy.random takes as long as importing cdl
_noting = threading.local()     # its `draws`: who wants to know what this thread draws from; `own`: as `drawn_from` says


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
    _noting.own = None      # whoever seeds inside `drawn_from` means it


def generator(rng=None):
    """The generator to draw from: `rng` itself, one seeded with the integer `rng`, or the library's own for None."""
    global _generator
    if rng is None:
        rng = getattr(_noting, "own", None)
        if rng is None:
            if _generator is None:
                _generator = np.random.default_rng()
            rng = _generator
    elif not isinstance(rng, np.random.Generator):
        return _seeded(rng, "rng")
    draws = getattr(_noting, "draws", None)
    if draws is not None:
        draws.note(rng)
    return rng


@contextmanager
def drawn_from(rng):
    """While it lasts, the library's generator is `rng`, or one of that seed, for this thread: nothing that ran before counts.

    Examples
    --------
    >>> with drawn_from(0):
    ...     a = generator().random()
    >>> with drawn_from(np.random.default_rng(0)):
    ...     a == generator().random()
    True
    """
    own = rng if isinstance(rng, np.random.Generator) else _seeded(rng, "rng")
    before, _noting.own = getattr(_noting, "own", None), own
    try:
        yield
    finally:
        _noting.own = before


class Draws:
    """What is drawn by way of `generator` inside `noted()` is drawn again alike inside `again()`, by the same thread."""

    def __init__(self):
        self._library, self._states, self._outer = generator(), {}, None

    def note(self, rng):
        """Keep the state of a generator that is about to be drawn from for the first time."""
        self._states.setdefault(id(rng), (rng, rng.bit_generator.state))
        if self._outer is not None:
            self._outer.note(rng)

    @contextmanager
    def noted(self):
        """While it lasts, generators are noted; those around it note them too."""
        self._outer, _noting.draws = getattr(_noting, "draws", None), self
        try:
            yield
        finally:
            _noting.draws, self._outer = self._outer, None

    @contextmanager
    def again(self):
        """While it lasts, the generators stand where they were noted, and the library's is the one of then."""
        own, _noting.own = getattr(_noting, "own", None), self._library
        before = [(rng, rng.bit_generator.state) for rng, _ in self._states.values()]
        try:
            for rng, state in self._states.values():
                rng.bit_generator.state = state
            yield
        finally:
            _noting.own = own
            for rng, state in before:
                rng.bit_generator.state = state


def _seeded(n, name):
    try:
        return np.random.default_rng(n)
    except (TypeError, ValueError) as error:    # NumPy's own words do not say of what they speak
        raise type(error)(f"{name}: expected an integer of 0 or more, or None for a seed from the system, "
                          f"got {n!r}") from None
