"""Networks as scikit-learn estimators (``pip install 'cdl[sklearn]'``): for pipelines, searches, calibration, ensembles.

`MLPClassifier` and `MLPRegressor` have the parameters of scikit-learn's and more; `Classifier` and `Regressor` are put
around any network of cdl.
"""
from cdl.extras import require

require("sklearn", "sklearn", "cdl.sklearn")

from cdl.sklearn.mlp_classifier import MLPClassifier  # noqa: E402 - first of all the one line that says what is missing
from cdl.sklearn.mlp_regressor import MLPRegressor  # noqa: E402
from cdl.sklearn.wrapper import Classifier, Regressor  # noqa: E402

__all__ = ["Classifier", "MLPClassifier", "MLPRegressor", "Regressor"]
