"""Convolution beside its rows: what it refuses, awkward shapes, the layers' messages."""
import numpy as np
import pytest
from threadbits import assert_same_bits

import cdl
from cdl._core.conv import packed
from cdl.ops import conv2d, conv_transpose2d

X, W = np.zeros((1, 5, 6, 4), np.float32), np.zeros((3, 3, 4, 2), np.float32)


@pytest.mark.parametrize(("options", "error", "words"), [
    ({"stride": 0}, ValueError, "stride must be an integer of 1 or more, got 0"),
    ({"stride": -1}, ValueError, "stride must be an integer of 1 or more, got -1"),
    ({"stride": 1.0}, TypeError, "stride must be an integer, got 1.0"),
    ({"stride": True}, TypeError, "stride"),
    ({"stride": (1, 2, 3)}, ValueError, "a pair"),
    ({"stride": 2 ** 80}, ValueError, "stride"),
    ({"dilation": 0}, ValueError, "dilation"),
    ({"dilation": 2 ** 40}, ValueError, "dilation"),
    ({"dilation": 3}, ValueError, r"the kernel \(7 with dilation\) is larger than the padded input \(5 \+ 0 along H\)"),
    ({"padding": "full"}, ValueError, "'same', 'valid'"),
    ({"padding": -1}, ValueError, "padding must be an integer of 0 or more"),
    ({"padding": None}, TypeError, "padding"),
    ({"padding": (1, 2, 3)}, ValueError, "padding"),
    ({"padding": ((1, 2), (3,))}, ValueError, "padding"),
    ({"padding": 2 ** 62}, ValueError, "padding"),
    ({"groups": 3}, ValueError, "3 groups do not divide 4 channels and 2 filters"),
    ({"groups": 2}, ValueError, r"expected 8 channels .*2 groups.*got 4 in x of shape \(1, 5, 6, 4\)"),
    ({"groups": 0}, ValueError, "groups"),
    ({"act": "swishy"}, ValueError, "act must be None or one of"),
])
def test_bad_options_are_told(options, error, words):
    with pytest.raises(error, match=words):
        conv2d(X, W, **options)


def test_an_output_too_large_for_memory_is_refused_before_it_is_made():
    with pytest.raises((MemoryError, ValueError)):
        conv2d(X, W, padding=2 ** 39)


@pytest.mark.parametrize(("options", "words"), [
    ({"padding": 9}, "nothing is left"), ({"output_padding": 2}, "output_padding must be smaller"),
    ({"stride": 2 ** 39}, "large|nothing|memory"), ({"groups": 3}, "3 groups do not divide"),
])
def test_bad_options_of_the_transposed_are_told(options, words):
    with pytest.raises((ValueError, MemoryError), match=words):
        conv_transpose2d(np.zeros((1, 5, 6, 2), np.float32), W, **options)


@pytest.mark.parametrize(("length", "kernel", "padding", "stride", "size"), [
    (224, 7, 3, 2, 112), (28, 5, 2, 1, 28), (32, 5, 0, 1, 28), (5, 3, 0, 2, 2), (6, 3, 0, 2, 2), (1, 1, 0, 1, 1)])
def test_the_notes_output_size(length, kernel, padding, stride, size):
    assert cdl.conv_output_size(length, kernel, padding, stride) == size
    x, w = np.zeros((1, length, length, 1), np.float32), np.zeros((kernel, kernel, 1, 1), np.float32)
    assert conv2d(x, w, stride=stride, padding=padding).shape == (1, size, size, 1)


def test_output_size_refuses():
    with pytest.raises(ValueError, match="larger than the padded input"):
        cdl.conv_output_size(4, 7, 1)
    with pytest.raises(ValueError, match="S must be an integer of 1 or more"):
        cdl.conv_output_size(4, 3, 0, 0)
    with pytest.raises(TypeError, match="W must be an integer"):
        cdl.conv_output_size(4.5, 3)


@pytest.mark.parametrize("make", [
    lambda: cdl.Conv2D(0), lambda: cdl.Conv2D(4, 0), lambda: cdl.Conv2D(4, 3, stride=0), lambda: cdl.Conv2D(4, (3, 3, 3)),
    lambda: cdl.Conv2D(4, padding="full"), lambda: cdl.Conv2D(4, groups=3), lambda: cdl.Conv2D(4, activation="swishy"),
    lambda: cdl.Conv2D(4, groups=2, in_channels=3), lambda: cdl.Conv1D(4, padding=-1), lambda: cdl.Conv2D(4, dilation=-1),
    lambda: cdl.ConvTranspose2D(4, stride=2, output_padding=2)])
def test_layers_refuse_when_they_are_made(make):
    with pytest.raises(ValueError, match=r"^Conv\w+: "):
        make()


def test_layers_say_what_they_were_built_for():
    layer = cdl.Conv2D(2)
    layer(np.zeros((8, 32, 32, 3)))
    with pytest.raises(ValueError, match=r"Conv2D: expected 3 input channels \(the layer was built on \(N, H, W, 3\)\), "
                                         r"got 4 in x of shape \(8, 32, 32, 4\)"):
        layer(np.zeros((8, 32, 32, 4)))
    with pytest.raises(ValueError, match=r"Conv2D: the kernel \(3 with dilation\) is larger"):
        layer(np.zeros((8, 2, 32, 3)))
    with pytest.raises(ValueError, match="Conv2D: expected \\(N, H, W, channels\\), got shape"):
        cdl.Conv2D(2)(np.zeros((32, 32)))
    with pytest.raises(ValueError, match="Conv1D: expected 3 input channels"):
        cdl.Conv1D(2, in_channels=3)(np.zeros((2, 9, 4)))
    with pytest.raises(ValueError, match="ConvTranspose2D: expected 3 input channels"):
        cdl.ConvTranspose2D(2, in_channels=3)(np.zeros((2, 9, 9, 4)))


def test_a_batch_of_no_images():
    layer = cdl.Conv2D(2, activation="relu", in_channels=3)
    y = layer(cdl.Tensor(np.zeros((0, 8, 8, 3)), requires_grad=True))
    assert y.shape == (0, 6, 6, 2)
    y.sum().backward()
    assert not layer.weight.grad.numpy().any()
    assert not layer.bias.grad.numpy().any()


def test_nan_stays_where_its_windows_are():
    x = np.zeros((1, 6, 6, 3), np.float32)
    x[0, 0, 0, 0] = np.nan
    y = conv2d(x, np.ones((3, 3, 3, 2), np.float32), padding=1)
    assert np.isnan(y[0, :2, :2]).all()


def test_the_shortcut_may_be_the_input():
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((2, 5, 5, 3)), rng.standard_normal((3, 3, 3, 3))
    assert cdl.gradcheck(lambda x, w: conv2d(x, w, padding="same", act="tanh", added=x), (x, w))


@pytest.mark.parametrize(("shape", "kernel", "options", "size"), [
    ((1, 1, 1, 3), (3, 3, 3, 32), {"stride": 2 ** 32 - 3, "padding": 2 ** 31}, 2),
    ((1, 1, 1, 16), (3, 3, 16, 64), {"stride": 2 ** 32 - 1, "padding": 3 * 2 ** 31}, 4),
    ((1, 1, 1, 16), (3, 3, 16, 64), {"stride": 1023, "padding": 1536}, 4),
    ((1, 2, 2, 3), (2, 2, 3, 32), {"dilation": 2 ** 31, "padding": ((2 ** 31, 0), (2 ** 31, 0))}, 2)])
def test_strides_far_beyond_the_image_ask_for_no_memory(shape, kernel, options, size):
    """What is skipped between the windows was once copied, and its size overflowed."""
    x = cdl.Tensor(np.ones(shape, np.float32), requires_grad=True)
    w = cdl.Tensor(np.ones(kernel, np.float32), requires_grad=True)
    before = cdl.memory_stats()["high_water"]
    y = conv2d(x, w, **options)
    assert y.shape == (1, size, size, kernel[-1])
    y.sum().backward()
    assert np.isfinite(w.grad.numpy()).all()
    assert cdl.memory_stats()["high_water"] < before + (1 << 24)


@pytest.mark.parametrize("shape", [(1, 5, 0, 16), (1, 0, 5, 16), (0, 5, 5, 16)])
@pytest.mark.parametrize("options", [{}, {"groups": 2}, {"dilation": 2}, {"stride": 2, "padding": "same", "output_padding": 1}])
def test_the_transposed_of_no_pixels_has_gradients_of_zero(shape, options):
    x = cdl.Tensor(np.zeros(shape, np.float32), requires_grad=True)
    w = cdl.Tensor(np.ones((3, 3, 16 // options.get("groups", 1), 16), np.float32), requires_grad=True)
    y = conv_transpose2d(x, w, **options)
    assert y.size == 0
    y.sum().backward()
    assert not w.grad.numpy().any()


def test_the_transposed_is_not_too_large():
    with pytest.raises(ValueError, match="too large"):
        conv_transpose2d(np.zeros((0, 2 ** 24, 1, 1), np.float32), np.zeros((3, 3, 1, 1), np.float32), 2 ** 40, "same")


@pytest.mark.parametrize("make", [lambda x, w: conv2d(x, w), lambda x, w: conv_transpose2d(x, w)])
def test_weights_unfrozen_after_the_forward_have_no_gradient_of_it(make):
    """Their x was not held, and may have changed."""
    x = cdl.Tensor(np.ones((1, 5, 5, 4), np.float32), requires_grad=True)
    w = cdl.Tensor(np.ones((3, 3, 4, 4), np.float32))
    y = make(x, w)
    w.requires_grad = True
    y.sum().backward()
    assert w.grad is None
    assert x.grad is not None


@pytest.mark.parametrize("options", [{"stride": np.array([1, 2])}, {"padding": np.array([1, 2])}, {"groups": np.array([1, 2])}])
def test_arrays_are_no_options(options):
    with pytest.raises(TypeError, match="must be an integer, got array"):
        conv2d(X, W, **options)


def test_numpy_integers_are_options():
    assert conv2d(X, W, stride=np.int64(2), padding=np.int32(1)).shape == (1, 3, 3, 2)


def test_layers_know_their_output_without_computing():
    assert cdl.Conv2D(4, 2 ** 14).output_shape((None, None, 2 ** 15, 3)) == (None, None, 2 ** 14 + 1, 4)
    assert cdl.Conv2D(1, 3, dilation=2 ** 21).output_shape((1, 2 ** 23, 2 ** 23, 3)) == (1, 2 ** 22, 2 ** 22, 1)
    assert cdl.Conv1D(4, 3, 2).output_shape((None, 9, 5)) == (None, 4, 4)
    assert cdl.ConvTranspose2D(4, 3, 2 ** 22, padding=1).output_shape((None, None, 3, 5)) == (None, None, 2 ** 23 + 1, 4)
    with pytest.raises(ValueError, match=r"Conv2D: expected \(N, H, W, channels\), got shape \(None, 5\)"):
        cdl.Conv2D(1, 3).output_shape((None, 5))
    with pytest.raises(ValueError, match=r"Conv1D: expected \(N, T, channels\), got shape"):
        cdl.Conv1D(4, 3).output_shape((None, 5, 5, 3))
    with pytest.raises(ValueError, match="Conv2D: expected 3 input channels"):
        cdl.Conv2D(4, 3, in_channels=3).output_shape((None, 5, 5, 7))
    with pytest.raises(ValueError, match="Conv2D: the kernel"):
        cdl.Conv2D(4, 7).output_shape((None, 5, 5, 7))


def test_channels_first_is_told():
    with pytest.raises(ValueError, match=r"channels come last here: x.transpose\(0, 2, 3, 1\)"):
        cdl.Conv2D(4, in_channels=3)(np.zeros((2, 3, 32, 32), np.float32))


def test_conv1d_speaks_of_itself():
    with pytest.raises(ValueError, match=r"conv1d: expected 4 channels \(w is \(2, 4, 6\), groups 1\), got 3"):
        cdl.ops.conv1d(np.zeros((2, 5, 3)), np.zeros((2, 4, 6)))
    with pytest.raises(ValueError, match=r"conv1d: the kernel .* along T"):
        cdl.ops.conv1d(np.zeros((2, 1, 3)), np.zeros((2, 3, 6)))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("image", "kernel", "options"), [
    ((1, 7, 7, 64), (1, 1, 64, 160), {}),                   # 49 rows pass by each panel …
    ((2, 7, 7, 64), (1, 1, 64, 160), {}),                   # … 98 by all in L2, …
    ((1, 7, 7, 2100), (1, 1, 2100, 32), {}),                # … the depth in three parts
    ((1, 14, 14, 64), (1, 1, 64, 160), {}),                 # along the rows of the image
    ((2, 12, 20, 64), (1, 1, 64, 160), {"stride": 2}),
    ((2, 9, 30, 16), (3, 3, 16, 64), {"stride": 2, "padding": 1}),
    ((1, 8, 8, 96), (3, 3, 96, 96), {"padding": "same"}),   # Winograd, 4 tiles at once by 64 columns
    ((3, 30, 9, 32), (3, 3, 32, 96), {"padding": "same"}),
    ((2, 9, 9, 16), (3, 5, 16, 64), {"dilation": (1, 2)}),
    ((0, 9, 9, 16), (3, 3, 16, 64), {}),
])
def test_weights_packed_once(image, kernel, options, dtype):
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal(image).astype(dtype), rng.standard_normal(kernel).astype(dtype)
    b, panels = rng.standard_normal(kernel[3]).astype(dtype), packed(cdl.Tensor(w))
    assert panels.shape == kernel and panels.dtype == w.dtype
    np.testing.assert_array_equal(panels.plain(), w)
    wanted = conv2d(x, w, b, **options)
    added = rng.standard_normal(wanted.shape).astype(dtype)
    wanted = np.maximum(wanted + added, 0)
    got = conv2d(x, panels, b, act="relu", added=added, **options).numpy()
    np.testing.assert_allclose(got, wanted, rtol=0, atol=2e-4 if dtype == "float32" else 1e-12)      # sums of 64 to 2,100
    assert_same_bits(lambda: [conv2d(x, panels, b, act="relu", added=added, **options)])


def test_packed_weights_refuse_what_weights_refuse():
    panels = packed(cdl.Tensor(np.zeros((3, 3, 16, 64), np.float32)))
    with pytest.raises(ValueError, match=r"expected 16 channels \(w is \(3, 3, 16, 64\), 1 group\), got 8 in x"):
        conv2d(np.zeros((1, 9, 9, 8), np.float32), panels)
    with pytest.raises(ValueError, match=r"expected 32 channels .*2 groups"):
        conv2d(np.zeros((1, 9, 9, 16), np.float32), panels, groups=2)


@pytest.mark.parametrize("shape", [(3, 3, 4, 64), (3, 3, 16, 48), (1, 1, 16, 64), (5, 5, 64), (3, 3, 16, 0)])
def test_what_is_not_packed(shape):
    assert packed(cdl.Tensor(np.zeros(shape, np.float32))) is None
