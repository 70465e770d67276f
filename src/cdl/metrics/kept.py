"""Metrics that need all values at once."""
import numpy as np

from cdl.metrics.metric import Metric

__all__ = ["KeptMetric"]


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
