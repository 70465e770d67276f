"""Confusion matrices, reports, averages and curves: their numbers by hand, and beside scikit-learn."""
import warnings

import numpy as np
import pytest
from metrictable import area, samples

from cdl import metrics as m


@pytest.fixture
def sklearn():
    module = pytest.importorskip("sklearn.metrics")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")     # of classes without a sample
        yield module


def cases(kind, count=6):
    for seed in range(count):
        yield samples(kind, 80, np.random.default_rng(seed), seed % 2 == 1)


def close(got, wanted):
    np.testing.assert_allclose(got, wanted, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kind, labels", [("labels", None), ("labels", [9, 0, -2]), ("labels", [5, 77]), ("texts", None),
                                          ("texts", ["c1", "c9"])])
@pytest.mark.parametrize("normalize", [None, "true", "pred", "all"])
def test_confusion_matrices(sklearn, kind, labels, normalize):
    for t, p, w in cases(kind):
        got = m.confusion_matrix(t, p, labels=labels, normalize=normalize, sample_weight=w)
        close(got, sklearn.confusion_matrix(t, p, labels=labels, normalize=normalize, sample_weight=w))
        assert got.dtype == (np.int64 if w is None and normalize is None else np.float64)


@pytest.mark.parametrize("average", [None, "micro", "macro", "weighted"])
@pytest.mark.parametrize("labels", [None, [9, 0], [0, 77]])
@pytest.mark.parametrize("zero", [0, 1, np.nan])
def test_averages_over_classes_that_may_be_empty(sklearn, average, labels, zero):
    for t, p, w in cases("labels"):
        options = dict(average=average, labels=labels, zero_division=zero, sample_weight=w)
        for own, name in ((m.precision, "precision_score"), (m.recall, "recall_score"), (m.f1, "f1_score")):
            close(own(t, p, **options), getattr(sklearn, name)(t, p, **options))
        for beta in (0, 0.5, 3, np.inf):
            close(m.fbeta(t, p, beta, **options), sklearn.fbeta_score(t, p, beta=beta, **options))


def test_the_positive_class():
    t, p = [0, 1, 1, 0, 1], [0, 1, 0, 0, 0]
    assert m.recall(t, p, pos_label=0) == 1 and m.recall(t, p) == m.specificity(t, p, pos_label=0) == 1 / 3
    assert m.precision(np.array(["n", "y"])[t], np.array(["n", "y"])[p], pos_label="y") == 1
    assert m.recall([0, 0], [0, 0]) == 0 and m.recall([0, 0], [0, 0], zero_division=1) == 1
    assert m.recall([0, 1], [0, 0], average=None).tolist() == [1, 0] and not m.Recall(average=None).is_number


def test_balanced_accuracy_and_kappa_where_little_is_there(sklearn):
    for t, p, w in cases("labels"):
        for adjusted in (False, True):
            close(m.balanced_accuracy(t, p, sample_weight=w, adjusted=adjusted),
                  sklearn.balanced_accuracy_score(t, p, sample_weight=w, adjusted=adjusted))
        for weights in (None, "linear", "quadratic"):
            close(m.cohen_kappa(t, p, labels=[5, 0, -2], weights=weights, sample_weight=w),
                  sklearn.cohen_kappa_score(t, p, labels=[5, 0, -2], weights=weights, sample_weight=w))
    assert np.isnan(m.cohen_kappa([1, 1], [1, 1])) and m.matthews([1, 1], [1, 0]) == 0
    assert np.isnan(m.balanced_accuracy([1, 1], [1, 0], adjusted=True))


@pytest.mark.parametrize("labels, names", [(None, None), ([0, 9, -2, 5, 1, 7], list("abcdef")), ([0, 9], None)])
def test_reports(sklearn, labels, names):
    for t, p, w in cases("labels"):
        options = dict(labels=labels, target_names=names, sample_weight=w, zero_division=0)
        got = m.classification_report(t, p, output_dict=True, **options)
        wanted = sklearn.classification_report(t, p, output_dict=True, **options)
        assert list(got) == list(wanted)
        for name, row in wanted.items():
            close(*([list(r.values()) for r in (got[name], row)] if isinstance(row, dict) else (got[name], row)))
        if w is None:
            text = m.classification_report(t, p, digits=3, **options)
            assert text.split() == sklearn.classification_report(t, p, digits=3, **options).split()
            assert len({len(line) for line in text.splitlines() if line}) == 1


@pytest.mark.parametrize("f, name", [(m.roc_curve, "roc_curve"), (m.precision_recall_curve, "precision_recall_curve")])
def test_curves(sklearn, f, name):
    for t, p, w in cases("two"):
        for own, given in zip(f(t, p, sample_weight=w), getattr(sklearn, name)(t, p, sample_weight=w), strict=True):
            close(own, given)
        for own, given in zip(f(np.array(["n", "y"])[t], -p, pos_label="n"),
                              getattr(sklearn, name)(np.array(["n", "y"])[t], -p, pos_label="n"), strict=True):
            close(own, given)
    close(m.roc_curve(t, p, drop_intermediate=False)[2], sklearn.roc_curve(t, p, drop_intermediate=False)[2])


@pytest.mark.parametrize("strategy", ["uniform", "quantile"])
def test_calibration(sklearn, strategy):
    calibration = pytest.importorskip("sklearn.calibration")
    for t, p, _ in cases("two"):
        got = m.calibration_curve(t, p, bins=7, strategy=strategy)
        for own, wanted in zip(got, calibration.calibration_curve(t, p, n_bins=7, strategy=strategy), strict=True):
            close(own, wanted)
    t, p, w = [0, 1, 1], [0.1, 0.2, 0.9], [1, 3, 5]
    close(m.calibration_curve(t, p, bins=2, sample_weight=w), [[0.75, 1], [0.175, 0.9]])
    close(m.calibration_curve(t, p, bins=2, sample_weight=w), m.calibration_curve(np.repeat(t, w), np.repeat(p, w), bins=2))


def test_the_area_is_that_of_the_curve_and_scikit_learns_classes(sklearn):
    for t, p, w in cases("two"):
        fpr, tpr, _ = m.roc_curve(t, p, sample_weight=w)
        close(m.roc_auc(t, p, sample_weight=w), np.diff(fpr) @ (tpr[1:] + tpr[:-1]) / 2)
    for t, p, w in cases("classes"):
        close(m.roc_auc(t, p, average=None, sample_weight=w),
              sklearn.roc_auc_score(t, p, average=None, multi_class="ovr", sample_weight=w))
        close(m.average_precision(t, p, average=None, sample_weight=w),
              sklearn.average_precision_score(np.eye(3)[t], p, average=None, sample_weight=w))
        names = np.array(["b", "a", "c"])[t]
        close(m.roc_auc(names, p, labels=["a", "b", "c"]), sklearn.roc_auc_score(names, p, multi_class="ovr"))
        close(m.roc_auc(names, p), sklearn.roc_auc_score(names, p, multi_class="ovr"))
        close(m.log_loss(names, p, sample_weight=w), sklearn.log_loss(names, p, sample_weight=w))


def test_weights_in_pairs_of_classes_are_samples_so_often():
    """scikit-learn takes none there."""
    t, p, _ = samples("classes", 40, np.random.default_rng(0))
    w = np.arange(40) % 3
    for average in ("macro", "weighted"):
        close(m.roc_auc(t, p, multi_class="ovo", average=average, sample_weight=w),
              m.roc_auc(t.repeat(w), p.repeat(w, 0), multi_class="ovo", average=average))


def test_areas_of_classes_that_are_not_there():
    t, p = np.array([0, 1, 1, 0]), np.full((4, 3), 1 / 3)
    areas = m.roc_auc(t, p, average=None)
    assert areas[:2].tolist() == [0.5, 0.5] and np.isnan(areas[2])


def test_scores_that_are_integers_or_infinite():
    t = [0, 1, 0, 1]
    for scores in (np.array([3, 200, 7, 5], np.uint8), np.array([0, 1, 1, 1], bool), np.array([-np.inf, np.inf, 0.0, 0.0])):
        close(m.roc_auc(t, scores), area(t, scores.tolist(), [1] * 4))


def test_outputs_of_numbers(sklearn):
    for t, p, w in cases("outputs"):
        for own, name in ((m.mse, "mean_squared_error"), (m.rmse, "root_mean_squared_error"), (m.mae, "mean_absolute_error"),
                          (m.mape, "mean_absolute_percentage_error"), (m.median_absolute_error, "median_absolute_error"),
                          (m.r2, "r2_score"), (m.explained_variance, "explained_variance_score")):
            for multioutput in ("raw_values", [0.2, 0.3, 0.5], *(["variance_weighted"] if own in (
                    m.r2, m.explained_variance) else [])):
                close(own(t, p, sample_weight=w, multioutput=multioutput),
                      getattr(sklearn, name)(t, p, sample_weight=w, multioutput=multioutput))
    assert m.max_error(t, p) == np.abs(t - p).max() and not m.R2(multioutput="raw_values").is_number
    close(m.mse(t.reshape(8, 10, 3), p.reshape(8, 10, 3), sample_weight=np.arange(8)), m.mse(
        t, p, sample_weight=np.arange(8).repeat(10)))
    close(m.mae(t[:, :1], p[:, 0]), m.mae(t[:, 0], p[:, 0]))


def test_medians_of_many_weighted_values_are_those_of_few():
    """Only values about the middle are sorted; where a sample of them misleads, all are."""
    rng = np.random.default_rng(0)
    for values, weights in ((rng.standard_normal(70_001), rng.random(70_001)), (np.zeros(70_000), np.ones(70_000)),
                            (np.arange(70_000.0) % 3, rng.integers(0, 3, 70_000)),
                            (np.arange(68_000.0) % 68, (np.arange(68_000) % 68 == 7) + 1e-9),
                            (np.arange(70_000.0), np.ones(70_000))):
        order = np.argsort(np.abs(values), kind="stable")
        shares = np.cumsum(weights[order])
        place = np.searchsorted(shares, shares[-1] / 2 * (1 - 1e-13))
        wanted = np.abs(values)[order[place]]
        if abs(shares[place] / shares[-1] - 0.5) < 1e-13:
            wanted = (wanted + np.abs(values)[order[place + 1:]][weights[order[place + 1:]] > 0][0]) / 2
        assert m.median_absolute_error(np.zeros(len(values)), values, sample_weight=weights) == wanted
