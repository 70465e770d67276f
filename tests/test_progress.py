"""The progress line, the history of a run, and optional imports."""
import importlib.metadata
import importlib.util
import io
import math
import pathlib
import pickle
import re
import subprocess
import sys
import types
from typing import ClassVar

import pytest

from cdl.extras import require
from cdl.train import progress as progress_module
from cdl.train.history import History
from cdl.train.progress import Progress


class Terminal(io.StringIO):
    """A terminal that keeps what is written to it."""

    def isatty(self):
        super().isatty()  # raises on a closed file
        return True

    def screen(self):
        """What a person sees: each line as its last rewriting, drawn over what was longer, left it."""
        lines = []
        for line in self.getvalue().split("\n"):
            cells = []
            for part in line.split("\r"):
                cells[:len(part)] = part
            lines.append("".join(cells).rstrip())
        return lines


class Clock:
    """A clock that goes on only when it is told."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    monkeypatch.delitem(sys.modules, "tqdm", raising=False)
    monkeypatch.delitem(sys.modules, "tqdm.auto", raising=False)
    clock = Clock()
    monkeypatch.setattr(progress_module.time, "perf_counter", clock)
    monkeypatch.setenv("COLUMNS", "100")
    return clock


def test_the_line_is_rewritten_on_a_terminal(clock):
    stream = Terminal()
    with Progress(400, label="epoch 1/3", stream=stream) as progress:
        clock.now = 1.0
        progress.update(100, loss=1.2345678)
        assert stream.screen() == ["epoch 1/3  [=====               ]  100/400  ETA 0:03  100 samples/s  loss 1.2346"]
        clock.now = 2.0
        progress.update(300, loss=0.5)
        assert stream.screen() == ["epoch 1/3  [====================]  400/400  ETA 0:00  200 samples/s  loss 0.5000"]
        progress.finish(loss=0.25, accuracy=1)
    assert stream.screen() == ["epoch 1/3  400/400  0:02  200 samples/s  loss 0.2500  accuracy 1.0000", ""]
    assert stream.getvalue().isascii()


def test_it_is_redrawn_at_most_ten_times_a_second(clock):
    stream = Terminal()
    progress = Progress(10_000, stream=stream)
    for _ in range(10_000):
        clock.now += 1e-3
        progress.update(1, loss=0.5)
    drawn = stream.getvalue().count("\r")
    assert 70 <= drawn <= 100  # of ten seconds


def test_a_run_that_slows_down_is_still_redrawn(clock):
    stream = Terminal()
    progress = Progress(None, stream=stream)
    for _ in range(1000):
        clock.now += 1e-4
        progress.update()
    before = stream.getvalue().count("\r")
    for _ in range(200):
        clock.now += 1.0
        progress.update()
    assert stream.getvalue().count("\r") - before >= 100


def test_elsewhere_one_plain_line(clock):
    stream = io.StringIO()
    with Progress(4, label="epoch 2/3", unit="batches", stream=stream) as progress:
        for _ in range(4):
            clock.now += 1000
            progress.update(loss=1e-5)
        assert stream.getvalue() == ""
        progress.finish(loss=1e-5)
    assert stream.getvalue() == "epoch 2/3  4/4  1:06:40  0.001 batches/s  loss 1.000e-05\n"


def test_leaving_the_block_finishes_once(clock):
    stream = io.StringIO()
    with Progress(2, stream=stream) as progress:
        clock.now = 1
        progress.update(2)
    progress.finish(loss=1)
    progress.update(1)
    assert stream.getvalue() == "2/2  0:01  2 samples/s\n"


@pytest.mark.parametrize("stream, written", [(Terminal(), "\n"), (io.StringIO(), "")])
def test_an_interrupt_leaves_a_fresh_line(clock, stream, written):
    with pytest.raises(KeyboardInterrupt), Progress(4, stream=stream) as progress:
        clock.now = 1
        progress.update(1)
        raise KeyboardInterrupt
    assert stream.getvalue().endswith(written) and stream.getvalue().count("\n") == len(written)
    assert "[=====" in stream.getvalue() or not written


def test_unknown_total(clock):
    stream = Terminal()
    progress = Progress(stream=stream)
    clock.now = 2
    progress.update(5_000_000)
    assert stream.screen() == ["5000000  2.5M samples/s"]


def test_a_narrow_terminal_is_never_wrapped_until_the_end(clock, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    stream = Terminal()
    progress = Progress(4, label="epoch 1/3", stream=stream)
    clock.now = 1
    progress.update(2, loss=0.5, accuracy=0.5)
    assert stream.screen() == ["epoch 1/3  [==========          ]  2/4"] and len(stream.getvalue()) == 40  # with \\r
    progress.finish(loss=0.5, accuracy=0.5)
    assert stream.screen()[0].endswith("accuracy 0.5000")


def test_figures_that_are_no_numbers_yet(clock):
    stream = io.StringIO()
    Progress(1, stream=stream).finish(loss=math.nan, best=-math.inf, count=123456, zero=0)
    assert stream.getvalue().split("  ")[-4:] == ["loss nan", "best -inf", "count 1.235e+05", "zero 0.0000\n"]


@pytest.mark.parametrize("rate, text", [(0, "0"), (0.01234, "0.0123"), (999.4, "999"), (999.7, "1k"), (12_345, "12.3k"),
                                        (999_600, "1M"), (2.5e6, "2.5M")])
def test_rates(rate, text):
    assert progress_module._short(rate) == text


@pytest.mark.parametrize("seconds, text", [(0, "0:00"), (59.6, "1:00"), (61, "1:01"), (3599.4, "59:59"),
                                           (36_000, "10:00:00"), (math.inf, "?")])
def test_durations(seconds, text):
    assert progress_module._duration(seconds) == text


def test_disabled_or_without_any_stream_nothing_is_written(clock, monkeypatch):
    stream = io.StringIO()
    for progress in (Progress(1, stream=stream, enabled=False), None):
        if progress is None:
            monkeypatch.setattr(sys, "stdout", None)
            progress = Progress(1)
        clock.now += 1
        progress.update(1, loss=1)
        progress.finish(loss=1)
    assert stream.getvalue() == ""


def test_a_stream_that_breaks_does_not_end_the_work(clock):
    class Broken(Terminal):
        def write(self, text):
            raise BrokenPipeError

    for stream in (Broken(), Terminal()):
        progress = Progress(10, stream=stream)
        stream.close()
        for _ in range(10):
            clock.now += 1
            progress.update(1)
        progress.finish()
    assert Progress(1, stream=stream)._terminal is False  # asking a closed file raises
    Progress(1, stream=types.SimpleNamespace(write=[].append, flush=int)).finish()  # has no isatty


class FakeBar:
    made: ClassVar = []

    def __init__(self, **options):
        self.options, self.n, self.closed, self.figures = options, 0, False, None
        self.made.append(self)

    def update(self, count):
        self.n += count

    def set_postfix(self, figures, refresh):
        self.figures = figures

    def close(self):
        self.closed = True


@pytest.mark.parametrize("module", ["tqdm", "tqdm.auto"])
def test_tqdm_is_used_where_it_is_already_imported(clock, monkeypatch, module):
    FakeBar.made.clear()
    monkeypatch.setitem(sys.modules, module, types.SimpleNamespace(tqdm=FakeBar))
    stream = Terminal()
    with Progress(10, label="epoch 1/1", stream=stream) as progress:
        clock.now = 1
        progress.update(4, loss=0.5)
        (bar,) = FakeBar.made
        assert bar.n == 4 and bar.figures == {"loss": "0.5000"} and not bar.closed
        progress.update(6)
        progress.finish(loss=0.25)
    assert bar.n == 10 and bar.figures == {"loss": "0.2500"} and bar.closed
    assert bar.options["total"] == 10 and bar.options["desc"] == "epoch 1/1" and stream.getvalue() == ""
    with pytest.raises(KeyError), Progress(10, stream=stream):
        raise KeyError
    assert FakeBar.made[-1].closed
    # In a file it would write a line for each step: there the plain line stays.
    Progress(10, stream=io.StringIO()).finish()
    assert len(FakeBar.made) == 2
    monkeypatch.setitem(sys.modules, "ipykernel", types.ModuleType("ipykernel"))
    Progress(10, stream=io.StringIO()).finish()
    assert len(FakeBar.made) == 3


def test_the_real_tqdm_takes_what_it_is_given(monkeypatch):
    pytest.importorskip("tqdm")
    stream = Terminal()
    with Progress(10, label="epoch 1/1", stream=stream) as progress:
        progress.update(10)
        progress.finish(loss=0.25)
    assert "epoch 1/1" in stream.getvalue() and "loss=0.2500" in stream.getvalue()


def test_nothing_optional_is_imported_by_itself():
    code = ("import sys, cdl.train.progress, cdl.train.history, cdl.extras, cdl.io, cdl.data;"
            "print([m for m in ('tqdm', 'matplotlib', 'pandas', 'safetensors', 'sklearn') if m in sys.modules])")
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "[]\n"


# History.

def test_history_is_a_dict_of_equally_long_lists():
    history = History()
    history.append(loss=1)
    history.append(loss=0.5, val_loss=0.75)
    history.append(val_loss=0.5)
    assert history["loss"][:2] == [1.0, 0.5] and math.isnan(history["loss"][2])
    assert math.isnan(history["val_loss"][0]) and history["val_loss"][1:] == [0.75, 0.5]
    assert history.epochs == 3 and history.history is history
    assert all(type(value) is float for column in history.values() for value in column)
    assert list(pickle.loads(pickle.dumps(history))) == ["loss", "val_loss"]


def test_a_figure_that_is_no_number_records_nothing():
    history = History()
    history.append(loss=1)
    with pytest.raises(ValueError):
        history.append(loss=2, accuracy="high")
    assert history == {"loss": [1.0]}


def test_history_is_shown_as_a_small_table():
    history = History()
    assert repr(history) == "History: no epochs yet"
    for epoch in range(11):
        history.append(loss=1 / (epoch + 1), a=epoch)
    assert repr(history).count("\n") == 11 and "..." not in repr(history)
    for epoch in range(11, 1000):
        history.append(loss=1 / (epoch + 1), a=epoch)
    lines = repr(history).split("\n")
    assert len(lines) == 12 and lines[0] == "epoch      loss       a" and lines[6] == "  ...       ...     ..."
    assert lines[5] == "    5       0.2       4" and lines[-1] == " 1000     0.001     999"


def test_history_is_plotted():
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("agg")
    history = History()
    history.append(loss=1, val_loss=2, accuracy=0.5)
    history.append(loss=0.5, val_loss=1.5, accuracy=0.75)
    figure = history.plot()
    above, below = figure.axes
    assert [line.get_label() for line in above.lines] == ["loss", "val_loss"]
    assert [line.get_label() for line in below.lines] == ["accuracy"]
    assert above.lines[0].get_color() == above.lines[1].get_color() != below.lines[0].get_color()
    assert list(above.lines[0].get_xdata()) == [1, 2] and list(above.lines[0].get_ydata()) == [1, 0.5]
    assert (above.get_ylabel(), below.get_ylabel(), below.get_xlabel()) == ("loss", "accuracy", "epoch")
    ax = matplotlib.pyplot.subplots()[1]
    assert history.plot("val_loss", "accuracy", ax=ax) is ax.figure and len(ax.lines) == 2
    assert len(history.plot("accuracy").axes) == 1
    assert not History().plot().axes[0].lines
    with pytest.raises(KeyError, match="no figure 'los' was recorded; there are loss, val_loss, accuracy"):
        history.plot("los")
    matplotlib.pyplot.close("all")


# Optional imports.

def test_a_missing_package_is_named_with_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.delitem(sys.modules, "matplotlib.pyplot", raising=False)
    with pytest.raises(ImportError) as caught:
        History().plot()
    message = "History.plot needs matplotlib, which is not installed: pip install 'cdl[plot]'"
    assert str(caught.value) == message and caught.value.name == "matplotlib"
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_a_package_that_is_there_and_broken_says_so_itself(tmp_path, monkeypatch):
    (tmp_path / "broken_package.py").write_text("import not_installed_either\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="not_installed_either"):
        require("broken_package", "plot", "History.plot")


def test_every_extra_that_is_asked_for_exists():
    """The extras named in the code are those of the installed package."""
    try:
        extras = importlib.metadata.metadata("cdl").get_all("Provides-Extra") or []
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("cdl is not installed")
    package = pathlib.Path(importlib.util.find_spec("cdl.extras").origin).parent
    asked = {extra for path in package.rglob("*.py")
             for extra in re.findall(r'require\("[\w.]+", "(\w+)"', path.read_text(encoding="utf-8"))}
    assert "plot" in asked and asked <= set(extras)
