"""What is done to a text before it is cut: case, accents, Unicode's normal forms, BERT's cleaning."""
import re
import unicodedata
from functools import lru_cache, partial

from cdl.text.patterns import compile_pattern

# As the reference implementations have them, the gap from U+2B820 to U+2B91F included.
CHINESE = ("\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002a6df\U0002a700-\U0002b81f\U0002b920-\U0002ceaf"
           "\U0002f800-\U0002fa1f")
_CHINESE = re.compile(f"[{CHINESE}]")
_SIGNS = "".join(map(chr, range(0x300, 0x370)))     # the block of accents; the marks of Indic scripts are no accents


class _Spaced(dict):
    """For str.translate: Chinese characters between blanks. Filled as they come: five times as fast as a substitution."""

    def __missing__(self, point):
        character = chr(point)
        self[point] = f" {character} " if _CHINESE.match(character) else character
        return self[point]


_SPACED = _Spaced()


@lru_cache(maxsize=1)
def _controls():
    """What BERT's cleaning takes out. It keeps characters of no category, such as emoji younger than a Unicode table."""
    return compile_pattern(r"(?![\t\n\r])[\p{Cc}\p{Cf}\p{Co}\uFFFD\U000F0000-\U0010FFFF]")


@lru_cache(maxsize=1)
def _marks():
    return compile_pattern(r"\p{Mn}+")


def lowercase(text):
    """Character by character: str.lower makes a Σ at the end of a word another letter than the references do."""
    return text.replace("Σ", "σ").lower()


def strip_marks(text):
    """Decomposed, without the marks that stand on other characters: BERT's way."""
    return text if text.isascii() else _marks().sub("", unicodedata.normalize("NFD", text))


def strip_accents(text):
    """Accents of Latin, Greek and Cyrillic letters taken off; other scripts as they were.

    Examples
    --------
    >>> strip_accents("naïve Ångström हिन्दी")
    'naive Angstrom हिन्दी'
    """
    if text.isascii():
        return text
    kept = unicodedata.normalize("NFD", text).translate(dict.fromkeys(map(ord, _SIGNS)))
    return unicodedata.normalize("NFC", kept)


NORMALIZERS = {form: partial(unicodedata.normalize, form) for form in ("NFC", "NFD", "NFKC", "NFKD")} | {
    "Lowercase": lowercase,
}


class Chain:
    """Several, one after the other, by their names.

    Examples
    --------
    >>> Chain(["NFC", "Lowercase"])("E\u0301")
    'é'
    """

    def __init__(self, names):
        self.names = tuple(names)

    def __call__(self, text):
        for name in self.names:
            text = NORMALIZERS[name](text)
        return text


class BertNormalizer:
    """BERT's: control characters out, Chinese characters apart, accents off, lower case.

    Parameters
    ----------
    lowercase : bool, default True
    strip_accents : bool, optional
        Default: as `lowercase`.
    clean_text, handle_chinese_chars : bool, default True

    Source
    ------
    Devlin et al., "BERT", 2019; `BasicTokenizer` of its code.

    Examples
    --------
    >>> BertNormalizer()("Ça\\tva?\\x00 你好")
    'ca va? 你  好 '
    """

    def __init__(self, lowercase=True, strip_accents=None, clean_text=True, handle_chinese_chars=True):
        self.lowercase, self.strip_accents = bool(lowercase), strip_accents
        self.clean_text, self.handle_chinese_chars = bool(clean_text), bool(handle_chinese_chars)

    def __call__(self, text):
        ascii = text.isascii()
        if self.clean_text and not text.isprintable():
            text = compile_pattern(r"\s").sub(" ", _controls().sub("", text))
        elif self.clean_text and not ascii:     # U+FFFD alone of what is printable
            text = text.replace("\ufffd", "")
        if self.handle_chinese_chars and not ascii and _CHINESE.search(text):
            text = text.translate(_SPACED)
        if self.lowercase if self.strip_accents is None else self.strip_accents:
            text = strip_marks(text)
        return lowercase(text) if self.lowercase else text

    def config(self):
        """The settings, by their names in a tokenizer.json."""
        return {"clean_text": self.clean_text, "handle_chinese_chars": self.handle_chinese_chars,
                "strip_accents": self.strip_accents, "lowercase": self.lowercase}


def normalizer_config(normalizer):
    """What a tokenizer.json holds of it."""
    if isinstance(normalizer, BertNormalizer):
        return {"type": "BertNormalizer", **normalizer.config()}
    if isinstance(normalizer, Chain):
        return {"type": "Sequence", "normalizers": [{"type": name} for name in normalizer.names]}
    raise ValueError(f"save: a normalizer of your own ({normalizer!r}) has no place in a tokenizer.json")
