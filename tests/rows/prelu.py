"""Rows of PReLU: the gradient of the slope too, of one for all and of one a channel."""
import numpy as np
from optable import Row

import cdl


def prelu(x, slope):
    return np.where(x > 0, x, slope * x)


SUMS = {"tolerance": {np.float32: 2e-5, np.float64: 1e-12},
        "reason": "the gradient of the slope is a sum of up to 40,000 products"}
ROWS = [
    Row("prelu", cdl.ops.prelu, prelu,
        (((3, 5), (5,)), ((3, 5), ()), ((3, 5), (1,)), ((), ()), ((0, 5), (5,)), ((0,), (1,)), ((2, 3, 17), (17,)),
         ((7, 33), (1,))), ((1024, 1024), (1024,)), away_from=(0,),
        raises=((((2, 3), (2,)), ValueError, r"one for each of the last axis, shape \(3,\), got \(2,\)"),
                (((2, 3), (1, 3)), ValueError, r"got \(1, 3\)"), ((None, 1.0), TypeError, "got None"))),
    Row("prelu many", cdl.ops.prelu, prelu, (((5000, 8), (8,)), ((40001,), (1,))), ((1 << 20,), (1,)), away_from=(0,),
        layout_bits=False, **SUMS),
]
