"""Images of another size: conventions, what is refused, torch. Values and gradients: tests/rows/resize.py."""
import numpy as np
import pytest
from threadbits import assert_same_bits

import cdl
from cdl import ops

rng = np.random.default_rng(0)


def test_an_image_of_one_colour_stays_so():
    x = np.full((1, 5, 7, 3), 0.1, np.float32)
    for size in ((3, 4), (9, 20), (1, 1), (5, 7)):
        assert (ops.resize(x, size) == np.float32(0.1)).all()


def test_photographs_of_bytes_become_floats():
    y = ops.resize(rng.integers(0, 256, (8, 9, 3), dtype=np.uint8), (4, 5))
    assert y.dtype == np.float32
    assert y.shape == (4, 5, 3)
    assert y.min() >= 0
    assert y.max() <= 255


def test_nearest_up_is_what_upsampling_repeats():
    x = rng.standard_normal((2, 3, 4, 5))
    np.testing.assert_array_equal(ops.resize(x, (6, 12), interpolation="nearest"), ops.upsample2d(x, (2, 3)))


def test_nan_stays_with_its_neighbours():
    x = np.zeros((1, 8, 8, 1))
    x[0, 3, 3] = np.nan
    y = ops.upsample2d(x, interpolation="bilinear")[0, :, :, 0]
    assert np.isnan(y[5:9, 5:9]).all()
    assert np.isnan(y).sum() == 16


@pytest.mark.parametrize("make, error, words", [
    (lambda: ops.resize(np.ones((4, 4, 3)), 0), ValueError, "resize: size must be an integer of 1 or more, got 0"),
    (lambda: ops.resize(np.ones((4, 4, 3)), (2, 2.5)), TypeError, "resize: size must be an integer, got 2.5"),
    (lambda: ops.resize(np.ones((4, 4, 3)), (2, 2, 3)), ValueError, r"size must be an integer or a pair"),
    (lambda: ops.resize(np.ones((4, 4, 3)), 2, interpolation="cubic"), ValueError,
     "resize: interpolation must be 'nearest' or 'bilinear', got 'cubic'"),
    (lambda: ops.resize(np.ones((4, 4)), 2), ValueError, r"images must be \(N, H, W, channels\), or \(H, W, channels\)"),
    (lambda: ops.resize(np.ones((4, 4)), 2, interpolation="nearest"), ValueError, r"images must be \(N, H, W, channels\)"),
    (lambda: ops.upsample2d(np.ones((1, 4, 4, 3)), 1 << 40), ValueError, "size 1099511627776 makes too large an output"),
    (lambda: ops.zero_pad2d(np.ones((1, 4, 4, 3)), -1), ValueError, "padding must be an integer of 0 or more, got -1"),
    (lambda: ops.zero_pad2d(np.ones((1, 4, 4, 3)), "same"), ValueError, r"padding must be an integer, \(rows, columns\) or"),
    (lambda: cdl.UpSampling2D(0), ValueError, "UpSampling2D: size must be an integer of 1 or more, got 0"),
    (lambda: cdl.UpSampling2D(2, "cubic"), ValueError, "UpSampling2D: interpolation must be 'nearest' or 'bilinear'"),
    (lambda: cdl.ZeroPadding2D((1, 2, 3)), ValueError, "ZeroPadding2D: padding must be"),
    (lambda: cdl.ZeroPadding2D(1.5), TypeError, "ZeroPadding2D: padding must be an integer, got 1.5"),
    (lambda: cdl.UpSampling2D().output_shape((2, 3)), ValueError, r"must be \(N, H, W, channels\), got shape \(2, 3\)"),
])
def test_what_is_refused(make, error, words):
    with pytest.raises(error, match=words):
        make()


def test_open_lengths_stay_open():
    assert cdl.UpSampling2D((2, 3)).output_shape((None, None, 4, 5)) == (None, None, 12, 5)
    assert cdl.ZeroPadding2D(((1, 2), (3, 4))).output_shape((None, 6, None, 5)) == (None, 9, None, 5)


def test_bits_do_not_depend_on_threads():
    def run():
        found = []
        for op in (ops.upsample2d, lambda t: ops.upsample2d(t, interpolation="bilinear"), lambda t: ops.resize(t, (31, 200))):
            draw = np.random.default_rng(1)
            t = cdl.Tensor(draw.standard_normal((3, 70, 90, 24)).astype(np.float32), requires_grad=True)
            y = op(t)
            y.backward(draw.standard_normal(y.shape).astype(np.float32))
            found += [y.numpy(), t.grad.numpy()]
        return found

    assert_same_bits(run)


@pytest.mark.parametrize("size", [(10, 14), (13, 20), (3, 4), (5, 7), (1, 1)])
def test_agrees_with_torch(size):
    torch = pytest.importorskip("torch")
    x = rng.standard_normal((2, 5, 7, 3))
    for name, options in (("bilinear", {"mode": "bilinear", "align_corners": False}), ("nearest", {"mode": "nearest-exact"})):
        t, u = cdl.Tensor(x, requires_grad=True), torch.tensor(x.transpose(0, 3, 1, 2), requires_grad=True)
        y, z = ops.resize(t, size, interpolation=name), torch.nn.functional.interpolate(u, size, **options)
        g = rng.standard_normal(y.shape)
        y.backward(g)
        z.backward(torch.tensor(g.transpose(0, 3, 1, 2)))
        np.testing.assert_allclose(y.numpy(), z.detach().numpy().transpose(0, 2, 3, 1), atol=1e-12)
        np.testing.assert_allclose(t.grad.numpy(), u.grad.numpy().transpose(0, 2, 3, 1), atol=1e-12)
