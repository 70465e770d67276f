"""Text files, compressed or not, whose damage is told with their names."""
import bz2
import gzip
import lzma
import os
import zlib
from contextlib import contextmanager

from cdl.io.errors import FileFormatError

_OPENERS = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}


@contextmanager
def opened(path):
    """The bytes of a file for reading; unpacked if its name ends in .gz, .bz2 or .xz.

    Raises
    ------
    FileFormatError
        In the body, for compressed data that is damaged or cut short.
    """
    name = os.fsdecode(path)
    compressed = os.path.splitext(name)[1] in _OPENERS
    try:
        with _OPENERS.get(os.path.splitext(name)[1], open)(path, "rb") as file:
            yield file
    except (EOFError, gzip.BadGzipFile, lzma.LZMAError, zlib.error) as error:
        raise FileFormatError(f"{name}: {error}") from None
    except OSError as error:
        if not compressed or error.errno is not None:
            raise
        raise FileFormatError(f"{name}: {error}") from None      # bz2's
