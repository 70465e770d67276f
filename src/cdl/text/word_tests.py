"""How good vectors of words are: analogies, and pairs whose likeness people have judged."""
import math
from typing import NamedTuple

import numpy as np

__all__ = ["Correlation", "evaluate_word_analogies", "evaluate_word_pairs"]

# Questions that are answered by one product with the vectors of all words.
_BATCH = 256


class Correlation(NamedTuple):
    """A correlation and the probability of one as large by chance, by Fisher's transformation."""

    statistic: float
    pvalue: float


def evaluate_word_analogies(self, analogies, *, restrict_vocab=300_000, case_insensitive=True):
    """The share of analogies that hold: is the word most like b - a + c, these aside, the fourth?

    Parameters
    ----------
    analogies : str or os.PathLike
        A file of the form of questions-words.txt: four words a line, ``: name`` before the lines of a section.
    restrict_vocab : int, default 300000
        Only among so many words, the most frequent; lines with others are passed over.
    case_insensitive : bool, default True

    Returns
    -------
    (score, sections)
        The share of all lines that hold, 0 to 1, and for each section and for "Total accuracy" a dict of `section`,
        `correct` and `incorrect`, lists of four words.

    Raises
    ------
    ValueError
        For a line of the file that has not four words.
    """
    words = self.index_to_key[:restrict_vocab]
    folded = [word.upper() for word in words] if case_insensitive else words
    known = {word: number for number, word in reversed(list(enumerate(folded)))}
    sections = []
    for name, lines in _sections(analogies):
        asked = [[word.upper() for word in line] if case_insensitive else line for line in lines]
        asked = [line for line in asked if all(word in known for word in line)]
        section = {"section": name, "correct": [], "incorrect": []}
        for first in range(0, len(asked), _BATCH):
            part = asked[first:first + _BATCH]
            for line, answer in zip(part, _answers(self, part, folded, known), strict=True):
                section["correct" if answer == line[3] else "incorrect"].append(tuple(line))
        sections.append(section)
    total = {"section": "Total accuracy", **{kind: [line for section in sections for line in section[kind]]
                                             for kind in ("correct", "incorrect")}}
    count = len(total["correct"]) + len(total["incorrect"])
    return (len(total["correct"]) / count if count else math.nan), [*sections, total]


def _sections(path):
    """(name, lines of four words) of each section of a file."""
    sections = []
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            if line.startswith(": "):
                sections.append((line[2:].strip(), []))
            elif line.strip():
                words = line.split()
                if len(words) != 4:
                    raise ValueError(f"{path}: line {number} has {len(words)} words, an analogy has 4")
                if not sections:
                    sections.append(("", []))
                sections[-1][1].append(words)
    return sections


def _answers(self, lines, folded, known):
    """The word most like b - a + c for each line, with which it was not asked."""
    a, b, c = (np.array([known[line[i]] for line in lines]) for i in range(3))
    norms, count = self.norms(), len(folded)
    unit = self.vectors / norms[:, None] if len(self) <= count else self.vectors[:count] / norms[:count, None]
    cosines = (unit[b] - unit[a] + unit[c]) @ unit.T
    rows = np.arange(len(lines))
    for word in (a, b, c):
        cosines[rows, word] = -np.inf
    best = np.argpartition(-cosines, min(5, count - 1), axis=1)[:, :5]
    best = np.take_along_axis(best, np.argsort(-np.take_along_axis(cosines, best, 1), axis=1), 1)
    for line, numbers in zip(lines, best.tolist(), strict=True):
        yield next((folded[i] for i in numbers if folded[i] not in line[:3]), None)


def evaluate_word_pairs(self, pairs, *, delimiter="\t", case_insensitive=True, restrict_vocab=300_000,
                        dummy4unknown=False):
    """How well cosines agree with what people said of the likeness of two words.

    Parameters
    ----------
    pairs : str or os.PathLike
        A file of the form of wordsim353.tsv: two words and a number a line; ``#`` before a comment.
    delimiter : str, default tab
    case_insensitive : bool, default True
    restrict_vocab : int, default 300000
        Only so many words, the most frequent.
    dummy4unknown : bool, default False
        True: pairs with unknown words have likeness 0; False: they are passed over.

    Returns
    -------
    (pearson, spearman, oov_ratio)
        Two `Correlation` and the percentage of pairs with unknown words.

    Raises
    ------
    ValueError
        For a line that has not two words and a number; for fewer than 2 pairs of known words.
    """
    words = self.index_to_key[:restrict_vocab]
    known = {word.upper() if case_insensitive else word: number for number, word in reversed(list(enumerate(words)))}
    wanted, found, unknown = [], [], 0
    for a, b, score in _pairs(pairs, delimiter):
        a, b = (known.get(word.upper() if case_insensitive else word) for word in (a, b))
        if a is None or b is None:
            unknown += 1
            if not dummy4unknown:
                continue
        wanted.append(score)
        found.append(0.0 if a is None or b is None else self.similarity(words[a], words[b]))
    if len(wanted) < 2:
        raise ValueError(f"{pairs}: {len(wanted)} of its pairs have known words; a correlation needs 2 at least")
    ratio = 100 * unknown / (len(wanted) + (0 if dummy4unknown else unknown))
    return _correlation(wanted, found), _correlation(_ranks(wanted), _ranks(found)), ratio


def _pairs(path, delimiter):
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            if line.startswith("#") or not line.strip():
                continue
            try:
                a, b, score = line.rstrip("\r\n").split(delimiter)[:3]
                yield a.strip(), b.strip(), float(score)
            except ValueError:
                if number > 1 or delimiter not in line:     # a first line may name the columns
                    raise ValueError(f"{path}: line {number}: expected two words and a number parted by {delimiter!r}, got "
                                     f"{line[:60]!r}") from None


def _ranks(values):
    """1, 2, … from the smallest; equal values have the mean of their ranks."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2)[inverse]


def _correlation(a, b):
    a, b = (np.asarray(x, float) - np.mean(x) for x in (a, b))
    size = math.sqrt((a @ a) * (b @ b))
    r = float(a @ b / size) if size else math.nan
    if not abs(r) < 1 or len(a) < 4:
        return Correlation(r, math.nan if not abs(r) == 1 else 0.0)
    return Correlation(r, math.erfc(abs(math.atanh(r)) * math.sqrt((len(a) - 3) / 2)))
