"""The files of word2vec: a line with the counts, then a word and its numbers each, as text or as float32."""
import gzip
import io
import os
import re

import numpy as np

from cdl.io.atomic import atomic_write
from cdl.io.errors import FileFormatError
from cdl.text.opening import opened

__all__ = ["read_word2vec", "write_word2vec"]

# Longer is no word that a program wrote, but a file of another kind.
_LONGEST_WORD = 1 << 16
# float32 of a longest vector: 4 MB a word.
_LONGEST_VECTOR = 1 << 20
_BLOCK = 1 << 22


def write_word2vec(path, words, vectors, binary=None):
    """Write words and vectors (words, size); binary None: as the name ends, .bin or not."""
    path = os.fspath(path)
    plain = path.removesuffix(".gz")
    binary = plain.endswith(".bin") if binary is None else binary
    odd = next((word for word in words if not word or re.search("[ \t\r\n\ud800-\udfff]", word)), None)
    if odd is not None:
        what = "has a blank, a tab, the end of a line or half a character in it" if odd else "is empty"
        raise ValueError(f"WordVectors: the word {odd!r} {what}, which the format of word2vec cannot hold")
    with atomic_write(path) as raw:
        file = gzip.GzipFile(fileobj=raw, mode="wb", filename="", mtime=0) if path != plain else raw
        file.write(f"{len(words)} {vectors.shape[1]}\n".encode())
        for word, row in zip(words, vectors, strict=True):
            name = word.encode("utf-8", "surrogatepass")
            if binary:
                file.write(name + b" " + row.astype("<f4").tobytes() + b"\n")
            else:
                file.write(name + b" " + " ".join(map(str, row)).encode() + b"\n")
        if file is not raw:
            file.close()


def read_word2vec(path, binary=None, limit=None, errors="strict"):
    """(words, vectors): of the text or the binary format; binary None: what the bytes look like."""
    path = os.fsdecode(path)
    if limit is not None and limit < 0:
        raise ValueError(f"WordVectors: limit must be 0 or more, got {limit}")
    with opened(path) as file:
        return _Reader(path, file).read(binary, limit, errors)


class _Reader:
    """A file that is being read, and how much of it there can be."""

    def __init__(self, path, file):
        self.path, self.file = path, io.BufferedReader(file) if not hasattr(file, "peek") else file

    def wrong(self, what):
        return FileFormatError(f"{self.path}: {what}")

    def read(self, binary, limit, errors):
        count, size = self._counts()
        if binary is None:
            binary = self._looks_binary(size)
        # The least that a word takes: one byte, a space and its numbers. What is compressed is read as it comes.
        least = 2 + (4 * size if binary else 2 * size)
        if not self.path.endswith((".gz", ".bz2", ".xz")) and count * least > os.path.getsize(self.path) + 2:
            raise self.wrong(f"its first line promises {count} words of {size} numbers, at least {count * least} bytes, and "
                             f"it has {os.path.getsize(self.path)}")
        count = count if limit is None else min(count, limit)
        words, parts, numbers = {}, [], (self._binary if binary else self._text)
        # In parts, so that a compressed file that lies about its size is found out before much is allocated
        part = max(_BLOCK // (4 * size), 1)
        for first in range(0, count, part):
            rows = np.empty((min(part, count - first), size), np.float32)
            kept = 0        # of words that are the same once they are decoded, the first
            for number in range(first, first + len(rows)):
                word = self._word(numbers(rows[kept], number), errors)
                if word in words and errors == "strict":
                    raise self.wrong(f"the word {word!r} is there twice, as number {words[word]} and {number}")
                if words.setdefault(word, number) == number:
                    kept += 1
            if not np.isfinite(rows[:kept]).all():
                odd = first + int(np.flatnonzero(~np.isfinite(rows[:kept]).all(axis=1))[0])
                raise self.wrong(f"the vector of word {odd} holds a number that is not finite")
            parts.append(rows[:kept])
        words = list(words)
        return words, parts[0] if len(parts) == 1 else np.concatenate(parts) if parts else np.zeros((0, size), np.float32)

    def _counts(self):
        line = self.file.readline(64)
        match = re.fullmatch(rb"\s*(\d{1,18})\s+(\d{1,18})\s*\n", line)
        if match is None:
            raise self.wrong(f"expected the numbers of words and of elements in the first line, got {line[:40]!r}")
        count, size = map(int, match.groups())
        if not 1 <= size <= _LONGEST_VECTOR or count >= 1 << 31:
            raise self.wrong(f"{count} words of {size} numbers: at most {2 ** 31 - 1} of 1 to {_LONGEST_VECTOR} are read")
        return count, size

    def _looks_binary(self, size):
        """Whether the first word is not followed by decimal numbers and the end of a line."""
        start = self.file.peek(1 << 12)[:1 << 12]
        _, _, rest = start.lstrip(b"\n").partition(b" ")
        line = rest[:rest.find(b"\n") + 1] or rest      # of a text: numbers up to its end
        return re.fullmatch(rb"[-+0-9.eEinfaINFA \r\n]+", line) is None

    def _binary(self, row, number):
        name = bytearray()
        while True:
            byte = self.file.read(1)
            if not byte:
                raise self.wrong(f"it ends after {number} words")
            if byte == b" ":
                break
            if byte != b"\n" or name:       # word2vec.c ends each vector with a line feed, gensim's older versions do not
                name += byte
            if len(name) > _LONGEST_WORD:
                raise self.wrong(f"word {number} is longer than {_LONGEST_WORD} bytes: this is no binary file of word2vec")
        data = self.file.read(row.nbytes)
        if len(data) != row.nbytes:
            raise self.wrong(f"it ends in the vector of word {number}")
        row[:] = np.frombuffer(data, "<f4")
        return bytes(name)

    def _text(self, row, number):
        line = self.file.readline(_LONGEST_WORD + 40 * len(row))
        if not line:
            raise self.wrong(f"it ends after {number} words")
        name, *values = line.rstrip(b"\r\n ").split(b" ")
        if len(values) != len(row) or not name:
            raise self.wrong(f"line {number + 2}: expected a word and {len(row)} numbers, parted by a blank each, got "
                             f"{len(values) + bool(name)} parts")
        try:
            if b"_" in line[len(name):]:
                raise ValueError("Python's own digits")
            row[:] = [float(value) for value in values]
        except ValueError:
            raise self.wrong(f"line {number + 2}: expected a word and {len(row)} numbers, got {line[:60]!r}") from None
        return name

    def _word(self, name, errors):
        try:
            return name.decode("utf-8", errors)
        except UnicodeDecodeError:
            raise self.wrong(f"the word {name[:40]!r} is no UTF-8; errors='replace' or 'ignore' reads it") from None
