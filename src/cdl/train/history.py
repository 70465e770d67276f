"""What a training run recorded, epoch by epoch."""
import math

from ..extras import require

# A longer run's table shows this many epochs from its beginning and its end.
_SHOWN_AT_EACH_END = 5


class History(dict):
    """The figures of each epoch: a dict from their names to lists, one value for each epoch.

    A figure that is not recorded in some epoch is NaN there, so all lists have one length.

    Attributes
    ----------
    interrupted : bool
        Whether Ctrl-C ended the training.

    Examples
    --------
    >>> history = History()
    >>> history.append(loss=0.9, accuracy=0.5)
    >>> history.append(loss=0.4, accuracy=0.875)
    >>> history["loss"]
    [0.9, 0.4]
    >>> history
    epoch    loss  accuracy
        1     0.9       0.5
        2     0.4     0.875
    """

    interrupted = False

    @property
    def epochs(self):
        """The number of epochs recorded."""
        return max(map(len, self.values()), default=0)

    @property
    def history(self):
        """Itself, for code written for Keras, which keeps the lists in an attribute of that name."""
        return self

    def append(self, **figures):
        """Record the figures of one more epoch; each becomes a float."""
        epochs = self.epochs
        values = {name: float(value) for name, value in figures.items()}
        for name in values:
            self.setdefault(name, [math.nan] * epochs)
        for name, column in self.items():
            column.append(values.get(name, math.nan))

    def plot(self, *names, ax=None):
        """Draw the figures over the epochs, with matplotlib (``pip install 'cdl[plot]'``).

        A figure and its validation's (loss and val_loss) share a panel and a colour; other figures, which have other
        scales, have a panel each.

        Parameters
        ----------
        *names : str
            The figures to draw, all without any.
        ax : matplotlib.axes.Axes, optional
            Where to draw all of them; without it a new figure is made, one panel above the other.

        Returns
        -------
        matplotlib.figure.Figure
            Call ``.savefig(path)`` on it to save the picture.

        Raises
        ------
        ImportError
            matplotlib is not installed.
        KeyError
            A figure that was not recorded.
        """
        pyplot = require("matplotlib.pyplot", "plot", "History.plot")
        for name in names:
            if name not in self:
                raise KeyError(f"History.plot: no figure {name!r} was recorded; there are {', '.join(self) or 'none'}")
        kinds = list(dict.fromkeys(name.removeprefix("val_") for name in names or self)) or ["loss"]
        if ax is None:
            height = 1 + 2.4 * len(kinds)
            panels = pyplot.subplots(len(kinds), sharex=True, squeeze=False, figsize=(6.4, height), layout="constrained")[1]
            panels = panels[:, 0]
        else:
            panels = [ax] * len(kinds)
        for i, (kind, panel) in enumerate(zip(kinds, panels, strict=True)):
            for name in names or self:
                if name.removeprefix("val_") == kind:
                    line = "--" if name.startswith("val_") else "-"
                    marker = "o" if self.epochs == 1 else None      # one point makes no line
                    panel.plot(range(1, self.epochs + 1), self[name], line, label=name, color=f"C{i}", marker=marker)
            if self:
                panel.legend()
            panel.set_ylabel(kind if ax is None else "")
        panels[-1].set_xlabel("epoch")
        panels[-1].xaxis.get_major_locator().set_params(integer=True)
        return panels[0].figure

    def __repr__(self):
        if not self:
            return "History: no epochs yet"
        count = self.epochs
        shown = list(range(count))
        if count > 2 * _SHOWN_AT_EACH_END + 1:
            shown[_SHOWN_AT_EACH_END:-_SHOWN_AT_EACH_END] = [None]
        rows = [["epoch", *self]]
        for epoch in shown:
            rows.append(["..."] * len(rows[0]) if epoch is None else
                        [str(epoch + 1), *(f"{column[epoch]:.4g}" for column in self.values())])
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join(cell.rjust(max(width, 6) if i else width)
                           for i, (cell, width) in enumerate(zip(row, widths, strict=True))) for row in rows]
        return "\n".join(lines)
