"""Rows of the elementwise ops of two arguments, and of where: every way an operand can be repeated."""
import functools

import numpy as np
from optable import Row

import cdl

CASES = (
    ((3, 5), (3, 5)), ((), ()), ((0,), (0,)), ((40001,), (40001,)),                     # the same shape
    ((3, 5), ()), ((), (70,)), ((1,), (3, 4)), ((20000,), (1,)),                        # one value
    ((300, 70), (70,)), ((300, 1), (300, 70)), ((2, 1500), (1500,)), ((6, 1), (1, 7)),  # rows, columns
    ((2000, 3), (3,)), ((2, 3, 4), (3, 1)), ((4, 1, 8), (4, 50, 8)), ((5, 1, 7, 1), (1, 3, 1, 2)),
    ((3, 2, 2000), (1, 2, 1)),
    ((1, 3), (3,)), ((0, 3), (3,)), ((0, 3), (1, 3)), ((2, 0), (2, 1)),
    ((2, 1, 2, 1, 2, 1, 2, 1), (1, 2, 1, 2, 1, 2, 1, 2)),
)
BENCH = ((1 << 20,), (1 << 20,))
RAISES = (
    (((3, 4), (5,)), ValueError, r"shapes \(3, 4\) and \(5,\).* do not broadcast"),
    ((None, 1.0), TypeError, "got None"), ((1.0, None), TypeError, "got None"),
    ((np.ones(2), np.array(["x"])), TypeError, "dtype"), ((1j, 1.0), TypeError, "complex128"),
)
# A sum of gradients near 0 carries the rounding of its partial sums, which are larger.
SUMS = {"tolerance": {np.float32: 1e-4, np.float64: 1e-11},
        "reason": "gradients of repeated operands are sums of up to 21,000 terms of either sign"}


def row(name, ref, op=None, numpy=True, **options):
    return Row(name, op or getattr(cdl.ops, name), ref, CASES, BENCH, raises=RAISES, numpy=ref if numpy else None,
               **{**SUMS, **options})


@functools.cache
def mask(shape):
    return np.resize([True, False, False], shape)


POSITIVE = {"low": 0.3, "high": 2.5}
ROWS = [
    row("add", np.add),
    row("subtract", np.subtract),
    row("multiply", np.multiply),
    row("divide", np.divide, **POSITIVE),
    row("power", np.power, **POSITIVE),
    row("maximum", np.maximum),
    row("minimum", np.minimum),
    row("clip_arrays", lambda a, b: np.minimum(np.maximum(a, b), b + 1),
        lambda a, b: cdl.clip(a, b, cdl.ops.add(b, 1)), numpy=False),
    row("where", lambda a, b: np.where(mask(a.shape), a, b), lambda a, b: cdl.where(mask(np.shape(a)), a, b)),
    row("where_mask_repeated", lambda a, b: np.where([True], a, b), lambda a, b: cdl.where([True], a, b), numpy=False),
]
