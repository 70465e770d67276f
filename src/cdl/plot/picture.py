"""What every picture is: a figure and the numbers on it."""
from typing import NamedTuple

import numpy as np

from cdl.extras import require

__all__ = ["Picture", "axes_of"]


class Picture(NamedTuple):
    """A matplotlib figure and the array that is drawn on it.

    Examples
    --------
    >>> Picture(None, np.ones(3)).array
    array([1., 1., 1.])
    """

    figure: object
    array: np.ndarray


def axes_of(ax, size):
    """The axes given, or those of a new figure of this size."""
    if ax is not None:
        return ax
    return require("matplotlib.pyplot", "plot", "plot").subplots(figsize=size, layout="constrained")[1]
