"""Learning rates, and other options, that change: functions of how many epochs, or steps, have passed."""
import math

from cdl._core.check import number

__all__ = ["ConstantRate", "CosineDecay", "ExponentialDecay", "Schedule", "StepDecay", "WarmUp"]


class Schedule:
    """The base of all schedules: called with a position, 0 at the start, it gives the learning rate there.

    `per` says what the position counts: "epoch", as `optimizer.next_epoch()` and `fit` do, or "step", one for every
    update. A schedule holds no state: an optimizer that was loaded goes on at its place. Every other option of an optimizer
    that is a number may follow one too; what is called lr here is then the value of that option. `cdl.optim` has more of
    them: PolynomialDecay, PiecewiseConstant, InverseSquareRoot, CosineRestarts, OneCycle. For any other attribute there is
    `cdl.callbacks.Scheduled`.

    Examples
    --------
    >>> import cdl
    >>> w = cdl.Tensor([1.0], requires_grad=True)
    >>> optimizer = cdl.SGD([w], lr=cdl.ExponentialDecay(0.1, 0.5))
    >>> optimizer.next_epoch()
    >>> optimizer.lr
    0.05
    """

    def __init__(self, per, **numbers):
        if per not in ("epoch", "step"):
            raise ValueError(f"{type(self).__name__}: per must be 'epoch' or 'step', got {per!r}")
        for name, value in numbers.items():
            if not 0 < number(value, type(self).__name__, name) < math.inf:
                raise ValueError(f"{type(self).__name__}: {name} must be above 0 and finite, got {value}")
        self.per = per
        self.__dict__.update(numbers)

    def __call__(self, position):
        """The learning rate at a position."""
        raise NotImplementedError(f"{type(self).__name__}: define __call__(self, position)")

    def __repr__(self):
        numbers = [f"{name}={value!r}" for name, value in self.__dict__.items() if name != "per"]
        return f"{type(self).__name__}({', '.join(numbers)}, per={self.per!r})"


class ConstantRate(Schedule):
    """The same learning rate always: lr.

    Parameters
    ----------
    lr : float above 0
    per : "epoch" or "step"

    Examples
    --------
    >>> import cdl
    >>> cdl.ConstantRate(0.1)(7)
    0.1
    """

    def __init__(self, lr, *, per="epoch"):
        super().__init__(per, lr=lr)

    def __call__(self, position):
        """The learning rate at a position."""
        return self.lr


class ExponentialDecay(Schedule):
    """lr factor**(position / every), a constant share less each time.

    Parameters
    ----------
    lr : float above 0
        α₀, the learning rate at the start.
    factor : float above 0
        What is left of it after `every` positions.
    every : float above 0
    per : "epoch" or "step"
        What is counted.

    Source
    ------
    The notes, section 4.1: α = α₀ · 0.95^epoch.

    Examples
    --------
    >>> import cdl
    >>> rate = cdl.ExponentialDecay(0.1, 0.95)
    >>> [round(rate(epoch), 5) for epoch in range(3)]
    [0.1, 0.095, 0.09025]
    """

    def __init__(self, lr, factor=0.95, *, every=1, per="epoch"):
        super().__init__(per, lr=lr, factor=factor, every=every)

    def __call__(self, position):
        """The learning rate at a position."""
        return self.lr * self.factor ** (position / self.every)


class StepDecay(Schedule):
    """lr factor**(position // every): down at once, every so many positions.

    Parameters
    ----------
    lr : float above 0
        The learning rate at the start.
    factor : float above 0
        What is left of it at each step down.
    every : float above 0
    per : "epoch" or "step"
        What is counted.

    Source
    ------
    The notes, section 4.1: 50 % less every 5 epochs.

    Examples
    --------
    >>> import cdl
    >>> rate = cdl.StepDecay(0.1)
    >>> [rate(epoch) for epoch in (0, 4, 5, 10)]
    [0.1, 0.1, 0.05, 0.025]
    """

    def __init__(self, lr, factor=0.5, every=5, *, per="epoch"):
        super().__init__(per, lr=lr, factor=factor, every=every)

    def __call__(self, position):
        """The learning rate at a position."""
        return self.lr * self.factor ** (position // self.every)


class CosineDecay(Schedule):
    """Half a cosine, from lr to `final`, which stays from then on::

        final + (lr - final) (1 + cos(π min(position / length, 1))) / 2

    Parameters
    ----------
    lr : float above 0
        The learning rate at the start.
    length : float above 0
        After how many positions it is at `final`.
    final : float, 0 or more
        With 0 an update at the end or later changes nothing.
    per : "epoch" or "step"
        What is counted.

    Source
    ------
    Loshchilov and Hutter, "SGDR: stochastic gradient descent with warm restarts", 2017, equation 5, without restarts.

    Examples
    --------
    >>> import cdl
    >>> rate = cdl.CosineDecay(0.1, 100, per="step")
    >>> [round(rate(step), 3) for step in (0, 50, 100, 200)]
    [0.1, 0.05, 0.0, 0.0]
    """

    def __init__(self, lr, length, *, final=0.0, per="epoch"):
        super().__init__(per, lr=lr, length=length, **({"final": final} if final != 0 else {}))
        self.final = final

    def __call__(self, position):
        """The learning rate at a position."""
        return self.final + (self.lr - self.final) * (1 + math.cos(math.pi * min(position / self.length, 1))) / 2


class WarmUp(Schedule):
    """A straight line up to a learning rate over the first `length` positions, then that rate, or a schedule from its
    beginning::

        rate(0) (position + 1) / (length + 1)       while position < length
        rate(position - length)                     from then on

    The first rate is above 0, so no update is lost.

    Parameters
    ----------
    lr : float above 0, or a schedule
        What it leads to.
    length : float above 0
    per : "epoch" or "step", optional
        What is counted. Default: that of the schedule, or "step" for a number.

    Source
    ------
    Goyal et al., "Accurate, large minibatch SGD", 2017, section 2.2, gradual warm-up.

    Examples
    --------
    >>> import cdl
    >>> rate = cdl.WarmUp(cdl.CosineDecay(0.4, 100, per="step"), 3)
    >>> [round(rate(step), 3) for step in (0, 1, 2, 3, 103)]
    [0.1, 0.2, 0.3, 0.4, 0.0]
    """

    def __init__(self, lr, length, *, per=None):
        then = lr if callable(lr) else ConstantRate(lr, per=per or "step")
        theirs = getattr(then, "per", "epoch")
        if per not in (None, theirs):
            raise ValueError(f"WarmUp: the schedule counts by {theirs}, so it cannot count by {per}")
        super().__init__(theirs, length=length)
        self.lr = then

    def __call__(self, position):
        """The learning rate at a position."""
        if position < self.length:
            return self.lr(0) * (position + 1) / (self.length + 1)
        return self.lr(position - self.length)
