"""The words of a corpus, numbered by how often they occur."""
from collections import Counter
from collections.abc import Mapping

import numpy as np

from cdl._core.check import positive_integer
from cdl.extras import nearest
from cdl.io.errors import FileFormatError
from cdl.text.json_file import read_json, write_json
from cdl.text.reading import texts_of

__all__ = ["Vocabulary"]

FORMAT = "cdl vocabulary 1"


class Vocabulary:
    """Words and their ids: the special ones first, then the others, the most frequent first.

    Of equally frequent words the one that was counted first has the lower id.

    Parameters
    ----------
    words : mapping or iterable of str
        {word: how often it occurs}, or the words in the order that their ids are to have.
    min_count : int, default 1
        Words that are rarer are left out.
    max_size : int, optional
        So many tokens at most, the special ones included.
    unknown : str, optional, default "<unk>"
        The token of words that are left out; None: they raise KeyError.
    special : iterable of str, default ("<pad>",)
        Tokens before all words; `unknown` follows them if it is not among them.

    Attributes
    ----------
    tokens : list of str
        The token of each id.
    ids : dict
        The id of each token.
    counts : ndarray of int64
        How often each was counted; `unknown` stands for all that were left out.

    Raises
    ------
    ValueError
        If no word occurs `min_count` times.

    Examples
    --------
    >>> vocabulary = Vocabulary.count(["to be or not to be", "to do"], min_count=2)
    >>> vocabulary.tokens, vocabulary.counts.tolist()
    (['<pad>', '<unk>', 'to', 'be'], [0, 3, 3, 2])
    >>> vocabulary.encode(["to", "do", "be"])
    array([2, 1, 3])
    >>> "be" in vocabulary, vocabulary["be"], len(vocabulary)
    (True, 3, 4)
    """

    def __init__(self, words, *, min_count=1, max_size=None, unknown="<unk>", special=("<pad>",)):
        min_count = positive_integer(min_count, "Vocabulary", "min_count")
        special = [*dict.fromkeys([*_strings(special, "special"), *([] if unknown is None else [unknown])])]
        counts = _counted(words, special)
        kept = [(word, count) for word, count in counts if count >= min_count or not isinstance(words, Mapping)]
        if not kept:
            most = max(counts, key=lambda item: item[1], default=None)
            raise ValueError("Vocabulary: there are no words" if most is None else
                             f"Vocabulary: no word occurs {min_count} times; the most frequent is {most[0]!r} with {most[1]}")
        if max_size is not None:
            room = positive_integer(max_size, "Vocabulary", "max_size") - len(special)
            if room < 1:
                raise ValueError(f"Vocabulary: max_size={max_size} has no room beside {len(special)} special tokens")
            kept = kept[:room]
        self.unknown, self.special = unknown, tuple(special)
        self.tokens = [*special, *(word for word, _ in kept)]
        self.ids = {token: i for i, token in enumerate(self.tokens)}
        self.counts = np.array([0] * len(special) + [count for _, count in kept], np.int64)
        if unknown is not None:
            self.counts[self.ids[unknown]] = sum(count for _, count in counts) - self.counts.sum()

    @classmethod
    def count(cls, texts, split=str.split, *, errors="strict", max_distinct=10_000_000, **options):
        """The vocabulary of a corpus, which may be larger than memory.

        Parameters
        ----------
        texts : iterable of str or of lists of str, or pathlib.Path
            Texts, texts already cut into words, or a file (.gz too) that is read line by line.
        split : callable, default str.split
            What cuts a text into words: a tokenizer's `tokenize`.
        errors : {"strict", "replace"}, default "strict"
            Whether a file's bytes that are no UTF-8 are refused or become U+FFFD.
        max_distinct : int, default 10,000,000
            If there are more different words than that, the rarest are forgotten meanwhile, and may be counted too low.
        **options
            As for the class.

        Raises
        ------
        TypeError
            For one string in the place of many.
        FileFormatError
            For bytes that are no UTF-8; the line is named.
        """
        max_distinct, counts, least = positive_integer(max_distinct, "Vocabulary.count", "max_distinct"), Counter(), 0
        for text in texts_of(texts, "Vocabulary.count", errors):
            counts.update(split(text) if isinstance(text, str) else _strings(text, "a text cut into words"))
            while len(counts) > max_distinct:
                least += 1
                counts = Counter({word: count for word, count in counts.items() if count > least})
        return cls(counts, **options)

    def __len__(self):
        return len(self.tokens)

    def __contains__(self, word):
        return word in self.ids

    def __iter__(self):
        return iter(self.tokens)

    def __eq__(self, other):
        return (isinstance(other, Vocabulary) and self.tokens == other.tokens and self.unknown == other.unknown
                and self.special == other.special and bool((self.counts == other.counts).all()))

    __hash__ = None

    def __getitem__(self, word):
        """The id of a word; of one that was left out that of `unknown`, or KeyError, which names the nearest spelling."""
        i = self.ids.get(word)
        if i is not None:
            return i
        if self.unknown is not None:
            return self.ids[self.unknown]
        raise KeyError(f"{word!r} is not in the vocabulary{nearest(word, self.tokens[:100_000])}")      # 0.1 s at most

    def encode(self, words):
        """The ids of words, an array (T,) of int64."""
        if isinstance(words, str):
            raise TypeError("Vocabulary.encode: expected a list of words, got one str")
        return np.array([self[word] for word in words], np.int64)

    def decode(self, ids):
        """The words of ids (T,), a list.

        Raises
        ------
        IndexError
            For an id that no word has.
        """
        found = []
        for i in np.asarray(ids).tolist():
            if not 0 <= i < len(self.tokens):
                raise IndexError(f"Vocabulary: there is no word {i}; ids are 0 to {len(self.tokens) - 1}")
            found.append(self.tokens[i])
        return found

    # --- files -------------------------------------------------------------------------------------------------------
    def config(self):
        """All of it, as JSON takes it."""
        return {"format": FORMAT, "special": list(self.special), "unknown": self.unknown, "tokens": self.tokens,
                "counts": self.counts.tolist()}

    @classmethod
    def from_config(cls, config, where="Vocabulary"):
        """What `config` gave; FileFormatError, which names `where` and the key, for anything else."""
        if not isinstance(config, dict) or config.get("format") != FORMAT:
            raise FileFormatError(f"{where}: expected a vocabulary, with format {FORMAT!r}")
        tokens, counts, special, unknown = (config.get(key) for key in ("tokens", "counts", "special", "unknown"))
        for key, found in (("tokens", tokens), ("special", special)):
            if not isinstance(found, list) or not all(isinstance(token, str) for token in found):
                raise FileFormatError(f"{where}: {key}: expected a list of strings")
        if (not isinstance(counts, list) or len(counts) != len(tokens)
                or not all(type(count) is int and 0 <= count < 1 << 63 for count in counts)):
            raise FileFormatError(f"{where}: counts: expected {len(tokens)} numbers of 0 or more, one for each token")
        if tokens[:len(special)] != special or len(set(tokens)) != len(tokens) or len(tokens) == len(special):
            raise FileFormatError(f"{where}: tokens: expected the special ones and then words, each once")
        if unknown is not None and unknown not in special:
            raise FileFormatError(f"{where}: unknown: {unknown!r} is not among the special tokens")
        found = cls(tokens[len(special):], unknown=unknown, special=special)
        found.counts[:] = counts
        return found

    def save(self, path):
        """Write it to a JSON file, all at once."""
        write_json(path, self.config())

    @classmethod
    def load(cls, path):
        """The vocabulary in a file that `save` wrote.

        Raises
        ------
        FileFormatError
            For a damaged file; the key is named.

        Examples
        --------
        >>> vocabulary = Vocabulary(["red", "green"])
        >>> vocabulary.save("colours.json")
        >>> Vocabulary.load("colours.json") == vocabulary
        True
        """
        return cls.from_config(read_json(path), path)


def _counted(words, special):
    """(word, count) of words that are not special, in the order of their ids."""
    if isinstance(words, Mapping):
        for word, count in words.items():
            if not isinstance(word, str) or isinstance(count, bool) or not hasattr(count, "__index__") or count < 0:
                raise TypeError(f"Vocabulary: expected words and their counts, got {word!r}: {count!r}")
        pairs = sorted(words.items(), key=lambda item: -item[1])
    else:
        words = _strings(words, "words")
        pairs = [(word, 0) for word in words]
        if len(dict(pairs)) != len(pairs):
            twice = next(word for word, count in Counter(words).items() if count > 1)
            raise ValueError(f"Vocabulary: {twice!r} is there twice; Vocabulary.count takes texts")
    special = set(special)
    return [(word, count) for word, count in pairs if word not in special]


def _strings(words, name):
    if isinstance(words, (str, bytes)):
        raise TypeError(f"Vocabulary: {name} must be a list of strings, got one {type(words).__name__}")
    words = list(words)
    odd = next((word for word in words if not isinstance(word, str)), None)
    if odd is not None:
        raise TypeError(f"Vocabulary: {name} must be a list of strings, one is {odd!r}")
    return words
