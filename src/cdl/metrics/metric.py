"""The form of all streaming metrics: what a batch gives, how two batches' are joined, and the figure of what was gathered."""
import inspect

import numpy as np

__all__ = ["KeptMetric", "MeanMetric", "Metric", "added"]


class Metric:
    """A figure gathered batch by batch, in float64: the same, to 1e-12, however the samples were parted.

    A metric says what a batch gives (`_batch`), how that of two parts is joined (`_joined`), and the figure of it
    (`_value`); the rest is here.

    Attributes
    ----------
    name : str
        As the history names it.

    Examples
    --------
    >>> from cdl.metrics import Accuracy
    >>> first = Accuracy().update([0, 1], [0, 0])
    >>> second = Accuracy().update([1, 1], [1, 1])
    >>> first.merge(second).result()
    0.75
    """

    name = "metric"
    is_number = True            # whether the result is one number, as the history needs it
    larger_is_better = True
    _state = None

    def update(self, y_true, y_pred, sample_weight=None):
        """Count a batch in; returns itself."""
        self._join(self._batch(y_true, y_pred, sample_weight))
        return self

    def result(self):
        """The figure of all samples since the beginning, or the last `reset`.

        Raises
        ------
        ValueError
            There were none.
        """
        if self._state is None:
            raise ValueError(f"{self.name}: there are no samples to measure; call update first")
        return self._value(self._state)

    def reset(self):
        """Forget all samples; returns itself."""
        self._state = None
        return self

    def merge(self, other):
        """Count in what another metric of this kind, and with these options, has gathered; returns itself."""
        if type(other) is not type(self) or other._options() != self._options():
            raise ValueError(f"{self.name}: only {self!r} can be merged with it, got {other!r}")
        if other._state is not None:
            self._join(other._state)
        return self

    def __call__(self, y_true, y_pred, sample_weight=None):
        """The figure of these samples alone, whatever was gathered."""
        return self._value(self._batch(y_true, y_pred, sample_weight))

    def _join(self, state):
        self._state = state if self._state is None else self._joined(self._state, state)

    def _batch(self, y_true, y_pred, sample_weight):
        raise NotImplementedError(f"{type(self).__name__} must define what a batch gives")

    def _joined(self, one, other):
        raise NotImplementedError(f"{type(self).__name__} must define how the states of two parts are joined")

    def _value(self, state):
        raise NotImplementedError(f"{type(self).__name__} must define the figure of a state")

    def _options(self):
        return {name: vars(self)[name] for name in inspect.signature(type(self)).parameters if name in vars(self)}

    def __repr__(self):
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self._options().items())})"


class MeanMetric(Metric):
    """A mean by weight. The state is (sum, what its rounding lost, sum of weights)."""

    def _batch(self, y_true, y_pred, sample_weight):
        total, weight = self._sums(y_true, y_pred, sample_weight)
        return total, 0.0, weight

    def _sums(self, y_true, y_pred, sample_weight):
        raise NotImplementedError(f"{type(self).__name__} must define the weighted sum of a batch, and its weight")

    def _joined(self, one, other):
        return *added(one[:2], other[:2]), one[2] + other[2]

    def _value(self, state):
        return float(self._mean(state))

    def _mean(self, state):
        total, rest, weight = state
        if not weight:
            raise ValueError(f"{self.name}: all sample weights are 0")
        return (total + rest) / weight


class KeptMetric(Metric):
    """A metric that keeps what it is given: y_true, y_pred (or what it makes of these) and weights, lists of arrays."""

    def _batch(self, y_true, y_pred, sample_weight):
        return [[array] for array in self._keep(y_true, y_pred, sample_weight)]

    def _join(self, state):
        if self._state is None:
            self._state = [[] for _ in state]
        for kept, arrays in zip(self._state, state, strict=True):
            kept += [None if array is None else np.array(array) for array in arrays]    # batches may be written over

    def _value(self, state):
        *parts, weights = state
        if any(array is not None for array in weights):
            weights = np.concatenate([np.ones(len(part)) if array is None else array
                                      for part, array in zip(parts[0], weights, strict=True)])
        else:
            weights = None
        return self._figure(*(part[0] if len(part) == 1 else np.concatenate(part) for part in parts), weights)

    def _keep(self, y_true, y_pred, sample_weight):
        raise NotImplementedError(f"{type(self).__name__} must define what is kept of a batch")

    def _figure(self, *arrays):
        raise NotImplementedError(f"{type(self).__name__} must define the figure of all that was kept")


def added(one, other):
    """The sum of two sums, each a number (or an array) and what rounding has left of it (Knuth's two-sum)."""
    (a, a_rest), (b, b_rest) = one, other
    total = a + b
    back = total - a
    return total, a_rest + b_rest + ((a - (total - back)) + (b - back))
