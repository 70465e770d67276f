"""Columns of categories as columns of 0 and 1."""
import numpy as np

from cdl.extras import nearest

from .columns import chosen, columns_of, named
from .labels import _checked_classes, factorize

__all__ = ["OneHotEncoder"]


class OneHotEncoder:
    """Turn each column of categories into one column of 0 and 1 for each category that the fitted data has.

        x'[i, (column, c)] = 1 if x[i, column] is category c, else 0

    Parameters
    ----------
    unknown : {"zeros", "error"}, default "zeros"
        What a category that `fit` did not see gives: zeros in all of its column's places, or a ValueError.
    dtype : dtype, default float32
        Of the result.

    Attributes
    ----------
    categories : list of numpy.ndarray
        Those of each column, in ascending order; after `fit`.
    columns : list of str or None
        The columns' names, where `fit` was told or saw them.
    feature_names : list of str
        One for each column of the result: ``colour=red``, or ``0=red`` where columns have no names.

    Examples
    --------
    >>> encoder = OneHotEncoder().fit({"colour": ["red", "blue", "red"], "doors": [2, 4, 4]})
    >>> encoder.feature_names
    ['colour=blue', 'colour=red', 'doors=2', 'doors=4']
    >>> encoder.transform({"colour": ["blue", "green"], "doors": [2, 4]})
    array([[1., 0., 1., 0.],
           [0., 0., 0., 1.]], dtype=float32)
    >>> encoder.inverse_transform([[0, 1, 0, 1]])
    array([['red', 4]], dtype=object)
    """

    def __init__(self, *, unknown="zeros", dtype=np.float32):
        if unknown not in ("zeros", "error"):
            raise ValueError(f"OneHotEncoder: unknown must be 'zeros' or 'error', got {unknown!r}"
                             f"{nearest(unknown, ['zeros', 'error'])}")
        self.unknown, self.dtype = unknown, np.dtype(dtype)
        if self.dtype.kind not in "fiub":
            raise TypeError(f"OneHotEncoder: dtype must be one of numbers, got {self.dtype}")
        self.categories, self.columns = None, None

    @property
    def feature_names(self):
        self._require_fit("feature_names")
        names = self.columns or range(len(self.categories))
        return [f"{name}={category}" for name, known in zip(names, self.categories, strict=True) for category in known.tolist()]

    def fit(self, x, *, columns=None):
        """Learn the categories of each column.

        Parameters
        ----------
        x : array_like, Table, data frame, structured array or dict of columns
            Integers, texts, booleans or objects; floats too, each different one a category. In a Table a missing value is
            the category ``""``.
        columns : sequence of str, optional
            Names for the columns of an array, or which columns of the others are taken.

        Shape
        -----
        x : (N, F), or (N,) for one column

        Raises
        ------
        ValueError
            No rows, columns of different lengths, or a value that is None or NaN: the message names column and row.
        """
        parts, names = self._parts(x, "fit", columns)
        self.categories, self.columns = [classes for classes, _ in self._found(parts, names, "fit")], names
        return self

    def partial_fit(self, x, *, columns=None):
        """Learn the categories of one more part of the data; the same as `fit` of all parts together."""
        if self.categories is None:
            return self.fit(x, columns=columns)
        parts, names = self._parts(x, "partial_fit", columns)
        if len(parts) != len(self.categories) or (names and self.columns and names != self.columns):
            raise ValueError(f"OneHotEncoder.partial_fit: expected the {len(self.categories)} columns of the parts before, got "
                             f"{', '.join(names) if names else len(parts)}")
        found = self._found(parts, names, "partial_fit")
        self.categories = [factorize([*known.tolist(), *more.tolist()])[0]
                           for known, (more, _) in zip(self.categories, found, strict=True)]
        return self

    def transform(self, x):
        """The columns of 0 and 1, as a new array.

        Raises
        ------
        ValueError
            Before `fit`, another number of columns, None or NaN, or with ``unknown="error"`` a category that `fit` did not
            see: the message names it, its column and row.

        Shape
        -----
        x : (N, F) → (N, C), C all categories together
        """
        self._require_fit("transform")
        parts, _ = self._parts(x, "transform", self.columns)
        if len(parts) != len(self.categories):
            raise ValueError(f"OneHotEncoder.transform: expected {len(self.categories)} columns (as in fit), got {len(parts)}")
        return self._encoded(self._found(parts, self.columns, "transform"), "transform")

    def fit_transform(self, x, *, columns=None):
        """`fit`, then `transform`, of the same x."""
        parts, names = self._parts(x, "fit_transform", columns)
        found = self._found(parts, names, "fit_transform")
        self.categories, self.columns = [classes for classes, _ in found], names
        return self._encoded(found, "fit_transform")

    def inverse_transform(self, x):
        """The category of each column: the one whose value is greatest; None where all are 0, as for unknown ones.

        Shape
        -----
        x : (N, C) → (N, F), objects where the columns are of different kinds
        """
        self._require_fit("inverse_transform")
        x, ends = np.asarray(x), np.cumsum([len(known) for known in self.categories])
        if x.ndim != 2 or x.shape[1] != ends[-1]:
            raise ValueError(f"OneHotEncoder.inverse_transform: expected (N, {ends[-1]}), got shape {x.shape}")
        columns = []
        for known, part in zip(self.categories, np.split(x, ends[:-1], axis=1), strict=True):
            column = known[part.argmax(1)]
            nothing = ~(part != 0).any(1)
            if nothing.any():
                column = column.astype(object)
                column[nothing] = None
            columns.append(column)
        kinds = {column.dtype.kind for column in columns}
        return np.stack(columns if len(kinds) == 1 else [column.astype(object) for column in columns], axis=1)

    def state_dict(self):
        """What `fit` learned and the options, as a dict that JSON can hold where categories are texts, numbers, booleans."""
        self._require_fit("state_dict")
        return {"categories": [known.tolist() for known in self.categories], "columns": self.columns, "unknown": self.unknown,
                "dtype": self.dtype.str}

    def load_state_dict(self, state):
        """Take over what another object's `state_dict` gave, options included; returns itself.

        Raises
        ------
        ValueError
            It is not what `state_dict` gives.
        """
        keys = {"categories", "columns", "unknown", "dtype"}
        if not (isinstance(state, dict) and state.keys() == keys and isinstance(state["categories"], list)
                and state["categories"] and all(isinstance(known, list) for known in state["categories"])
                and (state["columns"] is None or (isinstance(state["columns"], list)
                                                  and len(state["columns"]) == len(state["categories"])))):
            raise ValueError(f"OneHotEncoder.load_state_dict: expected {', '.join(sorted(keys))} as state_dict gives them, got "
                             f"{str(state)[:120]}")
        try:
            made = OneHotEncoder(unknown=state["unknown"], dtype=state["dtype"])
        except TypeError as error:
            raise ValueError(f"OneHotEncoder.load_state_dict: {error}") from None
        made.categories = [_checked_classes(known, "OneHotEncoder.load_state_dict") for known in state["categories"]]
        made.columns = state["columns"]
        self.__dict__.update(made.__dict__)
        return self

    def __repr__(self):
        fitted = "not fitted" if self.categories is None else (
            f"{len(self.categories)} columns, {sum(map(len, self.categories))} categories")
        return f"OneHotEncoder(unknown={self.unknown!r}, dtype={self.dtype}), {fitted}"

    def _parts(self, x, method, columns):
        """The columns as arrays, and their names or None."""
        who = f"OneHotEncoder.{method}"
        found = columns_of(x)
        if found is not None:
            found = found if columns is None else chosen(found, columns, who)
            lengths = {name: len(values) for name, values in found.items()}
            if len(set(lengths.values())) != 1:
                raise ValueError(f"{who}: expected columns of one length, got {lengths}")
            return self._some(list(found.values()), who), list(found)
        if isinstance(x, np.ma.MaskedArray):
            raise TypeError(f"{who}: x is a masked array, and its mask would be lost; fill it first")
        if not hasattr(x, "__array__"):     # NumPy would make texts of the numbers in a list of both
            rows = list(x)
            x = np.array(rows, object if any(isinstance(row, list | tuple) for row in rows) else None)
        x = np.asarray(x)
        if x.ndim not in (1, 2):
            raise ValueError(f"{who}: expected x of shape (N, F) or (N,), got {x.shape}")
        parts = [x] if x.ndim == 1 else list(x.T)
        names = None if columns is None else [str(name) for name in columns]
        if names is not None and len(names) != len(parts):
            raise ValueError(f"{who}: expected the columns {', '.join(names)}, got {len(parts)} columns")
        return self._some(parts, who), names

    def _some(self, parts, who):
        if not parts or (not len(parts[0]) and "transform" not in who.replace("fit_transform", "")):
            raise ValueError(f"{who}: x has no {'rows' if parts else 'columns'}")
        return parts

    def _found(self, parts, names, method):
        who = f"OneHotEncoder.{method}: {{}}"
        return [factorize(part, who.format(named(i, names))) for i, part in enumerate(parts)]

    def _encoded(self, found, method):
        """Columns of 0 and 1 of [(different values, their numbers)]: rows of small tables, one value a row, side by side."""
        tables = []
        for i, ((values, codes), known) in enumerate(zip(found, self.categories, strict=True)):
            number = {value: place for place, value in enumerate(known.tolist())}
            table = np.zeros((len(values), len(known)), self.dtype)
            for row, value in enumerate(values.tolist()):
                if value in number:
                    table[row, number[value]] = 1
                elif self.unknown == "error":
                    raise ValueError(f"OneHotEncoder.{method}: {named(i, self.columns)}: {value!r} in row "
                                     f"{(codes == row).argmax()} is none of the categories {', '.join(map(repr, number))}"
                                     f"{nearest(value, number)}")
            tables.append((table, codes))
        if len(tables) == 1:
            return tables[0][0].take(tables[0][1], axis=0)
        out, start = np.empty((len(found[0][1]), sum(map(len, self.categories))), self.dtype), 0
        for table, codes in tables:
            out[:, start:start + table.shape[1]] = table.take(codes, axis=0)
            start += table.shape[1]
        return out

    def _require_fit(self, method):
        if self.categories is None:
            raise ValueError(f"OneHotEncoder.{method}: call fit first")
