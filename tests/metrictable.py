"""A row for each metric: cdl's, scikit-learn's, its formula in plain Python, and the samples that it is tried on."""
from dataclasses import dataclass
from math import exp, inf, log, nan, sqrt

import numpy as np

from cdl import metrics as m


@dataclass(frozen=True)
class Row:
    """`make` makes the streaming metric; `sklearn(k, t, p, w)` is the same of `sklearn.metrics`, None where it has none;
    `formula(t, p, w)` works on lists, of labels, scores or numbers.
    """

    name: str
    data: str
    make: object
    formula: object
    sklearn: object = None
    weights: bool = True


def samples(kind, n, rng, weighted=True):
    """y_true, y_pred and weights of a kind; scores have ties, some weights are 0."""
    weights = rng.integers(0, 4, n) * rng.choice([0.25, 1.0, 1.75], n) if weighted else None
    if weighted:
        weights[:6] = 1.25       # the classes below all weigh something
    first = np.arange(n)
    if kind in ("labels", "texts"):
        t, p = rng.choice([-2, 0, 1, 5, 9], n), rng.choice([-2, 0, 1, 5, 7], n)
        p = np.where(rng.random(n) < 0.5, t, p)
        return (t, p, weights) if kind == "labels" else (*(np.array([f"c{v}" for v in y]) for y in (t, p)), weights)
    t = np.where(first < 3, first, rng.integers(0, 3, n)) if kind.startswith("classes") else first % 2
    t = np.where((first < 4) | kind.startswith("classes"), t, rng.integers(0, 2, n)) if kind != "numbers" else t
    if kind == "two labels":
        return t, np.where(rng.random(n) < 0.6, t, rng.integers(0, 2, n)), weights
    if kind == "two":
        return t, np.clip(np.round(0.3 * t + 0.7 * rng.random(n), 2), 0.005, 0.995), weights
    if kind == "classes":
        scores = np.round(rng.random((n, 3)) + 0.5 * np.eye(3)[t], 1) + 0.1
        return t, scores / scores.sum(axis=1, keepdims=True), weights
    if kind == "classes, scores":
        return t, np.round(rng.standard_normal((n, 3)) + np.eye(3)[t], 1), weights
    outputs = (n,) if kind == "numbers" else (n, 3)
    y = 1e3 + np.round(rng.standard_normal(outputs), 3)
    return y, y + rng.standard_normal(outputs), weights


def mean(values, w):
    return sum(v * x for v, x in zip(values, w, strict=True)) / sum(w)


def counts(t, p, w):
    """For each class its label and the weights of its samples, of those taken for it, of the hits; and of all."""
    rows = list(zip(t, p, w, strict=True))
    return [(c, sum(x for a, _, x in rows if a == c), sum(x for _, b, x in rows if b == c),
             sum(x for a, b, x in rows if a == b == c)) for c in sorted(set(t) | set(p))], sum(w)


def share(over, under):
    return over / under if under else 0.0


PARTS = {
    "precision": lambda true, taken, hits, n: (hits, taken), "recall": lambda true, taken, hits, n: (hits, true),
    "specificity": lambda true, taken, hits, n: (n - true - taken + hits, n - true),
    "f1": lambda true, taken, hits, n: (2 * hits, true + taken),
    "f0.5": lambda true, taken, hits, n: (1.25 * hits, 0.25 * true + taken),
}


def averaged(part, average):
    def formula(t, p, w):
        rows, n = counts(t, p, w)
        of = [PARTS[part](*row[1:], n) for row in rows]
        if average == "binary":
            return share(*of[1])
        if average == "micro":
            return share(*map(sum, zip(*of, strict=True)))
        return mean([share(*pair) for pair in of], [row[1] for row in rows] if average == "weighted" else [1] * len(of))
    return formula


def balanced(t, p, w):
    rows = [(true, hits) for _, true, _, hits in counts(t, p, w)[0] if true]
    return sum(hits / true for true, hits in rows) / len(rows)


def kappa(cost):
    def formula(t, p, w):
        classes = sorted(set(t) | set(p))
        place = {c: i for i, c in enumerate(classes)}
        seen = sum(x * cost(abs(place[a] - place[b])) for a, b, x in zip(t, p, w, strict=True))
        rows, n = counts(t, p, w)
        chance = sum(one[1] * two[2] * cost(abs(i - j)) for i, one in enumerate(rows) for j, two in enumerate(rows)) / n
        return 1 - seen / chance
    return formula


def matthews(t, p, w):
    """The correlation of the indicators, summed over the classes."""
    def covariance(a, b):
        return sum(mean([(x == c) * (y == c) for x, y in zip(a, b, strict=True)], w)
                   - mean([x == c for x in a], w) * mean([y == c for y in b], w) for c in set(t) | set(p))
    return covariance(t, p) / sqrt(covariance(t, t) * covariance(p, p))


def area(t, s, w, c=1):
    """The share of the pairs of a positive and another in which the positive has the higher score; a tie is half."""
    up = [(x, v) for a, x, v in zip(t, s, w, strict=True) if a == c]
    down = [(x, v) for a, x, v in zip(t, s, w, strict=True) if a != c]
    right = sum(v * u * ((x > y) + 0.5 * (x == y)) for x, v in up for y, u in down)
    return right / (sum(v for _, v in up) * sum(u for _, u in down))


def precision_area(t, s, w, c=1):
    total, before, all_up = 0.0, 0.0, sum(v for a, v in zip(t, w, strict=True) if a == c)
    for limit in sorted(set(s), reverse=True):
        taken = [(a, v) for a, x, v in zip(t, s, w, strict=True) if x >= limit]
        hits = sum(v for a, v in taken if a == c)
        total += (hits - before) / all_up * share(hits, sum(v for _, v in taken))
        before = hits
    return total


def against_rest(of, average):
    def formula(t, s, w):
        values = [of(t, [row[c] for row in s], w, c) for c in range(3)]
        return mean(values, [sum(v for a, v in zip(t, w, strict=True) if a == c) if average == "weighted" else 1
                             for c in range(3)])
    return formula


def micro(of):
    """All columns as one."""
    return lambda t, s, w: of([a == c for a in t for c in range(3)], [x for row in s for x in row],
                              [v for v in w for _ in range(3)])


def pairs(average):
    def formula(t, s, w):
        values, shares = [], []
        for a, b in ((0, 1), (0, 2), (1, 2)):
            rows = [(x, row, v) for x, row, v in zip(t, s, w, strict=True) if x in (a, b)]
            sides = [area([x for x, _, _ in rows], [row[c] for _, row, _ in rows], [v for *_, v in rows], c) for c in (a, b)]
            values.append(sum(sides) / 2)
            shares.append(sum(v for *_, v in rows) if average == "weighted" else 1)
        return mean(values, shares)
    return formula


def costs(t, p, w):
    own = [row[c] if isinstance(row, list) else row if c else 1 - row for c, row in zip(t, p, strict=True)]
    return mean([-log(x) for x in own], w)


def squares(t, p, w):
    if not isinstance(p[0], list):
        return mean([(b - a) ** 2 for a, b in zip(t, p, strict=True)], w)
    return mean([sum((x - (c == i)) ** 2 for i, x in enumerate(row)) for c, row in zip(t, p, strict=True)], w)


def errors(cost, finish=lambda x: x):
    """Mean of the cost of each error over each output, and the mean of these."""
    def formula(t, p, w):
        columns = zip(zip(*map(listed, t), strict=True), zip(*map(listed, p), strict=True), strict=True)
        values = [finish(mean([cost(a, b) for a, b in zip(x, y, strict=True)], w)) for x, y in columns]
        return sum(values) / len(values)
    return formula


def listed(x):
    return x if isinstance(x, list) else [x]


def explained(centred):
    def formula(t, p, w):
        values = []
        for x, y in zip(zip(*map(listed, t), strict=True), zip(*map(listed, p), strict=True), strict=True):
            left = [a - b for a, b in zip(x, y, strict=True)]
            middle, off = mean(x, w), mean(left, w) if centred else 0.0
            values.append(1 - mean([(e - off) ** 2 for e in left], w) / mean([(a - middle) ** 2 for a in x], w))
        return sum(values) / len(values)
    return formula


def median(t, p, w):
    """The least error with half of the weight at or below it; the mean with the next where that is exactly half."""
    values = []
    for x, y in zip(zip(*map(listed, t), strict=True), zip(*map(listed, p), strict=True), strict=True):
        rows, seen, found = sorted((abs(a - b), v) for a, b, v in zip(x, y, w, strict=True) if v), 0.0, nan
        for i, (error, v) in enumerate(rows):
            seen += v
            if seen >= sum(w) / 2 - 1e-15:
                found = (error + rows[i + 1][0]) / 2 if abs(seen - sum(w) / 2) < 1e-15 and i + 1 < len(rows) else error
                break
        values.append(found)
    return sum(values) / len(values)


def top(k):
    """Of equal scores the later class is the higher."""
    return lambda t, s, w: mean([c in sorted(range(3), key=lambda i: (row[i], i))[-k:] for c, row in zip(t, s, strict=True)], w)


def _shares():
    for name, made in (("precision", m.Precision), ("recall", m.Recall), ("f1", m.F1), ("f0.5", m.FBeta),
                       ("specificity", m.Specificity)):
        given = {"beta": 0.5} if name == "f0.5" else {}
        of = {"f0.5": "fbeta_score", "specificity": None}.get(name, f"{name}_score")
        for average in ("binary", "micro", "macro", "weighted"):
            data = ("two labels",) if average == "binary" else ("labels", "texts")
            for kind in data:
                yield Row(f"{name} {average}, {kind}", kind, lambda made=made, given=given, average=average: made(
                    average=average, **given), averaged(name, average), of and (
                    lambda k, t, p, w, of=of, given=given, average=average: getattr(k, of)(
                        t, p, sample_weight=w, average=average, zero_division=0, **given)))


def _ranked():
    for name, made, of, title in (("ROC AUC", m.ROCAUC, area, "roc_auc_score"),
                                  ("average precision", m.AveragePrecision, precision_area, "average_precision_score")):
        more = {"multi_class": "ovr"} if title == "roc_auc_score" else {}
        yield Row(name, "two", made, of, lambda k, t, p, w, title=title: getattr(k, title)(t, p, sample_weight=w))
        for average in ("macro", "weighted", "micro"):
            yield Row(f"{name} {average}", "classes", lambda made=made, average=average: made(average=average),
                      micro(of) if average == "micro" else against_rest(of, average),
                      lambda k, t, p, w, title=title, average=average, more=more: getattr(k, title)(
                          t, p, sample_weight=w, average=average, **more))
    for average in ("macro", "weighted"):
        yield Row(f"ROC AUC of pairs {average}", "classes",
                  lambda average=average: m.ROCAUC(multi_class="ovo", average=average), pairs(average),
                  lambda k, t, p, w, average=average: k.roc_auc_score(t, p, multi_class="ovo", average=average),
                  weights=False)


def _numbers():
    for kind in ("numbers", "outputs"):
        for name, made, formula, title in (
                ("MSE", m.MSE, errors(lambda a, b: (a - b) ** 2), "mean_squared_error"),
                ("RMSE", m.RMSE, errors(lambda a, b: (a - b) ** 2, sqrt), "root_mean_squared_error"),
                ("MAE", m.MAE, errors(lambda a, b: abs(a - b)), "mean_absolute_error"),
                ("MAPE", m.MAPE, errors(lambda a, b: abs(a - b) / abs(a)), "mean_absolute_percentage_error"),
                ("median absolute error", m.MedianAbsoluteError, median, "median_absolute_error"),
                ("R²", m.R2, explained(False), "r2_score"),
                ("explained variance", m.ExplainedVariance, explained(True), "explained_variance_score")):
            yield Row(f"{name}, {kind}", kind, made, formula,
                      lambda k, t, p, w, title=title: getattr(k, title)(t, p, sample_weight=w))


ROWS = [
    *(Row(f"accuracy, {kind}", kind, m.Accuracy, lambda t, p, w: mean([a == b for a, b in zip(t, p, strict=True)], w),
          lambda k, t, p, w: k.accuracy_score(t, p, sample_weight=w)) for kind in ("labels", "texts", "two labels")),
    Row("accuracy of scores", "classes, scores", m.Accuracy,
        lambda t, s, w: mean([row.index(max(row)) == c for c, row in zip(t, s, strict=True)], w),
        lambda k, t, p, w: k.accuracy_score(t, p.argmax(1), sample_weight=w)),
    Row("binary accuracy", "two", m.BinaryAccuracy,
        lambda t, p, w: mean([(x > 0.5) == c for c, x in zip(t, p, strict=True)], w),
        lambda k, t, p, w: k.accuracy_score(t, p > 0.5, sample_weight=w)),
    *(Row(f"top-{k}", "classes, scores", lambda n=k: m.TopKAccuracy(n), top(k),
          lambda k, t, p, w, n=k: k.top_k_accuracy_score(t, p, k=n, sample_weight=w)) for k in (1, 2)),
    *(Row(f"balanced accuracy, {kind}", kind, m.BalancedAccuracy, balanced,
          lambda k, t, p, w: k.balanced_accuracy_score(t, p, sample_weight=w)) for kind in ("labels", "texts")),
    *_shares(),
    *(Row(f"kappa {weights}", "labels", lambda weights=weights: m.CohenKappa(weights=weights), kappa(cost),
          lambda k, t, p, w, weights=weights: k.cohen_kappa_score(t, p, weights=weights, sample_weight=w))
      for weights, cost in ((None, bool), ("linear", int), ("quadratic", lambda d: d * d))),
    Row("Matthews", "labels", m.Matthews, matthews, lambda k, t, p, w: k.matthews_corrcoef(t, p, sample_weight=w)),
    *_ranked(),
    *(Row(f"log loss, {kind}", kind, m.LogLoss, costs, lambda k, t, p, w: k.log_loss(t, p, sample_weight=w))
      for kind in ("two", "classes")),
    *(Row(f"Brier, {kind}", kind, m.Brier, squares, lambda k, t, p, w: k.brier_score_loss(t, p, sample_weight=w))
      for kind in ("two", "classes")),
    Row("perplexity", "classes", m.Perplexity, lambda t, p, w: exp(costs(t, p, w)),
        lambda k, t, p, w: exp(k.log_loss(t, p, sample_weight=w))),
    *_numbers(),
    Row("max error", "numbers", m.MaxError, lambda t, p, w: max([abs(a - b) for a, b, v in zip(t, p, w, strict=True) if v],
                                                                default=-inf),
        lambda k, t, p, w: k.max_error(t, p), weights=False),
]
