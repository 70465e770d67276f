"""Tables in text files (CSV), read as they are: cells by column, all still text."""
import csv
import io
import re
from collections import Counter

from ..io import FileFormatError

# What people and programs write for "no value", compared without regard to case.
_MISSING = frozenset({"", "?", "-", "na", "n/a", "nan", "null", "none", "<na>", "#n/a"})
_LONGEST_MISSING = max(map(len, _MISSING))
# What is looked at to find the delimiter.
_SNIFFED_CHARACTERS = 1 << 16
_SNIFFED_LINES = 20


class Table:
    """The cells of a text table, by column, as they were read.

    Attributes
    ----------
    names : list of str
        The columns' names, in order.
    columns : dict of str to list of str
        The cells of each column, blanks around them removed; a missing value is ``""``.
    lines : list of int
        For each row the line of the file on which it ends, for messages.
    path : str

    Examples
    --------
    >>> table = parse_table("size,colour\\n1.5,red\\nNA,blue\\n")
    >>> table.columns
    {'size': ['1.5', ''], 'colour': ['red', 'blue']}
    >>> table.take([1]).columns
    {'size': [''], 'colour': ['blue']}
    """

    def __init__(self, columns, lines, path):
        self.columns, self.lines, self.path = columns, lines, path

    @property
    def names(self):
        return list(self.columns)

    def __len__(self):
        return len(self.lines)

    def __repr__(self):
        return f"Table({len(self)} rows; {', '.join(self.names)})"

    def take(self, rows):
        """A table of the rows with these numbers (from 0), in this order."""
        return Table({name: [cells[row] for row in rows] for name, cells in self.columns.items()},
                     [self.lines[row] for row in rows], self.path)


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
    return parse_table(_decoded(content, path), path=str(path), delimiter=delimiter)


def parse_table(text, *, path="table", delimiter=None):
    """As `read_table`, of a text in memory; `path` is what messages call it."""
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
    named = {name: [_without_missing(cell) for cell in cells]
             for name, cells in zip(names, columns, strict=True) if name}
    return Table(named, [line for line, _ in body], path)


def _decoded(content, path):
    encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
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


def _without_missing(cell):
    return "" if len(cell) <= _LONGEST_MISSING and cell.lower() in _MISSING else cell


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
