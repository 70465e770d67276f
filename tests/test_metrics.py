"""Metrics against their formulas and scikit-learn's, over all data at once and in batches; what they take and refuse."""
import warnings
from itertools import pairwise

import numpy as np
import pytest
from metrictable import ROWS, samples

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
