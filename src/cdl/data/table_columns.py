"""Columns of a table: cells of a file that are read when they are asked for, arrays, and lists of texts, in one form."""
import re
from collections.abc import Sequence

import numpy as np

# What people and programs write for "no value", compared without regard to case.
_MISSING = frozenset({"", "?", "-", "na", "n/a", "nan", "null", "none", "<na>", "#n/a"})
_LONGEST_MISSING = max(map(len, _MISSING))
# Plain decimal notation. float() takes more (1_000, infinity), which in a table is rather a text or a mistake.
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


class _Cells(Sequence):
    """What the columns below have in common with lists of texts."""

    def __iter__(self):
        return (self[i] for i in range(len(self)))

    def __eq__(self, other):
        return isinstance(other, Sequence) and len(self) == len(other) and all(a == b for a, b in zip(self, other, strict=True))

    __hash__ = None

    def __repr__(self):
        return repr(list(self)) if len(self) <= 20 else f"[{', '.join(repr(self[i]) for i in range(10))}, … {len(self)} in all]"


class FileCells(_Cells):
    """One column of a file's cells, all rows or some; text only where it is looked at, numbers read once."""

    def __init__(self, cells, column, rows=None, numbers=None):
        self._cells, self._column, self._rows, self._numbers = cells, column, rows, numbers

    def __len__(self):
        return self._cells.rows if self._rows is None else len(self._rows)

    def __getitem__(self, i):
        if isinstance(i, slice):
            return [self[k] for k in range(*i.indices(len(self)))]
        row = range(len(self))[i] if self._rows is None else int(self._rows[i])
        return without_missing(self._cells.text_at(self._column, row))

    def take(self, rows):
        numbers = None if self._numbers is None else self._numbers[rows]
        return FileCells(self._cells, self._column, rows if self._rows is None else self._rows[rows], numbers)

    def numbers(self):
        if self._numbers is None:
            self._numbers = self._cells.numbers(self._column, self._rows)
        if self._numbers is not None:
            self._numbers.flags.writeable = False
        return self._numbers

    def categories(self):
        texts, codes = self._cells.codes(self._column, self._rows)
        number = {}     # texts that differ only in blanks beyond ASCII are one
        places = np.array([number.setdefault(without_missing(text), len(number)) for text in texts], np.int32)
        return list(number), codes if len(number) == len(texts) else places[codes]


class ArrayCells(_Cells):
    """One column of numbers that came as an array; NaN is missing."""

    def __init__(self, values):
        self._values = values

    def __len__(self):
        return len(self._values)

    def __getitem__(self, i):
        if isinstance(i, slice):
            return [self[k] for k in range(*i.indices(len(self)))]
        value = self._values[i]
        return "" if value != value else str(value.item())

    def take(self, rows):
        return ArrayCells(self._values[rows])

    def numbers(self):
        return self._values.astype(np.float64)

    def categories(self):
        values, codes = np.unique(self._values, return_inverse=True)
        return list(ArrayCells(values)), codes


class Lines(Sequence):
    """For each row of a file the line on which it ends."""

    def __init__(self, cells):
        self._cells = cells

    def __len__(self):
        return self._cells.rows

    def __getitem__(self, row):
        return self._cells.line_at(range(len(self))[row])

    def __iter__(self):
        return iter(self._cells.lines())


def without_missing(cell):
    """A cell, "" where it is a word for no value."""
    return "" if len(cell) <= _LONGEST_MISSING and cell.lower() in _MISSING else cell


def taken(column, rows):
    """The cells, or lines, of these rows."""
    if hasattr(column, "take"):
        return column.take(rows)
    if isinstance(column, range):
        return np.asarray(column)[rows]
    return [column[row] for row in rows.tolist()]


def numbers_of(cells):
    """The cells as float64, missing ones NaN, not to be written to; None where one is not a plain number."""
    if hasattr(cells, "numbers"):
        return cells.numbers()
    joined = "".join(cells)
    if "_" in joined or not joined.isascii():  # float() takes 1_000 and the digits of other scripts
        return None
    try:
        column = np.array([float(cell or "nan") for cell in cells])
    except ValueError:
        return None
    # What is left of float()'s wider taste are words: inf, -nan. Matching every cell would take thrice as long.
    odd = np.flatnonzero(~np.isfinite(column))
    return column if all(NUMBER.fullmatch(cells[row]) for row in odd if cells[row]) else None


def categories_of(cells):
    """The different texts of a column, and for each cell its number among them."""
    if hasattr(cells, "categories"):
        return cells.categories()
    number = {text: i for i, text in enumerate(dict.fromkeys(cells))}
    return list(number), np.fromiter(map(number.__getitem__, cells), np.int32, len(cells))


def present_in(cells):
    """Which cells are not missing."""
    numbers = numbers_of(cells)
    if numbers is not None:
        return ~np.isnan(numbers)
    texts, codes = categories_of(cells)
    return np.array([text != "" for text in texts])[codes]


def arrays_by_name(x):
    """{name: values} of a data frame, a structured array or a dict of columns, in order; None of anything else."""
    if isinstance(x, dict):
        return {str(name): values.to_numpy() if hasattr(values, "to_numpy") else np.asanyarray(values)
                for name, values in x.items()}
    if hasattr(x, "iloc") and hasattr(x, "columns"):
        return {str(name): x.iloc[:, i].to_numpy() for i, name in enumerate(x.columns)}
    if isinstance(x, np.ndarray) and x.dtype.names is not None:
        return {name: x[name] for name in x.dtype.names}
    return None


def cells_of(values, name):
    """A column of a table of an array.

    Raises
    ------
    TypeError
        It holds what is neither number, text nor date.
    """
    if isinstance(values, np.ma.MaskedArray):
        raise TypeError(f"Table: column {name!r} is a masked array; fill it with NaN, or \"\", first")
    if values.ndim != 1:
        raise TypeError(f"Table: column {name!r} must have one value a row, got shape {values.shape}")
    if values.dtype.kind in "fiub":
        return ArrayCells(values)
    if values.dtype.kind == "M":
        values = np.where(np.isnat(values), "", np.datetime_as_string(values))
    if values.dtype.kind not in "UTO":
        raise TypeError(f"Table: column {name!r} must hold numbers, texts or dates, got dtype {values.dtype}")
    return [_text(value) for value in values.tolist()]


def _text(value):
    if isinstance(value, str):
        return without_missing(value.strip())
    # pandas has objects of its own for what is missing, which cannot be compared
    if value is None or type(value).__name__ in ("NAType", "NaTType") or value != value:
        return ""
    return str(value)
