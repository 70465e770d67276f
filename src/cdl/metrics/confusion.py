"""Which class was taken for which, as a table and as a report."""
import numpy as np

from cdl._core.check import number, positive_integer
from cdl.extras import nearest
from cdl.metrics.averages import averaged, shares
from cdl.metrics.labels import CountsMetric, TableMetric, spread

__all__ = ["ClassificationReport", "ConfusionMatrix", "classification_report", "confusion_matrix"]

class ConfusionMatrix(TableMetric):
    """Streaming `confusion_matrix`; `classes` are those of its rows and columns."""

    name, is_number = "confusion_matrix", False

    def __init__(self, *, labels=None, normalize=None, threshold=0.5):
        super().__init__(labels=labels, threshold=threshold)
        if normalize not in (None, "true", "pred", "all"):
            raise ValueError(f"{self.name}: normalize must be None, 'true', 'pred' or 'all', got "
                             f"{normalize!r}{nearest(normalize, ('true', 'pred', 'all'))}")
        self.normalize = normalize

    @property
    def classes(self):
        """The classes of the samples so far, or the labels given."""
        return self.labels if self.labels is not None else [] if self._state is None else self._state[0].tolist()

    def _value(self, state):
        table = self._table(state)
        if self.normalize is None:
            return table.copy()
        axis = {"true": 1, "pred": 0, "all": (0, 1)}[self.normalize]
        return shares(table, table.sum(axis=axis, keepdims=True), 0.0)


def confusion_matrix(y_true, y_pred, *, sample_weight=None, labels=None, normalize=None, threshold=0.5):
    """How often class i, a row, was taken for class j, a column.

    Parameters
    ----------
    y_true, y_pred, sample_weight, threshold : as for `accuracy`
    labels : sequence, optional
        The classes of the rows and columns; samples of others are left out. Default: those of y_true or y_pred, sorted.
    normalize : {None, "true", "pred", "all"}
        Shares of each row, of each column, or of all, instead of counts; 0 where there is nothing.

    Returns
    -------
    ndarray of shape (C, C)
        int64 counts; float64 with weights or as shares.

    Raises
    ------
    ValueError
        As `accuracy`, for an unknown normalize, or more than 8,192 classes.

    Examples
    --------
    >>> confusion_matrix([0, 0, 1, 2], [0, 1, 1, 2])
    array([[1, 1, 0],
           [0, 1, 0],
           [0, 0, 1]])
    >>> confusion_matrix(["cat", "dog"], ["dog", "dog"], labels=["dog", "cat"], normalize="true")
    array([[1., 0.],
           [1., 0.]])
    """
    return ConfusionMatrix(labels=labels, normalize=normalize, threshold=threshold)(y_true, y_pred, sample_weight)


class ClassificationReport(CountsMetric):
    """Streaming `classification_report`."""

    name, is_number = "classification_report", False

    def __init__(self, *, labels=None, target_names=None, digits=2, output_dict=False, zero_division=0.0, threshold=0.5):
        super().__init__(threshold=threshold)
        self.labels = None if labels is None else list(labels)
        self.target_names = None if target_names is None else [str(name) for name in target_names]
        self.digits, self.output_dict = positive_integer(digits, self.name, "digits"), output_dict
        self.zero_division = number(zero_division, self.name, "zero_division")

    def _value(self, state):
        classes, sums = state
        labels = classes.tolist() if self.labels is None else self.labels
        names = [str(label) for label in labels] if self.target_names is None else self.target_names
        if len(names) != len(labels):
            raise ValueError(f"{self.name}: {len(names)} target_names for {len(labels)} classes")
        whole = set(classes.tolist()) <= set(labels)
        sums = spread(classes, sums, labels, 1)
        rows = dict(zip(names, self._rows(sums).T, strict=True))
        hits = sums.sum(axis=1, keepdims=True)
        micro = self._rows(hits)[:, 0]
        figures = {name: _figures(row) for name, row in rows.items()}
        figures |= {"accuracy": float(micro[0])} if whole else {"micro avg": _figures(micro)}
        for average in ("macro", "weighted"):
            means = [averaged(values, average, sums[0]) for values in self._rows(sums)[:3]]
            figures[f"{average} avg"] = _figures([*means, sums[0].sum()])
        return figures if self.output_dict else self._text(figures)

    def _rows(self, sums):
        """Precision, recall, F1 and support, a column for each class."""
        true, predicted, hits = sums
        parts = ((hits, predicted), (hits, true), (2 * hits, true + predicted))
        return np.stack([*(shares(over, under, self.zero_division) for over, under in parts), true])

    def _text(self, figures):
        width = max(map(len, figures))
        lines = [" " * width + "".join(f"{title:>11}" for title in ("precision", "recall", "f1-score", "support")), ""]
        whole = figures["macro avg"]["support"]
        for name, row in figures.items():
            if name == "accuracy":
                cells = ["", "", f"{row:.{self.digits}f}", f"{whole:g}"]
            else:
                cells = [f"{value:.{self.digits}f}" for value in list(row.values())[:3]] + [f"{row['support']:g}"]
            if name in ("accuracy", "micro avg"):
                lines.append("")
            lines.append(f"{name:>{width}}" + "".join(f"{cell:>11}" for cell in cells))
        return "\n".join(lines) + "\n"


def _figures(row):
    return dict(zip(("precision", "recall", "f1-score", "support"), map(float, row), strict=True))


def classification_report(y_true, y_pred, *, sample_weight=None, labels=None, target_names=None, digits=2, output_dict=False,
                          zero_division=0.0, threshold=0.5):
    """Precision, recall, F1 and number of samples (support) of each class and on average.

    Parameters
    ----------
    y_true, y_pred, sample_weight, threshold : as for `accuracy`
    labels : sequence, optional
        The classes to report, in this order. Default: those of y_true or y_pred, sorted.
    target_names : sequence of str, optional
        Their names, as many.
    digits : int
        Places after the point in the text.
    output_dict : bool
        Whether to return a dict of dicts of floats instead of a text; "accuracy" is a float there.
    zero_division : float
        As for `precision`.

    Returns
    -------
    str or dict

    Examples
    --------
    >>> print(classification_report([0, 0, 1, 1], [0, 1, 1, 1], target_names=["cat", "dog"]))
                   precision     recall   f1-score    support
    <BLANKLINE>
             cat        1.00       0.50       0.67          2
             dog        0.67       1.00       0.80          2
    <BLANKLINE>
        accuracy                              0.75          4
       macro avg        0.83       0.75       0.73          4
    weighted avg        0.83       0.75       0.73          4
    <BLANKLINE>
    """
    return ClassificationReport(labels=labels, target_names=target_names, digits=digits, output_dict=output_dict,
                                zero_division=zero_division, threshold=threshold)(y_true, y_pred, sample_weight)
