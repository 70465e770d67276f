"""Rows of attention."""
import numpy as np
from optable import Row

import cdl


def weights(q, k, mask=None, causal=False, scale=None):
    """softmax(q kᵀ scale + mask), zeros where nothing may be looked at."""
    if q.ndim > 2 and k.ndim > 2 and k.shape[-3] != q.shape[-3]:
        k = np.repeat(k, max(q.shape[-3] // k.shape[-3], 1), -3)
    z = np.matmul(q, np.swapaxes(k, -2, -1)) * (1 / np.sqrt(q.shape[-1]) if scale is None else scale)
    allowed = np.ones(z.shape, bool)
    if causal:
        allowed = allowed & np.tri(*z.shape[-2:], z.shape[-1] - z.shape[-2], dtype=bool)
    if mask is not None and mask.dtype == bool:
        allowed = allowed & mask
    elif mask is not None:
        z = z + mask
    z = np.where(allowed, z, -np.inf)
    top = z.max(-1, keepdims=True, initial=-np.inf)
    e = np.exp(z - np.where(np.isfinite(top), top, 0))
    return e / np.maximum(e.sum(-1, keepdims=True), 1e-300)


def attention(q, k, v, mask=None, causal=False, scale=None):
    if q.ndim > 2 and v.ndim > 2 and v.shape[-3] != q.shape[-3]:
        v = np.repeat(v, max(q.shape[-3] // v.shape[-3], 1), -3)
    return weights(q, k, mask, causal, scale) @ v


def shapes(lead, tq, tk, d, dv=None, key_lead=None):
    key_lead = lead if key_lead is None else key_lead
    return (*lead, tq, d), (*key_lead, tk, d), (*key_lead, tk, dv or d)


def seen(tq, tk, seed=0):
    """A boolean mask (tq, tk); the second query looks at nothing."""
    mask = np.random.default_rng(seed).random((tq, tk)) < 0.6
    mask[1:2] = False
    return mask


MASK = seen(7, 9)
PADDED = np.arange(9) < np.array([9, 4, 0])[:, None, None, None]
SMALL = (shapes((), 7, 9, 8), shapes((3, 2), 7, 9, 5, 3))
ROWS = [
    Row("attention", cdl.attention, attention,
        (*SMALL, shapes((), 1, 9, 8), shapes((2,), 70, 40, 20, 40), shapes((1, 2), 33, 129, 64), shapes((2,), 0, 4, 3),
         shapes((2,), 4, 0, 3), shapes((0,), 4, 4, 3), shapes((2,), 3, 4, 5, 1)),
        shapes((2, 3), 150, 150, 64),
        raises=(((None, (3, 4), (3, 4)), TypeError, "attention: expected an array"),
                (((4,), (3, 4), (3, 4)), ValueError, r"query must be \(…, T, d\) with at least two axes, got shape \(4,\)"),
                (((3, 4), (3, 5), (3, 4)), ValueError, r"4 features of query \(3, 4\) and 5 of key \(3, 5\)"),
                (((3, 4), (3, 4), (2, 4)), ValueError, r"3 keys \(3, 4\) and 2 values \(2, 4\)"),
                (((2, 3, 4), (3, 3, 4), (3, 3, 4)), ValueError, r"query \(2, 3, 4\), key \(3, 3, 4\) and value \(3, 3, 4\)"),
                (((3, 4), (3, 4), (3, 4), np.ones((3, 3), int)), TypeError, "mask must hold booleans, .*, got int64"),
                (((3, 4), (3, 4), (3, 4), np.ones((3, 2), bool)), ValueError,
                 r"mask of shape \(3, 2\) does not broadcast to the scores \(3, 3\)"),
                (((3, 4), (3, 4), (3, 4), np.ones((2, 3, 3), bool)), ValueError,
                 r"mask of shape \(2, 3, 3\) does not broadcast to the scores \(3, 3\)"),
                (((3, 0), (3, 0), (3, 4)), ValueError, "at least one feature"))),
    Row("attention causal", lambda q, k, v: cdl.attention(q, k, v, causal=True),
        lambda q, k, v: attention(q, k, v, causal=True),
        (*SMALL, shapes((2,), 40, 40, 8), shapes((), 9, 5, 8), shapes((2,), 5, 70, 16), shapes((), 1, 9, 8)),
        shapes((2, 3), 150, 150, 64)),
    Row("attention scale", lambda q, k, v: cdl.attention(q, k, v, scale=0.3),
        lambda q, k, v: attention(q, k, v, scale=0.3), SMALL),
    Row("attention of many keys", cdl.attention, attention, (shapes((2,), 20, 1100, 12), shapes((), 600, 530, 4))),
    Row("attention causal of many keys", lambda q, k, v: cdl.attention(q, k, v, causal=True),
        lambda q, k, v: attention(q, k, v, causal=True), (shapes((1,), 700, 700, 6),), shapes((3,), 1100, 1100, 16)),
    Row("attention grouped", cdl.attention, attention,
        (shapes((2, 6), 7, 9, 8, key_lead=(2, 2)), shapes((4,), 7, 9, 8, key_lead=(1,)),
         shapes((2, 6), 1, 9, 8, key_lead=(2, 3))), shapes((2, 6), 100, 100, 32, key_lead=(2, 2)),
        raises=((((6, 3, 4), (4, 3, 4), (4, 3, 4)), ValueError, "4 key heads do not divide 6 query heads"),)),
    Row("attention broadcast", cdl.attention, attention,
        (((2, 3, 4, 5), (1, 3, 6, 5), (2, 1, 6, 2)), ((4, 5), (2, 6, 5), (2, 6, 5)), ((2, 1, 4, 5), (3, 6, 5), (6, 5)))),
    Row("attention masked", lambda q, k, v: cdl.attention(q, k, v, MASK), lambda q, k, v: attention(q, k, v, MASK), SMALL),
    Row("attention masked causal", lambda q, k, v: cdl.attention(q, k, v, MASK, True),
        lambda q, k, v: attention(q, k, v, MASK, True), SMALL),
    Row("attention padded", lambda q, k, v: cdl.attention(q, k, v, PADDED), lambda q, k, v: attention(q, k, v, PADDED),
        (SMALL[1],)),
    Row("attention of masked queries", lambda q, k, v: cdl.attention(q, k, v, MASK[:, :1]),
        lambda q, k, v: attention(q, k, v, MASK[:, :1]), SMALL),
    Row("attention with positions", cdl.attention, attention,
        ((*SMALL[1], (7, 9)), (*SMALL[1], (2, 7, 9)), (*SMALL[1], (3, 1, 1, 9)), (*SMALL[1], (2, 7, 1)), (*SMALL[0], (1,)),
         (*shapes((2, 4), 7, 9, 8, key_lead=(2, 2)), (4, 7, 9)), (*shapes((1,), 7, 600, 8), (7, 600))),
        (*shapes((2, 3), 150, 150, 64), (3, 150, 150))),
    Row("attention_weights", cdl.ops.attention_weights, weights, (SMALL[0][:2], SMALL[1][:2])),
    Row("attention_weights masked", lambda q, k: cdl.ops.attention_weights(q, k, MASK, True),
        lambda q, k: weights(q, k, MASK, True), (SMALL[0][:2], ((2, 4, 7, 5), (2, 2, 9, 5)))),
]
