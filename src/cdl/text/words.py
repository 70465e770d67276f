"""Whole words as tokens, and Chinese text, which writes no blanks between them."""
import logging
import warnings
from functools import lru_cache

from cdl.extras import require
from cdl.text.json_file import write_json
from cdl.text.normalize import CHINESE, strip_accents
from cdl.text.patterns import compile_pattern
from cdl.text.template import Template
from cdl.text.tokenizer import Tokenizer
from cdl.text.vocabulary import Vocabulary

__all__ = ["Chinese", "Words"]

# Numbers with their points and commas; letters with the marks on them, also with an apostrophe or hyphen between.
_NUMBER = r"\p{N}+(?:[.,]\p{N}+)*"
_WORD = r"[\p{L}\p{M}\p{N}_]+(?:['’\-][\p{L}\p{M}\p{N}_]+)*"
_WORDS = rf"{_NUMBER}(?![\p{{L}}\p{{M}}\p{{N}}_])|{_WORD}"
_WITH_MARKS = rf"{_WORDS}|[^\p{{L}}\p{{M}}\p{{N}}_\s]"


class Words(Tokenizer):
    """Cuts a text into words.

    A word is a run of letters of any script with their accents and marks, digits and underscores, also several with an
    apostrophe or hyphen between them; 3.14 and 1,000 are words.

    Parameters
    ----------
    vocabulary : Vocabulary, optional
        Their ids; without one there is `tokenize` alone. `train` makes it.
    lower : bool, default True
        Lower case.
    accents : bool, default True
        Whether accents stay on their letters.
    punctuation : bool, default False
        Whether marks are tokens, each of its own, or left out.
    single, pair : str, optional
        What stands around and between texts, "<s> $A </s>"; its tokens are in the vocabulary.
    errors : {"strict", "replace"}, default "strict"
        Whether bytes that are no UTF-8 are refused or become U+FFFD.

    Examples
    --------
    >>> Words().tokenize("Don't panic: it's only 3.14 naïve हिन्दी words.")
    ["don't", 'panic', "it's", 'only', '3.14', 'naïve', 'हिन्दी', 'words']
    >>> Words(lower=False, accents=False, punctuation=True).tokenize("Ça va?")
    ['Ca', 'va', '?']
    >>> words = Words.train(["to be or not to be", "to do"], min_count=2)
    >>> words.encode("To be, to do!")
    array([2, 3, 2, 1])
    >>> words.decode([2, 3])
    'to be'
    """

    _separator = " "

    def __init__(self, vocabulary=None, *, lower=True, accents=True, punctuation=False, single="$A", pair="$A $B:1",
                 errors="strict"):
        if vocabulary is not None and not isinstance(vocabulary, Vocabulary):
            raise TypeError(f"{self._who()}: expected a Vocabulary, got {type(vocabulary).__name__}; "
                            f"{self._who()}.train(texts) makes one")
        self.vocabulary, self.lower, self.accents, self.punctuation = vocabulary, lower, accents, punctuation
        self.errors = errors
        self._template = Template(single, pair, {} if vocabulary is None else vocabulary.ids)

    @classmethod
    def train(cls, texts, *, min_count=1, max_size=None, unknown="<unk>", special=("<pad>",), max_distinct=10_000_000,
              **options):
        """The tokenizer with the vocabulary of a corpus.

        Parameters
        ----------
        texts : iterable of str, or pathlib.Path
            Texts, or a file that is read line by line.
        min_count, max_size, unknown, special, max_distinct
            As for `Vocabulary` and `Vocabulary.count`.
        **options
            As for the class.
        """
        form = {key: options.pop(key) for key in ("single", "pair") if key in options}
        cutter = cls(**options)
        vocabulary = Vocabulary.count(texts, cutter.tokenize, errors=cutter.errors, max_distinct=max_distinct,
                                      min_count=min_count, max_size=max_size, unknown=unknown, special=special)
        return cls(vocabulary, **options, **form)

    # --- the vocabulary ----------------------------------------------------------------------------------------------
    @property
    def _known(self):
        if self.vocabulary is None:
            raise ValueError(f"{self._who()}: there is no vocabulary; {self._who()}.train(texts) makes one")
        return self.vocabulary

    @property
    def tokens(self):
        """The token of each id."""
        return self._known.tokens

    @property
    def ids(self):
        """The id of each token."""
        return self._known.ids

    @property
    def special_tokens(self):
        return {token: self.ids[token] for token in self._known.special if token != self._known.unknown}

    @property
    def unknown_id(self):
        return None if self._known.unknown is None else self.ids[self._known.unknown]

    @property
    def pad_id(self):
        return self.ids.get("<pad>")

    # --- text --------------------------------------------------------------------------------------------------------
    def _cut(self, text):
        """The words of a text that is as it is to be in case and accents."""
        return compile_pattern(_WITH_MARKS if self.punctuation else _WORDS, ascii=text.isascii()).findall(text)

    def tokenize(self, text):
        text = self._text(text)
        text = text.lower() if self.lower else text
        return self._cut(text if self.accents else strip_accents(text))

    def _ids(self, text):
        ids, unknown = self.ids, self.unknown_id
        if unknown is None:
            return [self.vocabulary[word] for word in self.tokenize(text)]
        return [ids.get(word, unknown) for word in self.tokenize(text)]

    # --- files -------------------------------------------------------------------------------------------------------
    def _options(self):
        return {"lower": self.lower, "accents": self.accents, "punctuation": self.punctuation, **self._template.text,
                "errors": self.errors}

    def config(self):
        """What a tokenizer.json holds of it, under "model"."""
        return {"type": f"cdl.{self._who()}", "options": self._options(), "vocabulary": self._known.config()}

    @classmethod
    def from_config(cls, config, where="tokenizer.json", **options):
        """What `config` gave."""
        known = set(cls()._options())
        given = config.get("options", {})
        if not isinstance(given, dict) or set(given) - known:
            raise ValueError(f"model.options: expected {', '.join(sorted(known))}, got {given!r}")
        return cls(Vocabulary.from_config(config.get("vocabulary"), f"{where}: model.vocabulary"), **{**given, **options})

    def save(self, path):
        """Write it to a JSON file, which `cdl.text.load_tokenizer` reads."""
        write_json(path, {"version": "1.0", "model": self.config()})


class Chinese(Words):
    """Cuts Chinese text, by character or into the words that the package jieba finds in it.

    Runs of other letters and digits are words, as for `Words`.

    Parameters
    ----------
    vocabulary : Vocabulary, optional
    method : {"characters", "jieba"}, default "characters"
        "jieba" needs `pip install 'cdl[chinese]'`.
    lower, accents, punctuation, single, pair, errors
        As for `Words`.

    Examples
    --------
    >>> Chinese().tokenize("我用Python写了3个神经网络。")
    ['我', '用', 'python', '写', '了', '3', '个', '神', '经', '网', '络']
    >>> Chinese(punctuation=True).tokenize("好！")
    ['好', '！']
    """

    _separator = ""

    def __init__(self, vocabulary=None, *, method="characters", **options):
        if method not in ("characters", "jieba"):
            raise ValueError(f"Chinese: method must be 'characters' or 'jieba', got {method!r}")
        super().__init__(vocabulary, **options)
        self.method = method
        if method == "jieba":
            _jieba()        # told now if it is missing, not after the corpus is read

    def _options(self):
        return {**super()._options(), "method": self.method}

    def _cut(self, text):
        if self.method == "jieba":
            wanted = compile_pattern(r"[^\s]" if self.punctuation else r"[\p{L}\p{M}\p{N}]").search
            return [word for word in _jieba().lcut(text) if wanted(word)]
        if text.isascii():
            return super()._cut(text)
        found = []
        for i, part in enumerate(compile_pattern(f"([{CHINESE}])").split(text)):    # every second one is a character
            found += [part] if i % 2 else super()._cut(part) if part else []
        return found


@lru_cache(maxsize=1)
def _jieba():
    """A tokenizer of jieba's, with its own dictionary. Its import warns of what its own code does."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        jieba = require("jieba", "chinese", "Chinese(method='jieba')")
    jieba.setLogLevel(logging.WARNING)
    return jieba.Tokenizer()
