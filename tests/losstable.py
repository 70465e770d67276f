"""Every loss, once: its formula in NumPy, its torch counterpart, what its targets and predictions are drawn from, what it
refuses.
"""
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from rows.softmax import logsumexp

import cdl


@dataclass(frozen=True)
class Row:
    """One loss. `formula(t, p)` gives the losses that are reduced; `torch(torch, F, t, p)` torch's, its own reduction none."""

    name: str
    loss: Callable
    formula: Callable
    torch: Callable
    targets: Callable               # (rng, shape) → targets
    predictions: Callable           # (rng, shape) → predictions
    rows: bool = False              # whether the last axis is summed over
    raises: tuple = ()              # (y_true, y_pred, error, words)


def normal(rng, shape):
    return rng.standard_normal(shape)


def share(rng, shape):
    return rng.uniform(0.02, 0.98, shape)


def yes_or_no(rng, shape):
    return (rng.random(shape) > 0.5).astype(float)


def signs(rng, shape):
    return 2 * yes_or_no(rng, shape) - 1


def distribution(rng, shape):
    t = rng.exponential(size=shape)
    t[..., 0] = 0                   # 0 log 0 is 0
    return t / t.sum(-1, keepdims=True)


def labels(rng, shape):
    return rng.integers(0, shape[-1], shape[:-1])


def huber(e, delta=1.0):
    return np.where(np.abs(e) <= delta, e * e / 2, delta * (np.abs(e) - delta / 2))


def entropy(t, p):
    return -(t * np.log(p) + (1 - t) * np.log(1 - p))


def divergence(t, log_p):
    return (np.where(t > 0, t * np.log(np.where(t > 0, t, 1)), 0) - t * log_p).sum(-1)


def picked(z, t):
    return logsumexp(z, -1, True)[..., 0] - np.take_along_axis(z, t[..., None], -1)[..., 0]


def moved(torch, z):
    return torch.movedim(z, -1, 1)  # torch's classes stand second


NAN = ([0.0, np.nan], [0.5, 0.5], ValueError, r"y_true must not hold NaN, got nan \(position 1 of the flattened y_true\)")
OUTSIDE = ([0.0, 1.0], [0.5, 1.5], ValueError, r"y_pred must hold probabilities, 0 to 1, got 1.5 \(position 1")
LABEL = ([0.0, -0.5], [0.5, 0.5], ValueError, r"y_true must hold probabilities, 0 to 1, got -0.5 \(position 1")
SHAPE = (np.ones(3), np.ones((3, 1)), ValueError, r"same shape, got \(3,\) and \(3, 1\)")

ROWS = [
    Row("mse", cdl.mse, lambda t, p: (t - p) ** 2, lambda torch, F, t, p: F.mse_loss(p, t, reduction="none"),
        normal, normal, raises=(NAN, SHAPE)),
    Row("mae", cdl.mae, lambda t, p: np.abs(t - p), lambda torch, F, t, p: F.l1_loss(p, t, reduction="none"),
        normal, normal, raises=(NAN, SHAPE)),
    Row("huber", cdl.huber, lambda t, p: huber(t - p), lambda torch, F, t, p: F.huber_loss(p, t, reduction="none"),
        normal, normal, raises=(NAN, SHAPE)),
    Row("huber delta", lambda t, p, **o: cdl.huber(t, p, delta=0.3, **o), lambda t, p: huber(t - p, 0.3),
        lambda torch, F, t, p: F.huber_loss(p, t, delta=0.3, reduction="none"), normal, normal),
    Row("binary_cross_entropy", cdl.binary_cross_entropy, entropy,
        lambda torch, F, t, p: F.binary_cross_entropy(p, t, reduction="none"), yes_or_no, share,
        raises=(OUTSIDE, LABEL, SHAPE, ([np.nan], [0.5], ValueError, "y_true must hold probabilities, 0 to 1, got nan"))),
    Row("binary_cross_entropy soft", cdl.binary_cross_entropy, entropy,
        lambda torch, F, t, p: F.binary_cross_entropy(p, t, reduction="none"), share, share),
    Row("binary_cross_entropy of logits", lambda t, z, **o: cdl.binary_cross_entropy(t, z, from_logits=True, **o),
        lambda t, z: entropy(t, 1 / (1 + np.exp(-z))),
        lambda torch, F, t, z: F.binary_cross_entropy_with_logits(z, t, reduction="none"), share, normal,
        raises=(LABEL, SHAPE)),
    Row("kl_divergence", cdl.kl_divergence, lambda t, p: divergence(t, np.log(p)),
        lambda torch, F, t, p: F.kl_div(p.log(), t, reduction="none").sum(-1), distribution, share, rows=True,
        raises=(OUTSIDE, LABEL, SHAPE, (1.0, 1.0, ValueError, "expected vectors along the last axis"))),
    Row("kl_divergence of logits", lambda t, z, **o: cdl.kl_divergence(t, z, from_logits=True, **o),
        lambda t, z: divergence(t, z - logsumexp(z, -1, True)),
        lambda torch, F, t, z: F.kl_div(F.log_softmax(z, -1), t, reduction="none").sum(-1), distribution, normal, rows=True),
    Row("hinge", cdl.hinge, lambda t, p: np.maximum(0, 1 - t * p),
        lambda torch, F, t, p: torch.relu(1 - t * p), signs, normal,
        raises=(SHAPE, ([1.0, 0.0], [1.0, 1.0], ValueError,
                        r"labels -1 and 1 \(2 \* y - 1 of 0 and 1\), got 0.0 \(position 1"))),
    Row("cosine_loss", cdl.cosine_loss, lambda t, p: 1 - (t * p).sum(-1) / np.sqrt((t * t).sum(-1) * (p * p).sum(-1)),
        lambda torch, F, t, p: F.cosine_embedding_loss(t.reshape(-1, t.shape[-1]), p.reshape(-1, p.shape[-1]),
                                                       torch.ones(t.numel() // t.shape[-1]), reduction="none")
        .reshape(t.shape[:-1]),
        normal, normal, rows=True, raises=(NAN, SHAPE, (1.0, 1.0, ValueError, "expected vectors along the last axis"))),
    Row("cross_entropy", cdl.cross_entropy, lambda t, z: picked(z, t),
        lambda torch, F, t, z: F.cross_entropy(moved(torch, z), t, reduction="none"), labels, normal, rows=True),
    Row("cross_entropy soft", cdl.cross_entropy, lambda t, z: (t * (logsumexp(z, -1, True) - z)).sum(-1),
        lambda torch, F, t, z: F.cross_entropy(moved(torch, z), moved(torch, t), reduction="none"), distribution, normal,
        rows=True, raises=(([[0.5, np.nan]], [[1.0, 1.0]], ValueError, "y_true must hold probabilities, 0 to 1, got nan"),
                           ([[0.5, 2.0]], [[1.0, 1.0]], ValueError, r"got 2.0 \(position 1 of the flattened y_true"))),
]
