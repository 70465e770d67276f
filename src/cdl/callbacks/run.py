"""A folder that says all about one training, of which `cdl report` makes a page."""
import datetime
import errno
import json
import os
import platform
import time

from cdl.callbacks.callback import Callback
from cdl.callbacks.checkpoint import Checkpoint
from cdl.callbacks.log import CSVLog
from cdl.callbacks.monitor import Monitor
from cdl.callbacks.predictions import Predictions
from cdl.io.atomic import atomic_write
from cdl.io.model import save_model
from cdl.random import generator

__all__ = ["Run"]

# The files of a run; a folder that holds others too is not one that overwriting may empty.
FILES = ("best.safetensors", "checkpoint.safetensors", "environment.json", "history.csv", "last.safetensors",
         "parameters.json", "report.html", "state.json", "validation.json")

# Seconds between two states of a run that goes on: a file that is synced costs more than an epoch of a small network.
_TOLD_EVERY = 1.0


class Run(Callback):
    """A callback of `fit` that writes all about the training into a folder; ``cdl report FOLDER`` makes a page of it.

    ======================== =======================================================================================
    history.csv              the figures of every epoch, as `CSVLog` writes them
    parameters.json          what `fit` was told, the optimizer, the model's table, notes of your own
    environment.json         versions, processor, instruction set, threads
    state.json               when it began and ended, how far it is and how it ended: finished, interrupted, failed
    validation.json          the confusion matrix, or true against predicted values, of the validation of the best epoch
    checkpoint.safetensors   the whole training after its last epoch, as `Checkpoint` writes it
    best.safetensors         the model after its best epoch
    last.safetensors         the model as it was at the end
    ======================== =======================================================================================

    Every file is written when its epoch ends, and replaced all at once: a run that is killed can be looked at too.

    Parameters
    ----------
    folder : str or PathLike
        Made if it is not there, with the folders above it.
    monitor : str, optional
        The figure that says which epoch is the best; default: "val_loss" where there is a validation, else "loss".
    mode : {"auto", "min", "max"}
        Whether less or more of it is better, as for `EarlyStopping`.
    resume : bool
        Go on from the folder's checkpoint if there is one, else begin.
    overwrite : bool
        Remove the files of an earlier run in the folder, and begin. Without either, such a folder is refused.
    every : int, default 1
        The checkpoint is written after so many epochs.
    classes : sequence of str, optional
        The names of the classes, for the report.
    **notes : plain values
        Whatever else is to be remembered, such as ``dataset="digits"`` or ``seed=3``.

    Attributes
    ----------
    best, best_epoch : float or None, int or None
        The best value of the monitored figure, and its epoch; the first is 0.

    Raises
    ------
    ValueError
        For resume beside overwrite, or notes that JSON cannot hold.
    FileExistsError
        When the training begins: if the folder is not empty and neither resume nor overwrite was asked for.
    OSError
        If it cannot be written.

    Examples
    --------
    >>> import os, tempfile
    >>> import numpy as np
    >>> import cdl
    >>> folder = tempfile.TemporaryDirectory()
    >>> run = cdl.callbacks.Run(os.path.join(folder.name, "first"), dataset="a line")
    >>> x = np.linspace(-1, 1, 64)[:, None]
    >>> history = cdl.Sequential([cdl.Dense(1)]).fit(x, 3 * x, loss="mse", epochs=3, validation_split=0.25,
    ...                                              callbacks=[run], progress=False)
    >>> run.best == min(history["val_loss"])
    True
    >>> cdl.load(os.path.join(run.folder, "best.safetensors")).count_parameters()
    2
    >>> folder.cleanup()
    """

    _ended = True       # there is nothing to end before the training has begun

    def __init__(self, folder, monitor=None, mode="auto", *, resume=False, overwrite=False, every=1, classes=None, **notes):
        if resume and overwrite:
            raise ValueError("Run: give resume or overwrite, not both")
        self.folder, self.monitor, self.overwrite = os.fspath(folder), monitor, bool(overwrite)
        self.mode = mode
        self._watch = Monitor("Run", monitor or "loss", 0.0, mode)
        self.classes = None if classes is None else [str(name) for name in classes]
        try:
            self.notes = json.loads(json.dumps(notes))
        except (TypeError, ValueError) as error:
            raise ValueError(f"Run: notes must be plain values, as JSON has them: {error}") from None
        self.checkpoint = Checkpoint(self._path("checkpoint.safetensors"), every=every, resume=resume)
        self._log = CSVLog(self._path("history.csv"))
        self.best_epoch = None

    @property
    def best(self):
        """The best value of the monitored figure so far, or None."""
        return self._watch.best

    def _path(self, name):
        return os.path.join(self.folder, name)

    def _write(self, name, value, indent=1):
        with atomic_write(self._path(name)) as file:
            file.write((json.dumps(value, ensure_ascii=False, indent=indent) + "\n").encode())

    # --- hooks of fit ------------------------------------------------------------------------------------------------
    def attach(self, training):
        """Make the folder, or refuse one that holds something."""
        super().attach(training)
        self._ended = True      # until the training has begun there is nothing to end
        if not self.checkpoint.resuming:
            self._claim()
        os.makedirs(self.folder, exist_ok=True)
        self.checkpoint.attach(training)
        self._log.attach(training)
        self._seen = Predictions(loss=training.loss)
        training.observers.append(self._seen)

    def _claim(self):
        """See that the folder is empty, or empty it."""
        try:
            names = sorted(os.listdir(self.folder))
        except FileNotFoundError:
            return
        if names and not self.overwrite:
            raise FileExistsError(errno.EEXIST, "Run: the folder is not empty; name another, or ask for resume=True or "
                                  "overwrite=True", self.folder)
        foreign = [name for name in names if name not in FILES and not name.startswith(".cdl-")]
        if foreign:
            raise FileExistsError(errno.EEXIST, f"Run: the folder holds what no run wrote, {', '.join(foreign[:5])}; "
                                  "overwrite=True removes files of runs only", self.folder)
        for name in names:
            os.unlink(self._path(name))

    def on_fit_begin(self, model):
        """Forget an earlier training."""
        self.checkpoint.on_fit_begin(model)
        self._log.on_fit_begin(model)
        self._watch, self.best_epoch = Monitor("Run", self.monitor or "loss", 0.0, self.mode), None
        self._began, self._seconds = _now(), 0.0
        self._since = time.perf_counter()

    def resume(self, training):
        """Go on, if that is wanted, and write what is known before the first epoch."""
        self.checkpoint.resume(training)
        self._ended = False
        self._write("parameters.json", self._parameters(training))
        self._write("environment.json", environment())
        self._write_state(training, "running")

    def __call__(self, model, epoch, figures):
        self._log(model, epoch, figures)
        if self.monitor is None and "val_loss" in figures:
            self._watch.name = "val_loss"
        if self._watch.improves(self._watch.value(figures)):
            self.best_epoch = epoch
            save_model(self._path("best.safetensors"), model)
            seen = self._seen.summary()
            if seen is not None:
                classes = {"classes": self.classes} if "confusion" in seen and self.classes else {}
                self._write("validation.json", {"epoch": epoch + 1} | classes | seen, indent=None)

    def on_epoch_end(self, training):
        """Write the checkpoint, and how far it is."""
        self.checkpoint.on_epoch_end(training)
        if time.perf_counter() - self._told_at > _TOLD_EVERY:
            self._write_state(training, "running")

    def on_fit_end(self, model):
        """Write the last model, and how it ended."""
        if self._ended:
            return
        self._ended = True
        training = self.training
        self._log.on_fit_end(model)
        save_model(self._path("last.safetensors"), model)
        done = training.stopped or training.epoch >= training.epochs
        how = "finished" if done else "interrupted" if training.history.interrupted else "failed"
        self._write_state(training, how)

    # --- what is written ---------------------------------------------------------------------------------------------
    def _write_state(self, training, how):
        self._told_at = time.perf_counter()
        self._write("state.json", {
            "state": how, "began": self._began, "written": _now(), "seconds": self._spent(), "epoch": training.epoch,
            "epochs": training.epochs, "best": self.best, "best_epoch": None if self.best is None else self.best_epoch + 1,
            "monitor": self._watch.name})

    def _spent(self):
        """Seconds of training, those before it was resumed too."""
        return self._seconds + time.perf_counter() - self._since

    def _parameters(self, training):
        return {"model": type(training.model).__name__, "parameters": training.model.count_parameters(),
                "summary": _summary(training.model), "optimizer": repr(training.optimizer),
                "fit": training.facts | {"epochs": training.epochs}, "seed": _seed_of(training.rng or generator()),
                "callbacks": [_in_words(callback) for callback in training.callbacks if callback is not self],
                "notes": self.notes}

    def state_dict(self):
        """The best value and its epoch, when it began and how long it took."""
        return {"best": self.best, "best_epoch": self.best_epoch, "monitor": self._watch.name, "began": self._began,
                "seconds": self._spent()}

    def load_state_dict(self, state):
        """Go on from what `state_dict` gave."""
        if self.monitor in (None, state.get("monitor")):      # the best of another figure is none of this one
            self._watch = Monitor("Run", state.get("monitor") or self._watch.name, 0.0, self.mode)
            self._watch.best, self.best_epoch = state["best"], state["best_epoch"]
        self._began, self._seconds = state["began"], float(state["seconds"])

    def __repr__(self):
        return f"Run({self.folder!r})"


def environment():
    """What the library runs on, as plain text by name: what `cdl info` prints, and the system."""
    from cdl.info import info  # a program of a floor above, asked when a run begins

    return info() | {"system": f"{platform.system()} {platform.release()}", "processors": str(os.cpu_count())}


def _now():
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def _seed_of(rng):
    """What the generator was seeded with, as text (it may have 128 bits), where it tells that."""
    sequence = getattr(rng.bit_generator, "seed_seq", None)
    return None if sequence is None else str(getattr(sequence, "entropy", None))


def _summary(model):
    try:
        return model.summary()
    except (KeyError, IndexError, RuntimeError, TypeError, ValueError):     # a forward that does not take zeros
        return repr(model)


def _in_words(callback):
    """A callback in words, without the address that Python gives objects that have none."""
    words = repr(callback)
    return getattr(callback, "__name__", type(callback).__name__) if " at 0x" in words else words
