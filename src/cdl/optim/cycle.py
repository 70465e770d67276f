"""Schedules that rise again: a cosine with restarts, one cycle of learning rate and momentum."""
import math
from itertools import pairwise

from cdl._core.check import number
from cdl.optim.schedule import Schedule

__all__ = ["CosineRestarts", "OneCycle"]


class CosineRestarts(Schedule):
    """Half a cosine down to `final`, again and again, each time longer and from lower::

        final + (lr - final) shrink**i (1 + cos(π within / (length growth**i))) / 2

    at `within` positions after the beginning of cycle i, which counts from 0.

    Parameters
    ----------
    lr : float above 0
        The first peak.
    length : float above 0
        Of the first cycle.
    growth : float, 1 or more
        How much longer every cycle is than the one before; 1 and 2 are common.
    shrink : float in (0, 1]
        What is left of a peak, above `final`, in the next cycle.
    final : float, 0 or more
        What each cycle leads to.
    per : "epoch" or "step"
        What is counted.

    Source
    ------
    Loshchilov and Hutter, "SGDR: stochastic gradient descent with warm restarts", 2017, equation 5: growth is T_mult.
    shrink is m_mul of Keras's CosineDecayRestarts.

    Examples
    --------
    >>> from cdl.optim import CosineRestarts
    >>> rate = CosineRestarts(0.1, 10, growth=2, shrink=0.5)
    >>> [round(rate(epoch), 3) for epoch in (0, 5, 10, 20, 30)]
    [0.1, 0.05, 0.05, 0.025, 0.025]
    """

    def __init__(self, lr, length, *, growth=1.0, shrink=1.0, final=0.0, per="epoch"):
        super().__init__(per, lr=lr, length=length, growth=growth, shrink=shrink, **({"final": final} if final != 0 else {}))
        if growth < 1 or shrink > 1:
            raise ValueError(f"CosineRestarts: growth must be 1 or more and shrink at most 1, got {growth} and {shrink}")
        self.final = final

    def __call__(self, position):
        """The value at a position."""
        if self.growth == 1:
            (i, within), length = divmod(position, self.length), self.length
        else:
            i, within, length = 0, position, self.length
            while within >= length:         # exact at each beginning, where a logarithm may round to the cycle before
                i, within, length = i + 1, within - length, length * self.growth
        return self.final + (self.lr - self.final) * self.shrink**i * (1 + math.cos(math.pi * within / length)) / 2


class OneCycle(Schedule):
    """Up to lr and down again to almost nothing, in one training; the momentum goes the other way (`opposite`).

    From lr / divide at position 0 to lr at rise · length - 1, and from there to lr / (divide · final_divide) at length - 1,
    which stays; between them half a cosine, or a straight line. In three phases it is back at lr / divide at
    2 (rise · length - 1), and goes down further from there.

    Parameters
    ----------
    lr : float above 0
        The largest value, such as `cdl.optim.find_lr` suggests.
    length : int, 2 or more
        How many steps (or epochs) the whole training has: epochs times batches.
    rise : float in (0, 1)
        The share of them that goes up; below a half in three phases.
    divide, final_divide : float above 0
    shape : "cosine" or "linear"
    three_phases : bool
    per : "epoch" or "step"
        What is counted.

    Source
    ------
    Smith, "A disciplined approach to neural network hyper-parameters: part 1", 2018, section 4: three linear phases. Defaults
    and positions are those of torch's OneCycleLR.

    Examples
    --------
    >>> import cdl
    >>> cycle = cdl.optim.OneCycle(0.1, 100)
    >>> [round(cycle(step), 4) for step in (0, 29, 99)]
    [0.004, 0.1, 0.0]
    >>> w = cdl.Tensor([1.0], requires_grad=True)
    >>> cdl.SGD([w], lr=cycle, momentum=cycle.opposite(0.85, 0.95)).momentum
    0.95
    """

    def __init__(self, lr, length, *, rise=0.3, divide=25.0, final_divide=1e4, shape="cosine", three_phases=False, per="step"):
        super().__init__(per, lr=lr, length=length, rise=rise, divide=divide, final_divide=final_divide)
        if shape not in ("cosine", "linear"):
            raise ValueError(f"OneCycle: shape must be 'cosine' or 'linear', got {shape!r}")
        if not rise < (0.5 if three_phases else 1):
            raise ValueError(f"OneCycle: rise must be in (0, {0.5 if three_phases else 1}), got {rise}")
        if not rise * length > 1:
            raise ValueError(f"OneCycle: rise · length must be above 1, so that there is a step on the way up, got {rise} · "
                             f"{length}")
        self.shape, self.three_phases = shape, bool(three_phases)

    def __call__(self, position):
        """The value at a position."""
        first = self.lr / self.divide
        return self.along(position, first, self.lr, first / self.final_divide)

    def along(self, position, first, turn, last):
        """What goes from `first` to `turn` and on to `last` at the positions where the learning rate turns."""
        top, end = self.rise * self.length - 1, self.length - 1
        knots = [(0, first), (top, turn), *([(2 * top, first)] if self.three_phases else []), (end, last)]
        for (start, before), (stop, after) in pairwise(knots):
            if position < stop:
                share = (position - start) / (stop - start)
                share = share if self.shape == "linear" else (1 - math.cos(math.pi * share)) / 2
                return before + (after - before) * share
        return last

    def opposite(self, low=0.85, high=0.95):
        """The schedule of momentum or beta1 that goes with it: down from `high` to `low` while this one goes up, and back.

        Parameters
        ----------
        low, high : float in [0, 1), low at most high

        Returns
        -------
        Schedule
        """
        return _Opposite(self, low, high)


class _Opposite(Schedule):
    """What goes down while `cycle` goes up."""

    def __init__(self, cycle, low, high):
        if not 0 <= number(low, "OneCycle.opposite", "low") <= number(high, "OneCycle.opposite", "high") < 1:
            raise ValueError(f"OneCycle.opposite: low and high must be in [0, 1), low at most high, got {low} and {high}")
        super().__init__(cycle.per)
        self.cycle, self.low, self.high = cycle, low, high

    def __call__(self, position):
        return self.cycle.along(position, self.high, self.low, self.high)

    def __repr__(self):
        return f"{self.cycle!r}.opposite({self.low!r}, {self.high!r})"
