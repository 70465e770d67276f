"""scikit-learn: its MLPClassifier, its metrics, and how it prepares data."""

import warnings

import sklearn
from sklearn import metrics
from sklearn.neural_network import MLPClassifier, MLPRegressor

from . import reference
from .peer_sklearn_data import balanced_weights as balanced_weights
from .peer_sklearn_data import label_codes as label_codes
from .peer_sklearn_data import minmax_fit as minmax_fit
from .peer_sklearn_data import minmax_transform as minmax_transform
from .peer_sklearn_data import one_hot_rows as one_hot_rows
from .peer_sklearn_data import standard_fit as standard_fit
from .peer_sklearn_data import standard_transform as standard_transform
from .peer_sklearn_data import stratified as stratified
from .peer_sklearn_data import table as table
from .reference_estimators import work
from .rows import METRICS


def start(threads):
    """The thread count came by the environment."""


def version():
    """The library's version."""
    return sklearn.__version__


def digits(d):
    """The same network, no penalty, exactly so many epochs (it would warn that it has not converged)."""
    warnings.simplefilter("ignore")

    def fit():
        return MLPClassifier(
            (d.hidden,),
            batch_size=reference.BATCH,
            max_iter=reference.EPOCHS,
            learning_rate_init=reference.LEARNING_RATE,
            alpha=0.0,
            n_iter_no_change=reference.EPOCHS + 1,
            random_state=0,
        ).fit(d.x, d.y)

    return fit, lambda: [fit().score(d.x_test, d.y_test)]


def metric(d):
    """The function of sklearn.metrics."""
    f = getattr(metrics, METRICS[d.title][2])
    weights = {} if d.weights is None else {"sample_weight": d.weights}
    return lambda: f(d.t, d.p, **d.options, **weights), lambda: [f(d.t, d.p, **d.options, **weights)]


def estimator(d):
    """Its MLPs, with the same parameters."""
    warnings.simplefilter("ignore")
    return work(d, MLPClassifier, MLPRegressor)
