"""Bringing features to a common scale: standardised, or from 0 to 1."""
import numpy as np

from .blocks import Moments, extremes, rescale, standardised
from .columns import Scaler

__all__ = ["MinMaxScaler", "StandardScaler"]


class StandardScaler(Scaler):
    """Standardise each feature: subtract its mean, divide by its standard deviation.

    The last axis is the feature axis; mean and deviation are taken over all others. An array of one axis is one
    feature (the target of a regression, say). The deviation is the biased one (divided by N, not N − 1).

        x' = (x − μ) / (σ + ε)

    A feature that is constant in the fitted data is only centred: dividing by ε would turn the smallest difference in
    later data into millions. `constant` tells which these are. A `Table`, a pandas data frame, a structured array or a
    dict of columns may stand for x everywhere; later ones are then read by the names of the columns.

    Parameters
    ----------
    eps : float ≥ 0, default 1e-8
        ε, added to σ outside the root.

    Attributes
    ----------
    mean, std : numpy.ndarray of float64, shape (F,), or () after an array of one axis
        μ and σ; they exist after `fit`.
    constant : list of int or str
        The features that had one value only, by name where they have names, else by number.
    columns : list of str or None
        The features' names, where `fit` was told or saw them.

    Source
    ------
    The notes, section 7.1: x' = (x - μ)/(σ + ε).

    Examples
    --------
    >>> scaler = StandardScaler()
    >>> scaler.fit_transform([[1.0, 10.0], [3.0, 10.0]]).round(6)
    array([[-1.,  0.],
           [ 1.,  0.]])
    >>> scaler.inverse_transform([[0.0, 0.0]])
    array([[ 2., 10.]])
    >>> scaler
    StandardScaler(eps=1e-08), fitted on 2 features, constant: 1
    """

    _count = None       # of the rows behind mean and std; None where it is not known

    def __init__(self, eps=1e-8):
        if not 0 <= eps < np.inf:
            raise ValueError(f"{type(self).__name__}: eps must be finite and not negative, got {eps}")
        self.eps = float(eps)
        self.mean = self.std = None

    def fit(self, x, *, columns=None):
        """Learn mean and standard deviation of each feature of x, in float64 whatever x is.

        Parameters
        ----------
        x : array_like, Table, data frame, structured array or dict of columns
        columns : sequence of str, optional
            Names for the features of an array, which messages then use; or which columns of the others are taken.

        Shape
        -----
        x : (…, F) or (N,)

        Returns
        -------
        StandardScaler
            Itself.

        Raises
        ------
        ValueError
            No rows, or a feature that holds NaN or infinity: the message names it.
        TypeError
            x does not hold real numbers.
        """
        x, rows, names = self._rows(x, "fit", columns)
        return self._take(Moments(rows.shape[1]), x.ndim, rows, names, "fit")

    def partial_fit(self, x, *, columns=None):
        """Learn from one more part of the data, for data larger than memory; as `fit` of all parts together.

        The same but for rounding, however the rows are divided: means and squares about them are joined exactly, not
        estimated. Errors as for `fit`; what was learned before is then kept.

        Examples
        --------
        >>> scaler = StandardScaler()
        >>> for part in ([1.0, 2.0], [3.0, 6.0]):
        ...     _ = scaler.partial_fit(part)
        >>> float(scaler.mean), round(float(scaler.std), 6) == round(float(np.std([1, 2, 3, 6])), 6)
        (3.0, True)
        """
        x, rows, names = self._rows(x, "partial_fit", columns)
        if self.mean is None:
            moments = Moments(rows.shape[1])
        else:
            self._require_same(rows, x.ndim, names)
            moments = self._moments_again()
        return self._take(moments, x.ndim, rows, names or self.columns, "partial_fit")

    def transform(self, x):
        """(x − μ) / (σ + ε) as a new array: float64 stays float64, float32 and float16 stay, integers become float32.

        Shape
        -----
        x : as in `fit`, with any other axes → the same

        Raises
        ------
        ValueError
            Before `fit`, or another number of features.
        TypeError
            x does not hold real numbers.
        """
        x, rows, dtype = self._checked(x, "transform")
        return standardised(rows, self._mean, self._scale().reshape(-1), dtype).reshape(x.shape)

    def fit_transform(self, x, *, columns=None):
        """`fit`, then `transform`, of the same x."""
        return (self.fit(x) if columns is None else self.fit(x, columns=columns)).transform(x)

    def inverse_transform(self, x):
        """x (σ + ε) + μ as a new array: undoes `transform`, dtype and errors as there."""
        x, rows, dtype = self._checked(x, "inverse_transform")
        return rescale(rows, [(np.multiply, self._scale().reshape(-1)), (np.add, self._mean)], dtype).reshape(x.shape)

    @property
    def constant(self):
        return [] if self.std is None else self._names_of(np.flatnonzero(np.atleast_1d(self.std) == 0))

    def state_dict(self):
        """What `fit` learned, as a dict of float64 arrays ``mean``, ``std`` and ``eps``, ready for a safetensors file.

        ``count``, how many rows that were, is there where it is known; ``columns``, a list of names, where there are such.

        Raises
        ------
        ValueError
            Before `fit`.
        """
        self._require_fit("state_dict")
        state = {"mean": np.array(self.mean), "std": np.array(self.std), "eps": np.array(self.eps)}
        if self._count is not None:
            state["count"] = np.array(self._count)
        return self._with_columns(state)

    def load_state_dict(self, state):
        """Take over what another object's `state_dict` gave; returns itself.

        Raises
        ------
        ValueError
            A key is missing or unknown, shapes differ, or a value is not finite or negative where it cannot be.
        """
        if not {"mean", "std", "eps"} <= set(state) <= {"mean", "std", "eps", "count", "columns"}:
            raise ValueError(f"{type(self).__name__}.load_state_dict: expected mean, std and eps, got {sorted(state)}")
        mean, std, eps = (np.array(state[key], np.float64) for key in ("mean", "std", "eps"))
        if mean.ndim > 1 or mean.shape != std.shape or eps.shape != ():
            raise ValueError(f"{type(self).__name__}.load_state_dict: mean and std must have one shape (F,) or (), eps (), got "
                             f"{mean.shape}, {std.shape}, {eps.shape}")
        if not (np.isfinite(mean).all() and np.isfinite(std).all() and (std >= 0).all() and 0 <= eps < np.inf):
            raise ValueError(f"{type(self).__name__}.load_state_dict: mean, std and eps must be finite, std and eps "
                             "not negative")
        count, columns = state.get("count"), self._columns_of(state, mean.size)
        if count is not None and not (np.ndim(count) == 0 and int(count) == count >= 1):
            raise ValueError(f"{type(self).__name__}.load_state_dict: count must be a positive integer, got {count!r}")
        self.mean, self.std, self.eps, self.columns = mean, std, float(eps), columns
        self._count = None if count is None else int(count)
        return self

    def __repr__(self):
        return f"{type(self).__name__}(eps={self.eps:g}), {self._fitted_words()}"

    @property
    def _fitted(self):
        return self.mean

    @property
    def _mean(self):
        return np.asarray(self.mean).reshape(-1)

    def _scale(self):
        return np.where(self.std == 0, 1.0, self.std + self.eps)

    def _take(self, moments, ndim, rows, names, method):
        """Learn from moments to which the rows are added, unless a feature is not finite then."""
        moments.add(rows)
        self._refuse_bad(np.flatnonzero(~np.isfinite(moments.square)), rows, names, method,
                         "NaN, infinity, or values too large to square")
        # A constant's computed mean may be one rounding off the constant, and its deviation then not quite zero.
        mean = np.where(moments.constant, moments.first, moments.mean)
        std = np.where(moments.constant, 0.0, np.sqrt(moments.square / moments.count))
        self.mean, self.std = (mean[0], std[0]) if ndim < 2 else (mean, std)
        self.columns, self._count = names, moments.count
        return self

    def _moments_again(self):
        """The moments behind mean and std."""
        if self._count is None:
            raise ValueError(f"{type(self).__name__}.partial_fit: how many rows it was fitted on is not known (it came from a "
                             "state without count); call fit")
        moments = Moments(np.size(self.mean))
        moments.count, moments.first, moments.constant = self._count, self._mean, np.atleast_1d(self.std) == 0
        moments.mean, moments.square = self._mean.copy(), np.atleast_1d(self.std) ** 2 * self._count
        return moments


class MinMaxScaler(Scaler):
    """Bring each feature to a range, [0, 1] unless another is given: the least fitted value to a, the greatest to b.

        x' = a + (x − min) (b − a) / (max − min)

    The last axis is the feature axis. Later values may lie outside of the fitted ones, and then outside of the range too,
    unless `clip` cuts them off. A feature that is constant in the fitted data is only shifted to a; `constant` tells which
    these are. What may stand for x: as for `StandardScaler`.

    Parameters
    ----------
    feature_range : (float, float), default (0, 1)
        a < b.
    clip : bool, default False
        Whether `transform` cuts values off at a and b.

    Attributes
    ----------
    min, max : numpy.ndarray of float64, shape (F,), or () after an array of one axis
        They exist after `fit`.
    constant : list of int or str
        The features that had one value only, by name where they have names, else by number.
    columns : list of str or None
        The features' names, where `fit` was told or saw them.

    Source
    ------
    The notes, section 7.1: x' = (x - min)/(max - min).

    Examples
    --------
    >>> scaler = MinMaxScaler(clip=True)
    >>> scaler.fit_transform([[1.0, -5.0], [3.0, 5.0]])
    array([[0., 0.],
           [1., 1.]])
    >>> scaler.transform([[2.0, 9.0]]), scaler.inverse_transform([[0.5, 0.5]])
    (array([[0.5, 1. ]]), array([[2., 0.]]))
    """

    def __init__(self, feature_range=(0.0, 1.0), *, clip=False):
        try:
            low, high = map(float, feature_range)
        except (TypeError, ValueError):
            low = high = np.nan
        if not (np.isfinite([low, high]).all() and low < high):
            raise ValueError(f"MinMaxScaler: feature_range must be two finite numbers, the smaller first, got "
                             f"{feature_range!r}")
        self.feature_range, self.clip = (low, high), bool(clip)
        self.min = self.max = None

    def fit(self, x, *, columns=None):
        """Learn least and greatest value of each feature; arguments, shape and errors as for `StandardScaler.fit`."""
        x, rows, names = self._rows(x, "fit", columns)
        return self._take(*extremes(rows), x.ndim, rows, names, "fit")

    def partial_fit(self, x, *, columns=None):
        """Learn from one more part of the data; the same as `fit` of all parts together. Errors as for `fit`."""
        x, rows, names = self._rows(x, "partial_fit", columns)
        low, high = extremes(rows)
        if self.min is not None:
            self._require_same(rows, x.ndim, names)
            low, high = np.minimum(low, self.min), np.maximum(high, self.max)
        return self._take(low, high, x.ndim, rows, names or self.columns, "partial_fit")

    def transform(self, x):
        """a + (x − min) (b − a) / (max − min) as a new array; dtype, shape and errors as for `StandardScaler.transform`."""
        x, rows, dtype = self._checked(x, "transform")
        low, high = self.feature_range
        if low:
            steps = [(np.subtract, self._least), (np.divide, self._width()), (np.add, np.full_like(self._least, low))]
            out = rescale(rows, steps, dtype)
        else:
            out = standardised(rows, self._least, self._width(), dtype)
        return (np.clip(out, low, high, out=out) if self.clip else out).reshape(x.shape)

    def fit_transform(self, x, *, columns=None):
        """`fit`, then `transform`, of the same x."""
        return (self.fit(x) if columns is None else self.fit(x, columns=columns)).transform(x)

    def inverse_transform(self, x):
        """min + (x − a) (max − min) / (b − a) as a new array: undoes `transform`, but for what `clip` cut off."""
        x, rows, dtype = self._checked(x, "inverse_transform")
        steps = [(np.multiply, self._width()), (np.add, self._least)]
        if self.feature_range[0]:
            steps.insert(0, (np.subtract, np.full_like(self._least, self.feature_range[0])))
        return rescale(rows, steps, dtype).reshape(x.shape)

    @property
    def constant(self):
        return [] if self.min is None else self._names_of(np.flatnonzero(np.atleast_1d(self.min == self.max)))

    def state_dict(self):
        """What `fit` learned and the options: arrays ``min``, ``max``, ``feature_range`` and ``clip`` (0 or 1).

        ``columns``, a list of names, is there where there are such.

        Raises
        ------
        ValueError
            Before `fit`.
        """
        self._require_fit("state_dict")
        return self._with_columns({"min": np.array(self.min), "max": np.array(self.max),
                                   "feature_range": np.array(self.feature_range), "clip": np.array(float(self.clip))})

    def load_state_dict(self, state):
        """Take over what another object's `state_dict` gave, options included; returns itself.

        Raises
        ------
        ValueError
            A key is missing or unknown, shapes differ, or a value cannot be one.
        """
        keys = {"min", "max", "feature_range", "clip"}
        if not keys <= set(state) <= keys | {"columns"}:
            raise ValueError(f"MinMaxScaler.load_state_dict: expected {', '.join(sorted(keys))}, got {sorted(state)}")
        low, high, bounds, clip = (np.array(state[key], np.float64) for key in ("min", "max", "feature_range", "clip"))
        if low.ndim > 1 or low.shape != high.shape or bounds.shape != (2,) or clip.shape != ():
            raise ValueError(f"MinMaxScaler.load_state_dict: min and max must have one shape (F,) or (), feature_range (2,), "
                             f"clip (), got {low.shape}, {high.shape}, {bounds.shape}, {clip.shape}")
        if not (np.isfinite([low, high]).all() and (low <= high).all() and clip in (0, 1)):
            raise ValueError("MinMaxScaler.load_state_dict: min and max must be finite, min ≤ max, clip 0 or 1")
        columns = self._columns_of(state, low.size)
        self.__init__(bounds, clip=bool(clip))
        self.min, self.max, self.columns = low, high, columns
        return self

    def __repr__(self):
        low, high = self.feature_range
        return f"MinMaxScaler(({low:g}, {high:g}), clip={self.clip}), {self._fitted_words()}"

    @property
    def _fitted(self):
        return self.min

    @property
    def _least(self):
        return np.asarray(self.min).reshape(-1)

    def _width(self):
        """(max − min) / (b − a); 1 for a constant."""
        low, high = self.feature_range
        return np.where(self.min == self.max, 1.0, (self.max - self.min) / (high - low)).reshape(-1)

    def _take(self, least, greatest, ndim, rows, names, method):
        with np.errstate(over="ignore", invalid="ignore"):
            bad = np.flatnonzero(~np.isfinite(greatest - least))
        self._refuse_bad(bad, rows, names, method, "NaN, infinity, or values too far apart")
        least, greatest = np.atleast_1d(least), np.atleast_1d(greatest)
        self.min, self.max = (least[0], greatest[0]) if ndim < 2 else (least, greatest)
        self.columns = names
        return self
