"""What the outputs of a network stand for: classes, sets of classes, numbers."""
import numpy as np
from sklearn.utils import column_or_1d
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets, type_of_target

from cdl._core.kernels import LOSS
from cdl._core.loss import loss as fused
from cdl.losses import binary_cross_entropy

__all__ = ["Classes", "column", "labels_or_indicators", "logistic_loss", "weights_of_classes"]


def logistic_loss(y_true, z, *, sample_weight=None):
    """Cross-entropy of labels 0 and 1 from scores z, the sum over the labels of a sample, mean over samples."""
    if sample_weight is None:       # the labels are known to be 0 and 1: they are not looked through in every batch
        loss = fused("logistic_loss", LOSS["binary_logits"], y_true, z, "mean", 0.0)
    else:
        loss = binary_cross_entropy(y_true, z, from_logits=True, sample_weight=sample_weight)
    return loss if z.shape[1] == 1 else loss * z.shape[1]


class Classes:
    """The labels of a classifier, and how a network with `outputs` outputs tells them.

    kind : {"multiclass", "logistic", "multilabel"}
        One output for each class, of which a softmax makes probabilities; one for the second of two classes, and a
        sigmoid; one for each label that a sample may have, and sigmoids.
    """

    def __init__(self, labels, kind):
        self.labels, self.kind = labels, kind
        self.outputs = 1 if kind == "logistic" else len(labels)

    @classmethod
    def of(cls, y, who, *, logistic):
        """Those of the targets y; `logistic`: whether two classes get one output."""
        if y.ndim == 2:
            return cls(np.arange(y.shape[1]), "multilabel")
        return cls.known(np.unique(y), who, logistic=logistic)

    @classmethod
    def known(cls, labels, who, *, logistic):
        """Those that are given as a sorted array."""
        if len(labels) < 2:
            raise ValueError(f"{who}: y has one class only, {labels.tolist()[0]!r}; a classifier needs "
                             "samples of two classes or more")
        return cls(labels, "logistic" if logistic and len(labels) == 2 else "multiclass")

    def encoded(self, y, dtype, who):
        """Targets as the loss takes them: positions of the classes, or 0 and 1 in columns."""
        if self.kind == "multilabel":
            if y.ndim != 2 or y.shape[1] != len(self.labels):
                raise ValueError(f"{who}: y must have the {len(self.labels)} columns it had before, got shape {y.shape}")
            return np.ascontiguousarray(y, dtype)
        if y.ndim != 1:
            raise ValueError(f"{who}: y must be labels, one for each sample, as before; got shape {y.shape}")
        codes = np.minimum(np.searchsorted(self.labels, y), len(self.labels) - 1)
        unknown = self.labels[codes] != y
        if unknown.any():
            raise ValueError(f"{who}: `y` has classes not in `self.classes_`: {np.unique(y[unknown])}; they are {self.labels}")
        return codes.astype(dtype)[:, None] if self.kind == "logistic" else codes.astype(np.int64, copy=False)

    def given_back(self, codes):
        """Labels from targets as `encoded` gave them."""
        if self.kind == "multilabel":
            return codes.astype(int)
        return self.labels[codes[:, 0].astype(int) if self.kind == "logistic" else codes]

    def decoded(self, z):
        """Labels from scores before softmax or sigmoid."""
        if self.kind == "multilabel":
            return (z > 0).astype(int)
        return self.labels[(z[:, 0] > 0).astype(int) if self.kind == "logistic" else z.argmax(axis=1)]

    def probabilities(self, z):
        """Probabilities from scores before softmax or sigmoid, a column for each class."""
        if self.kind == "multiclass":
            e = np.exp(z - z.max(axis=1, keepdims=True))
            return e / e.sum(axis=1, keepdims=True)
        e = np.exp(-np.abs(z))
        p = np.where(z >= 0, 1, e) / (1 + e)
        return np.hstack([1 - p, p]) if self.kind == "logistic" else p

    def decisions(self, z):
        """Scores as scikit-learn's decision functions give them: (n,) for two classes, above 0 for the second."""
        if self.kind == "multilabel" or len(self.labels) > 2:
            return z
        return z[:, 0] if self.kind == "logistic" else z[:, 1] - z[:, 0]


def labels_or_indicators(y, who):
    """Raise ValueError where y is neither labels, one for each sample, nor rows of 0 and 1."""
    kind = type_of_target(y, input_name="y")
    if kind == "multiclass-multioutput":
        raise ValueError(f"{who}: several labels of more than two classes each are not supported; fit one classifier for "
                         "each column (sklearn.multioutput.MultiOutputClassifier)")
    if kind not in ("binary", "multiclass", "multilabel-indicator"):
        check_classification_targets(y)     # it says what is wrong


def column(y):
    """Targets of one column as a vector, with scikit-learn's warning."""
    if y.ndim == 2 and y.shape[1] == 1:
        return column_or_1d(y, warn=True)
    return y


def weights_of_classes(class_weight, y, weights, who):
    """The weights of the samples times those of their classes; None where all count alike.

    who : str or None
        Whose message it is that only one class counts; None where that may be.
    """
    if class_weight is not None:
        try:
            if who is None and isinstance(class_weight, dict) and y.ndim == 1:      # a batch need not have every class
                own = np.array([class_weight.get(label, 1.0) for label in y.tolist()], np.float64)
            else:
                own = compute_sample_weight(class_weight, y)
        except ValueError as error:
            raise ValueError(f"class_weight: {error}") from None
        weights = own if weights is None else own * weights
    if who is not None and weights is not None and y.ndim == 1 and len(np.unique(y[weights > 0])) < 2:
        raise ValueError(f"{who}: only samples of one class have a weight above 0; a classifier needs two classes or more")
    return weights
