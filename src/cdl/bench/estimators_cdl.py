"""cdl's estimators for scikit-learn."""

import warnings

from .reference_estimators import work


def estimator(d):
    """cdl.sklearn's MLPs; nothing where scikit-learn is not installed."""
    if d is None:
        return None
    from cdl.sklearn import MLPClassifier, MLPRegressor

    warnings.simplefilter("ignore")  # they say that so many epochs do not converge
    return work(d, MLPClassifier, MLPRegressor)
