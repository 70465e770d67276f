"""Rows of the elementwise ops of one argument."""
from math import erf

import numpy as np
from optable import Row

import cdl
from cdl._core.kernels import UNARY
from cdl._core.unary import unary

# A multiple of every vector length less one, none, one, a tail after whole vectors, several tasks.
CASES = (((3, 5),), ((0,),), ((),), ((17, 33, 2),), ((40001,),))
BENCH = ((1 << 20,),)
RAISES = (((None,), TypeError, "got None"), ((np.array([1j]),), TypeError, "complex128"), (("x",), TypeError, "dtype"))
_erf = np.vectorize(erf, otypes=[np.float64])


def row(name, ref, op=None, cases=CASES, **options):
    return Row(name, op or getattr(cdl.ops, name), ref, cases, BENCH, raises=RAISES, **options)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def gelu_tanh(x):
    return x / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x ** 3)))


POSITIVE = {"low": 0.1, "high": 8.0}
WIDE = {"low": -6.0, "high": 6.0}
INTEGERS = tuple(float(i) for i in range(-3, 4))
HALVES = tuple(i + 0.5 for i in range(-4, 4))

ROWS = [
    row("exp", np.exp, numpy=np.exp),
    row("exp2", np.exp2, numpy=np.exp2),
    row("expm1", np.expm1, numpy=np.expm1),
    row("log", np.log, numpy=np.log, **POSITIVE),
    row("log2", np.log2, numpy=np.log2, **POSITIVE),
    row("log10", np.log10, numpy=np.log10, **POSITIVE),
    row("log1p", np.log1p, numpy=np.log1p, low=-0.9, high=8.0),
    row("sqrt", np.sqrt, numpy=np.sqrt, **POSITIVE),
    row("square", np.square, numpy=np.square),
    row("reciprocal", lambda x: 1 / x, numpy=np.reciprocal, **POSITIVE),
    row("power_scalar", lambda x: x ** 2.5, lambda x: cdl.power(x, 2.5), numpy=lambda x: np.power(x, 2.5), **POSITIVE),
    row("power_square", lambda x: x * x, lambda x: cdl.power(x, 2), numpy=lambda x: x ** 2),
    row("power_cube", lambda x: x * x * x, lambda x: cdl.power(x, 3.0), numpy=lambda x: x ** 3),
    row("power_root", np.sqrt, lambda x: cdl.power(x, 0.5), numpy=lambda x: x ** 0.5, **POSITIVE),
    row("power_inverse", lambda x: 1 / x, lambda x: cdl.power(x, -1), numpy=lambda x: x ** -1.0, **POSITIVE),
    row("negative", np.negative, numpy=np.negative),
    row("abs", np.abs, numpy=np.abs, away_from=(0,)),
    row("sign", np.sign, numpy=np.sign, away_from=(0,)),
    row("floor", np.floor, numpy=np.floor, away_from=INTEGERS),
    row("ceil", np.ceil, numpy=np.ceil, away_from=INTEGERS),
    row("round", np.round, numpy=np.rint, away_from=HALVES),
    row("round_1", lambda x: np.round(x, 1), lambda x: cdl.ops.round(x, 1), cases=(((2, 3),),), low=0.61, high=0.64),
    row("sin", np.sin, numpy=np.sin, **WIDE),
    row("cos", np.cos, numpy=np.cos, **WIDE),
    row("tanh", np.tanh, numpy=np.tanh),
    row("erf", _erf),
    row("relu", lambda x: np.maximum(x, 0), numpy=lambda x: np.maximum(x, 0), away_from=(0,)),
    row("leaky_relu", lambda x: np.where(x > 0, x, 0.01 * x),
        numpy=lambda x: np.where(x > 0, x, 0.01 * x), away_from=(0,)),
    row("leaky_relu_slope", lambda x: np.where(x > 0, x, 0.3 * x), lambda x: cdl.leaky_relu(x, slope=0.3),
        away_from=(0,)),
    row("elu", lambda x: np.where(x > 0, x, np.exp(x) - 1), numpy=lambda x: np.where(x > 0, x, np.exp(x) - 1),
        away_from=(0,)),
    row("elu_alpha", lambda x: np.where(x > 0, x, 1.5 * (np.exp(x) - 1)), lambda x: cdl.elu(x, alpha=1.5),
        away_from=(0,)),
    row("relu6", lambda x: np.minimum(np.maximum(x, 0), 6), low=-2.0, high=8.0, away_from=(0, 6)),
    row("hard_tanh", lambda x: np.minimum(np.maximum(x, -1), 1), away_from=(-1, 1)),
    row("hard_sigmoid", lambda x: np.minimum(np.maximum((x + 3) / 6, 0), 1), away_from=(-3, 3), **WIDE),
    row("hard_swish", lambda x: x * np.minimum(np.maximum((x + 3) / 6, 0), 1), away_from=(-3, 3), **WIDE),
    row("sigmoid", sigmoid, numpy=sigmoid, **WIDE),
    row("log_sigmoid", lambda x: -np.log1p(np.exp(-x)), **WIDE),
    row("softplus", lambda x: np.log1p(np.exp(x)), numpy=lambda x: np.log1p(np.exp(x)), **WIDE),
    row("silu", lambda x: x * sigmoid(x), numpy=lambda x: x * sigmoid(x), **WIDE),
    row("gelu", lambda x: x / 2 * (1 + _erf(x / np.sqrt(2)))),
    row("gelu_tanh", gelu_tanh, lambda x: cdl.gelu(x, approximate="tanh"), numpy=gelu_tanh),
    row("clip", lambda x: np.clip(x, -1, 0.5), lambda x: cdl.clip(x, -1, 0.5), numpy=lambda x: np.clip(x, -1, 0.5),
        away_from=(-1, 0.5)),
    row("clip_below", lambda x: np.maximum(x, 0.5), lambda x: cdl.clip(x, 0.5), away_from=(0.5,)),
    row("scale", lambda x: 3 * x - 2, lambda x: unary(UNARY["scale"], x, 3.0, -2.0)),
]
