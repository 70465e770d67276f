"""How much of the variance of numbers their predictions explain."""
import numpy as np

from cdl.metrics.inputs import weights_for
from cdl.metrics.metric import added
from cdl.metrics.regression import OfNumbers, blocks, finite, numbers, over_outputs, quiet

__all__ = ["R2", "ExplainedVariance", "explained_variance", "r2"]


class OfVariances(OfNumbers):
    """1 - (what errors are left) / (the variance of y_true).

    The state is (samples, weight, first values, means beyond these, sums of squares about the means, what rounding lost of
    them), of y_true and of the errors. Parts are joined by the formula of Chan, Golub and LeVeque, 1979, which never
    subtracts large sums; means count from a first value, so that they lose nothing where all values are far from 0.
    """

    averages = ("uniform_average", "raw_values", "variance_weighted")

    @quiet
    def _batch(self, y_true, y_pred, sample_weight):
        y_true, y_pred, rows = numbers(y_true, y_pred, self.name)
        weights = weights_for(sample_weight, rows, self.name)
        state = 0, 0.0, 0.0, 0.0, 0.0, 0.0
        for t, p, w in blocks(y_true, y_pred, weights):
            weight = float(t.shape[-1] if w is None else w.sum())
            parts = _moments(t, w, weight or 1.0), self._errors(t - p, w, weight or 1.0)
            state = self._joined(state, (t.shape[-1], weight, *map(np.array, zip(*parts, strict=True)), 0.0))
        finite(state[4], y_true, y_pred, self.name)
        return state

    def _joined(self, one, other):
        weight = one[1] + other[1]
        if not (one[1] and other[1]):       # samples without weight have no mean
            return one[0] + other[0], *(one if one[1] else other)[1:]
        apart = (other[2] - one[2]) + other[3] - one[3]
        squares = added(added(one[4:], other[4:]), (apart * apart * (one[1] * other[1] / weight), 0.0))
        return one[0] + other[0], weight, one[2], one[3] + apart * (other[1] / weight), *squares

    def _value(self, state):
        samples, weight, _, _, squares, rest = state
        if not weight:
            raise ValueError(f"{self.name}: all sample weights are 0")
        whole, left = squares + rest
        values = np.where(whole == 0, np.where(left == 0, 1.0, 0.0), 1 - left / np.where(whole == 0, 1, whole))
        return over_outputs(values, self.multioutput, whole) if samples > 1 else float("nan")

    def _errors(self, errors, w, weight):
        raise NotImplementedError(f"{type(self).__name__} must define the mean and the squares about it of errors")


def _moments(values, w, weight):
    """The first value, how far the mean is beyond it, and the weighted sum of squares about the mean: 0 of equal values."""
    first = values[..., :1]
    values = values - first
    mean = (values if w is None else w * values).sum(axis=-1) / weight
    values -= mean[..., None]
    return first[..., 0], mean, _squares(values, w)


def _squares(values, w):
    """The weighted sum of squares; the values are lost."""
    np.multiply(values, values, out=values)
    return (values if w is None else np.multiply(w, values, out=values)).sum(axis=-1)


class R2(OfVariances):
    """Streaming `r2`."""

    name = "r2"

    def _errors(self, errors, w, weight):
        about = np.zeros(errors.shape[:-1])      # 0 instead of the mean
        return about, about, _squares(errors, w)


class ExplainedVariance(OfVariances):
    """Streaming `explained_variance`."""

    name = "explained_variance"

    def _errors(self, errors, w, weight):
        return _moments(errors, w, weight)


def r2(y_true, y_pred, *, sample_weight=None, multioutput="uniform_average"):
    """The coefficient of determination, 1 - Σ (y - p)² / Σ (y - mean of y)²: 1 is perfect, 0 the mean of y for all.

    Where y is constant it is 1 if all errors are 0, and 0 otherwise; NaN of one sample.

    Parameters
    ----------
    y_true, y_pred, sample_weight : as for `mse`
    multioutput : {"uniform_average", "raw_values", "variance_weighted"} or sequence of float
        As for `mse`; "variance_weighted": the mean by the variances of the outputs.

    Raises
    ------
    ValueError
        As `mse`.

    Examples
    --------
    >>> r2([1.0, 2.0, 3.0], [1.0, 2.0, 4.0])
    0.5
    """
    return R2(multioutput=multioutput)(y_true, y_pred, sample_weight)


def explained_variance(y_true, y_pred, *, sample_weight=None, multioutput="uniform_average"):
    """1 - variance of the errors / variance of y: as `r2`, but an error that all predictions share costs nothing.

    Arguments and errors as for `r2`.

    Examples
    --------
    >>> explained_variance([1.0, 2.0, 3.0], [2.0, 3.0, 4.0])
    1.0
    """
    return ExplainedVariance(multioutput=multioutput)(y_true, y_pred, sample_weight)
