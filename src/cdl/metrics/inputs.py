"""What all metrics ask of their arguments: arrays of one length, numbers without NaN, weights, labels."""
import numpy as np

__all__ = ["arrays", "columns_of", "decided", "hottest", "in_range", "integers", "no_nan", "scored", "weights_for"]


def arrays(y_true, y_pred, who):
    """Both as arrays of as many samples, one at least."""
    if isinstance(y_true, np.ma.MaskedArray) or isinstance(y_pred, np.ma.MaskedArray):
        raise TypeError(f"{who}: masked arrays are not supported; fill the masked values first, with y.filled(value)")
    y_true, y_pred = np.asarray(y_true), np.asarray(y_pred)
    if y_true.ndim == 0 or y_pred.ndim == 0 or len(y_true) != len(y_pred):
        lengths = [len(y) if y.ndim else "a single value" for y in (y_true, y_pred)]
        raise ValueError(f"{who}: y_true and y_pred need one entry for each sample, got {lengths[0]} and {lengths[1]}")
    if not y_true.size or not y_pred.size:
        raise ValueError(f"{who}: there are no samples (y_true has shape {y_true.shape}, y_pred {y_pred.shape})")
    return y_true, y_pred


def no_nan(y, who, name):
    """Refuse NaN; the least of numbers with a NaN among them is NaN, and takes one pass without a copy."""
    if y.dtype.kind == "f" and np.isnan(y.min()):
        place = np.unravel_index(np.isnan(y).argmax(), y.shape)
        raise ValueError(f"{who}: {name} holds NaN, first at {', '.join(map(str, place))}")
    return y


def weights_for(sample_weight, shape, who):
    """Weights of all values of an array of this shape, flat and float64, from one for each sample; None stays None."""
    if sample_weight is None:
        return None
    weights = np.asarray(sample_weight)
    if weights.dtype.kind not in "fiub":
        raise TypeError(f"{who}: sample_weight must be numbers, got dtype {weights.dtype}")
    if weights.ndim == 0 or weights.shape != shape[:weights.ndim]:
        raise ValueError(f"{who}: sample_weight needs one weight for each of the {shape[0]} samples, got shape {weights.shape}")
    if not (weights.min() >= 0 and weights.max() < np.inf):      # false for NaN
        bad = weights[~(np.isfinite(weights) & (weights >= 0))][0]
        raise ValueError(f"{who}: sample_weight must be finite and 0 or more, got {bad}")
    weights = weights.astype(np.float64, copy=False)
    if weights.ndim < len(shape):
        weights = np.broadcast_to(weights.reshape(weights.shape + (1,) * (len(shape) - weights.ndim)), shape)
    return weights.reshape(-1)


def integers(labels, who, name):
    """Labels as they are, or whole numbers of a floating type as integers."""
    if labels.dtype.kind != "f":
        return labels
    whole = labels.astype(np.int64) if np.isfinite(labels).all() else None
    if whole is None or not np.array_equal(whole, labels):
        raise TypeError(f"{who}: {name} must hold labels, whole numbers or texts, got fractions or NaN")
    return whole


def decided(y_true, y_pred, who, threshold=0.5):
    """True and predicted labels, of one shape, from what `cdl.metrics` takes for them.

    y_pred may hold labels of y_true's shape; scores (…, C), whose largest counts; or probabilities of class 1, of
    y_true's shape (N,) or as a column, which are compared with the threshold. y_true may hold labels or, beside scores or
    labels without that axis, one-hot rows.
    """
    y_true, y_pred = arrays(y_true, y_pred, who)
    column = y_pred.ndim > 1 and y_pred.shape[-1] == 1
    if column:      # one value a sample
        y_pred = y_pred[..., 0]
    y_true = _without_column(y_true, y_pred.shape)
    if y_true.shape == y_pred.shape:
        if y_pred.dtype.kind != "f":
            if (y_true.dtype.kind in "US") != (y_pred.dtype.kind in "US") and "O" not in (y_true.dtype.kind, y_pred.dtype.kind):
                raise TypeError(f"{who}: labels must be all numbers or all texts; got dtypes {y_true.dtype} and {y_pred.dtype}")
            return integers(y_true, who, "y_true"), y_pred
        if y_pred.ndim == 1 or column:
            return _thresholded(y_true, y_pred, who, threshold)
        return hottest(y_true, who), no_nan(y_pred, who, "y_pred").argmax(-1)
    if y_true.shape == y_pred.shape[:-1] and y_pred.dtype.kind in "fiub":
        return in_range(y_true, y_pred.shape[-1], who), no_nan(y_pred, who, "y_pred").argmax(-1)
    if y_true.shape[:-1] == y_pred.shape and y_true.dtype.kind in "fiub":
        return hottest(y_true, who), integers(y_pred, who, "y_pred")
    raise ValueError(f"{who}: expected y_pred with labels of y_true's shape {y_true.shape}, or scores with one axis more, or "
                     f"one-hot rows in y_true; got y_pred of shape {y_pred.shape}")


def _without_column(y_true, shape):
    return y_true[..., 0] if y_true.shape == (*shape, 1) else y_true


def in_range(labels, classes, who):
    """Labels that number the columns of scores."""
    labels = integers(labels, who, "y_true")
    if labels.dtype.kind not in "iub":
        raise TypeError(f"{who}: beside scores y_true must hold integer labels, got dtype {labels.dtype}")
    least, most = int(labels.min()), int(labels.max())
    if least < 0 or most >= classes:
        raise IndexError(f"{who}: the label {least if least < 0 else most} is none of the {classes} columns of y_pred, which "
                         f"are numbered from 0 to {classes - 1}")
    return labels


def scored(y_true, y_pred, who):
    """Labels, flat, the scores of each, (N, C), C = 1 for scores of one class, and the shape that the labels had."""
    y_true, y_pred = arrays(y_true, y_pred, who)
    if y_pred.dtype.kind not in "fiub":
        raise TypeError(f"{who}: y_pred must hold scores, got dtype {y_pred.dtype}")
    if y_pred.ndim == 1 or y_pred.shape[-1] == 1:
        y_pred = y_pred.reshape(*y_pred.shape[:max(1, y_pred.ndim - 1)], 1)
        y_true = _without_column(y_true, y_pred.shape[:-1])
    elif y_true.shape == y_pred.shape:
        y_true = hottest(y_true, who)
    if y_true.shape != y_pred.shape[:-1]:
        raise ValueError(f"{who}: expected y_pred of shape {(*y_true.shape, 'C')}, or for two classes {y_true.shape}; got "
                         f"{y_pred.shape if y_pred.shape[-1] > 1 else y_pred.shape[:-1]}")
    return y_true.reshape(-1), no_nan(y_pred, who, "y_pred").reshape(-1, y_pred.shape[-1]), y_true.shape


def columns_of(y_true, columns, labels, who):
    """The column of scores of each sample's class: `labels` in their order, 0 … C - 1 by default, sorted for texts."""
    if labels is None and y_true.dtype.kind in "iufb":
        return in_range(y_true, columns, who).astype(np.int64, copy=False)
    items = y_true.tolist()
    classes = sorted(set(items)) if labels is None else labels
    if len(classes) != columns:
        raise ValueError(f"{who}: {len(classes)} classes for {columns} columns of y_pred; give labels, one for each column")
    place = {label: i for i, label in enumerate(classes)}
    unknown = [label for label in set(items) if label not in place]
    if unknown:
        raise IndexError(f"{who}: y_true holds {unknown[0]!r}, which is none of the labels {', '.join(map(repr, classes[:9]))}")
    return np.fromiter(map(place.__getitem__, items), np.int64, len(items))


def hottest(rows, who):
    """The place of the 1 in each one-hot row (of the largest share, for soft labels)."""
    rows = no_nan(rows, who, "y_true")
    if rows.dtype.kind not in "fiub" or abs(rows.sum(-1) - 1.0).max() > 1e-3:
        raise ValueError(f"{who}: rows of y_true must be one-hot, of sum 1; where a sample has several labels with a "
                         "probability each, give y_pred[..., None]")
    return rows.argmax(-1)


def _thresholded(y_true, y_pred, who, threshold):
    """Labels 0 and 1 from probabilities; both as they are where they are whole numbers beyond these."""
    least, most = no_nan(y_pred, who, "y_pred").min(), y_pred.max()
    if 0 < threshold < 1 and not (least >= 0 and most <= 1 + 1e-6):
        if y_true.dtype.kind in "fiub" and np.array_equal(y_pred, np.rint(y_pred)):
            return integers(y_true, who, "y_true"), integers(y_pred, who, "y_pred")
        raise ValueError(f"{who}: y_pred holds {least if least < 0 else most}, which is no probability; for logits give "
                         "threshold=0, labels are to be whole numbers")
    if y_true.dtype.kind not in "fiub" or not np.isin(y_true, (0, 1)).all():
        raise ValueError(f"{who}: beside probabilities (N,) y_true must hold the labels 0 and 1; give y_pred as scores (N, C), "
                         "or as labels")
    return y_true.astype(np.int64), (y_pred > threshold).astype(np.int64)
