"""Pooling: ties, NaN, what is outside of the image, what it refuses, torch. Values and gradients: tests/rows/pool.py."""
import numpy as np
import pytest
from threadbits import assert_same_bits

import cdl
from cdl import ops

rng = np.random.default_rng(0)


def gradient(op, x, g=None):
    t = cdl.Tensor(x, requires_grad=True)
    y = op(t)
    y.backward(np.ones(y.shape, x.dtype) if g is None else g)
    return t.grad.numpy()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("channels", [1, 6, 16, 70])
def test_equal_pixels_give_the_gradient_to_the_first(dtype, channels):
    x = np.zeros((1, 4, 4, channels), dtype)
    x[0, 1, :2] = 5         # both of the window's second row
    dx = gradient(ops.max_pool2d, x)[0, :, :, -1]
    np.testing.assert_array_equal(dx, [[0, 0, 1, 0], [1, 0, 0, 0], [1, 0, 1, 0], [0, 0, 0, 0]])
    dx = gradient(lambda t: ops.max_pool2d(t, 3, 1), x)[0, :, :, 0]
    np.testing.assert_array_equal(dx, [[0, 0, 0, 0], [2, 2, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size, stride", [(2, 2), (3, 1), (3, 3), (20, 1)])
def test_nan_is_kept_and_the_first_one_has_the_gradient(dtype, size, stride):
    x = rng.standard_normal((1, 20, 21, 17)).astype(dtype)
    x[0, 7, 8, 3] = x[0, 7, 9, 3] = x[0, 8, 8, 3] = np.nan
    y = ops.max_pool2d(x, size, stride)
    want = np.zeros(y.shape, bool)
    for p in range(y.shape[1]):
        for q in range(y.shape[2]):
            want[0, p, q] = np.isnan(x[0, p * stride:p * stride + size, q * stride:q * stride + size]).any((0, 1))
    np.testing.assert_array_equal(np.isnan(y), want)
    dx = gradient(lambda t: ops.max_pool2d(t, size, stride), x)
    assert np.isfinite(dx).all()
    assert dx.sum() == y.size
    if size == 20:
        assert dx[0, 7, 8, 3] == 2


def test_a_gradient_of_nan_stays_where_it_belongs():
    g = np.ones((1, 2, 2, 3))
    g[0, 1, 1, 2] = np.nan
    dx = gradient(ops.max_pool2d, rng.standard_normal((1, 4, 4, 3)), g)
    assert np.isnan(dx).sum() == 1
    dx = gradient(lambda t: ops.max_pool2d(t, 3, 1), rng.standard_normal((1, 4, 4, 3)), g)
    assert np.isnan(dx).sum() == 1


def test_padding_is_no_pixel():
    x = np.full((1, 3, 3, 2), -7.0)
    assert (ops.max_pool2d(x, 3, 1, 1) == -7).all()
    assert (ops.avg_pool2d(x, 3, 1, 1) == -7).all()
    assert ops.avg_pool2d(x, 3, 1, 1, count_include_pad=True)[0, 0, 0, 0] == pytest.approx(-7 * 4 / 9)
    x[:] = -np.inf
    assert (ops.max_pool2d(x) == -np.inf).all()
    assert gradient(ops.max_pool2d, x).sum() == 2


def test_a_mean_of_many_pixels_keeps_its_digits():
    x = (1 + rng.random((1, 300, 300, 3))).astype(np.float32)
    np.testing.assert_allclose(ops.avg_pool2d(x, 300)[0, 0, 0], x.astype(float).mean((0, 1, 2)), rtol=1e-6)


def test_sizes_of_the_output():
    for size, stride, padding, want in ((2, None, "valid", (4, 3)), (2, 2, "same", (5, 4)), (3, 2, 1, (5, 4)),
                                        ((9, 7), 1, "valid", (1, 1)), (1, 3, "same", (3, 3)), (3, (1, 2), (0, 1), (7, 4)),
                                        (2, 2, ((1, 0), (0, 1)), (5, 4)), (np.int64(2), [2, 1], "valid", (4, 6))):
        x = np.ones((2, 9, 7, 3))
        for layer in (cdl.MaxPool2D(size, stride, padding), cdl.AvgPool2D(size, stride, padding)):
            assert layer(x).shape == (2, *want, 3) == layer.output_shape(x.shape)
            assert layer.output_shape((None, 9, 7, 3)) == (None, *want, 3)
            assert layer.output_shape((None, None, 7, 3)) == (None, None, want[1], 3)
            assert layer(np.ones((0, 9, 7, 3))).shape == (0, *want, 3)


@pytest.mark.parametrize("options, error, words", [
    ((0,), ValueError, "pool_size must be an integer of 1 or more, got 0"),
    ((2, 0), ValueError, "stride must be an integer of 1 or more, got 0"),
    ((2, -1), ValueError, "stride must be an integer of 1 or more, got -1"),
    ((2, (1, -3)), ValueError, "stride must be an integer of 1 or more, got -3"),
    ((2.5,), TypeError, "pool_size must be an integer, got 2.5"),
    ((True,), TypeError, "pool_size must be an integer, got True"),
    (((1, 2, 3),), ValueError, r"pool_size must be an integer or a pair \(rows, columns\), got \(1, 2, 3\)"),
    ((6,), ValueError, r"the window \(6\) is larger than the padded input \(5 \+ 0 along H\)"),
    (((5, 9), 1, (0, 1)), ValueError, r"the window \(9\) is larger than the padded input \(6 \+ 2 along W\)"),
    ((2, 2, "full"), ValueError, "padding must be 'same', 'valid', an integer or pairs, got 'full'"),
    ((2, 2, -1), ValueError, "padding must be an integer of 0 or more, got -1"),
    ((2, 2, 2), ValueError, r"padding \(2, 2\) along H leaves a window of 2 nothing but padding; use less than 2 on each side"),
    ((2, 1, ((0, 0), (0, 2))), ValueError, r"padding \(0, 2\) along W leaves a window of 2 nothing but padding"),
    ((1 << 20, 1 << 20, 1 << 19), ValueError, r"a window of \(1048576, 1048576\) pixels is too large, at most 1073741824 are"),
    ((1 << 62,), ValueError, r"pool_size must be at most 2\*\*40"),
    ((2, 1 << 62), ValueError, r"stride must be at most 2\*\*40"),
])
def test_pooling_refuses(options, error, words):
    x = np.ones((2, 5, 6, 3))
    for op, name in ((ops.max_pool2d, "max_pool2d"), (ops.avg_pool2d, "avg_pool2d")):
        with pytest.raises(error, match=f"{name}: {words}"):
            op(x, *options)
    with pytest.raises(error, match=words):
        cdl.MaxPool2D(*options).output_shape(x.shape)


def test_layers_refuse_early_and_of_other_shapes():
    with pytest.raises(ValueError, match="MaxPool2D: stride must be an integer of 1 or more, got 0"):
        cdl.MaxPool2D(2, 0)
    with pytest.raises(ValueError, match=r"AvgPool2D: padding .* leaves a window of 2 nothing but padding"):
        cdl.AvgPool2D(2, padding=2)
    with pytest.raises(ValueError, match=r"MaxPool2D: the input must be \(N, H, W, channels\), got shape \(2, 3\)"):
        cdl.MaxPool2D(2).output_shape((2, 3))
    with pytest.raises(ValueError, match=r"write x\[None\] for one image"):
        cdl.MaxPool2D(2)(np.ones((4, 4, 3)))
    with pytest.raises(ValueError, match="Flatten: expected"):
        cdl.Flatten()(1.0)


def test_large_strides_and_images_of_one_pixel():
    x = rng.standard_normal((2, 1, 1, 3))
    np.testing.assert_array_equal(ops.max_pool2d(x, 1, 1 << 39), x)
    np.testing.assert_array_equal(ops.max_pool2d(x, 3, 2, 1), x)
    np.testing.assert_array_equal(ops.avg_pool2d(x, 3, 5, "same"), x)


def test_bits_do_not_depend_on_threads():
    def run():
        found = []
        for shape, op in (((8, 112, 112, 96), ops.max_pool2d), ((4, 61, 59, 48), lambda t: ops.max_pool2d(t, 3, 2, 1)),
                          ((4, 61, 59, 48), lambda t: ops.avg_pool2d(t, 3, 1, "same")), ((64, 28, 28, 6), ops.avg_pool2d),
                          ((6, 40, 40, 40), ops.global_max_pool2d)):
            draw = np.random.default_rng(1)
            t = cdl.Tensor(draw.standard_normal(shape).astype(np.float32), requires_grad=True)
            y = op(t)
            y.backward(draw.standard_normal(y.shape).astype(np.float32))
            found += [y.numpy(), t.grad.numpy()]
        return found

    assert_same_bits(run)


def test_a_large_gradient_past_the_caches():
    x = rng.standard_normal((3, 300, 301, 32)).astype(np.float32)
    g = rng.standard_normal((3, 150, 150, 32)).astype(np.float32)
    want = np.zeros_like(x)
    parts = x[:, :, :300].reshape(3, 150, 2, 150, 2, 32).swapaxes(2, 3).reshape(3, 150, 150, 4, 32)
    first = parts.argmax(axis=3)[:, :, :, None]
    spread = np.zeros_like(parts)
    np.put_along_axis(spread, first, g[:, :, :, None], axis=3)
    want[:, :, :300] = spread.reshape(3, 150, 150, 2, 2, 32).swapaxes(2, 3).reshape(3, 300, 300, 32)
    np.testing.assert_array_equal(gradient(ops.max_pool2d, x, g), want)


@pytest.mark.parametrize("size, stride, padding", [(2, 2, 0), (3, 2, 1), (3, 1, 1), ((2, 3), (1, 2), (1, 1)), (5, 3, 2),
                                                   ((17, 16), 1, 3)])
def test_agrees_with_torch(size, stride, padding):
    torch = pytest.importorskip("torch")
    x = rng.standard_normal((2, 20, 19, 5))
    for ours, theirs in (
            (lambda t: ops.max_pool2d(t, size, stride, padding),
             lambda t: torch.nn.functional.max_pool2d(t, size, stride, padding)),
            (lambda t: ops.avg_pool2d(t, size, stride, padding),
             lambda t: torch.nn.functional.avg_pool2d(t, size, stride, padding, count_include_pad=False)),
            (lambda t: ops.avg_pool2d(t, size, stride, padding, count_include_pad=True),
             lambda t: torch.nn.functional.avg_pool2d(t, size, stride, padding))):
        t, u = cdl.Tensor(x, requires_grad=True), torch.tensor(x.transpose(0, 3, 1, 2), requires_grad=True)
        y, z = ours(t), theirs(u)
        g = rng.standard_normal(y.shape)
        y.backward(g)
        z.backward(torch.tensor(g.transpose(0, 3, 1, 2)))
        np.testing.assert_allclose(y.numpy(), z.detach().numpy().transpose(0, 2, 3, 1), atol=1e-12)
        np.testing.assert_allclose(t.grad.numpy(), u.grad.numpy().transpose(0, 2, 3, 1), atol=1e-12)
