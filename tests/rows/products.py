"""Rows of products made of one matrix product, of einsum, and of the change of dtype."""
import numpy as np
from optable import Row

import cdl

SUMS = {"tolerance": {np.float32: 2e-5, np.float64: 1e-13}, "reason": "sums of up to 60 products of numbers up to 4",
        "layout_bits": False}


def contracted(product):
    """The last axis of the first operand against the first of the second."""
    return lambda a, b: product("ijk,kl->ijl", a, b)


ROWS = [
    Row("dot", cdl.dot, np.dot, (((3,), (3,)), ((2, 3), (3, 4)), ((2, 3), (4, 3, 5)), ((), (2, 3)), ((60,), (60,))),
        ((512, 512), (512, 512)), raises=((((2, 3), (4, 5)), ValueError, "last but one of b"),), numpy=np.dot, **SUMS),
    Row("outer", cdl.ops.outer, np.outer, (((3,), (4,)), ((2, 2), (3,)), ((0,), (3,)), ((), ())), ((1000,), (1000,)),
        numpy=np.outer),
    Row("tensordot", lambda a, b: cdl.ops.tensordot(a, b, 1), lambda a, b: np.tensordot(a, b, 1),
        (((2, 3, 4), (4, 5)), ((4,), (4,)), ((2, 0), (0, 3))), ((64, 64, 64), (64, 64)), **SUMS),
    Row("einsum", contracted(cdl.einsum), contracted(np.einsum),
        (((2, 3, 4), (4, 5)), ((1, 1, 60), (60, 1)), ((2, 0, 3), (3, 2))), ((64, 64, 64), (64, 64)),
        raises=((((2, 3), (4, 5)), ValueError, "subscript"),), **SUMS),
    Row("astype", lambda x: cdl.astype(x, np.float64), lambda x: x, (((2, 3),), ((0,),), ((),)), ((1 << 20,),),
        differentiable=False),
]
