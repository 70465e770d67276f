"""Turning a table's columns into numbers a network can be trained on."""
import re
from typing import NamedTuple

import numpy as np

from ..extras import nearest
from ..io import FileFormatError

# Plain decimal notation. float() takes more (1_000, infinity), which in a table is rather a text or a mistake.
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+([eE][+-]?\d+)?", re.ASCII)
# A whole-number target of at most this many different values is taken as classes: ten digits, a 20-point scale.
_MAX_NUMBER_CLASSES = 20
# A text column of at most this many different values may have numbers among them ("1", "2", "3+"); one of more values,
# most of them numbers, is a numeric column with a slip in it.
_MAX_NUMBERLIKE_CATEGORIES = 20


class Encoded(NamedTuple):
    """What `TableEncoder.transform` returns: features, targets, and which rows of the table they are."""

    x: np.ndarray
    y: np.ndarray | None
    rows: np.ndarray


class TableEncoder:
    """Turn a table into arrays: what each column is gets decided by `fit` and applied by `transform`.

    Features. A column whose cells are all numbers (or missing) is numeric: one feature, missing values replaced by
    the mean of the fitted rows. Any other column is categorical: one feature of 0 or 1 for each category of the fitted
    rows, in sorted order; missing values are a category of their own if the fitted rows have any. A category that `fit`
    did not see gives zeros in all of its column's features. A column without any value is left out.

    Target. With ``task="auto"`` it is classification if a value is not a number, or if all values are whole numbers,
    of at most 20 different ones that occur twice on average; otherwise it is regression. So prices, measurements and
    counts are regression, and ``0/1``, ``yes/no``, ``1…5`` and species are classes. Rows without a target are left
    out.

    Parameters
    ----------
    target : str
        The column to predict.
    drop : collection of str, default ()
        Columns that are no features.
    task : {"auto", "classification", "regression"}
    max_categories : int, default 100
        A text column of more different values is refused: it is a name or a free text, not a category.

    Attributes
    ----------
    task : str
        After `fit` "classification" or "regression".
    classes : list of str or int, or None
        The classes in the order of their numbers in y; None in a regression.
    feature_names : list of str
        One for each column of x: ``area``, ``colour=red``, ``colour=?`` for missing.

    Examples
    --------
    >>> from cdl.data import parse_table
    >>> table = parse_table("area,colour,sold\\n100,red,yes\\n,blue,no\\n120,red,yes\\n80,red,no\\n")
    >>> encoder = TableEncoder("sold").fit(table)
    >>> encoder.feature_names, encoder.task, encoder.classes
    (['area', 'colour=blue', 'colour=red'], 'classification', ['no', 'yes'])
    >>> encoder.transform(table)
    Encoded(x=array([[100.,   0.,   1.],
           [100.,   1.,   0.],
           [120.,   0.,   1.],
           [ 80.,   0.,   1.]], dtype=float32), y=array([1, 0, 1, 0]), rows=array([0, 1, 2, 3]))
    """

    def __init__(self, target, *, drop=(), task="auto", max_categories=100):
        if task not in ("auto", "classification", "regression"):
            raise ValueError(f"TableEncoder: task must be 'auto', 'classification' or 'regression', got {task!r}")
        self.target, self.drop = target, [drop] if isinstance(drop, str) else list(drop)
        self.max_categories = max_categories
        self.task, self.classes = task, None
        self.features = {}

    @property
    def feature_names(self):
        return [title for name, known in self.features.items() for title in _titles(name, known)]

    def fit(self, table):
        """Decide from the rows of `table` what each column is; returns itself.

        Raises
        ------
        ValueError
            The target or a column to drop is not in the table.
        FileFormatError
            A cell is no number in a column of numbers (the message names line and column), a text column has too many
            different values, the target has no or only one value, or no feature is left.
        """
        for name in (self.target, *self.drop):
            self._require(table, name)
        present = [row for row, cell in enumerate(table.columns[self.target]) if cell]
        if not present:
            raise FileFormatError(f"{table.path}: the target column {self.target!r} holds no values")
        if len(present) < len(table):
            table = table.take(present)
        self._fit_target(table)
        self.features = {}
        for name in table.names:
            if name != self.target and name not in self.drop and any(table.columns[name]):
                self.features[name] = self._fit_feature(table, name)
        if not self.features:
            raise FileFormatError(f"{table.path}: no column is left to predict {self.target!r} from (columns: "
                                  f"{', '.join(table.names)}); is the delimiter right?")
        return self

    def transform(self, table, dtype=np.float32):
        """The arrays of a table with the fitted columns; others in it are ignored.

        Parameters
        ----------
        table : Table
        dtype : float dtype, default float32
            Of x and of a regression's y. Numbers beyond 2²⁴, such as time stamps, are exact only in float64:
            standardise them there, and convert afterwards.

        Returns
        -------
        Encoded
            ``x``; ``y`` (class numbers int64, or numbers, or None where the table has no target column); ``rows``, the
            numbers of the table's rows that are in x: all but those without a target.

        Shape
        -----
        x : (N, F), y : (N,), rows : (N,), N the rows with a target, F the number of feature names

        Raises
        ------
        ValueError
            Before `fit`, or a column of the fitted table is missing.
        FileFormatError
            A cell is no number in a column of numbers, a number too large for dtype, or a class that `fit` did not see;
            the message names line and column.
        """
        if not self.features:
            raise ValueError("TableEncoder.transform: call fit first")
        y, rows = None, np.arange(len(table))
        if self.target in table.columns:
            rows = np.flatnonzero([bool(cell) for cell in table.columns[self.target]])
            if len(rows) < len(table):
                table = table.take(rows)
            y = self._encoded_target(table, dtype)
        parts = []
        for name, known in self.features.items():
            self._require(table, name)
            encode = _one_hot if isinstance(known, list) else _numbers_filled
            parts.append(encode(table, name, known, dtype))
        return Encoded(np.concatenate(parts, axis=1), y, rows)

    def state_dict(self):
        """What `fit` decided, as a dict that JSON can hold."""
        return {"target": self.target, "task": self.task, "classes": self.classes, "features": dict(self.features)}

    @classmethod
    def from_state_dict(cls, state):
        """The encoder whose `state_dict` this is.

        Raises
        ------
        ValueError
            It is not what `state_dict` gives.
        """
        if not (isinstance(state, dict) and state.keys() == {"target", "task", "classes", "features"}
                and isinstance(state["target"], str) and isinstance(state["features"], dict)
                and state["task"] in ("classification", "regression")
                and _is_class_list(state["classes"]) == (state["task"] == "classification")
                and all(_is_known(known) for known in state["features"].values())):
            raise ValueError("TableEncoder.from_state_dict: expected target, task, classes and features as state_dict "
                             f"gives them, got {str(state)[:120]}")
        encoder = cls(state["target"], task=state["task"])
        encoder.classes, encoder.features = state["classes"], dict(state["features"])
        return encoder

    def _require(self, table, name):
        if name not in table.columns:
            raise ValueError(f"{table.path}: no column {name!r}{nearest(name, table.names)} (columns: "
                             f"{', '.join(table.names)})")

    def _fit_target(self, table):
        cells = table.columns[self.target]
        distinct = set(cells)
        numbers = _parsed(cells)
        numeric = numbers is not None
        if numeric:
            _require_finite(numbers, table, self.target, np.float64)
        if self.task == "auto":
            values = set(numbers.tolist()) if numeric else set()
            few = len(values) <= _MAX_NUMBER_CLASSES and 2 * len(values) <= len(cells)
            classes = not numeric or (few and all(value.is_integer() for value in values))
            self.task = "classification" if classes else "regression"
        if self.task == "regression":
            _numbers(table, self.target)  # raises where a cell is none
            return
        if not numeric:
            self._check_texts(table, self.target, distinct)
        self.classes = sorted({_as_class(cell) for cell in distinct}) if numeric else sorted(distinct)
        if len(self.classes) < 2:
            raise FileFormatError(f"{table.path}: the target column {self.target!r} holds one class only: "
                                  f"{self.classes[0]!r}")

    def _fit_feature(self, table, name):
        """The mean of a numeric column, or the list of a text column's categories."""
        column = _parsed(table.columns[name])
        if column is not None:
            _require_finite(column, table, name, np.float64)
            return float(column[~np.isnan(column)].mean())
        distinct = set(table.columns[name])
        self._check_texts(table, name, distinct - {""})
        return sorted(distinct)

    def _check_texts(self, table, name, values):
        """Refuse a column of texts that is rather one of numbers with a slip, or of names."""
        numbers = sum(bool(_NUMBER.fullmatch(value)) for value in values)
        if all(_DECIMAL_COMMA.fullmatch(value) or _NUMBER.fullmatch(value) for value in values):
            line = next(line for line, cell in zip(table.lines, table.columns[name], strict=True) if "," in cell)
            raise FileFormatError(f"{table.path}: line {line}, column {name!r}: numbers must have a decimal point, "
                                  "not a comma")
        if len(values) > _MAX_NUMBERLIKE_CATEGORIES and 2 * numbers > len(values):
            _numbers(table, name)
        if len(values) > self.max_categories:
            raise FileFormatError(f"{table.path}: column {name!r} has {len(values)} different texts, more than the "
                                  f"{self.max_categories} a category may have (max_categories); if it is a name or a "
                                  "free text, leave it out (drop)")

    def _encoded_target(self, table, dtype):
        if self.task == "regression":
            return _numbers(table, self.target, dtype).astype(dtype)
        number = {value: code for code, value in enumerate(self.classes)}
        numeric = isinstance(self.classes[0], int | float)
        y = np.empty(len(table), np.int64)
        for row, cell in enumerate(table.columns[self.target]):
            value = _as_class(cell) if numeric and _NUMBER.fullmatch(cell) else cell
            if value not in number:
                raise FileFormatError(f"{table.path}: line {table.lines[row]}, column {self.target!r}: {cell!r} is "
                                      f"none of the classes {', '.join(map(str, self.classes))}")
            y[row] = number[value]
        return y


def _numbers(table, name, dtype=np.float64):
    """A column as float64, missing values NaN; every number is finite as `dtype` too."""
    cells = table.columns[name]
    column = _parsed(cells)
    if column is None:
        row = next(row for row, cell in enumerate(cells) if cell and not _NUMBER.fullmatch(cell))
        raise FileFormatError(f"{table.path}: line {table.lines[row]}, column {name!r}: {cells[row]!r} is not a number")
    _require_finite(column, table, name, dtype)
    return column


def _require_finite(column, table, name, dtype):
    with np.errstate(over="ignore"):
        rows = np.flatnonzero(np.isinf(column.astype(dtype)))
    if rows.size:
        raise FileFormatError(f"{table.path}: line {table.lines[rows[0]]}, column {name!r}: "
                              f"{table.columns[name][rows[0]]!r} is too large a number")


def _parsed(cells):
    """The cells as float64, missing ones NaN; None where one is not a plain number."""
    joined = "".join(cells)
    if "_" in joined or not joined.isascii():  # float() takes 1_000 and the digits of other scripts
        return None
    try:
        column = np.array([float(cell or "nan") for cell in cells])
    except ValueError:
        return None
    # What is left of float()'s wider taste are words: inf, -nan. Matching every cell would take thrice as long.
    odd = np.flatnonzero(~np.isfinite(column))
    return column if all(_NUMBER.fullmatch(cells[row]) for row in odd if cells[row]) else None


def _numbers_filled(table, name, mean, dtype):
    column = _numbers(table, name, dtype)
    return np.where(np.isnan(column), mean, column).astype(dtype)[:, None]


def _one_hot(table, name, categories, dtype):
    place = {category: index for index, category in enumerate(categories)}
    out = np.zeros((len(table), len(categories)), dtype)
    for row, cell in enumerate(table.columns[name]):
        if cell in place:
            out[row, place[cell]] = 1
    return out


def _titles(name, known):
    return [f"{name}={category or '?'}" for category in known] if isinstance(known, list) else [name]


def _as_class(cell):
    """A class named by a number: 1, 1.0 and 01 are the same one."""
    value = float(cell)
    return int(value) if value.is_integer() else value


def _is_class_list(classes):
    return isinstance(classes, list) and len(classes) > 1 and len({type(c) is str for c in classes}) == 1


def _is_known(known):
    if isinstance(known, list):
        return bool(known) and all(isinstance(category, str) for category in known)
    return isinstance(known, float) and np.isfinite(known)
