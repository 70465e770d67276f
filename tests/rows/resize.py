"""Rows of resizing. Bilinear interpolation is a product with a matrix for each axis, of which every row sums to one."""
import numpy as np
from optable import Row

from cdl import ops


def matrix(size, length):
    """(length, size): which pixels each output pixel lies between, and how near to each."""
    m = np.zeros((length, size))
    for i in range(length):
        at = min(max((i + 0.5) * size / length - 0.5, 0), size - 1)
        low = int(at)
        m[i, low] += 1 - (at - low)
        m[i, min(low + 1, size - 1)] += at - low
    return m


def bilinear(x, high, wide):
    return np.einsum("ph,qw,...hwc->...pqc", matrix(x.shape[-3], high), matrix(x.shape[-2], wide), x)


def nearest(x, high, wide):
    rows, columns = (np.floor((np.arange(n) + 0.5) * length / n).astype(int)
                     for n, length in ((high, x.shape[-3]), (wide, x.shape[-2])))
    return x[..., rows, :, :][..., columns, :]


SHAPES = (((2, 5, 6, 3),), ((1, 4, 3, 1),), ((2, 1, 1, 16),), ((1, 3, 4, 37),), ((0, 5, 6, 3),), ((2, 5, 6, 0),))
RAISES = ((((4,),), ValueError, "got shape"), ((None,), TypeError, "expected an array"))
PIXELS = (((2, 0, 6, 3),), ValueError, r"the images have no pixels, x is of shape \(2, 0, 6, 3\)")
ROWS = [
    Row("resize", lambda x: ops.resize(x, (7, 11)), lambda x: bilinear(x, 7, 11), (*SHAPES, ((5, 6, 3),)), ((3, 40, 50, 20),),
        raises=(*RAISES, PIXELS)),
    Row("resize to less", lambda x: ops.resize(x, (2, 3)), lambda x: bilinear(x, 2, 3), (*SHAPES, ((5, 6, 3),)),
        ((3, 40, 50, 20),)),
    Row("resize to one pixel", lambda x: ops.resize(x, 1), lambda x: bilinear(x, 1, 1), SHAPES),
    Row("resize to itself", lambda x: ops.resize(x, (5, 6)), lambda x: x, (((2, 5, 6, 3),),)),
    Row("resize nearest", lambda x: ops.resize(x, (7, 4), interpolation="nearest"), lambda x: nearest(x, 7, 4),
        (*SHAPES, ((5, 6, 3),)), raises=(*RAISES, PIXELS)),
    Row("upsample2d", ops.upsample2d, lambda x: x.repeat(2, axis=1).repeat(2, axis=2), SHAPES, ((3, 40, 50, 20),),
        raises=(*RAISES, PIXELS, (((5, 6, 3),), ValueError, r"x must be \(N, H, W, channels\)"))),
    Row("upsample2d pairs", lambda x: ops.upsample2d(x, (3, 1)), lambda x: x.repeat(3, axis=1), SHAPES),
    Row("upsample2d bilinear", lambda x: ops.upsample2d(x, (2, 3), interpolation="bilinear"),
        lambda x: bilinear(x, 2 * x.shape[1], 3 * x.shape[2]), SHAPES, ((3, 40, 50, 20),), raises=RAISES),
    Row("zero_pad2d", ops.zero_pad2d, lambda x: np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0))), SHAPES, ((3, 40, 50, 20),),
        raises=((((5, 6, 3),), ValueError, r"zero_pad2d: x must be \(N, H, W, channels\), got shape \(5, 6, 3\)"),)),
    Row("zero_pad2d pairs", lambda x: ops.zero_pad2d(x, ((0, 2), (1, 0))),
        lambda x: np.pad(x, ((0, 0), (0, 2), (1, 0), (0, 0))), SHAPES),
]
