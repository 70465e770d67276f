"""Attention beyond its rows: what is hidden, torch, bits, memory; and the layer with all its options."""
import numpy as np
import pytest
from rows.attention import attention
from threadbits import assert_same_bits

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
        with pytest.raises(ValueError, match="does not broadcast"):
            layer(X[:, 4:], mask=np.ones((2, 3), bool), cache=cache)
        assert cache.length == 4        # as before the call that was refused
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


def test_dropout_with_padding_that_is_not_a_number():
    layer, memory = cdl.MultiHeadAttention(2, dropout=0.5, rng=0), X.copy()
    memory[:, 4] = np.nan
    mask = np.ones((1, 6), bool)
    mask[:, 4] = False
    assert layer.training and np.isfinite(layer(X, memory, mask).numpy()).all()


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


# --- what is hidden ---------------------------------------------------------------------------------------------------
def operands(*shapes, dtype=np.float64, seed=1):
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(shape).astype(dtype) for shape in shapes]


def passes(arrays, mask=None, causal=False, g=None):
    """y and the gradients of query, key and value."""
    ts = [cdl.Tensor(a, requires_grad=True) for a in arrays]
    y = cdl.attention(*ts, mask, causal)
    y.backward(np.ones(y.shape) if g is None else g)
    return [y.numpy(), *(t.grad.numpy() for t in ts)]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("added", [False, True])
def test_what_is_hidden_does_not_leak(dtype, bad, added):
    q, k, v = operands((2, 40, 8), (2, 50, 8), (2, 50, 8), dtype=dtype)
    g = operands((2, 40, 8), dtype=dtype)[0]
    seen = np.arange(50) < 33
    mask = np.where(seen, 0, -np.inf).astype(dtype) if added else seen
    wanted = passes([q, np.where(seen[:, None], k, 0), np.where(seen[:, None], v, 0)], mask, g=g)
    k[:, ~seen], v[:, ~seen] = bad, bad
    for got, want in zip(passes([q, k, v], mask, g=g), wanted, strict=True):
        np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_comes_later_does_not_leak(bad):
    """Under a causal mask a query sees none of it; what sees it is NaN, and only that."""
    arrays = operands((40, 8), (40, 8), (40, 8))
    wanted = passes(arrays, causal=True)
    spoilt = [a.copy() for a in arrays]
    for a in spoilt[1:]:
        a[30] = bad
    y, dq, dk, dv = passes(spoilt, causal=True)
    np.testing.assert_allclose(y[:30], wanted[0][:30], rtol=1e-14)
    np.testing.assert_allclose(dq[:30], wanted[1][:30], rtol=1e-12, atol=1e-14)
    assert np.isnan(y[30:]).all() and np.isnan(dq[30:]).all()
    spoilt = [a.copy() for a in arrays]
    spoilt[0][7] = bad              # a query that sees the keys 0 to 7
    y, _, dk, dv = passes(spoilt, causal=True)
    assert np.isfinite(np.delete(y, 7, 0)).all() and np.isnan(y[7]).all()
    np.testing.assert_allclose(dk[8:], wanted[2][8:], rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(dv[8:], wanted[3][8:], rtol=1e-12, atol=1e-14)


def test_one_sequence_of_a_batch_does_not_leak_into_another():
    arrays = operands((3, 2, 20, 8), (3, 2, 20, 8), (3, 2, 20, 8))
    wanted = passes(arrays)
    for a in arrays:
        a[1] = np.nan
    for got, want in zip(passes(arrays), wanted, strict=True):
        np.testing.assert_array_equal(got[[0, 2]], want[[0, 2]])
        assert np.isnan(got[1]).all()


@pytest.mark.parametrize("kind", [bool, float])
def test_query_that_sees_nothing_gives_zeros_and_gradients_of_zeros(kind):
    q, k, v = operands((4, 3), (5, 3), (5, 2))
    mask = np.ones((4, 5), bool)
    mask[2] = False
    if kind is float:
        mask = np.where(mask, 0.5, -np.inf)
    y, dq, dk, dv = passes([q, k, v], mask)
    assert not y[2].any() and not dq[2].any()
    assert all(np.isfinite(a).all() for a in (y, dq, dk, dv))
    y, dq, dk, dv = passes([q, k, v], np.zeros((4, 1), bool))
    assert not any(a.any() for a in (y, dq, dk, dv))
    y, dq, dk, dv = passes([operands((9, 3))[0], k, v], causal=True)     # more queries than keys: the first see none
    assert not y[:4].any() and not dq[:4].any() and y[4:].all() and np.isfinite(dk).all()


def draws(*shape):
    return np.random.default_rng(sum(shape)).standard_normal(shape, np.float32)


def test_a_mask_that_is_not_contiguous_has_its_gradient():
    """Relative positions: rows of a table, one for each distance, turned to where the heads are."""
    table = cdl.Tensor(draws(9, 2), requires_grad=True)
    distance, grads = np.arange(5)[:, None] - np.arange(5) + 4, []
    layer, x = cdl.MultiHeadAttention(2, rng=0), draws(1, 5, 8)
    for bias in (table[distance].transpose(2, 0, 1), table[distance].transpose(2, 0, 1) + 0):
        table.grad = None
        (layer(x, mask=bias[None]) ** 2).sum().backward()
        grads.append(table.grad.numpy())
    assert np.abs(grads[1]).max() > 0
    np.testing.assert_array_equal(*grads)
    bias = cdl.Tensor(draws(5, 5), requires_grad=True)
    q = draws(5, 4)
    (cdl.attention(q, q, q, bias.T) ** 2).sum().backward()      # only the mask wants one
    turned = cdl.Tensor(bias.numpy().T.copy(), requires_grad=True)
    (cdl.attention(q, q, q, turned) ** 2).sum().backward()
    np.testing.assert_array_equal(bias.grad.numpy(), turned.grad.numpy().T)


@pytest.mark.parametrize("mask", [np.zeros((4, 4), np.float32), np.ones((4, 4), bool)])
def test_a_mask_changed_before_the_backward_is_noticed(mask):
    mask, q = cdl.Tensor(mask), cdl.Tensor(draws(4, 8), requires_grad=True)
    y = cdl.attention(q, q, q, mask)
    mask[0, 1] = 0
    with pytest.raises(RuntimeError, match="AttentionNode needs a value that was changed in place"):
        y.sum().backward()


def test_the_lowest_finite_mask_hides_nothing_altogether():
    """Where all keys have it, they share the query; where one has not, it gets all."""
    q, v, low = draws(3, 8), draws(3, 8), np.finfo(np.float32).min
    for mask in (np.full((3, 3), low), np.array([0, low, low]) + np.zeros((3, 1), np.float32)):
        for causal in (False, True):
            mask = mask.astype(np.float32)
            w = cdl.ops.attention_weights(q, q, mask, causal)
            np.testing.assert_allclose(w.sum(-1), 1, rtol=1e-6)
            np.testing.assert_allclose(cdl.attention(q, q, v, mask, causal), w @ v, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("scale, words", [("a", "scale must be a number"), ([1, 2], "scale must be a number"),
                                          (float("nan"), "scale must be finite, got nan")])
def test_a_scale_is_a_number(scale, words):
    with pytest.raises((TypeError, ValueError), match=words):
        cdl.attention(np.eye(2), np.eye(2), np.eye(2), scale=scale)


def test_large_scores_do_not_overflow():
    q, k, v = operands((6, 4), (700, 4), (700, 4), dtype=np.float32)
    q *= 1e4
    want = attention(*(a.astype(float) for a in (q, k, v)))
    np.testing.assert_allclose(cdl.attention(q, k, v), want, rtol=1e-3, atol=1e-3)      # 1e4 digits are gone in the scores
    far = cdl.attention(q[:1] * 0, k, v, np.where(np.arange(700) == 3, 0, -1e9).astype(np.float32))
    np.testing.assert_allclose(far[0], v[3], rtol=1e-6)


# --- torch, bits, memory ----------------------------------------------------------------------------------------------
CASES = [
    pytest.param((2, 4, 33, 16), (2, 4, 33, 16), True, None, id="causal"),
    pytest.param((2, 6, 33, 16), (2, 2, 70, 16), False, None, id="grouped"),
    pytest.param((1, 2, 150, 64), (1, 2, 600, 64), False, None, id="long"),
    pytest.param((2, 4, 9, 8), (2, 4, 9, 8), False, bool, id="mask"),
    pytest.param((2, 4, 9, 8), (2, 4, 9, 8), False, float, id="added"),
]


@pytest.mark.parametrize("query, key, causal, mask", CASES)
def test_agrees_with_torch(query, key, causal, mask):
    torch = pytest.importorskip("torch")
    arrays, g = operands(query, key, key), operands(query, seed=2)[0]
    if mask is not None:
        mask = operands((query[1], query[2], key[2]), seed=3)[0]
        mask = mask > -1 if mask is bool else mask
    ts = [torch.from_numpy(a).requires_grad_() for a in arrays]
    y = torch.nn.functional.scaled_dot_product_attention(
        *ts, None if mask is None else torch.from_numpy(mask), is_causal=causal, enable_gqa=query[1] != key[1])
    y.backward(torch.from_numpy(g))
    for got, want in zip(passes(arrays, mask, causal, g), [y.detach(), *(t.grad for t in ts)], strict=True):
        np.testing.assert_allclose(got, want.numpy(), rtol=1e-11, atol=1e-12)


def test_layer_agrees_with_torch():
    torch = pytest.importorskip("torch")
    theirs = torch.nn.MultiheadAttention(8, 4, batch_first=True)
    layer = cdl.MultiHeadAttention(4, in_features=8)
    parts = theirs.in_proj_weight.detach().numpy().reshape(3, 8, 8), theirs.in_proj_bias.detach().numpy().reshape(3, 8)
    layer.load_state_dict({f"{name}.weight": w.T for name, w in zip(("query", "key", "value"), parts[0], strict=True)}
                          | {f"{name}.bias": b for name, b in zip(("query", "key", "value"), parts[1], strict=True)}
                          | {"out.weight": theirs.out_proj.weight.detach().numpy().T,
                             "out.bias": theirs.out_proj.bias.detach().numpy()})
    y, weights = theirs(*[torch.from_numpy(X)] * 3, average_attn_weights=False)
    mine = layer(X, return_weights=True)
    np.testing.assert_allclose(mine[0].data, y.detach().numpy(), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(mine[1].data, weights.detach().numpy(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("shape, key, mask", [((1, 1, 300, 16), (1, 1, 1300, 16), None),
                                              ((3, 4, 90, 16), (3, 2, 90, 16), (4, 90, 90)),
                                              ((2, 4, 200, 8), (2, 4, 1100, 8), (200, 1))])
def test_same_bits_for_every_number_of_threads(shape, key, mask):
    """Few heads and long keys, whose gradients are added up from parts; a mask's gradient, summed over samples."""
    arrays = operands(shape, key, key, *([mask] if mask else []), dtype=np.float32)

    def run():
        ts = [cdl.Tensor(a, requires_grad=True) for a in arrays]
        y = cdl.attention(*ts)
        (y * y).sum().backward()
        return [y.numpy(), *(t.grad.numpy() for t in ts)]

    assert_same_bits(run)
    exact = [cdl.Tensor(a.astype(float), requires_grad=True) for a in arrays]
    y = cdl.attention(*exact)
    (y * y).sum().backward()
    for got, t in zip(run()[1:], exact, strict=True):
        want = t.grad.numpy()
        assert np.abs(got - want).max() <= 2e-5 * max(np.abs(want).max(), 1)     # a mask that shifts whole rows has none


def test_memory_is_linear_in_the_length():
    """Forward and backward of 8192 positions: their scores alone would take 268 MB."""
    arrays = operands((1, 8192, 8), (1, 8192, 8), (1, 8192, 8), dtype=np.float32)
    cdl.clear_memory()
    passes(arrays)
    stats = cdl.memory_stats()
    assert stats["in_use"] + stats["held"] < 30e6


def test_heads_side_by_side_are_the_heads_apart():
    from cdl._core.attention import attention_of_heads

    q, k, v = (cdl.Tensor(a, requires_grad=True) for a in operands((2, 7, 12), (2, 9, 6), (2, 9, 4)))
    y = attention_of_heads(q, k, v, 4, 2, None, True, 0.7)
    want = attention(split(q.numpy(), 4), split(k.numpy(), 2), split(v.numpy(), 2), None, True, 0.7)
    np.testing.assert_allclose(y.numpy(), want.swapaxes(1, 2).reshape(2, 7, 8), rtol=1e-12)
    cdl.gradcheck(lambda *ts: attention_of_heads(*ts, 4, 2, None, True, 0.7), (q, k, v))
    for heads, words in (((4, 3), "4 query heads and 3 key heads"), ((5, 1), "cannot be taken apart into 5 query heads")):
        with pytest.raises(ValueError, match=words):
            attention_of_heads(q, k, v, *heads)
    with pytest.raises(ValueError, match="there is a value for each key"):
        attention_of_heads(q, k, v[:, 1:], 4, 2)


def test_operands_of_several_precisions_and_strided_heads():
    q, k, v = operands((2, 5, 3, 8), (2, 6, 3, 8), (2, 6, 3, 8))
    apart = [a.swapaxes(1, 2) for a in (q, k, v)]
    np.testing.assert_array_equal(cdl.attention(*apart), cdl.attention(*(a.copy() for a in apart)))
    assert cdl.attention(apart[0].astype(np.float32), *apart[1:]).dtype == np.float64
    single = [a.astype(np.float32) for a in apart]
    assert cdl.attention(*single, np.zeros((5, 6))).dtype == np.float32       # a mask follows what it is added to
