"""Which parameters are tried, and which trials are trained on: a method is asked for work and told how it went."""
import math

from cdl.tuning.result import Trial

__all__ = ["Asha", "Halving", "Listed", "rungs"]


def rungs(epochs, factor, min_epochs):
    """The epochs at which trials are compared: `epochs`, and below it each the factor-th part, down to `min_epochs`.

    Examples
    --------
    >>> rungs(20, 3, 2), rungs(81, 3, 1)
    ([3, 7, 20], [1, 3, 9, 27, 81])
    """
    found = [epochs]
    while found[0] > 1 and math.ceil(found[0] / factor) >= min_epochs:
        found.insert(0, math.ceil(found[0] / factor))
    return found


class Listed:
    """Every one of some parameters, each to the end: grid and random search."""

    study = None

    def __init__(self, parameters, count, until):
        self._waiting = enumerate(parameters)
        self._left, self._until = count, until

    def ask(self):
        """The next (trial, epoch up to which it is to be trained), None if there is nothing to do now."""
        if self._left <= 0:
            return None
        self._left -= 1
        number, parameters = next(self._waiting, (None, None))
        return None if parameters is None else (Trial(number, parameters), self._until)

    def tell(self, trial):
        """Be told that a trial is where it was asked to go, or failed."""


class Halving(Listed):
    """Successive halving: all trials up to the first rung, the best of every `factor` up to the next, and so on.

    The decisions fall when all have arrived, so they are the same for every number of workers.

    Source
    ------
    Jamieson, Talwalkar, "Non-stochastic best arm identification and hyperparameter optimization", 2016.
    """

    def __init__(self, parameters, count, steps, factor, sign):
        super().__init__(parameters, count, steps[0])
        self._steps, self._factor, self._sign, self._rung = steps, factor, sign, 0
        self._arrived, self._expected, self._on = [], 0, []

    def ask(self):
        """The next trial of the first rung, or one that goes on."""
        if self._on:
            return self._on.pop(0), self._steps[self._rung]
        job = super().ask() if self._rung == 0 else None
        self._expected += job is not None
        return job

    def tell(self, trial):
        """Once all are there, choose who goes on."""
        self._arrived.append(trial)
        if len(self._arrived) < self._expected or (self._rung == 0 and self._left > 0):
            return
        ranked = sorted((one for one in self._arrived if one.state != "failed"), key=lambda one: (self._sign * one.value,
                                                                                                 one.number))
        kept = max(1, self._whole() // self._factor ** (self._rung + 1))
        for trial in ranked[kept:]:
            if trial.state == "unfinished":
                trial.state = "stopped"
        self._arrived = [one for one in ranked[:kept] if one.state == "finished"]     # ended by patience: still in the race
        self._on, self._rung = [one for one in ranked[:kept] if one.state == "unfinished"], self._rung + 1
        self._expected = len(self._on) + len(self._arrived)

    def _whole(self):
        if self._rung == 0:
            self._begun = self._expected
        return self._begun


class Asha(Listed):
    """Asynchronous halving: at every rung a trial goes on if it is among the best of every `factor` that came there so far.

    Nobody waits; so with several workers it depends on who arrives first.

    Source
    ------
    Li et al., "A system for massively parallel hyperparameter tuning", 2020, in the form that stops trials.
    """

    def __init__(self, parameters, count, steps, factor, sign):
        super().__init__(parameters, count, steps[0])
        self._steps, self._factor, self._sign = steps, factor, sign
        self._seen, self._on = {step: [] for step in steps}, []

    def ask(self):
        """A trial that goes on, or the next new one."""
        return self._on.pop(0) if self._on else super().ask()

    def tell(self, trial):
        """Choose whether it goes on."""
        if trial.state != "unfinished":
            return
        rung = self._steps.index(trial.epochs)
        values = self._seen[trial.epochs]
        values.append(self._sign * trial.value)
        if sorted(values).index(values[-1]) < math.ceil(len(values) / self._factor):
            self._on.append((trial, self._steps[rung + 1]))
        else:
            trial.state = "stopped"
