"""Vocabularies: what is counted and kept, files larger than memory, saving, and what they refuse."""
import gzip
import json
import random
import tracemalloc
from collections import Counter

import numpy as np
import pytest

from cdl.io import FileFormatError
from cdl.text import Vocabulary, Words
from cdl.text import reading as reader

TEXTS = ["to be or not to be", "that is the question", "to do is to be"]
COUNTS = Counter(" ".join(TEXTS).split())


def test_counts_and_order():
    """By falling count; of equals the one met first."""
    vocabulary = Vocabulary.count(TEXTS)
    assert vocabulary.tokens == ["<pad>", "<unk>", "to", "be", "is", "or", "not", "that", "the", "question", "do"]
    assert dict(zip(vocabulary.tokens[2:], vocabulary.counts[2:].tolist(), strict=True)) == COUNTS
    assert vocabulary.counts.dtype == np.int64 and vocabulary.counts[:2].tolist() == [0, 0]
    assert Vocabulary(COUNTS) == vocabulary == Vocabulary.count([text.split() for text in TEXTS])
    assert Vocabulary.count(iter(TEXTS), lambda text: text.split()[:1]).tokens[2:] == ["to", "that"]
    assert list(vocabulary) == vocabulary.tokens and len(vocabulary) == 11 and "be" in vocabulary and "bee" not in vocabulary


@pytest.mark.parametrize("options, tokens, unknown", [
    ({"min_count": 2}, ["<pad>", "<unk>", "to", "be", "is"], 6), ({"max_size": 4}, ["<pad>", "<unk>", "to", "be"], 8),
    ({"min_count": 3, "special": ()}, ["<unk>", "to", "be"], 8),
    ({"min_count": 3, "special": ("<unk>", "<s>")}, ["<unk>", "<s>", "to", "be"], 8),
    ({"min_count": 3, "special": ("or",), "unknown": None}, ["or", "to", "be"], None),
])
def test_what_is_kept(options, tokens, unknown):
    vocabulary = Vocabulary(COUNTS, **options)
    assert vocabulary.tokens == tokens
    assert unknown is None or vocabulary.counts[vocabulary.ids["<unk>"]] == unknown
    kept = [word for word in COUNTS if word in tokens and word != "or"]
    assert vocabulary.decode(vocabulary.encode(kept)) == kept


def test_unknown_words():
    vocabulary = Vocabulary(["colour", "question"])
    assert vocabulary.encode(["color", "question"]).tolist() == [1, 3] and vocabulary["color"] == 1
    strict = Vocabulary(["colour", "question"], unknown=None, special=())
    with pytest.raises(KeyError, match="'color' is not in the vocabulary; did you mean 'colour'"):
        strict["color"]
    with pytest.raises(KeyError, match=r"'zzz' is not in the vocabulary\"?$"):
        strict.encode(["zzz"])
    with pytest.raises(IndexError, match="there is no word 4; ids are 0 to 3"):
        vocabulary.decode([4])


@pytest.mark.parametrize("call, error, words", [
    (lambda: Vocabulary({}), ValueError, "there are no words"), (lambda: Vocabulary.count([]), ValueError, "no words"),
    (lambda: Vocabulary(COUNTS, min_count=9), ValueError, "no word occurs 9 times; the most frequent is 'to' with 4"),
    (lambda: Vocabulary(COUNTS, min_count=0), ValueError, "min_count must be a positive integer, got 0"),
    (lambda: Vocabulary(COUNTS, max_size=2), ValueError, "max_size=2 has no room beside 2 special tokens"),
    (lambda: Vocabulary(COUNTS, special="<pad>"), TypeError, "special must be a list of strings, got one str"),
    (lambda: Vocabulary("abc"), TypeError, "words must be a list of strings, got one str"),
    (lambda: Vocabulary(["a", 3]), TypeError, "one is 3"), (lambda: Vocabulary({"a": 1.5}), TypeError, "got 'a': 1.5"),
    (lambda: Vocabulary({"a": -1}), TypeError, "expected words and their counts, got 'a': -1"),
    (lambda: Vocabulary(["a", "b", "a"]), ValueError, "'a' is there twice; Vocabulary.count takes texts"),
    (lambda: Vocabulary.count("to be"), TypeError, "or a pathlib.Path of a file, got one str; Path"),
    (lambda: Vocabulary.count(b"to be"), TypeError, "got one bytes"), (lambda: Vocabulary.count(3), TypeError, "got int"),
    (lambda: Vocabulary.count([["a", 1]]), TypeError, "a text cut into words must be a list of strings, one is 1"),
    (lambda: Vocabulary.count([b"a"]), TypeError, "got one bytes"),
    (lambda: Vocabulary.count(["a"], max_distinct=0), ValueError, "max_distinct must be a positive integer"),
    (lambda: Vocabulary(["a"]).encode("a"), TypeError, "expected a list of words, got one str"),
])
def test_what_is_refused(call, error, words):
    with pytest.raises(error, match=words):
        call()


# --- files ------------------------------------------------------------------------------------------------------------
def test_a_file_is_read_line_by_line(tmp_path):
    path = tmp_path / "corpus.txt"
    path.write_text("\n".join(TEXTS), encoding="utf-8")
    assert Vocabulary.count(path) == Vocabulary(COUNTS)
    with gzip.open(tmp_path / "corpus.txt.gz", "wt", encoding="utf-8") as file:
        file.write("\n".join(TEXTS))
    assert Vocabulary.count(tmp_path / "corpus.txt.gz") == Vocabulary(COUNTS)
    assert Words.train(path, min_count=2).vocabulary == Vocabulary(COUNTS, min_count=2)
    path.write_bytes(b"to be\nor \xff not\n")
    with pytest.raises(FileFormatError, match=r"corpus\.txt: line 2: byte 3 is 0xff, which is no UTF-8; errors='replace'"):
        Vocabulary.count(path)
    assert "\ufffd" in Vocabulary.count(path, errors="replace")
    (tmp_path / "bad.gz").write_bytes(b"no gzip")
    with pytest.raises(FileFormatError, match=r"bad\.gz: Not a gzipped file"):
        Vocabulary.count(tmp_path / "bad.gz")
    with pytest.raises(FileNotFoundError):
        Vocabulary.count(tmp_path / "none.txt")


@pytest.mark.parametrize("separator", [b" ", b"\n", "。".encode()])
def test_long_lines_come_in_pieces(separator, tmp_path, monkeypatch):
    """Words and characters stay whole, wherever a block ends."""
    monkeypatch.setattr(reader, "BLOCK", 16)
    rng = random.Random(0)
    for _ in range(30):
        words = ["".join(rng.choice("aé你🙂") for _ in range(rng.randint(1, 3))) for _ in range(rng.randint(0, 40))]
        data = separator.join(word.encode() for word in words)
        (tmp_path / "text").write_bytes(data)
        pieces = list(reader.lines(tmp_path / "text"))
        assert "".join(pieces) == data.decode()
        if separator.isspace():
            assert [word for piece in pieces for word in piece.split()] == words


def test_memory_stays_small(tmp_path):
    """4 MB, half of them one line, in less than half of that."""
    path = tmp_path / "corpus.txt"
    path.write_text("one two three\n" * 150_000 + "one two three " * 150_000, encoding="utf-8")
    tracemalloc.start()
    vocabulary = Vocabulary.count(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert vocabulary.counts[2:].tolist() == [300_000] * 3
    assert peak < 2e6


def test_too_many_words_lose_the_rarest():
    texts = (f"common word{i}" for i in range(1000))
    vocabulary = Vocabulary.count(texts, max_distinct=100)
    assert vocabulary["common"] == 2 and vocabulary.counts[2] == 1000 and len(vocabulary) <= 103


def test_save_and_load(tmp_path):
    path = tmp_path / "vocabulary.json"
    vocabulary = Vocabulary(Counter({"naïve": 3, "你好": 2, "\ud800": 1, 'a"\n': 1}), min_count=1, special=("<pad>", "<s>"))
    vocabulary.save(path)
    again = Vocabulary.load(path)
    assert again == vocabulary and again.ids == vocabulary.ids and again.counts.tolist() == vocabulary.counts.tolist()
    assert again != Vocabulary(["a"]) and again != 3


@pytest.mark.parametrize("key, value, words", [
    ("format", "other", "expected a vocabulary, with format 'cdl vocabulary 1'"),
    ("tokens", "abc", "tokens: expected a list of"),
    ("tokens", ["<pad>", "<unk>", "a", "a"], "counts: expected 4 numbers"),
    ("counts", [0, 0, -1], "counts: expected 3 numbers"),
    ("counts", [0, 0, 2**70], "counts: expected"), ("counts", [0, 0, "1"], "counts: expected"),
    ("special", ["<s>"], "tokens: expected the special ones and then words"),
    ("unknown", "<?>", "unknown: '<\\?>' is not among"),
    ("unknown", [1], "unknown: "), ("special", None, "special: expected a list"),
])
def test_a_damaged_file_is_told(key, value, words, tmp_path):
    path = tmp_path / "vocabulary.json"
    Vocabulary(["a"]).save(path)
    config = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(config | {key: value}), encoding="utf-8")
    with pytest.raises(FileFormatError, match=r"vocabulary\.json: " + words):
        Vocabulary.load(path)
