"""Text as numbers, language models over them, and the command that trains one."""
import numpy as np
import pytest

import cdl
from cdl.cli import main
from cdl.text import Characters, windows

KINDS = ["lstm", "gru", "rnn", "gpt"]


# --- characters and windows -------------------------------------------------------------------------------------------
def test_characters_of_any_script():
    text = "aß人🙂\n a"
    characters = Characters(text)
    assert characters.characters == sorted(set(text)) and len(characters) == 6
    ids = characters.encode(text)
    assert ids.dtype == np.int64 and ids.shape == (7,)
    assert characters.decode(ids) == text
    assert characters.encode("").shape == (0,) and characters.decode([]) == ""
    assert Characters(characters.characters).characters == characters.characters


@pytest.mark.parametrize("call, error, words", [
    (lambda c: Characters(""), ValueError, "there are no characters"),
    (lambda c: Characters(["a", "bc"]), ValueError, "expected single characters, got 'bc'"),
    (lambda c: Characters([1, "a"]), ValueError, "expected single characters, got 1"),
    (lambda c: c.encode(5), TypeError, "expected a text .str, or bytes of UTF-8., got int"),
    (lambda c: c.encode("abxa"), ValueError, "'x' at position 2 is not among the 3 characters"),
    (lambda c: c.encode("🙂"), ValueError, "'🙂' at position 0"),
    (lambda c: c.decode([0, 3]), IndexError, "id 3 at position 1 is out of range; there are 3 tokens, 0 to 2"),
    (lambda c: c.decode([-1]), IndexError, "id -1 at position 0"),
    (lambda c: c.decode([0.5]), ValueError, r"expected integers of shape \(T,\), got float64"),
    (lambda c: c.decode([[0]]), ValueError, r"got int64 of shape \(1, 1\)"),
])
def test_what_characters_refuse(call, error, words):
    with pytest.raises(error, match=words):
        call(Characters("abc"))


def test_windows():
    x, y = windows(np.arange(11), 5)
    np.testing.assert_array_equal(x, [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]])
    np.testing.assert_array_equal(y, x + 1)
    assert windows(range(10), 5)[0].shape == (1, 5)     # the last has no successor
    with pytest.raises(ValueError, match="5 ids are too few for a sample of 5 and what follows it"):
        windows(np.arange(5), 5)
    with pytest.raises(ValueError, match="length must be a positive integer, got 0"):
        windows(np.arange(5), 0)
    with pytest.raises(ValueError, match=r"expected the ids of one text, of shape \(T,\), got shape \(2, 5\)"):
        windows(np.ones((2, 5)), 2)


# --- recurrent language models ----------------------------------------------------------------------------------------
@pytest.fixture(params=["lstm", "gru", "rnn"])
def model(request):
    return cdl.models.RecurrentLanguageModel(12, 16, 2, kind=request.param, rng=0)


def test_steps_are_the_whole(model):
    ids = np.random.default_rng(0).integers(0, 12, (3, 9))
    whole, state = model.predict(ids), None
    for t in range(9):
        scores, state = model.step(ids[:, t], state)
        np.testing.assert_allclose(scores.numpy(), whole[:, t], rtol=1e-5, atol=1e-6)


def test_generation_with_state_and_without(model):
    for options in ({}, {"temperature": 1.0, "rng": 3}, {"temperature": 1.0, "top_k": 4, "rng": 3}):
        kept, anew = (model.generate([[1, 2], [3, 4]], 20, cache=cache, **options) for cache in (True, False))
        np.testing.assert_array_equal(kept, anew)
        assert kept.shape == (2, 22)


def test_saved_and_loaded(model, tmp_path):
    model.save(tmp_path / "model.safetensors")
    again = cdl.load(tmp_path / "model.safetensors")
    ids = [[1, 2, 3]]
    np.testing.assert_array_equal(again.predict(ids), model.predict(ids))
    assert again.kind == model.kind


def test_learns_what_follows(model):
    x, y = windows(np.tile(np.arange(12), 60), 25)     # they begin anywhere
    model.fit(x, y, loss="cross_entropy", optimizer=lambda p: cdl.Adam(p, lr=0.01), epochs=40, batch_size=10, progress=False,
              rng=0)
    np.testing.assert_array_equal(model.generate([5, 6, 7], 12), np.arange(5, 20) % 12)


@pytest.mark.parametrize("call, error, words", [
    (lambda m: cdl.models.RecurrentLanguageModel(5, kind="elman"), ValueError,
     "kind must be one of rnn, lstm, gru, got 'elman'"),
    (lambda m: cdl.models.RecurrentLanguageModel(0), ValueError, "tokens must be a positive integer, got 0"),
    (lambda m: m.predict([[1, 12]]), IndexError, "id 12 at position 0, 1 is out of range"),
    (lambda m: m.generate([], 3), ValueError, "at least one token"),
])
def test_what_a_language_model_refuses(call, error, words):
    with pytest.raises(error, match=words):
        call(cdl.models.RecurrentLanguageModel(12, 8, rng=0))


# --- the command ------------------------------------------------------------------------------------------------------
TEXT = "the quick brown fox jumps over the lazy dog, and over again.\n" * 60


@pytest.mark.parametrize("kind", KINDS)
def test_train_text(kind, tmp_path, monkeypatch, capsys):
    (tmp_path / "book.txt").write_text(TEXT)
    monkeypatch.chdir(tmp_path)
    assert main(["train", "text", "book.txt", "--model", kind, "--hidden", "32", "--epochs", "40", "--length", "30", "--lr",
                 "0.01", "--quiet"]) == 0
    out = capsys.readouterr().out
    perplexity, before = (float(part.split()[0].rstrip(")")) for part in out.split("perplexity ")[1].split(" (untrained "))
    assert before > 15 and perplexity < 1.5         # 29 characters; the text repeats itself
    model = cdl.load("book.safetensors")
    characters = Characters(model.extra["characters"])
    written = characters.decode(model.generate(characters.encode("the quick"), 15))
    assert written == "the quick brown fox jump"[:24]


@pytest.mark.parametrize("arguments, words", [
    (["text"], "train text: name the file of the text"), (["text", "none.txt"], "none.txt: No such file"),
    (["text", "short.txt"], "5 characters are too few, at least 2000 are needed"),
    (["text", "latin.txt"], "codec can't decode"),
    (["text", "short.txt", "--model", "dense"], "--model dense does not fit; it may be lstm, gru, rnn, gpt"),
    (["digits", "--model", "lstm"], "--model lstm does not fit; it may be dense or, for mnist, lenet"),
    (["text", "short.txt", "--length", "1"], "--length must be at least 2"),
    (["text", "long.txt", "--hidden", "8", "16"], "these are of one size"),
    (["text", "short.txt", "--target", "x"], "--target is for tables"),
])
def test_what_train_text_refuses(arguments, words, tmp_path, monkeypatch, capsys):
    (tmp_path / "short.txt").write_text("short")
    (tmp_path / "long.txt").write_text(TEXT)
    (tmp_path / "latin.txt").write_bytes(b"\xe9t\xe9 " * 1000)
    monkeypatch.chdir(tmp_path)
    assert main(["train", *arguments]) == 1
    assert words in capsys.readouterr().err
