"""The line that shows how far a training run is."""
import math
import sys
import time

# Ten times a second is smooth to the eye, and terminals far away keep up with it.
_INTERVAL = 0.1
_BAR_WIDTH = 20


class Progress:
    """One line that shows how far some work is, its rate and the time left; a context manager.

    On a terminal the line is rewritten in place. Elsewhere (a file, a pipe, a notebook) one plain line is written at
    the end. Where the program has itself imported tqdm, and on a terminal or in a notebook, tqdm's bar is shown
    instead. A stream that cannot be written to any more silences the line; the work goes on.

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
        if not self._open or not (self._terminal or self._bar is not None):
            self.due = math.inf
            return
        now = self._clock()
        if now - self._drawn >= _INTERVAL:
            self._drawn = now
            if self._bar is None:
                self._rewrite(self._line(now, figures))
            else:
                self._move_bar(figures)
        # Due when a fifth of an interval's work is done at the rate so far.
        self.due = self._done + self._done / max(now - self._start, 1e-9) * _INTERVAL / 5

    def _line(self, now, figures, last=False):
        elapsed = max(now - self._start, 1e-9)
        rate = self._done / elapsed
        parts = [self.label] if self.label else []
        if self.total and self._terminal and not last:
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
        if not end:  # a line that wraps could not be rewritten; the last one may wrap, so that no figure is lost
            import shutil  # here, not at the top: with what it needs it is a tenth of the time that `import cdl` takes

            line = line[:shutil.get_terminal_size().columns - 1]
        self._write("\r" + line.ljust(self._width) + end)
        self._width = len(line)

    def _write(self, text):
        try:
            self._stream.write(text)
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
        return module.tqdm(total=self.total, desc=self.label or None, unit=f" {self.unit}", file=self._stream,
                           dynamic_ncols=True)


def _is_terminal(stream):
    try:
        return stream.isatty()
    except (AttributeError, ValueError):  # an object that only writes; a closed file
        return False


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
