"""Text to cut into tokens, vocabularies for it, and the ids by the definitions."""

import re
from collections import Counter
from itertools import accumulate, pairwise
from types import SimpleNamespace

SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS, STEMS = 4000, 2000  # in the vocabularies: whole words, and beginnings and ends of others


def english_lines():
    """The language reference that comes with Python, some 460 kB of English and code: its lines with text, in ASCII."""
    from pydoc_data.topics import topics

    text = "\n".join(topics[name] for name in sorted(topics))
    return [line for line in text.encode("ascii", "ignore").decode().splitlines() if line.strip()]


def wordpiece():
    """Lines, a vocabulary as BERT has one, and the ids of all lines in their order."""
    lines = english_lines()
    cut = re.compile(r"[^\W_]+|[^\w\s]|_").findall
    counts = Counter(word for line in lines for word in cut(line.lower()))
    words = [word for word, _ in counts.most_common()]
    rest = words[WORDS:]
    ends = Counter("##" + word[-n:] for word in words for n in (2, 3, 4) if len(word) > n)
    starts = Counter(word[:n] for word in rest for n in (3, 4, 5))
    pieces = [part for counter in (ends, starts) for part, _ in counter.most_common(STEMS)]
    letters = sorted({mark + character for word in words for character in word for mark in ("", "##")})
    vocabulary = {piece: i for i, piece in enumerate(dict.fromkeys([*SPECIALS, *letters, *words[:WORDS], *pieces]))}
    found = {word: _longest_pieces(word, vocabulary) for word in words}
    start, end = vocabulary["[CLS]"], vocabulary["[SEP]"]
    ids = [i for line in lines for i in (start, *(i for word in cut(line.lower()) for i in found[word]), end)]
    return SimpleNamespace(lines=lines, vocabulary=vocabulary), [ids]


def _longest_pieces(word, vocabulary):
    ids, start = [], 0
    while start < len(word):
        mark = "##" if start else ""
        end = max(end for end in range(start + 1, len(word) + 1) if mark + word[start:end] in vocabulary)
        ids.append(vocabulary[mark + word[start:end]])
        start = end
    return ids


def byte_pairs():
    """Lines, and the merges that put their frequent words together letter by letter from the left, the frequent ones first."""
    lines = english_lines()
    cut = re.compile(r"'s|'t|'re|'ve|'m|'ll|'d| ?[A-Za-z]+| ?[0-9]+| ?[^\sA-Za-z0-9]+|\s+(?!\S)|\s+").findall
    counts = Counter(word.replace(" ", "Ġ") for line in lines for word in cut(line))
    frequent = [word for word, _ in counts.most_common(WORDS) if word.isprintable()]
    merges = [*dict.fromkeys((start, last) for word in frequent
                             for start, last in zip(accumulate(word[:-1]), word[1:], strict=True))]
    seen = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    letters = [chr(byte) for byte in seen] + [chr(0x100 + i) for i in range(256 - len(seen))]
    vocabulary = {token: i for i, token in enumerate([*letters, *dict.fromkeys(map("".join, merges))])}
    ranks = {pair: rank for rank, pair in enumerate(merges)}
    found = {word: [vocabulary[token] for token in _merged(word, ranks)] for word in counts}
    ids = [i for line in lines for word in cut(line) for i in found[word.replace(" ", "Ġ")]]
    return SimpleNamespace(lines=lines, vocabulary=vocabulary, merges=merges), [ids]


def _merged(word, ranks):
    tokens = list(word)
    while len(tokens) > 1:
        pairs = list(pairwise(tokens))
        i = min(range(len(pairs)), key=lambda i: ranks.get(pairs[i], len(ranks)))
        if pairs[i] not in ranks:
            break
        tokens[i : i + 2] = ["".join(pairs[i])]
    return tokens
