"""Reductions: edges, ties, empty axes, integers, accuracy over long axes, and the same bits for every thread count."""
import numpy as np
import pytest

import cdl
from cdl._core import threads

PAIRS = [(cdl.sum, np.sum), (cdl.mean, np.mean), (cdl.var, np.var), (cdl.std, np.std), (cdl.max, np.max), (cdl.min, np.min),
         (cdl.prod, np.prod)]
NAMED = [pytest.param(*pair, id=pair[1].__name__) for pair in PAIRS]
LARGE = [((1 << 20) + 3,), (3, 100_001), (100_001, 3), (70_000, 17), (1000, 1025), (5, 3000, 33), (1, 40_000, 1)]


def gradient(function, x, dtype=np.float64):
    t = cdl.Tensor(np.asarray(x, dtype), requires_grad=True)
    y = function(t)
    y.backward(np.ones(y.shape))
    return t.grad.numpy()


@pytest.mark.parametrize("dtype, bound", [(np.float32, 1e-6), (np.float64, 1e-14)])
@pytest.mark.parametrize("shape", LARGE)
def test_long_axes(shape, dtype, bound, rng):
    x = rng.standard_normal(shape).astype(dtype)
    exact = x.astype(np.longdouble)
    for axis in (None, *range(len(shape))):
        n = x.size if axis is None else shape[axis]
        np.testing.assert_allclose(cdl.sum(x, axis), exact.sum(axis), rtol=0, atol=bound * np.sqrt(n))
        np.testing.assert_allclose(cdl.mean(x, axis), exact.mean(axis), rtol=0, atol=bound)
        np.testing.assert_allclose(cdl.var(x, axis), exact.var(axis), rtol=4 * bound)
        for mine, theirs in ((cdl.max, np.max), (cdl.min, np.min), (cdl.argmax, np.argmax), (cdl.ops.argmin, np.argmin)):
            np.testing.assert_array_equal(mine(x, axis), theirs(x, axis))


@pytest.mark.parametrize("shape", [((1 << 20) + 3,), (70_000, 17), (1000, 1025)])
def test_long_gradients(shape, rng):
    x = rng.standard_normal(shape).astype(np.float32)
    for axis in (None, *range(len(shape))):
        n = x.size if axis is None else shape[axis]
        np.testing.assert_array_equal(gradient(lambda t: t.sum(axis), x, np.float32), np.ones(shape))  # noqa: B023
        wanted = 2 / n * (x - x.mean(axis, keepdims=True, dtype=np.float64))
        got = gradient(lambda t: t.var(axis), x, np.float32)  # noqa: B023
        np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-6 / n)
        wanted = np.flip(np.cumsum(np.ones(shape), axis), axis) if axis is not None else np.arange(n, 0, -1).reshape(shape)
        np.testing.assert_array_equal(gradient(lambda t: t.cumsum(axis), x, np.float32), wanted)  # noqa: B023


def test_as_exact_as_the_result_can_be(rng):
    for _ in range(20):
        x = rng.random(1_000_001, dtype=np.float32)
        assert abs(cdl.sum(x) - x.sum(dtype=np.longdouble)) <= 0.75 * np.spacing(np.float32(5e5))    # 0.5: rounding alone
    columns = rng.random((100_000, 3), dtype=np.float32)    # NumPy adds these one after the other
    assert np.abs(cdl.sum(columns, 0) - columns.sum(0, dtype=np.float64)).max() <= np.spacing(np.float32(5e4))


@pytest.mark.parametrize("axis, shape", [(0, (100_000,)), (0, (20_000, 3)), (1, (4, 20_000))])
def test_variance_does_not_cancel(axis, shape, rng):
    x = (1e4 + rng.standard_normal(shape)).astype(np.float32)
    np.testing.assert_allclose(cdl.var(x, axis), x.astype(np.float64).var(axis), rtol=1e-4)
    np.testing.assert_allclose(cdl.std(x, axis), x.astype(np.float64).std(axis), rtol=1e-4)


@pytest.mark.parametrize("shape", LARGE)
def test_same_bits_for_every_thread_count(shape, rng):
    x = rng.standard_normal(shape).astype(np.float32)
    functions = [f for f, _ in PAIRS] + [cdl.argmax, cdl.cumsum, lambda t, axis: gradient(lambda u: u.var(axis), t, np.float32)]
    results = []
    before = threads.get_num_threads()
    try:
        for n in (1, 2, 3, 5):
            threads.set_num_threads(n)
            results.append([f(x, axis=axis) for f in functions for axis in range(len(shape))])
    finally:
        threads.set_num_threads(before)
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            assert np.array_equal(a, b)


@pytest.mark.parametrize("mine, theirs", NAMED)
def test_nan_and_infinity_as_numpy(mine, theirs):
    for values in ([1, np.nan, 3], [np.nan, 1], [1, np.inf, 2], [-np.inf, 1], [np.inf, -np.inf], [-np.inf] * 3, [-0.0, 0.0]):
        for n in (1, 40, 3000):
            for dtype in (np.float32, np.float64):
                x = np.array(values * n, dtype)
                with np.errstate(all="ignore"):
                    np.testing.assert_array_equal(mine(x), theirs(x))
                    np.testing.assert_array_equal(mine(x[:, None], 0), theirs(x[:, None], 0))
                    np.testing.assert_array_equal(mine(np.stack([x, x], 1), 0), theirs(np.stack([x, x], 1), 0))


@pytest.mark.parametrize("mine, theirs", [(cdl.argmax, np.argmax), (cdl.ops.argmin, np.argmin)])
@pytest.mark.parametrize("n", [5, 100, 50_000])
def test_first_of_equals_and_nan_stand_out(mine, theirs, n):
    for at in ((1,), (0, 3), (3, 4), (n - 1,)):
        for value in (7.0, -7.0, np.nan):
            x = np.zeros((n, 2), np.float32)
            x[list(at), 1] = value
            np.testing.assert_array_equal(mine(x, 0), theirs(x, 0))
            assert mine(x[:, 1].copy()) == theirs(x[:, 1])
    assert mine(np.full(n, np.inf)) == mine(np.full(n, -np.inf)) == 0


def test_ties_share_the_gradient():
    x = [[2.0, 5.0, 5.0], [1.0, 1.0, 1.0]]
    share = [[0, 0.5, 0.5], [1 / 3, 1 / 3, 1 / 3]]
    np.testing.assert_array_equal(gradient(lambda t: t.max(1), x), share)
    np.testing.assert_array_equal(gradient(lambda t: (-t).min(1), x), np.negative(share))
    np.testing.assert_array_equal(gradient(lambda t: t.max(0), [[1.0, 3.0], [1.0, 2.0]]), [[0.5, 1], [0.5, 0]])
    np.testing.assert_array_equal(gradient(lambda t: t.max(), [1.0, np.nan, 3.0]), [0, 1, 0])


def test_gradient_of_products_with_zeros():
    np.testing.assert_array_equal(gradient(lambda t: t.prod(1), [[2.0, 0, 5], [0, 3, 0], [2, 3, 4]]),
                                  [[0, 10, 0], [0, 0, 0], [12, 8, 6]])
    np.testing.assert_array_equal(gradient(lambda t: t.prod(0), [[2.0, 0], [0, 0], [3, 4]]), [[0, 0], [6, 0], [0, 0]])


def test_gradient_at_no_spread_is_zero():
    assert np.array_equal(gradient(lambda t: t.std(), [2.0, 2.0]), [0, 0])
    assert np.array_equal(gradient(cdl.norm, [0.0, 0.0]), [0, 0])


@pytest.mark.parametrize("mine, theirs", NAMED)
@pytest.mark.parametrize("shape, axis", [((0,), None), ((3, 0), 0), ((3, 0), 1), ((0, 4), 0), ((2, 0, 3), (0, 2)), ((0, 0), 1)])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_empty_as_numpy(mine, theirs, shape, axis):
    x = np.zeros(shape)
    try:
        wanted = theirs(x, axis=axis)
    except ValueError:
        with pytest.raises(ValueError, match=r"axis \d of shape \(.*\) is empty"):
            mine(x, axis=axis)
        return
    y = mine(x, axis=axis)
    assert y.shape == wanted.shape
    np.testing.assert_array_equal(y, wanted)
    t = cdl.Tensor(x, requires_grad=True)
    mine(t, axis).backward(np.ones(wanted.shape))
    assert t.grad.shape == shape


@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.uint8, np.bool_])
def test_integers_as_numpy(dtype, rng):
    x = rng.integers(0, 2 if dtype is np.bool_ else 9, (4, 5)).astype(dtype)
    for mine, theirs in [*PAIRS, (cdl.argmax, np.argmax), (cdl.ops.argmin, np.argmin), (cdl.cumsum, np.cumsum)]:
        y, wanted = mine(x, axis=1), theirs(x, axis=1)
        assert y.dtype == wanted.dtype
        np.testing.assert_array_equal(y, wanted)
        t = mine(cdl.Tensor(x), axis=1)
        assert isinstance(t, cdl.Tensor)
        np.testing.assert_allclose(t.numpy(), wanted)
    np.testing.assert_allclose(cdl.norm(x), np.linalg.norm(x.astype(float)))


def test_axes():
    x = np.arange(24.0).reshape(2, 3, 4)
    assert cdl.sum(x, (0, 2)).shape == (3,)
    assert cdl.sum(x, [0, -1], keepdims=True).shape == (1, 3, 1)
    assert cdl.sum(x, ()).shape == x.shape
    assert isinstance(cdl.argmax(cdl.Tensor(x), 1), cdl.Tensor)
    assert cdl.argmax(cdl.Tensor(x), 1).dtype == np.int64
    assert cdl.argmax(x, keepdims=True).shape == (1, 1, 1)
    for axis, error, words in ((3, ValueError, "axis 3 is out of range for 3 axes"), ((0, 0), ValueError, "named twice"),
                               ("a", TypeError, "an axis is an integer, got str"), (1.0, TypeError, "got float")):
        for function in (cdl.sum, cdl.max, cdl.argmax, cdl.cumsum):
            if not isinstance(axis, tuple) or function in (cdl.sum, cdl.max):
                with pytest.raises(error, match=words):
                    function(x, axis)
    with pytest.raises(TypeError, match=r"argmax: axis must be an integer or None"):
        cdl.argmax(x, (0, 1))
    with pytest.raises(TypeError, match=r"cumsum: axis must be an integer or None"):
        cdl.cumsum(x, (0, 1))
    with pytest.raises(ValueError, match=r"argmin: shape \(0,\) is empty"):
        cdl.ops.argmin(np.zeros(0))
    with pytest.raises(ValueError, match="norm: ord must be"):
        cdl.norm(x, 3)
    with pytest.raises(ValueError, match="reduce: op must be"):
        from cdl._core.reduce import reduce
        reduce(99, x, None, False)


def test_views_and_transposes(rng):
    x = rng.standard_normal((6, 7, 8))
    for view in (x.T, x[::2, :, 1::3], x.transpose(1, 0, 2), np.broadcast_to(x[:, :1], x.shape)):
        for axis in (None, 0, 1, 2, (0, 2)):
            np.testing.assert_allclose(cdl.sum(view, axis), view.sum(axis), rtol=1e-13)
            np.testing.assert_allclose(cdl.var(view, axis), view.var(axis), rtol=1e-13, atol=1e-15)
    t = cdl.Tensor(x, requires_grad=True)
    t.var((0, 2)).backward(np.arange(7.0))
    wanted = 2 / 48 * (x - x.mean((0, 2), keepdims=True)) * np.arange(7.0)[None, :, None]
    np.testing.assert_allclose(t.grad.numpy(), wanted, atol=1e-15)


def test_numpy_functions_reach_the_ops(rng):
    x = rng.standard_normal((4, 5))
    t = cdl.Tensor(x, requires_grad=True)
    for function in (np.sum, np.mean, np.var, np.std, np.max, np.amin, np.prod, np.argmax, np.argmin, np.cumsum,
                     np.add.reduce, np.maximum.reduce, np.minimum.reduce, np.multiply.reduce, np.add.accumulate):
        for options in ({}, {"axis": 1}):
            y = function(t, **options)
            assert isinstance(y, cdl.Tensor)
            np.testing.assert_allclose(y.numpy(), function(x, **options), rtol=1e-13)
            assert y.requires_grad == (y.dtype == np.float64)
    np.testing.assert_allclose(np.linalg.norm(t, axis=1).numpy(), np.linalg.norm(x, axis=1), rtol=1e-13)
    np.testing.assert_allclose(t.var(1, ddof=1, keepdims=True).numpy(), x.var(1, ddof=1, keepdims=True), rtol=1e-13)
