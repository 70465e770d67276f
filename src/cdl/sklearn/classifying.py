"""What every classifier tells: labels, probabilities, scores."""
import numpy as np
from sklearn.base import ClassifierMixin

from cdl.sklearn.targets import Classes, column, labels_or_indicators

__all__ = ["Telling", "logit"]


class Telling(ClassifierMixin):
    """Labels and probabilities from scores, as `_classes` knows them; the scores come from `_scores(X)`."""

    def _targets(self, y, first, incremental, classes, *, logistic):
        """Labels, or rows of 0 and 1, that fit the classes known before; in the first call these become known."""
        who = type(self).__name__
        y = column(y.toarray() if hasattr(y, "toarray") else y)
        labels_or_indicators(y, who)
        if incremental and isinstance(self.class_weight, str):
            raise ValueError(f"{who}: class_weight='balanced' is not supported for partial_fit, which does not see all "
                             "samples; give the weights, sklearn.utils.class_weight.compute_class_weight has them")
        if not first:
            self._same_classes(y, incremental, classes)
        elif not incremental or y.ndim == 2:
            self._classes = Classes.of(y, who, logistic=logistic)
        elif classes is None:
            raise ValueError("classes must be passed on the first call to partial_fit.")
        else:
            self._classes = Classes.known(np.unique(classes), who, logistic=logistic)
        self.classes_ = self._classes.labels
        return y

    def _same_classes(self, y, incremental, classes):
        if classes is not None and not np.array_equal(np.unique(classes), self.classes_):
            raise ValueError(f"`classes={classes!r}` is not the same as on last call to partial_fit, was: {self.classes_!r}")
        if not incremental and y.ndim == 1 and not np.array_equal(np.unique(y), self.classes_):
            raise ValueError("warm_start can only be used where `y` has the same classes as in the previous call to fit. "
                             f"Previously got {self.classes_}, `y` has {np.unique(y)}")

    def _scores(self, X):
        """What the network gives before softmax or sigmoid."""
        return self._outputs(X)

    def predict(self, X):
        """The label of each sample; of several labels, rows of 0 and 1."""
        z = self._scores(X)
        return self._classes.decoded(z)

    def predict_proba(self, X):
        """The probability of each class (or label) for each sample, in the order of `classes_`."""
        z = self._scores(X)
        return self._classes.probabilities(z)

    def predict_log_proba(self, X):
        """The natural logarithms of the probabilities, -inf where these are too small to be told from 0."""
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))

    def decision_function(self, X):
        """The scores before softmax or sigmoid, one for each class or label; of two classes, one for the second, (n,)."""
        z = self._scores(X)
        return self._classes.decisions(z)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


def logit(p):
    """log(p / (1 - p)), infinite at 0 and 1."""
    with np.errstate(divide="ignore"):
        return np.log(p) - np.log1p(-p)
