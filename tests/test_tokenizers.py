"""Tokenizers: text to ids and back, batches, special tokens, files, and what they refuse."""
import copy
import json
import pickle
import re
from itertools import pairwise

import numpy as np
import pytest

import cdl
from cdl.io import FileFormatError
from cdl.text import (
    AddedToken,
    BertNormalizer,
    ByteLevelBPE,
    Characters,
    Chinese,
    Tokenizer,
    WordPiece,
    Words,
    load_tokenizer,
)
from cdl.text.bpe import BYTES, merged
from cdl.text.cache import Cache
from cdl.text.patterns import compile_pattern

PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "un", "##aff", "##able", "the", "cat", "##s", ",", "!", "你", "好"]
CORPUS = ["the cats and the dogs", "the cat sat on the mat, the dog lay", "naïve Ångström, 你好 🙂"] * 3


@pytest.fixture
def pieces():
    return WordPiece(PIECES)


@pytest.fixture(scope="module")
def pairs():
    return ByteLevelBPE.train(CORPUS, 300, special_tokens=["<pad>", "<s>", "</s>"], single="<s> $A </s>", pad_token="<pad>",
                              pair="<s> $A </s> $B:1 </s>:1")


def every_kind():
    yield WordPiece(PIECES)
    yield ByteLevelBPE.train(CORPUS, 300, special_tokens=["<pad>"], pad_token="<pad>")
    yield Words.train(CORPUS)
    yield Chinese.train(CORPUS)
    yield Characters("".join(CORPUS))


KINDS = [pytest.param(tokenizer, id=type(tokenizer).__name__) for tokenizer in every_kind()]


# --- what all have in common ------------------------------------------------------------------------------------------
@pytest.mark.parametrize("tokenizer", KINDS)
def test_one_interface(tokenizer, tmp_path):
    text = CORPUS[0]
    ids = tokenizer.encode(text, add_special_tokens=False)
    assert isinstance(tokenizer, Tokenizer) and ids.dtype == np.int64 and ids.ndim == 1
    assert tokenizer.tokenize(text) == [tokenizer.id_to_token(i) for i in ids]
    assert [tokenizer.token_to_id(token) for token in tokenizer.tokenize(text)] == ids.tolist()
    assert tokenizer.encode(text.encode()).tolist() == tokenizer.encode(text).tolist()
    assert tokenizer.encode("").dtype == np.int64 and tokenizer.decode([]) == ""
    batch = tokenizer.encode_batch([text, text[:7], text], pad_id=0)
    ids, mask = batch
    assert ids.shape == mask.shape == batch.ids.shape and mask.dtype == bool
    assert mask.sum(1).tolist() == [len(tokenizer.encode(t)) for t in (text, text[:7], text)]
    assert ids[1][mask[1]].tolist() == tokenizer.encode(text[:7]).tolist() and (ids[~mask] == 0).all()
    assert tokenizer.decode_batch(ids, mask) == [tokenizer.decode(tokenizer.encode(t)) for t in (text, text[:7], text)]
    tokenizer.save(tmp_path / "tokenizer.json")
    again = load_tokenizer(tmp_path)
    assert type(again) is type(tokenizer) and again.tokens == tokenizer.tokens and again.pad_id == tokenizer.pad_id
    for other in (again, pickle.loads(pickle.dumps(tokenizer)), copy.deepcopy(tokenizer)):
        assert other.encode(text).tolist() == tokenizer.encode(text).tolist()


@pytest.mark.parametrize("tokenizer", KINDS)
@pytest.mark.parametrize("call, error, words", [
    (lambda t: t.encode(5), TypeError, "expected a text .str, or bytes of UTF-8., got int"),
    (lambda t: t.encode(None), TypeError, "got NoneType"),
    (lambda t: t.encode(["the"]), TypeError, "got list; encode_batch takes several texts"),
    (lambda t: t.encode_batch("the"), TypeError, "expected a list of texts, got one str; encode takes one text"),
    (lambda t: t.encode_batch(7), TypeError, "expected a list of texts, got int"),
    (lambda t: t.encode_batch(["the", None]), TypeError, "got NoneType"),
    (lambda t: t.encode_batch(["the"], ["cat", "cat"]), ValueError, "a second text for each of the 1, got 2"),
    (lambda t: t.encode_batch(["the"], padding="most"), ValueError, "padding must be one of 'longest', 'max_length', None"),
    (lambda t: t.encode_batch(["the"], padding_side="top"), ValueError, "padding_side must be one of"),
    (lambda t: t.encode_batch(["the"], padding="max_length"), ValueError, "padding='max_length' needs max_length"),
    (lambda t: t.encode("the", max_length=0), ValueError, "max_length must be a positive integer, got 0"),
    (lambda t: t.encode("the", max_length=5, truncation_side="up"), ValueError, "truncation_side must be one of"),
    (lambda t: t.encode(b"the \xff"), ValueError, "byte 4 is 0xff, which is no UTF-8; errors='replace'"),
    (lambda t: t.decode([0, 10**6]), IndexError, "id 1000000 at position 1 is out of range; there are"),
    (lambda t: t.decode([-1]), IndexError, "id -1 at position 0"),
    (lambda t: t.decode([0.5]), ValueError, r"expected integers of shape \(T,\), got float64"),
    (lambda t: t.decode("the"), ValueError, "expected integers"),
    (lambda t: t.id_to_token(10**6), IndexError, "there is no token 1000000"),
])
def test_what_all_refuse(tokenizer, call, error, words):
    with pytest.raises(error, match=words):
        call(tokenizer)


def test_a_base_has_no_way_to_cut():
    with pytest.raises(NotImplementedError, match="Tokenizer does not say how it cuts text"):
        Tokenizer().encode("a")


@pytest.mark.parametrize("make", [lambda **o: WordPiece(PIECES, **o), lambda **o: ByteLevelBPE.train(CORPUS, 300, **o),
                                  lambda **o: Words.train(CORPUS, **o),
                                  lambda **o: Characters("".join(CORPUS) + "\ufffd", **o)])
def test_undecodable_bytes_are_replaced_by_option(make):
    tokenizer = make(errors="replace")
    assert tokenizer.encode(b"the \xff cat").tolist() == tokenizer.encode("the \ufffd cat").tolist()


def test_lengths_and_pairs(pieces, pairs):
    assert pieces.encode("the cats", "cat!").tolist() == [2, 8, 9, 10, 3, 9, 12, 3]
    ids, mask, types = pieces.encode_batch(["the cats", "un"], ["cat!", "the"])
    assert types.tolist() == [[0, 0, 0, 0, 0, 1, 1, 1], [0, 0, 0, 1, 1, 0, 0, 0]]
    assert mask.sum(1).tolist() == [8, 5] and ids[1].tolist() == [2, 5, 3, 8, 3, 0, 0, 0]
    assert pieces.encode("the cats", max_length=4).tolist() == [2, 8, 9, 3]
    assert pieces.encode("the cats", max_length=4, truncation_side="left").tolist() == [2, 9, 10, 3]
    assert pieces.encode("the cats", max_length=2).tolist() == [2, 3]
    assert pieces.encode("the cats", max_length=1, add_special_tokens=False).tolist() == [8]
    with pytest.raises(ValueError, match="max_length=1 has no room for the 2 special tokens"):
        pieces.encode("the cats", max_length=1)
    ids, mask = pairs.encode_batch(["the cat", "the"], padding="max_length", max_length=9, padding_side="left")
    assert ids.shape == (2, 9) and not mask[:, 0].any() and mask[:, -1].all() and (ids[:, -1] == pairs.ids["</s>"]).all()
    rows = pairs.encode_batch(["the cat", "the"], padding=None)
    assert [row.tolist() for row in rows] == [pairs.encode(text).tolist() for text in ("the cat", "the")]
    assert pieces.encode_batch([]).ids.shape == (0, 0)
    with pytest.raises(ValueError, match="there is no token to fill up with; pass pad_id="):
        Characters("ab").encode_batch(["ab", "a"])
    assert Characters("ab").encode_batch(["ab", "ba"]).ids.tolist() == [[0, 1], [1, 0]]


def test_bert_takes_a_batch(pieces):
    model = cdl.models.BERT(layers=1, width=16, heads=2, tokens=len(pieces), positions=32)
    assert model.embed(*pieces.encode_batch(["the cats!", "un"])).shape == (2, 16)
    assert model.predict(*pieces.encode_batch(["the cats!", "un"], ["cat", "the"])).shape == (2, 8, 16)


# --- words and Chinese ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("text, options, wanted", [
    ("Don't stop-motion it's 3.14 or 1,000!", {}, ["don't", "stop-motion", "it's", "3.14", "or", "1,000"]),
    ("L’été à Köln", {"accents": False}, ["l’ete", "a", "koln"]),
    ("Ça VA", {"lower": False}, ["Ça", "VA"]),
    ("e\u0301te\u0301", {"accents": False}, ["ete"]),
    ("हिन्दी भाषा", {"accents": False}, ["हिन्दी", "भाषा"]),
    ("ΟΔΟΣ İstanbul", {}, ["οδος".replace("σ", "ς"), "i̇stanbul"]),
    ("a_b snake_case __init__", {}, ["a_b", "snake_case", "__init__"]),
    ("wait... what?", {"punctuation": True}, ["wait", ".", ".", ".", "what", "?"]),
    ("x2 2x 12x 3.x v1.2 1,5km", {}, ["x2", "2x", "12x", "3", "x", "v1", "2", "1", "5km"]),
    ("🙂 ok", {"punctuation": True}, ["🙂", "ok"]), ("🙂 \x00 \u3000", {}, []),
])
def test_words(text, options, wanted):
    assert Words(**options).tokenize(text) == wanted


def test_words_with_a_vocabulary():
    words = Words.train(["b a a", "a b c"], special=("<pad>", "<s>", "</s>"), single="<s> $A </s>")
    assert words.tokens == ["<pad>", "<s>", "</s>", "<unk>", "a", "b", "c"]
    assert words.encode("C z").tolist() == [1, 6, 3, 2] and words.decode([1, 6, 3, 2]) == "c <unk>"
    assert words.unknown_id == 3 and words.pad_id == 0
    with pytest.raises(ValueError, match=r"Words: there is no vocabulary; Words.train\(texts\) makes one"):
        Words().encode("a")
    with pytest.raises(KeyError, match="'z' is not in the vocabulary"):
        Words.train(["a b"], unknown=None).encode("z")
    with pytest.raises(TypeError, match="expected a Vocabulary, got list"):
        Words(["a"])
    with pytest.raises(ValueError, match="there is no token '<s>'"):
        Words.train(["a"], single="<s> $A")


def test_chinese():
    assert Chinese().tokenize("深度学习DeepLearning，2024年") == ["深", "度", "学", "习", "deeplearning", "2024", "年"]
    assert Chinese(lower=False, punctuation=True).tokenize("好AI。") == ["好", "AI", "。"]
    chinese = Chinese.train(["我们学习", "我们用Python"])
    assert chinese.decode(chinese.encode("我们学")) == "我们学"
    with pytest.raises(ValueError, match="method must be 'characters' or 'jieba', got 'words'"):
        Chinese(method="words")


def test_chinese_by_jieba(tmp_path):
    pytest.importorskip("jieba", reason="needs pip install jieba")
    chinese = Chinese(method="jieba")
    assert chinese.tokenize("我来到北京清华大学，学习Python。") == ["我", "来到", "北京", "清华大学", "学习", "python"]
    trained = Chinese.train(["我来到北京清华大学"], method="jieba")
    trained.save(tmp_path / "tokenizer.json")
    assert load_tokenizer(tmp_path).tokenize("北京清华大学") == ["北京", "清华大学"]


def test_jieba_missing_is_one_line(monkeypatch):
    import sys

    from cdl.text import words
    words._jieba.cache_clear()
    monkeypatch.setitem(sys.modules, "jieba", None)
    with pytest.raises(ImportError, match=r"Chinese\(method='jieba'\) needs jieba, which is not installed: pip install "
                                          r"'cdl\[chinese\]'"):
        Chinese(method="jieba")


# --- WordPiece --------------------------------------------------------------------------------------------------------
def test_wordpiece(pieces):
    assert pieces.tokenize("Unaffable cats, xyz 你好!") == [
        "un", "##aff", "##able", "cat", "##s", ",", "[UNK]", "你", "好", "!"]
    assert pieces.encode("[MASK] cat [mask]").tolist()[:3] == [2, 4, 9]
    assert pieces.decode(pieces.encode("Unaffable cats!")) == "unaffable cats!"
    assert pieces.decode([2, 9, 3], skip_special_tokens=False) == "[CLS] cat [SEP]"
    assert pieces.special_tokens == {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "[MASK]": 4}
    assert pieces.tokenize("a" * 101) == ["[UNK]"]
    assert WordPiece(PIECES, longest_word=3).tokenize("cat cats") == ["cat", "[UNK]"]
    assert WordPiece(["[UNK]", "Cat"], normalizer=BertNormalizer(lowercase=False)).encode("Cat").tolist() == [1]
    assert pieces.add_tokens(["unaffable", "cat"]) == 1
    assert pieces.tokenize("an unaffable cat") == ["[UNK]", "unaffable", "cat"] and len(pieces) == len(PIECES) + 1


def test_ids_with_gaps():
    tokenizer = WordPiece({"[UNK]": 0, "cat": 5})
    assert tokenizer.encode("cat").tolist() == [5]
    with pytest.raises(IndexError, match="there is no token 3"):
        tokenizer.decode([3])


def test_vocab_txt(tmp_path):
    path = tmp_path / "vocab.txt"
    path.write_text("\n".join(PIECES) + "\n", encoding="utf-8")
    assert load_tokenizer(tmp_path).tokenize("The CATS") == ["the", "cat", "##s"]
    (tmp_path / "tokenizer_config.json").write_text('{"do_lower_case": false}', encoding="utf-8")
    assert load_tokenizer(path).tokenize("The cat") == ["[UNK]", "cat"]
    for content, words in (("a\nb\na\n", r"vocab.txt: line 3: 'a' stands in line 1 already"), ("", "0 lines, none of which"),
                           ("a\nb\n", r"2 lines, none of which is \[UNK\]")):
        path.write_text(content, encoding="utf-8")
        with pytest.raises(FileFormatError, match=words):
            WordPiece.from_file(path)
    path.write_bytes(b"[UNK]\n\xff\n")
    with pytest.raises(FileFormatError, match=r"line 2: byte 0 is 0xff, which is no UTF-8"):
        WordPiece.from_file(path)
    with pytest.raises(FileNotFoundError, match=r"there is no tokenizer\.json, vocab\.txt or vocab\.json"):
        (tmp_path / "empty").mkdir()
        load_tokenizer(tmp_path / "empty")


@pytest.mark.parametrize("call, words", [
    (lambda: WordPiece([]), "the vocabulary is empty"),
    (lambda: WordPiece(["[UNK]", "a", "a"]), "3 tokens, but only 2 different ones"),
    (lambda: WordPiece({"[UNK]": 0, "a": "1"}), "an id of 0 or more, got 'a': '1'"),
    (lambda: WordPiece({"[UNK]": 0, "a": 0}), r"the id 0 belongs to several tokens of the vocabulary, one of them '\[UNK\]'"),
    (lambda: WordPiece({"[UNK]": 0, "a": 10**9}), "the vocabulary of 2 tokens has an id of 1000000000"),
    (lambda: WordPiece(["a"]), r"unknown_token '\[UNK\]' is not in the vocabulary"),
    (lambda: WordPiece(["[UNK]"], pad_token="x"), "pad_token 'x' is not in the vocabulary"),
    (lambda: WordPiece(["[UNK]"], single="[CLS] $A"), r"there is no token '\[CLS\]'"),
    (lambda: WordPiece(["[UNK]"], single="$A $A"), r"template '\$A \$A': expected \$A once"),
    (lambda: WordPiece(["[UNK]"], added_tokens=[AddedToken("[UNK]", 3)]), r"the token '\[UNK\]' has the ids 0 and 3"),
    (lambda: WordPiece(["[UNK]"], added_tokens=[AddedToken("new", 0)]), r"the id 0 belongs to '\[UNK\]' and 'new'"),
    (lambda: WordPiece(["[UNK]"], added_tokens=[AddedToken("new", 2**70)]), "2 tokens has an id of 1180591620717411303424"),
    (lambda: WordPiece(["[UNK]"], normalizer=str.lower).save("x.json"), "a normalizer of your own"),
])
def test_what_wordpiece_refuses(call, words):
    with pytest.raises(ValueError, match=words):
        call()


# --- byte pairs -------------------------------------------------------------------------------------------------------
def test_byte_pairs_give_any_text_back(pairs):
    for text in ("the cats", " leading", "tabs\t\n", "naïve 你好 🙂 \x00\u0301", "".join(map(chr, range(0x250))), ""):
        assert pairs.decode(pairs.encode(text)) == text
    part = pairs.encode("🦉", add_special_tokens=False)[:-1]
    assert pairs.decode(part) == "\ufffd" and pairs.decode(part, errors="ignore") == ""
    with pytest.raises(UnicodeDecodeError):
        pairs.decode(part, errors="strict")
    assert pairs.decode(pairs.encode("a"), skip_special_tokens=False) == "<s>a</s>"
    assert len(BYTES) == len(set(BYTES.values())) == 256


def test_half_a_character(pairs):
    with pytest.raises(ValueError, match=r"'\\ud800' is half of a character, which has no bytes"):
        pairs.encode("a\ud800")
    replacing = ByteLevelBPE.train(CORPUS, 300, errors="replace")
    assert replacing.decode(replacing.encode("a\ud800b")) == "a\ufffdb"


def merged_by_hand(ids, ranks):
    """The definition: again and again the first pair of the lowest rank."""
    ids = list(ids)
    while True:
        found = [(ranks[pair], i) for i, pair in enumerate(pairwise(ids)) if pair in ranks]
        if not found:
            return ids
        rank, i = min(found)
        ids[i:i + 2] = [rank & 0xFFFFFFFF]


def test_merging_is_by_the_definition(pairs):
    rng = np.random.default_rng(0)
    for _ in range(300):
        ids = rng.integers(0, 40, rng.integers(0, 100)).tolist()
        ranks = {tuple(rng.integers(0, 60, 2).tolist()): rank << 32 | 40 + rank for rank in range(40)}
        assert merged(list(ids), ranks) == merged_by_hand(ids, ranks)


def test_a_word_of_a_megabyte_takes_no_quadratic_time(pairs):
    assert len(pairs.encode("the" * 100_000)) <= 300_002


def test_training(tmp_path):
    """The most frequent pair first, of equals that of the lowest ids; by hand."""
    assert ByteLevelBPE.train(["aaab aaab ab"], 300).merges == [("a", "a"), ("a", "b"), ("aa", "ab")]     # 4, 3, 2 times
    assert ByteLevelBPE.train(["aaab aaab ab"], 258).merges == [("a", "a"), ("a", "b")]
    assert ByteLevelBPE.train(["xy"], 300).merges == []
    assert ByteLevelBPE.train(["xy"], 300, min_frequency=1).merges == [("x", "y")]
    path = tmp_path / "corpus.txt"
    path.write_text("\n".join(CORPUS) + "\n", encoding="utf-8")
    assert ByteLevelBPE.train(path, 280).merges == ByteLevelBPE.train([line + "\n" for line in CORPUS], 280).merges
    for call, error, words in (
            (lambda: ByteLevelBPE.train("the cat"), TypeError, "a list of texts, or a pathlib.Path of a file, got one str"),
            (lambda: ByteLevelBPE.train(5), TypeError, "or a pathlib.Path, got int"),
            (lambda: ByteLevelBPE.train(["a"], 100), ValueError, "vocab_size=100 has no room for 256 bytes and 0 special"),
            (lambda: ByteLevelBPE.train(["a"], 300, min_frequency=0), ValueError, "min_frequency must be a positive integer"),
            (lambda: ByteLevelBPE.train([3]), TypeError, "expected a text")):
        with pytest.raises(error, match=words):
            call()


def test_gpt2s_two_files(pairs, tmp_path):
    (tmp_path / "vocab.json").write_text(json.dumps(pairs.ids), encoding="utf-8")
    merges = tmp_path / "merges.txt"
    merges.write_text("#version: 0.2\n" + "\n".join(map(" ".join, pairs.merges)) + "\n", encoding="utf-8")
    for path in (tmp_path, tmp_path / "vocab.json"):
        assert load_tokenizer(path).encode(CORPUS[1]).tolist() == pairs.encode(CORPUS[1], add_special_tokens=False).tolist()
    for content, words in (("#version: 0.2\nt h\nth\n", "merges.txt: line 3: expected two tokens and a blank between them"),
                           ("t h x\n", "line 1: expected two tokens"),
                           ("t zz\n", r"merges\[0\], 't' 'zz': 'zz' is not in the")):
        merges.write_text(content, encoding="utf-8")
        with pytest.raises(FileFormatError, match=words):
            load_tokenizer(tmp_path)
    merges.unlink()
    with pytest.raises(FileNotFoundError):
        load_tokenizer(tmp_path)


def test_what_byte_pairs_refuse():
    with pytest.raises(TypeError, match="vocabulary must be a dict of tokens and ids, got list"):
        ByteLevelBPE(["a"], [])
    with pytest.raises(ValueError, match=r"merges\[0\] must be two tokens, got \('a',\)"):
        ByteLevelBPE({"a": 0}, [("a",)])
    with pytest.raises(ValueError, match="must have no groups that capture"):
        ByteLevelBPE({"a": 0}, [], pattern="(a)")
    with pytest.raises(ValueError, match=r"no token for the byte 0x62 \('b'\), and there is no unknown_token"):
        ByteLevelBPE({"a": 0}, []).encode("ab")
    assert ByteLevelBPE({"a": 0, "?": 1}, [], unknown_token="?").encode("ab").tolist() == [0, 1]


# --- damaged and foreign files ----------------------------------------------------------------------------------------
def damaged(config, path, value):
    config = json.loads(json.dumps(config))
    *parents, last = path
    inner = config
    for key in parents:
        inner = inner[key]
    if value is ...:
        del inner[last]
    else:
        inner[last] = value
    return config


@pytest.mark.parametrize("kind, path, value, words", [
    ("piece", ["model"], ..., "model: expected an object, got NoneType"),
    ("piece", ["model", "type"], "Unigram", "model.type 'Unigram' is not supported; there is WordPiece, BPE, cdl.Characters"),
    ("piece", ["model", "vocab"], [], "model.vocab: expected an object, got list"),
    ("piece", ["model", "vocab", "cat"], "9", r"model.vocab\['cat'\]: expected an id of 0 or more, got '9'"),
    ("piece", ["model", "vocab", "cat"], 8, "the id 8 belongs to several tokens"),
    ("piece", ["model", "unk_token"], 5, "model.unk_token: expected a string, got int"),
    ("piece", ["pre_tokenizer", "type"], "Whitespace", "pre_tokenizer.type 'Whitespace' is not supported"),
    ("piece", ["normalizer", "type"], "Precompiled", "normalizer 'Precompiled' is not supported; there is BertNormalizer"),
    ("piece", ["normalizer", "lowercase"], "yes", "normalizer.lowercase: expected true or false, got str"),
    ("piece", ["added_tokens", 0, "id"], None, r"added_tokens\[0\].id: expected an integer, got NoneType"),
    ("piece", ["added_tokens", 0, "id"], 9, r"the token '\[PAD\]' has the ids 0 and 9"),
    ("piece", ["post_processor", "type"], "Magic", "post_processor.type 'Magic' is not supported"),
    ("piece", ["post_processor", "single", 0, "SpecialToken", "id"], "[X]", r"there is no token '\[X\]'"),
    ("pairs", ["model", "merges", 2], "onlyone", r"model.merges\[2\]: expected two tokens, got \('onlyone',\)"),
    ("pairs", ["model", "merges", 2], ["a", "zz"], r"merges\[2\], 'a' 'zz': 'zz' is not in the vocabulary"),
    ("pairs", ["model", "byte_fallback"], True, "model.byte_fallback True is not supported"),
    ("pairs", ["model", "dropout"], 0.1, "model.dropout 0.1 is not supported"),
    ("pairs", ["pre_tokenizer"], {"type": "Metaspace"}, "pre_tokenizer 'Metaspace' is not supported; there is ByteLevel"),
    ("words", ["model", "vocabulary", "counts"], [1], "model.vocabulary: counts: expected"),
    ("words", ["model", "options"], {"upper": True}, "model.options: expected"),
    ("words", ["model", "vocabulary", "format"], "other", "expected a vocabulary, with format"),
])
def test_a_broken_tokenizer_json_is_named(kind, path, value, words, pieces, pairs, tmp_path):
    file = tmp_path / "tokenizer.json"
    {"piece": pieces, "pairs": pairs, "words": Words.train(CORPUS)}[kind].save(file)
    file.write_text(json.dumps(damaged(json.loads(file.read_text(encoding="utf-8")), path, value)), encoding="utf-8")
    with pytest.raises(FileFormatError, match=r"tokenizer\.json: .*" + words):
        load_tokenizer(file)


def places(config, above=()):
    """The path of every value, of long lists and objects the first three."""
    items = config.items() if isinstance(config, dict) else enumerate(config) if isinstance(config, list) else ()
    for key, value in list(items)[:12 if len(above) < 2 else 3]:
        yield (*above, key)
        yield from places(value, (*above, key))


@pytest.mark.parametrize("tokenizer", KINDS)
def test_any_damage_is_a_format_error_or_none(tokenizer, tmp_path):
    file = tmp_path / "tokenizer.json"
    tokenizer.save(file)
    config = json.loads(file.read_text(encoding="utf-8"))
    for path in places(config):
        for value in (..., None, True, -1, 2**70, 0.5, "x", "", [], [1], {}, {"a": 1}, [None, "a"]):
            file.write_text(json.dumps(damaged(config, path, value)), encoding="utf-8")
            try:
                load_tokenizer(file).encode("")
            except FileFormatError as error:
                assert "tokenizer.json: " in str(error)


@pytest.mark.parametrize("content, words", [
    (b"", "line 1: Expecting value"), (b"[1]", r"expected an object \{…\}, got list"), (b"{}", "model: expected an object"),
    (b'{"a": 1, "a": 2}', "the key 'a' stands there twice"), (b'{"a"\n:}', "line 2: Expecting value"),
    (b"\xff{}", "byte 0 is no UTF-8"), (b"[" * 100_000, "nested too deeply"),
])
def test_what_is_no_json_is_told(content, words, tmp_path):
    (tmp_path / "tokenizer.json").write_bytes(content)
    with pytest.raises(FileFormatError, match=words):
        load_tokenizer(tmp_path)


# --- parts ------------------------------------------------------------------------------------------------------------
def test_patterns():
    assert compile_pattern(r"\p{Lu}\P{L}\S").findall("É1x Ab2") == ["É1x"]
    assert compile_pattern(r"[^\p{N}\s]+").findall("a1²½b\x1c\u3000c") == ["a", "b\x1c", "c"]
    assert compile_pattern(r"\p{Lo}|[\]\[a]", ascii=True).findall("a]b中") == ["a", "]"]
    for pattern, words in ((r"\p{Qq}", "there is no category Qq"), (r"[\S]", r"within \[ \] is not supported"),
                           ("(", "missing"), (r"[\P{L}]", "is not supported")):
        with pytest.raises(ValueError, match=words):
            compile_pattern(pattern)


def test_the_cache_is_bounded(monkeypatch):
    monkeypatch.setattr("cdl.text.cache.LIMIT", 3)
    made = []
    cache = Cache(lambda word: made.append(word) or word.upper())
    assert [cache[word] for word in "aabcdab"] == list("AABCDAB")
    assert made == list("abcdab") and len(cache) <= 3
    assert cache["x" * 100] == "X" * 100 and "x" * 100 not in cache


def test_nothing_else_is_loaded():
    import subprocess
    import sys
    code = ("import sys, cdl; assert 'cdl.text' not in sys.modules; cdl.text.Words; "
            "print([m for m in ('tokenizers', 'jieba', 'regex') if m in sys.modules])")
    assert re.match(r"\[\]", subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)


def test_tokens_that_are_refused_change_nothing(tmp_path):
    tokenizer = ByteLevelBPE.train(["low lower", "new newer"], vocab_size=262)
    before, size = tokenizer.encode("low qq zz"), len(tokenizer)
    with pytest.raises(ValueError, match="zz"):
        tokenizer.add_tokens(["qq", AddedToken("zz", 0)])
    assert len(tokenizer) == size and tokenizer.token_to_id("qq") is None and not tokenizer.added_tokens
    np.testing.assert_array_equal(tokenizer.encode("low qq zz"), before)
    tokenizer.save(tmp_path / "tokenizer.json")


@pytest.mark.parametrize("text", ["low new", "low 中 new"])
def test_a_class_that_no_character_of_ascii_is_in(text):
    pattern = compile_pattern(r"[\p{Lo}]+| ?[^\s\p{Lo}]+|\s+", ascii=text.isascii())
    assert pattern.findall(text) == (["low", " new"] if text.isascii() else ["low", " ", "中", " new"])


def test_added_tokens_of_nothing(pieces):
    with pytest.raises(ValueError, match="an added token is empty"):
        pieces.add_tokens([""])
    lost = AddedToken("\u0301", None, normalized=True)      # an accent alone, which the normalizer takes away
    before = pieces.encode("hello")
    pieces.add_tokens([lost])
    np.testing.assert_array_equal(pieces.encode("hello"), before)
