"""Logs, the folder of a run, and the page that is made of it."""
import html.parser
import json
import math
import os
import shutil
import subprocess
import zlib

import numpy as np
import pytest

import cdl
from cdl import cli
from cdl.callbacks import Callback, Checkpoint, CSVLog, JSONLog, Run
from cdl.io import FileFormatError
from cdl.report import RunFolder, charts, text, write_report


class Stop(Exception):
    pass


class KillAfter(Callback):
    def __init__(self, epochs):
        self.epochs = epochs

    def on_epoch_end(self, training):
        if training.epoch == self.epochs:
            raise Stop


class Odd(Callback):
    """Adds figures whose names and values are hard to show."""

    NAME = '准确率, "quoted" <b>&\u2028'

    def __call__(self, model, epoch, figures):
        if epoch > 0:
            figures[self.NAME] = math.nan if epoch == 2 else math.inf if epoch == 3 else epoch / 3


def train(callbacks, epochs=5, loss="cross_entropy"):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((60, 4)).astype(np.float32)
    y = (x[:, 0] > 0).astype(int) + (x[:, 1] > 0)
    cdl.seed(0)
    model = cdl.Sequential([cdl.Dense(8, "tanh"), cdl.Dropout(0.2), cdl.Dense(3 if loss == "cross_entropy" else 1)])
    history = model.fit(x, y if loss == "cross_entropy" else x[:, :1], loss=loss, epochs=epochs, validation_split=0.3,
                        callbacks=callbacks, progress=False, rng=0)
    return model, history


# --- logs ----------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("kind", [CSVLog, JSONLog])
def test_a_log_has_every_figure_to_the_last_bit(kind, tmp_path):
    path = tmp_path / "log"
    _, history = train([kind(path)])
    rows = kind.read(path)
    assert [row["epoch"] for row in rows] == [1, 2, 3, 4, 5]
    for name, column in history.items():
        assert [row[name] for row in rows] == column
    assert all(0 < row["seconds"] < 60 for row in rows)


@pytest.mark.parametrize("kind", [CSVLog, JSONLog])
def test_figures_that_come_later_and_odd_names_and_values(kind, tmp_path):
    path = tmp_path / "log"
    train([Odd(), kind(path)])
    rows = kind.read(path)
    values = [row.get(Odd.NAME) for row in rows]
    assert values[0] is None and values[1] == 1 / 3 and math.isnan(values[2]) and values[4] == 4 / 3
    assert values[3] == math.inf if kind is CSVLog else math.isnan(values[3])
    assert len(rows) == 5


@pytest.mark.parametrize("kind", [CSVLog, JSONLog])
def test_a_line_is_in_the_file_when_its_epoch_ends(kind, tmp_path):
    path, seen = tmp_path / "log", []
    train([kind(path), lambda model, epoch, figures: seen.append(len(kind.read(path)))])
    assert seen == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("kind", [CSVLog, JSONLog])
def test_a_resumed_log_goes_on_without_an_epoch_twice(kind, order, tmp_path):
    """The training died in epoch 4, two epochs after its last checkpoint, in the middle of a line."""
    path, saved = tmp_path / "log", tmp_path / "training.safetensors"

    def callbacks(resume):
        return [kind(path), Checkpoint(saved, every=2, resume=resume)][::order]

    with pytest.raises(Stop):
        train([*callbacks(False), KillAfter(3)])
    seconds = [row["seconds"] for row in kind.read(path)]
    with open(path, "a") as file:
        file.write(kind.read(path)[-1] and "4,0.1,0.2" if kind is CSVLog else '{"epoch": 4, "lo')
    assert len(kind.read(path)) == 3
    _, history = train(callbacks(True))
    rows = kind.read(path)
    assert [row["epoch"] for row in rows] == [1, 2, 3, 4, 5] and [row["loss"] for row in rows] == history["loss"]
    assert [row["seconds"] for row in rows[:2]] == seconds[:2]


@pytest.mark.parametrize("kind", [CSVLog, JSONLog])
@pytest.mark.parametrize("when", [0, 2])
def test_an_epoch_that_ctrl_c_kept_from_the_log_is_written_at_the_end(kind, when, tmp_path):
    def interrupt(model, epoch, figures):
        if epoch == when:
            raise KeyboardInterrupt

    path = tmp_path / "log"
    _, history = train([interrupt, kind(path)])
    assert history.interrupted and history.epochs == when + 1
    rows = kind.read(path) if path.exists() else []
    assert [row["loss"] for row in rows] == history["loss"]


def test_what_is_no_log_is_refused(tmp_path):
    path = tmp_path / "log"
    for content in (b"a,b\n1,2\n", b"epoch,loss\n1\n", b"epoch,loss\n1,x\n", b"\xff\xfe\n", b"epoch,loss\nx,1\n"):
        path.write_bytes(content)
        with pytest.raises(FileFormatError, match="no log of a training"):
            CSVLog.read(path)
    path.write_bytes(b"[1, 2]\n")
    with pytest.raises(FileFormatError, match="no log of a training"):
        JSONLog.read(path) or JSONLog.read(path)[0]["epoch"]
    with pytest.raises(FileNotFoundError, match="CSVLog: there is no such folder"):
        train([CSVLog(tmp_path / "none" / "log")])


# --- the folder ----------------------------------------------------------------------------------------------------------
def test_a_run_writes_all_about_the_training(tmp_path):
    run = Run(tmp_path / "a" / "b", classes=["low", "middle", "high"], dataset="made up")
    model, history = train([run])
    assert sorted(os.listdir(run.folder)) == ["best.safetensors", "checkpoint.safetensors", "environment.json", "history.csv",
                                              "last.safetensors", "parameters.json", "state.json", "validation.json"]
    read = RunFolder(run.folder)
    assert read.figures == dict(history) and read.monitor == ("val_loss", int(np.argmin(history["val_loss"])) + 1)
    told = read.parameters
    assert told["fit"]["batch_size"] == 32 and told["fit"]["samples"] == 42 and told["fit"]["validation_samples"] == 18
    assert told["notes"] == {"dataset": "made up"} and told["seed"] == "0" and told["optimizer"].startswith("Adam(lr=")
    assert read.state["state"] == "finished" and read.environment["cdl"].startswith(cdl.__version__)
    np.testing.assert_array_equal(cdl.load(f"{run.folder}/last.safetensors")[0].weight.numpy(), model[0].weight.numpy())
    counts = np.array(read.validation["confusion"])
    assert counts.sum() == 18
    assert np.trace(counts) / 18 == pytest.approx(history["val_accuracy"][read.monitor[1] - 1])


def test_a_run_of_numbers_keeps_true_and_predicted_values(tmp_path):
    run = Run(tmp_path / "a")
    train([run], loss="mse")
    points = RunFolder(run.folder).validation["points"]
    best = cdl.load(f"{run.folder}/best.safetensors")
    x = np.random.default_rng(0).standard_normal((60, 4)).astype(np.float32)
    np.testing.assert_allclose(points, np.stack([x[42:, 0], best.predict(x[42:])[:, 0]], axis=1), rtol=1e-6)


def test_many_points_are_thinned_and_many_classes_are_no_picture():
    from cdl.callbacks.predictions import MOST_POINTS, Predictions
    seen = Predictions()
    for start in range(0, 100_000, 1024):
        values = np.arange(start, min(start + 1024, 100_000), dtype=float)
        seen.update(values, values)
    points = np.array(seen.summary()["points"])
    assert MOST_POINTS / 2 <= len(points) <= MOST_POINTS and seen.summary()["of"] == 100_000
    gaps = np.diff(points[:, 0])
    assert gaps.max() <= 4 * np.median(gaps) and points[-1, 0] > 99_000
    seen.reset()
    seen.update(np.zeros(4, int), np.zeros((4, 5000)))
    assert seen.summary() is None


def test_binary_and_one_hot_targets_are_classes():
    from cdl.callbacks.predictions import Predictions
    seen = Predictions(loss=cdl.binary_cross_entropy)
    seen.update(np.array([[1.0], [0], [1]]), np.array([[0.9], [0.8], [0.2]]))
    assert seen.summary() == {"confusion": [[0, 1], [1, 1]]}
    seen = Predictions(loss=cdl.cross_entropy)
    seen.update(np.eye(3), np.eye(3)[[0, 2, 2]])
    assert seen.summary() == {"confusion": [[1, 0, 0], [0, 0, 1], [0, 0, 1]]}
    seen.reset()
    seen.update(np.array([0, -1, 2]), np.eye(3))        # a label to be ignored
    assert seen.summary() == {"confusion": [[1, 0, 0], [0, 0, 0], [0, 0, 1]]}


def test_a_folder_is_not_overwritten_unasked(tmp_path):
    folder = tmp_path / "run"
    train([Run(folder)])
    before = {name: (folder / name).read_bytes() for name in os.listdir(folder)}
    with pytest.raises(FileExistsError, match="Run: the folder is not empty; name another, or ask for resume=True or over"):
        train([Run(folder)])
    (folder / "thesis.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="holds what no run wrote, thesis"):
        train([Run(folder, overwrite=True)])
    assert before == {name: (folder / name).read_bytes() for name in before}
    os.remove(folder / "thesis.txt")
    train([Run(folder, overwrite=True)], epochs=2)
    assert len(RunFolder(folder).epochs) == 2
    with pytest.raises(ValueError, match="give resume or overwrite, not both"):
        Run(folder, resume=True, overwrite=True)
    with pytest.raises(ValueError, match="notes must be plain values"):
        Run(folder, model=cdl.Dense(2))


def test_a_run_goes_on_with_the_same_bits(tmp_path):
    whole, halves = Run(tmp_path / "whole"), tmp_path / "halves"
    _, history = train([whole])
    with pytest.raises(Stop):
        train([Run(halves, resume=True), KillAfter(2)])
    assert RunFolder(halves).state["state"] == "failed"
    cdl.seed(77)
    _, resumed = train([Run(halves, resume=True)])
    assert resumed == history
    for name in ("best.safetensors", "last.safetensors", "validation.json"):
        assert (halves / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    one, other = RunFolder(halves), RunFolder(whole.folder)
    assert one.figures == other.figures and one.monitor == other.monitor and one.state["state"] == "finished"


# --- the page ------------------------------------------------------------------------------------------------------------
class Page(html.parser.HTMLParser):
    """Elements that are closed as they were opened, and what a browser would load or run."""

    VOID = frozenset({"meta", "link", "br"})

    def __init__(self, path):
        super().__init__()
        self.open, self.loaded, self.tags, self.words = [], [], {}, []
        self.feed(path.read_text(encoding="utf-8"))
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags[tag] = self.tags.get(tag, 0) + 1
        self.loaded += [value for name, value in attributes if name in ("src", "href", "xlink:href") and value != "data:,"]
        assert not [name for name, _ in attributes if name.startswith("on")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags[tag] = self.tags.get(tag, 0) + 1

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


HOSTILE = '</svg><script>alert("x")</script> 高价 & a class of a very long name'


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    train([Odd(), Run(folder / "第一 <i>", classes=["low", HOSTILE, "高"], note=HOSTILE)], epochs=6)
    train([Run(folder / "numbers")], epochs=10, loss="mse")
    train([Run(folder / "one")], epochs=1)
    return folder


def test_the_page_stands_alone_and_all_from_files_is_escaped(runs):
    for name in ("第一 <i>", "numbers", "one"):
        page = Page(write_report(runs / name))
        assert page.loaded == [] and "script" not in page.tags and "i" not in page.tags
        assert page.tags["svg"] >= 3 and page.tags["desc"] >= 2 and "@import" not in "".join(page.words)
        assert "url(" not in "".join(page.words)
    words = "".join(Page(write_report(runs / "第一 <i>")).words)
    for wanted in (HOSTILE, "第一 <i>", "Confusion matrix", "Parameters", "Environment", "precision", "NaN", "∞"):
        assert wanted in words
    assert "True and predicted values" in "".join(Page(write_report(runs / "numbers")).words)


def test_several_runs_are_compared(runs, tmp_path):
    folders = [runs / "第一 <i>", runs / "numbers", runs / "one"]
    page = Page(write_report(folders, tmp_path / "page.html"))
    words = "".join(page.words)
    assert "3 runs" in words and "Differences" in words and page.loaded == []
    assert words.count("numbers") >= 3


def test_a_thousand_epochs_make_a_small_page(tmp_path):
    folder = tmp_path / "long"
    train([Run(folder)], epochs=1)
    rows = "".join(f"{e},0.01,{2 / e!r},{2 / e + 0.1!r},{1 - 1 / e!r}\n" for e in range(1, 20_001))
    (folder / "history.csv").write_text("epoch,seconds,loss,val_loss,val_accuracy\n" + rows)
    out = write_report(folder)
    assert out.stat().st_size < 300_000
    assert "19900 more" in "".join(Page(out).words)


def test_a_run_that_was_killed_at_once_has_a_page(tmp_path):
    folder = tmp_path / "run"
    train([Run(folder)])
    for name in ("history.csv", "validation.json", "state.json", "environment.json"):
        os.remove(folder / name)
    words = "".join(Page(write_report(folder)).words)
    assert "No epoch has ended yet" in words and "running, or killed" in words


@pytest.mark.parametrize("name, content, message", [
    ("state.json", b"{", "is not JSON"), ("parameters.json", b"[]", "expected an object, got list"),
    ("history.csv", b"what\n", "no log of a training"), ("validation.json", b"[" * 100_000, "is not JSON")])
def test_damaged_files_are_named(tmp_path, name, content, message):
    folder = tmp_path / "run"
    train([Run(folder)], epochs=1)
    (folder / name).write_bytes(content)
    with pytest.raises(FileFormatError, match=f"{name}: {message}"):
        write_report(folder)
    assert not (folder / "report.html").exists()


@pytest.mark.parametrize("value", [{"confusion": [[1, 2], [3]]}, {"confusion": 7}, {"points": [[1, 2, 3]]}, {"points": "abc"},
                                   {"confusion": [["x"]]}, {"points": [[math.nan, 1]]}, {"points": [[1, 1]]}])
def test_odd_predictions_leave_the_rest_of_the_page(tmp_path, value):
    folder = tmp_path / "run"
    train([Run(folder)], epochs=1)
    (folder / "validation.json").write_text(json.dumps(value))
    assert "Environment" in "".join(Page(write_report(folder)).words)


def test_the_command(runs, tmp_path, capsys):
    assert cli.main(["report", str(runs / "one"), "--out", str(tmp_path / "a.html")]) == 0
    assert capsys.readouterr().out == f"wrote {tmp_path / 'a.html'}\n" and (tmp_path / "a.html").exists()
    assert cli.main(["report", str(tmp_path)]) == 1
    assert "holds no run: neither parameters.json nor history.csv" in capsys.readouterr().err
    assert cli.main(["report", str(tmp_path / "none")]) == 1
    assert "there is no such folder" in capsys.readouterr().err


@pytest.mark.parametrize("values", [[], [math.nan], [1.0], [0.0, 0.0], [-5.0, -5.0], [1e-300, 1e300], [1, 1e9], [-1e308, 1e308],
                                    [math.inf, 2.0, -math.inf, 3.0], [1e-12, 2e-12], [123456789.0, 123456790.0]])
def test_charts_of_any_values(values):
    drawn = charts.lines("figure", [("a", list(range(1, len(values) + 1)), values, 0)])
    assert "nan" not in drawn.lower().replace("<title>", "") and 'inf"' not in drawn
    assert drawn.startswith("<svg") and drawn.endswith("</svg>")


@pytest.mark.parametrize("value, words", [
    (0.98765, "0.9877"), (1234.5, "1234"), (12345.6, "12,346"), (1e-5, "1.000e-05"), (math.nan, "NaN"),
    (-math.inf, "−∞"), (None, "–"), (0, "0"), (0.0, "0"), (-2.5, "−2.5"), (10**7, "10,000,000")])
def test_numbers_as_pages_show_them(value, words):
    assert text.number(value) == words


def test_texts_are_cut_by_their_width():
    assert text.shortened("学习率很长的名字", 9) == "学习率很…" and text.shortened("a\nb", 9) == "a b"
    assert text.duration(0.0123) == "12.3 ms" and text.duration(65) == "1 min 05 s" and text.duration(7500) == "2 h 05 min"
    assert text.escaped("a\0<\ud800\"") == "a\ufffd&lt;\ufffd&quot;"


def pixels(path):
    """The distinct rows of a PNG of 8 bits, unfiltered enough to see that it is not empty."""
    data, at, found = path.read_bytes(), 8, b""
    while at < len(data):
        size = int.from_bytes(data[at:at + 4], "big")
        if data[at + 4:at + 8] == b"IDAT":
            found += data[at + 8:at + 8 + size]
        at += size + 12
    width, height = int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
    raw = zlib.decompress(found)
    return {raw[i:i + len(raw) // height] for i in range(0, len(raw), len(raw) // height)}, width, height


@pytest.mark.parametrize("dark", [False, True])
def test_a_browser_shows_the_page(runs, tmp_path, dark):
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if browser is None:
        pytest.skip("needs Chromium")
    page, picture = write_report(runs / "第一 <i>", tmp_path / "page.html"), tmp_path / "page.png"
    done = subprocess.run(
        [browser, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--window-size=1200,1600",
         f"--user-data-dir={tmp_path / 'profile'}", f"--blink-settings=preferredColorScheme={0 if dark else 1}",
         f"--screenshot={picture}", page.as_uri()], capture_output=True, text=True, timeout=120)
    assert picture.exists(), done.stderr
    assert "CONSOLE" not in done.stderr
    rows, width, height = pixels(picture)
    assert (width, height) == (1200, 1600) and len(rows) > 400      # an empty page has a handful of different rows
