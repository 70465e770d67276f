"""Tables: text files (CSV) read as they are, cells by column, all still text; and columns of arrays in the same form."""
import csv
import io
import re
from collections import Counter

import numpy as np

from .._core.cells import scan
from ..io import FileFormatError
from .table_columns import FileCells, Lines, arrays_by_name, cells_of, numbers_of, taken, without_missing

# What is looked at to find the delimiter.
_SNIFFED_CHARACTERS = 1 << 16
_SNIFFED_LINES = 20
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


class Table:
    """The cells of a text table, by column, as they were read; or columns of arrays in the same form.

    Attributes
    ----------
    names : list of str
        The columns' names, in order.
    columns : dict of str to sequence of str
        The cells of each column, blanks around them removed; a missing value is ``""``. They compare with lists, and
        ``list(table.columns[name])`` is one.
    lines : list of int
        For each row the line of the file on which it ends, for messages; of arrays its number.
    path : str

    Examples
    --------
    >>> table = parse_table("size,colour\\n1.5,red\\nNA,blue\\n")
    >>> table.columns
    {'size': ['1.5', ''], 'colour': ['red', 'blue']}
    >>> table.take([1]).columns
    {'size': [''], 'colour': ['blue']}
    >>> table.values("size"), table.values("colour")
    (array([1.5, nan]), array(['red', 'blue'], dtype=object))
    """

    def __init__(self, columns, lines, path):
        self.columns, self._lines, self.path = columns, lines, path

    @classmethod
    def from_columns(cls, data, *, path="table"):
        """A table of a dict of columns, a pandas data frame or a NumPy structured array.

        Numbers and booleans (0 and 1) stay numbers, NaN missing; texts are as in files, so that ``"NA"`` is missing; None
        and pandas' NA are missing; dates become texts such as ``2024-05-31``. `TableEncoder` takes such data as it is.

        Parameters
        ----------
        data : dict, data frame or structured array
        path : str
            What messages call it.

        Raises
        ------
        ValueError
            Columns of different lengths, or no rows.
        TypeError
            Data of another kind, or a column that holds neither numbers, texts nor dates.

        Examples
        --------
        >>> Table.from_columns({"size": [1.5, np.nan], "colour": ["red", None]}).columns
        {'size': ['1.5', ''], 'colour': ['red', '']}
        """
        arrays = arrays_by_name(data)
        if arrays is None:
            raise TypeError("Table.from_columns: expected a dict of columns, a data frame or a structured array, got "
                            f"{type(data).__name__}")
        columns = {name: cells_of(values, name) for name, values in arrays.items()}
        lengths = {name: len(cells) for name, cells in columns.items()}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"Table.from_columns: the columns must have one length, got {lengths}")
        if not columns or not max(lengths.values()):
            raise ValueError(f"Table.from_columns: there are no {'rows' if columns else 'columns'}")
        return cls(columns, range(max(lengths.values())), path)

    @property
    def names(self):
        return list(self.columns)

    @property
    def lines(self):
        return list(self._lines)

    def __len__(self):
        return len(self._lines)

    def __repr__(self):
        return f"Table({len(self)} rows; {', '.join(self.names)})"

    def take(self, rows):
        """A table of the rows with these numbers (from 0), in this order."""
        rows = np.asarray(rows, np.int64)
        rows = np.where(rows < 0, rows + len(self), rows) if (rows < 0).any() else rows
        return Table({name: taken(cells, rows) for name, cells in self.columns.items()}, taken(self._lines, rows), self.path)

    def values(self, name):
        """A column as an array: float64 with NaN for missing values where all its cells are numbers, else texts (objects)."""
        numbers = numbers_of(self.columns[name])
        return np.array(list(self.columns[name]), object) if numbers is None else numbers.copy()

    def where(self, row):
        """What messages call a row: ``line 3`` of a file, ``row 1`` of arrays."""
        return f"{'row' if isinstance(self._lines, range | np.ndarray) else 'line'} {self._lines[row]}"


def read_table(path, *, delimiter=None):
    """Read a table from a text file whose first line names the columns.

    UTF-8 (with or without the mark at the beginning), or UTF-16 with its mark. Fields may be quoted with ``"``, and
    then hold delimiters, line ends and doubled quotes. Line ends may be LF, CRLF or CR. Empty lines are skipped.
    Cells that are empty, or read NA, N/A, NaN, null, none, ?, - in upper or lower case, are missing values. A column
    with an empty name, such as the row numbers some programs save, is left out.

    Parameters
    ----------
    path : str or os.PathLike
    delimiter : str of one character, optional
        Without it comma, semicolon or tab, whichever splits the first lines into most columns of equal number.

    Returns
    -------
    Table

    Raises
    ------
    FileFormatError
        Not text, no header, no rows, a column name twice, a row of another length, or a quote that is not closed;
        the message names the line.
    OSError
        The file cannot be opened or read.

    Examples
    --------
    >>> import os, tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = os.path.join(folder.name, "houses.csv")
    >>> with open(path, "w") as file:
    ...     _ = file.write('area;price\\n100;250\\n120;"310"\\n')
    >>> read_table(path)
    Table(2 rows; area, price)
    >>> folder.cleanup()
    """
    with open(path, "rb") as file:
        content = file.read()
    if content[:2] not in _UTF16:
        table = _scanned(content.removeprefix(b"\xef\xbb\xbf"), str(path), delimiter)
        if table is not None:
            return table
    return _parsed(_decoded(content, path), str(path), delimiter)


def parse_table(text, *, path="table", delimiter=None):
    """As `read_table`, of a text in memory; `path` is what messages call it."""
    try:
        table = _scanned(text.encode(), path, delimiter)
    except UnicodeEncodeError:      # half a surrogate pair, which Python's texts may hold
        table = None
    return _parsed(text, path, delimiter) if table is None else table


def _scanned(content, path, delimiter):
    """The table of plain UTF-8 text; None where something in it is not plain, or wrong."""
    if not content.isascii():
        try:
            content.decode()
        except UnicodeDecodeError:
            return None
    beginning = content[:4 * _SNIFFED_CHARACTERS + 1].decode(errors="ignore")   # of characters of up to four bytes
    cells = scan(content, delimiter or _sniffed_delimiter(beginning))
    if cells is None or not cells.rows:
        return None
    names = cells.header()
    known = [name for name in names if name]
    if not known or len(set(known)) < len(known):
        return None
    return Table({name: FileCells(cells, column) for column, name in enumerate(names) if name}, Lines(cells), path)


def _parsed(text, path, delimiter):
    """The table of any text, cell by cell; what is wrong in it is said with its line."""
    if "\0" in text:
        raise FileFormatError(f"{path}: not a text table: it holds NUL bytes")
    delimiter = delimiter or _sniffed_delimiter(text)
    header, *body = _rows(text, delimiter, path) or [(1, [])]
    names = header[1]
    if not any(names):
        raise FileFormatError(f"{path}: no column names: the first line must hold them")
    if twice := [name for name, count in Counter(names).items() if name and count > 1]:
        raise FileFormatError(f"{path}: line {header[0]}: two columns have the name {twice[0]!r}")
    if not body:
        raise FileFormatError(f"{path}: no rows after the line of column names")
    for line, cells in body:
        if len(cells) != len(names):
            raise FileFormatError(f"{path}: line {line}: {len(cells)} fields, expected {len(names)} as in the header "
                                  f"(delimiter {delimiter!r})")
    columns = zip(*(cells for _, cells in body), strict=True)
    named = {name: [without_missing(cell) for cell in cells]
             for name, cells in zip(names, columns, strict=True) if name}
    return Table(named, [line for line, _ in body], path)


def _decoded(content, path):
    encoding = "utf-16" if content[:2] in _UTF16 else "utf-8-sig"
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise FileFormatError(f"{path}: line {line}: not {encoding.removesuffix('-sig')} text ({error.reason}); save "
                              "the table as UTF-8") from None


def _rows(text, delimiter, path):
    """[(line number, stripped cells)] of the lines that are not empty."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True, skipinitialspace=True)
    rows, line = [], 0
    try:
        for cells in reader:
            line = reader.line_num
            stripped = [cell.strip() for cell in cells]
            if len(stripped) > 1 or any(stripped):
                rows.append((line, stripped))
    except csv.Error as error:  # a quote left open is reported where its row starts, not where the file ends
        raise FileFormatError(f"{path}: line {line + 1}: {error}") from None
    return rows


def _sniffed_delimiter(text):
    """The one of , ; and tab that splits the first lines into most columns of equal number."""
    outside_quotes = re.sub('"[^"]*"', "", text[:_SNIFFED_CHARACTERS])
    lines = [line for line in outside_quotes.splitlines() if line.strip()]
    if len(text) > _SNIFFED_CHARACTERS and len(lines) > 1:
        del lines[-1]  # cut off

    def score(delimiter):
        counts = [line.count(delimiter) for line in lines[:_SNIFFED_LINES]] or [0]
        return len(set(counts)) == 1 and counts[0] > 0, counts[0]

    return max(",;\t", key=score)
