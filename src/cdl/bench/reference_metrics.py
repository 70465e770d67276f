"""Samples of the metrics' rows, a million of each kind, and the figures by their formulas."""

from functools import cache
from types import SimpleNamespace

import numpy as np

from .rows import METRICS

ROWS = 1_000_000


@cache
def _samples(kind):
    """y_true and y_pred: labels of ten classes, as numbers or texts; scores of one class, of five or of ten; numbers."""
    rng = np.random.default_rng(0)
    if kind == "numbers":
        y = rng.standard_normal(ROWS)
        return y, y + 0.5 * rng.standard_normal(ROWS)
    if kind == "two":
        t = rng.integers(0, 2, ROWS)
        return t, np.clip(0.3 * t + 0.7 * rng.random(ROWS), 0.001, 0.999)
    classes = 5 if kind == "five" else 10
    t = rng.integers(0, classes, ROWS)
    if kind in ("five", "scores"):
        p = rng.random((ROWS, classes)) + np.eye(classes)[t]
        return t, p / p.sum(axis=1, keepdims=True)
    p = np.where(rng.random(ROWS) < 0.7, t, rng.integers(0, classes, ROWS))
    names = np.array([f"class{c}" for c in range(classes)])
    return (t, p) if kind == "labels" else (names[t], names[p])


def metric(title):
    """y_true, y_pred and weights or None; the answer is the figure."""
    kind, _, _, options, weighted = METRICS[title]
    t, p = _samples(kind)
    weights = np.random.default_rng(1).random(ROWS) if weighted else None
    w = np.ones(ROWS) if weights is None else weights
    data = SimpleNamespace(title=title, options=options, t=t, p=p, weights=weights)
    return data, [np.asarray(FORMULAS[title.partition(",")[0].partition(" of")[0]](t, p, w, options))]


def _table(t, p, w):
    t, p = (np.unique(y, return_inverse=True)[1] for y in (t, p))
    return np.bincount(t * 10 + p, w, 100).reshape(10, 10)


def _shares(part):
    def formula(t, p, w, options):
        table = _table(t, p, w)
        hits, true, taken = np.diag(table), table.sum(axis=1), table.sum(axis=0)
        square = options.get("beta", 1) ** 2
        over, under = {"precision": (hits, taken), "recall": (hits, true),
                       "F": ((1 + square) * hits, square * true + taken)}[part]
        return np.average(over / under, weights=true if options["average"] == "weighted" else None)
    return formula


def _kappa(t, p, w, options):
    table = _table(t, p, w) / w.sum()
    chance = table.sum(axis=1) @ table.sum(axis=0)
    return (np.trace(table) - chance) / (1 - chance)


def _matthews(t, p, w, options):
    table = _table(t, p, w) / w.sum()
    true, taken = table.sum(axis=1), table.sum(axis=0)
    return (np.trace(table) - true @ taken) / np.sqrt((1 - true @ true) * (1 - taken @ taken))


def _falling(t, p, w):
    """Weights of positives and of others up to each score from the highest; no two scores are equal but the clipped ones."""
    order = np.argsort(-p, kind="stable")
    p, t, w = p[order], t[order], w[order]
    last = np.append(p[1:] != p[:-1], True)
    return np.cumsum(w * t)[last], np.cumsum(w * (1 - t))[last]


def _area(t, p, w, options):
    if p.ndim > 1 and options.get("multi_class") == "ovo":
        pairs = [(a, b) for a in range(5) for b in range(5) if a != b]
        parts = [(t == a) | (t == b) for a, b in pairs]
        return np.mean([_area(t[part] == a, p[part, a], w[part], {}) for (a, _), part in zip(pairs, parts, strict=True)])
    if p.ndim > 1:
        return np.mean([_area(t == c, p[:, c], w, {}) for c in range(5)])
    hits, misses = _falling(t, p, w)
    return np.diff(misses, prepend=0) @ (hits + np.append(0, hits[:-1])) / (2 * hits[-1] * misses[-1])


def _precision_area(t, p, w, options):
    hits, misses = _falling(t, p, w)
    return np.diff(hits, prepend=0) @ (hits / (hits + misses)) / hits[-1]


def _own(t, p):
    return np.where(t == 1, p, 1 - p) if p.ndim == 1 else p[np.arange(ROWS), t]


def _brier(t, p, w, options):
    return np.average((p - t) ** 2 if p.ndim == 1 else ((p - np.eye(10)[t]) ** 2).sum(axis=1), weights=w)


def _weighted_median(e, w):
    order = np.argsort(e)
    shares = np.cumsum(w[order])
    middle = np.searchsorted(shares, shares[-1] / 2)
    return np.median(e) if (w == 1).all() else e[order[middle]]


def _variance(x, w):
    return np.average((x - np.average(x, weights=w)) ** 2, weights=w)


FORMULAS = {
    "accuracy": lambda t, p, w, o: np.average(t == p, weights=w),
    "top-3 accuracy": lambda t, p, w, o: np.average((p > _own(t, p)[:, None]).sum(axis=1) < 3, weights=w),
    "balanced accuracy": lambda t, p, w, o: np.mean(np.diag(table := _table(t, p, w)) / table.sum(axis=1)),
    "precision": _shares("precision"),
    "recall": _shares("recall"),
    "F1": _shares("F"),
    "F2": _shares("F"),
    "Cohen's kappa": _kappa,
    "Matthews": _matthews,
    "confusion matrix": lambda t, p, w, o: _table(t, p, w),
    "ROC AUC": _area,
    "average precision": _precision_area,
    "log loss": lambda t, p, w, o: -np.average(np.log(_own(t, p)), weights=w),
    "Brier score": _brier,
    "MSE": lambda t, p, w, o: np.average((t - p) ** 2, weights=w),
    "RMSE": lambda t, p, w, o: np.sqrt(np.average((t - p) ** 2, weights=w)),
    "MAE": lambda t, p, w, o: np.average(abs(t - p), weights=w),
    "MAPE": lambda t, p, w, o: np.average(abs(t - p) / abs(t), weights=w),
    "median absolute error": lambda t, p, w, o: _weighted_median(abs(t - p), w),
    "max error": lambda t, p, w, o: abs(t - p).max(),
    "R²": lambda t, p, w, o: 1 - np.average((t - p) ** 2, weights=w) / _variance(t, w),
    "explained variance": lambda t, p, w, o: 1 - _variance(t - p, w) / _variance(t, w),
}
