"""Attention as a layer: its cache, rotary hook, dropout, weights, memory, masks."""
import numpy as np
import pytest
from rows.attention import attention

import cdl

RNG = np.random.default_rng(0)
X = RNG.standard_normal((3, 6, 8)).astype(np.float32)


def split(x, heads):
    return x.reshape(*x.shape[:2], heads, -1).swapaxes(1, 2)


def reference(layer, x, memory=None, mask=None, causal=False):
    """The layer's formula in NumPy."""
    def project(name, a):
        dense = getattr(layer, name)
        return a @ dense.weight.data.astype(np.float64) + (0 if dense.bias is None else dense.bias.data)

    memory = x if memory is None else memory
    q, k, v = (split(project(name, a), heads) for name, a, heads in (
        ("query", x, layer.heads), ("key", memory, layer.key_heads), ("value", memory, layer.key_heads)))
    y = attention(q, k, v, mask, causal).swapaxes(1, 2)
    return project("out", y.reshape(*y.shape[:2], -1))


@pytest.mark.parametrize("options", [{}, {"causal": True}, {"key_heads": 2, "head_size": 3},
                                     {"key_heads": 1, "use_bias": False}])
def test_layer_computes_its_formula(options):
    layer = cdl.MultiHeadAttention(4, rng=0, **options)
    y = layer(X)
    np.testing.assert_allclose(y.data, reference(layer, X, causal=layer.causal), rtol=1e-5, atol=1e-6)


def test_cross_attention_looks_at_the_memory_as_a_whole():
    memory = RNG.standard_normal((3, 5, 7)).astype(np.float32)
    layer = cdl.MultiHeadAttention(2, causal=True, rng=0)
    y = layer(X, memory)
    np.testing.assert_allclose(y.data, reference(layer, X, memory), rtol=1e-5, atol=1e-6)
    assert layer.config()["memory_features"] == 7
    with cdl.no_grad():
        cache = cdl.nn.KeyValueCache(2)
        first = layer(X[:, :2], memory, cache=cache)
        rest = layer(X[:, 2:], memory, cache=cache)
    np.testing.assert_allclose(np.concatenate([first.data, rest.data], 1), y.data, rtol=1e-5, atol=1e-6)
    assert cache.length == 5


@pytest.mark.parametrize("shape", [(6, 6), (3, 6, 6), (3, 1, 6), (3, 4, 6, 6), (1, 6)])
@pytest.mark.parametrize("kind", [bool, np.float32])
def test_masks_of_every_shape(shape, kind):
    mask = RNG.random(shape) < 0.7 if kind is bool else RNG.standard_normal(shape).astype(kind)
    layer = cdl.MultiHeadAttention(4, rng=0)
    y = layer(X, mask=mask)
    wanted = reference(layer, X, mask=mask[:, None] if mask.ndim == 3 else mask)
    np.testing.assert_allclose(y.data, wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("options", [{}, {"key_heads": 2}])
@pytest.mark.parametrize("steps", [(1,) * 6, (4, 1, 1), (6,), (2, 3, 1)])
def test_generation_with_a_cache_is_the_whole_at_once(options, steps):
    layer = cdl.MultiHeadAttention(4, causal=True, rng=0, rotary=turn, **options)
    whole, cache, parts, start = layer(X), cdl.nn.KeyValueCache(capacity=2), [], 0
    with cdl.no_grad():
        for step in steps:
            parts.append(layer(X[:, start:start + step], cache=cache).data.copy())
            start += step
    np.testing.assert_allclose(np.concatenate(parts, 1), whole.data, rtol=1e-5, atol=1e-6)
    assert cache.length == 6


def turn(x, start):
    """Rotary positions of pairs of halves, written out."""
    n, half = x.shape[1], x.shape[3] // 2
    angle = (start + np.arange(n, dtype=np.float32))[:, None, None] * 10 ** -np.arange(half, dtype=np.float32)
    a, b, cos, sin = x[..., :half], x[..., half:], np.cos(angle), np.sin(angle)
    return np.concatenate([a * cos - b * sin, b * cos + a * sin], -1)


def test_rotary_positions_are_relative():
    layer = cdl.MultiHeadAttention(2, rng=0, rotary=lambda x, start: turn(x, start + 5))
    plain = cdl.MultiHeadAttention(2, rng=0, rotary=turn)
    np.testing.assert_allclose(layer(X).data, plain(X).data, rtol=1e-4, atol=1e-5)


def test_cache_refuses_gradients_and_other_batches_and_forgets():
    layer, cache = cdl.MultiHeadAttention(2, causal=True, rng=0), cdl.nn.KeyValueCache()
    with pytest.raises(RuntimeError, match="no gradient; generate inside"):
        layer(X, cache=cache)
    with cdl.no_grad():
        layer(X[:, :4], cache=cache)
        with pytest.raises(ValueError, match="holds 3 sequences, got 2"):
            layer(X[:2, 4:], cache=cache)
        cache.truncate(3)
        cache.take([2, 0])
        rest = layer(X[[2, 0], 3:], cache=cache)
        np.testing.assert_allclose(rest.data, layer(X[[2, 0]]).data[:, 3:], rtol=1e-5, atol=1e-6)
        cache.clear()
        assert cache.length == 0
        layer(X[:1], cache=cache)
    assert cache.length == 6
    with pytest.raises(ValueError, match="capacity must be a positive integer"):
        cdl.nn.KeyValueCache(0)


def test_weights_are_returned():
    layer = cdl.MultiHeadAttention(2, causal=True, rng=0)
    y, weights = layer(X, return_weights=True)
    np.testing.assert_array_equal(y.data, layer(X).data)
    assert weights.shape == (3, 2, 6, 6)
    np.testing.assert_allclose(weights.data.sum(-1), 1, rtol=1e-6)
    assert not np.triu(weights.data, 1).any()


def test_dropout_drops_weights_in_training_only():
    layer = cdl.MultiHeadAttention(4, dropout=0.5, key_heads=2, rng=0)
    plain = cdl.MultiHeadAttention(4, key_heads=2, rng=0)
    assert not np.allclose(layer(X).data, plain(X).data)
    np.testing.assert_array_equal(layer.eval()(X).data, plain(X).data)
    layer.train()
    many = np.stack([layer(X).data for _ in range(2000)])
    deviation = many.std(0) / np.sqrt(len(many))        # of the mean; 144 of them: none beyond 6
    assert (np.abs(many.mean(0) - plain(X).data) < 6 * deviation).all()


def test_every_parameter_has_a_gradient():
    layer = cdl.MultiHeadAttention(4, key_heads=2, causal=True, rng=0)
    (layer(X) ** 2).sum().backward()
    assert all(np.abs(p.grad.data).max() > 1e-3 for name, p in layer.named_parameters() if name != "key.bias")


def test_bad_options():
    for options, words in (
            ({"heads": 0}, "heads must be a positive integer"), ({"heads": 4, "key_heads": 3}, "3 key heads do not divide 4"),
            ({"heads": 3, "in_features": 8}, "3 heads do not divide 8 features; give head_size"),
            ({"heads": 2, "dropout": 1.0}, "drop_prob"), ({"heads": 2, "head_size": -1}, "head_size must be a positive")):
        with pytest.raises(ValueError, match=words):
            cdl.MultiHeadAttention(**options)
    with pytest.raises(ValueError, match=r"expected x of shape \(N, T, features\), got \(6, 8\); write x\[None\]"):
        cdl.MultiHeadAttention(2)(X[0])
    with pytest.raises(ValueError, match="expected memory of shape"):
        cdl.MultiHeadAttention(2)(X, X[0])
    layer = cdl.MultiHeadAttention(2, in_features=8)
    with pytest.raises(ValueError, match="8 features"):
        layer(X[..., :7])
