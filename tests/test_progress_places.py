"""The progress line where it is really shown: a terminal, a dumb one, a pipe, a notebook; and Ctrl-C there."""
import json
import os
import re
import select
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import cdl
from cdl.callbacks import CSVLog
from cdl.report import RunFolder

POSIX = pytest.mark.skipif(os.name != "posix", reason="terminals and signals of POSIX")

WORK = """
import sys, time
from cdl.train.progress import Progress
for epoch in range({epochs}):
    with Progress({total}, label=f"epoch {{epoch + 1}}/{epochs}") as bar:
        for i in range(40):
            time.sleep(0.01)
            bar.update(1, loss=1 / (i + 1))
            {also}
"""


def terminal(script, *, columns=60, narrow_to=None, **environment):
    """What a process writes to a terminal of so many columns, made narrower once something is there."""
    import fcntl
    import pty
    import struct
    import termios

    def size(columns):
        fcntl.ioctl(ours, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))

    ours, theirs = pty.openpty()
    size(columns)
    clean = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "TERM")}
    process = subprocess.Popen([sys.executable, "-c", script], stdin=theirs, stdout=theirs, stderr=theirs,
                               env=clean | {"TERM": "xterm"} | environment)
    os.close(theirs)
    written, deadline = b"", time.monotonic() + 60
    while time.monotonic() < deadline:
        if not select.select([ours], [], [], 1)[0]:
            continue
        try:
            part = os.read(ours, 4096)
        except OSError:     # the end, as Linux tells it
            break
        if not part:
            break
        written += part
        if narrow_to and b"loss" in written:
            size(narrow_to)
            narrow_to = None
    os.close(ours)
    assert process.wait(10) == 0, written
    return written.decode().replace("\r\n", "\n")


def screen(written):
    lines = []
    for line in written.split("\n"):
        cells = []
        for part in line.split("\r"):
            cells[:len(part)] = part
        lines.append("".join(cells).rstrip())
    return lines


@POSIX
def test_a_terminal_shows_one_line_an_epoch_rewritten_in_place():
    written = terminal(WORK.format(epochs=2, total=40, also=""))
    lines = screen(written)
    assert len(lines) == 3 and lines[2] == ""
    for epoch, line in enumerate(lines[:2]):
        assert re.fullmatch(rf"epoch {epoch + 1}/2  40/40  0:\d\d  [0-9.]+ samples/s", line)
    drawn = re.split(r"[\r\n]", written)
    assert 4 <= sum("[" in part for part in drawn) <= 40 and max(map(len, drawn)) < 60


@POSIX
def test_a_terminal_that_is_made_narrower_gets_shorter_lines():
    written = terminal(WORK.format(epochs=1, total=40, also=""), columns=90, narrow_to=30)
    drawn = [part for part in re.split(r"[\r\n]", written) if part]
    assert len(drawn[0]) > 60 and max(map(len, drawn[2:-1])) <= 29


@POSIX
def test_an_unknown_total_counts():
    lines = screen(terminal(WORK.format(epochs=1, total=None, also="")))
    assert re.fullmatch(r"epoch 1/1  40  0:\d\d  [0-9.]+ samples/s", lines[0])


@POSIX
def test_a_dumb_terminal_gets_plain_lines():
    written = terminal(WORK.format(epochs=2, total=40, also=""), TERM="dumb")
    assert "\r" not in written and written.count("\n") == 2


def test_a_pipe_gets_one_plain_line_an_epoch():
    written = subprocess.run([sys.executable, "-c", WORK.format(epochs=3, total=40, also="")], capture_output=True, text=True,
                             check=True, timeout=60).stdout
    assert "\r" not in written and written.count("\n") == 3 and written.count("40/40") == 3


NESTED = """
import time
from cdl.train.progress import Progress
with Progress(3, label="trials", unit="trials") as outer:
    for trial in range(3):
        time.sleep(0.15)
        outer.update(0)
        with Progress(20, label=f"epoch 1/1 of {trial}") as inner:
            for _ in range(20):
                time.sleep(0.015)
                inner.update()
                outer.update(0)
        outer.update(1)
"""


@POSIX
def test_of_nested_lines_the_inner_one_is_drawn_and_nothing_is_torn():
    written = terminal(NESTED, columns=80)
    lines = screen(written)
    assert [line.split("  ")[0] for line in lines] == ["epoch 1/1 of 0", "epoch 1/1 of 1", "epoch 1/1 of 2", "trials", ""]
    assert all(re.fullmatch(r"epoch 1/1 of \d  20/20  0:\d\d  [0-9.]+ samples/s", line) for line in lines[:3])
    drawn = [part.strip() for part in re.split(r"[\r\n]", written) if part.strip()]
    assert all(re.match(r"epoch|trials", part) and not re.search(r".(epoch|trials  )", part) for part in drawn)
    assert sum("trials  [" in part for part in drawn) >= 2


@POSIX
def test_wide_letters_do_not_wrap_and_ascii_terminals_get_them_spelled():
    script = WORK.format(epochs=1, total=40, also='bar.label = "学习" * 30')
    drawn = re.split(r"[\r\n]", terminal(script, PYTHONUTF8="1"))
    assert max(len(part.rstrip()) for part in drawn[3:-2]) <= 30
    written = terminal(script, PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert written.isascii() and "\\u5b66" in written


RUN_NOTEBOOK = """
import json, sys
import nbclient, nbformat
book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(sys.stdin.read())])
nbclient.NotebookClient(book, timeout=120, kernel_name="python3").execute()
print(json.dumps(book.cells[0].outputs))
"""


def notebook(source):
    """The outputs of a cell of this source, as a notebook's file has them; run by another process, with its own sockets."""
    for module in ("nbclient", "nbformat", "ipykernel"):
        pytest.importorskip(module)
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", RUN_NOTEBOOK], input=source, capture_output=True, text=True,
                          timeout=150)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_a_notebook_keeps_one_rewritten_line_and_one_plain_line_an_epoch():
    outputs = notebook("print('before')\n" + WORK.format(epochs=5, total=40, also=""))
    text = "".join(output["text"] for output in outputs if output["output_type"] == "stream")
    assert "\r" not in text and text.startswith("before\n")
    assert [line.split("  ")[0] for line in text.splitlines()[1:]] == [f"epoch {epoch}/5" for epoch in range(1, 6)]
    shown = [output for output in outputs if output["output_type"] == "display_data"]
    assert len(shown) == 1 and shown[0]["data"] == {"text/plain": ""}
    assert len(outputs) <= 7        # a file of nbclient's has each piece of text by itself; JupyterLab joins them


def test_a_notebook_with_tqdm_that_cannot_show_its_widget_has_our_line():
    outputs = notebook("import sys, types\n"
                       "class Bar:\n    def __init__(self, **options): raise ImportError('ipywidgets')\n"
                       "sys.modules['tqdm.auto'] = types.SimpleNamespace(tqdm=Bar)\n"
                       + WORK.format(epochs=1, total=40, also=""))
    assert "epoch 1/1  40/40" in "".join(output.get("text", "") for output in outputs)


FIT = """
import sys, time, numpy as np, cdl
rng = np.random.default_rng(0)
x = rng.standard_normal((20_000, 64)).astype(np.float32)
model = cdl.Sequential([cdl.Dense(256, "relu"), cdl.Dense(256, "relu"), cdl.Dense(64)])
class Tell(cdl.callbacks.Callback):
    def on_epoch_end(self, training):
        print("epoch", flush=True)
history = model.fit(x, x, loss="mse", epochs=10**6, progress=False, validation_data=(x[:2000], x[:2000]),
                    callbacks=[cdl.callbacks.Run(sys.argv[1]), cdl.callbacks.CSVLog(sys.argv[2]), Tell()])
print("left", history.interrupted, history.epochs, time.time(), flush=True)
"""


@POSIX
def test_ctrl_c_leaves_fit_at_once_with_history_checkpoint_and_logs(tmp_path):
    """In the middle of an epoch and while files are written."""
    times = []
    for i, after in enumerate((0.0, 0.03, 0.1)):
        folder, log = tmp_path / f"run {i}", tmp_path / f"log {i}.csv"
        process = subprocess.Popen([sys.executable, "-c", FIT, str(folder), str(log)], stdout=subprocess.PIPE, text=True)
        for _ in range(2):
            assert process.stdout.readline() == "epoch\n"
        time.sleep(after)
        sent = time.time()
        process.send_signal(signal.SIGINT)
        last = process.communicate(timeout=60)[0].splitlines()[-1].split()
        assert process.returncode == 0 and last[:2] == ["left", "True"]
        times.append(float(last[3]) - sent)
        epochs, run = int(last[2]), RunFolder(folder)
        assert run.state["state"] == "interrupted" and run.epochs == list(range(1, epochs + 1))
        assert [row["loss"] for row in CSVLog.read(log)] == run.figures["loss"]
        cdl.load(folder / "checkpoint.safetensors")
        assert cdl.load(folder / "best.safetensors").predict(np.ones((1, 64), np.float32)).shape == (1, 64)
        assert not [name for name in os.listdir(folder) if name.endswith(".tmp")]
    # Enough for a machine with other work, whose disk may take seconds; on an idle one it is 1 to 80 ms
    assert sorted(times)[1] < 2, times
