"""`Classifier` and `Regressor`: any network of cdl as an estimator."""
import copy
import inspect

import numpy as np
from scipy import sparse
from sklearn.base import MultiOutputMixin, RegressorMixin
from sklearn.model_selection import train_test_split

from cdl.data.loader import Loader
from cdl.extras import nearest
from cdl.losses import LOSSES, binary_cross_entropy
from cdl.models import Sequential
from cdl.nn import Dense, Embedding
from cdl.nn.layer import Layer
from cdl.ops import cross_entropy
from cdl.optim import OPTIMIZERS, Optimizer
from cdl.random import drawn_from
from cdl.sklearn.base import Network, Rows, checked_numbers, is_flag, positive
from cdl.sklearn.classifying import Telling, logit
from cdl.sklearn.precision import as_dtype
from cdl.sklearn.targets import Classes, column, logistic_loss, weights_of_classes
from cdl.train.model import Model

__all__ = ["Classifier", "Regressor"]

_PREFIXES = ("model", "optimizer")      # of parameters that go on to what is called so
_EVALUATED_BATCH = 1024                 # as in `cdl.fit`


def _one_hidden_layer(n_outputs, units=100):
    """What model=None is."""
    return Sequential([Dense(units, activation="relu"), Dense(n_outputs)])


class _Wrapper(Network):
    """What both share: parameters of parameters, the network made from the data's sizes, its training."""

    _dtype, _many_axes = "numeric", True

    # --- parameters ---------------------------------------------------------------------------------------------------
    def _keep(self, given):
        options = given.pop("options")
        super()._keep(given | options)
        unknown = [name for name in options if not self._goes_on(name)]
        if unknown:     # told by fit: making an estimator never raises, scikit-learn says
            self._unknown = unknown

    @staticmethod
    def _goes_on(name):
        prefix, _, rest = name.partition("__")
        return prefix in _PREFIXES and rest != ""

    def get_params(self, deep=True):
        """The parameters by name, with those that go on to the model and the optimizer."""
        unknown = vars(self).get("_unknown", ())
        return super().get_params(deep) | {name: value for name, value in vars(self).items()
                                           if self._goes_on(name) or name in unknown}

    def set_params(self, **params):
        """Set parameters by name: ``model__units=64`` is what the function `model` gets as `units`."""
        for name in [name for name in params if self._goes_on(name)]:
            setattr(self, name, params.pop(name))
        return super().set_params(**params)

    def _options_of(self, prefix):
        return {name.partition("__")[2]: value for name, value in vars(self).items() if name.startswith(f"{prefix}__")}

    def _check(self):
        for name in vars(self).get("_unknown", ()):
            known = [*self._get_param_names(), "model__…", "optimizer__…"]
            raise TypeError(f"{type(self).__name__}: unknown parameter {name!r}{nearest(name, known)}; known are "
                            f"{', '.join(known)}")
        positive(self, "epochs", self.epochs)
        positive(self, "batch_size", self.batch_size)
        for name in ("shuffle", "warm_start"):
            is_flag(self, name)
        checked_numbers(self, validation_split=(0, True, 1, False))
        if self.dtype not in (None, "float32", "float64", np.float32, np.float64):
            raise ValueError(f"{type(self).__name__}: dtype must be None, 'float32' or 'float64', got {self.dtype!r}")

    # --- the network --------------------------------------------------------------------------------------------------
    def _made(self, X, n_outputs):
        """A network of our own: a copy of the one given, or what the function makes."""
        who, options = type(self).__name__, self._options_of("model")
        given = _one_hidden_layer if self.model is None else self.model
        if isinstance(given, Layer):
            if options:
                raise ValueError(f"{who}: model__{next(iter(options))} needs a function that makes the model; "
                                 f"`model` is a {type(given).__name__} that is made already")
            model = copy.deepcopy(given)
        elif callable(given):
            model = given(**_offered(given, X, n_outputs), **self._checked_options(given, options))
        else:
            raise TypeError(f"{who}: model must be a network or a function that makes one, got {given!r}")
        if not isinstance(model, Layer):
            raise TypeError(f"{who}: the function `model` must return a network, got {type(model).__name__}")
        return model if isinstance(model, Model) else Sequential([model])

    def _checked_options(self, function, options):
        try:
            parameters = inspect.signature(function).parameters
        except (TypeError, ValueError):     # some builtins have none
            return options
        if not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
            for name in options:
                if name not in parameters:
                    raise ValueError(f"{type(self).__name__}: model__{name}: the function `model` has no parameter {name!r}"
                                     f"{nearest(name, parameters)}")
        return options

    def _begin(self, X, n_outputs):
        model = self._made(X, n_outputs)
        self._integers = any(isinstance(layer, Embedding) for layer in model.layers_inside())
        first = self._dense_rows(self._floats(X, model.parameter_dtype() or self.dtype or "float32"), slice(1))
        model.ensure_built(first)
        dtype = np.float64 if self.dtype is None and X.dtype == np.float64 else self.dtype
        if dtype is not None:
            as_dtype(model, np.dtype(dtype))
        self._output_shape = model.predict(first).shape[1:]
        self.model_ = model
        vars(self).pop("_optimizer", None)

    @staticmethod
    def _dense_rows(X, rows):
        return X[rows].toarray() if sparse.issparse(X) else X[rows]

    def _floats(self, X, dtype):
        """Samples as the network takes them: integers only where it has an Embedding."""
        return X.astype(dtype) if X.dtype.kind in "iub" and not self._integers else X

    def _outputs_of(self, X):
        z = super()._outputs_of(self._floats(X, self.model_.parameter_dtype()))
        return z.astype(np.float64, copy=False) if X.dtype == np.float64 else z     # what came in float64 comes back so

    # --- training -----------------------------------------------------------------------------------------------------
    def _fit(self, X, y, sample_weight, *, incremental=False, **known):
        self._check()
        first = not self.__sklearn_is_fitted__() or not (self.warm_start or incremental)
        X, y, weights = self._read(X, y, sample_weight, first, incremental, **known)
        rng = self._generator()
        if first:
            with drawn_from(rng):
                self._begin(X, self._width(y))
            self._fits_outputs(y)
        X, y = self._floats(X, self.model_.parameter_dtype()), self._converted(y, self.model_.parameter_dtype())
        held_out = None
        if self.validation_split and not incremental:
            X, y, weights, held_out = self._held_out(X, y, weights, rng)
        self.history_ = self._train(
            X, y, weights, rng, shuffle=self.shuffle, batch_size=min(self.batch_size, X.shape[0]),
            loss=self._loss(), optimizer=self._kept_optimizer(self._new_optimizer, incremental),
            epochs=1 if incremental else self.epochs, metrics=self.metrics, callbacks=self._own_callbacks(),
            validation_data=held_out, penalty=self.penalty)
        if self.verbose:
            print(self.history_)
        self.model_.zero_grad()     # nobody needs the gradients any more
        return self

    def _new_optimizer(self):
        who, options, parameters = type(self).__name__, self._options_of("optimizer"), self.model_.parameters()
        if isinstance(self.optimizer, Optimizer):
            raise TypeError(f"{who}: an optimizer belongs to its parameters; give its name, or a function that makes one from "
                            "a list of parameters")
        if isinstance(self.optimizer, str) and self.optimizer not in OPTIMIZERS:
            raise ValueError(f"{who}: unknown optimizer {self.optimizer!r}{nearest(self.optimizer, OPTIMIZERS)}; known are "
                             f"{', '.join(OPTIMIZERS)}, or pass a function that makes one from a list of parameters")
        make = OPTIMIZERS[self.optimizer] if isinstance(self.optimizer, str) else self.optimizer
        try:
            names = inspect.signature(make).parameters
        except (TypeError, ValueError):
            names = options
        for name in options:
            if name not in names and "options" not in names and "kwargs" not in names:
                raise ValueError(f"{who}: optimizer__{name}: {self.optimizer!r} has no option {name!r}{nearest(name, names)}")
        return make(parameters, **options)

    def _held_out(self, X, y, weights, rng):
        arrays = [X, y] if weights is None else [X, y, weights]
        parts = train_test_split(*arrays, test_size=self.validation_split, stratify=self._strata(y),
                                 random_state=int(rng.integers(2**31)))
        train, held_out = parts[::2], tuple(parts[1::2])
        if sparse.issparse(X):
            rows = np.arange(held_out[0].shape[0])
            held_out = Loader((rows, *held_out[1:]), _EVALUATED_BATCH, transform=Rows(held_out[0]), prefetch=0)
        return *train, *([None] if weights is None else []), held_out

    def partial_fit(self, X, y, sample_weight=None):
        """Go on training with one epoch of these samples; the optimizer goes on where it was."""
        return self._fit(X, y, sample_weight, incremental=True)


def _offered(function, X, n_outputs):
    """Of the sizes of the data, those that the function asks for by name."""
    sizes = {"n_features": X.shape[1], "input_shape": (None, *X.shape[1:]), "n_outputs": n_outputs, "n_classes": n_outputs}
    try:
        names = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return {}
    return {name: size for name, size in sizes.items() if name in names}


class Classifier(Telling, _Wrapper):
    """Any network as a classifier of scikit-learn's kind.

    Parameters
    ----------
    model : Layer, function or class, optional
        A network, which stays as it is: each fit trains a copy, from its weights if it has any. Or a function that makes one;
        what it names of n_features, n_classes (or n_outputs) and input_shape (None, …) it is given. The outputs are scores, one
        for each class, before the softmax, or one for two classes, before the sigmoid. Default: 100 units with ReLU.
    loss : {"cross_entropy", "binary_cross_entropy"} or function, optional
        Default: the cross-entropy of the scores; of samples with several labels (rows of 0 and 1), of each label. With
        "binary_cross_entropy" the outputs are probabilities, after a sigmoid. A function gets the positions of the classes and
        the scores.
    optimizer : str or function
        As for `cdl.fit`.
    epochs, batch_size : int
    metrics, callbacks, penalty, shuffle
        As for `cdl.fit`; callbacks are copied, and kept in `callbacks_`.
    class_weight : dict, "balanced" or None
        What the samples of each class count.
    validation_split : float in [0, 1)
        The share of the samples, drawn at random from every class, that is kept from training and evaluated after every epoch:
        figures val_….
    random_state : int, RandomState or None
        Where all random numbers come from, the network's first weights too: an int gives the same bits in every run.
    verbose : bool
        Whether the history is printed.
    warm_start : bool
        Whether fit goes on from the weights that are there.
    dtype : {None, "float32", "float64"}
        The precision of the network; None: float64 where the samples are in float64, as scikit-learn's are and are computed
        with, otherwise as the network was made. float32 (or samples in float32) is about twice as fast.
    model__…, optimizer__…
        What the function `model`, and the optimizer, get besides: ``model__units=64``, ``optimizer__lr=0.01``; for searches.

    Attributes
    ----------
    model_ : Model
        The network that was trained.
    history_ : History
    callbacks_ : list
    classes_ : ndarray
    n_features_in_, feature_names_in_

    Examples
    --------
    >>> import cdl
    >>> import cdl.sklearn
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.model_selection import GridSearchCV
    >>> def build(n_classes, units=16):
    ...     return cdl.Sequential([cdl.Dense(units, activation="tanh"), cdl.Dense(n_classes)])
    >>> x, y = load_iris(return_X_y=True)
    >>> classifier = cdl.sklearn.Classifier(build, epochs=60, optimizer__lr=0.02, random_state=0)
    >>> search = GridSearchCV(classifier, {"model__units": [4, 16]}, cv=3).fit(x, y)
    >>> bool(search.best_score_ > 0.9)
    True
    """

    def __init__(self, model=None, loss=None, *, optimizer="adam", epochs=50, batch_size=32, metrics=(), callbacks=(),
                 class_weight=None, penalty=None, validation_split=0.0, shuffle=True, random_state=None, verbose=False,
                 warm_start=False, dtype=None, **options):
        self._keep(locals())

    def fit(self, X, y, sample_weight=None):
        """Train on samples X, of any number of axes, and labels y (or columns of 0 and 1, one for each label of several).

        Returns
        -------
        Classifier
            Itself. Ctrl-C ends the training with a warning; the classifier is then as the last step left it.

        Raises
        ------
        ValueError
            For parameters out of their range, an unknown option (with the nearest known one), NaN in X (with its columns), one
            class only, X and y of different lengths, a network whose outputs are not as many as the classes.
        TypeError
            For a model that is no network and makes none.
        FloatingPointError
            If the loss is NaN or infinite; it names the first layer that made one.
        """
        return self._fit(X, y, sample_weight)

    def partial_fit(self, X, y, sample_weight=None, classes=None):
        """Go on training with one epoch of these samples; the optimizer goes on where it was.

        classes : all labels that there will be; needed in the first call, may be left out later.
        """
        return self._fit(X, y, sample_weight, incremental=True, classes=classes)

    def _check(self):
        super()._check()
        known = ("cross_entropy", "binary_cross_entropy")
        if self.loss is not None and not callable(self.loss) and self.loss not in known:
            raise ValueError(f"Classifier: unknown loss {self.loss!r}{nearest(self.loss, known)}; known are "
                             f"{', '.join(known)}, or pass a function loss(y_true, y_pred)")

    def _of_probabilities(self):
        return self.loss in ("binary_cross_entropy", binary_cross_entropy)

    def _read(self, X, y, sample_weight, first, incremental, classes=None):
        X, y = self._validated(X, y, reset=first, multi_output=True)
        y = self._targets(y, first, incremental, classes, logistic=self._of_probabilities())
        weights = self._weights(sample_weight, X)
        return X, y, weights_of_classes(self.class_weight, y, weights, None if incremental else type(self).__name__)

    def _width(self, y):
        return self._classes.outputs

    def _fits_outputs(self, y):
        """Two classes may have one output; other numbers of outputs must be those of the classes."""
        shape, classes = self._output_shape, self._classes
        if shape == (1,) and classes.kind == "multiclass" and len(classes.labels) == 2:
            self._classes = Classes(classes.labels, "logistic")
        elif shape != (classes.outputs,):
            raise ValueError(f"Classifier: the network gives outputs of shape (N, {', '.join(map(str, shape))}), y has "
                             f"{len(classes.labels)} {'labels' if classes.kind == 'multilabel' else 'classes'}; make its last "
                             f"layer Dense({classes.outputs})")

    def _converted(self, y, dtype):
        return self._classes.encoded(y, dtype, "Classifier")

    def _loss(self):
        if self.loss is not None and not (self.loss == "cross_entropy" and self._classes.kind != "multiclass"):
            return self.loss
        return cross_entropy if self._classes.kind == "multiclass" else logistic_loss

    def _strata(self, y):
        return None if self._classes.kind == "multilabel" else y

    def _scores(self, X):
        z = self._outputs(X)
        return logit(z) if self._of_probabilities() else z


class Regressor(MultiOutputMixin, RegressorMixin, _Wrapper):
    """Any network as a regressor of scikit-learn's kind.

    Parameters
    ----------
    model : Layer, function or class, optional
        As for `Classifier`; a function may ask for n_features, n_outputs and input_shape. The outputs are the predictions,
        (N, 1) or (N,) for one number a sample.
    loss : str or function
        As for `cdl.fit`: "mse", "mae", "huber", …
    optimizer, epochs, batch_size, metrics, callbacks, penalty, validation_split, shuffle, random_state, verbose, warm_start
    dtype
        As for `Classifier`.
    model__…, optimizer__…
        What the function `model`, and the optimizer, get besides.

    Attributes
    ----------
    model_, history_, callbacks_, n_features_in_, feature_names_in_ : as of `Classifier`

    Examples
    --------
    >>> import numpy as np
    >>> import cdl
    >>> import cdl.sklearn
    >>> x = np.linspace(-1, 1, 200)[:, None]
    >>> network = cdl.Sequential([cdl.Dense(32, activation="tanh"), cdl.Dense(1)])
    >>> regressor = cdl.sklearn.Regressor(network, epochs=100, optimizer__lr=0.01, random_state=0).fit(x, x[:, 0] ** 2)
    >>> bool(regressor.score(x, x[:, 0] ** 2) > 0.95)
    True
    """

    def __init__(self, model=None, loss="mse", *, optimizer="adam", epochs=50, batch_size=32, metrics=(), callbacks=(),
                 penalty=None, validation_split=0.0, shuffle=True, random_state=None, verbose=False, warm_start=False,
                 dtype=None, **options):
        self._keep(locals())

    def fit(self, X, y, sample_weight=None):
        """Train on samples X, of any number of axes, and numbers y, one or several for each sample; as `Classifier.fit`."""
        return self._fit(X, y, sample_weight)

    def _check(self):
        super()._check()
        if not callable(self.loss) and self.loss not in LOSSES:
            raise ValueError(f"Regressor: unknown loss {self.loss!r}{nearest(self.loss, LOSSES)}; known are "
                             f"{', '.join(LOSSES)}, or pass a function loss(y_true, y_pred)")

    def _read(self, X, y, sample_weight, first, incremental):
        X, y = self._validated(X, y, reset=first, multi_output=True, y_numeric=True)
        y = column(y)
        if first:
            self._alone = y.ndim == 1
        return X, y, self._weights(sample_weight, X)

    def _width(self, y):
        return 1 if y.ndim == 1 else y.shape[1]

    def _fits_outputs(self, y):
        wanted = [(), (1,)] if y.ndim == 1 else [y.shape[1:]]
        if self._output_shape not in wanted:
            raise ValueError(f"Regressor: the network gives outputs of shape (N, {', '.join(map(str, self._output_shape))}), y "
                             f"has shape {y.shape}; make its last layer Dense({self._width(y)})")

    def _converted(self, y, dtype):
        return np.ascontiguousarray(y.reshape(len(y), *self._output_shape), dtype)

    def _loss(self):
        return self.loss

    def _strata(self, y):
        return None

    def predict(self, X):
        """The number, or numbers, of each sample."""
        y = self._outputs(X)
        return y.reshape(len(y)) if self._alone else y
