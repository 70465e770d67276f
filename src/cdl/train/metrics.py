"""Figures beside the loss that say how good a model is."""
import numpy as np

from cdl import losses

__all__ = ["accuracy", "binary_accuracy"]


def accuracy(y_true, y_pred, *, sample_weight=None):
    """The share of samples whose largest output is at the label.

    Parameters
    ----------
    y_true : array_like
        Integer labels of shape (...,), or one-hot rows (..., C).
    y_pred : array_like or Tensor
        Scores of shape (..., C): logits or probabilities.
    sample_weight : array_like, optional
        How much each sample counts.

    Raises
    ------
    ValueError
        For labels of another shape.

    Examples
    --------
    >>> accuracy([0, 1], [[0.9, 0.1], [0.8, 0.2]])
    0.5
    """
    y_true, y_pred = np.asarray(y_true), np.asarray(y_pred)
    labels = y_true.argmax(-1) if y_true.shape == y_pred.shape else y_true
    if labels.shape != y_pred.shape[:-1]:
        raise ValueError(f"accuracy: expected labels of shape {y_pred.shape[:-1]} or one-hot rows of shape {y_pred.shape}, "
                         f"got {y_true.shape}")
    return _share(y_pred.argmax(-1) == labels, sample_weight)


def binary_accuracy(y_true, y_pred, *, sample_weight=None):
    """The share of samples whose probability lies on the label's side of ½.

    Examples
    --------
    >>> binary_accuracy([0, 1], [0.2, 0.4])
    0.5
    """
    y_true, y_pred = np.asarray(y_true), np.asarray(y_pred)
    if y_true.shape != y_pred.shape:
        raise ValueError(f"binary_accuracy: expected labels of y_pred's shape {y_pred.shape}, got {y_true.shape}")
    return _share((y_pred > 0.5) == (y_true > 0.5), sample_weight)


def _share(right, sample_weight):
    if sample_weight is None:
        return float(np.count_nonzero(right) / right.size)
    weights = np.asarray(sample_weight)
    weights = np.broadcast_to(weights.reshape(weights.shape + (1,) * (right.ndim - weights.ndim)), right.shape)
    return float(np.average(right, weights=weights))


def metrics_for(loss):
    """The figures that go with a loss, by name."""
    if loss is losses.cross_entropy:
        return {"accuracy": accuracy}
    return {"accuracy": binary_accuracy} if loss is losses.binary_cross_entropy else {}
