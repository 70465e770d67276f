"""`tune`: parameters are chosen, trials trained, and what came of it is kept."""
import contextlib
import inspect
import itertools

import numpy as np

from cdl._core.check import number, positive_integer
from cdl._core.threads import get_num_threads
from cdl.callbacks import Checkpoint, CSVLog, JSONLog, Run
from cdl.callbacks.monitor import Monitor
from cdl.data.loader import Loader
from cdl.data.split import train_test_split
from cdl.extras import nearest
from cdl.train.progress import Progress
from cdl.train.samples import checked
from cdl.train.weights import weights_of
from cdl.tuning.log import Log, NoLog
from cdl.tuning.methods import Asha, Halving, Listed, rungs
from cdl.tuning.networks import default_space
from cdl.tuning.optuna_study import Study
from cdl.tuning.result import TuningResult
from cdl.tuning.running import FIT_OPTIONS, TRAINED, Plan
from cdl.tuning.space import Space, plain
from cdl.tuning.workers import Alone, Workers, start_method

__all__ = ["METHODS", "tune"]

METHODS = ("grid", "random", "halving", "asha", "optuna")
# Trials where their number is not given: random search finds one of the best 10 % with probability 0.9^-20 = 88 %; three
# rungs of halving by 3 take 27.
_TRIALS = {"random": 20, "optuna": 20, "halving": 27, "asha": 27}


def tune(build, space, data, *, method="random", trials=None, epochs=10, metric=None, mode="auto", validation_data=None,
         validation_split=None, folds=None, patience=None, factor=3, min_epochs=None, study=None, workers=1, start=None,
         folder=None, seed=0, progress=True, **options):
    """Look for the best parameters of a training: build models of many, fit them, compare them on data held out.

    Parameters
    ----------
    build : callable
        ``build(**parameters)`` returns a new model; or (model, optimizer), or (model, options of `fit` in a dict), or all
        in one dict with the key "model". Of the parameters "lr", "optimizer" (a name), "decay" ("constant", "exponential":
        α₀ 0.95^epoch, "halving": half every 5 epochs) and "batch_size", those that it does not take go to the training. A
        function of one argument named ``trial`` gets a `Trial` instead: ``trial["lr"]``, ``trial.number``.
        `cdl.tuning.DenseNetwork` is one ready made.
    space : dict or None
        For each parameter a list of values, or ``choice``, ``uniform``, ``log_range``, ``integers``, ``when`` of
        `cdl.tuning`. None: `cdl.tuning.default_space`, the notes' ranges.
    data : (x, y), (x, y, sample_weight) or Loader
        With a Loader validation_data is needed.
    method : {"random", "grid", "halving", "asha", "optuna"}
        Random parameters, none twice; all combinations; many trials of which the best of every `factor` are trained on
        (all at the same time, or each as it comes); those that an Optuna study asks for, with its pruner after every epoch.
    trials : int, optional
        How many; 20, 27 with halving and asha, all with a grid.
    epochs : int
        For how many a trial is trained at most.
    metric : str, optional
        The figure that is compared, as the history names it; default "val_loss" (without validation "loss"). The value of
        a trial is that of its best epoch, whose weights are kept.
    mode : {"auto", "min", "max"}
        Whether less or more is better; "auto": more for accuracy, precision, recall, f1, auc, r2, less for all others.
    validation_data : (x, y), (x, y, sample_weight) or Loader, optional
        What is held out; else a part of the data.
    validation_split : float in [0, 1), default 0.2
        That part, drawn at random, of each class its share where y holds labels.
    folds : int, optional
        Instead: cross-validation, so many models for each trial, and the mean of their values.
    patience : int, optional
        A trial ends after so many epochs without improvement.
    factor, min_epochs : int
        Of halving and asha: one of how many goes on, and the epochs of the first comparison (default epochs / factor²).
    study : optuna.Study, optional
        Of method "optuna" (``pip install 'cdl[tune]'``): yours, with any sampler, pruner and storage; default: one with a
        TPE sampler of the seed.
    workers : int
        Processes that train, -1 for as many as there are threads; each has its share of the threads. 1: this process does.
    start : {"fork", "spawn"}, optional
        How they come to be. A fork has the data without a copy and takes any build; it is the default on Linux.
        Where programs are not forked, `build` must be a function of a module, arrays go through files that are mapped, and
        the program calls tune below ``if __name__ == "__main__":``.
    folder : path, optional
        Where every step is kept, in the lines of ``trials.jsonl``, with the weights of the best trial and the states of
        those that wait. Called again it goes on there, also after kill -9, also with more trials of a grid, random or
        Optuna search. Trials that failed are not tried again.
    seed : int
        The same seed gives the same trials, weights, orders and so results, for every number of workers; not so with asha
        and optuna and several workers, where it matters who is done first.
    progress : bool
        Whether a line shows how far it is.
    **options
        Of `fit`, for all trials: loss, optimizer, batch_size, metrics, class_weight, augment, ….

    Returns
    -------
    TuningResult
        Printed it is a table, the best first. Ctrl-C ends all workers and returns what is there, `interrupted` True.

    Raises
    ------
    ValueError
        For an empty space, unknown names (the nearest is offered), numbers out of range, a build that returns no model, a
        folder of another search.
    RuntimeError
        If all trials failed; its `result` holds them. A trial that raises, or whose process dies, is otherwise recorded
        and the search goes on.
    ImportError
        If Optuna is asked for and not installed.

    Source
    ------
    The notes, section 4; Bergstra, Bengio, "Random search for hyper-parameter optimization", 2012.

    Examples
    --------
    >>> import cdl
    >>> x, y = cdl.load_digits()
    >>> def build(hidden):
    ...     return cdl.Sequential([cdl.Dense(hidden, activation="relu"), cdl.Dense(10)])
    >>> result = cdl.tune(build, {"hidden": [16, 64], "lr": [0.01, 0.0001]}, (x[:500], y[:500]), method="grid", epochs=3,
    ...                   loss="cross_entropy", metric="val_accuracy", progress=False)
    >>> result.best_parameters
    {'hidden': 64, 'lr': 0.01}
    >>> result.model().predict(x[:5]).shape
    (5, 10)
    """
    method = "optuna" if study is not None and method == "random" else method
    if method not in METHODS:
        raise ValueError(f"tune: unknown method {method!r}{nearest(method, METHODS)}; known are {', '.join(METHODS)}")
    if study is not None and method != "optuna":
        raise ValueError(f"tune: a study is for method='optuna', not {method!r}")
    _check_numbers(trials=trials, epochs=epochs, folds=folds, patience=patience, min_epochs=min_epochs, factor=factor)
    if isinstance(seed, bool) or not hasattr(seed, "__index__") or seed < 0:
        raise ValueError(f"tune: seed must be an integer of 0 or more, got {seed!r}")
    _check_options(options)
    train, held, rows = _data(data, validation_data, validation_split, folds, seed)
    workers, start = _processes(workers), start_method(start)
    if space is None:
        space = default_space(int(np.prod((train.first() if isinstance(train, Loader) else train)[0].shape[1:])))
    space = Space(space)
    metric = ("val_loss" if held is not None or rows is not None else "loss") if metric is None else metric
    if mode not in ("auto", "min", "max"):
        raise ValueError(f"tune: mode must be 'auto', 'min' or 'max', got {mode!r}")
    mode = Monitor("tune", metric, 0.0, mode).mode
    plan = Plan(build, _taken(build, space), space, train, held, rows, epochs=epochs, metric=metric, mode=mode,
                patience=patience, options=options, seed=int(seed))
    chosen, count = _method(method, space, trials, plan, factor, min_epochs, study)
    log = NoLog() if folder is None else Log(folder, _header(plan, method, count, factor, min_epochs, folds))
    with contextlib.closing(log):
        return _searched(plan, chosen, log, count, workers, start, progress)


def _searched(plan, method, log, count, workers, start, progress):
    """Open what a search needs, search, and say what was found."""
    pool = Alone(plan) if workers == 1 else Workers(plan, workers, start, [log] if isinstance(log, Log) else [])
    search = _Search(plan, method, pool, log)
    interrupted = False
    try:
        with Progress(count, label="tune", unit="trials", enabled=progress) as bar:
            search.run(bar)
            bar.finish(**search.shown())
    except KeyboardInterrupt:
        interrupted = True
    finally:
        pool.close()
        if isinstance(method, Study):
            method.give_up()
    result = TuningResult([search.trials[number] for number in sorted(search.trials)], plan.metric, plan.mode, plan=plan,
                          weights=log.weights(), interrupted=interrupted, study=method.study)
    if search.trials and all(trial.state == "failed" for trial in result.trials) and not interrupted:
        first = result.trials[0].error
        error = RuntimeError(f"tune: all {len(result.trials)} trials failed; the first: {first}")
        error.result = result
        raise error
    return result


class _Search:
    """A search under way: the trials so far, and the best of them."""

    def __init__(self, plan, method, pool, log):
        self.method, self.pool, self.log, self.trials, self.best = method, pool, log, {}, None
        self._sign, self._running, self._ended = -1 if plan.mode == "max" else 1, {}, set()

    def run(self, bar):
        """Ask, train, tell, until nothing is left to do."""
        if isinstance(self.method, Study) and isinstance(self.log, Log):
            self.method.replay(self.log.last(), self.trials)
            for trial in self.trials.values():
                self._note_best(trial)
            self._count(bar)
        while True:
            while self.pool.free and (job := self.method.ask()) is not None:
                trial, until = job
                self.trials[trial.number] = trial
                outcome = self.log.take(trial, until)
                if outcome is None:
                    self._running[trial.number] = job
                    self.pool.start(trial.number, trial.parameters, until, self.log.state(trial) if trial.epochs else None)
                else:
                    self._settle(trial, until, outcome, bar, new=False)
            if not self.pool.busy:
                return
            for number_, outcome in self.pool.wait():
                self._settle(*self._running.pop(number_), outcome, bar, new=True)

    def _settle(self, trial, until, outcome, bar, new):
        trial.record(outcome)
        self._note_best(trial)
        if new:
            self.log.add(trial, until, outcome, None if self.best is None else self.best[1])
        self.method.tell(trial)
        self._count(bar)

    def _note_best(self, trial):
        if trial.state == "finished":
            entry = self._sign * trial.value, trial.number
            self.best = entry if self.best is None else min(self.best, entry)

    def _count(self, bar):
        for trial in self.trials.values():
            if trial.state != "unfinished" and trial.number not in self._ended:
                self._ended.add(trial.number)
                self.log.drop(trial)
                bar.update(1, **self.shown())

    def shown(self):
        """The figure beside the progress."""
        return {} if self.best is None else {"best": self._sign * self.best[0]}


def _check_numbers(**numbers):
    for name, value in numbers.items():
        if value is not None:
            positive_integer(value, "tune", name)
    for name in ("folds", "factor"):
        if numbers[name] == 1:
            raise ValueError(f"tune: {name} must be 2 or more, got 1")


def _check_options(options):
    known = [*FIT_OPTIONS, *list(inspect.signature(tune).parameters)[3:-1]]
    for name in options:
        if name not in FIT_OPTIONS:
            raise TypeError(f"tune: unknown option {name!r}{nearest(name, known)}; options of fit are {', '.join(FIT_OPTIONS)}")
    callbacks = options.get("callbacks") or ()
    for callback in [callbacks] if callable(callbacks) else callbacks:
        if isinstance(callback, (Checkpoint, CSVLog, JSONLog, Run)):
            raise ValueError(f"tune: {type(callback).__name__} writes to one place, and every trial would write there; "
                             "folder= keeps the trials")
    if options.get("sample_weight") is not None:
        raise TypeError("tune: give sample_weight as the third of data, so that it is split with the samples")


def _data(data, validation_data, validation_split, folds, seed):
    """What is trained on, what is held out (or None), and the rows of the folds (or None)."""
    if sum(one is not None for one in (validation_data, validation_split, folds)) > 1:
        raise ValueError("tune: give one of validation_data, validation_split and folds")
    if isinstance(data, Loader):
        if validation_data is None:
            raise ValueError("tune: with a Loader give validation_data, as it cannot be split")
        return data, _triple(validation_data, "validation_data"), None
    train = _triple(data, "data")
    if isinstance(train, Loader) or validation_data is not None:
        return train, _triple(validation_data, "validation_data"), None
    labels = train[1] if train[1].dtype.kind in "iub" and train[1].ndim == 1 else None
    if folds is not None:
        if folds > len(train[0]):
            raise ValueError(f"tune: {folds} folds of {len(train[0])} samples would leave some empty")
        return train, None, _folds(len(train[0]), labels, folds, seed)
    share = 0.2 if validation_split is None else number(validation_split, "tune", "validation_split")
    if not 0 <= share < 1:
        raise ValueError(f"tune: validation_split must be in [0, 1), got {validation_split!r}")
    if share == 0:
        return train, None, None
    if labels is not None and np.unique(labels, return_counts=True)[1].min() < 2:
        labels = None       # a class of one sample cannot be on both sides
    split = train_test_split(np.arange(len(train[0])), test_size=share, rng=np.random.default_rng([seed, 2]), stratify=labels)
    parts = [tuple(None if array is None else array[np.sort(rows)] for array in train) for rows in split]
    return *parts, None


def _triple(data, what):
    if isinstance(data, Loader):
        return data
    if not isinstance(data, (tuple, list)) or len(data) not in (2, 3):
        raise TypeError(f"tune: {what} must be (x, y), (x, y, sample_weight) or a Loader, got {type(data).__name__}")
    x, y = checked(*data[:2], f"tune: {what}")
    return x, y, weights_of(y, data[2], None, f"tune: {what}") if len(data) == 3 else None


def _folds(count, labels, folds, seed):
    """(rows to train on, rows held out) of each fold; every class is spread over them evenly."""
    order = np.random.default_rng([seed, 2]).permutation(count)
    if labels is not None:
        order = order[np.argsort(labels[order], kind="stable")]
    fold = np.empty(count, int)
    fold[order] = np.arange(count) % folds
    return [(np.flatnonzero(fold != i), np.flatnonzero(fold == i)) for i in range(folds)]


def _taken(build, space):
    """The parameters that build takes: names, None for all of them, "trial" if it takes that; the space must fit."""
    if not callable(build):
        raise TypeError(f"tune: build must be a function that returns a model, got {type(build).__name__}")
    try:
        found = inspect.signature(build).parameters
    except (TypeError, ValueError):     # builtins without a signature
        return None
    if list(found) == ["trial"] and "trial" not in space.domains:
        return "trial"
    by_name = {name: one for name, one in found.items() if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)}
    for name, one in found.items():
        if one.default is one.empty and one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY, one.POSITIONAL_ONLY) and (
                name not in space.domains):
            raise ValueError(f"tune: build needs {name!r}, which is not in the space{nearest(name, space.domains)}")
    if any(one.kind is one.VAR_KEYWORD for one in found.values()):
        return None
    for name in space.domains:
        if name not in by_name and name not in TRAINED:
            raise ValueError(f"tune: build does not take {name!r}{nearest(name, [*by_name, *TRAINED])}; it takes "
                             f"{', '.join(by_name) or 'nothing'}, and the training {', '.join(TRAINED)}")
    return frozenset(by_name)


def _method(name, space, trials, plan, factor, min_epochs, study):
    """The method, and how many trials it will have."""
    if name == "optuna":
        count = trials or _TRIALS[name]
        return Study(study, space, count, plan.epochs, plan.mode, plan.seed), count
    drawn = space.grid() if name == "grid" else space.drawn(plan.seed)
    parameters = list(itertools.islice(drawn, trials or _TRIALS.get(name)))
    if name in ("grid", "random"):
        return Listed(parameters, len(parameters), plan.epochs), len(parameters)
    least = max(1, round(plan.epochs / factor**2)) if min_epochs is None else min_epochs
    if least > plan.epochs:
        raise ValueError(f"tune: min_epochs must be at most epochs, got {least} and {plan.epochs}")
    kind, sign = (Halving if name == "halving" else Asha), -1 if plan.mode == "max" else 1
    return kind(parameters, len(parameters), rungs(plan.epochs, factor, least), factor, sign), len(parameters)


def _processes(workers):
    if workers is None or workers == -1:
        return get_num_threads()
    return positive_integer(workers, "tune", "workers")


def _header(plan, method, count, factor, min_epochs, folds):
    """What a log must agree with for a search to go on there."""
    shapes = [None if array is None else list(array.shape) for array in plan.train] if isinstance(plan.train, tuple) else None
    header = {"space": plan.space.describe(), "method": method, "epochs": plan.epochs, "metric": plan.metric,
              "mode": plan.mode, "seed": plan.seed, "folds": folds, "patience": plan.patience, "data": shapes,
              "options": {name: plain(value) if isinstance(value, (str, int, float, bool, type(None))) else "given"
                          for name, value in plan.options.items()}}
    if method in ("halving", "asha"):
        header |= {"trials": count, "factor": factor, "min_epochs": min_epochs}
    return header
