"""Convolution of few channels or with few filters: LeNet's layers, first layers, every number of filters and edge."""
import numpy as np
import pytest
from convcase import agree, same_bits

from cdl.ops import conv2d


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("x", "w", "options"), [
    ((2, 28, 28, 1), (5, 5, 1, 6), {"padding": ((2, 2), (2, 2))}),
    ((2, 28, 28, 1), (5, 5, 1, 6), {}),
    ((2, 14, 14, 6), (5, 5, 6, 16), {}),
    ((1, 30, 31, 3), (7, 7, 3, 64), {"stride": (2, 2), "padding": ((3, 3), (3, 3))}),
    ((1, 20, 40, 3), (3, 3, 3, 64), {"padding": ((1, 1), (1, 1))}),
    ((2, 9, 20, 1), (3, 3, 1, 32), {}),
    ((2, 9, 20, 2), (3, 2, 2, 100), {"dilation": (2, 3), "padding": ((1, 4), (3, 0))}),
    ((2, 9, 20, 4), (1, 7, 4, 17), {"stride": (3, 2)}),
    ((1, 12, 40, 24), (3, 3, 24, 5), {"padding": ((1, 1), (1, 1))}),            # few filters of many channels …
    ((1, 12, 40, 24), (3, 2, 24, 11), {"dilation": (2, 3), "padding": ((0, 1), (2, 1))}),    # … in two parts
    ((1, 12, 40, 24), (3, 3, 24, 3), {"stride": (2, 1)}),
    ((1, 6, 5, 9), (3, 3, 9, 2), {"padding": ((2, 2), (2, 2))}),                # rows shorter than a vector
    ((1, 3, 3, 1), (3, 3, 1, 4), {"padding": ((5, 5), (5, 5))}),                # windows beside the image; dx is cropped
    ((1, 5, 5, 8), (2, 2, 8, 40), {}),                                          # few pixels
    ((0, 9, 9, 1), (3, 3, 1, 6), {}), ((3, 1, 1, 2), (1, 1, 2, 5), {"padding": ((1, 0), (0, 1))}),
    ((1, 60, 224, 3), (3, 3, 3, 64), {"padding": ((1, 1), (1, 1))}),            # several blocks of rows
])
def test_every_shape(x, w, options, dtype):
    agree(x, w, dtype, **options)


@pytest.mark.parametrize("filters", range(1, 15))
def test_every_number_of_filters(filters):
    agree((1, 9, 37, 2), (3, 3, 2, filters), padding=((1, 1), (1, 1)))


@pytest.mark.parametrize("width", [3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 48, 50])
def test_every_width(width):
    agree((2, 5, width, 1), (3, 3, 1, 6), padding=((1, 1), (1, 1)))


def test_bits_do_not_depend_on_threads():
    same_bits((64, 28, 28, 1), (5, 5, 1, 6), padding=2)
    same_bits((64, 14, 14, 6), (5, 5, 6, 16))
    same_bits((2, 112, 112, 3), (7, 7, 3, 64), padding=3, stride=2)


def test_nan_stays_where_its_windows_are():
    x = np.zeros((1, 12, 30, 1), np.float32)
    x[0, 0, 0, 0] = np.nan
    y = conv2d(x, np.ones((3, 3, 1, 6), np.float32), padding=1)
    assert np.isnan(y[0, :2, :2]).all()
    assert np.isnan(y).sum() == 24


@pytest.mark.parametrize(("x", "w", "padding"), [
    ((3, 14, 14, 6), (5, 5, 6, 16), ((0, 0), (0, 0))), ((2, 10, 11, 8), (3, 2, 8, 20), ((1, 1), (1, 0))),
    ((2, 10, 11, 8), (3, 2, 8, 5), ((2, 2), (0, 0))), ((0, 14, 14, 6), (5, 5, 6, 16), ((0, 0), (0, 0))),
])
def test_gradients_of_small_images_are_added_up_window_by_window(x, w, padding):
    agree(x, w, padding=padding)
    agree(x, w, np.float64, padding=padding, dilation=(2, 1))
