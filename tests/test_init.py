"""Initial weights: their spread, their bounds, their names, what is refused."""
import numpy as np
import pytest

import cdl
from cdl.init import INITIALIZERS, initialize

HE, XAVIER = cdl.he_initialization, cdl.xavier_initialization
KINDS = ("normal", "uniform", "truncated")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("draw, variance", [
    (lambda **o: HE((60, 100), 60, **o), 2 / 60),
    (lambda **o: XAVIER((60, 100), 60, **o), 1 / 60),
    (lambda **o: XAVIER((60, 100), 60, 100, **o), 2 / 160),
], ids=["he", "xavier of inputs", "xavier"])
def test_mean_variance_and_bounds(draw, variance, kind):
    for seed in range(100):
        w = draw(distribution=kind, rng=seed) / np.sqrt(variance)
        assert w.shape == (60, 100) and w.dtype == np.float64
        # 6,000 draws: five deviations of their mean and of their variance (kurtosis at most 3)
        assert abs(w.mean()) < 5 / np.sqrt(6_000)
        assert abs(w.var() - 1) < 5 * np.sqrt(2 / 6_000)
        bound = {"normal": np.inf, "uniform": np.sqrt(3), "truncated": 2 / 0.8796256610342398}[kind]
        assert abs(w).max() <= bound and (kind == "normal" or abs(w).max() > 0.97 * bound)


def test_a_seed_gives_the_same_draws():
    for kind in KINDS:
        np.testing.assert_array_equal(HE((3, 4), 3, distribution=kind, rng=7), HE((3, 4), 3, distribution=kind, rng=7))
    cdl.seed(1)
    first = HE((3,), 3)
    cdl.seed(1)
    np.testing.assert_array_equal(first, HE((3,), 3))


@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (4, 4), (3, 3, 2, 7), (1, 1)])
def test_orthogonal(shape):
    w = cdl.orthogonal(shape, gain=2.0, rng=0).reshape(-1, shape[-1]) / 2
    small = w.T @ w if len(w) >= shape[-1] else w @ w.T
    np.testing.assert_allclose(small, np.eye(len(small)), atol=1e-12)


def test_orthogonal_favours_no_sign():
    signs = [cdl.orthogonal((2, 2), rng=seed)[0, 0] > 0 for seed in range(400)]
    assert 140 < sum(signs) < 260       # six deviations of 10


def test_constants():
    assert cdl.init.zeros((2, 3)).tolist() == [[0, 0, 0]] * 2
    assert cdl.init.ones(2).tolist() == [1, 1]
    assert cdl.init.constant((2,), 3).tolist() == [3, 3]


@pytest.mark.parametrize("name", INITIALIZERS)
def test_names(name):
    assert initialize(name, (3, 3, 4, 6), rng=0).shape == (3, 3, 4, 6)
    if name != "orthogonal":
        assert initialize(name, (5,), rng=0).shape == (5,)
    layer = cdl.Dense(6, in_features=4, kernel_initializer=name, rng=0)
    np.testing.assert_array_equal(layer.weight.numpy(), initialize(name, (4, 6), rng=0).astype(np.float32))
    assert layer.config()["kernel_initializer"] == name


def test_fans_of_a_window():
    np.testing.assert_array_equal(initialize("he_normal", (3, 3, 4, 6), rng=0), HE((3, 3, 4, 6), 36, rng=0))
    np.testing.assert_array_equal(initialize("xavier_uniform", (3, 3, 4, 6), rng=0),
                                  XAVIER((3, 3, 4, 6), 36, 54, distribution="uniform", rng=0))


def test_numbers_and_functions():
    assert initialize(0.5, (2,)).tolist() == [0.5, 0.5]
    assert initialize(np.zeros, (2,)).tolist() == [0, 0]
    assert "kernel_initializer" not in cdl.Dense(2, kernel_initializer=np.zeros, in_features=1).config()


@pytest.mark.parametrize("call, words", [
    (lambda: HE((2,), 0), "he_initialization: n_in must be positive, got 0"),
    (lambda: XAVIER((2,), 1, 0), "xavier_initialization: n_out must be positive, got 0"),
    (lambda: HE((2,), 1, distribution="gamma"), "distribution must be one of normal, uniform, truncated, got 'gamma'"),
    (lambda: cdl.orthogonal((3,)), r"at least two axes, got shape \(3,\)"),
    (lambda: initialize("he", (2, 2)), "unknown initializer 'he'; known are he_normal"),
    (lambda: initialize(lambda shape: np.zeros(3), (2, 2)), r"made weights of shape \(3,\), expected \(2, 2\)"),
])
def test_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()


@pytest.mark.parametrize("name", [*INITIALIZERS, 0.5])
def test_a_file_bounds_what_is_made(name):
    with cdl.init.no_draws(10), pytest.raises(ValueError, match="10 numbers are there"):
        initialize(name, (10**9, 10**9))
