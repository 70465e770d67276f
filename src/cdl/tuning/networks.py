"""What is tuned where nothing else is given: dense networks, and the ranges of the notes."""
from cdl._core.check import positive_integer
from cdl.models.sequential import Sequential
from cdl.nn.dense import Dense
from cdl.nn.dropout import Dropout
from cdl.nn.pool import Flatten
from cdl.tuning.space import choice

__all__ = ["DenseNetwork", "default_space"]


def default_space(inputs):
    """The ranges of the notes, for samples of so many features.

    The learning rate is 0.001, 0.01 or 0.1; the optimizer Adam, RMSprop or Momentum; the hidden layer has 1.5 or 2 times as
    many units as there are inputs; the learning rate stays, loses 5 % every epoch, or half every fifth epoch.

    Parameters
    ----------
    inputs : int

    Returns
    -------
    dict of Domain

    Source
    ------
    The notes, sections 2.1, 4.1 and 4.2.

    Examples
    --------
    >>> default_space(64)["hidden"]
    choice(96, 128)
    """
    positive_integer(inputs, "default_space", "inputs")
    return {"lr": choice(0.001, 0.01, 0.1), "optimizer": choice("adam", "rmsprop", "momentum"),
            "hidden": choice(*dict.fromkeys((-(-3 * inputs // 2), 2 * inputs))),
            "decay": choice("constant", "exponential", "halving")}


class DenseNetwork:
    """A `build` for `tune`: dense layers on flattened samples, their sizes and dropout as the parameters say.

    Parameters
    ----------
    outputs : int
        Units of the last layer, which has no activation.

    Examples
    --------
    >>> import cdl
    >>> model = DenseNetwork(10)(hidden=[32, 16], dropout=0.1)
    >>> [type(layer).__name__ for layer in model]
    ['Flatten', 'Dense', 'Dropout', 'Dense', 'Dropout', 'Dense']
    """

    def __init__(self, outputs):
        self.outputs = positive_integer(outputs, "DenseNetwork", "outputs")

    def __call__(self, hidden=64, activation="relu", dropout=0.0):
        """The network of these sizes (a number, or a list with one for each layer)."""
        layers = [Flatten()]
        for units in [hidden] if hasattr(hidden, "__index__") else hidden:
            layers += [Dense(units, activation=activation)] + ([Dropout(dropout)] if dropout else [])
        return Sequential([*layers, Dense(self.outputs)])

    def __repr__(self):
        return f"DenseNetwork({self.outputs})"
