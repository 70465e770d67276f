"""scikit-learn's small data sets, as its users fit them."""

from types import SimpleNamespace

import numpy as np

EPOCHS, BATCH, HIDDEN, SEEDS = 30, 32, 100, 10
# The mean score of scikit-learn's own MLP over these ten splits: accuracy, or R² (scikit-learn 1.9.1).
SCORES = {"digits": 0.9728, "iris": 0.8946, "breast_cancer": 0.9754, "diabetes": 0.4781}


def estimator(name):
    """One split to time a fit on, and ten to score; nothing where scikit-learn is not installed."""
    try:
        from sklearn import datasets
    except ImportError:
        return None, []
    x, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    if name == "diabetes":
        y = (y - y.mean()) / y.std()
    splits = [split(x, y, seed) for seed in range(SEEDS)]
    options = {"hidden_layer_sizes": (HIDDEN,), "batch_size": BATCH, "max_iter": EPOCHS, "n_iter_no_change": EPOCHS + 1}
    return SimpleNamespace(splits=splits, options=options, numbers=name == "diabetes"), [np.array(SCORES[name])]


def split(x, y, seed):
    """Three quarters to train on, standardised, and the rest: x, y, x_test, y_test."""
    order = np.random.default_rng(seed).permutation(len(x))
    test, train = order[: len(x) // 4], order[len(x) // 4 :]
    mean, spread = x[train].mean(axis=0), x[train].std(axis=0) + 1e-9
    return (x[train] - mean) / spread, y[train], (x[test] - mean) / spread, y[test]


def work(d, classifier, regressor):
    """One fit, and the mean score of ten, of classes with scikit-learn's parameters."""
    kind = regressor if d.numbers else classifier

    def fit(seed=0):
        x, y, *_ = d.splits[seed]
        return kind(**d.options, random_state=seed).fit(x, y)

    return fit, lambda: [np.mean([fit(seed).score(*d.splits[seed][2:]) for seed in range(SEEDS)])]
