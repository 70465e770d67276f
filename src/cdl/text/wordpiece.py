"""WordPiece, by which BERT reads."""
import re
from itertools import chain
from pathlib import Path

from cdl.io.errors import FileFormatError
from cdl.text.json_file import read_json
from cdl.text.normalize import BertNormalizer
from cdl.text.patterns import compile_pattern
from cdl.text.reading import lines
from cdl.text.subword import Subword, checked_vocabulary

__all__ = ["WordPiece"]

SPECIALS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")

# A mark, or a run of what is neither a mark nor white space; of ASCII all that is no letter or digit is a mark.
_MARKS = r"!-/:-@\[-`{-~"
_WORDS = rf"[{_MARKS}\p{{P}}]|[^{_MARKS}\p{{P}}\s]+"
# Control characters at which str.split cuts a text and BERT's cleaning does not.
_UNCUT = re.compile("[\x0b\x0c\x1c-\x1f\x85]+")


class WordPiece(Subword):
    """Cuts a text into words and marks, and each word into the longest pieces that the vocabulary has, from its beginning.

    Parameters
    ----------
    vocabulary : dict or iterable of str
        {piece: id}, or the pieces in the order of their ids. What continues a word begins with `prefix`.
    normalizer : callable, optional
        What is done to a text first; default: `BertNormalizer()`. It must not join words.
    unknown_token : str, default "[UNK]"
        What a word becomes that cannot be cut.
    prefix : str, default "##"
    longest_word : int, default 100
        A longer word, in characters, is not cut but unknown.
    added_tokens : iterable of str or AddedToken, optional
        Tokens found in the text as they are; default: those of BERT that the vocabulary has.
    single, pair : str, optional
        What stands around and between texts; default: BERT's "[CLS] $A [SEP]" and "[CLS] $A [SEP] $B:1 [SEP]:1" if the
        vocabulary has the two tokens.
    pad_token : str, optional
        Default: "[PAD]" if the vocabulary has it.
    errors : {"strict", "replace"}, default "strict"
        Whether bytes that are no UTF-8 are refused or become U+FFFD.

    Source
    ------
    Wu et al., "Google's Neural Machine Translation System", 2016, section 4.1; Devlin et al., "BERT", 2019.

    Examples
    --------
    >>> tokenizer = WordPiece(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "token", "##izing", "is", "fun", "!"])
    >>> tokenizer.tokenize("Tokenizing is fun!")
    ['token', '##izing', 'is', 'fun', '!']
    >>> tokenizer.encode("Tokenizing is fun!")
    array([2, 4, 5, 6, 7, 8, 3])
    >>> ids, mask = tokenizer.encode_batch(["Tokenizing!", "fun"])
    >>> ids.tolist(), mask.sum(axis=1).tolist()
    ([[2, 4, 5, 8, 3], [2, 7, 3, 0, 0]], [5, 3])
    >>> tokenizer.decode(ids[0])
    'tokenizing!'
    """

    def __init__(self, vocabulary, *, normalizer=None, unknown_token="[UNK]", prefix="##", longest_word=100,
                 added_tokens=None, single=None, pair=None, pad_token=None, errors="strict"):
        vocabulary = checked_vocabulary(vocabulary, self._who())
        framed = "[CLS]" in vocabulary and "[SEP]" in vocabulary
        self._normalizer = normalizer or BertNormalizer()
        self.prefix, self.longest_word, self.unknown_token = prefix, longest_word, unknown_token
        super().__init__(
            vocabulary, [t for t in SPECIALS if t in vocabulary] if added_tokens is None else added_tokens,
            single or ("[CLS] $A [SEP]" if framed else "$A"), pair or ("[CLS] $A [SEP] $B:1 [SEP]:1" if framed else "$A $B:1"),
            pad_token or ("[PAD]" if "[PAD]" in vocabulary else None), unknown_token, errors)
        self._starts = vocabulary
        self._rest = {token[len(prefix):]: i for token, i in vocabulary.items() if token.startswith(prefix)}
        self._longest = max(map(len, vocabulary))
        cleaned = getattr(self._normalizer, "clean_text", False)
        self._split = self._split_cleaned if cleaned else compile_pattern(r"[^\s]+").findall

    @classmethod
    def from_file(cls, path, **options):
        """The tokenizer of a vocab.txt, a piece a line, its number being the id; options as for the class.

        Raises
        ------
        FileFormatError
            For what is no UTF-8, an empty file, or a piece that is there twice; the line is named.
        """
        found = {}
        for number, line in enumerate(lines(path), 1):
            piece = line.rstrip("\r\n")
            if found.setdefault(piece, number - 1) != number - 1:
                raise FileFormatError(f"{path}: line {number}: {piece!r} stands in line {found[piece] + 1} already")
        if options.get("unknown_token", "[UNK]") not in found:
            raise FileFormatError(f"{path}: {len(found)} lines, none of which is {options.get('unknown_token', '[UNK]')}: is "
                                  "it a vocab.txt?")
        return cls(found, **options)

    def _settings(self):
        return {"normalizer": self._normalizer, "unknown_token": self.unknown_token, "prefix": self.prefix,
                "longest_word": self.longest_word, "added_tokens": self.added_tokens, **self._template.text,
                "pad_token": None if self.pad_id is None else self.tokens[self.pad_id], "errors": self.errors}

    def _sections(self, vocabulary):
        return {"pre_tokenizer": {"type": "BertPreTokenizer"},
                "decoder": {"type": "WordPiece", "prefix": self.prefix, "cleanup": True},
                "model": {"type": "WordPiece", "unk_token": self.unknown_token, "continuing_subword_prefix": self.prefix,
                          "max_input_chars_per_word": self.longest_word, "vocab": vocabulary}}

    def _split_cleaned(self, text):
        return (text if text.isprintable() else _UNCUT.sub("", text)).split()

    def _words(self, text):
        return list(chain.from_iterable(map(self._cache.__getitem__, self._split(text))))

    def _word(self, word):
        """The ids of what stands between white space: a word, marks, or several."""
        text = self._normalizer(word)
        ids = []
        for part in compile_pattern(_WORDS, ascii=text.isascii()).findall(text):
            whole = self._starts.get(part)
            if whole is not None and len(part) <= self.longest_word:
                ids.append(whole)
            else:
                ids += self._pieces(part)
        return ids

    def _pieces(self, word):
        """The longest piece that the word starts with, and so on with what is left."""
        if len(word) > self.longest_word:
            return [self.unknown_id]
        found, start, table = [], 0, self._starts
        while start < len(word):
            for end in range(min(len(word), start + self._longest), start, -1):
                i = table.get(word[start:end])
                if i is not None:
                    break
            else:
                return [self.unknown_id]
            found.append(i)
            start, table = end, self._rest
        return found

    def _decoded(self, ids, skip_special_tokens):
        skipped = set(self.special_tokens.values()) if skip_special_tokens else ()
        parts = []
        for i in ids:
            if i not in skipped:
                token = self.id_to_token(i)
                follows = token.startswith(self.prefix) and parts
                parts.append(token[len(self.prefix):] if follows else _tidy(" " * bool(parts) + token))
        return "".join(parts)


def _tidy(token):
    """Marks belong to the word before them."""
    return token[1:] if token.startswith((" .", " ?", " !", " ,", " n't", " 'm", " 's", " 've", " 're")) else token


def read_vocabulary(path, **options):
    """The tokenizer of a vocab.txt, uncased or cased as the tokenizer_config.json beside it says."""
    config = Path(path).with_name("tokenizer_config.json")
    lower = read_json(config).get("do_lower_case", True) if config.exists() else True
    return WordPiece.from_file(path, **{"normalizer": BertNormalizer(lowercase=lower), **options})
