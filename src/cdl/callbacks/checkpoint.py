"""Files from which a training goes on as if it had never stopped."""
import os
import re
from pathlib import Path

from cdl._core.check import positive_integer
from cdl.callbacks.callback import Callback
from cdl.callbacks.monitor import Monitor
from cdl.io.atomic import remove_leftovers, require_writable
from cdl.io.checkpoint import load_training, save_training

__all__ = ["Checkpoint"]


class Checkpoint(Callback):
    """A callback of `fit` that keeps the whole training in a file, and goes on from it.

    The file holds the model, the optimizer with its schedules, the history, the callbacks (`EarlyStopping` with its best
    weights) and every random generator, so that a training that was killed goes on with the same bits as one that was not,
    from the last epoch in the file. It is replaced all at once: whatever happens while it is written, the one before it is
    whole. It is also a model's file, for `cdl.load(path)` and `model.load(path)`.

    Parameters
    ----------
    path : str or PathLike
        The file. With ``{epoch}`` in its name (``"run/{epoch:04}.safetensors"``) every epoch has one of its own, counted
        from 1, and the newest `keep` stay.
    every : int, default 1
        It is written after so many epochs, and after the last one.
    monitor : str, optional
        Write only after epochs in which this figure, such as "val_loss", was better than ever before, whatever `every` is.
    mode : {"auto", "min", "max"}
        Whether less or more of it is better, as for `EarlyStopping`.
    resume : bool
        Go on from the file, the newest one, if there is one; else begin. Everything else of the call must be as it was,
        but `epochs` may be more. False: begin, and replace the file.
    keep : int or None, default 1
        How many files stay where `path` has ``{epoch}``; None: all.

    Attributes
    ----------
    saved : str or None
        The file that it last wrote.
    best : float or None
        The best value of the monitored figure.

    Raises
    ------
    ValueError
        For options out of range.
    OSError
        When the training begins: if there is no such folder, or it may not be written. While it runs: if the file cannot
        be written, because the disk is full; the one before it is then untouched.
    FileFormatError
        Resuming: if the file is damaged, of a newer version of cdl, or of another model or optimizer.

    Examples
    --------
    >>> import os, tempfile
    >>> import numpy as np
    >>> import cdl
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = os.path.join(folder.name, "training.safetensors")
    >>> x = np.linspace(-1, 1, 64)[:, None]
    >>> def train(epochs):
    ...     model = cdl.Sequential([cdl.Dense(1)])
    ...     return model.fit(x, 3 * x, loss="mse", epochs=epochs, progress=False,
    ...                      callbacks=[cdl.callbacks.Checkpoint(path, resume=True)])
    >>> train(2).epochs
    2
    >>> train(5).epochs         # three more
    5
    >>> folder.cleanup()
    """

    def __init__(self, path, every=1, monitor=None, mode="auto", resume=False, keep=1):
        self.path, self.monitor = os.fspath(path), monitor
        self.every = positive_integer(every, "Checkpoint", "every")
        self.keep = None if keep is None else positive_integer(keep, "Checkpoint", "keep")
        self.mode = mode
        self.numbered = "{epoch" in os.path.basename(self.path)
        if not self.numbered and self.keep != 1:
            raise ValueError(f"Checkpoint: keep={keep} files need names of their own: put {{epoch}} into the path, as in "
                             f"'{os.path.splitext(self.path)[0]}-{{epoch:04}}.safetensors'")
        self.file_of(1)     # a name that cannot be formatted is told now
        self.resuming = bool(resume)
        self.on_fit_begin(None)

    def file_of(self, epoch):
        """The file of an epoch, which is counted from 1."""
        if not self.numbered:
            return self.path
        folder, name = os.path.split(self.path)
        try:
            return os.path.join(folder, name.format(epoch=epoch))
        except (KeyError, IndexError, ValueError) as error:
            raise ValueError(f"Checkpoint: {name!r} is no name of a file with {{epoch}} in it: {error!r}") from None

    def files(self):
        """The files that there are, the one written last at the end."""
        if not self.numbered:
            return [self.path] if os.path.exists(self.path) else []
        folder, name = os.path.split(self.path)
        before, after = re.split(r"\{epoch[^}]*\}", name, maxsplit=1)
        pattern = re.compile(re.escape(before) + r"\s*0*(\d+)" + re.escape(after))
        found = []
        for match in filter(None, map(pattern.fullmatch, os.listdir(folder or "."))):
            path, epoch = os.path.join(folder, match[0]), int(match[1])
            if path == self.file_of(epoch):
                found.append((os.stat(path).st_mtime_ns, epoch, path))
        return [path for _, _, path in sorted(found)]

    def attach(self, training):
        """Know the training; refuse a folder that is not there or may not be written before it takes hours."""
        super().attach(training)
        remove_leftovers(require_writable(self.path, "Checkpoint"))

    def on_fit_begin(self, model):
        """Forget an earlier training."""
        self._watch = Monitor("Checkpoint", self.monitor or "loss", 0.0, self.mode)
        self.saved, self._due, self._written = None, False, []

    @property
    def best(self):
        """The best value of the monitored figure so far, or None."""
        return self._watch.best

    def resume(self, training):
        """Go on from the newest file, if that is wanted and there is one."""
        files = self.files() if self.resuming else []
        if files:
            load_training(files[-1], training)
            self.saved, self._written = files[-1], files

    def __call__(self, model, epoch, figures):
        if self.monitor is not None:
            self._due = self._watch.improves(self._watch.value(figures))

    def on_epoch_end(self, training):
        """Write the file, if it is due."""
        last = training.stopped or training.epoch >= training.epochs
        if self._due if self.monitor is not None else last or training.epoch % self.every == 0:
            self.save(training)

    def save(self, training):
        """Write the file of the training as it is, between two epochs."""
        path = self.file_of(training.epoch)
        try:
            save_training(path, training)
        except OSError as error:
            before = f"; {self.saved}, written before, is whole" if self.saved else ""
            raise OSError(error.errno, f"Checkpoint: cannot write it: {error.strerror or error}{before}", path) from error
        self.saved = path
        self._written = [*(old for old in self._written if old != path), path]
        if self.keep is not None:
            for old in self._written[:-self.keep]:
                Path(old).unlink(missing_ok=True)
            del self._written[:-self.keep]

    def state_dict(self):
        """The best value of the monitored figure."""
        return {"best": self.best, "monitor": self.monitor}

    def load_state_dict(self, state):
        """Go on from what `state_dict` gave."""
        if state.get("monitor") == self.monitor:    # the best of another figure is none of this one
            self._watch.best = state["best"]

    def __repr__(self):
        return f"Checkpoint({self.path!r}, every={self.every}, monitor={self.monitor!r})"
