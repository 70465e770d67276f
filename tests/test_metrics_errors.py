"""What metrics refuse, and how they say it."""
import numpy as np
import pytest

from cdl import metrics as m

SHARES = np.full((4, 3), 1 / 3)
SOME = [0, 1, 1, 0]
EVERY = [m.accuracy, m.binary_accuracy, m.precision, m.f1, m.balanced_accuracy, m.cohen_kappa, m.matthews, m.confusion_matrix,
         m.classification_report, m.roc_auc, m.average_precision, m.roc_curve, m.precision_recall_curve, m.log_loss, m.brier,
         m.perplexity, m.calibration_curve, m.mse, m.rmse, m.mae, m.mape, m.median_absolute_error, m.max_error, m.r2,
         m.explained_variance]
every = pytest.mark.parametrize("f", EVERY, ids=lambda f: f.__name__)


@every
def test_lengths_that_differ_are_both_told(f):
    with pytest.raises(ValueError, match=f"{f.__name__}: .* got 3 and 4"):
        f([0, 1, 1], [0.1, 0.2, 0.3, 0.4])
    with pytest.raises(ValueError, match=f"{f.__name__}: .* got 2 and a single value"):
        f([0, 1], 0.5)


@every
def test_no_samples(f):
    with pytest.raises(ValueError, match=rf"{f.__name__}: there are no samples \(y_true has shape \(0,\), y_pred \(0,\)\)"):
        f([], [])


@every
def test_nan_is_found(f):
    with pytest.raises(ValueError, match=f"{f.__name__}: y_pred holds NaN, first at 2"):
        f([0, 1, 1, 0], [0.1, 0.2, np.nan, np.nan])


@every
def test_masked_arrays(f):
    with pytest.raises(TypeError, match=f"{f.__name__}: masked arrays are not supported; fill"):
        f([0, 1], np.ma.masked_array([0.1, 0.2], [True, False]))


@every
@pytest.mark.parametrize("weights, error, words", [
    ([1, 2, 3], ValueError, r"sample_weight needs one weight for each of the 4 samples, got shape \(3,\)"),
    (1.0, ValueError, "one weight for each of the 4 samples"),
    ([1, 1, -2, 1], ValueError, "must be finite and 0 or more, got -2"),
    ([1, np.nan, 1, 1], ValueError, "got nan"), ([1, np.inf, 1, 1], ValueError, "got inf"),
    (list("abcd"), TypeError, "sample_weight must be numbers")])
def test_weights(f, weights, error, words):
    with pytest.raises(error, match=f"{f.__name__}: .*{words}"):
        f(SOME, [0.1, 0.7, 0.6, 0.2], sample_weight=weights)


@pytest.mark.parametrize("f", [m.accuracy, m.balanced_accuracy, m.roc_auc, m.average_precision, m.roc_curve, m.log_loss,
                               m.brier, m.mse, m.rmse, m.mape, m.median_absolute_error, m.r2, m.explained_variance])
def test_weights_that_are_all_0(f):
    with pytest.raises(ValueError, match="weight"):
        f(SOME, [0.1, 0.7, 0.6, 0.2], sample_weight=np.zeros(4))


@pytest.mark.parametrize("use, error, words", [
    (lambda: m.accuracy([0, 5], [[0.1, 0.9]] * 2), IndexError, "the label 5 is none of the 2 columns of y_pred"),
    (lambda: m.accuracy([0, -1], [[0.1, 0.9]] * 2), IndexError, "the label -1 is none of the 2 columns"),
    (lambda: m.accuracy(["a", "b"], [[0.1, 0.9]] * 2), TypeError, "y_true must hold integer labels, got dtype <U1"),
    (lambda: m.accuracy([0, 1], [0.2, 3.0]), ValueError, "3.0, which is no probability; for logits give threshold=0"),
    (lambda: m.accuracy([0, 2], [0.2, 0.3]), ValueError, "beside probabilities .* the labels 0 and 1"),
    (lambda: m.accuracy([0.5, 1], [0, 1]), TypeError, "y_true must hold labels, whole numbers or texts, got fractions"),
    (lambda: m.accuracy([[0, 1]], [[0, 1, 1]]), ValueError, r"got y_pred of shape \(1, 3\)"),
    (lambda: m.accuracy([1, 2], ["a", "b"]), TypeError, "accuracy: labels must be all numbers or all texts; got dtypes int64"),
    (lambda: m.f1(np.array(["a", 1], object), [1, 2]), TypeError, "labels must be all numbers or all texts; got dtypes object"),
    (lambda: m.f1(["a", "b"], [1, 2]), TypeError, "labels must be all numbers or all texts; got dtypes <U1 and int64"),
    (lambda: m.accuracy([[1, 1], [0, 1]], [[0.5, 0.5], [0.1, 0.9]]), ValueError, r"one-hot.* give y_pred\[\.\.\., None\]"),
    (lambda: m.accuracy([[np.nan, 1]], [[0.5, 0.5]]), ValueError, "y_true holds NaN"),
    (lambda: m.top_k_accuracy([0, 1], SHARES[:2], k=3), ValueError, "of 3 classes every one is among the 3 best; choose a"),
    (lambda: m.top_k_accuracy([0, 1], SHARES[:2], k=0), ValueError, "k must be a positive integer, got 0"),
    (lambda: m.top_k_accuracy([0, 1], [0.1, 0.2], k=1), ValueError, r"expected scores of shape"),
    (lambda: m.top_k_accuracy([0, 3], SHARES[:2], k=1), IndexError, "the label 3 is none of the 3 columns"),
    (lambda: m.f1(SOME, SOME, average="makro"), ValueError, "average must be .* got 'makro'; did you mean 'macro'"),
    (lambda: m.f1([0, 1, 2], [0, 1, 1]), ValueError, "there are 3 classes, and average='binary' is for two; choose 'micro'"),
    (lambda: m.recall(["n", "y"], ["n", "n"]), ValueError, "pos_label=1 is none of the labels 'n' and 'y'"),
    (lambda: m.recall(SOME, SOME, zero_division="warn"), TypeError, "zero_division must be a number"),
    (lambda: m.fbeta(SOME, SOME, -1), ValueError, "fbeta: beta must be 0 or more, got -1"),
    (lambda: m.confusion_matrix(SOME, SOME, normalize="rows"), ValueError, "normalize must be None, 'true', 'pred' or 'all'"),
    (lambda: m.confusion_matrix(SOME, SOME, labels=[]), ValueError, "labels is empty"),
    (lambda: m.confusion_matrix(np.arange(9000), np.arange(9000)), ValueError, "a table of 9000 classes is too large; 8192"),
    (lambda: m.cohen_kappa(SOME, SOME, weights="cubic"), ValueError, "weights must be None, 'linear' or 'quadratic'"),
    (lambda: m.classification_report(SOME, SOME, target_names=["a"]), ValueError, "1 target_names for 2 classes"),
    (lambda: m.classification_report(SOME, SOME, digits=0), ValueError, "digits must be a positive integer"),
    (lambda: m.roc_auc([1, 1], [0.1, 0.2]), ValueError, "roc_auc: only one class is in y_true, 1; it takes samples of both"),
    (lambda: m.roc_auc(["a", "a"], [0.1, 0.2]), ValueError, "only one class is in y_true, 'a'"),
    (lambda: m.roc_auc([1, 1], [[0.1, 0.9]] * 2), ValueError, "only one class is in y_true, or has a weight"),
    (lambda: m.roc_auc([0, 1], [0.1, 0.2], sample_weight=[0, 1]), ValueError, "only one class .* or has a weight above 0"),
    (lambda: m.roc_auc([0, 1, 2], [0.1, 0.2, 0.3]), ValueError, "there are 3 classes in y_true; scores of one class take two"),
    (lambda: m.roc_auc([0, 1], [0.1, 0.2], pos_label=7), ValueError, "pos_label=7 is none of the labels 0, 1"),
    (lambda: m.roc_auc([0, 1], [[0.1, 0.9]] * 2, pos_label=7), ValueError, "pos_label=7 is none of the labels 0, 1"),
    (lambda: m.roc_auc([0, 1, 1, 0], SHARES), ValueError, "y_true holds no sample of class 2 .*average=None"),
    (lambda: m.roc_auc([0, 1, 1, 0], SHARES, multi_class="ovo"), ValueError, "no sample of class 2"),
    (lambda: m.roc_auc([0, 1, 2, 3], SHARES), IndexError, "the label 3 is none of the 3 columns"),
    (lambda: m.roc_auc([0, 1, 2, 0], SHARES * 3), ValueError, "must be probabilities, of sum 1; for logits give"),
    (lambda: m.roc_auc([0, 1, 2, 0], SHARES - 1), ValueError, "which is no probability; for logits give from_logits=True"),
    (lambda: m.roc_auc(SOME, SOME, multi_class="all"), ValueError, "multi_class must be 'ovr' or 'ovo'"),
    (lambda: m.roc_auc(SOME, SOME, average="mikro"), ValueError, "average must be one of .*did you mean 'micro'"),
    (lambda: m.roc_auc(SOME, SOME, average="micro", multi_class="ovo"), ValueError, "must be 'macro' or 'weighted' of pairs"),
    (lambda: m.roc_auc([0, 1], ["a", "b"]), TypeError, "y_pred must hold scores, got dtype <U1"),
    (lambda: m.roc_auc(list("abcd"), SHARES), ValueError, "4 classes for 3 columns of y_pred; give labels"),
    (lambda: m.roc_auc(list("abcd"), SHARES, labels=list("abc")), IndexError, "holds 'd', which is none of the labels 'a'"),
    (lambda: m.roc_auc(SOME, SHARES[:, 0, None, None] + [1, 2]), ValueError, r"expected y_pred of shape \(4, 'C'\)"),
    (lambda: m.roc_curve([0, 1, 2, 0], SHARES), ValueError, "roc_curve: expected scores of one class, .* got 3 columns"),
    (lambda: m.log_loss([0, 1], [0.5, 1.5]), ValueError, "y_pred holds 1.5, which is no probability"),
    (lambda: m.log_loss([0, 1], [0, 1]), TypeError, "y_pred must hold floating probabilities or logits, got dtype int64"),
    (lambda: m.log_loss([0, 7], [0.5, 0.5], labels=[0, 1]), IndexError, "y_true holds 7, which is none of the labels 0, 1"),
    (lambda: m.log_loss([1, 2, 3], [0.5, 0.5, 0.5]), ValueError, "two labels, 0 and 1 unless labels names them; got 1, 2"),
    (lambda: m.log_loss(["a", "a"], [[0.5, 0.5]] * 2), ValueError, "1 classes for 2 columns of y_pred; give labels"),
    (lambda: m.perplexity([0, 1], [[2.0, -1.0]] * 2), ValueError, "no probability; for logits give from_logits=True"),
    (lambda: m.calibration_curve([0, 1], [0.1, 0.9], bins=0), ValueError, "bins must be a positive integer"),
    (lambda: m.calibration_curve([0, 1], [0.1, 0.9], strategy="even"), ValueError, "strategy 'uniform' or 'quantile'"),
    (lambda: m.calibration_curve([0, 2], [0.1, 0.9]), ValueError, "must hold the labels 0 and 1"),
    (lambda: m.binary_accuracy([[0], [1]], [0.1, 0.9]), ValueError, r"expected labels of y_pred's shape \(2,\), got \(2, 1\)"),
    (lambda: m.mse([[1.0, 2.0]], [[1.0, 2.0, 3.0]]), ValueError, r"must have one shape, got \(1, 2\) and \(1, 3\)"),
    (lambda: m.mse(["a"], ["b"]), TypeError, "y_true must hold numbers, got dtype <U1"),
    (lambda: m.mse([np.nan, 1], [1, 2]), ValueError, "mse: y_true holds NaN, first at 0"),
    (lambda: m.mse([np.inf, 1], [np.inf, 2]), ValueError, "hold values too large to subtract"),
    (lambda: m.r2([1, 2], [1, 2], multioutput="raw_value"), ValueError, "multioutput must be .*did you mean 'raw_values'"),
    (lambda: m.F1().merge(m.F1(average="macro")), ValueError, r"f1: only F1\(average='binary'.* merged with it, got F1\(aver"),
    (lambda: m.MSE().merge(m.MAE()), ValueError, "only MSE.* can be merged"),
    (lambda: m.ConfusionMatrix().update([0], [1]).update(["a"], ["b"]), TypeError, "must be both numbers or both texts"),
    (lambda: m.metric_of("acuracy", "fit"), ValueError, "fit: unknown metric 'acuracy'; did you mean 'accuracy'.* known are"),
    (lambda: m.metric_of("confusion_matrix"), ValueError, "unknown metric 'confusion_matrix'"),
    (lambda: m.metric_of(m.ConfusionMatrix), TypeError, "the result of ConfusionMatrix.* is no single number"),
    (lambda: m.metric_of(m.F1(average=None), "fit"), TypeError, r"fit: the result of F1\(average=None.* is no single number"),
    (lambda: m.metric_of(3), TypeError, "a metric is a name, a function of .*; got 3"),
    (lambda: m.metric_of("top_0_accuracy"), ValueError, "k must be a positive integer"),
    (lambda: m.Metric().update([1], [1]), NotImplementedError, "Metric must define what a batch gives"),
])
def test_what_is_refused(use, error, words):
    with pytest.raises(error, match=words):
        use()
