"""Sentences in files and in memory, counted and numbered: what Word2Vec reads."""
import os
from array import array
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import islice

import numpy as np

from cdl._core.word2vec import WordTable
from cdl.text.opening import opened

__all__ = ["LineSentence", "WordIndex", "corpus_of"]

# Bytes of a file that are read and numbered at a time: some 180,000 words of English, 0.2 s of training at the most.
BLOCK = 1 << 20
# Words of sentences in memory that are numbered at a time.
PART = 1 << 17
_UNKNOWN = -2


class LineSentence:
    """The sentences of a text file: a line each, words parted by white space. Read anew each time it is gone through.

    Parameters
    ----------
    path : str or os.PathLike
        UTF-8 text, compressed if it ends in .gz, .bz2 or .xz; it may be larger than memory.
    lowercase : bool, default False
    errors : {"strict", "replace", "ignore"}, default "strict"
        What to do with bytes that are no UTF-8: refuse them, read U+FFFD for them, leave them out.

    Yields
    ------
    list of str

    Raises
    ------
    ValueError
        For bytes that are no UTF-8, where they are not to be replaced; they are named with their place.
    OSError
        If the file cannot be read.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = pathlib.Path(folder.name, "text.txt")
    >>> _ = path.write_text("The cat sat.\\n\\nIt slept.\\n")
    >>> list(LineSentence(path))
    [['The', 'cat', 'sat.'], ['It', 'slept.']]
    >>> folder.cleanup()
    """

    def __init__(self, path, *, lowercase=False, errors="strict"):
        if errors not in {"strict", "replace", "ignore"}:
            raise ValueError(f"LineSentence: errors must be 'strict', 'replace' or 'ignore', got {errors!r}")
        self.path, self.lowercase, self.errors = os.fsdecode(path), lowercase, errors

    def __iter__(self):
        rest = []       # of a line that is longer than a block
        for block in self.blocks():
            *lines, last = block.decode().split("\n")
            for line in lines:
                words = rest + line.split()
                rest = []
                if words:
                    yield words
            rest += last.split()
        if rest:
            yield rest

    def blocks(self):
        """The file in parts of valid UTF-8 that end between two words, at the end of a line where one is in reach."""
        place = 0
        with opened(self.path) as file:
            held = []       # what has no end of a word in it yet, however much that is
            while read := file.read(BLOCK):
                end = _last_break(read)
                if end:
                    data = b"".join([*held, read[:end]])
                    yield self._checked(data, place)
                    place += len(data)
                    held = []
                held.append(read[end:])
            if data := b"".join(held):
                yield self._checked(data, place)

    def _checked(self, data, place):
        try:
            text = data.decode("utf-8", self.errors)
        except UnicodeDecodeError as error:
            raise ValueError(f"{self.path}: byte 0x{data[error.start]:02x} at {place + error.start} is no UTF-8; "
                             "errors='replace' or 'ignore' reads the rest") from None
        if self.lowercase:
            return text.lower().encode()
        return data if self.errors == "strict" else text.encode()

    # What Word2Vec asks of a corpus
    def count(self):
        """(words, their counts, the sentences there are), words in the order in which they first come."""
        table, sentences = WordTable(), 0
        for block in self.blocks():
            sentences += table.count(block)[1]
        words, counts = table.words()
        return [word.decode() for word in words], np.array(counts, np.int64), sentences

    def numbered(self, index):
        """The words as numbers, -1 after each sentence, a part after the other; (numbers, words read)."""
        table = index.table()
        for block in self.blocks():
            yield table.encode(block)


def _last_break(data):
    """Where a block may be cut: after its last line, else after its last white space; 0 where it has none."""
    end = data.rfind(b"\n") + 1
    return end or max(data.rfind(b" "), data.rfind(b"\t")) + 1


class WordIndex:
    """The number of each word of a vocabulary, for text and for strings.

    Parameters
    ----------
    words : list of str
        Their numbers are 0, 1, …
    """

    def __init__(self, words):
        self.words = words
        self.numbers = {word: number for number, word in enumerate(words)}
        self._table = None

    def table(self):
        """The same as a table of bytes."""
        if self._table is None:
            self._table = WordTable([word.encode("utf-8", "surrogatepass") for word in self.words])
        return self._table

    def drop_table(self):
        """Forget the table of bytes: it is made again when it is asked for."""
        self._table = None


class _Iterable:
    """Sentences in memory, or made anew whenever they are gone through."""

    def __init__(self, sentences):
        self._sentences = sentences

    def count(self):
        counter, sentences = Counter(), 0
        for sentence in self._sentences:
            _check(sentence)
            counter.update(sentence)
            sentences += 1
        _check_words(counter)
        return list(map(str, counter)), np.fromiter(counter.values(), np.int64, len(counter)), sentences

    def numbered(self, index):
        find, numbers, read = _Numbers(index.numbers).__getitem__, array("i"), 0
        for sentence in self._sentences:
            _check(sentence)
            before = len(numbers)
            numbers.extend(map(find, sentence))
            read += len(numbers) - before
            numbers.append(-1)
            if len(numbers) >= PART:
                yield _known(numbers), read
                numbers, read = array("i"), 0
        if numbers:
            yield _known(numbers), read


class _Numbers(dict):
    """Numbers of words, UNKNOWN for a word that has none: looked up without a line of Python for each."""

    def __missing__(self, word):
        return _UNKNOWN


def _known(numbers):
    numbers = np.array(numbers, np.int32)
    return numbers[numbers != _UNKNOWN]


class _Once(_Iterable):
    """Sentences of an iterator, which can be gone through once: they are kept."""

    def __init__(self, sentences):
        super().__init__(sentences)
        self._kept = False

    def count(self):
        self._keep()
        return super().count()

    def numbered(self, index):
        self._keep()
        return super().numbered(index)

    def _keep(self):
        if not self._kept:
            strings = {}        # a word is kept once, however often it comes
            self._sentences = [[strings.setdefault(word, word) for word in sentence if not _check(sentence)]
                               for sentence in self._sentences]
            self._kept = True


def _check(sentence):
    if not isinstance(sentence, Iterable) or isinstance(sentence, Mapping):
        raise TypeError(f"Word2Vec: a sentence is a list of words, got {type(sentence).__name__}")
    if iter(sentence) is sentence:
        raise TypeError(f"Word2Vec: a sentence is a list of words; a {type(sentence).__name__} can be gone through once only")
    if isinstance(sentence, (str, bytes)):
        raise TypeError("Word2Vec: a sentence is a list of words, and a string is a list of its letters; got "
                        f"{str(sentence)[:40]!r}: split it first, as with sentence.split()")


def _check_words(words):
    odd = next((word for word in words if not isinstance(word, str)), None)
    if odd is not None:
        raise TypeError(f"Word2Vec: words are strings, got {odd!r}")


def corpus_of(sentences, corpus_file=None, *, lowercase=False, errors="strict"):
    """What is to be trained on, with `count` and `numbered`: a file or a pathlib.Path, sentences, or an iterator of them.

    Raises
    ------
    TypeError
        For a string in the place of sentences, which would be taken for its letters; for both, or neither.
    """
    if (sentences is None) == (corpus_file is None):
        raise TypeError("Word2Vec: give either sentences or corpus_file")
    if corpus_file is not None or isinstance(sentences, os.PathLike):
        return LineSentence(corpus_file or sentences, lowercase=lowercase, errors=errors)
    if isinstance(sentences, (str, bytes)):
        raise TypeError(f"Word2Vec: expected sentences, lists of words, got a string, {sentences[:40]!r}; a file is given as "
                        "corpus_file=name, a text as [line.split() for line in text.splitlines()]")
    if isinstance(sentences, LineSentence):
        return sentences
    try:
        once = iter(sentences) is sentences or getattr(sentences, "once", False)
    except TypeError:
        raise TypeError(f"Word2Vec: expected sentences, lists of words, got {type(sentences).__name__}") from None
    if not once and isinstance(sentences, (list, tuple)):
        for sentence in islice(sentences, 1):
            _check(sentence)
    return _Once(sentences) if once else _Iterable(sentences)
