"""MLPClassifier: scikit-learn's, with cdl's network."""
import numpy as np
from sklearn.utils.metaestimators import available_if

from cdl.ops import cross_entropy
from cdl.sklearn.classifying import Telling
from cdl.sklearn.mlp import MLP, _steps
from cdl.sklearn.targets import logistic_loss, weights_of_classes

__all__ = ["MLPClassifier"]


class MLPClassifier(Telling, MLP):
    """A network of dense layers that tells classes: scikit-learn's MLPClassifier, several times as fast, and with more options.

    It minimises the mean cross-entropy + ½ alpha Σ w² / n, where w are the weights without biases and n the samples of a batch.
    Parameters, defaults, attributes and warnings are those of `sklearn.neural_network.MLPClassifier`; the weights begin with
    the same distribution, the random numbers are others. As there, samples in float32 are computed with in float32, all others
    in float64: float32 is about twice as fast. Adam's epsilon stands beside the corrected root (see `cdl.Adam`).

    Parameters
    ----------
    hidden_layer_sizes : sequence of int, default (100,)
        The units of the hidden layers; () is logistic regression.
    activation : str, default "relu"
        "identity", "logistic", "tanh", "relu", and "leaky_relu", "elu", "gelu", "gelu_tanh", "silu", "softplus", "relu6",
        "sigmoid", "hard_sigmoid", "hard_swish", "hard_tanh".
    solver : {"adam", "sgd", "lbfgs", "adamw", "rmsprop"}
        "lbfgs" is SciPy's, over all samples at once; it has no partial_fit, dropout, schedule, callbacks, clip_norm.
        With "adamw", alpha is the decoupled decay.
    alpha : float, 0 or more
        Strength of the L2 penalty.
    batch_size : int or "auto"
        "auto": 200, or all samples where there are fewer.
    learning_rate : {"constant", "invscaling", "adaptive"}
        Of "sgd": the same always; learning_rate_init / (t + 1)^power_t after t samples; a fifth whenever nothing was gained for
        n_iter_no_change epochs, down to 1e-6.
    learning_rate_init, power_t, momentum, nesterovs_momentum, beta_1, beta_2, epsilon
        Numbers of the solvers.
    max_iter : int
        The most epochs (iterations of "lbfgs"); ConvergenceWarning where they did not suffice.
    shuffle : bool
        Whether every epoch takes the samples in a new order.
    random_state : int, RandomState or None
        Where all random numbers come from: an int gives the same bits in every run.
    tol, n_iter_no_change : float, int
        The training ends when the loss (or the score of the validation) has not become better by tol for so many epochs.
    verbose, warm_start : bool
        Tell of every epoch; let fit go on from the weights that are there.
    early_stopping, validation_fraction : bool, float
        Hold that share of the samples out, score them after every epoch, and bring the best weights back in the end.
    max_fun : int
        The most evaluations of "lbfgs".
    dropout : float in [0, 1)
        The share of each hidden layer that is dropped in training.
    batch_norm : bool
        Whether a BatchNorm stands between each hidden layer and its activation.
    class_weight : dict, "balanced" or None
        What the samples of each class count.
    schedule : function, optional
        Learning rate by epoch, instead of learning_rate_init, such as `cdl.ExponentialDecay(0.01, 0.95)`.
    callbacks : function, Callback or sequence of these
        As for `cdl.fit`; fit uses copies, kept in `callbacks_`. With early_stopping there is a figure "val_score".
    clip_norm : float, optional
        The largest norm that all gradients together may have.

    Attributes
    ----------
    model_ : Sequential
        The network; its outputs are scores before softmax or sigmoid.
    classes_ : ndarray
    coefs_, intercepts_ : list of ndarray
    loss_, best_loss_, loss_curve_, validation_scores_, best_validation_score_, n_iter_, t_
    n_features_in_, feature_names_in_, n_layers_, n_outputs_, out_activation_
        As in scikit-learn.

    Examples
    --------
    >>> import cdl.sklearn
    >>> from sklearn.datasets import load_iris
    >>> x, y = load_iris(return_X_y=True)
    >>> classifier = cdl.sklearn.MLPClassifier((32,), solver="lbfgs", random_state=0).fit(x, y)
    >>> bool(classifier.score(x, y) > 0.95)
    True
    """

    def __init__(self, hidden_layer_sizes=(100,), activation="relu", *, solver="adam", alpha=0.0001, batch_size="auto",
                 learning_rate="constant", learning_rate_init=0.001, power_t=0.5, max_iter=200, shuffle=True,
                 random_state=None, tol=1e-4, verbose=False, warm_start=False, momentum=0.9, nesterovs_momentum=True,
                 early_stopping=False, validation_fraction=0.1, beta_1=0.9, beta_2=0.999, epsilon=1e-8, n_iter_no_change=10,
                 max_fun=15000, dropout=0.0, batch_norm=False, class_weight=None, schedule=None, callbacks=(),
                 clip_norm=None):
        self._keep(locals())

    def fit(self, X, y, sample_weight=None):
        """Train on samples X, dense or sparse, with labels y (or columns of 0 and 1, one for each label of several).

        Parameters
        ----------
        X : array_like or sparse matrix, (n, features)
        y : array_like, (n,) or (n, labels)
        sample_weight : array_like, (n,), optional
            What each sample counts, 0 or more.

        Returns
        -------
        MLPClassifier
            Itself. Ctrl-C ends the training with a warning; the classifier is then as the last step left it.

        Raises
        ------
        ValueError
            For parameters out of their range, an unknown option (with the nearest known one), NaN in X (with its columns), one
            class only, X and y of different lengths.
        FloatingPointError
            If the loss is NaN or infinite.
        """
        return self._fit(X, y, sample_weight)

    @available_if(_steps)
    def partial_fit(self, X, y, sample_weight=None, classes=None):
        """Go on training with one epoch of these samples; the optimizer goes on where it was.

        Parameters
        ----------
        X, y, sample_weight : as for `fit`
        classes : array_like, optional
            All labels that there will be; needed in the first call, may be left out later.

        Returns
        -------
        MLPClassifier
        """
        return self._fit(X, y, sample_weight, incremental=True, classes=classes)

    def _read(self, X, y, sample_weight, first, incremental, classes=None):
        X, y = self._validated(X, y, reset=first, multi_output=True)
        y, weights = self._targets(y, first, incremental, classes, logistic=True), self._weights(sample_weight, X)
        self.out_activation_ = "softmax" if self._classes.kind == "multiclass" else "logistic"
        return X, y, weights_of_classes(self.class_weight, y, weights, None if incremental else type(self).__name__)

    def _width(self, y):
        return self._classes.outputs

    def _converted(self, y, dtype):
        return self._classes.encoded(y, dtype, type(self).__name__)

    def _loss(self, y):
        return cross_entropy if self._classes.kind == "multiclass" else logistic_loss

    def _told_loss(self, loss):
        return loss

    def _strata(self, y):
        return None if self._classes.kind == "multilabel" else y

    def _score_of(self, z, y, weights):
        hits = self._classes.decoded(z) == self._classes.given_back(y)
        return float(np.average(hits.all(axis=1) if hits.ndim == 2 else hits, weights=weights))
