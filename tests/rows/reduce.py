"""Rows of the reductions."""
import numpy as np
from optable import Row

import cdl

SHAPES = (((3, 5),), ((),), ((17,),), ((2, 33, 4),), ((3, 2, 4, 5),))
BIG = ((1 << 20,),)


def along(function, axis, keepdims=False, **options):
    return lambda x: function(x, axis=axis, keepdims=keepdims, **options)


def rows(name, function, ref, bench=BIG, **options):
    """The op over all axes, the last, the first, and axes that do not lie together."""
    deep = (((3, 2, 4, 5),), ((2, 40, 3, 1),))
    flat = (((3, 5),), ((40, 7),), ((9, 600),), ((1, 1),))
    return [
        Row(name, function, ref, SHAPES, bench, **options),
        Row(f"{name} last", along(function, -1, True), along(ref, -1, True), flat, ((1000, 1000),), **options),
        Row(f"{name} first", along(function, 0), along(ref, 0), flat, ((1000, 1000),), **options),
        Row(f"{name} apart", along(function, (0, -2)), along(ref, (0, -2)), deep, **options),
        Row(f"{name} middle", along(function, (1, 2), True), along(ref, (1, 2), True), deep, **options),
    ]


LONG = {"tolerance": {np.float32: 2e-5}, "reason": "each of the factors is rounded once, and their product grows"}

ROWS = [
    *rows("sum", cdl.sum, np.sum, numpy=np.sum,
          raises=(((None,), TypeError, "sum: expected an array, got None"), ((np.array(["a"]),), TypeError, "<U1"))),
    *rows("mean", cdl.mean, np.mean),
    *rows("var", cdl.var, np.var),
    *rows("std", cdl.std, np.std),
    *rows("max", cdl.max, np.max),
    *rows("min", cdl.min, np.min),
    Row("prod", cdl.prod, np.prod, (((3, 5),), ((),), ((17,),)), BIG, **LONG),
    Row("prod last", along(cdl.prod, -1), along(np.prod, -1), (((3, 5),), ((70, 4),)), **LONG),
    Row("prod first", along(cdl.prod, 0), along(np.prod, 0), (((3, 5),), ((12, 70),)), **LONG),
    Row("var unbiased", along(cdl.var, 1, ddof=1), along(np.var, 1, ddof=1), (((3, 5),), ((4, 50),))),
    Row("norm", cdl.norm, lambda x: np.sqrt((x * x).sum()), (((17,),), ((3, 5),)), BIG),
    Row("norm last", along(cdl.norm, -1), along(np.linalg.norm, -1), (((3, 5),), ((3, 40, 2),))),
    Row("norm 1", lambda x: cdl.norm(x, 1, -1), lambda x: np.abs(x).sum(-1), (((3, 5),),), away_from=(0,)),
    Row("norm inf", lambda x: cdl.norm(x, np.inf, -1), lambda x: np.abs(x).max(-1), (((3, 5),),), away_from=(0,)),
    Row("argmax", cdl.argmax, np.argmax, (((3, 5),), ((2000,),)), BIG, differentiable=False),
    Row("argmax last", along(cdl.argmax, -1), along(np.argmax, -1), (((3, 5),), ((4, 70, 3),)), ((1000, 1000),),
        differentiable=False),
    Row("argmin first", along(cdl.ops.argmin, 0), along(np.argmin, 0), (((30, 5),), ((7, 600),)), ((1000, 1000),),
        differentiable=False),
    Row("cumsum", cdl.cumsum, np.cumsum, (((3, 5),), ((17,),), ((0,),)), BIG),
    Row("cumsum last", lambda x: cdl.cumsum(x, -1), lambda x: np.cumsum(x, -1), (((3, 5),), ((4, 70),)), ((1000, 1000),)),
    Row("cumsum first", lambda x: cdl.cumsum(x, 0), lambda x: np.cumsum(x, 0), (((30, 5),), ((7, 600),)), ((1000, 1000),)),
]
