"""Convolution beside its rows: what it refuses, awkward shapes, the layers' messages."""
import numpy as np
import pytest

import cdl
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
