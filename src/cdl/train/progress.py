"""The line that shows how far a training run is."""
import math
import os
import sys
import time
import weakref

# Ten times a second is smooth to the eye, and terminals far away keep up with it.
_INTERVAL = 0.1
_BAR_WIDTH = 20
# The lines that were begun and may not be finished, the one begun last at the end.
_BEGUN = []


class Progress:
    """One line that shows how far some work is, its rate and the time left; a context manager.

    On a terminal the line is rewritten in place. In a notebook it is, too, on a line above the cell's other output, and one
    plain line is written at the end. Elsewhere (a file, a pipe, a terminal that calls itself dumb) there is only that.
    Where the program has itself imported tqdm, and on a terminal or in a notebook, tqdm's bar is shown instead. Of lines
    that are open at once the one begun last is drawn; the others wait until it is finished. A stream that cannot be
    written to any more silences the line; the work goes on.

    Parameters
    ----------
    total : int or None
        The units of work, None where that is not known.
    label : str, default ""
        What the line begins with, ``"epoch 3/30"``.
    unit : str, default "samples"
        The name of a unit, for the rate.
    stream : text file, optional
        Where to write, `sys.stdout` without it.
    enabled : bool, default True
        False: nothing is written.

    Attributes
    ----------
    due : float
        Until so much is done there is nothing to draw: a tight loop may count by itself and call `update` then.

    Examples
    --------
    >>> import io
    >>> stream = io.StringIO()
    >>> with Progress(100, label="epoch 1/2", stream=stream) as progress:
    ...     for _ in range(4):
    ...         progress.update(25, loss=0.5)
    ...     progress.finish(loss=0.25, accuracy=0.75)
    >>> import re
    >>> re.sub("[0-9.]+[kM]? samples/s", "# samples/s", stream.getvalue())
    'epoch 1/2  100/100  0:00  # samples/s  loss 0.2500  accuracy 0.7500\\n'
    """

    def __init__(self, total=None, *, label="", unit="samples", stream=None, enabled=True):
        self.total, self.label, self.unit = total, label, unit
        self._stream = sys.stdout if stream is None else stream
        self._clock = time.perf_counter
        self._start = self._drawn = self._clock()
        self._done = 0
        self.due = 0  # the clock is read only once so much is done
        self._width = 0  # of the line now on the terminal
        self._open = enabled and self._stream is not None
        self._terminal = self._open and _is_terminal(self._stream)
        self._bar = self._tqdm_bar() if self._open else None
        self._cell = None if self._terminal or self._bar is not None or not self._open else _Cell.of(self._stream)
        if self._open:
            _BEGUN[:] = [ref for ref in _BEGUN if ref() is not None and ref()._open] + [weakref.ref(self)]

    def update(self, count=1, **figures):
        """Count `count` more units as done; the line shows `figures`, numbers by name, when it is next drawn.

        The line is drawn at most ten times a second; other calls cost less than 0.2 µs. The figures are formatted only
        when it is drawn, and never kept.
        """
        self._done += count
        if self._done >= self.due:
            self._look(figures)

    def finish(self, **figures):
        """Draw the line a last time, with these figures, and end it. Later calls do nothing."""
        if not self._open:
            return
        if self._bar is not None:
            self._move_bar(figures)
            self._bar.close()
        elif self._terminal:
            self._rewrite(self._line(self._clock(), figures, last=True), "\n")
        else:
            if self._cell is not None:
                self._cell.show("")
            self._write(self._line(self._clock(), figures, last=True) + "\n")
        self._open = False

    def __enter__(self):
        return self

    def __exit__(self, kind, value, traceback):
        if kind is None:
            self.finish()
        elif self._open:
            # Interrupted: leave the line as it stands, and what is printed next on a line of its own.
            if self._bar is not None:
                self._bar.close()
            elif self._width:
                self._write("\n")
            self._open = False

    def _look(self, figures):
        """Draw the line if it is time, and set when to look at the clock again."""
        if not self._open or (not self._terminal and self._bar is None and self._cell is None):
            self.due = math.inf
            return
        now = self._clock()
        if now - self._drawn >= _INTERVAL:
            self._drawn = now
            if self._bar is not None:
                self._move_bar(figures)
            elif self._is_last_begun():
                line = self._line(now, figures)
                self._rewrite(line) if self._cell is None else self._cell.show(line)
        # Due when a fifth of an interval's work is done at the rate so far.
        self.due = self._done + self._done / max(now - self._start, 1e-9) * _INTERVAL / 5

    def _is_last_begun(self):
        others = [ref() for ref in _BEGUN if ref() is not None and ref()._open and ref()._stream is self._stream]
        return not others or others[-1] is self

    def _line(self, now, figures, last=False):
        elapsed = max(now - self._start, 1e-9)
        rate = self._done / elapsed
        parts = [self.label] if self.label else []
        if self.total and not last:
            parts.append(_drawn_bar(self._done / self.total))
        parts.append(str(self._done) if self.total is None else f"{self._done}/{self.total}")
        if last:
            parts.append(_duration(elapsed))
        elif self.total and rate:
            parts.append(f"ETA {_duration(max(self.total - self._done, 0) / rate)}")
        parts.append(f"{_short(rate)} {self.unit}/s")
        parts += [f"{name} {value}" for name, value in _formatted(figures).items()]
        return "  ".join(parts)

    def _rewrite(self, line, end=""):
        room = _columns(self._stream) - 1
        for other in (ref() for ref in _BEGUN):     # what one that waits has drawn is drawn over
            if other is not None and other is not self and other._stream is self._stream:
                self._width, other._width = max(self._width, other._width), 0
        if not end:  # a line that wraps could not be rewritten; the last one may wrap, so that no figure is lost
            line = _cut(line, room)
        width = _cells(line)
        self._write("\r" + line + " " * (min(self._width, room) - width) + end)
        self._width = 0 if end else width

    def _write(self, text):
        try:
            try:
                self._stream.write(text)
            except UnicodeEncodeError:      # names that the stream's encoding does not have
                self._stream.write(text.encode("ascii", "backslashreplace").decode())
            self._stream.flush()
        except (OSError, ValueError):  # a pipe nobody reads, a closed stream
            self._open = False

    def _move_bar(self, figures):
        self._bar.set_postfix(_formatted(figures), refresh=False)
        self._bar.update(self._done - self._bar.n)

    def _tqdm_bar(self):
        in_notebook = "ipykernel" in sys.modules
        module = sys.modules.get("tqdm.auto") or sys.modules.get("tqdm")
        if not hasattr(module, "tqdm") or not (self._terminal or in_notebook):
            return None
        try:
            return module.tqdm(total=self.total, desc=self.label or None, unit=f" {self.unit}", file=self._stream,
                               dynamic_ncols=True)
        except ImportError:     # its bar for notebooks, without ipywidgets
            return None


class _Cell:
    """The output of a notebook's cell that is rewritten: one for all lines of the cell, so that a file of it stays small."""

    _last = None

    def __init__(self, count, display):
        self._count, self._display, self._handle = count, display, None

    @classmethod
    def of(cls, stream):
        """That of the cell which runs, if `stream` writes into it; else None."""
        if not type(stream).__module__.startswith("ipykernel"):
            return None
        shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
        if shell is None:
            return None
        if cls._last is None or cls._last._count != shell.execution_count:
            from IPython.display import display
            cls._last = cls(shell.execution_count, display)
        return cls._last

    def show(self, line):
        """Rewrite the line; nothing is made for an empty one."""
        content = {"text/plain": line}
        if self._handle is not None:
            self._handle.update(content, raw=True)
        elif line:
            self._handle = self._display(content, raw=True, display_id=True)


def _is_terminal(stream):
    """Whether a line on it can be rewritten."""
    try:
        return stream.isatty() and os.environ.get("TERM") != "dumb"
    except (AttributeError, ValueError):  # an object that only writes; a closed file
        return False


def _columns(stream):
    """How many letters fit into a line of a terminal, as it is now."""
    try:
        columns = int(os.environ.get("COLUMNS", 0)) or os.get_terminal_size(stream.fileno()).columns
    except (AttributeError, OSError, ValueError):
        import shutil  # here, not at the top: with what it needs it is a tenth of the time that `import cdl` takes

        columns = shutil.get_terminal_size().columns
    return columns if columns > 0 else 80


def _cells(text):
    """How many letters' room a text takes on a terminal: those of East Asia take two."""
    if text.isascii():
        return len(text)
    import unicodedata

    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def _cut(text, room):
    """The beginning of a text that has room."""
    while _cells(text) > room:
        text = text[:-1]
    return text


def _drawn_bar(share):
    filled = min(int(share * _BAR_WIDTH), _BAR_WIDTH)
    return "[" + "=" * filled + " " * (_BAR_WIDTH - filled) + "]"


def _formatted(figures):
    return {name: _figure(float(value)) for name, value in figures.items()}


def _figure(value):
    return f"{value:.4f}" if 1e-3 <= abs(value) < 1e4 or value == 0 else f"{value:.3e}"


def _duration(seconds):
    """h:mm:ss, or m:ss below an hour."""
    if not math.isfinite(seconds):
        return "?"
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def _short(rate):
    for limit, unit in ((1e6, "M"), (1e3, "k")):
        if rate >= 0.9995 * limit:  # what three digits round up to it
            return f"{rate / limit:.3g}{unit}"
    return f"{rate:.3g}"
