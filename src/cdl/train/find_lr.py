"""The learning-rate finder: a short training whose rate grows, to be looked at, and forgotten."""
import math

import numpy as np

from cdl._core.check import number, positive_integer
from cdl.callbacks.callback import Callback
from cdl.extras import require
from cdl.train.arguments import functions, loss_of
from cdl.train.loop import fit

__all__ = ["RateCurve", "find_lr"]


class RateCurve:
    """What `cdl.optim.find_lr` found: the loss at each learning rate.

    Attributes
    ----------
    rates, losses, smoothed : ndarray
        The learning rate of each step, the loss of its batch before it, and the smoothed loss.
    suggestion : float or None
        The rate where the smoothed loss falls fastest, over the logarithm of the rate, before its minimum; None if it never
        fell.
    diverged, interrupted : bool
        Whether it ended before `high` because the loss grew too large, or by Ctrl-C.

    Examples
    --------
    >>> curve = RateCurve(np.array([0.01, 0.1, 1.0, 10.0]), [3.0, 2.5, 1.0, 5.0], width=0)
    >>> curve.suggestion, curve.smoothed.tolist()
    (1.0, [3.0, 2.5, 1.0, 3.0])
    """

    def __init__(self, rates, losses, *, width, diverged=False, interrupted=False):
        self.losses = np.array(losses, float)
        self.rates, self.smoothed = rates[:len(self.losses)], smoothed_losses(self.losses, width)
        self.diverged, self.interrupted = diverged, interrupted

    @property
    def suggestion(self):
        """The rate of the steepest fall before the minimum; None if the loss never fell."""
        down = self.smoothed[:int(self.smoothed.argmin()) + 1]
        # The rates are equal steps of their logarithm apart.
        return float(self.rates[int(np.gradient(down).argmin())]) if len(down) > 1 else None

    def plot(self, ax=None):
        """Draw the losses over the rates, with matplotlib (``pip install 'cdl[plot]'``); the suggestion is marked.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw; without it a new figure is made.

        Returns
        -------
        matplotlib.figure.Figure

        Raises
        ------
        ImportError
            matplotlib is not installed.
        """
        pyplot = require("matplotlib.pyplot", "plot", "RateCurve.plot")
        ax = pyplot.subplots(figsize=(6.4, 3.6), layout="constrained")[1] if ax is None else ax
        ax.plot(self.rates, self.losses, color="0.8", label="each batch")
        ax.plot(self.rates, self.smoothed, color="C0", label="smoothed")
        if self.suggestion is not None:
            ax.axvline(self.suggestion, color="C1", linestyle="--", label=f"suggestion {self.suggestion:.2g}")
        least, most = self.smoothed.min(), self.smoothed.max()
        if least < most:            # with the losses that diverge all others would be a flat line
            ax.set_ylim(least - 0.2 * (most - least), most + 0.5 * (most - least))
        ax.set(xscale="log", xlabel="learning rate", ylabel="loss")
        ax.legend()
        return ax.figure

    def __repr__(self):
        best = "none" if self.suggestion is None else f"{self.suggestion:.3g}"
        how = ", diverged" if self.diverged else ", interrupted" if self.interrupted else ""
        return f"RateCurve({len(self.rates)} rates up to {self.rates[-1]:.3g}{how}; suggestion {best})"


def smoothed_losses(losses, width):
    """Of each step the mean of all losses, weighed by exp(-½ (steps away / width)²), before and after alike.

    The usual moving average looks back only, and shows everything late: with 0.9 at a rate four times too large. Losses above
    all of those at the beginning count as the largest of them, so that what diverges at the end does not hide the fall before.
    """
    capped = np.minimum(losses, max(losses[:max(len(losses) // 10, 1)], default=0))
    k = np.arange(len(losses))
    weights = np.exp(-0.5 * ((k[:, None] - k) / width) ** 2) if width else np.eye(len(k))
    return weights @ capped / weights.sum(1)


def find_lr(model, x, y=None, *, loss, optimizer="adam", low=1e-6, high=10.0, steps=100, smoothing=0.05, divergence=4.0,
            batch_size=None, sample_weight=None, class_weight=None, augment=None, penalty=None, shuffle=None, rng=None):
    """Try learning rates: train for some steps, as `fit` does, each with a larger rate, and note the losses.

    Step k of n has the rate low (high / low)**(k / (n - 1)); it ends early where the mean of the last losses is above
    `divergence` times the least such mean, or a loss is not finite. Afterwards everything is as before, to the bit, whatever
    ended it: parameters, running statistics, gradients, optimizer, generators. A model that did not know its sizes knows them
    then.

    Parameters
    ----------
    model, x, y, loss, batch_size, sample_weight, class_weight, augment, penalty, shuffle, rng
        As for `fit`; x may be a Loader.
    optimizer : str, Optimizer or callable
        As for `fit`. Of several groups each keeps its share of the first one's rate; a schedule of lr is put aside.
    low, high : float above 0
        The first and the last rate.
    steps : int, 2 or more
    smoothing : float in [0, 1)
        The width of what the losses are averaged over, as a share of the steps: a Gaussian of this standard deviation.
    divergence : float above 1

    Returns
    -------
    RateCurve
        With rates, losses, smoothed, suggestion and plot().

    Raises
    ------
    ValueError
        For numbers out of their range, and what `fit` refuses.
    KeyboardInterrupt
        If Ctrl-C came before the second step; later it returns what there is.

    Source
    ------
    Smith, "Cyclical learning rates for training neural networks", 2017, section 3.3, with rates that grow exponentially.

    Examples
    --------
    >>> import numpy as np
    >>> import cdl
    >>> x, y = cdl.load_digits()
    >>> model = cdl.Sequential([cdl.Dense(32, activation="relu"), cdl.Dense(10)])
    >>> curve = cdl.optim.find_lr(model, x.reshape(-1, 64), y, loss="cross_entropy", rng=0)
    >>> 1e-4 < curve.suggestion < 1
    True
    >>> curve.plot().savefig("rates.png")
    """
    loss = loss_of(loss, "find_lr")
    functions(augment=augment, penalty=penalty)
    for name, value in {"low": low, "high": high}.items():
        if not 0 < number(value, "find_lr", name) < math.inf:
            raise ValueError(f"find_lr: {name} must be above 0 and finite, got {value!r}")
    if not low < high:
        raise ValueError(f"find_lr: low must be below high, got {low:g} and {high:g}")
    if positive_integer(steps, "find_lr", "steps") < 2:
        raise ValueError("find_lr: steps must be 2 or more, got 1")
    if not 0 <= number(smoothing, "find_lr", "smoothing") < 1:
        raise ValueError(f"find_lr: smoothing must be in [0, 1), got {smoothing!r}")
    if not number(divergence, "find_lr", "divergence") > 1:
        raise ValueError(f"find_lr: divergence must be above 1, got {divergence!r}")
    rates, width = low * (high / low) ** (np.arange(steps) / (steps - 1)), smoothing * steps
    search = _Search(loss, penalty, rates, max(round(width), 1), divergence)
    try:
        history = fit(model, x, y, loss=search.loss, penalty=None if penalty is None else search.penalty, optimizer=optimizer,
                      epochs=steps, batch_size=batch_size, sample_weight=sample_weight, class_weight=class_weight,
                      augment=augment, shuffle=shuffle, rng=rng, callbacks=[search], progress=False)
        interrupted = history.interrupted
    except _Over:
        interrupted = False
    except FloatingPointError:
        search.diverged, interrupted = True, False
    finally:
        try:
            search.put_back()
        except KeyboardInterrupt:       # which came in the middle of it
            search.put_back()
            raise
    if interrupted and len(search.losses) < 2:
        raise KeyboardInterrupt
    return RateCurve(rates, search.losses, width=width, diverged=search.diverged, interrupted=interrupted)


class _Over(Exception):
    """The search has seen enough."""


class _Search(Callback):
    """Sets the rate of every step, notes its loss, and puts everything back."""

    def __init__(self, loss, penalty, rates, averaged, divergence):
        self._loss, self._penalty, self._rates, self._averaged, self._most = loss, penalty, rates, averaged, divergence
        self.losses, self._least, self.diverged, self._before = [], math.inf, False, None

    def attach(self, training):
        """Remember how everything is."""
        super().attach(training)
        model, optimizer = training.model, training.optimizer
        if not hasattr(optimizer, "groups"):
            raise TypeError(f"find_lr: expected an optimizer of cdl, got {type(optimizer).__name__}")
        first = optimizer.lr or 1.0         # a schedule may be at 0
        self._groups = [(group, group["lr"] / first, group.schedule) for group in optimizer.groups]
        self._before = (model.state_dict(), optimizer.state_dict(), [(p, p.grad) for p in model.parameters()],
                        [(rng, rng.bit_generator.state) for rng in training.generators()])

    def put_back(self):
        """Have everything as it was."""
        if self._before is None:
            return
        model, optimizer, gradients, generators = self._before
        self.training.model.load_state_dict(model)
        for group, _, schedule in self._groups:
            if schedule is not None:
                group["lr"] = schedule
        self.training.optimizer.load_state_dict(optimizer)
        for parameter, gradient in gradients:
            parameter.grad = gradient
        for rng, state in generators:
            rng.bit_generator.state = state

    def loss(self, y_true, y_pred, **options):
        """The loss itself; the rate of the step that follows is set."""
        for group, share, _ in self._groups:
            if share:
                group["lr"] = self._rates[len(self.losses)] * share
        value = self._loss(y_true, y_pred, **options)
        if hasattr(value, "item"):          # else fit says what is wrong with it
            self.losses.append(value.item())
            if not math.isfinite(self.losses[-1]):
                self.diverged = True
                raise _Over
        return value

    def penalty(self, model):
        """The penalty itself, which is part of what is noted."""
        value = self._penalty(model)
        self.losses[-1] += float(value)
        return value

    def on_batch_end(self, model):
        """End after the last rate, or where the losses have grown too large."""
        last = self.losses[-self._averaged:]
        mean = sum(last) / len(last)
        self._least = min(self._least, mean)
        # Written so that losses below 0 have a bound as well.
        self.diverged = mean > self._least + (self._most - 1) * abs(self._least)
        if self.diverged or len(self.losses) == len(self._rates):
            raise _Over
