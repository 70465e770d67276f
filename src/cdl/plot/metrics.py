"""Pictures of how good predictions are."""
import numpy as np

from cdl.extras import require
from cdl.plot.picture import Picture, axes_of

__all__ = ["confusion_matrix", "precision_recall_curve", "reliability", "roc_curve"]

# Beyond so many classes the counts are too small to be read; the colours remain.
_NUMBERED = 20
_MOST_CLASSES = 2000     # of a confusion matrix: 32 MB of counts


def confusion_matrix(y_true, y_pred, classes=None, *, normalize=False, ax=None):
    """Draw how often class i (a row) was taken for class j (a column): `cdl.metrics.confusion_matrix`.

    Parameters
    ----------
    y_true : array_like
        Labels (N,), integers from 0 on or texts, or one-hot rows (N, C).
    y_pred : array_like
        Labels, or scores (N, C), whose largest counts: what ``model.predict`` gives.
    classes : sequence of str, optional
        The names of the classes 0, 1, …; of texts the classes themselves, in their order. Default: their numbers, or the
        texts, sorted.
    normalize : bool or {"true", "pred", "all"}, default False
        Shares of each row (True or "true"), of each column or of all, instead of counts; 0 where there is nothing.
    ax : matplotlib.axes.Axes, optional
        Where to draw; without it a new figure is made.

    Returns
    -------
    Picture
        The array has shape (C, C): int64 counts, or float64 shares.

    Raises
    ------
    ValueError
        For no samples, labels of another shape or number, fewer names than classes.
    TypeError
        For labels that are neither integers nor texts.
    IndexError
        For a negative label.
    ImportError
        matplotlib is not installed.

    Examples
    --------
    >>> picture = confusion_matrix([0, 0, 1, 2], [0, 1, 1, 2], ["cat", "dog", "hen"])
    >>> picture.array
    array([[1, 1, 0],
           [0, 1, 0],
           [0, 0, 1]])
    """
    who = "plot.confusion_matrix"
    require("matplotlib.pyplot", "plot", who)
    from cdl import metrics  # when they are needed: `import cdl` is quicker without them
    from cdl.metrics.inputs import decided

    columns = max((np.shape(y)[1] for y in (y_true, y_pred) if np.ndim(y) == 2), default=0)
    true, predicted = decided(y_true, y_pred, who)
    if true.dtype.kind in "iub" and predicted.dtype.kind in "iub":
        labels, names = _numbered(true, predicted, columns, classes, who)
    else:
        labels = sorted({*true.tolist(), *predicted.tolist()}) if classes is None else list(classes)
        names = [str(label) for label in labels]
    normalize = "true" if normalize is True else normalize or None
    array = metrics.confusion_matrix(true, predicted, labels=labels, normalize=normalize)
    return Picture(_draw_matrix(array, names, ax), array)


def _numbered(true, predicted, columns, classes, who):
    """The classes 0, 1, … and their names."""
    for name, labels in (("y_true", true), ("y_pred", predicted)):
        if labels.min() < 0:
            raise IndexError(f"{who}: {name} has the label {labels.min()}; labels begin with 0")
    count = max(int(true.max()) + 1, int(predicted.max()) + 1, columns)
    if count > _MOST_CLASSES:
        raise ValueError(f"{who}: the label {count - 1} asks for {count} classes, and {_MOST_CLASSES} are the most that fit a "
                         "picture; number the classes from 0 and leave out labels that are to be ignored")
    names = [str(i) for i in range(count)] if classes is None else [str(name) for name in classes]
    if len(names) < count:
        raise ValueError(f"{who}: {len(names)} names for {count} classes")
    return range(len(names)), names


def roc_curve(y_true, y_pred, classes=None, *, ax=None):
    """Draw the ROC curve: which share of the positives is found at which share of false alarms (`cdl.metrics.roc_curve`).

    Parameters
    ----------
    y_true : array_like
        Labels (N,): two for scores of one class, the greater is the positive one; else 0 … C - 1.
    y_pred : array_like
        Scores (N,) or (N, 1) of the positive class, or (N, C): a curve for each class against the rest.
    classes : sequence of str, optional
        Names of the C classes.
    ax : matplotlib.axes.Axes, optional
        Where to draw; without it a new figure is made.

    Returns
    -------
    Picture
        The array has a row for each point, (class, false positives, true positives), class 0 for scores of one class.

    Raises
    ------
    ValueError
        As `cdl.metrics.roc_curve`; for names that are not as many as classes.
    ImportError
        matplotlib is not installed.

    Examples
    --------
    >>> roc_curve([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]).array[:, 1:].tolist()
    [[0.0, 0.0], [0.0, 0.5], [0.5, 0.5], [0.5, 1.0], [1.0, 1.0]]
    """
    from cdl import metrics

    return _curves("plot.roc_curve", y_true, y_pred, classes, ax, lambda t, s: metrics.roc_curve(t, s)[:2], metrics.roc_auc,
                   ("false positives", "true positives"), [0, 1])


def precision_recall_curve(y_true, y_pred, classes=None, *, ax=None):
    """Draw the precision over the recall, at every threshold (`cdl.metrics.precision_recall_curve`).

    Parameters and errors as for `roc_curve`.

    Returns
    -------
    Picture
        The array has a row for each point, (class, recall, precision).

    Examples
    --------
    >>> precision_recall_curve([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]).array[:, 1:].tolist()
    [[1.0, 0.5], [1.0, 0.6666666666666666], [0.5, 0.5], [0.5, 1.0], [0.0, 1.0]]
    """
    from cdl import metrics

    return _curves("plot.precision_recall_curve", y_true, y_pred, classes, ax,
                   lambda t, s: metrics.precision_recall_curve(t, s)[1::-1], metrics.average_precision,
                   ("recall", "precision"), None)


def _curves(who, y_true, y_pred, classes, ax, curve, area, labels, chance):
    require("matplotlib.pyplot", "plot", who)
    scores, y_true = np.asarray(y_pred), np.asarray(y_true)
    scores = scores[:, 0] if scores.ndim == 2 and scores.shape[1] == 1 else scores
    if scores.ndim not in (1, 2):
        raise ValueError(f"{who}: expected scores (N,) or (N, C), got shape {scores.shape}")
    parts = [(y_true, scores)] if scores.ndim == 1 else [(y_true == c, scores[:, c]) for c in range(scores.shape[1])]
    names = [None] * len(parts) if classes is None and scores.ndim == 1 else classes or list(map(str, range(len(parts))))
    if len(names) != len(parts):
        raise ValueError(f"{who}: {len(names)} names for {len(parts)} classes")
    ax, rows = axes_of(ax, (4.8, 4.6)), []
    for c, (name, part) in enumerate(zip(names, parts, strict=True)):
        x, y = curve(*part)
        rows.append(np.stack([np.full(len(x), float(c)), x, y], axis=1))
        ax.plot(x, y, label=f"{name}: {area(*part):.3f}" if name is not None else f"area {area(*part):.3f}",
                drawstyle="default" if chance else "steps-post")
    if chance:
        ax.plot(chance, chance, ":", color="grey", label="chance")
    _unit_square(ax, *labels)
    return Picture(ax.figure, np.concatenate(rows))


def reliability(y_true, y_pred, *, bins=10, strategy="uniform", ax=None):
    """Draw how often what was predicted with a probability happened: on the diagonal it is as often as predicted.

    Parameters
    ----------
    y_true, y_pred, bins, strategy : as for `cdl.metrics.calibration_curve`
        Labels 0 and 1, and probabilities of 1, in so many ranges.
    ax : matplotlib.axes.Axes, optional
        Where to draw; without it a new figure is made.

    Returns
    -------
    Picture
        The array has shape (ranges with samples, 2): mean probability, share that happened.

    Raises
    ------
    ValueError
        As `cdl.metrics.calibration_curve`.
    ImportError
        matplotlib is not installed.

    Examples
    --------
    >>> reliability([0, 0, 1, 1], [0.1, 0.3, 0.7, 0.9], bins=2).array
    array([[0.2, 0. ],
           [0.8, 1. ]])
    """
    require("matplotlib.pyplot", "plot", "plot.reliability")
    from cdl import metrics

    happened, predicted = metrics.calibration_curve(y_true, y_pred, bins=bins, strategy=strategy)
    ax = axes_of(ax, (4.8, 4.6))
    ax.plot([0, 1], [0, 1], ":", color="grey", label="as often as predicted")
    ax.plot(predicted, happened, "o-", label="the predictions")
    _unit_square(ax, "predicted probability", "share that happened")
    return Picture(ax.figure, np.stack([predicted, happened], axis=1))


def _unit_square(ax, x, y):
    ax.set(xlabel=x, ylabel=y, xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    ax.set_aspect("equal")
    ax.legend(fontsize="small")


def _draw_matrix(array, names, ax):
    side = 2 + 0.45 * min(len(names), _NUMBERED)
    ax = axes_of(ax, (side + 0.6, side))
    image = ax.imshow(array, cmap="Blues", vmin=0, vmax=max(array.max(), 1e-9))
    ax.figure.colorbar(image, ax=ax, shrink=0.8)
    if len(names) <= _NUMBERED:
        for (i, j), value in np.ndenumerate(array):
            ax.text(j, i, f"{value:.2f}" if array.dtype.kind == "f" else str(value), ha="center", va="center",
                    fontsize="small", color="silver" if not value else "white" if value > array.max() / 2 else "black")
    if len(names) <= _NUMBERED or any(not name.isdigit() for name in names):
        small = "small" if len(names) <= _NUMBERED else "xx-small"
        ax.set_xticks(range(len(names)), names, rotation=45 if max(map(len, names)) > 3 else 0, fontsize=small,
                      ha="right" if max(map(len, names)) > 3 else "center", rotation_mode="anchor")
        ax.set_yticks(range(len(names)), names, fontsize=small)
    ax.set_xlabel("predicted")
    ax.set_ylabel("true")
    return ax.figure
