"""More schedules that go down: along a polynomial, in given steps, as the Transformer's does."""
import math
from itertools import pairwise

from cdl._core.check import number
from cdl.optim.schedule import Schedule

__all__ = ["InverseSquareRoot", "PiecewiseConstant", "PolynomialDecay"]


class PolynomialDecay(Schedule):
    """From lr to `final`, which stays from then on; with power 1 a straight line::

        final + (lr - final) (1 - min(position / length, 1))**power

    Parameters
    ----------
    lr : float above 0
        The value at the start.
    length : float above 0
        After how many positions it is at `final`.
    power : float above 0
    final : float, 0 or more
        Keras has 0.0001 where it is not given.
    per : "epoch" or "step"
        What is counted.

    Source
    ------
    Chen et al., "DeepLab", 2017, section 4.1.2, who call it "poly", with power 0.9.

    Examples
    --------
    >>> from cdl.optim import PolynomialDecay
    >>> rate = PolynomialDecay(0.1, 100, 2)
    >>> [round(rate(epoch), 3) for epoch in (0, 50, 100, 200)]
    [0.1, 0.025, 0.0, 0.0]
    """

    def __init__(self, lr, length, power=1.0, *, final=0.0, per="epoch"):
        super().__init__(per, lr=lr, length=length, power=power, **({"final": final} if final != 0 else {}))
        self.final = final

    def __call__(self, position):
        """The value at a position."""
        return self.final + (self.lr - self.final) * (1 - min(position / self.length, 1)) ** self.power


class PiecewiseConstant(Schedule):
    """values[i], where i of the boundaries are at or before the position.

    A new value holds from its boundary on, as with torch's MultiStepLR; Keras's PiecewiseConstantDecay changes one position
    later.

    Parameters
    ----------
    values : sequence of floats, 0 or more
    boundaries : sequence of floats above 0
        One fewer, increasing.
    per : "epoch" or "step"
        What is counted.

    Raises
    ------
    ValueError
        For numbers out of their range, or of another count.

    Source
    ------
    The notes, section 4.1, step decay, with steps of their own.

    Examples
    --------
    >>> from cdl.optim import PiecewiseConstant
    >>> rate = PiecewiseConstant([0.1, 0.01, 0.001], [30, 60])
    >>> [rate(epoch) for epoch in (0, 29, 30, 60)]
    [0.1, 0.1, 0.01, 0.001]
    """

    def __init__(self, values, boundaries, *, per="epoch"):
        super().__init__(per)
        self.values = [number(value, "PiecewiseConstant", "each of values") for value in values]
        self.boundaries = [number(boundary, "PiecewiseConstant", "each of boundaries") for boundary in boundaries]
        if len(self.values) != len(self.boundaries) + 1:
            raise ValueError(f"PiecewiseConstant: {len(self.boundaries)} boundaries need {len(self.boundaries) + 1} values, "
                             f"got {len(self.values)}")
        if not all(0 <= value < math.inf for value in self.values):
            raise ValueError(f"PiecewiseConstant: values must be 0 or more and finite, got {self.values}")
        if not all(a < b for a, b in pairwise([0, *self.boundaries])):
            raise ValueError(f"PiecewiseConstant: boundaries must be above 0 and increase, got {self.boundaries}")

    def __call__(self, position):
        """The value at a position."""
        return self.values[sum(boundary <= position for boundary in self.boundaries)]


class InverseSquareRoot(Schedule):
    """A straight line up to lr over the first `length` positions, then down with the root of the position::

        lr min(s / length, sqrt(length / s))        s = position + 1

    The Transformer's own, d_model**-0.5 min(s**-0.5, s warmup**-1.5), is this with lr = (d_model warmup)**-0.5 and length
    = warmup. With length 1 it goes down from the start.

    Parameters
    ----------
    lr : float above 0
        The largest value, at the end of the warm-up.
    length : float, 1 or more
        Of the warm-up.
    per : "epoch" or "step"
        What is counted.

    Source
    ------
    Vaswani et al., "Attention is all you need", 2017, equation 3.

    Examples
    --------
    >>> from cdl.optim import InverseSquareRoot
    >>> rate = InverseSquareRoot(0.1, 4)
    >>> [round(rate(step), 3) for step in (0, 1, 3, 15, 399)]
    [0.025, 0.05, 0.1, 0.05, 0.01]
    """

    def __init__(self, lr, length, *, per="step"):
        super().__init__(per, lr=lr, length=length)
        if length < 1:
            raise ValueError(f"InverseSquareRoot: length must be 1 or more, got {length}")

    def __call__(self, position):
        """The value at a position."""
        s = position + 1
        return self.lr * min(s / self.length, math.sqrt(self.length / s))
