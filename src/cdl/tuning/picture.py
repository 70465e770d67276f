"""Pictures of a search."""
import math

import numpy as np

from cdl.extras import nearest, require
from cdl.tuning.space import plain

__all__ = ["draw"]

KINDS = ("parameters", "curves", "parallel")
# Panels side by side; letters that fit below one of them, longer names are turned; numbers up to so many stand evenly.
_ACROSS, _STRAIGHT, _FEW = 4, 26, 4
# Colours from the worst to the best; the lightest yellow would vanish on white.
_COLOURS, _LIGHTEST = "viridis", 0.93


def draw(result, kind, ax):
    """The figure of `TuningResult.plot`."""
    pyplot = require("matplotlib.pyplot", "plot", "TuningResult.plot")
    if kind not in KINDS:
        raise ValueError(f"TuningResult.plot: unknown kind {kind!r}{nearest(kind, KINDS)}; known are {', '.join(KINDS)}")
    trials = [trial for trial in reversed(result.ranked()) if trial.value is not None and math.isfinite(trial.value)]
    if not trials:
        raise ValueError("TuningResult.plot: no trial has a value")
    if kind == "parameters":
        if ax is not None:
            raise ValueError("TuningResult.plot: the parameters have a panel each; leave ax out")
        return _parameters(pyplot, result, trials)
    if ax is None:
        ax = pyplot.subplots(figsize=(7.6, 4.4), layout="constrained")[1]
    (_curves if kind == "curves" else _parallel)(result, trials, ax)
    return ax.figure


def _colours(trials):
    """A colour of each trial, by its rank: equal steps are seen even where one trial is far off."""
    from matplotlib import colormaps

    return [colormaps[_COLOURS](share) for share in np.linspace(0, _LIGHTEST, len(trials))]


def _parameters(pyplot, result, trials):
    """A panel for each parameter: every trial's value over it."""
    names = result.names()
    down = -(-len(names) // _ACROSS)
    across = -(-len(names) // down)         # five are three and two, not four and one
    figure, panels = pyplot.subplots(down, across, sharey=True, squeeze=False, layout="constrained",
                                     figsize=(1 + 2.7 * across, 0.6 + 2.9 * down))
    rng = np.random.default_rng(0)
    for panel, name in zip(panels.flat, names, strict=False):
        shown = [trial for trial in trials if name in trial.parameters]
        scale = _Scale(result, name)
        places = np.array([scale.place(trial.parameters[name]) for trial in shown], float)
        if scale.labels is not None:        # trials of one choice side by side, so that none hides another
            places += rng.uniform(-0.2, 0.2, len(places))
        colours = dict(zip([trial.number for trial in trials], _colours(trials), strict=True))
        panel.scatter(places, [trial.value for trial in shown], c=[colours[trial.number] for trial in shown], s=38,
                      edgecolors="white", linewidths=0.6, zorder=3)
        if shown[-1:] == trials[-1:]:
            panel.scatter(places[-1:], [shown[-1].value], s=120, facecolors="none", edgecolors="crimson", linewidths=1.6,
                          zorder=4)
        _tidy(panel)
        panel.set_xlabel(name)
        scale.ticks(panel)
    for panel in panels.flat[len(names):]:
        panel.set_visible(False)
    if _wide(result, [trial.value for trial in trials]):
        panels[0, 0].set_yscale("log")
    for row in panels:
        row[0].set_ylabel(result.metric)
    figure.suptitle(_title(result, trials), fontsize="medium")
    return figure


def _curves(result, trials, ax):
    """The metric of every trial over the epochs; the better, the lighter; the best one thick."""
    for trial, colour in zip(trials, _colours(trials), strict=True):
        best = trial is trials[-1]
        epochs = range(1, len(trial.curve) + 1)
        ax.plot(epochs, trial.curve, color="crimson" if best else colour, linewidth=2.4 if best else 1.2,
                alpha=1 if best else 0.85, zorder=4 if best else 3, label=f"trial {trial.number}, the best" if best else None)
        if trial.state == "stopped" or len(trial.curve) == 1:
            ax.plot(epochs[-1], trial.curve[-1], "o", color=colour, markersize=4, zorder=3)
    if any(trial.state == "stopped" for trial in trials):
        ax.plot([], [], "o-", color="grey", markersize=4, linewidth=1.2, label="stopped there")
    if _wide(result, [value for trial in trials for value in trial.curve]):
        ax.set_yscale("log")
    _tidy(ax)
    ax.set_xlabel("epoch")
    ax.set_ylabel(result.metric)
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.legend(frameon=False)
    ax.set_title(_title(result, trials), fontsize="medium")


def _parallel(result, trials, ax):
    """Every trial as a line through its parameters to its value, each on a scale from bottom to top."""
    names = result.names()
    scales = [_Scale(result, name) for name in names]
    values = np.array([trial.value for trial in trials])
    places = np.log(values) if _wide(result, values) else values
    spread = float(np.ptp(places)) or 1.0
    rng = np.random.default_rng(0)
    for trial, colour, place in zip(trials, _colours(trials), places, strict=True):
        best = trial is trials[-1]
        heights = [scale.share(trial.parameters[name], rng) if name in trial.parameters else math.nan
                   for name, scale in zip(names, scales, strict=True)]
        x, y = _smooth([*heights, (place - places.min()) / spread])
        ax.plot(x, y, color="crimson" if best else colour, linewidth=2.6 if best else 1.3, alpha=1 if best else 0.75,
                zorder=4 if best else 3)
    for i, scale in enumerate(scales):
        ax.axvline(i, color="0.6", linewidth=0.8, zorder=1)
        for height, label in scale.marks():
            ax.annotate(label, (i, height), xytext=(4, 0), textcoords="offset points", va="center", fontsize="small",
                        zorder=5, bbox=dict(boxstyle="round,pad=0.15", facecolor="white", edgecolor="none", alpha=0.8))
    ax.axvline(len(names), color="0.6", linewidth=0.8, zorder=1)
    for height, value in ((0, values.min()), (1, values.max())):
        ax.annotate(f"{value:.4g}", (len(names), height), xytext=(5, 0), textcoords="offset points", va="center",
                    fontsize="small")
    ax.set_xticks(range(len(names) + 1), [*names, result.metric])
    ax.tick_params(length=0)
    ax.set_yticks([])
    ax.set_ylim(-0.06, 1.06)
    ax.set_xlim(-0.1, len(names) + 0.35)
    ax.spines[:].set_visible(False)
    ax.set_title(_title(result, trials), fontsize="medium")


def _wide(result, values):
    """Whether values are losses so far apart that the good ones, which matter, would all lie on the axis."""
    values = np.asarray(values)
    values = values[np.isfinite(values)]
    return bool(result.mode == "min" and values.size and values.min() > 0 and values.max() >= 10 * values.min())


def _smooth(heights):
    """A line through the heights at 0, 1, 2, … that is level at each: where many cross, the eye can follow one."""
    x = np.linspace(0, len(heights) - 1, 24 * (len(heights) - 1) + 1)
    left = np.minimum(x.astype(int), len(heights) - 2)
    share = x - left
    share = share * share * (3 - 2 * share)
    heights = np.array(heights)
    return x, heights[left] * (1 - share) + heights[left + 1] * share


class _Scale:
    """Where the values of one parameter stand on an axis: numbers where they are, choices one after the other."""

    def __init__(self, result, name):
        values = [trial.parameters[name] for trial in result.trials if name in trial.parameters]
        domain = result.space.domains.get(name) if result.space is not None else None
        numeric = all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values)
        self.labels = None
        if numeric and len(set(values)) > _FEW and (domain is None or domain.values is None):
            self.log = domain is not None and domain.kind == "log_range"
            self.ends = min(values), max(values)
        else:
            tried = {_label(value): value for value in values}
            order = [_label(value) for value in domain.values] if domain is not None and domain.values is not None else []
            if numeric:
                order = sorted(tried, key=tried.get)
            self.labels = [label for label in order if label in tried] or list(tried)
            self.log, self.ends = False, (0, max(len(self.labels) - 1, 1))

    def place(self, value):
        return value if self.labels is None else self.labels.index(_label(value))

    def share(self, value, rng):
        """The height from 0 to 1; lines of one choice fan out a little."""
        if self.labels is not None:
            middle = 0.5 if len(self.labels) == 1 else self.place(value) / (len(self.labels) - 1)
            return middle + rng.uniform(-0.03, 0.03)
        low, high, value = (math.log(v) if self.log else v for v in (*self.ends, value))
        return (value - low) / (high - low)

    def marks(self):
        """(height, text) beside an axis of lines."""
        if self.labels is None:
            return [(0, f"{self.ends[0]:.3g}"), (1, f"{self.ends[1]:.3g}")]
        if len(self.labels) == 1:
            return [(0.5, self.labels[0])]
        return [(i / (len(self.labels) - 1), label) for i, label in enumerate(self.labels)]

    def ticks(self, panel):
        if self.log:
            panel.set_xscale("log")
        elif self.labels is not None:
            turned = max(map(len, self.labels)) * len(self.labels) > _STRAIGHT
            panel.set_xticks(range(len(self.labels)), self.labels, **(dict(rotation=30, ha="right") if turned else {}))
            panel.set_xlim(-0.5, len(self.labels) - 0.5)


def _label(value):
    return f"{value:g}" if isinstance(value, float) else str(plain(value))


def _tidy(ax):
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(True, color="0.92", linewidth=0.8, zorder=0)
    ax.set_axisbelow(True)


def _title(result, trials):
    return f"{len(result.trials)} trials; the best {result.metric} is {trials[-1].value:.4g}"
