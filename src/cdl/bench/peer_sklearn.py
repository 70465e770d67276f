"""scikit-learn's MLPClassifier and metrics."""

import warnings

import sklearn
from sklearn import metrics
from sklearn.neural_network import MLPClassifier

from . import reference
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
