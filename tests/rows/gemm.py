"""Rows of matrix products and the dense layer: every kind of operand, sizes that take each way through the driver."""
import numpy as np
from optable import Row

import cdl

PAIRS = (
    ((3, 4), (4, 5)), ((1, 1), (1, 1)), ((0, 4), (4, 5)), ((3, 0), (0, 5)), ((3, 4), (4, 0)),
    ((4,), (4,)), ((4,), (4, 5)), ((3, 4), (4,)), ((70, 40), (40,)), ((40,), (40, 70)),
    ((2, 3, 4), (4, 5)), ((4, 5), (2, 5, 3)), ((2, 3, 4), (2, 4, 5)), ((2, 1, 3, 4), (5, 4, 2)), ((1, 3, 4), (6, 4, 2)),
    ((3, 2, 5, 4), (4,)), ((4,), (2, 4, 3)), ((0, 3, 4), (4, 5)), ((2, 0, 3, 4), (2, 1, 4, 5)), ((5, 1, 4), (1, 4, 1)),
    ((33, 70), (70, 65)), ((2, 100), (100, 9)), ((31, 10), (10, 129)), ((130, 3), (3, 300)),
)

MATMUL_RAISES = (
    ((1.0, (4, 5)), ValueError, "at least one axis"), (((3, 4), (5, 6)), ValueError, "last but one of b"),
    (((3, 4), (5,)), ValueError, "as long as the one of b"), (((2, 3, 4), (3, 4, 5)), ValueError, "do not broadcast"),
)

SHAPES = (((3, 4), (4, 5), (5,)), ((4,), (4, 5), (5,)), ((2, 3, 4), (4, 5), (5,)), ((0, 4), (4, 5), (5,)),
          ((3, 0), (0, 5), (5,)), ((3, 4), (4, 0), (0,)), ((300, 7), (7, 1), (1,)), ((300, 20), (20, 10), (10,)),
          ((40, 100), (100, 130), (130,)))
# layout_bits: sums along k are taken lane by lane where b is stored transposed and a has few rows, else in order
SUMS = {"tolerance": {np.float32: 2e-5, np.float64: 1e-13}, "reason": "sums of up to 300 products of numbers up to 4",
        "layout_bits": False}
DENSE_RAISES = (
    (((3, 4), (5, 6), (6,)), ValueError, "expected 5 features"), (((3, 4), (4, 6), (5,)), ValueError, r"shape \(6,\)"),
    (((3, 4), (4,), (5,)), ValueError, r"\(inputs, outputs\)"), (((), (4, 6), (6,)), ValueError, "expected 4 features"),
)


def affine(x, w, b):
    return x @ w + b


ROWS = [
    Row("matmul", cdl.matmul, np.matmul, PAIRS, ((512, 512), (512, 512)), raises=MATMUL_RAISES, numpy=np.matmul,
        **SUMS),
    Row("dense", cdl.dense, affine, SHAPES, ((32, 784), (784, 512), (512,)), raises=DENSE_RAISES, **SUMS),
    Row("dense_relu", lambda x, w, b: cdl.dense(x, w, b, act="relu"), lambda x, w, b: np.maximum(affine(x, w, b), 0),
        SHAPES, **SUMS),
    Row("dense_without_bias", cdl.dense, lambda x, w: x @ w, tuple(case[:2] for case in SHAPES), **SUMS),
]
