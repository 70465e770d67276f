"""How far predicted numbers are from the true ones."""
import numpy as np

from cdl.extras import nearest
from cdl.metrics.inputs import arrays, no_nan, weights_for
from cdl.metrics.metric import KeptMetric, MeanMetric, Metric, added

__all__ = ["MAE", "MAPE", "MSE", "RMSE", "MaxError", "MedianAbsoluteError", "mae", "mape", "max_error", "median_absolute_error",
           "mse", "rmse"]

# Values looked at in one go: their float64 copies and differences stay within the second-level cache.
_BLOCK = 1 << 15
_ROUNDING = 1e-12        # of a sum of weights, in whatever order they are added


def numbers(y_true, y_pred, who):
    """Both as (rows, outputs), or (rows,) of one output; the last of several axes counts outputs."""
    y_true, y_pred = arrays(y_true, y_pred, who)
    for name, y in (("y_true", y_true), ("y_pred", y_pred)):
        if y.dtype.kind not in "fiub":
            raise TypeError(f"{who}: {name} must hold numbers, got dtype {y.dtype}")
    rows = y_pred.shape
    if y_true.shape != rows:
        y_true, y_pred = (y[..., 0] if y.ndim > 1 and y.shape[-1] == 1 else y for y in (y_true, y_pred))
        if y_true.shape != y_pred.shape:
            raise ValueError(f"{who}: y_true and y_pred must have one shape, got {y_true.shape} and {y_pred.shape}")
    rows = y_true.shape[:-1] if y_true.ndim > 1 else y_true.shape
    outputs = y_true.shape[-1] if y_true.ndim > 1 else 1
    shape = (-1, outputs) if outputs > 1 else (-1,)
    return y_true.reshape(shape), y_pred.reshape(shape), rows


# What is infinite or NaN is told below, in words, or is the figure.
quiet = np.errstate(over="ignore", invalid="ignore")


def finite(figures, y_true, y_pred, who):
    """The figures, if they are numbers: only where they are not, NaN is looked for, which costs a pass over all samples."""
    if np.isnan(figures).any():
        no_nan(y_true, who, "y_true")
        no_nan(y_pred, who, "y_pred")
        raise ValueError(f"{who}: y_true and y_pred hold values too large to subtract")
    return figures


def blocks(y_true, y_pred, weights):
    """The arrays part by part, in float64, a row for each of several outputs: sums along rows are the quick ones."""
    step = max(1, _BLOCK // (y_true.shape[1] if y_true.ndim > 1 else 1))
    for start in range(0, len(y_true), step):
        part = slice(start, start + step)
        t, p = (np.ascontiguousarray(y[part].T, np.float64) for y in (y_true, y_pred))
        yield t, p, None if weights is None else weights[part]


def over_outputs(values, multioutput, variances=None):
    """One number of the values of several outputs, or all of them."""
    if isinstance(multioutput, str) and multioutput == "raw_values":
        return np.atleast_1d(values)
    if isinstance(multioutput, str):
        weights = variances if multioutput == "variance_weighted" and np.any(variances) else None
    else:
        weights = multioutput
    return float(np.average(values, weights=weights))


class OfNumbers(Metric):
    """A metric of numbers, which may have several outputs; `multioutput` says what becomes of them."""

    averages = ("uniform_average", "raw_values")

    def __init__(self, *, multioutput="uniform_average"):
        if isinstance(multioutput, str) and multioutput not in self.averages:
            raise ValueError(f"{self.name}: multioutput must be {' or '.join(map(repr, self.averages))} or weights, got "
                             f"{multioutput!r}{nearest(multioutput, self.averages)}")
        self.multioutput = multioutput if isinstance(multioutput, str) else tuple(map(float, multioutput))

    @property
    def is_number(self):
        return self.multioutput != "raw_values"


class MeanError(OfNumbers, MeanMetric):
    """The mean of what each error costs."""

    larger_is_better = False

    @quiet
    def _sums(self, y_true, y_pred, sample_weight):
        y_true, y_pred, rows = numbers(y_true, y_pred, self.name)
        weights = weights_for(sample_weight, rows, self.name)
        total = 0.0, 0.0
        for t, p, w in blocks(y_true, y_pred, weights):
            cost = self._cost(t, p - t)
            total = added(total, ((cost if w is None else np.multiply(w, cost, out=cost)).sum(axis=-1), 0.0))
        total = finite(total[0] + total[1], y_true, y_pred, self.name)
        return total, float(len(y_true) if weights is None else weights.sum())

    def _value(self, state):
        return over_outputs(self._mean(state), self.multioutput)

    def _cost(self, y_true, error):
        raise NotImplementedError(f"{type(self).__name__} must define the cost of errors")


class MSE(MeanError):
    """Streaming `mse`."""

    name = "mse"

    def _cost(self, y_true, error):
        return np.multiply(error, error, out=error)


class RMSE(MSE):
    """Streaming `rmse`."""

    name = "rmse"

    def _value(self, state):
        return over_outputs(np.sqrt(self._mean(state)), self.multioutput)


class MAE(MeanError):
    """Streaming `mae`."""

    name = "mae"

    def _cost(self, y_true, error):
        return np.abs(error, out=error)


class MAPE(MeanError):
    """Streaming `mape`."""

    name = "mape"

    def _cost(self, y_true, error):
        return np.abs(error, out=error) / np.maximum(np.abs(y_true), np.finfo(np.float64).eps)


class MaxError(Metric):
    """Streaming `max_error`."""

    larger_is_better = False
    name = "max_error"

    @quiet
    def _batch(self, y_true, y_pred, sample_weight):
        y_true, y_pred, rows = numbers(y_true, y_pred, self.name)
        weights = weights_for(sample_weight, rows, self.name)
        largest = []
        for t, p, w in blocks(y_true, y_pred, weights):
            error = p - t
            error = np.abs(error, out=error)
            largest.append(error.max() if w is None else (error * (w > 0)).max())
        return float(finite(np.max(largest), y_true, y_pred, self.name))

    def _joined(self, one, other):
        return max(one, other)

    def _value(self, state):
        return state


class MedianAbsoluteError(OfNumbers, KeptMetric):
    """Streaming `median_absolute_error`; it keeps all errors."""

    larger_is_better = False
    name = "median_absolute_error"

    @quiet
    def _keep(self, y_true, y_pred, sample_weight):
        y_true, y_pred, rows = numbers(y_true, y_pred, self.name)
        errors = np.empty(y_true.shape)
        np.subtract(y_pred, y_true, out=errors, dtype=np.float64)
        finite(errors.min(), y_true, y_pred, self.name)
        return np.abs(errors, out=errors), weights_for(sample_weight, rows, self.name)

    def _figure(self, errors, weights):
        if weights is None:
            middle = len(errors) // 2
            parted = np.partition(errors, middle, axis=0)       # at one place: at two it takes six times as long
            medians = parted[middle] if len(errors) % 2 else (parted[:middle].max(axis=0) + parted[middle]) / 2
        else:
            medians = np.array([_weighted_median(column, weights) for column in errors.reshape(len(errors), -1).T])
        return over_outputs(medians, self.multioutput)


def _weighted_median(values, weights):
    """The least value whose share reaches ½; where it is just ½, the mean with the next that weighs something."""
    if not weights.all():
        values, weights = values[weights > 0], weights[weights > 0]
        if not len(weights):
            raise ValueError("median_absolute_error: all sample weights are 0")
    half = weights.sum() / 2
    below, values, weights = _around(half, values, weights)
    order = np.argsort(values)
    shares = below + np.cumsum(weights[order])
    place = min(int(np.searchsorted(shares, half * (1 - _ROUNDING))), len(order) - 1)
    if shares[place] > half * (1 + _ROUNDING) or place + 1 == len(order):
        return values[order[place]]
    return (values[order[place]] + values[order[place + 1]]) / 2


def _around(half, values, weights):
    """The values about that at which the weights add up to half, with their weights, and the weight of all below these.

    A sample of a thousand says where that is, so that only a tenth of many values is sorted.
    """
    if len(values) < _BLOCK:
        return 0.0, values, weights
    step = len(values) // 1024
    order = np.argsort(values[::step])
    shares = np.cumsum(weights[::step][order])
    low, high = values[::step][order[np.searchsorted(shares, np.array([0.45, 0.55]) * shares[-1])]]
    inside = (values >= low) & (values <= high)
    below, within = (weights * (values < low)).sum(), weights[inside]
    if below < half * (1 - 2 * _ROUNDING) and half * (1 + 2 * _ROUNDING) < below + within.sum():
        return below, values[inside], within
    return 0.0, values, weights


def mse(y_true, y_pred, *, sample_weight=None, multioutput="uniform_average"):
    """The mean squared error, (p - y)².

    Parameters
    ----------
    y_true, y_pred : array_like
        Numbers of one shape, (N,), (N, 1) or (..., K) for K outputs.
    sample_weight : array_like, optional
        How much each sample counts.
    multioutput : {"uniform_average", "raw_values"} or sequence of float
        The mean over the outputs, an array with the figure of each, or their weights in the mean.

    Raises
    ------
    ValueError
        For lengths or shapes that differ, no samples, NaN, or weights that are all 0.

    Examples
    --------
    >>> mse([3.0, 5.0], [2.0, 5.0])
    0.5
    """
    return MSE(multioutput=multioutput)(y_true, y_pred, sample_weight)


def rmse(y_true, y_pred, *, sample_weight=None, multioutput="uniform_average"):
    """The root of the mean squared error, of each output. Arguments and errors as for `mse`.

    Examples
    --------
    >>> rmse([3.0, 5.0], [1.0, 3.0])
    2.0
    """
    return RMSE(multioutput=multioutput)(y_true, y_pred, sample_weight)


def mae(y_true, y_pred, *, sample_weight=None, multioutput="uniform_average"):
    """The mean absolute error, |p - y|. Arguments and errors as for `mse`.

    Examples
    --------
    >>> mae([3.0, 5.0], [1.0, 4.0], sample_weight=[1, 3])
    1.25
    """
    return MAE(multioutput=multioutput)(y_true, y_pred, sample_weight)


def mape(y_true, y_pred, *, sample_weight=None, multioutput="uniform_average"):
    """The mean absolute error as a share, |p - y| / |y|: 0.1 is ten percent. |y| counts as 2.2e-16 at least.

    Arguments and errors as for `mse`.

    Examples
    --------
    >>> mape([2.0, 4.0], [1.0, 5.0])
    0.375
    """
    return MAPE(multioutput=multioutput)(y_true, y_pred, sample_weight)


def max_error(y_true, y_pred, *, sample_weight=None):
    """The largest |p - y| of all outputs, of samples that weigh anything. Arguments and errors as for `mse`.

    Examples
    --------
    >>> max_error([3.0, 5.0], [1.0, 4.0])
    2.0
    """
    return MaxError()(y_true, y_pred, sample_weight)


def median_absolute_error(y_true, y_pred, *, sample_weight=None, multioutput="uniform_average"):
    """The median of |p - y|, which a few wild errors leave as it is. Arguments and errors as for `mse`.

    Examples
    --------
    >>> median_absolute_error([1.0, 2.0, 3.0], [1.5, 2.1, 90.0])
    0.5
    """
    return MedianAbsoluteError(multioutput=multioutput)(y_true, y_pred, sample_weight)
