"""How much each sample counts in the loss: weights of samples and of classes, checked and put together."""
from collections.abc import Mapping

import numpy as np

from cdl.data.labels import balanced


def weights_of(y, sample_weight, class_weight, who):
    """One weight for each sample of y, or None where all count alike.

    sample_weight : array_like or None
        One number ≥ 0 for each entry of y's first axis (or for each label).
    class_weight : dict, array_like, "balanced" or None
        What each class counts: by label, those left out 1; by position; or samples / (classes × samples of the class),
        so that every class that occurs counts the same in all.

    Raises
    ------
    ValueError
        For another number of weights, negative, NaN or infinite ones, labels without a weight, or all weights 0.
    TypeError
        For weights that are not numbers, or class weights where y holds no labels.
    """
    weights = None if sample_weight is None else _sample_weights(y, sample_weight, who)
    if class_weight is not None:
        labels = _labels(y, who)
        own = _class_weights(labels, class_weight, who)
        if weights is not None and weights.ndim < own.ndim:
            weights = weights.reshape(weights.shape + (1,) * (own.ndim - weights.ndim))
        weights = own if weights is None else own * weights
    if weights is not None and not weights.any():
        raise ValueError(f"{who}: all weights are 0, so no sample counts")
    return None if weights is None else np.ascontiguousarray(weights, np.float32)


def _sample_weights(y, sample_weight, who):
    weights = _numbers(sample_weight, f"{who}: sample_weight")
    if weights.ndim == 0 or weights.shape != y.shape[:weights.ndim]:
        raise ValueError(f"{who}: sample_weight needs one weight for each of the {len(y)} samples, got shape {weights.shape}")
    return weights


def _labels(y, who):
    """Integer labels from labels, one-hot rows, or a column of 0 and 1."""
    if y.dtype.kind in "iub":
        return y[..., 0] if y.ndim > 1 and y.shape[-1] == 1 else y.argmax(-1) if y.ndim > 1 and _one_hot(y) else y
    if y.dtype.kind == "f" and y.ndim > 1 and y.shape[-1] > 1 and _one_hot(y):
        return y.argmax(-1)
    if y.dtype.kind == "f" and (y == np.rint(y)).all():
        return (y[..., 0] if y.ndim > 1 and y.shape[-1] == 1 else y).astype(np.int64)
    raise TypeError(f"{who}: class_weight needs labels, integers or one-hot rows; y has dtype {y.dtype} and shape {y.shape} "
                    "(use sample_weight)")


def _one_hot(y):
    return bool(((y == 0) | (y == 1)).all() and (y.sum(-1) == 1).all())


def _class_weights(labels, class_weight, who):
    classes, inverse, counts = np.unique(labels, return_inverse=True, return_counts=True)
    if isinstance(class_weight, str):
        if class_weight != "balanced":
            raise ValueError(f"{who}: class_weight must be a dict, an array or 'balanced', got {class_weight!r}")
        of_class = balanced(counts)
    elif isinstance(class_weight, Mapping):
        given = dict(zip(class_weight, _numbers(list(class_weight.values()), f"{who}: class_weight"), strict=True))
        unknown = sorted(set(given) - set(classes.tolist()), key=str)
        if unknown:
            raise ValueError(f"{who}: class_weight names {', '.join(map(repr, unknown))}; the labels are "
                             f"{', '.join(map(str, classes))}")
        of_class = np.array([given.get(label, 1.0) for label in classes.tolist()])
    else:
        table = _numbers(class_weight, f"{who}: class_weight")
        if table.ndim != 1 or classes[0] < 0 or classes[-1] >= len(table):
            raise ValueError(f"{who}: class_weight needs a weight for each label from 0 to {classes[-1]}, got shape "
                             f"{table.shape}")
        of_class = table[classes.astype(np.int64)]
    return of_class[inverse].reshape(labels.shape)


def _numbers(weights, what):
    weights = np.asarray(weights)
    if weights.dtype.kind not in "fiub":
        raise TypeError(f"{what} must be numbers, got dtype {weights.dtype}")
    bad = ~(np.isfinite(weights) & (weights >= 0))
    if bad.any():
        where = np.unravel_index(bad.argmax(), bad.shape)
        raise ValueError(f"{what} must be finite and 0 or more, got {weights[where]} at {', '.join(map(str, where)) or 'it'}")
    return weights.astype(np.float64)
