"""Pictures of networks: the arrays that come with them, what is drawn, what is refused."""
import sys

import numpy as np
import pytest

import cdl
from cdl import plot

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("agg")
RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def closed():
    yield
    matplotlib.pyplot.close("all")


def network():
    return cdl.Sequential([cdl.Conv2D(6, 3, activation="relu", in_channels=1, rng=0),
                           cdl.Sequential([cdl.Conv2D(3, 3, in_channels=6, rng=1)]), cdl.Conv2D(2, 1, in_channels=3, rng=2)])


def drawn(picture):
    """The pixels of the picture's only image."""
    image, = picture.figure.axes[0].images
    return np.asarray(image.get_array())


def test_maps_are_the_layers_outputs():
    model, image = network(), RNG.random((10, 12, 1), np.float32)
    first = model[0].forward(image[None])
    second = np.asarray(model[1].forward(first))[0]
    for layer in (None, "0", model[0]):
        picture = plot.feature_maps(model, image, layer)
        np.testing.assert_array_equal(picture.array, np.asarray(first)[0])
    for layer in ("1", "1.0", model[1][0]):
        np.testing.assert_array_equal(plot.feature_maps(model, image, layer).array, second)
    for given in (image[..., 0], image[None]):
        np.testing.assert_array_equal(plot.feature_maps(model, given).array, np.asarray(first)[0])
    assert type(model[0]) is cdl.Conv2D and model[0].training


def test_maps_are_drawn_side_by_side_each_in_its_own_scale():
    picture = plot.feature_maps(network(), RNG.random((10, 12, 1), np.float32))
    whole = drawn(picture)
    assert whole.shape == (2 * 9 - 1, 3 * 11 - 1)
    one = picture.array[..., 4]
    np.testing.assert_allclose(whole[9:17, 11:21], (one - one.min()) / (one.max() - one.min()), rtol=1e-5)
    assert np.ma.getmaskarray(np.ma.masked_invalid(whole))[8].all()     # the line between is empty
    picture = plot.feature_maps(network(), np.ones((8, 8, 1), np.float32), most=2)
    assert drawn(picture).shape == (6, 13) and "the first 2 of 6 channels" in picture.figure.axes[0].get_title()


def test_maps_drawn_where_one_says():
    ax = matplotlib.pyplot.subplots()[1]
    assert plot.feature_maps(network(), np.ones((5, 5, 1), np.float32), ax=ax).figure is ax.figure


@pytest.mark.parametrize("channels, shape", [(1, (3 * 6 - 1, 3 * 6 - 1)), (3, (3 * 6 - 1, 3 * 6 - 1, 3)),
                                             (4, (7 * 6 - 1, 4 * 6 - 1))])
def test_filters(channels, shape):
    layer = cdl.Conv2D(7, 5, in_channels=channels, rng=0)
    picture = plot.filters(layer)
    np.testing.assert_array_equal(picture.array, np.asarray(layer.weight))
    assert not np.shares_memory(picture.array, layer.weight.data)
    whole = drawn(picture)
    assert whole.shape == shape
    wanted = picture.array[..., 1] if channels == 3 else picture.array[..., 0, 1] if channels == 1 else picture.array[..., 1, 0]
    np.testing.assert_allclose(whole[:5, 6:11], 0.5 + wanted / (2 * abs(picture.array).max()), rtol=1e-5)
    np.testing.assert_array_equal(plot.filters(cdl.Sequential([layer])).array, picture.array)
    ax = matplotlib.pyplot.subplots()[1]
    assert plot.filters(layer, most=2, ax=ax).figure is ax.figure and "the first 2 of 7 filters" in ax.get_title()


def test_confusion_matrix():
    true, predicted = RNG.integers(0, 4, 200), RNG.integers(0, 4, 200)
    picture = plot.confusion_matrix(true, predicted)
    wanted = [[((true == i) & (predicted == j)).sum() for j in range(4)] for i in range(4)]
    assert picture.array.tolist() == wanted and picture.array.dtype == np.int64
    assert [text.get_text() for text in picture.figure.axes[0].texts] == [str(n) for row in wanted for n in row]
    for y in (np.eye(4)[true], true):
        scores = RNG.random((200, 4)) + 2 * np.eye(4)[predicted]
        assert plot.confusion_matrix(y, scores, list("abcd")).array.tolist() == wanted
    shares = plot.confusion_matrix(true, predicted, normalize=True).array
    np.testing.assert_allclose(shares, np.array(wanted) / np.bincount(true)[:, None])
    ax = matplotlib.pyplot.subplots()[1]
    assert plot.confusion_matrix([0], [1], ax=ax).figure is ax.figure
    assert plot.confusion_matrix([0, 2], [0, 2], normalize=True).array.tolist() == [[1, 0, 0], [0, 0, 0], [0, 0, 1]]
    assert plot.confusion_matrix([0], [0], ["a", "b"]).array.shape == (2, 2)
    assert not plot.confusion_matrix(np.arange(30), np.arange(30)).figure.axes[0].texts


def test_confusion_matrix_of_texts():
    picture = plot.confusion_matrix(["b", "a", "b"], ["b", "b", "b"])
    assert picture.array.tolist() == [[0, 1], [0, 2]]
    assert [tick.get_text() for tick in picture.figure.axes[0].get_yticklabels()] == ["a", "b"]
    assert plot.confusion_matrix(["b", "a", "b"], ["b", "b", "b"], ["b", "a"], normalize="all").array.tolist() == [[2 / 3, 0],
                                                                                                                [1 / 3, 0]]


@pytest.mark.parametrize("draw, curve, area", [
    (plot.roc_curve, lambda t, s: cdl.metrics.roc_curve(t, s)[:2], cdl.metrics.roc_auc),
    (plot.precision_recall_curve, lambda t, s: cdl.metrics.precision_recall_curve(t, s)[1::-1], cdl.metrics.average_precision)])
def test_curves(draw, curve, area):
    t = RNG.integers(0, 3, 90)
    scores = RNG.random((90, 3)) + 0.4 * np.eye(3)[t]
    picture = draw(t == 1, scores[:, 1])
    np.testing.assert_array_equal(picture.array[:, 1:].T, curve(t == 1, scores[:, 1]))
    np.testing.assert_array_equal(draw(t == 1, scores[:, 1:2]).array, picture.array)
    picture = draw(t, scores, ["cat", "dog", "hen"])
    for c in range(3):
        np.testing.assert_array_equal(picture.array[picture.array[:, 0] == c, 1:].T, curve(t == c, scores[:, c]))
    words = [text.get_text() for text in picture.figure.axes[0].get_legend().get_texts()]
    assert words[:3] == [f"{name}: {area(t == c, scores[:, c]):.3f}" for c, name in enumerate(["cat", "dog", "hen"])]
    ax = matplotlib.pyplot.subplots()[1]
    assert draw(t, scores, ax=ax).figure is ax.figure


def test_reliability():
    p = RNG.random(500)
    t = RNG.random(500) < p ** 2
    picture = plot.reliability(t, p, bins=5)
    np.testing.assert_array_equal(picture.array.T, cdl.metrics.calibration_curve(t, p, bins=5)[::-1])
    assert (picture.array[1:4, 1] < picture.array[1:4, 0]).all()


@pytest.mark.parametrize("use, error, words", [
    (lambda m, x: plot.feature_maps(m, x[:, 0, 0]), ValueError, r"expected one image \(H, W, C\), got shape \(6,\)"),
    (lambda m, x: plot.feature_maps(m, np.stack([x, x])), ValueError, r"got shape \(2, 6, 6, 1\)"),
    (lambda m, x: plot.feature_maps(m, x, "9"), ValueError, "the model has no layer '9'; it has 0, 1, 1.0, 2"),
    (lambda m, x: plot.feature_maps(m, x, cdl.Conv2D(2, 3)), ValueError, "the model has no layer Conv2D"),
    (lambda m, x: plot.feature_maps(m, x, most=0), ValueError, "most must be a positive integer"),
    (lambda m, x: plot.feature_maps(cdl.Sequential([cdl.Dense(2)]), x, "0", ax=3), AttributeError, "imshow"),
    (lambda m, x: plot.filters(cdl.Dense(2, in_features=3)), ValueError, "has no weight of shape"),
    (lambda m, x: plot.filters(cdl.Conv2D(2, 3)), ValueError, "or does not know its size yet"),
    (lambda m, x: plot.filters(x), TypeError, "expected a layer or a model, got ndarray"),
    (lambda m, x: plot.confusion_matrix([], []), ValueError, "plot.confusion_matrix: there are no samples"),
    (lambda m, x: plot.confusion_matrix([0, 1], [0]), ValueError, "one entry for each sample, got 2 and 1"),
    (lambda m, x: plot.confusion_matrix([0.5], [0]), TypeError, "y_true must hold labels, whole numbers or texts"),
    (lambda m, x: plot.confusion_matrix([0], [-1]), IndexError, "y_pred has the label -1"),
    (lambda m, x: plot.confusion_matrix([0], [[[1, 0]]]), ValueError, "expected y_pred with labels of y_true's shape"),
    (lambda m, x: plot.confusion_matrix([0, 3], [0, 1], ["a", "b"]), ValueError, "2 names for 4 classes"),
    (lambda m, x: plot.confusion_matrix([0], [1], normalize="rows"), ValueError, "normalize must be None, 'true'"),
    (lambda m, x: plot.confusion_matrix([0, 2500], [0, 1]), ValueError, "the label 2500 asks for 2501 classes, and 2000"),
    (lambda m, x: plot.roc_curve([0, 1], [0.1, 0.2, 0.3]), ValueError, "need one entry for each sample, got 2 and 3"),
    (lambda m, x: plot.roc_curve([0, 0], [0.1, 0.2]), ValueError, "only one class is in y_true"),
    (lambda m, x: plot.roc_curve([0, 1], np.eye(2), ["a"]), ValueError, "plot.roc_curve: 1 names for 2 classes"),
    (lambda m, x: plot.roc_curve([0, 1], np.ones((2, 2, 2))), ValueError, r"expected scores \(N,\) or \(N, C\), got shape"),
    (lambda m, x: plot.reliability([0, 1], [0.1, 2.0]), ValueError, "holds 2.0, which is no probability"),
])
def test_what_cannot_be_drawn(use, error, words):
    with pytest.raises(error, match=words):
        use(network(), RNG.random((6, 6, 1), np.float32))


def test_layers_without_maps():
    class Net(cdl.Model):
        def __init__(self):
            self.used, self.unused = cdl.Dense(2), cdl.Dense(2, in_features=1)

        def forward(self, x):
            return self.used(np.reshape(x, (len(x), -1)))

    with pytest.raises(ValueError, match="no layer of the model has maps"):
        plot.feature_maps(Net(), np.ones((3, 3, 1), np.float32))
    with pytest.raises(ValueError, match=r"output of layer 'used' has shape \(1, 2\), expected maps"):
        plot.feature_maps(Net(), np.ones((3, 3, 1), np.float32), "used")
    with pytest.raises(ValueError, match="layer 'unused' was not used on this image"):
        plot.feature_maps(Net(), np.ones((3, 3, 1), np.float32), "unused")


def test_matplotlib_is_missed_in_one_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.delitem(sys.modules, "matplotlib.pyplot", raising=False)
    for draw in (lambda: plot.filters(network()), lambda: plot.confusion_matrix([0], [0]),
                 lambda: plot.feature_maps(network(), np.ones((5, 5)))):
        with pytest.raises(ImportError, match=r"plot\.\w+ needs matplotlib, which is not installed: pip install 'cdl\[plot\]'"):
            draw()


# --- attention maps ---------------------------------------------------------------------------------------------------
def test_attention_map_shows_one_head_or_all():
    weights = cdl.ops.attention_weights(RNG.standard_normal((3, 4, 8)), RNG.standard_normal((3, 6, 8)))
    picture = plot.attention_map(weights)
    np.testing.assert_array_equal(picture.array, weights)
    heads = [ax for ax in picture.figure.axes if ax.get_title()]
    assert [ax.get_title() for ax in heads] == ["head 0", "head 1", "head 2"]
    for ax, one in zip(heads, weights, strict=True):
        np.testing.assert_array_equal(np.asarray(ax.images[0].get_array()), one)
        assert ax.images[0].get_clim() == (0, weights.max())
    picture = plot.attention_map(cdl.Tensor(weights), "abcd", list("uvwxyz"), head=-1)
    np.testing.assert_array_equal(drawn(picture), weights[2])
    assert [label.get_text() for label in picture.figure.axes[0].get_xticklabels()] == list("uvwxyz")
    assert [label.get_text() for label in picture.figure.axes[0].get_yticklabels()] == list("abcd")


def test_attention_map_where_one_says_and_what_it_refuses():
    ax = matplotlib.pyplot.subplots()[1]
    assert plot.attention_map(np.eye(3), "abc", ax=ax).figure is ax.figure
    assert [label.get_text() for label in ax.get_xticklabels()] == list("abc")
    for arguments, options, error, words in (
            ((np.ones(3),), {}, ValueError, r"\(Tq, Tk\) or \(heads, Tq, Tk\), got shape \(3,\)"),
            ((np.ones((2, 3, 3)),), {"head": 2}, IndexError, "no head 2"),
            ((np.ones((3, 3)),), {"head": 0}, IndexError, "no head 0"),
            ((np.ones((3, 3)), "ab"), {}, ValueError, "2 names for 3 queries"),
            ((np.ones((3, 2)), None, "abc"), {}, ValueError, "3 names for 2 keys"),
            ((np.ones((2, 3, 3)),), {"ax": ax}, ValueError, "one ax for 2 heads")):
        with pytest.raises(error, match=words):
            plot.attention_map(*arguments, **options)
