"""The folder of a run, read again."""
import json
import math
import os
from pathlib import Path

from cdl.callbacks.log import CSVLog
from cdl.io.errors import FileFormatError

__all__ = ["RunFolder"]


class RunFolder:
    """What the folder of a run holds; files that a run had not come to write are empty here.

    Parameters
    ----------
    folder : str or PathLike

    Attributes
    ----------
    name : str
        That of the folder.
    epochs, seconds : list
        The number of each epoch, from 1, and how long it took (NaN where that is not known).
    figures : dict
        The figures by name, a value for each epoch, NaN where there is none.
    parameters, environment, state, validation : dict
        What the files of these names hold.

    Raises
    ------
    FileNotFoundError
        If there is no such folder, or it is not that of a run.
    FileFormatError
        If one of its files is damaged.
    """

    def __init__(self, folder):
        self.folder = Path(folder)
        if not self.folder.is_dir():
            raise FileNotFoundError(2, "there is no such folder; name one that cdl.callbacks.Run wrote", os.fspath(folder))
        self.name = self.folder.resolve().name
        self.parameters, self.environment, self.state, self.validation = (
            self._json(f"{name}.json") for name in ("parameters", "environment", "state", "validation"))
        history = self.folder / "history.csv"
        if not self.parameters and not history.exists():
            raise FileNotFoundError(2, "holds no run: neither parameters.json nor history.csv, which cdl.callbacks.Run writes",
                                    os.fspath(folder))
        rows = CSVLog.read(history) if history.exists() else []
        self.epochs = [row["epoch"] for row in rows]
        names = {name: None for row in rows for name in row if name not in ("epoch", "seconds")}
        self.seconds = [row.get("seconds", math.nan) for row in rows]
        self.figures = {name: [row.get(name, math.nan) for row in rows] for name in names}

    def _json(self, name):
        try:
            value = json.loads((self.folder / name).read_bytes())
        except FileNotFoundError:
            return {}
        except (ValueError, RecursionError) as error:
            raise FileFormatError(f"{self.folder / name}: is not JSON: {error}") from None
        if not isinstance(value, dict):
            raise FileFormatError(f"{self.folder / name}: expected an object, got {type(value).__name__}")
        return value

    @property
    def monitor(self):
        """The name of the figure that says which epoch is the best, and that epoch, from 1; None where there is none."""
        name, epoch = self.state.get("monitor"), self.state.get("best_epoch")
        known = isinstance(name, str) and name in self.figures and isinstance(epoch, int) and epoch in self.epochs
        return (name, epoch) if known else (None, None)

    def best(self, name):
        """The figure `name` of the best epoch, or of the last one where none is known; NaN without epochs."""
        epoch = self.monitor[1]
        column = self.figures.get(name, [])
        return column[self.epochs.index(epoch) if epoch else -1] if column else math.nan
