"""Byte-level byte-pair encoding, by which GPT-2 reads and writes."""
from heapq import heapify, heappop, heappush
from itertools import chain, pairwise
from pathlib import Path

from cdl.io.errors import FileFormatError
from cdl.text.bpe_train import train
from cdl.text.byte_characters import BYTES, CHARACTERS, written
from cdl.text.json_file import read_json
from cdl.text.patterns import compile_pattern
from cdl.text.reading import lines
from cdl.text.subword import Subword, checked_vocabulary

__all__ = ["ByteLevelBPE"]

# How GPT-2 cuts a text before pairs are merged: contractions; a word, number or run of marks with the blank before it; blanks.
GPT2_PATTERN = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"

SHORT = 48      # words of more bytes are merged with a queue: at 32 that is 15 % slower, at 64 faster by as much


class ByteLevelBPE(Subword):
    """Cuts a text into words, each into its bytes, and puts those pairs together again that training found most often.

    Every text has ids, and they give it back exactly.

    Parameters
    ----------
    vocabulary : dict
        {token: id}; tokens are written in the characters that stand for bytes: Ġ is a blank.
    merges : iterable of (str, str)
        The pairs, the most frequent first.
    pattern : str, optional
        A regular expression, with \\\\p{L} and the like, of what a word is; default: GPT-2's. None: all is one word.
    add_prefix_space : bool, default False
        Put a blank before a text that does not begin with one.
    ignore_merges : bool, default False
        Take a word that is a token itself as it is.
    normalizer : callable, optional
        What is done to a text first.
    added_tokens : iterable of str or AddedToken, optional
        Tokens found in the text as they are; default: <|endoftext|> if the vocabulary has it.
    single, pair : str, optional
        What stands around and between texts: "<s> $A </s>"; default: nothing.
    pad_token, unknown_token : str, optional
    errors : {"strict", "replace"}, default "strict"
        Whether bytes that are no UTF-8, and surrogates, are refused or become U+FFFD.

    Source
    ------
    Sennrich et al., "Neural Machine Translation of Rare Words with Subword Units", 2016; Radford et al., "Language Models
    are Unsupervised Multitask Learners", 2019, section 2.2.

    Examples
    --------
    >>> tokenizer = ByteLevelBPE.train(["low lower lowest", "new newer newest"] * 5, vocab_size=260)
    >>> tokenizer.tokenize("lower, slower")
    ['lo', 'we', 'r', ',', 'Ġ', 's', 'lo', 'we', 'r']
    >>> ids = tokenizer.encode("naïve 🙂\\n")
    >>> tokenizer.decode(ids)
    'naïve 🙂\\n'
    """

    def __init__(self, vocabulary, merges, *, pattern=GPT2_PATTERN, add_prefix_space=False, ignore_merges=False,
                 normalizer=None, added_tokens=None, single=None, pair=None, pad_token=None, unknown_token=None,
                 errors="strict"):
        if not isinstance(vocabulary, dict):
            raise TypeError(f"ByteLevelBPE: the vocabulary must be a dict of tokens and ids, got {type(vocabulary).__name__}")
        vocabulary, self._normalizer = checked_vocabulary(vocabulary, self._who()), normalizer
        self.merges = [tuple(merge) for merge in merges]
        self.pattern, self.add_prefix_space, self.ignore_merges = pattern, add_prefix_space, ignore_merges
        if added_tokens is None:
            added_tokens = ["<|endoftext|>"] if "<|endoftext|>" in vocabulary else []
        super().__init__(vocabulary, added_tokens, single or "$A", pair or "$A $B:1", pad_token, unknown_token, errors)
        self._ranks = self._ranked()
        self._bytes = [vocabulary.get(BYTES[byte], self.unknown_id) for byte in range(256)]
        if pattern is not None and compile_pattern(pattern, ascii=True).groups:
            raise ValueError(f"ByteLevelBPE: pattern {pattern!r} must have no groups that capture; write (?:…)")

    def _ranked(self):
        """{(left id, right id): rank and id of both, in the upper and lower 32 bits of one number}."""
        ranks = {}
        for rank, merge in enumerate(self.merges):
            if len(merge) != 2 or not all(isinstance(part, str) for part in merge):
                raise ValueError(f"ByteLevelBPE: merges[{rank}] must be two tokens, got {merge!r}")
            left, right = merge
            missing = next((token for token in (left, right, left + right) if token not in self.ids), None)
            if missing is not None:
                raise ValueError(f"ByteLevelBPE: merges[{rank}], {left!r} {right!r}: {missing!r} is not in the vocabulary")
            ranks[self.ids[left], self.ids[right]] = rank << 32 | self.ids[left + right]
        return ranks

    @classmethod
    def from_files(cls, vocabulary, merges, **options):
        """The tokenizer of GPT-2's two files, vocab.json and merges.txt; options as for the class.

        Raises
        ------
        FileFormatError
            For a damaged file, or merges that do not fit the vocabulary; key or line are named.
        """
        found = []
        for number, line in enumerate(lines(merges), 1):
            line = line.rstrip("\r\n")
            if (number == 1 and line.startswith("#version")) or not line:
                continue
            parts = line.split(" ")
            if len(parts) != 2 or not all(parts):
                raise FileFormatError(f"{merges}: line {number}: expected two tokens and a blank between them, got {line!r}")
            found.append(tuple(parts))
        try:
            return cls(read_json(vocabulary), found, **options)
        except FileFormatError:
            raise
        except ValueError as error:
            raise FileFormatError(f"{vocabulary} and {Path(merges).name}: {error}") from None

    @classmethod
    def train(cls, texts, vocab_size=30000, *, min_frequency=2, special_tokens=(), errors="strict", **options):
        """Learn the pairs of a corpus.

        Parameters
        ----------
        texts : iterable of str, or pathlib.Path
            Texts, or a file read line by line, which may be larger than memory; the different words must fit.
        vocab_size : int, default 30000
            Of all tokens: the special ones, 256 bytes, and one for each merge.
        min_frequency : int, default 2
            Pairs that are rarer are not merged.
        special_tokens : iterable of str
            They get the first ids, and where they stand in the text they are not counted as text.
        **options
            As for the class.

        Raises
        ------
        ValueError
            For a vocabulary that has no room for bytes and special tokens.
        """
        return train(cls, texts, vocab_size, min_frequency, list(special_tokens), {"errors": errors, **options})

    def _settings(self):
        return {"merges": self.merges, "pattern": self.pattern, "add_prefix_space": self.add_prefix_space,
                "ignore_merges": self.ignore_merges, "normalizer": self._normalizer, "added_tokens": self.added_tokens,
                **self._template.text, "pad_token": None if self.pad_id is None else self.tokens[self.pad_id],
                "unknown_token": None if self.unknown_id is None else self.tokens[self.unknown_id], "errors": self.errors}

    def _sections(self, vocabulary):
        level = {"type": "ByteLevel", "add_prefix_space": self.add_prefix_space, "trim_offsets": True, "use_regex": True}
        splits = level
        if self.pattern != GPT2_PATTERN:
            splits = level | {"use_regex": False}
            if self.pattern is not None:
                split = {"type": "Split", "pattern": {"Regex": self.pattern}, "behavior": "Isolated", "invert": False}
                splits = {"type": "Sequence", "pretokenizers": [split, splits]}
        unknown = None if self.unknown_id is None else self.tokens[self.unknown_id]
        return {"pre_tokenizer": splits, "decoder": level,
                "model": {"type": "BPE", "dropout": None, "unk_token": unknown, "continuing_subword_prefix": None,
                          "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False,
                          "ignore_merges": self.ignore_merges, "vocab": vocabulary, "merges": list(map(list, self.merges))}}

    def words(self, text):
        """The words that a text is cut into before pairs are merged; together they are the text."""
        if self.add_prefix_space and not text.startswith(" "):
            text = " " + text
        if self.pattern is None:
            return [text]
        if self.pattern == GPT2_PATTERN:    # leaves nothing out
            return compile_pattern(GPT2_PATTERN, ascii=text.isascii()).findall(text)
        return list(filter(None, compile_pattern(f"({self.pattern})", ascii=text.isascii()).split(text)))

    def _words(self, text):
        if self._normalizer is not None and self._normalized is None:
            text = self._normalizer(text)
        return list(chain.from_iterable(map(self._cache.__getitem__, self.words(text)))) if text else []

    def _word(self, word):
        """The ids of a word."""
        found = self.bytes_of(word)
        if self.ignore_merges and (i := self._vocabulary.get(written(found))) is not None:
            return [i]
        ids = [self._bytes[byte] for byte in found]
        if None in ids:
            byte = found[ids.index(None)]
            raise ValueError(f"ByteLevelBPE: the vocabulary has no token for the byte 0x{byte:02x} ({BYTES[byte]!r}), and "
                             "there is no unknown_token")
        return merged(ids, self._ranks)

    def bytes_of(self, word):
        """A word in UTF-8."""
        try:
            return word.encode("utf-8")
        except UnicodeEncodeError as error:
            if self.errors == "strict":
                raise ValueError(f"ByteLevelBPE: {word[error.start]!r} is half of a character, which has no bytes; "
                                 "errors='replace' reads it as U+FFFD") from None
            return word.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").encode("utf-8")

    def decode(self, ids, *, skip_special_tokens=True, errors="replace"):
        """The text of ids (T,).

        Parameters
        ----------
        ids : array_like of int
        skip_special_tokens : bool, default True
        errors : {"replace", "strict", "ignore"}, default "replace"
            What becomes of bytes that are no UTF-8: ids may end in the middle of a character.

        Raises
        ------
        IndexError
            For an id that no token has.
        UnicodeDecodeError
            For bytes that are no UTF-8, if `errors` is "strict".
        """
        skipped = set(self.special_tokens.values()) if skip_special_tokens else ()
        added = {token.id for token in self.added_tokens}
        parts = []
        for i in self._checked(ids):
            if i not in skipped:
                token = self.id_to_token(i)
                whole = i in added or not all(map(CHARACTERS.__contains__, token))
                parts.append(token.encode("utf-8") if whole else bytes(map(CHARACTERS.__getitem__, token)))
        return b"".join(parts).decode("utf-8", errors)


def merged(ids, ranks):
    """Merge the pair of the lowest rank, the first of several, until no pair has one."""
    if len(ids) > SHORT:
        return _merged_long(ids, ranks)
    get, none = ranks.get, 1 << 64
    found = [get(pair, none) for pair in pairwise(ids)]
    while found and (least := min(found)) < none:
        i = found.index(least)
        ids[i:i + 2] = [both := least & 0xFFFFFFFF]
        del found[i]
        if i > 0:
            found[i - 1] = get((ids[i - 1], both), none)
        if i < len(found):
            found[i] = get((both, ids[i + 1]), none)
    return ids


def _merged_long(ids, ranks):
    """The same in n log n steps for a word of n bytes, by a queue of the pairs that have a rank."""
    n = len(ids)
    queue = [(ranks[pair], i) for i, pair in enumerate(pairwise(ids)) if pair in ranks]
    heapify(queue)
    after, before = list(range(1, n + 1)), list(range(-1, n - 1))
    while queue:
        rank, i = heappop(queue)
        j = after[i]
        if j >= n or ranks.get((ids[i], ids[j])) != rank:   # one of the two has gone into another merge
            continue
        both = rank & 0xFFFFFFFF
        ids[i], ids[j] = both, None
        after[i] = k = after[j]
        if k < n:
            before[k] = i
            if (found := ranks.get((both, ids[k]))) is not None:
                heappush(queue, (found, i))
        h = before[i]
        if h >= 0 and (found := ranks.get((ids[h], both))) is not None:
            heappush(queue, (found, h))
    return [i for i in ids if i is not None]
