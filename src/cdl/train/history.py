"""What a training run recorded, epoch by epoch."""
import math

from ..extras import require

# A longer run's table shows this many epochs from its beginning and its end.
_SHOWN_AT_EACH_END = 5


class History(dict):
    """The figures of each epoch: a dict from their names to lists, one value for each epoch.

    A figure that is not recorded in some epoch is NaN there, so all lists have one length.

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

        Parameters
        ----------
        *names : str
            The figures to draw, all without any.
        ax : matplotlib.axes.Axes, optional
            Where to draw; a new figure without it.

        Returns
        -------
        matplotlib.axes.Axes
            Call ``.figure.savefig(path)`` on it to save the picture.

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
        ax = pyplot.subplots()[1] if ax is None else ax
        for name in names or self:
            ax.plot(range(1, len(self[name]) + 1), self[name], label=name)
        ax.set_xlabel("epoch")
        if self:
            ax.legend()
        return ax

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
