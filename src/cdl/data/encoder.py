"""Turning a table's columns into numbers a network can be trained on."""
import re
from typing import NamedTuple

import numpy as np

from ..extras import nearest
from ..io import FileFormatError
from .table import Table
from .table_columns import NUMBER, arrays_by_name, categories_of, numbers_of, present_in

_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+([eE][+-]?\d+)?", re.ASCII)
# 2024-05-31, 31.5.2024, 5/31/24, alone or with a time behind.
_DATE = re.compile(r"(\d{4}([-/.])\d{1,2}\2\d{1,2}|\d{1,2}([-/.])\d{1,2}\3\d{2,4})([T ].*)?", re.ASCII)
# A whole-number target of at most this many different values is taken as classes: ten digits, a 20-point scale.
_MAX_NUMBER_CLASSES = 20
# A text column of at most this many different values may have numbers among them ("1", "2", "3+"); one of more values,
# most of them numbers, is a numeric column with a slip in it.
_MAX_NUMBERLIKE_CATEGORIES = 20
# Rows that are put together at a time, so that they stay in the cache.
_BLOCK_ROWS = 1024
_TASKS, _UNKNOWN = ("auto", "classification", "regression"), ("zeros", "error")


class Encoded(NamedTuple):
    """What `TableEncoder.transform` returns: features, targets, and which rows of the table they are."""

    x: np.ndarray
    y: np.ndarray | None
    rows: np.ndarray


class TableEncoder:
    """Turn a table into arrays: what each column is gets decided by `fit` and applied by `transform`.

    A table is a `Table`, or a pandas data frame, a NumPy structured array or a dict of columns.

    Features. A column whose cells are all numbers (or missing) is numeric: one feature, missing values replaced by
    the mean of the fitted rows. Booleans of an array are the numbers 0 and 1. Numbers that stand for categories, such as
    postcodes, are taken as such where `categorical` names them. Any other column is categorical: one feature of 0 or 1 for
    each category of the fitted rows, in sorted order; missing values are a category of their own if the fitted rows have
    any; ``true`` and ``false`` in a file are categories, and so are dates, as long as they are few: to use a date as a time,
    make a number of it first. A category that `fit` did not see gives zeros in all of its column's features, or an
    error. A column without any value is left out; `remarks` says so, and which columns have one value only.

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
    categorical : collection of str, default ()
        Columns that are categories even if all their values are numbers.
    task : {"auto", "classification", "regression"}
    unknown : {"zeros", "error"}, default "zeros"
        What `transform` makes of a category that `fit` did not see: zeros, or a FileFormatError that names it.
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
    remarks : list of str
        What `fit` found odd: columns that were left out, or have one value only.

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

    def __init__(self, target, *, drop=(), categorical=(), task="auto", unknown="zeros", max_categories=100):
        for name, value, known in (("task", task, _TASKS), ("unknown", unknown, _UNKNOWN)):
            if value not in known:
                raise ValueError(f"TableEncoder: {name} must be {', '.join(map(repr, known[:-1]))} or {known[-1]!r}, got "
                                 f"{value!r}{nearest(value, known)}")
        self.target, self.drop = target, [drop] if isinstance(drop, str) else list(drop)
        self.categorical = [categorical] if isinstance(categorical, str) else list(categorical)
        self.max_categories, self.unknown = max_categories, unknown
        self.task, self.classes = task, None
        self.features, self.remarks = {}, []

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
        table = _as_table(table, "fit")
        for name in (self.target, *self.drop, *self.categorical):
            self._require(table, name)
        present = np.flatnonzero(present_in(table.columns[self.target]))
        if not present.size:
            raise FileFormatError(f"{table.path}: the target column {self.target!r} holds no values")
        if len(present) < len(table):
            table = table.take(present)
        self._fit_target(table)
        self.features, self.remarks = {}, []
        for name in table.names:
            if name != self.target and name not in self.drop:
                self._fit_feature(table, name)
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
            A cell is no number in a column of numbers, a number too large for dtype, or a class that `fit` did not see,
            or a category with ``unknown="error"``; the message names line and column.
        """
        if not self.features:
            raise ValueError("TableEncoder.transform: call fit first")
        table = _as_table(table, "transform")
        y, rows = None, np.arange(len(table))
        if self.target in table.columns:
            rows = np.flatnonzero(present_in(table.columns[self.target]))
            if len(rows) < len(table):
                table = table.take(rows)
            y = self._encoded_target(table, dtype)
        parts = []
        for name, known in self.features.items():
            self._require(table, name)
            parts.append(self._one_hot(table, name, known, dtype) if isinstance(known, list)
                         else _numbers_filled(table, name, known, dtype))
        return Encoded(_side_by_side(parts, len(table), dtype), y, rows)

    def state_dict(self):
        """What `fit` decided, as a dict that JSON can hold."""
        state = {"target": self.target, "task": self.task, "classes": self.classes, "features": dict(self.features)}
        return state if self.unknown == "zeros" else {**state, "unknown": self.unknown}

    @classmethod
    def from_state_dict(cls, state):
        """The encoder whose `state_dict` this is.

        Raises
        ------
        ValueError
            It is not what `state_dict` gives.
        """
        if not (isinstance(state, dict)
                and state.keys() - {"unknown"} == {"target", "task", "classes", "features"}
                and state.get("unknown", "zeros") in _UNKNOWN
                and isinstance(state["target"], str) and isinstance(state["features"], dict)
                and state["task"] in ("classification", "regression")
                and _is_class_list(state["classes"]) == (state["task"] == "classification")
                and all(_is_known(known) for known in state["features"].values())):
            raise ValueError("TableEncoder.from_state_dict: expected target, task, classes and features as state_dict "
                             f"gives them, got {str(state)[:120]}")
        encoder = cls(state["target"], task=state["task"], unknown=state.get("unknown", "zeros"))
        encoder.classes, encoder.features = state["classes"], dict(state["features"])
        return encoder

    def _require(self, table, name):
        if name not in table.columns:
            raise ValueError(f"{table.path}: no column {name!r}{nearest(name, table.names)} (columns: "
                             f"{', '.join(table.names)})")

    def _fit_target(self, table):
        cells = table.columns[self.target]
        numbers = numbers_of(cells)
        distinct = set(categories_of(cells)[0]) if numbers is None else set()
        numeric = numbers is not None
        if numeric:
            _require_finite(numbers, table, self.target, np.float64)
        if self.task == "auto":
            whole = numeric and bool((numbers == np.floor(numbers)).all())
            values = len(np.unique(numbers)) if whole else 0
            few = values <= _MAX_NUMBER_CLASSES and 2 * values <= len(cells)
            self.task = "classification" if not numeric or (whole and few) else "regression"
        if self.task == "regression":
            _numbers(table, self.target)  # raises where a cell is none
            return
        if not numeric:
            self._check_texts(table, self.target, distinct)
        self.classes = [_as_class(value) for value in np.unique(numbers).tolist()] if numeric else sorted(distinct)
        if len(self.classes) < 2:
            raise FileFormatError(f"{table.path}: the target column {self.target!r} holds one class only: "
                                  f"{self.classes[0]!r}")

    def _fit_feature(self, table, name):
        """The mean of a numeric column, or the list of a text column's categories; a remark where it has no two values."""
        cells = table.columns[name]
        column = None if name in self.categorical else numbers_of(cells)
        if column is not None:
            _require_finite(column, table, name, np.float64)
            present = column[~np.isnan(column)]
            if present.size:
                self.features[name] = float(present.mean())
            values = np.unique(present[:2]) if (present == present[:1]).all() else present[:2]
        else:
            values = set(categories_of(cells)[0])
            if name not in self.categorical:
                self._check_texts(table, name, values - {""})
            elif len(values) > self.max_categories:
                raise self._too_many(table, name, len(values))
            if values != {""}:
                self.features[name] = sorted(values)
        if name not in self.features:
            self.remarks.append(f"column {name!r} holds no value and is left out")
        elif len(values) == 1:
            self.remarks.append(f"column {name!r} holds one value only and tells nothing")

    def _too_many(self, table, name, count):
        return FileFormatError(f"{table.path}: column {name!r} has {count} different texts, more than the "
                               f"{self.max_categories} a category may have (max_categories); if it is a name or a "
                               "free text, leave it out (drop)")

    def _check_texts(self, table, name, values):
        """Refuse a column of texts that is rather one of numbers with a slip, or of names."""
        numbers = sum(bool(NUMBER.fullmatch(value)) for value in values)
        if all(_DECIMAL_COMMA.fullmatch(value) or NUMBER.fullmatch(value) for value in values):
            row = next(row for row, cell in enumerate(table.columns[name]) if "," in cell)
            raise FileFormatError(f"{table.path}: {table.where(row)}, column {name!r}: numbers must have a decimal point, "
                                  "not a comma")
        if len(values) > _MAX_NUMBERLIKE_CATEGORIES and 2 * numbers > len(values):
            _numbers(table, name)
        if len(values) > self.max_categories:
            if all(_DATE.fullmatch(value) for value in values):
                raise FileFormatError(f"{table.path}: column {name!r} holds {len(values)} dates, which are no categories; make "
                                      "numbers of them first, such as days since a date, or leave it out (drop)")
            raise self._too_many(table, name, len(values))

    def _encoded_target(self, table, dtype):
        if self.task == "regression":
            return _numbers(table, self.target, dtype).astype(dtype)
        number = {value: code for code, value in enumerate(self.classes)}
        numeric = isinstance(self.classes[0], int | float)
        texts, codes = categories_of(table.columns[self.target])
        values = [_as_class(float(text)) if numeric and NUMBER.fullmatch(text) else text for text in texts]
        places = np.array([number.get(value, -1) for value in values], np.int64)
        y = places[codes]
        if (y < 0).any():
            row = int((y < 0).argmax())
            raise FileFormatError(f"{table.path}: {table.where(row)}, column {self.target!r}: "
                                  f"{table.columns[self.target][row]!r} is none of the classes "
                                  f"{', '.join(map(str, self.classes))}")
        return y

    def _one_hot(self, table, name, categories, dtype):
        """A table of rows of 0 and 1, and which of them each cell has."""
        texts, codes = categories_of(table.columns[name])
        place = {category: index for index, category in enumerate(categories)}
        rows = np.zeros((len(texts), len(categories)), dtype)
        for row, text in enumerate(texts):
            if text in place:
                rows[row, place[text]] = 1
            elif self.unknown == "error":
                at = int((codes == row).argmax())
                raise FileFormatError(f"{table.path}: {table.where(at)}, column {name!r}: {text or 'a missing value'!r} is "
                                      f"none of the categories {', '.join(categories[:20])}{nearest(text, categories)}")
        return rows, codes


def _as_table(x, method):
    if isinstance(x, Table):
        return x
    if arrays_by_name(x) is None:
        raise TypeError(f"TableEncoder.{method}: expected a Table, a data frame, a structured array or a dict of columns, got "
                        f"{type(x).__name__}")
    return Table.from_columns(x)


def _side_by_side(parts, count, dtype):
    """The parts as columns of one array: each a vector, or a table of rows and which of them each row has."""
    widths = [part[0].shape[1] if isinstance(part, tuple) else 1 for part in parts]
    out = np.empty((count, sum(widths)), dtype)
    for start in range(0, count, _BLOCK_ROWS):
        rows, at = slice(start, start + _BLOCK_ROWS), 0
        for part, width in zip(parts, widths, strict=True):
            out[rows, at:at + width] = part[0].take(part[1][rows], axis=0) if isinstance(part, tuple) else part[rows, None]
            at += width
    return out


def _numbers(table, name, dtype=np.float64):
    """A column as float64, missing values NaN; every number is finite as `dtype` too."""
    cells = table.columns[name]
    column = numbers_of(cells)
    if column is None:
        row = next(row for row, cell in enumerate(cells) if cell and not NUMBER.fullmatch(cell))
        raise FileFormatError(f"{table.path}: {table.where(row)}, column {name!r}: {cells[row]!r} is not a number")
    _require_finite(column, table, name, dtype)
    return column


def _require_finite(column, table, name, dtype):
    with np.errstate(over="ignore"):
        rows = np.flatnonzero(np.isinf(column.astype(dtype)))
    if rows.size:
        raise FileFormatError(f"{table.path}: {table.where(rows[0])}, column {name!r}: "
                              f"{table.columns[name][rows[0]]!r} is too large a number")


def _numbers_filled(table, name, mean, dtype):
    column = _numbers(table, name, dtype)
    missing = np.isnan(column)
    return np.where(missing, mean, column) if missing.any() else column


def _titles(name, known):
    return [f"{name}={category or '?'}" for category in known] if isinstance(known, list) else [name]


def _as_class(value):
    """A class named by a number: 1, 1.0 and 01 are the same one."""
    return int(value) if value.is_integer() else value


def _is_class_list(classes):
    return isinstance(classes, list) and len(classes) > 1 and len({type(c) is str for c in classes}) == 1


def _is_known(known):
    if isinstance(known, list):
        return bool(known) and all(isinstance(category, str) for category in known)
    return isinstance(known, float) and np.isfinite(known)
