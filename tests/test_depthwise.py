"""Depthwise convolution: any window, any edge, more than one filter a channel; exact, and the same for every thread."""
import numpy as np
import pytest
from convcase import agree, integers, same_bits

import cdl
from cdl.ops import conv2d


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("x", "window", "options"), [
    ((2, 12, 13, 32), (3, 3), {"padding": ((1, 1), (1, 1))}),
    ((1, 9, 11, 19), (3, 3), {}),
    ((2, 10, 9, 16), (3, 3), {"stride": (2, 2), "padding": ((0, 1), (1, 0))}),
    ((1, 11, 12, 5), (5, 5), {"padding": ((2, 2), (2, 2))}),
    ((1, 9, 8, 33), (7, 6), {"padding": ((3, 3), (5, 0)), "stride": (1, 2)}),
    ((1, 14, 13, 18), (3, 3), {"dilation": (2, 3), "padding": ((2, 2), (3, 3))}),
    ((1, 13, 14, 7), (3, 2), {"dilation": (2, 4), "stride": (4, 2), "padding": ((1, 3), (0, 4))}),  # common divisors
    ((1, 8, 8, 4), (2, 2), {"stride": (3, 3)}),                        # pixels that no window sees
    ((1, 3, 3, 6), (3, 3), {"padding": ((4, 5), (4, 5))}),              # windows beside the image
    ((2, 1, 1, 3), (1, 1), {}), ((2, 4, 5, 3), (1, 1), {"stride": (2, 2)}),
    ((3, 5, 4, 3), (4, 1), {"padding": ((3, 3), (0, 0))}), ((0, 5, 5, 8), (3, 3), {}),
    ((1, 70, 71, 3), (3, 3), {"padding": ((1, 1), (1, 1))}),            # several chunks of the weight gradient
    ((1, 5, 5, 300), (3, 3), {"padding": ((1, 1), (1, 1))}),            # several strips of it
])
def test_every_shape(x, window, options, dtype):
    agree(x, (*window, 1, x[3]), dtype, groups=x[3], **options)


@pytest.mark.parametrize("multiplier", [2, 3])
@pytest.mark.parametrize("stride", [(1, 1), (2, 3)])
def test_more_than_one_filter_for_a_channel(multiplier, stride):
    agree((2, 8, 9, 10), (3, 3, 1, 10 * multiplier), stride=stride, padding=((1, 1), (1, 1)), groups=10)


def test_a_filter_is_a_sum_over_its_own_channel():
    x, w = integers((2, 9, 9, 12)), integers((3, 3, 1, 12))
    y = conv2d(x, w, padding=1, groups=12)
    for c in range(12):
        np.testing.assert_array_equal(y[..., c], conv2d(x[..., c:c + 1], w[..., c:c + 1], padding=1)[..., 0])


def test_bits_do_not_depend_on_threads():
    same_bits((3, 56, 56, 48), (3, 3, 1, 48), padding=1, groups=48)
    same_bits((2, 57, 56, 40), (5, 5, 1, 80), padding=2, stride=2, groups=40)


def test_a_large_gradient_of_a_stride_is_stored_past_the_caches():
    """Phases of 16 MB and more: the same values."""
    x, w = cdl.Tensor(integers((6, 112, 112, 64)), requires_grad=True), integers((2, 2, 1, 64))
    y = conv2d(x, w, stride=2, groups=64)
    g = integers(y.shape, seed=4)
    y.backward(g)
    dx = np.einsum("npqc,rsc->nprqsc", g, w[:, :, 0]).reshape(x.shape)
    np.testing.assert_array_equal(x.grad, dx)


def test_nan_stays_in_its_channel():
    x = np.zeros((1, 6, 6, 20), np.float32)
    x[0, 2, 2, 17] = np.nan
    y = conv2d(x, np.ones((3, 3, 1, 20), np.float32), padding=1, groups=20)
    assert np.isnan(y[0, 1:4, 1:4, 17]).all()
    assert np.isnan(y).sum() == 9


@pytest.mark.parametrize("options", [{}, {"stride": 2}, {"dilation": 2}])
def test_agrees_with_torch(options):
    torch = pytest.importorskip("torch")
    draw = np.random.default_rng(0)
    x, w = draw.standard_normal((2, 9, 10, 6)), draw.standard_normal((3, 3, 1, 12))
    ours = [cdl.Tensor(a, requires_grad=True) for a in (x, w)]
    theirs = [torch.tensor(a.transpose(p), requires_grad=True) for a, p in ((x, (0, 3, 1, 2)), (w, (3, 2, 0, 1)))]
    y, z = conv2d(*ours, padding=1, groups=6, **options), torch.nn.functional.conv2d(*theirs, padding=1, groups=6, **options)
    np.testing.assert_allclose(y, z.detach().numpy().transpose(0, 2, 3, 1), atol=1e-12)
    g = draw.standard_normal(y.shape)
    y.backward(g)
    z.backward(torch.tensor(g.transpose(0, 3, 1, 2)))
    np.testing.assert_allclose(ours[0].grad, theirs[0].grad.numpy().transpose(0, 2, 3, 1), atol=1e-12)
    np.testing.assert_allclose(ours[1].grad, theirs[1].grad.numpy().transpose(2, 3, 1, 0), atol=1e-12)
