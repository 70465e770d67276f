"""Values for those that are missing."""
import numpy as np

from cdl.extras import nearest

from .columns import chosen, columns_of, named
from .labels import factorize

__all__ = ["Imputer"]

_STRATEGIES = ("mean", "median", "most_frequent", "constant")


class Imputer:
    """Fill in missing values by what each column has on average, or most often.

    Missing are NaN, None, and in texts also ``""``. What is filled in is learned from the training data alone.

    Parameters
    ----------
    strategy : {"mean", "median", "most_frequent", "constant"}, default "mean"
        Mean and median are for numbers; of several most frequent values the least one is taken.
    value : number or str, optional
        What "constant" fills in.

    Attributes
    ----------
    values : list
        What is filled in, one for each column; after `fit`.
    columns : list of str or None
        The columns' names, where `fit` was told or saw them.

    Examples
    --------
    >>> Imputer("median").fit_transform([[1.0, np.nan], [np.nan, 4.0], [3.0, 6.0]])
    array([[1., 5.],
           [2., 4.],
           [3., 6.]])
    >>> Imputer("most_frequent").fit_transform([["red"], [None], ["red"], ["blue"]]).ravel().tolist()
    ['red', 'red', 'red', 'blue']
    """

    def __init__(self, strategy="mean", value=None):
        if strategy not in _STRATEGIES:
            raise ValueError(f"Imputer: unknown strategy {strategy!r}{nearest(strategy, _STRATEGIES)}; known are "
                             f"{', '.join(_STRATEGIES)}")
        if (strategy == "constant") != (value is not None):
            raise ValueError(f"Imputer: value is what strategy 'constant' fills in, got strategy {strategy!r} and "
                             f"value {value!r}")
        if value is not None and (not isinstance(value, str | int | float | np.number) or value != value):
            raise TypeError(f"Imputer: value must be a number or a text, got {value!r}")
        self.strategy, self.value = strategy, value.item() if isinstance(value, np.generic) else value
        self.values = self.columns = None

    def fit(self, x, *, columns=None):
        """Learn what to fill in.

        Parameters
        ----------
        x : array_like, Table, data frame, structured array or dict of columns
        columns : sequence of str, optional
            Names for the columns of an array, or which columns of the others are taken.

        Shape
        -----
        x : (N, F), or (N,) for one column

        Raises
        ------
        ValueError
            No rows, or a column without any value (but with "constant"): the message names it.
        TypeError
            Mean or median of what are no numbers.
        """
        parts, names = self._parts(x, "fit", columns)
        if not len(parts[0]):
            raise ValueError("Imputer.fit: x has no rows")
        self.values, self.columns = [self._value_of(part, named(i, names)) for i, part in enumerate(parts)], names
        return self

    def transform(self, x):
        """A copy of x with the missing values filled in; floats stay floats, texts texts.

        Columns that come by name are returned as a dict of arrays where they are not all numbers, else as an array (N, F).

        Raises
        ------
        ValueError
            Before `fit`, or another number of columns.
        """
        if self.values is None:
            raise ValueError("Imputer.transform: call fit first")
        parts, names = self._parts(x, "transform", self.columns)
        if len(parts) != len(self.values):
            raise ValueError(f"Imputer.transform: expected {len(self.values)} columns (as in fit), got {len(parts)}")
        filled = [self._filled(part, value) for part, value in zip(parts, self.values, strict=True)]
        if columns_of(x) is not None and any(part.dtype.kind not in "fiub" for part in filled):
            return dict(zip(names, filled, strict=True))
        return filled[0] if np.ndim(x) == 1 and columns_of(x) is None else np.stack(filled, axis=1)

    def fit_transform(self, x, *, columns=None):
        """`fit`, then `transform`, of the same x."""
        return self.fit(x, columns=columns).transform(x)

    def state_dict(self):
        """What `fit` learned and the options, as a dict that JSON can hold."""
        if self.values is None:
            raise ValueError("Imputer.state_dict: call fit first")
        return {"strategy": self.strategy, "value": self.value, "values": list(self.values), "columns": self.columns}

    def load_state_dict(self, state):
        """Take over what another object's `state_dict` gave, options included; returns itself.

        Raises
        ------
        ValueError
            It is not what `state_dict` gives.
        """
        if not (isinstance(state, dict) and state.keys() == {"strategy", "value", "values", "columns"}
                and isinstance(state["values"], list) and state["values"]
                and all(isinstance(value, str | int | float) and value == value for value in state["values"])
                and (state["columns"] is None or len(state["columns"]) == len(state["values"]))):
            raise ValueError(f"Imputer.load_state_dict: expected what state_dict gives, got {str(state)[:120]}")
        self.__init__(state["strategy"], state["value"])
        self.values, self.columns = list(state["values"]), state["columns"]
        return self

    def __repr__(self):
        fitted = "not fitted" if self.values is None else f"fitted on {len(self.values)} columns"
        return f"Imputer({self.strategy!r}{'' if self.value is None else f', {self.value!r}'}), {fitted}"

    def _parts(self, x, method, columns):
        who = f"Imputer.{method}"
        found = columns_of(x)
        if found is not None:
            found = found if columns is None else chosen(found, columns, who)
            lengths = {name: len(values) for name, values in found.items()}
            if len(set(lengths.values())) != 1:
                raise ValueError(f"{who}: expected columns of one length, got {lengths}")
            return list(found.values()), list(found)
        if isinstance(x, np.ma.MaskedArray):
            raise TypeError(f"{who}: x is a masked array, and its mask would be lost; fill it with NaN first")
        x = np.asarray(x)
        if x.ndim not in (1, 2) or 0 in x.shape[1:]:
            raise ValueError(f"{who}: expected x of shape (N, F) or (N,), got {x.shape}")
        parts = [x] if x.ndim == 1 else list(x.T)
        names = None if columns is None else [str(name) for name in columns]
        if names is not None and len(names) != len(parts):
            raise ValueError(f"{who}: {len(names)} names in columns for {len(parts)} columns")
        return parts, names

    def _value_of(self, column, name):
        """What stands for a missing value of one column."""
        if self.strategy == "constant":
            return self.value
        present = column[~_missing(column)]
        if not present.size:
            raise ValueError(f"Imputer.fit: {name} holds no value, so that there is none to fill in; leave it out, or use "
                             "strategy 'constant'")
        if self.strategy == "most_frequent":
            classes, codes = factorize(present, "Imputer.fit")
            return classes.tolist()[np.bincount(codes).argmax()]
        if present.dtype.kind == "O":
            try:
                present = present.astype(np.float64)
            except (TypeError, ValueError):
                present = present.astype(str)
        if present.dtype.kind not in "fiub":
            raise TypeError(f"Imputer.fit: {name} does not hold numbers and so has no {self.strategy}; use strategy "
                            "'most_frequent' or 'constant'")
        if not np.isfinite(present).all():
            raise ValueError(f"Imputer.fit: {name} holds infinity")
        return float(np.mean(present, dtype=np.float64) if self.strategy == "mean" else np.median(present))

    def _filled(self, column, value):
        missing = _missing(column)
        if not missing.any():
            return column.copy()
        if column.dtype.kind == "f" and isinstance(value, str):
            raise TypeError(f"Imputer.transform: a column of numbers cannot be filled with the text {value!r}")
        if column.dtype.kind == "O" and isinstance(value, int | float):
            return np.where(missing, value, column).astype(np.float64 if self.strategy != "most_frequent" else object)
        return np.where(missing, np.asarray(value, column.dtype if column.dtype.kind in ("f", "O") else None), column)


def _missing(column):
    """Which values are missing."""
    kind = column.dtype.kind
    if kind in "fc":
        return np.isnan(column)
    if kind == "U":
        return column == ""
    if kind in "mM":
        return np.isnat(column)
    if kind == "O":
        values = column.tolist()
        return np.fromiter((value is None or value != value or value == "" for value in values), bool, len(values))
    return np.zeros(column.shape, bool)
