"""What a report shows of the predictions of a validation: which class was taken for which, or true values against predicted."""
import numpy as np

__all__ = ["Predictions"]

# More classes than this make no picture, and their counts would not be small any more.
MOST_CLASSES = 200
# So many points show where they lie; more only cover each other.
MOST_POINTS = 1000


class Predictions:
    """Gathers the validation of an epoch, shown to it batch by batch.

    Parameters
    ----------
    loss : callable, optional
        That of the training: it says whether numbers are probabilities, and rows of targets classes.

    Attributes
    ----------
    kind : {None, "classes", "values"}
        Classes where the targets are integers (or one-hot rows) and the predictions scores, else values.
    """

    def __init__(self, *, loss=None):
        self._loss = getattr(loss, "__name__", "")
        self.reset()

    def reset(self):
        """Forget the epoch before."""
        self.kind = None
        self._matrix = np.zeros((0, 0), np.int64)
        self._points, self._seen, self._stride = [], 0, 1

    def update(self, y_true, y_pred, sample_weight=None):
        """Look at a batch."""
        y_true, y_pred = np.asarray(y_true), np.asarray(y_pred)
        labels = self._labels(y_true, y_pred)
        if labels is not None:
            self._count(*labels)
        elif self.kind != "too many" and y_true.size == y_pred.size and y_true.dtype.kind in "fiub":
            self.kind = "values"
            self._keep(np.stack([y_true.reshape(-1), y_pred.reshape(-1)], axis=1).astype(np.float64))

    def _labels(self, y_true, y_pred):
        """Classes, true and predicted, with how many there may be; None where this is no classification."""
        if self._loss == "binary_cross_entropy":
            return (y_true.reshape(-1) > 0.5).astype(np.int64), (y_pred.reshape(-1) > 0.5).astype(np.int64), 2
        if y_pred.ndim < 2 or y_pred.shape[-1] < 2:
            return None
        predicted = y_pred.argmax(axis=-1).reshape(-1)
        if y_true.dtype.kind in "iub" and y_true.size == predicted.size:
            return y_true.reshape(-1).astype(np.int64), predicted, y_pred.shape[-1]
        if self._loss == "cross_entropy" and y_true.shape == y_pred.shape:
            return y_true.argmax(axis=-1).reshape(-1), predicted, y_pred.shape[-1]
        return None

    def _count(self, true, predicted, classes):
        if classes > MOST_CLASSES:
            self.kind = "too many"
            return
        if self.kind is None:
            self.kind, self._matrix = "classes", np.zeros((classes, classes), np.int64)
        inside = (true >= 0) & (true < classes)         # labels that the loss ignores are no class
        cells = true[inside] * classes + predicted[inside]
        self._matrix += np.bincount(cells, minlength=classes * classes).reshape(classes, classes)

    def _keep(self, points):
        """Every so many-th point: at most twice as many as are shown, spread over the whole epoch."""
        self._points.append(points[-self._seen % self._stride::self._stride])
        self._seen += len(points)
        while sum(map(len, self._points)) > 2 * MOST_POINTS:
            self._points = [np.concatenate(self._points)[::2]]
            self._stride *= 2

    def summary(self):
        """What was seen, in plain values: None, {"confusion": rows of counts} or {"points": [[true, predicted], …]}."""
        if self.kind == "classes":
            return {"confusion": self._matrix.tolist()}
        if self.kind == "values":
            points = np.concatenate(self._points)
            return {"points": points[::-(-len(points) // MOST_POINTS)].tolist(), "of": self._seen}
        return None
