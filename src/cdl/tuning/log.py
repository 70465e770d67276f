"""The folder of a search: a line of JSON for every step of a trial, the states of those that wait, the best one's weights."""
import json
import os
from pathlib import Path

from cdl.io.atomic import remove_leftovers
from cdl.io.errors import FileFormatError
from cdl.io.safetensors import load_safetensors, save_safetensors
from cdl.tuning.space import plain

__all__ = ["Log", "NoLog"]

_NAME, _FORMAT = "trials.jsonl", {"format": "cdl.tune", "version": 1}


class NoLog:
    """A search that is not kept: states and weights stay in memory."""

    def __init__(self):
        self._states, self._weights = {}, (None, None)

    def take(self, trial, until):
        """The outcome of an earlier search for this step of this trial, or None."""

    def add(self, trial, until, outcome, best):
        """Keep a step: the state to go on from, and the weights if the trial is the best."""
        self._states[trial.number] = outcome.get("folds")
        if best == trial.number and outcome.get("weights") is not None:
            self._weights = trial.number, outcome["weights"]

    def state(self, trial):
        """What a trial goes on from."""
        return self._states.get(trial.number)

    def drop(self, trial):
        """Forget the state of a trial that goes no further."""
        self._states.pop(trial.number, None)

    def weights(self):
        """The best trial's weights, by its number."""
        number, weights = self._weights
        return {} if number is None else {number: weights}

    def close(self):
        """Nothing to close."""


class Log:
    """A search that can be gone on with; see `tune` for what `kill -9` leaves."""

    def __init__(self, folder, header):
        self._folder = Path(folder)
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / _NAME
        self._file = open(path, "a+b", buffering=0)
        try:
            _lock(self._file, path)
            remove_leftovers(self._folder)
            self._entries = self._read(path, json.loads(json.dumps(_FORMAT | header)))
        except BaseException:
            self._file.close()
            raise

    def _read(self, path, header):
        """The steps of an earlier search, by number and epoch; a line that was cut off by a crash is removed."""
        self._file.seek(0)
        content = self._file.read()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            self._file.truncate(whole)
        lines = content[:whole].splitlines()
        if not lines:
            self._write(header)
            return {}
        found = _parsed(lines[0], path, 1)
        if {name: found.get(name) for name in _FORMAT} != _FORMAT:
            raise FileFormatError(f"{path}: not the log of a search, or one of another version of cdl")
        different = [name for name in header if found.get(name) != header[name]]
        if different:
            name = different[0]
            raise ValueError(f"tune: {path} is the log of another search: its {name} was {json.dumps(found.get(name))}, now it "
                             f"is {json.dumps(header[name])}; take another folder, or what was given then")
        entries = {}
        for i, line in enumerate(lines[1:], 2):
            entry = _parsed(line, path, i)
            try:
                step = entry["trial"], entry["until"]
                entries[step] = entry["parameters"], entry["outcome"]
            except KeyError as error:
                raise FileFormatError(f"{path}: line {i} has no {error}") from None
        return entries

    def last(self):
        """(parameters, outcome) of every trial's last step, by its number."""
        return {number: self._entries[number, until] for number, until in sorted(self._entries)}

    def take(self, trial, until):
        """The outcome of an earlier search for this step of this trial, or None."""
        parameters, outcome = self._entries.get((trial.number, until), (None, None))
        if outcome is not None and parameters != plain(trial.parameters):
            raise ValueError(f"tune: {self._folder / _NAME}: trial {trial.number} had the parameters {parameters}, now they "
                             f"are {plain(trial.parameters)}; take another folder")
        return outcome

    def add(self, trial, until, outcome, best):
        """Keep a step: first its files, then its line, then what it replaces is removed."""
        if outcome.get("folds"):
            _save_folds(self._state_path(trial.number, until), outcome["folds"])
        if best == trial.number and outcome.get("weights") is not None:
            save_safetensors(self._weights_path(trial.number), outcome["weights"])
        kept = {name: value for name, value in outcome.items() if name not in ("folds", "weights")}
        self._write({"trial": trial.number, "until": until, "parameters": plain(trial.parameters), "outcome": kept})
        for path in self._folder.glob(f"trial-{trial.number}-at-*.safetensors"):
            if not outcome.get("folds") or path != self._state_path(trial.number, until):
                path.unlink()
        if best == trial.number:
            for path in self._folder.glob("trial-*-best.safetensors"):
                if path != self._weights_path(trial.number):
                    path.unlink()

    def _state_path(self, number, until):
        return self._folder / f"trial-{number}-at-{until}.safetensors"

    def _weights_path(self, number):
        return self._folder / f"trial-{number}-best.safetensors"

    def state(self, trial):
        """What a trial goes on from."""
        path = self._state_path(trial.number, trial.epochs)
        return _load_folds(path) if path.exists() else None

    def drop(self, trial):
        """Forget the state of a trial that goes no further."""
        for path in self._folder.glob(f"trial-{trial.number}-at-*.safetensors"):
            path.unlink()

    def weights(self):
        """The best trial's weights, by its number."""
        return {int(path.name.split("-")[1]): load_safetensors(path)[0]
                for path in self._folder.glob("trial-*-best.safetensors")}

    def _write(self, entry):
        """One line in one write: another process sees it whole, and a crash leaves at most an end without a line's end."""
        line = json.dumps(entry).encode() + b"\n"
        if self._file.write(line) != len(line):
            raise OSError(f"{self._folder / _NAME}: the disk is full")

    def close(self):
        """Give the folder free for other searches."""
        self._file.close()


def _parsed(line, path, number):
    try:
        entry = json.loads(line)
    except ValueError as error:
        raise FileFormatError(f"{path}: line {number} is not JSON: {error}") from None
    if not isinstance(entry, dict):
        raise FileFormatError(f"{path}: line {number} is not an object of JSON")
    return entry


def _lock(file, path):
    """Refuse a folder in which another process searches; where there are no such locks nobody is refused."""
    try:
        import fcntl
    except ImportError:
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise ValueError(f"tune: another search is under way in {os.path.dirname(path)}; take another folder, or wait for its "
                         "end") from None
    except OSError:     # a file system without locks
        return


def _save_folds(path, folds):
    arrays, kept = {}, []
    for i, fold in enumerate(folds):
        state, values = fold["state"] or ({}, None)
        arrays |= {f"{i}.{name}": array for name, array in state.items()}
        kept.append({"values": values, "best": fold["best"], "history": fold["history"]})
    save_safetensors(path, arrays, metadata={"folds": json.dumps(kept)})


def _load_folds(path):
    arrays, metadata = load_safetensors(path)
    folds = []
    for i, fold in enumerate(json.loads(metadata["folds"])):
        own = {name.removeprefix(f"{i}."): array for name, array in arrays.items() if name.startswith(f"{i}.")}
        folds.append({"state": None if fold["values"] is None else (own, fold["values"]), "best": fold["best"],
                      "history": fold["history"], "weights": None})
    return folds
