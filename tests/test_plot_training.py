"""Pictures of trainings: what is drawn, and what is refused."""
import numpy as np
import pytest

import cdl
from cdl import plot

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("agg")


@pytest.fixture(autouse=True)
def closed():
    yield
    matplotlib.pyplot.close("all")


def runs():
    x = np.linspace(-1, 1, 32)[:, None]
    return {name: cdl.Sequential([cdl.Dense(1, rng=0)]).fit(x, 2 * x, loss="mse", epochs=epochs, validation_data=(x, 2 * x),
                                                            optimizer=name, progress=False, rng=0)
            for name, epochs in (("adam", 3), ("sgd", 5))}


def test_each_training_is_a_line():
    trained = runs()
    picture = plot.histories(trained, "loss")
    ax, = picture.figure.axes
    assert [line.get_label() for line in ax.lines] == ["adam", "sgd"]
    for line, row, history in zip(ax.lines, picture.array, trained.values(), strict=True):
        np.testing.assert_array_equal(line.get_xdata(), np.arange(1, len(history["loss"]) + 1))
        np.testing.assert_array_equal(line.get_ydata(), history["loss"])
        np.testing.assert_array_equal(row[:len(history["loss"])], history["loss"])
    assert picture.array.shape == (2, 5)
    assert np.isnan(picture.array[0, 3:]).all()
    assert [line.get_marker() for line in ax.lines] == ["o", "None"]       # where the shorter one ended
    assert ax.get_ylabel() == "loss"


def test_the_figure_is_the_validation_loss_where_all_have_it():
    trained = runs()
    np.testing.assert_array_equal(plot.histories(trained).array[1], trained["sgd"]["val_loss"])
    del trained["adam"]["val_loss"]
    np.testing.assert_array_equal(plot.histories(trained).array[1], trained["sgd"]["loss"])


@pytest.mark.parametrize("values, scale, drawn", [
    ([1.0, 0.01], "auto", "log"), ([1.0, 0.5], "auto", "linear"), ([1.0, 0.0], "auto", "linear"),
    ([1.0, -5.0], "auto", "linear"), ([1.0, 0.01], "linear", "linear"), ([1.0, 0.5], "log", "log"),
    ([np.nan, np.nan], "auto", "linear"), ([1.0, np.inf], "auto", "linear"),
])
def test_the_scale(values, scale, drawn):
    ax, = plot.histories({"one": {"loss": values}}, scale=scale).figure.axes
    assert ax.get_yscale() == drawn


def test_many_trainings_have_lines_of_their_own():
    ax = matplotlib.pyplot.subplots()[1]
    assert plot.histories({str(i): {"loss": [1.0, 2.0]} for i in range(15)}, ax=ax).figure is ax.figure
    assert len({(line.get_color(), line.get_linestyle()) for line in ax.lines}) == 15


def test_a_training_of_one_epoch_is_a_dot():
    ax, = plot.histories({"one": {"loss": [1.0]}}).figure.axes
    assert ax.lines[0].get_marker() == "o"


@pytest.mark.parametrize("runs, options, error, words", [
    ({}, {}, ValueError, "expected a dict of names and histories"),
    ([{"loss": [1.0]}], {}, ValueError, "expected a dict of names and histories"),
    ({"loss": [1.0]}, {}, ValueError, "expected a dict of names and histories"),
    ({"a": {"loss": [1.0]}}, {"scale": "wide"}, ValueError, "scale must be 'auto', 'linear' or 'log', got 'wide'"),
    ({"a": {"loss": [1.0], "val_loss": [1.0]}}, {"figure": "val_los"}, KeyError, "did you mean 'val_loss'"),
    ({"a": {"loss": [1.0]}, "b": {}}, {}, KeyError, "'b' has recorded no 'loss'; there are none"),
])
def test_what_cannot_be_drawn(runs, options, error, words):
    with pytest.raises(error, match=f"plot.histories: .*{words}"):
        plot.histories(runs, **options)
