"""What all estimators share: data checked as scikit-learn does it, a training of `fit`, outputs, parameters by name."""
import copy
import warnings

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from cdl._core.check import number
from cdl.data.loader import Loader
from cdl.extras import nearest
from cdl.nn import BatchNorm
from cdl.random import drawn_from
from cdl.train.loop import fit

__all__ = ["Network", "Rows", "checked_numbers", "is_flag", "one_of", "positive"]

# So many numbers of a sparse matrix are made dense at a time for a prediction: 32 MiB in float64.
_DENSE = 1 << 22
_TOLD = 5       # columns with NaN that a message names


class Network(BaseEstimator):
    """The base of the estimators: a network in `model_`, trained by `cdl.fit`.

    A subclass has `_targets`, which knows what an output stands for, and says in `_dtype` what samples become.
    """

    _many_axes = False      # whether samples may be images or sequences
    _batch_limit = 200      # what batch_size="auto" is, as in scikit-learn, where there are so many samples

    # --- parameters ---------------------------------------------------------------------------------------------------
    def _keep(self, given):
        """Keep the arguments of __init__, as they are, under their names."""
        vars(self).update({name: value for name, value in given.items() if name not in ("self", "__class__")})

    def set_params(self, **params):
        """Set parameters by name; an unknown one raises ValueError, with the nearest known one."""
        known = self.get_params(deep=True)
        for name in params:
            if name.partition("__")[0] not in known:
                raise ValueError(f"Invalid parameter {name!r} for estimator {type(self).__name__}{nearest(name, known)}; "
                                 f"valid parameters are {', '.join(sorted(known))}")
        return super().set_params(**params)

    def _generator(self):
        """A NumPy Generator for one call of fit, from random_state as scikit-learn reads it."""
        return np.random.default_rng(check_random_state(self.random_state).randint(2**31, size=4))

    # --- data ---------------------------------------------------------------------------------------------------------
    def _validated(self, X, y="no_validation", *, reset, **options):
        """Samples (and targets) as arrays, checked; a NaN is told with the columns that have one."""
        try:
            return validate_data(self, X, y, accept_sparse="csr", dtype=self._dtype, allow_nd=self._many_axes, reset=reset,
                                 **options)
        except ValueError as error:
            columns = _columns_of_nan(X) if "Input X contains NaN" in str(error) else ""
            if not columns:
                raise
            raise ValueError(f"{error}\n{columns}") from None

    def _weights(self, sample_weight, X):
        """One weight for each sample or None."""
        if sample_weight is None:
            return None
        weights = _check_sample_weight(sample_weight, X, dtype=np.float64)
        if (weights < 0).any():
            raise ValueError(f"{type(self).__name__}: sample_weight must be 0 or more, got {weights.min():g}")
        if not weights.any():
            raise ValueError(f"{type(self).__name__}: all weights are 0, so no sample counts")
        return weights

    def _batch(self, count):
        """How many of `count` samples a batch has."""
        size = self.batch_size
        if isinstance(size, str) and size == "auto":
            return min(self._batch_limit, count)
        positive(self, "batch_size", size)
        if size > count:
            warnings.warn(f"{type(self).__name__}: batch_size {size} is more than the {count} samples; it is taken as "
                          f"{count}", stacklevel=4)
        return min(size, count)

    # --- training -----------------------------------------------------------------------------------------------------
    def _train(self, X, y, weights, rng, *, shuffle=True, batch_size, **options):
        """Train `model_` and return the history; Ctrl-C warns, as scikit-learn does it."""
        batch_size = _without_single_rest(self.model_, X.shape[0], batch_size)
        if sparse.issparse(X):
            arrays = (np.arange(X.shape[0]), y) if weights is None else (np.arange(X.shape[0]), y, weights)
            X, y = Loader(arrays, batch_size, shuffle=shuffle, transform=Rows(X), prefetch=0, rng=rng), None
        else:
            options |= dict(sample_weight=weights, shuffle=shuffle, batch_size=batch_size, rng=rng)
        with drawn_from(rng):
            history = fit(self.model_, X, y, progress=False, **options)
        if history.interrupted:
            warnings.warn("Training interrupted by user.", stacklevel=4)
        return history

    def _kept_optimizer(self, make, incremental):
        """The optimizer of the last training, where this one goes on from there, or a new one."""
        kept = vars(self).get("_optimizer")
        if not incremental or kept is None or isinstance(kept, dict):
            self._optimizer = make()
            if incremental and kept is not None:
                self._optimizer.load_state_dict(kept)
        return self._optimizer

    def __getstate__(self):
        state = super().__getstate__()
        kept = state.get("_optimizer")
        # An optimizer belongs to its parameters: partial_fit makes one for those of the copy, and gives it this state
        return state if kept is None or isinstance(kept, dict) else state | {"_optimizer": kept.state_dict()}

    def _own_callbacks(self):
        """Copies of the callbacks: a parameter of an estimator stays as it was given."""
        given = self.callbacks
        given = [] if given is None else [given] if callable(given) else list(given)
        self.callbacks_ = copy.deepcopy(given)
        return self.callbacks_

    # --- outputs ------------------------------------------------------------------------------------------------------
    def _outputs(self, X):
        """What the network gives for samples that are not checked yet."""
        check_is_fitted(self)
        return self._outputs_of(self._validated(X, reset=False))

    def _outputs_of(self, X):
        if not sparse.issparse(X):
            return self.model_.predict(X)
        rows = max(1, _DENSE // max(1, X.shape[1]))
        return np.concatenate([self.model_.predict(X[i:i + rows].toarray()) for i in range(0, X.shape[0], rows)])

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def __sklearn_is_fitted__(self):
        return "model_" in vars(self)


class Rows:
    """The rows of a sparse matrix that a batch of positions stands for, dense."""

    def __init__(self, X):
        self.X = X

    def __call__(self, rows, *targets):
        return self.X[rows].toarray(), *targets


def _columns_of_nan(X):
    """Which columns of a table hold NaN, by name where they have names."""
    try:
        table = np.asarray(X, dtype=float)
    except (TypeError, ValueError):
        return ""
    if table.ndim != 2:
        return ""
    counts = np.isnan(table).sum(axis=0)
    names = getattr(X, "columns", None)
    told = [f"{names[i]!r}" if names is not None else f"{i}" for i in np.flatnonzero(counts)]
    more = f" and {len(told) - _TOLD} more" if len(told) > _TOLD else ""
    return f"NaN in column {', '.join(told[:_TOLD])}{more}: {counts.sum()} of {table.size} values"


def positive(estimator, name, value, least=1):
    """Raise ValueError where the value of the parameter `name` is no integer of `least` or more."""
    if isinstance(value, (bool, np.bool_)) or not hasattr(value, "__index__") or value < least:
        raise ValueError(f"{type(estimator).__name__}: {name} must be an integer of {least} or more, got {value!r}")


def is_flag(estimator, name):
    """Raise ValueError where the parameter `name` is neither True nor False."""
    if not isinstance(getattr(estimator, name), (bool, np.bool_)):
        raise ValueError(f"{type(estimator).__name__}: {name} must be True or False, got {getattr(estimator, name)!r}")


def one_of(estimator, name, known):
    """Raise ValueError, with the nearest known one, where the parameter `name` is none of `known`."""
    value = getattr(estimator, name)
    if not isinstance(value, str) or value not in known:
        raise ValueError(f"{type(estimator).__name__}: unknown {name} {value!r}{nearest(value, known)}; known are "
                         f"{', '.join(known)}")


def checked_numbers(estimator, **bounds):
    """Raise where a parameter is no number in its bounds, (least, whether that itself is allowed, most, the same)."""
    for name, (least, least_too, most, most_too) in bounds.items():
        x = number(getattr(estimator, name), type(estimator).__name__, name)
        if not ((x > least or (least_too and x == least)) and (x < most or (most_too and x == most))):
            raise ValueError(f"{type(estimator).__name__}: {name} must be in {'[' if least_too else '('}{least:g}, {most:g}"
                             f"{']' if most_too else ')'}, got {getattr(estimator, name)!r}")


def _without_single_rest(model, count, batch_size):
    """The batch size, or the next smaller one that leaves no batch of one sample, of which BatchNorm knows no variance."""
    while count % batch_size == 1 and batch_size > 2 and any(isinstance(layer, BatchNorm) for layer in model.layers_inside()):
        batch_size -= 1
    return batch_size
