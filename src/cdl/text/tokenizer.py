"""What all tokenizers have in common: text to ids and back, one by one or in batches."""
from itertools import chain
from typing import NamedTuple

import numpy as np

from cdl._core.check import positive_integer
from cdl.text.template import Template

__all__ = ["Batch", "PairBatch", "Tokenizer"]

_NO_SPECIALS = Template()


class Batch(NamedTuple):
    """The ids (N, T) of N texts, and where they are tokens, not padding, (N, T) of bool."""

    ids: np.ndarray
    mask: np.ndarray


class PairBatch(NamedTuple):
    """The same of N pairs of texts, and to which of the two each id belongs: 0 or 1."""

    ids: np.ndarray
    mask: np.ndarray
    types: np.ndarray


class Tokenizer:
    """What cuts text into tokens and numbers them; the base of all that do.

    A tokenizer of its own gives `_ids(text)`, the list of ids, and has the tokens in `tokens`, their ids in `ids`.

    Attributes
    ----------
    tokens : list of str
        The token of each id; None where an id has none.
    ids : dict
        The id of each token.
    special_tokens : dict
        Those that stand for no text, and their ids: {"[CLS]": 101, …}.
    pad_id, unknown_id : int or None
        What fills a batch up, and what stands for a text that no token has.
    errors : str
        "strict" or "replace": whether bytes that are no UTF-8 are refused or become U+FFFD.
    """

    pad_id = None
    unknown_id = None
    errors = "strict"
    _template = _NO_SPECIALS
    _separator = ""

    def _ids(self, text):
        raise NotImplementedError(f"{type(self).__name__} does not say how it cuts text")

    def __len__(self):
        return len(self.tokens)

    @property
    def special_tokens(self):
        return {}

    def token_to_id(self, token):
        """The id of a token; None where there is no such token."""
        return self.ids.get(token)

    def id_to_token(self, id):
        """The token of an id.

        Raises
        ------
        IndexError
            For an id that no token has.
        """
        if not 0 <= id < len(self.tokens) or self.tokens[id] is None:
            raise IndexError(f"{self._who()}: there is no token {id}; ids are 0 to {len(self.tokens) - 1}")
        return self.tokens[id]

    def tokenize(self, text):
        """The tokens of a text, as strings; without those that a template adds."""
        return [self.tokens[i] for i in self._ids(self._text(text))]

    def encode(self, text, pair=None, *, add_special_tokens=True, max_length=None, truncation_side="right"):
        """The ids of a text, or of two, as an array (T,) of int64.

        Parameters
        ----------
        text, pair : str or bytes
            Bytes are read as UTF-8; see `errors`.
        add_special_tokens : bool, default True
            Put the template's tokens in: [CLS] and [SEP].
        max_length : int, optional
            Cut to so many tokens, those of the template included; of two texts the longer one is cut first.
        truncation_side : {"right", "left"}, default "right"
            Where it is cut.

        Raises
        ------
        TypeError
            For what is no text.
        ValueError
            For bytes that are no UTF-8, unless `errors` is "replace", or a max_length that the template alone fills.
        """
        rows = self._row(text, pair, add_special_tokens, max_length, truncation_side)
        return np.array(self._joined(*rows, add_special_tokens), np.int64)

    def encode_batch(self, texts, pairs=None, *, add_special_tokens=True, max_length=None, truncation_side="right",
                     padding="longest", padding_side="right", pad_id=None):
        """The ids of many texts in one array, and its mask.

        Parameters
        ----------
        texts, pairs : sequence of str or bytes
            Texts, and as many second texts if each is a pair.
        add_special_tokens, max_length, truncation_side
            As in `encode`.
        padding : {"longest", "max_length", None}, default "longest"
            Fill up to the longest of them, or to max_length; None gives a list of arrays instead.
        padding_side : {"right", "left"}, default "right"
            Left is what a network that goes on writing wants.
        pad_id : int, optional
            What to fill up with; default: the tokenizer's own.

        Returns
        -------
        Batch or PairBatch
            `ids` and `mask`, and for pairs `types`: what `BERT` takes, in its order.

        Raises
        ------
        TypeError, ValueError
            As `encode`, and for one string instead of many, or no id to fill up with.
        """
        texts = _sequence(texts, "encode_batch")
        _one_of(padding, ("longest", "max_length", None), "padding")
        _one_of(padding_side, ("right", "left"), "padding_side")
        if pairs is not None:
            pairs = _sequence(pairs, "encode_batch")
            if len(pairs) != len(texts):
                raise ValueError(f"encode_batch: expected a second text for each of the {len(texts)}, got {len(pairs)}")
        if padding == "max_length" and max_length is None:
            raise ValueError("encode_batch: padding='max_length' needs max_length")
        both = zip(texts, pairs if pairs is not None else [None] * len(texts), strict=True)
        rows = [self._row(a, b, add_special_tokens, max_length, truncation_side) for a, b in both]
        joined = [self._joined(a, b, add_special_tokens) for a, b in rows]
        if padding is None:
            return [np.array(row, np.int64) for row in joined]
        width = max_length if padding == "max_length" else max(map(len, joined), default=0)
        ids, mask = self._filled(joined, width, padding_side, pad_id)
        if pairs is None:
            return Batch(ids, mask)
        template = self._template if add_special_tokens else _NO_SPECIALS
        types, _ = self._filled([template.types(a, b) for a, b in rows], width, padding_side, 0)
        return PairBatch(ids, mask, types)

    def _filled(self, rows, width, side, pad_id):
        """The rows in one array, and where they are in it."""
        lengths = np.fromiter(map(len, rows), np.int64, len(rows))
        places = np.arange(width) if side == "right" else np.arange(width)[::-1]
        mask = places < lengths[:, None]
        pad_id = self.pad_id if pad_id is None else pad_id
        if pad_id is None:
            if not mask.all():
                raise ValueError(f"{self._who()}: there is no token to fill up with; pass pad_id=")
            pad_id = 0
        ids = np.full(mask.shape, pad_id, np.int64)
        ids[mask] = np.fromiter(chain.from_iterable(rows), np.int64, int(lengths.sum()))
        return ids, mask

    def decode(self, ids, *, skip_special_tokens=True):
        """The text of ids (T,); what normalisation took away does not come back.

        Raises
        ------
        IndexError
            For an id that no token has.
        """
        return self._decoded(self._checked(ids), skip_special_tokens)

    def decode_batch(self, ids, mask=None, *, skip_special_tokens=True):
        """The texts of ids (N, T), or of a list of ids of different lengths; with a mask, of those alone that it holds."""
        if mask is not None:
            ids = [np.asarray(row)[np.asarray(kept, bool)] for row, kept in zip(ids, mask, strict=True)]
        return [self.decode(row, skip_special_tokens=skip_special_tokens) for row in ids]

    def _decoded(self, ids, skip_special_tokens):
        skipped = set(self.special_tokens.values()) if skip_special_tokens else ()
        return self._separator.join(self.tokens[i] for i in ids if i not in skipped)

    # --- shared parts ------------------------------------------------------------------------------------------------
    def _who(self):
        return type(self).__name__

    def _text(self, text):
        """The text as a str."""
        if isinstance(text, str):
            return text
        if isinstance(text, (bytes, bytearray)):
            try:
                return bytes(text).decode("utf-8", self.errors)
            except UnicodeDecodeError as error:
                raise ValueError(f"{self._who()}: byte {error.start} is 0x{error.object[error.start]:02x}, which is no "
                                 f"UTF-8; errors='replace' reads it as U+FFFD") from None
        hint = "; encode_batch takes several texts" if isinstance(text, (list, tuple)) else ""
        raise TypeError(f"{self._who()}: expected a text (str, or bytes of UTF-8), got {type(text).__name__}{hint}")

    def _row(self, text, pair, special, length, side):
        """The ids of one text, or of two, cut to the length that the template leaves them."""
        a, b = self._ids(self._text(text)), None if pair is None else self._ids(self._text(pair))
        if length is None:
            return a, b
        room = positive_integer(length, self._who(), "max_length")
        room -= self._template.added(b is not None) if special else 0
        if room < 0:
            raise ValueError(f"{self._who()}: max_length={length} has no room for the {length - room} special tokens")
        _one_of(side, ("right", "left"), "truncation_side")
        kept_a, kept_b = _shared(len(a), 0 if b is None else len(b), room)
        return _cut(a, kept_a, side), None if b is None else _cut(b, kept_b, side)

    def _joined(self, a, b, special):
        return self._template.join(a, b) if special else a if b is None else a + b

    def _checked(self, ids):
        """ids as a list of integers that have tokens."""
        array = np.asarray(ids)
        if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
            raise ValueError(f"{self._who()}: expected integers of shape (T,), got {array.dtype} of shape {array.shape}")
        if array.size and not 0 <= array.min() <= array.max() < len(self.tokens):
            place = int(((array < 0) | (array >= len(self.tokens))).argmax())
            raise IndexError(f"{self._who()}: id {array[place]} at position {place} is out of range; there are "
                             f"{len(self.tokens)} tokens, 0 to {len(self.tokens) - 1}")
        return array.tolist()


def _sequence(texts, who):
    """Many texts as a list; one string is not many, though Python would take it for its characters."""
    if isinstance(texts, (str, bytes)):
        raise TypeError(f"{who}: expected a list of texts, got one {type(texts).__name__}; encode takes one text")
    try:
        return list(texts)
    except TypeError:
        raise TypeError(f"{who}: expected a list of texts, got {type(texts).__name__}") from None


def _one_of(value, choices, name):
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}, got {value!r}")


def _cut(ids, kept, side):
    return ids[:kept] if side == "right" else ids[len(ids) - kept:]


def _shared(a, b, room):
    """How much of two lengths fits into the room, the longer one cut first; both alike if both are too long."""
    if a + b <= room:
        return a, b
    short = min(a, b)
    if short > room // 2:       # both are cut; the odd one goes to the longer, of two equal ones to the second
        short = room // 2
    return (short, room - short) if a <= b else (room - short, short)
