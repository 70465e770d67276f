"""Losses against their formulas, their reductions, and what they refuse."""
import numpy as np
import pytest

import cdl

LOSSES = {
    "mse": (cdl.mse, lambda t, p: (t - p) ** 2),
    "mae": (cdl.mae, lambda t, p: np.abs(t - p)),
    "binary_cross_entropy": (cdl.binary_cross_entropy, lambda t, p: -(t * np.log(p) + (1 - t) * np.log(1 - p))),
}
EACH = pytest.mark.parametrize("loss, formula", [pytest.param(*pair, id=name) for name, pair in LOSSES.items()])


def pair(shape=(7, 3)):
    rng = np.random.default_rng(0)
    return (rng.random(shape) > 0.5).astype(np.float64), rng.uniform(0.05, 0.95, shape)


@EACH
def test_values_and_reductions(loss, formula):
    t, p = pair()
    np.testing.assert_allclose(loss(t, p, reduction="none"), formula(t, p), rtol=1e-13)
    np.testing.assert_allclose(loss(t, p), formula(t, p).mean(), rtol=1e-13)
    np.testing.assert_allclose(loss(t, p, reduction="sum"), formula(t, p).sum(), rtol=1e-13)
    assert loss(t.astype(int), cdl.Tensor(p)).shape == ()


@EACH
def test_gradient(loss, formula):
    t, p = pair()
    x = cdl.Tensor(p, requires_grad=True)
    loss(t, x).backward()
    for i in np.ndindex(p.shape):
        up, down = p.copy(), p.copy()
        up[i] += 1e-6
        down[i] -= 1e-6
        np.testing.assert_allclose(x.grad.numpy()[i], (formula(t, up).mean() - formula(t, down).mean()) / 2e-6, rtol=1e-6,
                                   atol=1e-9)


@EACH
def test_shapes_must_agree(loss, formula):
    with pytest.raises(ValueError, match=r"same shape, got \(3,\) and \(3, 1\)"):
        loss(np.ones(3), np.ones((3, 1)))
    with pytest.raises(ValueError, match="reduction must be"):
        loss(np.ones(3), np.ones(3), reduction="average")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_binary_cross_entropy_is_finite_at_the_edges(dtype):
    value = cdl.binary_cross_entropy(np.array([1, 0], dtype), np.array([0, 1], dtype))
    assert np.isfinite(value) and value > 15
    with pytest.raises(ValueError, match="epsilon"):
        cdl.binary_cross_entropy(np.ones(1), np.ones(1), epsilon=0)
