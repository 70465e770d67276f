"""Rows of softmax and its relatives, and of cross-entropy."""
import numpy as np
from optable import Row

import cdl


def softmax(x, axis=-1):
    e = np.exp(x - x.max(axis, keepdims=True, initial=-np.inf))
    return e / e.sum(axis, keepdims=True)


def logsumexp(x, axis=None, keepdims=False):
    return np.log(np.exp(x).sum(axis=axis, keepdims=keepdims))


LABELS = np.array([2, 0, 1, 1, 4, 3, 3])
WEIGHT = np.array([0.5, 1, 2, 0.25, 3])


def target(smoothing=0.0, weight=1.0, classes=5):
    return weight * ((1 - smoothing) * np.eye(classes)[LABELS % classes] + smoothing / classes)


def entropy(t, z, total=7):
    return (t * (logsumexp(z, -1, True) - z)).sum() / total


SHAPES = (((3, 5),), ((17,),), ((0,),), ((2, 33, 70),), ((4, 200),), ((3, 0),))
ROWS = [
    Row("softmax", cdl.softmax, softmax, SHAPES, ((1024, 1024),),
        raises=(((None,), TypeError, "softmax: expected an array"), ((1.0,), ValueError, "0 axes"))),
    Row("softmax first", lambda x: cdl.softmax(x, axis=0), lambda x: softmax(x, 0),
        (((3, 5),), ((40, 7),), ((4, 2, 3),))),
    Row("softmax middle", lambda x: cdl.softmax(x, 1), lambda x: softmax(x, 1), (((3, 5, 2),), ((2, 40, 3),))),
    Row("log_softmax", cdl.log_softmax, lambda x: x - logsumexp(x, -1, True), SHAPES[:2] + SHAPES[3:5],
        ((1024, 1024),)),
    Row("log_softmax first", lambda x: cdl.log_softmax(x, 0),
        lambda x: x - logsumexp(x, 0, True), (((3, 5),), ((40, 7),))),
    Row("logsumexp", cdl.logsumexp, logsumexp, (((3, 5),), ((),), ((17,),), ((40, 30),)), ((1 << 20,),)),
    Row("logsumexp last", lambda x: cdl.logsumexp(x, -1, keepdims=True), lambda x: logsumexp(x, -1, True), SHAPES[:2],
        ((1024, 1024),)),
    Row("logsumexp apart", lambda x: cdl.logsumexp(x, (0, 2)), lambda x: logsumexp(x, (0, 2)), (((3, 5, 4),),)),
    Row("logsumexp first", lambda x: cdl.logsumexp(x, 0), lambda x: logsumexp(x, 0), (((3, 5),),)),
    Row("cross_entropy", lambda z: cdl.cross_entropy(LABELS, z), lambda z: entropy(target(classes=z.shape[1]), z),
        (((7, 5),), ((7, 33),), ((7, 200),)),
        raises=(((np.ones((6, 5)),), ValueError, r"y_true must be integer labels of shape \(6,\)"),
                ((np.ones((7, 3)),), IndexError, r"label 4 \(position 4 .*\) is out of range for 3 classes, 0 to 2"),
                ((np.ones((0, 3)),), ValueError, "at least one row"))),
    Row("cross_entropy none", lambda z: cdl.cross_entropy(LABELS[:6].reshape(2, 3), z, reduction="none"),
        lambda z: logsumexp(z, -1) - np.take_along_axis(z, LABELS[:6].reshape(2, 3, 1), -1)[..., 0],
        (((2, 3, 5),), ((2, 3, 80),))),
    Row("cross_entropy sum", lambda z: cdl.cross_entropy(LABELS, z, reduction="sum"),
        lambda z: entropy(target(), z, 1), (((7, 5),),), tolerance={np.float32: 2e-5}, reason="a sum of 7 losses"),
    Row("cross_entropy smooth", lambda z: cdl.cross_entropy(LABELS, z, label_smoothing=0.1),
        lambda z: entropy(target(0.1), z), (((7, 5),),)),
    Row("cross_entropy weight", lambda z: cdl.cross_entropy(LABELS, z, class_weight=WEIGHT),
        lambda z: entropy(target(0, WEIGHT), z, WEIGHT[LABELS].sum()), (((7, 5),),)),
    Row("cross_entropy weight smooth", lambda z: cdl.cross_entropy(LABELS, z, class_weight=WEIGHT, label_smoothing=0.2),
        lambda z: entropy(target(0.2, WEIGHT), z, WEIGHT[LABELS].sum()), (((7, 5),),)),
    Row("cross_entropy ignore", lambda z: cdl.cross_entropy(LABELS, z, ignore_index=3),
        lambda z: entropy(target() * (LABELS != 3)[:, None], z, 5), (((7, 5),),)),
    Row("cross_entropy ignore smooth", lambda z: cdl.cross_entropy(LABELS, z, ignore_index=3, label_smoothing=0.2),
        lambda z: entropy(target(0.2) * (LABELS != 3)[:, None], z, 5), (((7, 5),),)),
    Row("cross_entropy soft", lambda z: cdl.cross_entropy(target(0.3), z),
        lambda z: entropy(target(0.3), z), (((7, 5),),)),
    Row("cross_entropy soft weight", lambda z: cdl.cross_entropy(target(0.3), z, class_weight=WEIGHT, label_smoothing=0.1),
        lambda z: entropy(WEIGHT * (0.9 * target(0.3) + 0.02), z), (((7, 5),),)),
    Row("cross_entropy of probabilities", lambda p: cdl.cross_entropy(LABELS, p, from_logits=False),
        lambda p: -np.log((p / p.sum(-1, keepdims=True))[np.arange(7), LABELS]).mean(), (((7, 5),),), low=0.1, high=1),
]
