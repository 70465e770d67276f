"""What `MLPClassifier` and `MLPRegressor` share: the network, its training, when it ends."""
import math
import warnings
from functools import partial
from itertools import pairwise

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.utils.metaestimators import available_if

from cdl._core.tensor import Tensor
from cdl.callbacks.callback import Callback
from cdl.models import Sequential
from cdl.nn import (
    ELU,
    GELU,
    BatchNorm,
    Dense,
    Dropout,
    HardSigmoid,
    HardSwish,
    HardTanh,
    LeakyReLU,
    ReLU,
    ReLU6,
    Sigmoid,
    SiLU,
    Softplus,
    Tanh,
)
from cdl.optim import SGD, Adam, AdamW, RMSprop
from cdl.sklearn.base import Network, checked_numbers, is_flag, one_of, positive
from cdl.sklearn.lbfgs import minimized
from cdl.sklearn.precision import as_dtype

__all__ = ["MLP"]

# The library's activations, as the layers that stand behind a BatchNorm; scikit-learn has two by other names.
LAYERS = {"relu": ReLU, "tanh": Tanh, "sigmoid": Sigmoid, "leaky_relu": LeakyReLU, "elu": ELU, "gelu": GELU,
          "gelu_tanh": partial(GELU, approximate="tanh"), "silu": SiLU, "softplus": Softplus, "relu6": ReLU6,
          "hard_sigmoid": HardSigmoid, "hard_swish": HardSwish, "hard_tanh": HardTanh}
ACTIVATIONS = {"identity": None, "logistic": "sigmoid"} | {name: name for name in LAYERS}
SOLVERS = ("adam", "sgd", "lbfgs", "adamw", "rmsprop")
RATES = ("constant", "invscaling", "adaptive")
_LEAST_RATE, _RATE_CUT = 1e-6, 5     # of learning_rate="adaptive", as in scikit-learn


def _steps(estimator):
    """Whether partial_fit is there: L-BFGS has no single step."""
    if estimator.solver == "lbfgs":
        raise AttributeError("partial_fit is not there with solver='lbfgs', which has no single steps; "
                             "it is with 'adam' and 'sgd'")
    return True


class MLP(Network):
    """The base of both: a Sequential of Dense layers in `model_`, in the precision of the samples (float32 or float64)."""

    _dtype = (np.float64, np.float32)

    # --- what is asked ------------------------------------------------------------------------------------------------
    def _check(self):
        who = type(self).__name__
        one_of(self, "solver", SOLVERS)
        one_of(self, "activation", ACTIVATIONS)
        one_of(self, "learning_rate", RATES)
        for name in ("shuffle", "warm_start", "nesterovs_momentum", "early_stopping", "batch_norm"):
            is_flag(self, name)
        for name in ("max_iter", "max_fun"):
            positive(self, name, getattr(self, name))
        if self.n_iter_no_change != math.inf:
            positive(self, "n_iter_no_change", self.n_iter_no_change)
        endless = (0, True, math.inf, False)
        checked_numbers(self, alpha=endless, learning_rate_init=(0, False, math.inf, False), power_t=endless, tol=endless,
                        momentum=(0, True, 1, False), validation_fraction=(0, self.early_stopping is False, 1, False),
                        beta_1=(0, True, 1, False), beta_2=(0, True, 1, False), epsilon=(0, False, math.inf, False),
                        dropout=(0, True, 1, False))
        if self.schedule is not None and not callable(self.schedule):
            raise ValueError(f"{who}: schedule must be a function of the epoch, such as cdl.ExponentialDecay(0.01, 0.95), "
                             f"got {self.schedule!r}")
        if self.schedule is not None and self.learning_rate != "constant":
            raise ValueError(f"{who}: give schedule or learning_rate={self.learning_rate!r}, not both")
        unheard = [name for name, nothing in (("dropout", 0), ("schedule", None), ("clip_norm", None), ("callbacks", None),
                                              ("early_stopping", False)) if getattr(self, name) not in (nothing, (), [])]
        if self.solver == "lbfgs" and unheard:
            raise ValueError(f"{who}: solver='lbfgs' has no steps and epochs, so no {', '.join(unheard)}; use 'adam' or 'sgd'")

    def _hidden(self):
        sizes = self.hidden_layer_sizes
        sizes = list(sizes) if hasattr(sizes, "__iter__") else [sizes]
        for size in sizes:
            positive(self, "hidden_layer_sizes", size)
        return [int(size) for size in sizes]

    # --- the network --------------------------------------------------------------------------------------------------
    def _begin(self, n_in, n_out, dtype, rng):
        """A new network, and what a training records, empty."""
        activation, hidden = ACTIVATIONS[self.activation], self._hidden()
        layers, self._dense, sizes = [], [], [n_in, *hidden, n_out]
        bound = 2 if self.activation == "logistic" else 6       # Glorot and Bengio, 2010, as scikit-learn draws
        for i, (inputs, units) in enumerate(pairwise(sizes)):
            inside = i < len(hidden)
            dense = Dense(units, activation if inside and not self.batch_norm else None)
            limit = math.sqrt(bound / (inputs + units))
            dense.weight = Tensor(rng.uniform(-limit, limit, (inputs, units)), str(dtype), requires_grad=True)
            dense.bias = Tensor(rng.uniform(-limit, limit, units), str(dtype), requires_grad=True)
            self._dense.append(dense)
            layers.append(dense)
            if inside and self.batch_norm:
                layers.append(as_dtype(BatchNorm(units), dtype))
                layers += [LAYERS[activation]()] if activation else []
            if inside and self.dropout:
                layers.append(Dropout(self.dropout))
        self.model_ = Sequential(layers)
        self.n_layers_, self.n_outputs_, self.n_iter_, self.t_, self._waited = len(sizes), n_out, 0, 0, 0
        self.loss_curve_, early = [], self.early_stopping
        self.best_loss_, self.validation_scores_ = (None, []) if early else (math.inf, None)
        self.best_validation_score_ = -math.inf if early else None
        vars(self).pop("_optimizer", None)

    @property
    def coefs_(self):
        """The weight matrices of the dense layers, (inputs, outputs) each: the arrays that the network computes with."""
        return [dense.weight.numpy() for dense in self._fitted_layers("coefs_")]

    @property
    def intercepts_(self):
        """The biases of the dense layers: the arrays that the network computes with."""
        return [dense.bias.numpy() for dense in self._fitted_layers("intercepts_")]

    def _fitted_layers(self, name):
        if "_dense" not in vars(self):
            raise AttributeError(f"{type(self).__name__} has no {name} before fit")
        return self._dense

    # --- training -----------------------------------------------------------------------------------------------------
    def _fit(self, X, y, sample_weight, *, incremental=False, **known):
        self._check()
        first = not self.__sklearn_is_fitted__() or not (self.warm_start or incremental)
        X, y, weights = self._read(X, y, sample_weight, first, incremental, **known)
        rng, outputs = self._generator(), self._width(y)
        if first:
            self._begin(X.shape[1], outputs, X.dtype, rng)
        elif [X.shape[1], *self._hidden(), outputs] != [*(len(c) for c in self.coefs_), outputs] or outputs != self.n_outputs_:
            raise ValueError(f"{type(self).__name__}: the network has other sizes than hidden_layer_sizes="
                             f"{self.hidden_layer_sizes} and {outputs} outputs; fit a new one, with warm_start=False")
        y = self._converted(y, self.model_.parameter_dtype())
        if self.solver == "lbfgs":
            self._fit_lbfgs(X, y, weights)
        else:
            self._fit_steps(X, y, weights, rng, incremental)
        self.model_.zero_grad()     # nobody needs the gradients any more
        if not all(np.isfinite(parameter.numpy()).all() for parameter in self.model_.parameters()):
            raise ValueError("Solver produced non-finite parameter weights. The input data may contain large values and need "
                             "to be preprocessed.")
        return self

    def _fit_steps(self, X, y, weights, rng, incremental):
        if self.early_stopping and incremental:
            raise ValueError("partial_fit does not support early_stopping=True")
        held_out = None
        if self.early_stopping:
            X, y, weights, held_out = self._held_out(X, y, weights, rng)
        count = X.shape[0]
        batch = self._batch(count)
        # scikit-learn's penalty: of each batch, divided by the weight of its samples
        watch = _Watch(self, count, batch * (1.0 if weights is None else float(weights.mean())), held_out)
        optimizer = self._optimizer_for(watch.batch_weight, incremental)
        self.n_iter_ = 0
        history = self._train(X, y, weights, rng, shuffle=self.shuffle, batch_size=batch, loss=self._loss(y),
                              optimizer=optimizer, epochs=1 if incremental else self.max_iter,
                              callbacks=[watch, *self._own_callbacks()])
        watch.bring_back(self.model_)
        if not incremental and not watch.ended and not history.interrupted and self.n_iter_ == self.max_iter:
            warnings.warn(f"Stochastic Optimizer: Maximum iterations ({self.max_iter}) reached and the optimization hasn't "
                          "converged yet.", ConvergenceWarning, stacklevel=4)

    def _held_out(self, X, y, weights, rng):
        """What to train on, and what to score after every epoch."""
        arrays = [X, y] if weights is None else [X, y, weights]
        parts = train_test_split(*arrays, test_size=self.validation_fraction, stratify=self._strata(y),
                                 random_state=int(rng.integers(2**31)))
        if parts[1].shape[0] < 2:
            raise ValueError("The validation set is too small. Increase 'validation_fraction' or the size of your dataset.")
        train, held_out = parts[::2], parts[1::2]
        return *train, *([None] if weights is None else []), (*held_out, *([None] if weights is None else []))

    def _optimizer_for(self, batch_weight, incremental):
        """An optimizer for the network, or the one of the last partial_fit."""
        decay = self.alpha if self.solver == "adamw" else self.alpha / batch_weight
        matrices = [dense.weight for dense in self._dense]
        others = [p for p in self.model_.parameters() if not any(p is matrix for matrix in matrices)]
        groups = [{"params": matrices, "weight_decay": decay}, {"params": others, "weight_decay": 0.0}]
        lr = self.learning_rate_init if self.schedule is None else self.schedule
        optimizer = self._kept_optimizer(lambda: self._solver(lr)(groups), incremental)
        optimizer.groups[0]["weight_decay"] = decay
        return optimizer

    def _solver(self, lr):
        if self.solver == "sgd":
            return partial(SGD, lr=lr, momentum=self.momentum, nesterov=self.nesterovs_momentum and self.momentum > 0,
                           clip_norm=self.clip_norm)
        if self.solver == "rmsprop":
            return partial(RMSprop, lr=lr, clip_norm=self.clip_norm)
        return partial(AdamW if self.solver == "adamw" else Adam, lr=lr, beta1=self.beta_1, beta2=self.beta_2,
                       eps=self.epsilon, clip_norm=self.clip_norm)

    def _fit_lbfgs(self, X, y, weights):
        self.loss_, self.n_iter_ = minimized(self.model_, self._loss(y), X, y, weights, alpha=self.alpha,
                                             matrices=[dense.weight for dense in self._dense], max_iter=self.max_iter,
                                             max_fun=self.max_fun, tol=self.tol, verbose=self.verbose)
        self.loss_ = self._told_loss(self.loss_)

    def _penalty(self, batch_weight):
        """½ alpha Σ w² / weight of a batch, of all matrices: what the loss has besides the samples' own."""
        if not self.alpha:
            return 0.0
        return 0.5 * self.alpha / batch_weight * sum(float(np.vdot(c, c)) for c in self.coefs_)

    @available_if(_steps)
    def partial_fit(self, X, y, sample_weight=None):
        """Go on training with one epoch of these samples; the optimizer goes on where it was."""
        return self._fit(X, y, sample_weight, incremental=True)


class _Watch(Callback):
    """Record every epoch as scikit-learn does, and end the training, or take smaller steps, when nothing is gained any more."""

    def __init__(self, estimator, count, batch_weight, held_out):
        self.estimator, self.count, self.batch_weight, self.held_out = estimator, count, batch_weight, held_out
        self.ended, self.best = False, None

    def __call__(self, model, epoch, figures):
        e = self.estimator
        e.n_iter_ += 1
        e.t_ += self.count
        e.loss_ = e._told_loss(figures["loss"]) + e._penalty(self.batch_weight)
        e.loss_curve_.append(e.loss_)
        if e.verbose:
            print(f"Iteration {e.n_iter_}, loss = {e.loss_:.8f}")
        e._waited = 0 if (self._scored(model, figures) if self.held_out else self._less_loss()) else e._waited + 1
        if e.solver == "sgd" and e.learning_rate == "invscaling":
            self.training.optimizer.lr = e.learning_rate_init / (e.t_ + 1) ** e.power_t
        if e._waited > e.n_iter_no_change:
            self.ended = self._nothing_gained()
        return self.ended

    def _less_loss(self):
        e = self.estimator
        gained = e.loss_ <= e.best_loss_ - e.tol
        e.best_loss_ = min(e.best_loss_, e.loss_)
        return gained

    def _scored(self, model, figures):
        """Whether the samples held out tell of a gain; the best weights are kept."""
        e = self.estimator
        X, y, weights = self.held_out
        score = figures["val_score"] = e._score_of(e._outputs_of(X), y, weights)
        e.validation_scores_.append(score)
        if e.verbose:
            print(f"Validation score: {score:f}")
        gained = score >= e.best_validation_score_ + e.tol
        if score > e.best_validation_score_:
            e.best_validation_score_, self.best = score, model.state_dict()
        return gained

    def _nothing_gained(self):
        """Whether that is the end: with learning_rate="adaptive" the steps get smaller first."""
        e, optimizer = self.estimator, self.training.optimizer
        what = "Validation score" if self.held_out else "Training loss"
        text = f"{what} did not improve more than tol={e.tol:f} for {e.n_iter_no_change} consecutive epochs."
        adaptive = e.solver == "sgd" and e.learning_rate == "adaptive"
        end = not adaptive or optimizer.lr <= _LEAST_RATE
        if not end:
            optimizer.lr /= _RATE_CUT
            e._waited = 0
        if e.verbose:
            print(text, f"Setting learning rate to {optimizer.lr:f}" if not end else
                  "Learning rate too small. Stopping." if adaptive else "Stopping.")
        return end

    def bring_back(self, model):
        """Bring the best weights back, once every callback has had its end."""
        if self.best is not None:
            model.load_state_dict(self.best)
