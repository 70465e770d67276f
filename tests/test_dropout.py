"""Dropout: its generator, its statistics, seeds and modes. Values: tests/rows/dropout.py."""
import numpy as np
import pytest
from rows.dropout import draws, threefry

import cdl
from cdl._core.dropout import dropout

PI, MORE_PI = (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344), (0xA4093822, 0x299F31D0, 0x082EFA98, 0xEC4E6C89)


@pytest.mark.parametrize("counter, key, answer", [      # published with Random123, file kat_vectors
    ((0,) * 4, (0,) * 4, "531c7e4f 39491ee5 2c855a92 3d6abf9a"),
    ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 4, "c4189358 1c9cc83a d5881c67 6a0a89e0"),
    (PI, MORE_PI, "4aa71d8f 734738c2 431fc6a8 ae6debf1"),
])
def test_the_reference_generator_has_its_published_answers(counter, key, answer):
    found = threefry([[word] for word in counter], key)[:, 0]
    assert " ".join(f"{word:08x}" for word in found) == answer


def test_what_is_kept_follows_the_generator():
    for key in (0, 1, 2**64 - 1, 0x0123456789ABCDEF):
        for n in (1, 127, 128, 129, 40000):
            y = dropout(np.ones(n, np.float32), 0.3, key, 1.0, 0.0, 0.0)
            np.testing.assert_array_equal(y == 1, draws(key, n) >= round(0.3 * 2**32))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_draws_that_agree_with_the_threshold_in_their_upper_half(dtype):
    wanted = draws(7, 1000)
    for element in (0, 5, 127, 128, 500, 999):
        for threshold in (int(wanted[element]) - 1, int(wanted[element]), int(wanted[element]) + 1):
            y = dropout(np.ones(1000, dtype), threshold / 2**32, 7, 1.0, 0.0, 0.0)
            np.testing.assert_array_equal(y == 1, wanted >= threshold)


def test_large_outputs_that_go_past_the_caches():
    x = np.ones(9_000_000, np.float32)
    y = cdl.dropout(x, 0.5, rng=0)
    np.testing.assert_array_equal(y[:1000], cdl.dropout(x[:1000], 0.5, rng=0))
    assert abs(y.mean() - 1) < 0.002


def test_both_precisions_drop_the_same():
    x = np.ones(1000)
    np.testing.assert_array_equal(cdl.dropout(x, 0.5, rng=3), cdl.dropout(x.astype(np.float32), 0.5, rng=3))


@pytest.mark.parametrize("seed", range(100))
def test_share_and_independence(seed):
    n, p = 100_000, 0.2
    kept = cdl.dropout(np.ones(n, np.float32), p, rng=seed) != 0
    sigma = np.sqrt(p * (1 - p) / n)
    assert abs(kept.mean() - (1 - p)) < 5 * sigma
    centred = (kept - kept.mean()) / kept.std()
    for lag in (1, 2, 16, 64):      # neighbours, lanes, batches
        assert abs((centred[lag:] * centred[:-lag]).mean()) < 5 / np.sqrt(n)
    other = cdl.dropout(np.ones(n, np.float32), p, rng=seed + 1) != 0
    assert abs(np.corrcoef(kept, other)[0, 1]) < 5 / np.sqrt(n)


@pytest.mark.parametrize("p", [1e-9, 1 - 1e-9])
def test_probabilities_near_the_ends(p):
    y = cdl.dropout(np.ones(10_000), p, rng=0)
    assert set(np.unique(y)) <= {0, 1 / (1 - p)}
    assert (y != 0).mean() == pytest.approx(1 - p, abs=1e-3)


def test_alpha_dropout_keeps_mean_and_variance():
    x = np.random.default_rng(0).standard_normal(200_000)
    y = cdl.ops.alpha_dropout(x, 0.3, rng=1)
    assert abs(y.mean()) < 0.02
    assert abs(y.var() - 1) < 0.03


def test_spatial_dropout_drops_whole_channels():
    y = cdl.ops.spatial_dropout(np.ones((8, 5, 3, 16), np.float32), 0.5, rng=0)
    assert y.dtype == np.float32
    assert (y == y[:, :1, :1]).all() and 0.3 < (y == 0).mean() < 0.7
    assert len({tuple(row) for row in y[:, 0, 0]}) > 1
    t = cdl.Tensor(np.ones((2, 3, 4), np.float32), requires_grad=True)
    out = cdl.ops.spatial_dropout(t, 0.5, rng=0)
    out.sum().backward()
    np.testing.assert_array_equal(t.grad.numpy(), out.numpy())


def test_the_backward_drops_what_the_forward_dropped():
    t = cdl.Tensor(np.ones((50, 70), np.float32), requires_grad=True)
    for op in (cdl.dropout, cdl.ops.alpha_dropout):
        t.grad = None
        y = op(t, 0.4)
        y.backward(np.ones((50, 70)))
        kept = y.numpy() == y.numpy().max()
        assert 0.5 < kept.mean() < 0.7
        np.testing.assert_array_equal(t.grad.numpy() != 0, kept)


def test_what_is_dropped_is_zero_whatever_it_was():
    y = cdl.dropout(np.full(1000, np.inf), 0.5, rng=0)
    assert set(y) == {0, np.inf}


def test_seed_and_rng_decide():
    x = np.ones(200)
    cdl.seed(5)
    first, second = cdl.dropout(x, 0.5), cdl.dropout(x, 0.5)
    cdl.seed(5)
    np.testing.assert_array_equal(cdl.dropout(x, 0.5), first)
    assert (first != second).any()
    np.testing.assert_array_equal(cdl.dropout(x, 0.5, rng=5), first)
    np.testing.assert_array_equal(cdl.dropout(x, 0.5, rng=np.random.default_rng(5)), first)
    for bits in (np.random.MT19937, np.random.Philox):
        assert 0.2 < (cdl.dropout(x, 0.5, rng=np.random.Generator(bits(0))) == 0).mean() < 0.8


def test_layers_draw_anew_each_call_and_are_the_identity_in_use():
    x = cdl.Tensor(np.ones((4, 10, 50), np.float32))
    for make in (cdl.Dropout, cdl.AlphaDropout, cdl.SpatialDropout):
        layer, same = make(0.5, rng=0), make(0.5, rng=0)
        first, second = layer(x).numpy(), layer(x).numpy()
        assert (first != second).any()
        np.testing.assert_array_equal(same(x).numpy(), first)
        assert layer.eval()(x) is x
        model = cdl.Sequential([make(0.5)])
        np.testing.assert_array_equal(model.predict(x.numpy()), x.numpy())
        assert model.training


def test_outside_training_an_array_is_copied():
    x = np.ones(3)
    for y in (cdl.dropout(x, 0.5, training=False), cdl.dropout(x, 0), cdl.ops.spatial_dropout(x.reshape(1, 1, 3), 0)):
        assert not np.shares_memory(x, y)
    assert cdl.dropout([1, 2], 0.5, False).dtype == np.float32


@pytest.mark.parametrize("p", [1, -0.1, 1.5, float("nan")])
@pytest.mark.parametrize("name", ["dropout", "alpha_dropout", "spatial_dropout", "Dropout", "AlphaDropout", "SpatialDropout"])
def test_drop_prob_out_of_range(name, p):
    f = getattr(cdl if hasattr(cdl, name) else cdl.ops, name)
    with pytest.raises(ValueError, match=f"{name}: drop_prob must be at least 0 and less than 1, got"):
        f(p) if isinstance(f, type) else f(np.ones((2, 2, 2)), p, training=False)
