"""What was tried: the trials, the best of them, a table, a file for spreadsheets, a picture."""
import csv
import io
import math

from cdl.io.atomic import atomic_write
from cdl.random import drawn_from
from cdl.tuning.space import plain

__all__ = ["Trial", "TuningResult"]

# A longer search's table shows so many of the best, and of failures so many characters of what was said.
_SHOWN, _ERROR = 20, 60


class Trial:
    """One choice of parameters and how far training with it came.

    Attributes
    ----------
    number : int
        From 0, in the order in which they were chosen.
    parameters : dict
        Also as ``trial["lr"]``.
    state : {"finished", "stopped", "failed", "unfinished"}
        Trained to its end (or that of its patience); given up for better ones; ended by an error; waiting, where the search
        was interrupted.
    value : float or None
        The metric at its best epoch, the mean over the folds.
    scores : list of float
        That of each fold.
    curve : list of float
        The metric epoch by epoch.
    figures : dict of float
        All figures of the last epoch.
    epochs : int
        How many were trained.
    seconds : float
        How long that took.
    error, traceback : str or None

    Examples
    --------
    >>> Trial(0, {"lr": 0.1})["lr"]
    0.1
    """

    def __init__(self, number, parameters):
        self.number, self.parameters, self.state = number, parameters, "unfinished"
        self.value, self.scores, self.curve, self.figures, self.epochs, self.seconds = None, [], [], {}, 0, 0.0
        self.error = self.traceback = None

    def __getitem__(self, name):
        return self.parameters[name]

    def record(self, outcome):
        """Take over what `advance` said."""
        self.seconds += outcome["seconds"]
        self.error, self.traceback = outcome["error"], outcome["traceback"]
        if self.error is not None:
            self.state = "failed"
            return
        for name in ("value", "scores", "curve", "figures", "epochs"):
            setattr(self, name, outcome[name])
        if outcome["finished"]:
            self.state = "finished"

    def __repr__(self):
        value = "" if self.value is None else f", value={self.value:.4g}"
        return f"Trial({self.number}, {self.parameters}, {self.state!r}{value})"


class TuningResult:
    """The trials of a search; printed, a table of them, the best first.

    Attributes
    ----------
    trials : list of Trial
        In the order of their numbers.
    metric, mode : str
        What was compared, and whether "min" or "max" is better.
    interrupted : bool
        Whether Ctrl-C ended the search.
    study : optuna.Study or None

    Examples
    --------
    >>> import cdl
    >>> result = cdl.tune(cdl.tuning.DenseNetwork(10), {"lr": [0.01, 0.0001]}, cdl.load_digits(), method="grid", epochs=1,
    ...                   loss="cross_entropy", progress=False)
    >>> print(str(result).splitlines()[0])
    2 finished; val_loss, less is better
    >>> print(result.table(1))
    trial      lr  val_loss  epochs  seconds
        0    0.01    0...         1     0...
    … and 1 more
    >>> result.to_csv("tried.csv")
    """

    def __init__(self, trials, metric, mode, *, plan=None, weights=None, interrupted=False, study=None):
        self.trials, self.metric, self.mode, self.interrupted = trials, metric, mode, interrupted
        self.study, self._plan, self._weights = study, plan, weights or {}

    @property
    def best(self):
        """The best Trial: of those that finished, or, if none did, of all that have a value. ValueError without any."""
        having = [trial for trial in self.trials if trial.value is not None and trial.state != "failed"]
        having = [trial for trial in having if trial.state == "finished"] or having
        if not having:
            raise ValueError("tune: no trial has a value yet")
        return min(having, key=self._order)

    @property
    def best_parameters(self):
        """Those of the best trial, a dict."""
        return dict(self.best.parameters)

    @property
    def best_value(self):
        """The value of the best trial."""
        return self.best.value

    def model(self):
        """The best trial's model: built again as it was, with the weights of its best epoch.

        After a search over folds there is none yet: it is trained now, with the best parameters on all samples, for as many
        epochs as the best trial was.
        """
        best = self.best
        plan = self._plan
        with drawn_from(plan.seed_of(best.number, 0)):
            model, options = plan.made(best.number, best.parameters)
            if plan.folds is not None:
                x, y, weights = plan.train
                model.fit(x, y, sample_weight=weights, epochs=best.epochs, progress=False, **options)
                return model
            if best.number not in self._weights:
                raise ValueError(f"tune: trial {best.number} has no weights, as the search was interrupted before its end; "
                                 "call tune again with the same folder")
            model.ensure_built(plan.train.first()[0] if hasattr(plan.train, "first") else plan.train[0])
        model.load_state_dict(self._weights[best.number])
        return model

    def ranked(self):
        """The trials, the best first, those without a value last."""
        return sorted(self.trials, key=self._order)

    def _order(self, trial):
        worst = trial.value is None or math.isnan(trial.value) or trial.state == "failed"
        return worst, 0 if worst else -trial.value if self.mode == "max" else trial.value, trial.number

    @property
    def space(self):
        """The Space that the parameters are from, if the search has one."""
        return None if self._plan is None else self._plan.space

    def names(self):
        """The parameters that some trial has, in the order of the space."""
        found = dict.fromkeys(name for trial in self.trials for name in trial.parameters)
        return [name for name in self.space.domains if name in found] if self.space is not None else list(found)

    def table(self, most=None):
        """The trials as text, the best first, at most so many."""
        names, ranked = self.names(), self.ranked()
        rows = [["trial", *names, self.metric, "epochs", "seconds", ""]]
        for trial in ranked[:most]:
            value = "-" if trial.value is None else f"{trial.value:.4f}" if abs(trial.value) >= 1e-3 else f"{trial.value:.3e}"
            note = "" if trial.state == "finished" else trial.state
            if trial.error:
                first = trial.error.splitlines()[0]
                note += ": " + (first if len(first) <= _ERROR else first[:_ERROR - 1] + "…")
            rows.append([str(trial.number), *(_cell(trial, name) for name in names), value, str(trial.epochs),
                         f"{trial.seconds:.2f}", note])
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join([*(cell.rjust(width) for cell, width in zip(row[:-1], widths, strict=False)), row[-1]]).rstrip()
                 for row in rows]
        left = len(ranked) - (len(rows) - 1)
        return "\n".join(lines + ([f"… and {left} more"] if left else []))

    def __repr__(self):
        better = "more" if self.mode == "max" else "less"
        counts = {}
        for trial in self.trials:
            counts[trial.state] = counts.get(trial.state, 0) + 1
        words = ", ".join(f"{count} {state}" for state, count in counts.items()) or "no trials"
        return f"{words}; {self.metric}, {better} is better\n{self.table(_SHOWN)}" if self.trials else words

    def to_csv(self, path):
        """Write the trials, in the order of their numbers, with all figures, as a table for other programs."""
        names = self.names()
        figures = list(dict.fromkeys(name for trial in self.trials for name in trial.figures))
        text = io.StringIO(newline="")
        writer = csv.writer(text)
        writer.writerow(["trial", "state", "value", "epochs", "seconds", *(f"parameter {name}" for name in names),
                         *(f"figure {name}" for name in figures), "error"])
        for trial in self.trials:
            writer.writerow([trial.number, trial.state, trial.value, trial.epochs, f"{trial.seconds:.6f}",
                             *(plain(trial.parameters[name]) if name in trial.parameters else "" for name in names),
                             *(trial.figures.get(name, "") for name in figures), trial.error or ""])
        with atomic_write(path) as file:
            file.write(text.getvalue().encode("utf-8"))

    def plot(self, kind="parameters", *, ax=None):
        """Draw what was tried, with matplotlib (``pip install 'cdl[plot]'``).

        Parameters
        ----------
        kind : {"parameters", "curves", "parallel"}
            The value over each parameter, a panel each; the metric of every trial epoch by epoch; or every trial as a line
            from parameter to parameter. The better a trial, the more yellow; the best is ringed, or the thick line.
        ax : matplotlib.axes.Axes, optional
            Where to draw curves or lines; without it a new figure is made.

        Returns
        -------
        matplotlib.figure.Figure

        Raises
        ------
        ValueError
            For another kind, no trial with a value, or an `ax` for several panels.
        ImportError
            matplotlib is not installed.
        """
        from cdl.tuning.picture import draw
        return draw(self, kind, ax)


def _cell(trial, name):
    if name not in trial.parameters:
        return "-"
    value = trial.parameters[name]
    return f"{value:.4g}" if isinstance(value, float) else str(plain(value))
