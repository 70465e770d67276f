"""Sizes that are blocked, packed and shared out among threads. The values are small integers: every sum is exact."""
import numpy as np
import pytest

import cdl

# (m, k, n): one block; rows of whole pages (a packed); k in several chunks; b too large to stay where it is (b packed);
# few rows; columns and rows only
SIZES = [(70, 90, 110), (40, 1024, 100), (130, 2500, 70), (300, 1600, 1700), (8, 3000, 700), (1, 2048, 900),
         (900, 2048, 1), (3000, 5, 40), (2, 1, 3000)]


def integers(shape, turned, dtype, seed):
    x = np.random.default_rng(seed).integers(-3, 4, shape[::-1] if turned else shape).astype(dtype)
    return x.T if turned else x


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("b_turned", [False, True])
@pytest.mark.parametrize("a_turned", [False, True])
@pytest.mark.parametrize("size", SIZES)
def test_large_products(size, a_turned, b_turned, dtype):
    m, k, n = size
    a, b = integers((m, k), a_turned, dtype, 0), integers((k, n), b_turned, dtype, 1)
    np.testing.assert_array_equal(cdl.matmul(a, b), a.astype(np.float64) @ b.astype(np.float64))


@pytest.mark.parametrize("size", SIZES)
def test_large_dense_layers(size):
    m, k, n = size
    x, w, b, g = (integers(shape, False, np.float32, i) for i, shape in enumerate(((m, k), (k, n), (n,), (m, n))))
    tx, tw, tb = (cdl.Tensor(t, requires_grad=True) for t in (x, w, b))
    y = cdl.dense(tx, tw, tb, act="relu")
    z = x.astype(np.float64) @ w + b
    np.testing.assert_array_equal(y, np.maximum(z, 0))
    y.backward(g)
    dz = np.where(z > 0, g, 0).astype(np.float64)
    np.testing.assert_array_equal(tb.grad, dz.sum(0))
    np.testing.assert_array_equal(tw.grad, x.T @ dz)
    np.testing.assert_array_equal(tx.grad, dz @ w.T)


def test_nothing_is_hidden_by_a_zero():
    a = np.zeros((3, 40), np.float32)
    b = np.ones((40, 9), np.float32)
    b[7, 4] = np.nan
    b[9, 5] = np.inf
    for y in (cdl.matmul(a, b), cdl.matmul(a, np.asfortranarray(b)), cdl.matmul(a, np.repeat(b, 10, 0)[::10])):
        assert np.array_equal(np.isnan(y), np.broadcast_to(np.isin(np.arange(9), (4, 5)), (3, 9)))


def test_mixed_precision_follows_numpy():
    a, b = np.ones((2, 3), np.float32), np.ones((3, 4))
    assert cdl.matmul(a, b).dtype == np.float64
    assert cdl.dense(a, a.T, np.ones(2)).dtype == np.float64
    t = cdl.Tensor(a, requires_grad=True)
    cdl.matmul(t, b).backward(np.ones((2, 4)))
    assert t.grad.dtype == np.float32
    np.testing.assert_array_equal(t.grad, np.full((2, 3), 4))


def test_unknown_activation():
    with pytest.raises(ValueError, match=r"act must be None or one of .*relu"):
        cdl.dense(np.ones((2, 3)), np.ones((3, 2)), act="softplug")


@pytest.mark.parametrize("size", SIZES)
def test_same_bits_for_any_number_of_threads(size):
    m, k, n = size
    rng = np.random.default_rng(0)
    shapes = ((m, k), (k, n), (m, n))
    x, w, g = (cdl.Tensor(rng.standard_normal(shape, np.float32), requires_grad=True) for shape in shapes)
    wanted = None
    try:
        for count in (1, 2, 3, 5):
            cdl.set_num_threads(count)
            x.grad = w.grad = None
            y = cdl.dense(x, w, act="tanh")
            y.backward(g)
            got = [t.numpy().tobytes() for t in (y, x.grad, w.grad)]
            wanted = wanted or got
            assert got == wanted, f"other bits with {count} threads"
    finally:
        cdl.set_num_threads(None)
