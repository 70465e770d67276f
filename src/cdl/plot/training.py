"""Pictures of how trainings went."""
import numpy as np

from cdl.extras import nearest, require
from cdl.plot.picture import Picture, axes_of

__all__ = ["histories"]

# Okabe and Ito's colours, which people tell apart however they see colours, but for the yellow, too faint for a line.
_COLOURS = ["#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#000000"]
_LINES = ["-", "--", ":"]       # beyond so many runs the colours come again, with another line
# From so large a ratio between the values on, a straight scale would show most of them as zero.
_WIDE = 30


def histories(runs, figure=None, *, scale="auto", ax=None):
    """Draw one figure of several trainings over their epochs, a line for each, with a dot where a shorter one ended.

    Parameters
    ----------
    runs : dict of str to History
        What each training is called, and what `fit` returned of it; a dict of lists will do.
    figure : str, optional
        What is drawn, as the histories name it. Default: "val_loss" where all have it, else "loss".
    scale : {"auto", "linear", "log"}
        Of the vertical axis; "auto": log where all values are above 0 and the largest is more than 30 times the least.
    ax : matplotlib.axes.Axes, optional
        Where to draw; without it a new figure is made.

    Returns
    -------
    Picture
        The array has shape (runs, epochs), NaN after the end of a shorter training.

    Raises
    ------
    ValueError
        For no runs, or another scale.
    KeyError
        For a figure that one of them has not recorded.
    ImportError
        matplotlib is not installed.

    Examples
    --------
    >>> picture = histories({"slow": {"loss": [0.9, 0.8, 0.7]}, "fast": {"loss": [0.5, 0.1]}})
    >>> picture.array
    array([[0.9, 0.8, 0.7],
           [0.5, 0.1, nan]])
    """
    who = "plot.histories"
    require("matplotlib.pyplot", "plot", who)
    if not isinstance(runs, dict) or not runs or not all(isinstance(run, dict) for run in runs.values()):
        raise ValueError(f"{who}: expected a dict of names and histories, such as {{'adam': history}}, got {runs!r}")
    if scale not in ("auto", "linear", "log"):
        raise ValueError(f"{who}: scale must be 'auto', 'linear' or 'log', got {scale!r}")
    if figure is None:
        figure = "val_loss" if all("val_loss" in run for run in runs.values()) else "loss"
    for name, run in runs.items():
        if figure not in run:
            raise KeyError(f"{who}: {name!r} has recorded no {figure!r}{nearest(figure, run)}; there are "
                           f"{', '.join(run) or 'none'}")
    array = np.full((len(runs), max(len(run[figure]) for run in runs.values())), np.nan)
    ax = axes_of(ax, (6.4, 4.0))
    for i, (name, run) in enumerate(runs.items()):
        values = array[i, :len(run[figure])] = run[figure]
        ax.plot(range(1, len(values) + 1), values, _LINES[i // len(_COLOURS) % len(_LINES)], label=name,
                color=_COLOURS[i % len(_COLOURS)], marker="o" if len(values) < array.shape[1] or len(values) == 1 else None,
                markevery=[-1])     # where a shorter training ended; and one point makes no line
    if scale == "log" or (scale == "auto" and _is_wide(array)):
        ax.set_yscale("log")
    ax.set(xlabel="epoch", ylabel=figure.replace("val_", "validation ").replace("_", " "))
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.grid(alpha=0.3)
    ax.legend()
    return Picture(ax.figure, array)


def _is_wide(array):
    seen = array[np.isfinite(array)]
    return seen.size > 0 and seen.min() > 0 and seen.max() > _WIDE * seen.min()
