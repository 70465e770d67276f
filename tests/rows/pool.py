"""Rows of pooling. The references go from window to window, each cut off at the edges of the image."""
import numpy as np
from optable import Row

import cdl
from cdl import ops


def pads(padding, length, size, stride):
    """(before, after) along an axis."""
    if padding == "same":
        total = max((-(-length // stride) - 1) * stride + size - length, 0)
        return total // 2, total - total // 2
    return (0, 0) if padding == "valid" else (padding, padding) if isinstance(padding, int) else padding


def windows(x, size, stride, padding):
    """The pixels in the image of each window, as y[p][q] (N, rows, columns, channels)."""
    spans = []
    for axis in (1, 2):
        n, k, s = x.shape[axis], size[axis - 1], stride[axis - 1]
        before, after = pads(padding[axis - 1], n, k, s)
        starts = range(-before, n + after - k + 1, s)
        spans.append([slice(max(start, 0), min(start + k, n)) for start in starts])
    return [[x[:, rows, columns] for columns in spans[1]] for rows in spans[0]]


def pooled(reduce, size=(2, 2), stride=None, padding=("valid", "valid")):
    def ref(x):
        grid = windows(x, size, stride or size, padding)
        return np.stack([np.stack([reduce(part) for part in row], axis=1) for row in grid], axis=1)
    return ref


def largest(part):
    return part.max(axis=(1, 2), initial=-np.inf)


def mean(part):
    return part.mean(axis=(1, 2))


def padded_mean(x):
    """Windows of 3 x 3, two apart, with a border of zeros that count."""
    wide = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    return pooled(lambda part: part.sum(axis=(1, 2)) / 9, (3, 3), (2, 2))(wide)


PAIRS = ((1, 0), (0, 2))
RAISES = (
    (((4, 4, 3),), ValueError, r"x must be \(N, H, W, channels\), got shape \(4, 4, 3\)"),
    ((None,), TypeError, "expected an array"),
)
SHAPES = (((2, 5, 6, 3),), ((3, 4, 4, 1),), ((1, 7, 5, 20),), ((2, 6, 4, 64),), ((1, 4, 6, 83),))
EMPTY = (((0, 5, 6, 3),), ((2, 5, 6, 0),))
ROWS = [
    Row("max_pool2d", ops.max_pool2d, pooled(largest), SHAPES + EMPTY, ((8, 56, 57, 24),), raises=RAISES),
    Row("max_pool2d overlapping", lambda x: ops.max_pool2d(x, 3, 2, 1), pooled(largest, (3, 3), (2, 2), (1, 1)),
        SHAPES + EMPTY, ((8, 56, 57, 24),)),
    Row("max_pool2d same", lambda x: ops.max_pool2d(x, (3, 2), 1, "same"), pooled(largest, (3, 2), (1, 1), ("same", "same")),
        SHAPES),
    Row("max_pool2d pairs", lambda x: ops.max_pool2d(x, (2, 3), (3, 2), PAIRS), pooled(largest, (2, 3), (3, 2), PAIRS), SHAPES),
    Row("max_pool2d with gaps", lambda x: ops.max_pool2d(x, (1, 2), (2, 3)), pooled(largest, (1, 2), (2, 3)), SHAPES),
    Row("max_pool2d of many pixels", lambda x: ops.max_pool2d(x, (17, 16), (2, 3)), pooled(largest, (17, 16), (2, 3)),
        (((2, 19, 20, 3),), ((1, 18, 19, 70),))),
    Row("avg_pool2d", ops.avg_pool2d, pooled(mean), SHAPES + EMPTY, ((8, 56, 57, 24),), raises=RAISES),
    Row("avg_pool2d overlapping", lambda x: ops.avg_pool2d(x, 3, 2, 1), pooled(mean, (3, 3), (2, 2), (1, 1)),
        SHAPES + EMPTY, ((8, 56, 57, 24),)),
    Row("avg_pool2d same", lambda x: ops.avg_pool2d(x, (3, 2), 2, "same"), pooled(mean, (3, 2), (2, 2), ("same", "same")),
        SHAPES),
    Row("avg_pool2d with the padding", lambda x: ops.avg_pool2d(x, 3, 2, 1, count_include_pad=True), padded_mean, SHAPES),
    Row("avg_pool2d pairs", lambda x: ops.avg_pool2d(x, (2, 3), (3, 2), PAIRS), pooled(mean, (2, 3), (3, 2), PAIRS), SHAPES),
    Row("avg_pool2d padded and apart", lambda x: ops.avg_pool2d(x, 3, 3, 1), pooled(mean, (3, 3), (3, 3), (1, 1)), SHAPES),
    Row("global_max_pool2d", ops.global_max_pool2d, lambda x: x.max(axis=(1, 2), initial=-np.inf),
        SHAPES + EMPTY + (((2, 17, 18, 5),),), ((8, 14, 14, 100),),
        raises=(*RAISES, (((2, 0, 4, 3),), ValueError, r"the images have no pixels, x is of shape \(2, 0, 4, 3\)"))),
    Row("global_avg_pool2d", ops.global_avg_pool2d, lambda x: x.mean(axis=(1, 2)), SHAPES + EMPTY, ((8, 14, 14, 100),),
        raises=(*RAISES, (((2, 3, 0, 3),), ValueError, "global_avg_pool2d: the images have no pixels"))),
    Row("Flatten", lambda x: cdl.Flatten()(x), lambda x: x.reshape(len(x), -1), (((2, 3, 4, 5),), ((3, 4),), ((4,),))),
]
