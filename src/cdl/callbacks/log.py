"""The figures of every epoch in a text file that can be read while the training runs."""
import csv
import io
import json
import math
import os
import time
from pathlib import Path

from cdl.callbacks.callback import Callback
from cdl.io.atomic import atomic_write, require_writable
from cdl.io.errors import FileFormatError

__all__ = ["CSVLog", "JSONLog"]


class _Log(Callback):
    """One line an epoch, written when it ends; `_line` makes it and `_rows` reads it again."""

    def __init__(self, path):
        self.path = os.fspath(path)
        self.on_fit_begin(None)

    def attach(self, training):
        """Know the training; refuse a folder that is not there or may not be written before it takes hours."""
        super().attach(training)
        require_writable(self.path, type(self).__name__)

    def on_fit_begin(self, model):
        """Forget an earlier training."""
        self._names, self._rows_written, self._began = None, 0, time.perf_counter()

    def __call__(self, model, epoch, figures):
        now = time.perf_counter()
        row = {"epoch": epoch + 1, "seconds": now - self._began} | {name: float(value) for name, value in figures.items()}
        self._began = now
        if self._names is not None and set(row) <= set(self._names):
            with open(self.path, "a", encoding="utf-8", newline="") as file:
                file.write(self._line(row))
        else:
            # The first line of a training, or a new figure: the file is written anew with the epochs before, those of an
            # earlier process too, and without any that it had behind them
            self._write_anew([*self._before(epoch), row], first=row)
        self._rows_written = epoch + 1

    def on_fit_end(self, model):
        """Write the epoch between whose end and its line Ctrl-C came, if it did."""
        if self.training is not None and self._rows_written < self.training.history.epochs:
            self._write_anew(self._before(self.training.history.epochs))

    def _write_anew(self, rows, first=None):
        self._names = list({name: None for row in [first or {}, *rows] for name in row})
        with atomic_write(self.path) as file:
            file.write("".join([self._head(), *map(self._line, rows)]).encode())

    def _before(self, epoch):
        """The rows of the epochs before this one: the figures as the history has them, the seconds from the file."""
        seconds = {}
        if epoch and os.path.exists(self.path):
            seconds = {row["epoch"]: {"seconds": row["seconds"]} for row in self.read(self.path) if "seconds" in row}
        return [{"epoch": i + 1} | seconds.get(i + 1, {}) | {name: column[i] for name, column in self.training.history.items()}
                for i in range(epoch)]

    @classmethod
    def read(cls, path):
        """The rows of a file, a list of dicts from names to numbers; a last line that a crash cut short is left out.

        Raises
        ------
        FileFormatError
            For a file that is no such log.
        OSError
            If it cannot be read.
        """
        text = Path(path).read_bytes()
        try:
            return cls._rows(text[:text.rfind(b"\n") + 1].decode())
        except (AttributeError, KeyError, TypeError, ValueError, csv.Error) as error:
            raise FileFormatError(f"{os.fspath(path)}: no log of a training: {error}") from None

    def __repr__(self):
        return f"{type(self).__name__}({self.path!r})"


class CSVLog(_Log):
    """A callback of `fit` that writes the figures of every epoch into a table, one line each, as soon as it ends.

    The columns are the epoch, counted from 1, the seconds that it took, and the figures, in full precision; a figure that
    an epoch does not have is an empty cell. The file of an earlier training is replaced; where a `Checkpoint` resumes it,
    the file goes on behind the last epoch that the checkpoint has.

    Parameters
    ----------
    path : str or PathLike

    Raises
    ------
    OSError
        When the training begins: if there is no such folder. While it runs: if the file cannot be written.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import numpy as np
    >>> import cdl
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = pathlib.Path(folder.name, "history.csv")
    >>> x = np.linspace(-1, 1, 64)[:, None]
    >>> history = cdl.Sequential([cdl.Dense(1)]).fit(x, 3 * x, loss="mse", epochs=3, progress=False,
    ...                                              callbacks=[cdl.callbacks.CSVLog(path)])
    >>> [row["loss"] for row in cdl.callbacks.CSVLog.read(path)] == history["loss"]
    True
    >>> path.read_text().splitlines()[0]
    'epoch,seconds,loss'
    >>> folder.cleanup()
    """

    def _head(self):
        return _csv_line(self._names)

    def _line(self, row):
        return _csv_line(row.get(name, "") for name in self._names)

    @staticmethod
    def _rows(text):
        names, *lines = csv.reader(io.StringIO(text, newline="")) if text else [["epoch"]]
        if names[0] != "epoch" or any(len(line) != len(names) for line in lines):
            raise ValueError("expected a line of names, the first of them epoch, and as many numbers in every other line")
        return [{name: int(cell) if name == "epoch" else float(cell)
                 for name, cell in zip(names, line, strict=True) if cell} for line in lines]


class JSONLog(_Log):
    """A callback of `fit` that writes the figures of every epoch as a JSON object, one line each, as soon as it ends.

    Otherwise as `CSVLog`. JSON has no NaN and no infinity: they are null.

    Parameters
    ----------
    path : str or PathLike

    Raises
    ------
    OSError
        As `CSVLog`.

    Examples
    --------
    >>> import os, tempfile
    >>> import numpy as np
    >>> import cdl
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = os.path.join(folder.name, "history.jsonl")
    >>> x = np.linspace(-1, 1, 64)[:, None]
    >>> history = cdl.Sequential([cdl.Dense(1)]).fit(x, 3 * x, loss="mse", epochs=3, progress=False,
    ...                                              callbacks=[cdl.callbacks.JSONLog(path)])
    >>> [list(row) for row in cdl.callbacks.JSONLog.read(path)][-1]
    ['epoch', 'seconds', 'loss']
    >>> folder.cleanup()
    """

    def _head(self):
        return ""

    def _line(self, row):
        row = {name: value if math.isfinite(value) else None for name, value in row.items()}
        return json.dumps(row, ensure_ascii=False) + "\n"

    @staticmethod
    def _rows(text):
        return [{name: int(value) if name == "epoch" else math.nan if value is None else float(value)
                 for name, value in json.loads(line).items()} for line in text.split("\n") if line]


def _csv_line(cells):
    """Cells as a line of CSV; names may hold anything."""
    quoted = []
    for cell in cells:
        text = cell if isinstance(cell, str) else repr(cell)
        quoted.append('"' + text.replace('"', '""') + '"' if any(c in text for c in ',"\r\n') else text)
    return ",".join(quoted) + "\n"
