"""Winograd's convolution against the sum itself in float64: every direction, edges of tiles, threads, the switch."""
import contextlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from threadbits import assert_same_bits

import cdl
from cdl._core import winograd
from cdl.ops import conv2d

# of max|y|: ten times what the sum itself loses at these lengths; the points' fractions make it no worse
TOLERANCE = {np.float32: 5e-6, np.float64: 2e-14}
NONE, SAME, WIDE = ((0, 0), (0, 0)), ((1, 1), (1, 1)), ((2, 2), (2, 2))

# (N, H, W, C, K, padding): one pixel; few and odd channels; whole tiles; one row over; more channels than a slice; blocks
# of tiles over several images; a filter that is transformed as a whole; pixels of g that dx skips
CASES = [(1, 1, 1, 1, 1, SAME), (2, 5, 7, 3, 17, SAME), (1, 16, 16, 64, 64, SAME), (2, 9, 4, 17, 3, NONE),
         (1, 8, 9, 130, 70, WIDE), (3, 7, 7, 33, 100, ((0, 1), (2, 0))), (2, 28, 28, 100, 96, SAME),
         (9, 7, 7, 200, 64, SAME), (1, 60, 64, 32, 16, SAME), (2, 6, 5, 8, 8, ((3, 0), (1, 4)))]


def padded(x, padding):
    """x in float64 with rows and columns of zeros around it."""
    return np.pad(x.astype(np.float64), ((0, 0), *padding, (0, 0)))


def reference(x, w, g, padding):
    """y, dx and dw, as sums over the nine taps."""
    big, w, g = padded(x, padding), w.astype(np.float64), g.astype(np.float64)
    rows, columns = g.shape[1:3]
    y, dw, full = np.zeros(g.shape), np.zeros(w.shape), np.zeros(big.shape)
    for r in range(3):
        for s in range(3):
            seen = big[:, r:r + rows, s:s + columns]
            y += seen @ w[r, s]
            dw[r, s] = np.tensordot(seen, g, ([0, 1, 2], [0, 1, 2]))
            full[:, r:r + rows, s:s + columns] += g @ w[r, s].T
    (top, bottom), (left, right) = padding
    return y, full[:, top:full.shape[1] - bottom, left:full.shape[2] - right], dw


def problem(case, dtype, seed=0):
    n, height, width, c, k, padding = case
    rng = np.random.default_rng(seed)
    shapes = ((n, height, width, c), (3, 3, c, k), (n, height + sum(padding[0]) - 2, width + sum(padding[1]) - 2, k))
    return [rng.standard_normal(shape).astype(dtype) for shape in shapes]


def through_the_op(x, w, g, padding):
    """y, dx and dw, by the way that the op takes."""
    tx, tw = (cdl.Tensor(a, requires_grad=True) for a in (x, w))
    y = conv2d(tx, tw, padding=padding)
    y.backward(g)
    return [y.numpy(), tx.grad.numpy(), tw.grad.numpy()]


@contextlib.contextmanager
def everywhere():
    """Winograd's way also for shapes that are faster by another."""
    winograd._force_winograd(True)
    try:
        yield
    finally:
        winograd._force_winograd(False)


def results(x, w, g, padding):
    """y, dx and dw by Winograd's way."""
    with everywhere():
        return through_the_op(x, w, g, padding)


def assert_close(got, wanted):
    for name, a, b in zip(("y", "dx", "dw"), got, wanted, strict=True):
        assert a.shape == b.shape, name
        error = np.abs(a - b).max(initial=0) / np.abs(b).max(initial=1e-300)
        assert error <= TOLERANCE[a.dtype.type], f"{name}: {error:.1e} of the largest"


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_direction_is_the_sum(case, dtype):
    x, w, g = problem(case, dtype)
    got = results(x, w, g, case[-1])
    assert {a.dtype for a in got} == {np.dtype(dtype)}
    assert_close(got, reference(x, w, g, case[-1]))


@settings(max_examples=60, derandomize=True, deadline=None)
@given(st.tuples(st.integers(1, 3), st.integers(1, 13), st.integers(1, 13), st.integers(1, 40), st.integers(1, 40),
                 st.tuples(*2 * [st.tuples(*2 * [st.integers(0, 2)])])))
def test_small_images_of_any_shape(case):
    if min(case[1] + sum(case[5][0]), case[2] + sum(case[5][1])) < 3:
        return
    x, w, g = problem(case, np.float32)
    assert_close(results(x, w, g, case[-1]), reference(x, w, g, case[-1]))


@pytest.mark.parametrize("case", [CASES[1], CASES[7], CASES[8]], ids=str)
def test_bias_shortcut_and_activation_are_applied(case, rng):
    x, w, g = problem(case, np.float64)
    b, added = rng.standard_normal(case[4]), rng.standard_normal(g.shape)
    z = reference(x, w, g, case[-1])[0] + b + added
    softplus = (lambda z: np.logaddexp(0, z), lambda z: 1 / (1 + np.exp(-z)))      # whose derivative reads z, which is kept
    for act, f, slope in (("relu", lambda z: np.maximum(z, 0), lambda z: z > 0), ("tanh", np.tanh, lambda z: 1 - np.tanh(z)**2),
                          ("softplus", *softplus), (None, lambda z: z, np.ones_like)):
        t = cdl.Tensor(added, requires_grad=True)
        with everywhere():
            y = conv2d(x, w, b, padding=case[-1], act=act, added=t)
        y.backward(g)
        np.testing.assert_allclose(y.numpy(), f(z), rtol=0, atol=1e-12)
        np.testing.assert_allclose(t.grad.numpy(), g * slope(z), rtol=0, atol=1e-11)


def test_no_images():
    x, w, g = problem((0, 5, 6, 4, 3, SAME), np.float32)
    y, dx, dw = results(x, w, g, SAME)
    assert y.shape == (0, 5, 6, 3)
    assert dx.shape == (0, 5, 6, 4)
    np.testing.assert_array_equal(dw, np.zeros((3, 3, 4, 3)))


@pytest.mark.parametrize("case", [CASES[2], CASES[6], CASES[7], CASES[8], (1, 7, 7, 256, 200, SAME)], ids=str)
def test_same_bits_for_any_number_of_threads(case):
    x, w, g = problem(case, np.float32)
    assert_same_bits(lambda: results(x, w, g, case[-1]))


def test_arguments_are_left_alone():
    x, w, g = problem(CASES[4], np.float32)
    before = [a.copy() for a in (x, w, g)]
    results(x, w, g, WIDE)
    for a, b in zip((x, w, g), before, strict=True):
        np.testing.assert_array_equal(a, b)


def test_what_is_not_finite_is_not_hidden():
    """As far as the sum carries it at least: the tiles around it are lost too."""
    x, w, _ = problem((1, 14, 14, 8, 8, SAME), np.float32)
    for value in (np.nan, np.inf):
        x[0, 6, 6, 3] = value
        with everywhere():
            y = conv2d(x, w, padding=1)
        assert not np.isfinite(y[0, 5:8, 5:8]).any()
        assert np.isfinite(y[0, :4]).all()


# --- the switch, through the op -----------------------------------------------------------------------------------------
SERVED = (2, 28, 28, 64, 64, SAME)


@pytest.fixture
def switch():
    yield cdl.set_winograd
    cdl.set_winograd(True)


def test_the_op_takes_it_and_can_be_kept_from_it(switch):
    x, w, g = problem(SERVED, np.float32)
    on = through_the_op(x, w, g, SAME)
    assert [a.tobytes() for a in on] == [a.tobytes() for a in results(x, w, g, SAME)]
    switch(False)
    off = through_the_op(x, w, g, SAME)
    assert all(a.tobytes() != b.tobytes() for a, b in zip(on, off, strict=True))
    assert_close(off, reference(x, w, g, SAME))
    assert_close(on, off)


@pytest.mark.parametrize("options", [{"stride": 2}, {"dilation": 2}, {"groups": 2}])
def test_the_op_leaves_other_convolutions_alone(options, switch):
    x, w, _ = problem(SERVED, np.float32)
    w = w[:, :, :64 // options.get("groups", 1)]
    on = conv2d(x, w, **options)
    switch(False)
    np.testing.assert_array_equal(conv2d(x, w, **options), on)


def test_gradients_of_the_op(rng):
    x, w, g = problem((1, 12, 12, 64, 64, SAME), np.float64)
    tx, tw = (cdl.Tensor(a, requires_grad=True) for a in (x, w))
    conv2d(tx, tw, padding=1, act="tanh").backward(g)
    for t, a in ((tx, x), (tw, w)):
        step = 1e-5 * rng.standard_normal(a.shape)
        ends = []
        for sign in (1, -1):
            args = [b + sign * step if b is a else b for b in (x, w)]
            ends.append((conv2d(*args, padding=1, act="tanh") * g).sum())
        np.testing.assert_allclose((t.grad * step).sum(), (ends[0] - ends[1]) / 2, rtol=1e-6)


@pytest.mark.parametrize("value", [None, 1, "off", np.True_])
def test_the_switch_takes_a_bool(value, switch):
    with pytest.raises(TypeError, match="set_winograd: expected True or False, got"):
        switch(value)
    assert winograd.get_winograd() is True


def test_torch_agrees():
    torch = pytest.importorskip("torch")
    x, w, g = problem(SERVED, np.float32)
    tx = torch.tensor(x.transpose(0, 3, 1, 2).copy(), requires_grad=True)
    tw = torch.tensor(w.transpose(3, 2, 0, 1).copy(), requires_grad=True)
    y = torch.nn.functional.conv2d(tx, tw, padding=1)
    y.backward(torch.tensor(g.transpose(0, 3, 1, 2).copy()))
    wanted = [y.detach().numpy().transpose(0, 2, 3, 1), tx.grad.numpy().transpose(0, 2, 3, 1),
              tw.grad.numpy().transpose(2, 3, 1, 0)]
    assert_close(through_the_op(x, w, g, SAME), wanted)
