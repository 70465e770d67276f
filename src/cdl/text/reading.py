"""Text from files larger than memory, a line or a piece of one at a time."""
import os

from cdl.io.errors import FileFormatError
from cdl.text.opening import opened

BLOCK = 1 << 16     # the longest piece of a line, in bytes: as words it takes a megabyte


def lines(path, errors="strict"):
    """The lines of a text file in UTF-8 (.gz, .bz2, .xz: unpacked), with their ends; one of more than 64 KB in pieces.

    Parameters
    ----------
    path : str or path
    errors : {"strict", "replace"}, default "strict"
        Whether bytes that are no UTF-8 are refused, or read as U+FFFD.

    Raises
    ------
    FileFormatError
        For bytes that are no UTF-8, with their line, or a damaged compressed file.
    """
    name = os.fsdecode(path)
    number, rest = 1, b""
    with opened(path) as file:
        while True:
            piece = file.readline(BLOCK)
            if not piece:
                break
            if len(piece) == BLOCK and not piece.endswith(b"\n"):
                cut = _cut(piece)
                piece, rest = rest + piece[:cut], piece[cut:]
            else:
                piece, rest = rest + piece, b""
            yield _text(piece, name, number, errors)
            number += piece.endswith(b"\n")
    if rest:
        yield _text(rest, name, number, errors)


def _cut(piece):
    """Where a word or, for want of blanks, a character ends."""
    blank = max(piece.rfind(b" "), piece.rfind(b"\t")) + 1
    if blank:
        return blank
    cut = len(piece)
    while cut > len(piece) - 4 and piece[cut - 1] & 0xC0 == 0x80:
        cut -= 1
    return cut - 1 if piece[cut - 1] >= 0xC0 else len(piece)


def _text(piece, name, number, errors):
    try:
        return piece.decode("utf-8", errors)
    except UnicodeDecodeError as error:
        raise FileFormatError(f"{name}: line {number}: byte {error.start} is 0x{piece[error.start]:02x}, which is no UTF-8; "
                              "errors='replace' reads it as U+FFFD") from None


def texts_of(source, who, errors="strict"):
    """What a corpus is made of: the lines of a file (a pathlib.Path), or the texts of an iterable."""
    if isinstance(source, os.PathLike):
        yield from lines(source, errors)
        return
    if isinstance(source, (str, bytes)):
        raise TypeError(f"{who}: expected a list of texts, or a pathlib.Path of a file, got one {type(source).__name__}; "
                        "Path(…) reads a file, [text] is one text")
    try:
        found = iter(source)
    except TypeError:
        raise TypeError(f"{who}: expected a list of texts, or a pathlib.Path, got {type(source).__name__}") from None
    yield from found
