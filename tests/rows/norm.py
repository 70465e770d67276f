"""Rows of the normalisations."""
import numpy as np
from optable import Row

import cdl


def standard(x, axes, eps=1e-5):
    if not x.size:      # the mean of nothing would warn
        return x
    return (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + eps)


def batch(x, gamma=1, beta=0):
    return gamma * standard(x, tuple(range(x.ndim - 1))) + beta


def group(x, groups, gamma=1, beta=0):
    if not x.size:
        return x
    n, c = x.shape[0], x.shape[-1]
    parts = x.reshape(n, -1, groups, c // groups)
    return gamma * standard(parts, (1, 3)).reshape(x.shape) + beta


def rms(x, gamma=1, axes=-1):
    return gamma * x / np.sqrt((x * x).mean(axes, keepdims=True) + 1e-6)


MEAN, VAR = np.array([0.5, -1, 2.0]), np.array([1, 0.25, 4.0])


def running(x, gamma, beta):
    return gamma * (x - MEAN) / np.sqrt(VAR + 1e-5) + beta


def in_use(x, gamma, beta, **options):
    return cdl.batch_norm(x, gamma, beta, running_mean=MEAN.astype(np.float32), running_var=VAR.astype(np.float32),
                          training=False, **options)


def added(x, gamma, beta, past, **options):
    return cdl.batch_norm(x, gamma, beta, added=past, **options)


def passed(y):
    return np.maximum(y, 0)


WITH_PAST = tuple((shape, shape[-1:], shape[-1:], shape) for shape in ((5, 3), (4, 3, 2, 33), (33, 7), (9, 16), (3, 0)))
LONG = {"tolerance": {np.float32: 5e-4}, "reason": "gamma's gradient is a sum of a thousand terms of size 1 that cancel"}
ROWS = [
    Row("batch_norm", cdl.batch_norm, batch, (((5, 3), (3,), (3,)), ((4, 3, 2, 33), (33,), (33,)), ((33, 7), (7,), (7,)),
                                              ((9, 16), (16,), (16,)), ((3, 0), (0,), (0,))),
        ((4096, 256), (256,), (256,)),
        raises=(((None,), TypeError, "batch_norm: expected an array"),
                (((5,),), ValueError, r"x must be \(…, channels\) with at least one axis"),
                (((1, 3),), ValueError, "training needs more than one value a channel, got x of shape"),
                (((0, 3),), ValueError, "training needs more than one value a channel"),
                (((4, 3), (4,)), ValueError, r"gamma must have shape \(3,\).*got \(4,\)"),
                (((4, 3), (3,), (3, 1)), ValueError, r"beta must have shape \(3,\)"))),
    Row("batch_norm of blocks", cdl.batch_norm, batch, (((1100, 7), (7,), (7,)),), **LONG),
    Row("batch_norm plain", cdl.batch_norm, batch, (((5, 3),), ((2, 3, 4),))),
    Row("batch_norm relu", lambda x, gamma, beta: cdl.batch_norm(x, gamma, beta, activation="relu"),
        lambda x, gamma, beta: np.maximum(batch(x, gamma, beta), 0),
        (((5, 3), (3,), (3,)), ((60, 20), (20,), (20,)))),
    Row("batch_norm in use", in_use, running, (((5, 3), (3,), (3,)), ((1, 3), (3,), (3,)), ((0, 3), (3,), (3,)))),
    Row("batch_norm in use relu", lambda x, gamma, beta: in_use(x, gamma, beta, activation="relu"),
        lambda x, gamma, beta: np.maximum(running(x, gamma, beta), 0), (((6, 3), (3,), (3,)),)),
    Row("batch_norm added", added, lambda x, gamma, beta, past: batch(x, gamma, beta) + past, WITH_PAST,
        ((4096, 64), (64,), (64,), (4096, 64)),
        raises=(((((4, 3), (3,), (3,), (4, 1))), ValueError, r"batch_norm: added must have x's shape \(4, 3\), got \(4, 1\)"),
                ((((4, 3), (3,), (3,), (3,))), ValueError, r"added must have x's shape \(4, 3\), got \(3,\)"))),
    Row("batch_norm added relu", lambda *a: added(*a, activation="relu"),
        lambda x, gamma, beta, past: passed(batch(x, gamma, beta) + past), (*WITH_PAST, ((60, 20), (20,), (20,), (60, 20))),
        ((4096, 64), (64,), (64,), (4096, 64))),
    Row("batch_norm added relu of blocks", lambda *a: added(*a, activation="relu"),
        lambda x, gamma, beta, past: passed(batch(x, gamma, beta) + past), (((1100, 7), (7,), (7,), (1100, 7)),), **LONG),
    Row("batch_norm added relu plain", lambda x, past: cdl.batch_norm(x, added=past, activation="relu"),
        lambda x, past: passed(batch(x) + past), (((7, 5), (7, 5)),)),
    Row("batch_norm added relu in use", lambda x, gamma, beta, past: in_use(x, gamma, beta, activation="relu", added=past),
        lambda x, gamma, beta, past: passed(running(x, gamma, beta) + past),
        (((6, 3), (3,), (3,), (6, 3)), ((1, 3), (3,), (3,), (1, 3)))),
    Row("layer_norm", cdl.layer_norm, lambda x, gamma, beta: gamma * standard(x, -1) + beta,
        (((3, 5), (5,), (5,)), ((2, 33, 70), (70,), (70,)), ((17,), (17,), (17,)), ((2, 1300), (1300,), (1300,)),
         ((0, 5), (5,), (5,)), ((3, 0), (0,), (0,))),
        ((4096, 256), (256,), (256,)),
        raises=(((None,), TypeError, "layer_norm: expected an array"),
                ((1.0,), ValueError, "cannot normalise the last 1 axes"),
                (((4, 3), (4,)), ValueError, r"layer_norm: gamma must have shape \(3,\).*got \(4,\)"))),
    Row("layer_norm plain", cdl.layer_norm, lambda x: standard(x, -1), (((3, 5),), ((2, 3, 16),))),
    Row("layer_norm two axes", lambda x, gamma, beta: cdl.layer_norm(x, gamma, beta, axes=2),
        lambda x, gamma, beta: gamma * standard(x, (-2, -1)) + beta, (((3, 5, 7), (5, 7), (5, 7)),)),
    Row("rms_norm", cdl.ops.rms_norm, rms, (((3, 5), (5,)), ((2, 9, 70), (70,)), ((0, 5), (5,))), ((4096, 256), (256,)),
        raises=(((None,), TypeError, "rms_norm: expected an array"),)),
    Row("rms_norm plain", cdl.ops.rms_norm, rms, (((3, 5),), ((9, 40),))),
    Row("group_norm", lambda x, gamma, beta: cdl.ops.group_norm(x, 3, gamma, beta),
        lambda x, gamma, beta: group(x, 3, gamma, beta),
        (((3, 5, 6), (6,), (6,)), ((2, 3, 4, 36), (36,), (36,)), ((4, 6), (6,), (6,)), ((1, 1, 6), (6,), (6,)),
         ((0, 5, 6), (6,), (6,))),
        ((8, 28, 28, 96), (96,), (96,)),
        raises=(((None, 1, 1), TypeError, "group_norm: expected an array"),
                (((3, 5, 7), (7,), (7,)), ValueError, r"7 channels \(x of shape \(3, 5, 7\)\) do not make 3 equal groups"),
                (((6,), (6,), (6,)), ValueError, "at least one axis before the channels"))),
    Row("group_norm of blocks", lambda x, gamma, beta: cdl.ops.group_norm(x, 3, gamma, beta),
        lambda x, gamma, beta: group(x, 3, gamma, beta), (((2, 600, 3), (3,), (3,)),), **LONG),
    Row("group_norm plain", lambda x: cdl.ops.group_norm(x, 2), lambda x: group(x, 2), (((3, 5, 6),), ((3, 6),))),
    Row("group_norm one sample", lambda x: cdl.ops.group_norm(x, 1), lambda x: group(x, 1), (((1, 700, 4),),)),
]
