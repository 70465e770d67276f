"""Vectors of words: which are alike, their files, the questions, phrases, in networks, what is refused; beside gensim."""
import gzip
import itertools
import pickle
import struct
import sys
from pathlib import Path

import numpy as np
import pytest

import cdl
from cdl.io.errors import FileFormatError
from cdl.text import Phrases, Word2Vec, WordVectors

RNG = np.random.default_rng(0)


def topics(count=400, seed=0):
    """Sentences of two topics that share no words."""
    rng = np.random.default_rng(seed)
    groups = [[f"{name}{i}" for i in range(8)] for name in ("red", "blue")]
    return [list(rng.choice(groups[i % 2], 10)) for i in range(count)]


# --- vectors ----------------------------------------------------------------------------------------------------------
@pytest.fixture
def vectors():
    rng = np.random.default_rng(1)
    return WordVectors.from_arrays([f"w{i}" for i in range(50)], rng.normal(size=(50, 7)))


def test_the_words_most_alike(vectors):
    unit = vectors.vectors / np.linalg.norm(vectors.vectors, axis=1, keepdims=True)
    mean = unit[3] + 2 * unit[4] - unit[5]
    cosines = unit @ mean / np.linalg.norm(mean)
    order = [i for i in np.argsort(-cosines) if i not in (3, 4, 5)]
    got = vectors.most_similar(["w3", ("w4", 2.0)], ["w5"], topn=6)
    assert [word for word, _ in got] == [f"w{i}" for i in order[:6]]
    np.testing.assert_allclose([c for _, c in got], cosines[order[:6]], rtol=1e-5)
    np.testing.assert_allclose(vectors.most_similar(["w3", ("w4", 2.0)], "w5", topn=None), cosines, atol=1e-6)
    assert len(vectors.most_similar("w3", topn=1000)) == 49 and vectors.most_similar("w3", topn=0) == []
    assert all(int(word[1:]) < 10 for word, _ in vectors.most_similar("w3", restrict_vocab=10))
    assert vectors.similar_by_vector(vectors["w9"])[0][0] == "w9"
    assert vectors.similarity("w1", "w2") == pytest.approx(float(unit[1] @ unit[2]), abs=1e-6)
    assert vectors.distance("w1", "w1") == pytest.approx(0, abs=1e-6)
    assert vectors.n_similarity(["w1", "w2"], ["w2", "w1"]) == pytest.approx(1)
    assert vectors.doesnt_match(["w1", "unknown", "w2"]) in {"w1", "w2"}
    with pytest.raises(ValueError, match="at least one word"):
        vectors.most_similar()
    with pytest.raises(ValueError, match="none of the words"):
        vectors.doesnt_match(["x"])


def test_an_unknown_word_names_the_nearest():
    wv = WordVectors.from_arrays(["Paris", "London", "rome"], np.eye(3))
    for ask in (lambda: wv["paris"], lambda: wv.similarity("rome", "paris"), lambda: wv.most_similar("paris")):
        with pytest.raises(KeyError, match="'paris' is not in the vocabulary of 3 words; the nearest spelling is 'Paris'"):
            ask()
    with pytest.raises(KeyError, match=r"not in the vocabulary of 3 words$"):
        wv["zzzzzzzz"]
    with pytest.raises(KeyError):
        wv[["rome", "lodnon"]]


def test_words_twice_and_shapes():
    with pytest.raises(ValueError, match="1 of the 2 words are there twice"):
        WordVectors.from_arrays(["a", "a"], np.eye(2))
    with pytest.raises(ValueError, match=r"expected vectors of shape \(1, size\)"):
        WordVectors.from_arrays(["a"], np.eye(2))


# --- files ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["v.bin", "v.txt", "v.bin.gz", "v.txt.gz"])
def test_files_bring_back_the_same_bits(tmp_path, name):
    words = ["a", "Zoë", "中文", "1", "-2.5", "nan", "x" * 300]
    wv = WordVectors.from_arrays(words, RNG.normal(size=(7, 5)).astype(np.float32) * 10.0 ** RNG.integers(-30, 30, (7, 1)))
    wv.save_word2vec_format(tmp_path / name)
    for binary in (None, ".bin" in name):
        read = WordVectors.load_word2vec_format(tmp_path / name, binary=binary)
        assert read.index_to_key == words
        np.testing.assert_array_equal(read.vectors, wv.vectors)
    assert WordVectors.load_word2vec_format(tmp_path / name, limit=2).index_to_key == ["a", "Zoë"]


def test_a_word_with_a_space_is_not_written(tmp_path):
    with pytest.raises(ValueError, match="the word 'new york' has a blank"):
        WordVectors.from_arrays(["new york"], np.eye(1)).save_word2vec_format(tmp_path / "v.txt")
    assert list(tmp_path.iterdir()) == []


ROW = struct.pack("<3f", 1, 2, 3)


@pytest.mark.parametrize("content, message", [
    (b"", "expected the numbers of words and of elements in the first line, got b''"),
    (b"two three\n", "expected the numbers"),
    (b"\x89PNG\r\n", "expected the numbers"),
    (b"99999999999 300\nword 1", "99999999999 words of 300 numbers: at most"),
    (b"2 99999999\nword 1", "at most"),
    (b"1000000000 300\nword 1 2", "its first line promises 1000000000 words of 300 numbers, at least"),
    (b"2 3\na 1 2 3\n", "its first line promises 2 words|it ends after 1 words"),
    (b"2 3\na 1 2 3\nb 1 2\n", "line 3: expected a word and 3 numbers"),
    (b"2 3\na 1 2 3\nb 1 x 3\n", "line 3: expected a word and 3 numbers"),
    (b"2 3\na " + ROW + b"\nb " + ROW[:7], "it ends in the vector of word 1|its first line promises"),
    (b"2 3\na " + ROW + b"\n" + b"b" * 40, "it ends after 1 words"),
    (b"1 3\n\xff " + ROW + b"\n", "is no UTF-8"),
    (b"2 3\na 1 2 3\na 1 2 3\n", "there twice"),
])
@pytest.mark.parametrize("compress", [False, True])
def test_broken_files(tmp_path, content, message, compress):
    path = tmp_path / ("v.gz" if compress else "v")
    path.write_bytes(gzip.compress(content) if compress else content)
    if compress and "promises" in message and "|" not in message:
        message = "expected a word and|it ends"
    with pytest.raises(FileFormatError, match=message):
        WordVectors.load_word2vec_format(path)


def test_a_compressed_file_that_is_cut_off(tmp_path):
    (tmp_path / "v.gz").write_bytes(gzip.compress(b"2 9\n" + RNG.bytes(90).replace(b"\n", b""))[:40])
    with pytest.raises(FileFormatError):
        WordVectors.load_word2vec_format(tmp_path / "v.gz")
    (tmp_path / "v.gz").write_bytes(b"2 3\na 1 2 3\n")
    with pytest.raises(FileFormatError, match="a gzipped file"):
        WordVectors.load_word2vec_format(tmp_path / "v.gz")


# --- judged by people -------------------------------------------------------------------------------------------------
def test_analogies(tmp_path):
    words = ["king", "queen", "man", "woman", "Paris", "France", "Rome", "Italy"]
    rows = np.zeros((8, 6))
    rows[:4, 0], rows[[0, 1], 1], rows[[1, 3], 2] = 1, 1, 1
    rows[4:, 3], rows[[4, 6], 4], rows[[6, 7], 5] = 1, 1, 1
    path = tmp_path / "questions"
    path.write_text(": family\nman king woman queen\nMan King woman KING\n\n: capital\nFrance Paris Italy rome\na b c d\n")
    score, sections = WordVectors.from_arrays(words, rows).evaluate_word_analogies(path)
    assert score == pytest.approx(2 / 3)
    assert [len(s["correct"]) for s in sections] == [1, 1, 2] and sections[0]["incorrect"] == [("MAN", "KING", "WOMAN", "KING")]
    score, sections = WordVectors.from_arrays(words, rows).evaluate_word_analogies(path, case_insensitive=False)
    assert [len(s["correct"]) for s in sections] == [1, 0, 1]
    path.write_text(": family\na b c\n")
    with pytest.raises(ValueError, match="line 2 has 3 words"):
        WordVectors.from_arrays(words, rows).evaluate_word_analogies(path)


def test_pairs(tmp_path, vectors):
    path = tmp_path / "pairs.tsv"
    rows = [(f"w{i}", f"W{i + 1}", 10 * vectors.similarity(f"w{i}", f"w{i + 1}") ** 3) for i in range(30)]
    path.write_text("word\tword\tscore\n# comment\n" + "".join(f"{a}\t{b}\t{s:.6f}\n" for a, b, s in rows) + "w1\tzz\t3\n")
    pearson, spearman, unknown = vectors.evaluate_word_pairs(path)
    assert spearman.statistic == pytest.approx(1) and 0.5 < pearson.statistic < 1 and pearson.pvalue < 0.01
    assert unknown == pytest.approx(100 / 31)
    path.write_text("a b 3\n")
    with pytest.raises(ValueError, match="line 1: expected two words and a number"):
        vectors.evaluate_word_pairs(path)
    path.write_text("a\tb\t3\n")
    with pytest.raises(ValueError, match="0 of its pairs have known words"):
        vectors.evaluate_word_pairs(path)


# --- phrases ----------------------------------------------------------------------------------------------------------
def test_phrases():
    sentences = [["in", "new", "york", "and", "out", "of", "new", "york"], ["statue", "of", "liberty"],
                 ["york", "in", "new"]] * 10
    phrases = Phrases(sentences, min_count=5, threshold=0.15, connector_words=["of", "and"])
    assert phrases[["a", "new", "york", "new"]] == ["a", "new_york", "new"]
    assert phrases[["the", "statue", "of", "liberty"]] == ["the", "statue_of_liberty"]
    assert list(phrases[sentences])[1] == ["statue_of_liberty"]
    assert phrases[[]] == []
    plain = Phrases(sentences, min_count=5)
    pairs = {pair for line in sentences for pair in itertools.pairwise(line)}
    assert plain.score(("new", "york")) == pytest.approx((20 - 5) / 30 / 30 * (8 + len(pairs)))
    assert plain.score(("york", "york")) == 0 and plain.find_phrases() == {}
    model = Word2Vec(phrases[sentences], vector_size=4, min_count=1, epochs=1)
    assert "statue_of_liberty" in model.wv
    with pytest.raises(ValueError, match="min_count must be above 0"):
        Phrases(min_count=0)


# --- in a network -----------------------------------------------------------------------------------------------------
def test_vectors_in_a_network(tmp_path, vectors):
    layer = cdl.Embedding.from_word2vec(vectors)
    np.testing.assert_array_equal(layer([3, 1]).data, vectors[["w3", "w1"]])
    layer = cdl.Embedding.from_word2vec(vectors, ["[PAD]", "w7", "w2"], freeze=True, rng=0)
    np.testing.assert_array_equal(layer([1, 2]).data, vectors[["w7", "w2"]])
    assert layer.frozen and np.abs(layer([0]).data).max() > 0
    vectors.save_word2vec_format(tmp_path / "v.bin")
    np.testing.assert_array_equal(cdl.Embedding.from_word2vec(tmp_path / "v.bin")([5]).data[0], vectors["w5"])
    with pytest.raises(ValueError, match="none of the 1 words has a vector"):
        cdl.Embedding.from_word2vec(vectors, ["x"])


def test_the_picture_of_neighbours(vectors):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("agg")
    picture = cdl.plot.word_neighbours(vectors, ["w1", "w2"], most=4)
    assert picture.array[:2].shape == (2, 2) and 6 <= len(picture.array) <= 10
    labels = [text.get_text() for text in picture.figure.axes[0].texts]
    assert labels[:2] == ["w1", "w2"] and set(labels) >= {word for word, _ in vectors.most_similar("w1", topn=4)}
    with pytest.raises(KeyError, match="nearest spelling"):
        cdl.plot.word_neighbours(vectors, "w99")
    with pytest.raises(ValueError, match="at least one word"):
        cdl.plot.word_neighbours(vectors, [])
    matplotlib.pyplot.close("all")


def test_the_command(tmp_path, capsys):
    from cdl.cli import main

    path = tmp_path / "text.txt"
    path.write_text("\n".join(" ".join(line) for line in topics()))
    out = tmp_path / "v.bin"
    assert main(["word2vec", str(path), "--out", str(out), "--size", "12", "--deterministic", "--phrases", "1000"]) == 0
    said = capsys.readouterr().out
    assert "4,000 words in 400 sentences; 16 different ones" in said and "words/s" in said and "16 vectors of 12" in said
    assert len(WordVectors.load_word2vec_format(out)) == 16
    assert main(["word2vec", str(tmp_path / "missing")]) == 1
    assert main(["word2vec", str(path), "--out", str(tmp_path / "no" / "v.bin")]) == 1
    assert "there is no such folder" in capsys.readouterr().err
    before = path.read_bytes()
    assert main(["word2vec", str(path), "--out", str(path)]) == 1
    assert "is the text itself" in capsys.readouterr().err and path.read_bytes() == before
    for option in ("--workers", "0"), ("--seed", str(1 << 64)):
        assert main(["word2vec", str(path), "--out", str(out), *option]) == 1
        assert f"{option[0][2:]} must be" in capsys.readouterr().err


# --- beside gensim ----------------------------------------------------------------------------------------------------
def test_gensim_reads_and_writes_the_same(tmp_path, vectors):
    keyed = pytest.importorskip("gensim.models").KeyedVectors
    for binary in (True, False):
        vectors.save_word2vec_format(tmp_path / "v", binary=binary)
        theirs = keyed.load_word2vec_format(str(tmp_path / "v"), binary=binary)
        assert theirs.index_to_key == vectors.index_to_key
        np.testing.assert_array_equal(theirs.vectors, vectors.vectors)
        theirs.save_word2vec_format(str(tmp_path / "w"), binary=binary)
        ours = WordVectors.load_word2vec_format(tmp_path / "w")
        np.testing.assert_array_equal(ours.vectors, vectors.vectors)
        for a, b in (theirs.most_similar("w1"), ours.most_similar("w1")), (theirs.most_similar(["w1"], ["w2"]),
                                                                           ours.most_similar(["w1"], ["w2"])):
            assert [word for word, _ in a] == [word for word, _ in b]
            np.testing.assert_allclose([c for _, c in a], [c for _, c in b], rtol=1e-4)
        assert theirs.doesnt_match(["w1", "w2", "w3"]) == ours.doesnt_match(["w1", "w2", "w3"])


def test_gensim_judges_the_same(tmp_path):
    keyed = pytest.importorskip("gensim.models").KeyedVectors
    from gensim.test.utils import datapath

    pairs, questions = (Path(datapath(name)).read_text(encoding="utf-8").splitlines()
                        for name in ("wordsim353.tsv", "questions-words.txt"))
    words = [line.split("\t")[:2] for line in pairs if line[0] != "#"]
    lines = [line.split() for line in questions if line[0] != ":"][::40]
    names = list(dict.fromkeys([w.strip() for line in words for w in line] + [w for line in lines for w in line]))
    ours = WordVectors.from_arrays(names, np.random.default_rng(0).normal(size=(len(names), 3)))
    ours.save_word2vec_format(tmp_path / "v.bin")
    theirs = keyed.load_word2vec_format(str(tmp_path / "v.bin"), binary=True)
    pearson, spearman, unknown = ours.evaluate_word_pairs(datapath("wordsim353.tsv"))
    wanted = theirs.evaluate_word_pairs(datapath("wordsim353.tsv"))
    assert (pearson.statistic, spearman.statistic, unknown) == pytest.approx((wanted[0][0], wanted[1][0], wanted[2]), abs=1e-5)
    assert (pearson.pvalue, spearman.pvalue) == pytest.approx((wanted[0][1], wanted[1][1]), rel=0.02)
    score, sections = ours.evaluate_word_analogies(datapath("questions-words.txt"))
    their_score, their_sections = theirs.evaluate_word_analogies(datapath("questions-words.txt"))
    assert score == pytest.approx(their_score) and len(sections) == len(their_sections)


def test_gensim_finds_the_same_phrases():
    theirs = pytest.importorskip("gensim.models.phrases").Phrases
    rng = np.random.default_rng(0)
    sentences = [[f"w{int(i)}" for i in rng.zipf(1.5, 20) if i < 60] for _ in range(300)]
    for options in ({"min_count": 2, "threshold": 0.3},
                    {"min_count": 3, "threshold": 0.5, "connector_words": frozenset({"w1"})}):
        ours, other = Phrases(sentences, **options), theirs(sentences, **options)
        assert [ours[line] for line in sentences] == [list(other[line]) for line in sentences]


def test_the_report_on_quality(tmp_path, capsys):
    from cdl.bench.word_quality import main

    path, pairs = tmp_path / "text", tmp_path / "pairs"
    path.write_text("\n".join(" ".join(line) for line in topics()))
    pairs.write_text("".join(f"red{i}\tred{i + 1}\t9\nred{i}\tblue{i + 1}\t1\n" for i in range(6)))
    arguments = ["--corpus", str(path), "--seeds", "2", "--epochs", "10", "--peers", "cdl", "--pairs", str(pairs)]
    assert main(arguments) == 0
    said = capsys.readouterr().out
    assert "cdl  seed 2" in said and "cdl  Spearman: mean 0." in said and "peak: mean" in said
    assert main([*arguments, "--python", sys.executable, "--corpus", str(tmp_path / "missing")]) == 1
    assert "missing" in capsys.readouterr().err


@pytest.mark.parametrize("content, message", [
    (b"2 3\ncat 9 1 0 0.5\ndog 9 1 0 0.25\n", "line 2: expected a word and 3 numbers, parted by a blank each, got 5 parts"),
    (b"1 2\n 1 2\n", "line 2: expected a word and 2 numbers"), (b"1 2\na 1_0 2\n", "line 2: expected a word and 2 numbers"),
    (b"2 2\na nan 1\nb 1 2\n", "the vector of word 0 holds a number that is not finite"),
    (b"2 2\na 1 1\nb 1e400 2\n", "the vector of word 1 holds"),
    (b"2 1\ncat 1\ncat 2\n", "the word 'cat' is there twice, as number 0 and 1")])
def test_lines_that_say_something_else(content, message, tmp_path):
    (tmp_path / "v.txt").write_bytes(content)
    with pytest.raises(FileFormatError, match=message):
        WordVectors.load_word2vec_format(tmp_path / "v.txt", binary=False)


def test_of_words_that_become_the_same_the_first_is_kept(tmp_path):
    (tmp_path / "v.txt").write_bytes(b"3 1\n\xff 1\na 2\n\xfe 3\n")
    wv = WordVectors.load_word2vec_format(tmp_path / "v.txt", errors="replace")
    assert wv.index_to_key == ["\ufffd", "a"] and wv.vectors.tolist() == [[1], [2]]


def test_an_unknown_word_goes_through_pickle():
    with pytest.raises(KeyError) as found:
        WordVectors.from_arrays(["cat"], [[1.0]])["cta"]
    assert str(pickle.loads(pickle.dumps(found.value))) == str(found.value)


def test_n_similarity_is_of_the_means():
    wv = WordVectors.from_arrays(["a", "b", "c"], [[4.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    assert wv.n_similarity(["a", "b"], ["c"]) == pytest.approx(2.5 / np.hypot(2, 0.5) / np.sqrt(2))


def test_rows_of_an_embedding_without_anything_to_draw():
    import cdl
    wv = WordVectors.from_arrays(["a"], [[2.0]])
    assert cdl.Embedding.from_word2vec(wv).weight.numpy().tolist() == [[2.0]]
    assert np.isfinite(cdl.Embedding.from_word2vec(wv, ["[PAD]", "a"], rng=0).weight.numpy()).all()
    with pytest.raises(TypeError, match="words must be a list of them, got the string 'ab'"):
        cdl.Embedding.from_word2vec(wv, "ab")
