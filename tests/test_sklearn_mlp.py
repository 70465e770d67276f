"""MLPClassifier and MLPRegressor: as good as scikit-learn's, their options, losses, attributes, warnings, what they refuse."""
import warnings

import numpy as np
import pytest

import cdl

sklearn = pytest.importorskip("sklearn")

from sklearn import datasets, metrics, model_selection  # noqa: E402 - only where it is there
from sklearn.exceptions import ConvergenceWarning  # noqa: E402
from sklearn.neural_network import MLPClassifier as TheirClassifier  # noqa: E402
from sklearn.neural_network import MLPRegressor as TheirRegressor  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import StandardScaler  # noqa: E402

from cdl.sklearn import Classifier, MLPClassifier, MLPRegressor  # noqa: E402
from cdl.sklearn.mlp import ACTIVATIONS  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

# Before scikit-learn 1.7 its MLPs had no sample_weight and one loss.
compared = pytest.mark.skipif("loss" not in TheirRegressor().get_params(), reason="scikit-learn before 1.7")

IRIS = datasets.load_iris(return_X_y=True)
DIABETES = datasets.load_diabetes(return_X_y=True)


# --- as good as scikit-learn's ----------------------------------------------------------------------------------------
@pytest.mark.parametrize("load, ours, theirs", [
    (datasets.load_iris, MLPClassifier, TheirClassifier), (datasets.load_breast_cancer, MLPClassifier, TheirClassifier),
    (datasets.load_digits, MLPClassifier, TheirClassifier), (datasets.load_diabetes, MLPRegressor, TheirRegressor),
], ids=["iris", "breast_cancer", "digits", "diabetes"])
def test_scores_are_those_of_scikit_learns(load, ours, theirs):
    x, y = load(return_X_y=True)
    y = y if ours is MLPClassifier else (y - y.mean()) / y.std()
    scores = {ours: [], theirs: []}
    for seed in range(5):
        parts = model_selection.train_test_split(x, y, random_state=seed)
        for kind, found in scores.items():
            network = kind(hidden_layer_sizes=(32,), batch_size=32, max_iter=30, learning_rate_init=0.005, random_state=seed)
            found.append(make_pipeline(StandardScaler(), network).fit(parts[0], parts[2]).score(parts[1], parts[3]))
    # The spread of one score over seeds is about 0.02 (0.05 for diabetes); of a mean of five differences less
    assert abs(np.mean(scores[ours]) - np.mean(scores[theirs])) < (0.05 if ours is MLPRegressor else 0.02), scores


@pytest.mark.parametrize("options", [
    dict(solver="lbfgs"), dict(solver="sgd", learning_rate_init=0.1),
    dict(solver="sgd", learning_rate="invscaling", learning_rate_init=2.0, power_t=0.3),
    dict(solver="sgd", learning_rate="adaptive", learning_rate_init=0.1),
    dict(solver="sgd", momentum=0.0, learning_rate_init=0.2),
    dict(early_stopping=True, validation_fraction=0.3, n_iter_no_change=40),
    dict(activation="logistic"), dict(activation="identity"), dict(hidden_layer_sizes=()), dict(hidden_layer_sizes=(16, 8)),
    dict(shuffle=False), dict(batch_norm=True), dict(dropout=0.2), dict(solver="adamw"), dict(solver="rmsprop"),
    dict(clip_norm=1.0), dict(schedule=cdl.CosineDecay(0.02, 100)), dict(batch_size="auto", max_iter=300),
    dict(class_weight="balanced"), dict(class_weight={0: 2.0}),
], ids=str)
def test_every_option_learns_iris(options):
    x, y = StandardScaler().fit_transform(IRIS[0]), IRIS[1]
    options = dict(hidden_layer_sizes=(16,), max_iter=100, learning_rate_init=0.01, batch_size=32, random_state=0) | options
    assert MLPClassifier(**options).fit(x, y).score(x, y) > 0.93


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("batch_norm", [False, True])
def test_every_activation_learns(activation, batch_norm):
    x, y = StandardScaler().fit_transform(IRIS[0]), IRIS[1]
    network = MLPClassifier((16,), activation, batch_norm=batch_norm, max_iter=60, learning_rate_init=0.02, batch_size=32,
                            random_state=1)
    assert network.fit(x, y).score(x, y) > 0.93


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@pytest.mark.parametrize("loss", ["squared_error", "poisson", "absolute_error"])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_regression_losses(loss, solver, weighted):
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (300, 2))
    y = rng.poisson(np.exp(1 + x[:, 0])).astype(float)
    weights = rng.integers(0, 3, 300) if weighted else None
    network = MLPRegressor(loss, (16,), solver=solver, max_iter=150, learning_rate_init=0.01, random_state=0)
    network.fit(x, y, weights)
    best = metrics.d2_absolute_error_score if loss == "absolute_error" else metrics.r2_score
    assert best(y, network.predict(x), sample_weight=weights) > (0.1 if loss == "absolute_error" else 0.25)
    assert network.out_activation_ == ("exp" if loss == "poisson" else "identity")
    assert (network.predict(x) > 0).all() or loss != "poisson"


@compared
@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_loss_is_scikit_learns(classes, weighted):
    """From the same weights, one step of no size: the loss, penalty included, is the one that scikit-learn tells."""
    x, y = IRIS[0][IRIS[1] < classes], IRIS[1][IRIS[1] < classes]
    weights = np.linspace(0.5, 2, len(x)) if weighted else None
    options = dict(hidden_layer_sizes=(5,), max_iter=1, alpha=0.3, random_state=0, learning_rate_init=1e-12)
    ours = MLPClassifier(**options).fit(x, y, weights)
    theirs = TheirClassifier(**options, warm_start=True).fit(x, y)
    theirs.coefs_, theirs.intercepts_ = [c.copy() for c in ours.coefs_], [b.copy() for b in ours.intercepts_]
    theirs.loss_curve_.clear()
    theirs.fit(x, y, weights)
    assert ours.loss_ == pytest.approx(theirs.loss_, rel=1e-6)
    assert ours.out_activation_ == theirs.out_activation_


@compared
def test_loss_of_several_outputs_is_scikit_learns():
    x, y = DIABETES[0] * 20, np.stack([DIABETES[1], DIABETES[1] ** 2 / 300], 1) / 80
    options = dict(hidden_layer_sizes=(5,), max_iter=1, alpha=0.3, random_state=0, learning_rate_init=1e-12)
    for loss in ("squared_error", "poisson"):
        ours = MLPRegressor(loss, **options, batch_size=len(x)).fit(x, y)
        theirs = TheirRegressor(loss, **options, batch_size=len(x), warm_start=True).fit(x, y)
        theirs.coefs_, theirs.intercepts_ = [c.copy() for c in ours.coefs_], [b.copy() for b in ours.intercepts_]
        theirs.fit(x, y)
        assert ours.loss_ == pytest.approx(theirs.loss_, rel=1e-6), loss


@pytest.mark.filterwarnings("ignore:.*iprint:DeprecationWarning")       # scikit-learn 1.6 with a new SciPy
def test_lbfgs_reaches_the_minimum_that_scikit_learn_reaches():
    x, y = StandardScaler().fit_transform(IRIS[0]), IRIS[1]
    for alpha, size in ((1.0, ()), (0.1, ())):      # without hidden layers there is one minimum
        options = dict(hidden_layer_sizes=size, solver="lbfgs", alpha=alpha, max_iter=2000, tol=1e-8, random_state=0)
        ours, theirs = MLPClassifier(**options).fit(x, y), TheirClassifier(**options).fit(x, y)
        assert ours.loss_ == pytest.approx(theirs.loss_, rel=1e-6)
        np.testing.assert_allclose(ours.predict_proba(x), theirs.predict_proba(x), atol=1e-3)


# --- attributes, warnings, ends ---------------------------------------------------------------------------------------
def test_attributes_are_those_of_scikit_learn():
    for ours, theirs, data in ((MLPClassifier, TheirClassifier, IRIS), (MLPRegressor, TheirRegressor, DIABETES)):
        for options in ({}, {"early_stopping": True}):
            a, b = (kind(max_iter=3, random_state=0, **options).fit(*data) for kind in (ours, theirs))
            wanted = {name for name in dir(b) if name.endswith("_") and not name.startswith("_")}
            assert wanted - set(dir(a)) == set()
            for name in ("n_layers_", "n_outputs_", "n_iter_", "t_", "out_activation_", "n_features_in_"):
                assert getattr(a, name) == getattr(b, name), name
            assert [c.shape for c in a.coefs_] == [c.shape for c in b.coefs_]
            assert len(a.loss_curve_) == len(b.loss_curve_)
    for ours, theirs in ((MLPClassifier, TheirClassifier), (MLPRegressor, TheirRegressor)):
        mine = ours().get_params()
        assert {name: mine[name] for name in theirs().get_params()} == theirs().get_params()


def test_convergence():
    x, y = StandardScaler().fit_transform(IRIS[0]), IRIS[1]
    with pytest.warns(ConvergenceWarning, match=r"Maximum iterations \(2\) reached"):
        MLPClassifier(max_iter=2).fit(x, y)
    with pytest.warns(ConvergenceWarning, match="lbfgs failed to converge"):
        MLPClassifier(solver="lbfgs", max_iter=2).fit(x, y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        network = MLPClassifier((8,), tol=0.01, n_iter_no_change=3, learning_rate_init=0.02, max_iter=500).fit(x, y)
    assert network.n_iter_ < 500
    told = network.loss_curve_
    assert len(told) == network.n_iter_
    assert min(told[:-5]) - 0.01 * 5 < told[-1]


def test_smaller_steps_where_nothing_is_gained(capsys):
    MLPClassifier((4,), solver="sgd", learning_rate="adaptive", learning_rate_init=0.5, tol=0.05, n_iter_no_change=2,
                  verbose=True, random_state=0).fit(*IRIS)
    told = capsys.readouterr().out
    assert "Setting learning rate to 0.100000" in told
    assert "Learning rate too small. Stopping." in told
    assert told.startswith("Iteration 1, loss = ")


def test_warm_start():
    x, y = StandardScaler().fit_transform(IRIS[0]), IRIS[1]
    network = MLPClassifier((8,), max_iter=5, warm_start=True, random_state=0).fit(x, y)
    first = network.loss_
    assert network.fit(x, y).loss_ < first
    assert len(network.loss_curve_) == 10
    with pytest.raises(ValueError, match="other sizes than hidden_layer_sizes"):
        network.set_params(hidden_layer_sizes=(9,)).fit(x, y)
    with pytest.raises(ValueError, match="same classes as in the previous call"):
        network.set_params(hidden_layer_sizes=(8,)).fit(x[:100], y[:100])
    wrapped = Classifier( epochs=5, warm_start=True, random_state=0).fit(x, y)
    first = wrapped.history_["loss"][-1]
    assert wrapped.fit(x, y).history_["loss"][0] < first


# --- what is refused --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("options, message", [
    (dict(activation="rleu"), "unknown activation 'rleu'; did you mean 'relu'"),
    (dict(solver="adm"), "unknown solver 'adm'; did you mean 'adam'"),
    (dict(learning_rate="constnat"), "unknown learning_rate 'constnat'; did you mean 'constant'"),
    (dict(learning_rate_init=0), r"learning_rate_init must be in \(0, inf\), got 0"),
    (dict(learning_rate_init=-0.1), r"learning_rate_init must be in \(0, inf\), got -0.1"),
    (dict(alpha=-1), "alpha"), (dict(dropout=1.0), "dropout"), (dict(momentum=1.5), "momentum"), (dict(tol=-1), "tol"),
    (dict(hidden_layer_sizes=(0,)), "hidden_layer_sizes must be an integer of 1 or more, got 0"),
    (dict(hidden_layer_sizes=2.5), "hidden_layer_sizes"), (dict(batch_size=0), "batch_size"), (dict(max_iter=0), "max_iter"),
    (dict(n_iter_no_change=0), "n_iter_no_change"), (dict(shuffle="yes"), "shuffle must be True or False"),
    (dict(schedule=0.1), "schedule must be a function of the epoch"),
    (dict(schedule=lambda epoch: 0.1, learning_rate="adaptive"), "give schedule or learning_rate='adaptive'"),
    (dict(solver="lbfgs", dropout=0.5), "has no steps and epochs, so no dropout"),
    (dict(early_stopping=True, validation_fraction=0.0), "validation_fraction"),
    (dict(class_weight={7: 1.0}), "class_weight"),
])
def test_options_refused(options, message):
    with pytest.raises(ValueError, match=message):
        MLPClassifier(**options).fit(*IRIS)


def test_poisson_needs_counts():
    with pytest.raises(ValueError, match="needs y of 0 or more, got -1"):
        MLPRegressor("poisson").fit(IRIS[0], IRIS[1] - 1)
