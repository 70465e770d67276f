"""Estimators for scikit-learn: all of its checks, its tools around them, the same bits again, what they refuse."""
import copy
import io
import os
import pickle
import signal
import subprocess
import sys
import threading
from functools import partial

import numpy as np
import pytest

import cdl

sklearn = pytest.importorskip("sklearn")

from scipy import sparse  # noqa: E402 - scikit-learn brings it
from sklearn import datasets, inspection, metrics, model_selection  # noqa: E402
from sklearn.base import clone  # noqa: E402
from sklearn.calibration import CalibratedClassifierCV  # noqa: E402
from sklearn.ensemble import VotingClassifier  # noqa: E402
from sklearn.exceptions import NotFittedError  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import StandardScaler  # noqa: E402
from sklearn.utils.estimator_checks import check_estimator  # noqa: E402

from cdl.sklearn import Classifier, MLPClassifier, MLPRegressor, Regressor  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

IRIS = datasets.load_iris(return_X_y=True)
DIABETES = datasets.load_diabetes(return_X_y=True)


def build(n_outputs, units=16, activation="tanh"):
    return cdl.Sequential([cdl.Dense(units, activation=activation), cdl.Dense(n_outputs)])


def four():
    """One of each, quick to fit, and data for it."""
    x, y = StandardScaler().fit_transform(IRIS[0]), IRIS[1]
    u, v = DIABETES[0] * 20, (DIABETES[1] - 150) / 80
    options = dict(max_iter=60, learning_rate_init=0.01, batch_size=32, random_state=0)
    return [pytest.param(estimator, *data, id=type(estimator).__name__) for estimator, data in (
        (MLPClassifier((16,), **options), (x, y)), (MLPRegressor(hidden_layer_sizes=(16,), **options), (u, v)),
        (Classifier(build, epochs=30, optimizer__lr=0.01, random_state=0), (x, y)),
        (Regressor(build, epochs=30, optimizer__lr=0.01, random_state=0), (u, v)))]


each = pytest.mark.parametrize("estimator, x, y", four())


# --- scikit-learn's own checks ----------------------------------------------------------------------------------------
@pytest.mark.filterwarnings("ignore")
@pytest.mark.timeout(300)
@pytest.mark.parametrize("estimator", [
    MLPClassifier(), MLPRegressor(), Classifier(), Regressor(),
    Classifier(partial(build, units=100, activation="relu")), Regressor(partial(build, units=100, activation="relu")),
], ids=lambda estimator: type(estimator).__name__)
def test_every_check_of_scikit_learn(estimator):
    results = check_estimator(estimator, on_skip=None, on_fail=None)
    assert {r["check_name"]: r["exception"] for r in results if r["status"] not in ("passed", "skipped")} == {}
    # Skipped are only those that need pandas, or array-API arrays to be switched on
    skipped = {str(r["exception"]) for r in results if r["status"] == "skipped"}
    assert all("pandas is not installed" in reason or "SCIPY_ARRAY_API" in reason for reason in skipped), skipped
    assert len(results) >= 55


# --- the same bits ----------------------------------------------------------------------------------------------------
def outputs(estimator, x):
    return estimator.predict_proba(x) if hasattr(estimator, "predict_proba") else estimator.predict(x)


@each
def test_same_bits_in_every_fit_and_after_every_copy(estimator, x, y):
    fitted = clone(estimator).fit(x, y)
    before = outputs(fitted, x)
    np.random.seed(3)     # noqa: NPY002 - the stream that scikit-learn draws from
    cdl.seed(5)
    np.testing.assert_array_equal(outputs(clone(estimator).fit(x, y), x), before)
    joblib = pytest.importorskip("joblib")
    file = io.BytesIO()
    joblib.dump(fitted, file)
    file.seek(0)
    for other in (pickle.loads(pickle.dumps(fitted)), copy.deepcopy(fitted), copy.copy(fitted), joblib.load(file)):
        np.testing.assert_array_equal(outputs(other, x), before)
        assert other.get_params().keys() == fitted.get_params().keys()


@each
def test_copies_go_on_alike_and_apart(estimator, x, y):
    options = {"classes": np.unique(y)} if hasattr(estimator, "predict_proba") else {}
    one = clone(estimator).partial_fit(x, y, **options)
    for _ in range(3):
        one.partial_fit(x, y)
    copies = [pickle.loads(pickle.dumps(one)), copy.deepcopy(one)]
    before = outputs(one, x)
    for other in copies:
        other.partial_fit(x, y)
    np.testing.assert_array_equal(outputs(one, x), before)
    one.partial_fit(x, y)
    assert (outputs(one, x) != before).any()
    for other in copies:
        np.testing.assert_array_equal(outputs(other, x), outputs(one, x))


def test_another_process_gives_the_same_bits(tmp_path):
    script = ("import numpy as np, hashlib; from sklearn.datasets import load_iris; from cdl.sklearn import *\n"
              "x, y = load_iris(return_X_y=True)\n"
              "for e in MLPClassifier((8,), dropout=0.1, max_iter=20, random_state=0), Classifier(epochs=5, random_state=0):\n"
              "    print(hashlib.sha256(e.fit(x, y).predict_proba(x).tobytes()).hexdigest())")
    told = [subprocess.run([sys.executable, "-W", "ignore", "-c", script], capture_output=True, text=True, check=True,
                           env=os.environ | {"OMP_NUM_THREADS": threads}).stdout for threads in ("1", "2")]
    assert told[0] == told[1]
    assert len(told[0].split()) == 2


def test_fit_leaves_the_librarys_generator_and_numpys_alone():
    x, y = IRIS
    cdl.seed(1)
    np.random.seed(1)     # noqa: NPY002 - the stream that scikit-learn draws from
    MLPClassifier((4,), max_iter=2, dropout=0.1, random_state=0).fit(x, y)
    Classifier(build, epochs=1, random_state=0).fit(x, y)
    drawn, numpys = cdl.he_initialization((2, 2), 2), np.random.random()    # noqa: NPY002
    cdl.seed(1)
    np.random.seed(1)     # noqa: NPY002 - the stream that scikit-learn draws from
    np.testing.assert_array_equal(drawn, cdl.he_initialization((2, 2), 2))
    assert numpys == np.random.random()      # noqa: NPY002


def test_a_builder_may_seed_the_library_itself():
    def build_seeded(n_outputs):
        cdl.seed(7)
        return build(n_outputs)
    first, second = (Classifier(build_seeded, epochs=1, shuffle=False, random_state=seed).fit(*IRIS).predict_proba(IRIS[0])
                     for seed in (0, 1))
    np.testing.assert_array_equal(first, second)


@each
def test_the_network_is_a_model_to_save(estimator, x, y, tmp_path):
    options = {"batch_norm": True, "dropout": 0.1} if "dropout" in estimator.get_params() else {}
    x = x.astype(np.float32)        # what `cdl.load` makes is in float32
    fitted = clone(estimator).set_params(**options).fit(x, y)
    fitted.model_.save(tmp_path / "network.safetensors")
    again = cdl.load(tmp_path / "network.safetensors")
    np.testing.assert_array_equal(again.predict(x), fitted.model_.predict(x))
    assert "Dense" in fitted.model_.summary((None, x.shape[1]))


# --- inside scikit-learn's tools --------------------------------------------------------------------------------------
def threads_there(estimator, x, y):
    return cdl.get_num_threads()


@pytest.mark.timeout(300)
@each
def test_two_processes(estimator, x, y):
    alone = model_selection.cross_val_score(estimator, x, y, cv=2)
    np.testing.assert_array_equal(model_selection.cross_val_score(estimator, x, y, cv=2, n_jobs=2), alone)
    threads = model_selection.cross_val_score(estimator, x, y, cv=2, n_jobs=2, scoring=threads_there)
    assert (threads <= max(1, (os.cpu_count() or 1) // 2)).all()      # together no more threads than processors


@pytest.mark.timeout(300)
@pytest.mark.parametrize("backend", ["threading", "multiprocessing"])
def test_other_backends(backend):
    joblib = pytest.importorskip("joblib")
    x, y = IRIS
    search = model_selection.GridSearchCV(Classifier(build, epochs=3, random_state=0), {"model__units": [4, 8]}, cv=3, n_jobs=2)
    alone = clone(search).set_params(n_jobs=None).fit(x, y).cv_results_["mean_test_score"]
    with joblib.parallel_backend(backend):
        np.testing.assert_array_equal(search.fit(x, y).cv_results_["mean_test_score"], alone)


def test_searches():
    x, y = IRIS
    pipe = make_pipeline(StandardScaler(), MLPClassifier(max_iter=40, learning_rate_init=0.02, random_state=0))
    grid = model_selection.GridSearchCV(pipe, {"mlpclassifier__hidden_layer_sizes": [(4,), (16,)],
                                               "mlpclassifier__activation": ["tanh", "leaky_relu"]}, cv=3).fit(x, y)
    assert grid.best_score_ > 0.9
    pipe = make_pipeline(StandardScaler(), Classifier(build, epochs=20, random_state=0))
    space = {"classifier__model__units": [2, 16], "classifier__optimizer__lr": [0.001, 0.05],
             "classifier__optimizer": ["adam", "rmsprop"]}
    drawn = model_selection.RandomizedSearchCV(pipe, space, n_iter=4, cv=3, random_state=0).fit(x, y)
    assert drawn.best_score_ > 0.9
    assert drawn.best_estimator_[-1].model_[0].units == drawn.best_params_["classifier__model__units"]


def test_calibration_ensembles_importances_and_curves():
    x, y = StandardScaler().fit_transform(IRIS[0]), IRIS[1]
    network = MLPClassifier((16,), max_iter=60, learning_rate_init=0.02, random_state=0)
    wrapped = Classifier(build, epochs=20, optimizer__lr=0.02, random_state=0)
    for one in (network, wrapped):
        assert CalibratedClassifierCV(one, cv=3).fit(x, y).score(x, y) > 0.9
        assert inspection.permutation_importance(one.fit(x, y), x, y, n_repeats=3, random_state=0).importances_mean.max() > 0.1
    assert VotingClassifier([("a", network), ("b", wrapped)], voting="soft").fit(x, y).score(x, y) > 0.9
    _, _, scores = model_selection.learning_curve(network, x, y, cv=3, train_sizes=[0.5, 1.0], shuffle=True, random_state=0)
    assert scores[-1].mean() > 0.9


@each
def test_shown_and_set_up_as_others(estimator, x, y):
    assert "<div" in estimator._repr_html_()
    assert type(estimator).__name__ in repr(estimator)
    again = clone(estimator)
    assert {k: v for k, v in again.get_params().items() if not isinstance(v, list)} == \
           {k: v for k, v in estimator.get_params().items() if not isinstance(v, list)}
    with pytest.raises(ValueError, match=r"Invalid parameter 'random_sate'.*did you mean 'random_state'"):
        again.set_params(random_sate=3)
    with pytest.raises(NotFittedError):
        again.predict(x)
    pipe = make_pipeline(StandardScaler(), again).set_output(transform="default").fit(x, y)
    assert pipe.score(x, y) == pipe.score(x, y)


def test_names_of_features():
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame(IRIS[0], columns=list("abcd"))
    network = make_pipeline(StandardScaler(), MLPClassifier((4,), max_iter=2)).set_output(transform="pandas")
    assert list(network.fit(table, IRIS[1])[-1].feature_names_in_) == list("abcd")
    table.loc[[1, 4], "c"] = np.nan
    with pytest.raises(ValueError, match=r"NaN in column 'c': 2 of 600 values"):
        MLPClassifier().fit(table, IRIS[1])


# --- kinds of data ----------------------------------------------------------------------------------------------------
@each
def test_sparse_samples(estimator, x, y):
    x = np.where(np.abs(x) > 0.4, x, 0)
    dense = clone(estimator).fit(x, y).score(x, y)
    for make in (sparse.csr_matrix, sparse.csc_array):
        fitted = clone(estimator).fit(make(x), y)
        assert fitted.score(make(x), y) == pytest.approx(dense, abs=0.1)
        np.testing.assert_allclose(fitted.predict(make(x)), fitted.predict(x), rtol=1e-5)


def test_sparse_samples_need_not_fit_into_memory_dense():
    rows, columns = np.arange(3000), np.arange(3000) * 600
    x = sparse.csr_matrix((np.ones(3000), (rows, columns)), (3000, 2_000_000))      # 48 GB dense
    y = np.arange(3000) % 2
    network = MLPClassifier((2,), max_iter=1, batch_size=8, random_state=0).fit(x[:40], y[:40])
    assert network.predict(x[:100]).shape == (100,)


@pytest.mark.parametrize("estimator", [MLPClassifier((32,), max_iter=150, learning_rate_init=0.01, random_state=0),
                                       Classifier(epochs=100, optimizer__lr=0.01, random_state=0)], ids=["mlp", "wrapper"])
@pytest.mark.parametrize("weighted", [False, True])
def test_several_labels(estimator, weighted):
    x, y = datasets.make_multilabel_classification(300, n_classes=4, random_state=0)
    x = StandardScaler().fit_transform(x)
    estimator.fit(x, y, np.ones(300) if weighted else None)
    assert metrics.f1_score(y, estimator.predict(x), average="micro") > 0.8
    assert estimator.predict_proba(x).shape == estimator.decision_function(x).shape == (300, 4)
    np.testing.assert_allclose(np.exp(estimator.predict_log_proba(x)), estimator.predict_proba(x), rtol=1e-4, atol=1e-12)
    assert list(estimator.classes_) == [0, 1, 2, 3]


@pytest.mark.parametrize("estimator", [MLPClassifier((8,), max_iter=100, learning_rate_init=0.02, random_state=0),
                                       Classifier(epochs=40, optimizer__lr=0.02, random_state=0)], ids=["mlp", "wrapper"])
@pytest.mark.parametrize("labels", [["no", "yes"], [-1, 1], [False, True], ["a", "b", "c"]], ids=str)
def test_labels_of_any_kind(estimator, labels):
    keep = IRIS[1] < len(labels)
    x, y = StandardScaler().fit_transform(IRIS[0][keep]), np.array(labels)[IRIS[1][keep]]
    estimator.fit(x, y)
    assert estimator.predict(x).dtype == y.dtype
    assert estimator.score(x, y) > 0.93
    p = estimator.predict_proba(x)
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(estimator.classes_[p.argmax(axis=1)], estimator.predict(x))
    assert estimator.decision_function(x).shape == ((len(x),) if len(labels) == 2 else (len(x), 3))


@pytest.mark.parametrize("estimator", [MLPRegressor(hidden_layer_sizes=(16,), max_iter=300, learning_rate_init=0.02,
                                                    random_state=0),
                                       Regressor(epochs=60, optimizer__lr=0.02, random_state=0)], ids=["mlp", "wrapper"])
def test_several_outputs(estimator):
    x = np.linspace(-1, 1, 200)[:, None]
    y = np.hstack([x ** 2, x])
    assert estimator.fit(x, y).predict(x).shape == (200, 2)
    assert estimator.score(x, y) > 0.9


def test_precision_is_that_of_the_samples():
    for dtype in (np.float32, np.float64):
        network = MLPClassifier((4,), batch_norm=True, max_iter=2).fit(IRIS[0].astype(dtype), IRIS[1])
        assert {c.dtype for c in [*network.coefs_, *network.intercepts_]} == {np.dtype(dtype)}
        assert network.predict_proba(IRIS[0].astype(dtype)).dtype == dtype
    for estimator, dtype, wanted in ((Classifier(epochs=1), np.float64, np.float64),
                                     (Classifier(epochs=1), np.float32, np.float32),
                                     (Classifier(epochs=1), np.uint8, np.float32),
                                     (Classifier(epochs=1, dtype="float32"), np.float64, np.float32)):
        assert estimator.fit(IRIS[0].astype(dtype), IRIS[1]).model_.parameter_dtype() == wanted
    assert estimator.predict_proba(IRIS[0]).dtype == np.float64


@pytest.mark.parametrize("layers", [
    [cdl.LSTM(8), cdl.Dense(2)], [cdl.GRU(8, bidirectional=True), cdl.Dense(2)], [cdl.RNN(8), cdl.Dense(2)],
    [cdl.Conv1D(4, 3), cdl.BatchNorm(), cdl.Flatten(), cdl.Dense(2)],
    [cdl.MultiHeadAttention(2), cdl.LayerNorm(), cdl.Flatten(), cdl.Dense(2)],
], ids=str)
def test_networks_of_every_kind_in_float64(layers):
    x = np.random.default_rng(0).standard_normal((60, 5, 4))
    fitted = Classifier(cdl.Sequential(layers), epochs=30, optimizer__lr=0.02, random_state=0).fit(x, x[:, :, 0].sum(1) > 0)
    assert {p.dtype for p in fitted.model_.parameters()} == {np.dtype(float)}
    assert fitted.score(x, x[:, :, 0].sum(1) > 0) > 0.8


# --- the wrappers' models ---------------------------------------------------------------------------------------------
def test_models_of_every_kind():
    x, y = StandardScaler().fit_transform(IRIS[0]), IRIS[1]
    options = dict(epochs=30, optimizer__lr=0.02, random_state=0)
    network = build(3)
    for model, more in ((None, {}), (network, {}), (build, {"model__units": 8}), (lambda n_features, n_classes: cdl.Sequential(
            [cdl.Dense(8, in_features=n_features, activation="relu"), cdl.Dense(n_classes)]), {})):
        fitted = Classifier(model, **options, **more).fit(x, y)
        assert fitted.score(x, y) > 0.9
    assert not network.built        # the one given stayed as it was
    trained = fitted.model_
    again = Classifier(trained, epochs=1, optimizer__lr=1e-9).fit(x, y)
    np.testing.assert_allclose(again.predict_proba(x), fitted.predict_proba(x), atol=1e-4)      # it began with its weights


def test_two_classes_with_one_output():
    x, y = datasets.load_breast_cancer(return_X_y=True)
    x = StandardScaler().fit_transform(x)
    for last, loss in ((cdl.Dense(1), None), (cdl.Dense(1, activation="sigmoid"), "binary_cross_entropy"),
                       (cdl.Dense(2), None)):
        fitted = Classifier(cdl.Sequential([cdl.Dense(8, activation="relu"), last]), loss, epochs=10, random_state=0).fit(x, y)
        assert fitted.score(x, y) > 0.93
        p = fitted.predict_proba(x)
        assert p.shape == (len(x), 2)
        np.testing.assert_array_equal(p.argmax(axis=1), fitted.predict(x))


def test_images_and_tokens():
    x, y = datasets.load_digits(return_X_y=True)
    x = (x / 16).reshape(-1, 8, 8, 1)[:600]
    network = cdl.Sequential([cdl.Conv2D(8, 3, padding="same", activation="relu"), cdl.MaxPool2D(2), cdl.Flatten(),
                              cdl.Dense(10)])
    fitted = Classifier(network, epochs=15, optimizer__lr=0.01, random_state=0).fit(x, y[:600])
    assert fitted.score(x, y[:600]) > 0.95
    rng = np.random.default_rng(0)
    tokens = rng.integers(0, 20, (400, 6))
    network = cdl.Sequential([cdl.Embedding(20, 8), cdl.Flatten(), cdl.Dense(2)])
    fitted = Classifier(network, epochs=20, optimizer__lr=0.02, random_state=0).fit(tokens, tokens[:, 2] > 9)
    assert fitted.score(tokens, tokens[:, 2] > 9) > 0.95


def test_metrics_callbacks_and_validation():
    x, y = IRIS
    stop = cdl.EarlyStopping("val_loss", patience=2)
    fitted = Classifier(build, epochs=30, optimizer__lr=0.05, metrics=["accuracy"], callbacks=[stop], validation_split=0.2,
                        random_state=0).fit(x, y)
    assert {"loss", "accuracy", "val_loss", "val_accuracy"} <= set(fitted.history_)
    assert stop.best is None
    assert fitted.callbacks_[0].best == min(fitted.history_["val_loss"])
    pickle.loads(pickle.dumps(fitted)).predict(x)
    mlp = MLPClassifier((8,), early_stopping=True, max_iter=50, callbacks=cdl.EarlyStopping("val_score", 3, mode="max"),
                        random_state=0).fit(x, y)
    assert mlp.callbacks_[0].best == max(mlp.validation_scores_) == mlp.best_validation_score_


# --- ends ---------------------------------------------------------------------------------------------------------------
@each
def test_ctrl_c_ends_fit_with_what_there_is(estimator, x, y):
    def press(model, epoch, figures):
        if epoch == 2:
            threading.Timer(0.0, os.kill, (os.getpid(), signal.SIGINT)).run()
    name = "epochs" if "epochs" in estimator.get_params() else "max_iter"
    interrupted = clone(estimator).set_params(callbacks=press, **{name: 50})
    with pytest.warns(UserWarning, match=r"Training interrupted by user\."):
        interrupted.fit(x, y)
    assert interrupted.predict(x).shape == y.shape


# --- what is refused --------------------------------------------------------------------------------------------------
@each
def test_data_refused(estimator, x, y):
    estimator = clone(estimator)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        estimator.fit(x, y[:-1])
    broken = x.copy()
    broken[3, 1] = broken[5, 2] = np.nan
    with pytest.raises(ValueError, match=rf"contains NaN(.|\n)*NaN in column 1, 2: 2 of {x.size} values"):
        estimator.fit(broken, y)
    for weights, message in ((-np.ones(len(x)), "0 or more"), (np.zeros(len(x)), "all weights are 0|at least one non-zero")):
        with pytest.raises(ValueError, match=message):
            estimator.fit(x, y, sample_weight=weights)
    if hasattr(estimator, "predict_proba"):
        with pytest.raises(ValueError, match=r"y has one class only, 0; a classifier needs samples of two"):
            estimator.fit(x, np.zeros(len(x), int))
        with pytest.raises(ValueError, match="only samples of one class have a weight above 0"):
            estimator.fit(x, y, sample_weight=(y == 1).astype(float))
        with pytest.raises(ValueError, match="Unknown label type"):
            estimator.fit(x, x[:, 0])
        with pytest.raises(ValueError, match=r"has classes not in `self.classes_`"):
            clone(estimator).partial_fit(x, y, classes=[0, 1])
        with pytest.raises(ValueError, match="classes must be passed"):
            clone(estimator).partial_fit(x, y)


@pytest.mark.parametrize("make, error, message", [
    (lambda: Classifier(epoch=3), TypeError, "unknown parameter 'epoch'; did you mean 'epochs'"),
    (lambda: Classifier(build, model__unit=3), ValueError, "has no parameter 'unit'; did you mean 'units'"),
    (lambda: Classifier(build(3), model__units=3), ValueError, "model__units needs a function that makes the model"),
    (lambda: Classifier(build, optimizer="adm"), ValueError, "unknown optimizer 'adm'; did you mean 'adam'"),
    (lambda: Classifier(build, optimizer__lrr=1), ValueError, "has no option 'lrr'; did you mean 'lr'"),
    (lambda: Classifier(build, optimizer__lr=-1.0), ValueError, "lr must be above 0"),
    (lambda: Classifier(build, loss="mse"), ValueError, "unknown loss 'mse'"),
    (lambda: Classifier(build(4)), ValueError, r"outputs of shape \(N, 4\), y has 3 classes; make its last layer Dense\(3\)"),
    (lambda: Classifier(7), TypeError, "model must be a network or a function"),
    (lambda: Classifier(lambda: 7), TypeError, "must return a network, got int"),
    (lambda: Classifier(epochs=0), ValueError, "epochs must be an integer of 1 or more"),
    (lambda: Classifier(dtype="float16"), ValueError, "dtype must be"),
    (lambda: Classifier(validation_split=1.0), ValueError, "validation_split"),
    (lambda: Regressor(build(2)), ValueError, r"outputs of shape \(N, 2\), y has shape \(150,\)"),
    (lambda: Regressor(loss="msee"), ValueError, "unknown loss 'msee'; did you mean 'mse'"),
])
def test_models_refused(make, error, message):
    with pytest.raises(error, match=message):
        make().fit(*IRIS)


def test_losses_that_are_not_finite_name_the_layer():
    with pytest.raises(FloatingPointError, match=r"the loss became (nan|inf) in epoch \d+.* 0[ .]"):
        Classifier(build(3, activation="relu"), optimizer__lr=1e30, epochs=50, dtype="float32").fit(IRIS[0] * 1e30, IRIS[1])


def test_without_scikit_learn_one_line_says_so():
    script = ("import sys; sys.modules['sklearn'] = None\nimport cdl\n"
              "try:\n    cdl.sklearn\nexcept ImportError as error:\n    print(error)")
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert told == "cdl.sklearn needs sklearn, which is not installed: pip install 'cdl[sklearn]'\n"
