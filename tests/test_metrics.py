"""Metrics against their formulas and scikit-learn's, over all data at once and in batches; what they take."""
import pickle
import warnings
from itertools import pairwise

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st
from metrictable import ROWS, area, precision_area, samples

import cdl
from cdl import metrics as m

each = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)


def close(got, wanted, tolerance=1e-12):
    np.testing.assert_allclose(got, wanted, rtol=tolerance, atol=tolerance)


def tried(row, count=6, n=61):
    """Random samples for a row, with weights and without."""
    for seed in range(count):
        rng = np.random.default_rng(seed)
        yield rng, *samples(row.data, n, rng, row.weights and seed % 3 > 0)


@each
def test_a_metric_is_its_formula(row):
    for _, t, p, w in tried(row):
        weights = np.ones(len(t)) if w is None else w
        close(row.make()(t, p, w), row.formula(t.tolist(), p.tolist(), weights.tolist()))


@each
def test_a_metric_is_scikit_learns(row):
    sklearn = pytest.importorskip("sklearn.metrics")
    if row.sklearn is None:
        pytest.skip("scikit-learn has none")
    for _, t, p, w in tried(row, 12, 200):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")     # of classes that are only in y_pred
            wanted = row.sklearn(sklearn, t, p, w)
        close(row.make()(t, p, w), wanted)


@each
def test_batches_give_what_all_samples_at_once_give(row):
    for rng, t, p, w in tried(row):
        cuts = sorted({0, 1, len(t), *rng.integers(0, len(t), 5).tolist()})
        parts = [slice(*ends) for ends in pairwise(cuts)]
        metric, first, second = row.make(), row.make(), row.make()
        for i, part in enumerate(parts):
            arguments = t[part], p[part], None if w is None else w[part]
            metric.update(*arguments)
            (first if i % 2 else second).update(*arguments)
        wanted = row.make()(t, p, w)
        close(metric.result(), wanted)
        close(first.merge(second).result(), wanted)
        metric.reset()
        with pytest.raises(ValueError, match=f"{metric.name}: there are no samples to measure"):
            metric.result()
        close(metric.update(t, p, w).result(), wanted)


NUMBERS = np.random.default_rng(0)
T = NUMBERS.integers(0, 4, 60)
SCORES = np.round(NUMBERS.random((60, 4)) + 0.6 * np.eye(4)[T] + 0.01, 3)
P = SCORES.argmax(1)
SHARES = SCORES / SCORES.sum(1, keepdims=True)
HALF = T % 2, np.round(0.3 * (T % 2) + 0.7 * NUMBERS.random(60), 3)


@pytest.mark.parametrize("make", [m.Accuracy, lambda: m.F1(average="macro"), m.ConfusionMatrix, m.CohenKappa])
@pytest.mark.parametrize("true, predicted", [
    (T, P), (T, SCORES), (T, cdl.Tensor(SCORES)), (T.tolist(), SCORES.tolist()), (np.eye(4)[T], SCORES), (np.eye(4)[T], P),
    (np.eye(4, dtype=int)[T], SCORES.astype(np.float32)), (T[:, None], P[:, None]), (T.reshape(6, 10), P.reshape(6, 10)),
    (T.reshape(6, 10), SCORES.reshape(6, 10, 4)), (T.astype(np.uint8), P.astype(float)),
    (T.astype(np.uint64), P.astype(np.int8)), (T.astype(float), SCORES), (T, np.eye(4, dtype=int)[P])])
def test_labels_come_in_many_forms(make, true, predicted):
    np.testing.assert_array_equal(make()(true, predicted), make()(T, P))
    weights = np.arange(len(true))
    flat = weights if len(true) == 60 else weights.repeat(10)
    np.testing.assert_array_equal(make()(true, predicted, weights), make()(T, P, flat))


@pytest.mark.parametrize("make", [m.Accuracy, m.Precision, m.F1, m.Matthews])
def test_probabilities_of_two_classes_are_compared_with_the_threshold(make):
    t, p = HALF
    logits = np.log(p / (1 - p))
    for threshold in (0.5, 0.3):
        wanted = make()(t, (p > threshold).astype(int))
        for true, given in ((t, p), (t, p[:, None]), (t[:, None], p[:, None]), (t[:, None], p), (t.astype(bool), p),
                                 (t.astype(float), p), (t.reshape(6, 10), p.reshape(6, 10)[..., None])):
            assert make(threshold=threshold)(true, given) == wanted
    assert make(threshold=0)(t, logits) == make()(t, p)


@pytest.mark.parametrize("make", [m.ROCAUC, m.AveragePrecision, m.LogLoss, m.Brier])
def test_scores_come_in_many_forms(make):
    t, p = HALF
    wanted = make()(t, p)
    for true, given in ((t, cdl.Tensor(p)), (t, p[:, None]), (t[:, None], p[:, None]), (t[:, None], p),
                        (t, np.stack([1 - p, p], 1)),
                        (np.eye(2)[t], np.stack([1 - p, p], 1)), (t.reshape(6, 10), p.reshape(6, 10)[..., None]),
                        (np.array(["no", "yes"])[t], p), (t.astype(bool), p)):
        close(make()(true, given), wanted)
    names = np.array(["d", "b", "a", "c"])
    wanted = make()(T, SHARES)
    close(make(labels=["d", "b", "a", "c"])(names[T], SHARES), wanted)
    close(make()(np.sort(names)[T], SHARES), wanted)
    close(make()(T.reshape(6, 10), SHARES.reshape(6, 10, 4)), wanted)
    close(make()(np.eye(4)[T], SHARES), wanted)


@pytest.mark.parametrize("make", [m.ROCAUC, m.LogLoss, m.Brier, m.Perplexity])
def test_logits_are_told_outright(make):
    for true, logits, shares in ((T, np.log(SHARES) + 5, SHARES), (HALF[0], np.log(HALF[1] / (1 - HALF[1])), HALF[1])):
        close(make(from_logits=True)(true, logits), make()(true, shares))
    assert np.isfinite(m.log_loss([0, 1], [[-1e4, 1e4], [0.0, 3.0]], from_logits=True))
    assert m.log_loss([0], [1e4], from_logits=True) == 1e4


def test_float32_counts_in_float64():
    """The scores are those of float32; sums and differences are not."""
    y, p = (NUMBERS.standard_normal(40_000).astype(np.float32) + 100 for _ in range(2))
    for f in (m.mse, m.mae, m.r2, m.explained_variance, m.median_absolute_error, m.max_error, m.mape):
        close(f(y, p), f(y.astype(float), p.astype(float)))
    t, p = HALF[0], HALF[1].astype(np.float32)
    for f in (m.roc_auc, m.average_precision, m.brier):
        assert f(t, p) == f(t, p.astype(float))
    assert m.log_loss([1], np.zeros(1, np.float32)) == pytest.approx(-np.log(2.0**-23), rel=1e-12)


def test_a_mean_of_equal_values_is_that_value_after_many_batches():
    """A running sum of 0.1 is wrong in the thirteenth place soon; what rounding loses is kept beside it."""
    metric, r2 = m.MAE(), m.R2()
    for i in range(20_000):
        metric.update(np.zeros(1), np.full(1, 0.1))
        if i < 2000:
            r2.update([1e9 + i % 7], [1e9 + i % 7 + 0.5])
    assert metric.result() == pytest.approx(0.1, rel=1e-15)
    y = np.arange(2000) % 7
    close(r2.result(), 1 - 0.25 / np.var(y))


def test_of_a_constant_r2_is_1_or_0():
    y = np.full(1000, 0.1)
    assert m.r2(y, y) == 1 and m.r2(y, y + 1e-9) == 0 and m.explained_variance(y, y + 1e-9) == pytest.approx(0, abs=1)
    assert m.R2().update(y[:3], y[:3]).update(y[3:], y[3:] + 1).result() == 0
    assert np.isnan(m.r2([1.0], [2.0]))


def test_labels_far_apart_or_many():
    far = np.array([-(10**12), 0, 2**62, 7])[T], np.array([-(10**12), 0, 2**62, 7])[P]
    np.testing.assert_array_equal(m.confusion_matrix(*far, labels=[-(10**12), 0, 2**62, 7]), m.confusion_matrix(T, P))
    assert m.f1(*far, average="macro") == pytest.approx(m.f1(T, P, average="macro"))
    rng = np.random.default_rng(1)
    t, p = rng.integers(0, 3000, 5000), rng.integers(0, 3000, 5000)
    p[::2], w = t[::2], rng.random(5000)
    table = m.confusion_matrix(t, p, sample_weight=w)
    of = [hits / all_ for hits, all_ in zip(np.diag(table), table.sum(0), strict=True) if all_]
    close(m.precision(t, p, sample_weight=w, average="macro"), sum(of) / len(table))
    metric = m.Precision(average="macro")
    for i in range(0, 5000, 100):
        metric.update(t[i:i + 100], p[i:i + 100], w[i:i + 100])
    close(metric.result(), m.precision(t, p, sample_weight=w, average="macro"))


def test_a_class_whose_samples_weigh_nothing_is_a_class():
    t, p, w = [0, 1, 2], [0, 1, 2], [1, 1, 0]
    assert m.confusion_matrix(t, p, sample_weight=w).tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 0]]
    close(m.recall(t, p, sample_weight=w, average="macro"), 2 / 3)
    close(m.recall(t, p, sample_weight=w, average="macro", zero_division=np.nan), 1)


def test_merging_labels_of_batches():
    first, second = m.ConfusionMatrix().update([3, 5], [3, 3]), m.ConfusionMatrix().update([1, 3], [3, 7])
    assert first.merge(second).classes == [1, 3, 5, 7]
    assert first.result().tolist() == m.confusion_matrix([3, 5, 1, 3], [3, 3, 3, 7]).tolist()
    first.result()[0, 0] = 99                                   # the state is not shared
    assert first.result()[0, 0] == 0
    assert m.Accuracy().merge(m.Accuracy().update([1], [1])).result() == 1
    kept = m.ROCAUC().update([0, 1], [0.2, 0.7])
    assert m.ROCAUC().merge(kept).update([1], [0.1]).result() == 0.5 and kept.result() == 1


def test_batches_may_be_written_over_and_arguments_stay():
    t, p = np.array([0, 1, 1, 0]), np.array([0.2, 0.7, 0.1, 0.4])
    metrics = [m.ROCAUC().update(t, p), m.MedianAbsoluteError().update(t, p)]
    wanted = [metric.result() for metric in metrics]
    given = t.copy(), p.copy()
    for row in ROWS:
        true, predicted, weights = samples(row.data, 20, np.random.default_rng(0))
        before = [np.copy(a) for a in (true, predicted, weights)]
        row.make()(true, predicted, weights)
        for a, b in zip(before, (true, predicted, weights), strict=True):
            np.testing.assert_array_equal(a, b)
    t[:], p[:] = 1 - t, 1 - p
    assert [metric.result() for metric in metrics] == wanted and (given[0] != t).all()


@hypothesis.given(st.data())
def test_any_labels_in_any_batches(data):
    kinds = st.integers(-3, 3), st.integers(-(2**40), 2**40), st.text("abcé", max_size=3), st.booleans()
    kind = data.draw(st.sampled_from(kinds))
    rows = data.draw(st.lists(st.tuples(kind, kind, st.integers(0, 3)), min_size=1, max_size=30))
    t, p, w = (list(column) for column in zip(*rows, strict=True))
    cut = data.draw(st.integers(1, len(rows)))
    w[0] = w[min(cut, len(w) - 1)] = 1
    for metric in (m.Accuracy(), m.F1(average="weighted"), m.ConfusionMatrix(), m.Matthews()):
        whole = metric(t, p, w)
        for part in (slice(cut), slice(cut, None)):
            if t[part]:
                metric.update(t[part], p[part], w[part])
        close(metric.result(), whole)
    table = m.confusion_matrix(t, p, sample_weight=w)
    assert table.sum() == sum(w) and np.trace(table) == sum(x for a, b, x in rows_of(t, p, w) if a == b)


def rows_of(*columns):
    return list(zip(*columns, strict=True))


@hypothesis.given(st.lists(st.tuples(st.booleans(), st.floats(width=32, allow_nan=False), st.integers(1, 3)), min_size=2,
                           max_size=30))
def test_the_area_under_any_scores(rows):
    t, s, w = (list(column) for column in zip(*rows, strict=True))
    t[:2] = [True, False]
    close(m.roc_auc(t, s, sample_weight=w), area(t, s, w))
    close(m.average_precision(t, s, sample_weight=w), precision_area(t, s, w))
    shifted = np.array(t) * 2 - 1, np.array(s, np.float64)
    close(m.roc_auc(*shifted, sample_weight=w), area(t, s, w))


def test_names():
    for name, kind, options in (
            ("f1_macro", m.F1, {"average": "macro"}), ("recall_weighted", m.Recall, {"average": "weighted"}),
            ("f2", m.FBeta, {"beta": 2.0}), ("top_3_accuracy", m.TopKAccuracy, {"k": 3}), ("accuracy_score", m.Accuracy, {}),
            ("r2_score", m.R2, {}),
            ("mean_squared_error", m.MSE, {}), ("auc", m.ROCAUC, {}), ("perplexity", m.Perplexity, {"from_logits": False})):
        metric = m.metric_of(name)
        assert type(metric) is kind and metric.name == name and {key: getattr(metric, key) for key in options} == options
    assert m.metric_of("perplexity", "fit", cdl.losses.cross_entropy).from_logits
    assert not m.metric_of("log_loss", "fit", cdl.losses.binary_cross_entropy).from_logits
    for given, kind in ((m.f1, m.F1), (m.F1, m.F1), (m.accuracy, m.Accuracy), (np.mean, None)):
        assert kind is None or type(m.metric_of(given)) is kind
    ways = {name: m.larger_is_better(name) for name in ("accuracy", "val_roc_auc", "val_mse", "perplexity", "log_loss", "loss")}
    assert ways == dict(zip(ways, (True, True, False, False, False, None), strict=True))
    assert [make.larger_is_better for make in (m.R2, m.MaxError, m.MedianAbsoluteError, m.Brier)] == [True, False, False, False]
    own = m.F1(average="macro")
    assert m.metric_of(own) is own and own.name == "f1_macro" and repr(own).startswith("F1(average='macro', pos_label=1")
    own.name = "mine"
    assert pickle.loads(pickle.dumps(own.update(T, P))).result() == own.result() and own.name == "mine"
    assert {type(a) for a in m.metrics_for(cdl.losses.cross_entropy).values()} == {m.Accuracy}
    assert m.metrics_for(cdl.losses.mse) == {} and set(m.metrics_for(cdl.losses.binary_cross_entropy)) == {"accuracy"}


def test_the_figure_of_a_function_is_the_mean_by_weight():
    def worst(y_true, y_pred, sample_weight=None):
        return abs(y_true - y_pred).max()

    metric = m.metric_of(worst)
    assert metric.name == "worst"
    metric.update(np.zeros(2), np.array([1.0, 3.0])).update(np.zeros(1), np.array([6.0]))
    assert metric.result() == 4
    assert metric.reset().update(np.zeros(2), np.ones(2), [1, 2]).update(np.zeros(1), np.full(1, 5.0), [1]).result() == 2


def test_a_training_and_an_evaluation_measure_what_the_functions_do():
    """By name they take the outputs as the loss does: logits of a cross-entropy, probabilities of a binary one."""
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((300, 5)).astype(np.float32), rng.integers(0, 3, 300)
    model = cdl.Sequential([cdl.Dense(3, in_features=5, rng=0)])
    logits, w = model.predict(x), rng.random(300).astype(np.float32)
    got = model.evaluate(x, y, loss="cross_entropy", batch_size=64, sample_weight=w, metrics=[
        "f1_macro", "perplexity", "roc_auc", "top_2_accuracy", "log_loss", m.BalancedAccuracy()])
    logits_told = dict(from_logits=True, sample_weight=w)
    close(got["f1_macro"], m.f1(y, logits, average="macro", sample_weight=w))
    close(got["perplexity"], m.perplexity(y, logits, **logits_told), 1e-6)      # batches of another size round otherwise
    close(got["roc_auc"], m.roc_auc(y, logits, **logits_told), 1e-6)
    close(got["log_loss"], got["loss"], 1e-6)
    close(got["top_2_accuracy"], m.top_k_accuracy(y, logits, k=2, sample_weight=w))
    close(got["balanced_accuracy"], m.balanced_accuracy(y, logits, sample_weight=w))
    two = cdl.Sequential([cdl.Dense(1, "sigmoid", in_features=5, rng=0)])
    t = (y[:, None] > 0).astype(np.float32)
    history = two.fit(x, t, loss="binary_cross_entropy", epochs=2, metrics=["precision", "auc", "brier"], progress=False,
                      validation_data=(x, t))
    shares = two.predict(x)
    close(history["val_precision"][-1], m.precision(t, shares))
    close(history["val_auc"][-1], m.roc_auc(t, shares), 1e-6)
    close(history["val_brier"][-1], m.brier(t, shares), 1e-6)
    numbers = cdl.Sequential([cdl.Dense(2, in_features=5, rng=0)])
    figures = numbers.evaluate(x, x[:, :2], loss="mse", metrics=["r2", "mae", m.MSE], batch_size=7)
    close(figures["r2"], m.r2(x[:, :2], numbers.predict(x)), 1e-6)
    close(figures["mse"], figures["loss"], 1e-6)
