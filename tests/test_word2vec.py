"""Word2Vec: one step against the formula, reading against str.split, the files, the questions, what is refused."""
import gzip
import math
import struct
from collections import Counter

import numpy as np
import pytest

import cdl
from cdl._core.word2vec import WordTable
from cdl.io.errors import FileFormatError
from cdl.text import LineSentence, Phrases, Word2Vec, WordVectors, corpus
from cdl.text.word_counts import huffman, keep_limits, noise

RNG = np.random.default_rng(0)
SPACES = [" ", "\t", "  ", "\r", "\v", "\f", "\x1c", "\x1f", "\x85", "\xa0", "\u1680", "\u2000", "\u200a", "\u2028",
          "\u2029", "\u202f", "\u205f", "\u3000"]


def topics(count=400, seed=0):
    """Sentences of two topics that share no words."""
    rng = np.random.default_rng(seed)
    groups = [[f"{name}{i}" for i in range(8)] for name in ("red", "blue")]
    return [list(rng.choice(groups[i % 2], 10)) for i in range(count)]


# --- reading ----------------------------------------------------------------------------------------------------------
def mixed_text():
    letters = ["a", "b", "Zoë", "中文", "é", "\u200b", "😀", "\xa1", "\u1681", "\u2010", "\u3001", "\u2030", "\u2060"]
    parts = [str(RNG.choice(letters)) if RNG.random() < 0.6 else str(RNG.choice([*SPACES, "\n"])) for _ in range(4000)]
    return "".join(parts)


@pytest.mark.parametrize("block", [3, 64, 1 << 20])
@pytest.mark.parametrize("ending", ["txt", "txt.gz", "txt.bz2", "txt.xz"])
def test_a_file_is_split_as_strings_are(tmp_path, monkeypatch, block, ending):
    monkeypatch.setattr(corpus, "BLOCK", block)
    text = mixed_text()
    path = tmp_path / f"a.{ending}"
    with corpus.OPENERS.get(path.suffix, open)(path, "wb") as file:
        file.write(text.encode())
    sentences = LineSentence(path)
    lines = [line.split() for line in text.split("\n")]
    assert list(sentences) == [line for line in lines if line]
    words, counts, _ = sentences.count()
    wanted = Counter(word for line in lines for word in line)
    assert dict(zip(words, counts.tolist(), strict=True)) == dict(wanted)
    index = corpus.WordIndex(words[::2])
    numbers = np.concatenate([ids for ids, _ in sentences.numbered(index)])
    assert numbers[numbers >= 0].tolist() == [index.numbers[w] for line in lines for w in line if w in index.numbers]


def test_a_line_longer_than_a_block_is_one_sentence_to_readers(tmp_path, monkeypatch):
    monkeypatch.setattr(corpus, "BLOCK", 16)
    (tmp_path / "a").write_text("word " * 40 + "\nnext")
    assert list(LineSentence(tmp_path / "a")) == [["word"] * 40, ["next"]]


def test_the_table_keeps_many_words():
    words = [f"{i:x}" for i in range(30_000)]
    table = WordTable()
    assert table.count((" ".join(words) + "\n" + " ".join(words[:10])).encode()) == (30_010, 2)
    assert len(table) == 30_000
    found, counts = table.words()
    assert [word.decode() for word in found] == words and counts[:11] == [2] * 10 + [1]
    assert len(table.words(2)[0]) == 10
    again = WordTable(found)
    ids, read = again.encode(b"1f nothing 2\n\n\n2")
    assert ids.tolist() == [0x1F, 2, -1, 2, -1] and read == 4


def test_sentences_in_memory_are_numbered_as_files_are(tmp_path):
    sentences = topics(50)
    (tmp_path / "a").write_text("\n".join(" ".join(line) for line in sentences))
    file, memory = LineSentence(tmp_path / "a"), corpus.corpus_of(sentences)
    once = corpus.corpus_of(iter(sentences))
    a, b, c = file.count(), memory.count(), once.count()
    assert a[0] == b[0] == c[0] and a[1].tolist() == b[1].tolist() == c[1].tolist() and a[2] == b[2] == c[2] == 50
    index = corpus.WordIndex(a[0][3:])
    parts = [np.concatenate([ids for ids, _ in one.numbered(index)]).tolist() for one in (file, memory, once)]
    assert parts[0] == parts[1] == parts[2]


def test_bytes_that_are_no_text(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"one tw\xff\xfeo three\n")
    with pytest.raises(ValueError, match=r"a\.txt: byte 0xff at 6 is no UTF-8"):
        list(LineSentence(path))
    assert list(LineSentence(path, errors="replace")) == [["one", "tw��o", "three"]]
    assert list(LineSentence(path, errors="ignore")) == [["one", "two", "three"]]
    assert LineSentence(path, errors="ignore", lowercase=True).count()[0] == ["one", "two", "three"]
    with pytest.raises(ValueError, match="errors must be"):
        LineSentence(path, errors="guess")


# --- counts -----------------------------------------------------------------------------------------------------------
def test_noise_draws_in_proportion():
    counts = RNG.integers(1, 1000, 300)
    threshold, alias = noise(counts, 0.75)
    share = np.zeros(300)
    np.add.at(share, np.arange(300), threshold / 2.0**32)
    np.add.at(share, alias, 1 - threshold / 2.0**32)
    weight = counts**0.75
    np.testing.assert_allclose(share / 300, weight / weight.sum(), rtol=1e-6)


def test_frequent_words_are_thinned_out():
    counts = np.array([10_000, 1_000, 10, 1])
    limits = keep_limits(counts, 1e-2)
    limit = 1e-2 * counts.sum()
    share = np.minimum(np.sqrt(limit / counts) + limit / counts, 1)
    np.testing.assert_allclose(limits / 2.0**32, share, rtol=1e-6)
    assert keep_limits(counts, 0) is None


def test_the_tree_is_huffmans():
    counts = np.sort(RNG.integers(1, 500, 60))[::-1]
    first, nodes, turns = huffman(counts)
    codes = ["".join(str(int(t)) for t in turns[a:b]) for a, b in zip(first, first[1:], strict=False)]
    assert len(set(codes)) == 60
    assert not any(a != b and b.startswith(a) for a in codes for b in codes)
    assert sum(2.0 ** -len(code) for code in codes) == 1
    assert (nodes[first[:-1]] == 58).all()       # every way begins at the root, the last node made
    heap = sorted(counts.tolist())               # the shortest possible sum of lengths
    least = 0
    while len(heap) > 1:
        a, b, *heap = heap
        least += a + b
        heap = sorted([*heap, a + b])
    assert sum(int(n) * len(code) for n, code in zip(counts, codes, strict=True)) == least
    for few in (1, 2):
        first, nodes, turns = huffman(np.arange(few) + 1)
        assert len(nodes) == len(turns) == first[-1] == 2 * (few - 1)


# --- training against the formula -------------------------------------------------------------------------------------
class Draws:
    """splitmix64 as the core draws from it for the first task."""

    def __init__(self, seed):
        self.state = (seed + 1) * 0xD1342543DE82EF95 % 2**64
        self.next()

    def next(self):
        self.state = (self.state + 0x9E3779B97F4A7C15) % 2**64
        z = self.state
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB % 2**64
        return z ^ (z >> 31)


def by_formula(model, sentences, rate, inner, outer, tree):
    """One pass over the sentences in float64, the draws taken in the core's order; the tables are changed in place."""
    draws, words = Draws(model.seed), len(model.wv)

    def window(centre):
        bits = draws.next() if model.shrink_windows else 0
        reach = model.window - (bits >> 32) * model.window // 2**32
        rows = [centre]
        for _ in range(model.negative):
            bits = draws.next()
            word = (bits >> 32) * words // 2**32
            word = word if bits % 2**32 < model._noise[0][word] else model._noise[1][word]
            rows += [word] if word != centre else []
        return reach, rows

    def step(x, dx, y_table, rows, target):
        y = y_table[rows]
        g = rate * (target - 1 / (1 + np.exp(-x @ y.T)))
        np.add.at(y_table, rows, g.T @ x)
        return dx + g @ y

    for sentence in sentences:
        ids, ahead = [model.wv.key_to_index[word] for word in sentence], []
        for i, centre in enumerate(ids):
            ahead += [window(one) for one in ids[len(ahead):i + 2]]
            reach, rows = ahead[i]
            context = [ids[k] for k in range(max(i - reach, 0), min(i + reach + 1, len(ids))) if k != i]
            if not context:
                continue
            a, b = model._paths[0][centre:centre + 2] if model.hs else (0, 0)
            tasks = [(outer, rows, np.arange(len(rows)) == 0)] if model.negative else []
            tasks += [(tree, model._paths[1][a:b], model._paths[2][a:b])] if model.hs else []
            if model.sg:
                for table, nodes, target in tasks:
                    x = inner[context]
                    np.add.at(inner, context, step(x, 0, table, nodes, target))
            else:
                x = inner[context].sum(axis=0, keepdims=True) / (len(context) if model.cbow_mean else 1)
                pull = 0
                for table, nodes, target in tasks:
                    pull = step(x, pull, table, nodes, target)
                np.add.at(inner, context, np.repeat(pull / (1 if model.cbow_mean else len(context)), len(context), 0))


@pytest.mark.parametrize("sg", [1, 0])
@pytest.mark.parametrize("options", [{"negative": 5}, {"negative": 0, "hs": 1}, {"negative": 3, "hs": 1, "window": 2},
                                     {"negative": 1, "shrink_windows": False, "cbow_mean": 0}], ids=str)
def test_a_pass_is_the_formula(sg, options):
    sentences = topics(12)
    model = Word2Vec(sg=sg, vector_size=20, min_count=1, sample=0, seed=7, **options)
    model.build_vocab(sentences)
    for table in (model._inner, model._outer, model._tree):
        if table is not None:
            table[:, :20] = RNG.normal(0, 0.4, (len(table), 20))
    wanted = [None if t is None else t[:, :20].astype(np.float64) for t in (model._inner, model._outer, model._tree)]
    model.train(sentences, epochs=1, start_alpha=0.1, end_alpha=0.1)
    by_formula(model, sentences, 0.1, *wanted)
    for got, want in zip((model._inner, model._outer, model._tree), wanted, strict=True):
        if got is not None:
            assert np.abs(got[:, :20] - want).max() < 2e-5       # float32 sums over 120 steps
            assert (got[:, 20:] == 0).all()


def test_more_negatives_and_contexts_than_a_step_takes():
    sentences = topics(60)
    model = Word2Vec(sentences, vector_size=8, window=12, shrink_windows=False, negative=70, min_count=1, epochs=5)
    assert model.wv.similarity("red0", "red1") > model.wv.similarity("red0", "blue1")


@pytest.mark.parametrize("options", [{"sg": 1}, {"sg": 0}, {"sg": 1, "negative": 0, "hs": 1}, {"sg": 0, "negative": 0, "hs": 1}],
                         ids=str)
def test_words_of_a_topic_are_alike(options):
    for seed in range(3):
        wv = Word2Vec(topics(), vector_size=16, min_count=1, sample=0, epochs=10, seed=seed, **options).wv
        assert {word[:3] for word, _ in wv.most_similar("red0", topn=7)} == {"red"}
        assert wv.doesnt_match(["red1", "red2", "blue3", "red4"]) == "blue3"


def test_the_same_vectors_for_any_number_of_workers(tmp_path):
    sentences = topics(3000)
    (tmp_path / "a").write_text("\n".join(" ".join(line) for line in sentences))
    made = [Word2Vec(sentences, vector_size=12, epochs=2, workers=workers, deterministic=True).wv.vectors
            for workers in (1, 2, 3)]
    made.append(Word2Vec(sentences, vector_size=12, epochs=2, workers=1).wv.vectors)
    made.append(Word2Vec(corpus_file=tmp_path / "a", vector_size=12, epochs=2, deterministic=True).wv.vectors)
    made.append(Word2Vec(iter(sentences), vector_size=12, epochs=2, deterministic=True).wv.vectors)
    for other in made[1:]:
        np.testing.assert_array_equal(made[0], other)
    assert not np.array_equal(made[0], Word2Vec(sentences, vector_size=12, epochs=2, workers=1, seed=2).wv.vectors)


@pytest.mark.parametrize("options", [{}, {"sg": 0}, {"hs": 1, "negative": 0}, {"negative": 31}, {"sg": 0, "cbow_mean": 0}], ids=str)
@pytest.mark.parametrize("words", [["a"], ["a", "b"], ["a", "b", "c"]], ids=len)
def test_nothing_becomes_nan(options, words):
    sentences = [[*(words * 20)]] * 200
    model = Word2Vec(sentences, vector_size=4, window=10, min_count=1, sample=0, alpha=0.1, min_alpha=0.1, epochs=3, **options)
    assert np.isfinite(model.wv.vectors).all()


# --- the vocabulary, training on --------------------------------------------------------------------------------------
def test_rare_words_and_the_rest():
    model = Word2Vec([["a"] * 5 + ["b"] * 4 + ["c"] * 4 + ["d"]] * 2, min_count=3, epochs=1)
    assert model.wv.index_to_key == ["a", "b", "c"] and model.wv.counts.tolist() == [10, 8, 8]
    model = Word2Vec([["a"] * 5 + ["b"] * 4 + ["c"] * 4 + ["d"]], min_count=1, max_final_vocab=2, epochs=1)
    assert model.wv.index_to_key == ["a", "b"]


def test_more_words_later():
    model = Word2Vec(topics(), vector_size=12, min_count=2)
    before = model.wv["red0"]
    more = [["green1", "green2", "red0"]] * 30
    model.build_vocab(more, update=True)
    assert model.wv.index_to_key[-2:] == ["green1", "green2"] and model.wv.counts[-1] == 30
    np.testing.assert_array_equal(model.wv["red0"], before)
    assert np.abs(model._outer[:16]).max() > 0 and (model._outer[16:] == 0).all()
    words, read = model.train(more, epochs=3)
    assert words == read == 270
    assert not np.array_equal(model.wv["red0"], before)
    assert model.train([["nothing", "known"]], epochs=1) == (0, 2)


def test_the_line_of_an_epoch(capsys):
    Word2Vec(topics(), vector_size=8, epochs=2, verbose=True)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 and lines[0].startswith("epoch 1/2  4000") and "words/s" in lines[1]


# --- what is refused --------------------------------------------------------------------------------------------------
def test_a_string_is_no_list_of_sentences():
    with pytest.raises(TypeError, match="expected sentences, lists of words, got a string, 'the cat'; a file is given as"):
        Word2Vec("the cat")
    for given in (["the cat", "sat"], iter(["the cat", "sat"]), ("the cat" for _ in range(2))):
        with pytest.raises(TypeError, match="a sentence is a list of words.*'the cat': split it first"):
            Word2Vec(given)
    with pytest.raises(TypeError, match="a string is a list of its letters"):
        Phrases(["the cat"])


@pytest.mark.parametrize("given, message", [
    ([], "the corpus has no words"),
    ([[], []], "the corpus has no words"),
    (iter([]), "the corpus has no words"),
    ([["rare", "words", "rare"]], "none of the 2 words comes min_count = 5 times; the most frequent, 'rare', comes 2 times"),
])
def test_too_little_text(given, message):
    with pytest.raises(ValueError, match=message):
        Word2Vec(given)


def test_empty_files(tmp_path):
    (tmp_path / "a").write_text(" \n\n")
    with pytest.raises(ValueError, match="the corpus has no words"):
        Word2Vec(corpus_file=tmp_path / "a")
    with pytest.raises(FileNotFoundError):
        Word2Vec(corpus_file=tmp_path / "b")


@pytest.mark.parametrize("options, error, message", [
    ({"vector_size": 0}, ValueError, "vector_size must be 1 or more, got 0"),
    ({"window": 0}, ValueError, "window must be 1 to 1000, got 0"),
    ({"window": 2.5}, TypeError, "window must be an integer, got 2.5"),
    ({"negative": -1}, ValueError, "negative must be 0 or more"),
    ({"negative": 0}, ValueError, "leave nothing to train"),
    ({"alpha": math.nan}, ValueError, "the learning rates must be positive"),
    ({"alpha": 0}, ValueError, "the learning rates must be positive"),
    ({"sample": -1}, ValueError, "sample must be 0 or more"),
    ({"workers": 0}, ValueError, "workers must be 1 or more"),
])
def test_options_out_of_range(options, error, message):
    with pytest.raises(error, match=message):
        Word2Vec(**options)


def test_other_things_that_are_no_text():
    with pytest.raises(TypeError, match="words are strings, got 3"):
        Word2Vec([[3, 3, 3, 3, 3]])
    with pytest.raises(TypeError, match="expected sentences, lists of words, got int"):
        Word2Vec(5)
    with pytest.raises(TypeError, match="either sentences or corpus_file"):
        Word2Vec([["a"]], corpus_file="b")
    with pytest.raises(RuntimeError, match="call build_vocab first"):
        Word2Vec().train([["a"]])


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
        with pytest.raises(KeyError, match="the word 'paris' is not in the vocabulary of 3 words; the nearest spelling is 'Paris'"):
            ask()
    with pytest.raises(KeyError, match="not in the vocabulary of 3 words$"):
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
    with pytest.raises(ValueError, match="the word 'new york' has white space in it"):
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
    (b"2 3\na 1 2 3\nb 1 2\n", "line 3 has 2 numbers, expected 3"),
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
    expected = FileFormatError if "twice" not in message else ValueError
    if compress and "promises" in message and "|" not in message:
        message = "has 1 numbers|has 2 numbers|it ends"
    with pytest.raises(expected, match=message):
        WordVectors.load_word2vec_format(path)


def test_a_compressed_file_that_is_cut_off(tmp_path):
    (tmp_path / "v.gz").write_bytes(gzip.compress(b"2 3\na 1 2 3\nb 1 2 3\n" * 50)[:30])
    with pytest.raises(FileFormatError):
        WordVectors.load_word2vec_format(tmp_path / "v.gz")
    (tmp_path / "v.gz").write_bytes(b"2 3\na 1 2 3\n")
    with pytest.raises(FileFormatError, match="ot a gzipped file"):
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
    sentences = [["in", "new", "york", "and", "out", "of", "new", "york"], ["statue", "of", "liberty"], ["york", "in", "new"]] * 10
    phrases = Phrases(sentences, min_count=5, threshold=0.5, connector_words=["of", "and"])
    assert phrases[["a", "new", "york", "new"]] == ["a", "new_york", "new"]
    assert phrases[["the", "statue", "of", "liberty"]] == ["the", "statue_of_liberty"]
    assert list(phrases[sentences])[1] == ["statue_of_liberty"]
    assert phrases[[]] == []
    plain = Phrases(sentences, min_count=5, threshold=0.5)
    assert plain.score(("new", "york")) == pytest.approx((20 - 5) / 30 / 30 * 7)
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

    words = [line.split("\t")[:2] for line in open(datapath("wordsim353.tsv"), encoding="utf-8") if line[0] != "#"]
    lines = [line.split() for line in open(datapath("questions-words.txt"), encoding="utf-8") if line[0] != ":"][::40]
    names = list(dict.fromkeys([w.strip() for line in words for w in line] + [w for line in lines for w in line]))
    ours = WordVectors.from_arrays(names, np.random.default_rng(0).normal(size=(len(names), 3)))
    ours.save_word2vec_format(tmp_path / "v.bin")
    theirs = keyed.load_word2vec_format(str(tmp_path / "v.bin"), binary=True)
    (_, a), (_, b), c = theirs.evaluate_word_pairs(datapath("wordsim353.tsv"))[0], \
        theirs.evaluate_word_pairs(datapath("wordsim353.tsv"))[1], theirs.evaluate_word_pairs(datapath("wordsim353.tsv"))[2]
    pearson, spearman, unknown = ours.evaluate_word_pairs(datapath("wordsim353.tsv"))
    wanted = theirs.evaluate_word_pairs(datapath("wordsim353.tsv"))
    assert (pearson.statistic, spearman.statistic, unknown) == pytest.approx((wanted[0][0], wanted[1][0], wanted[2]), abs=1e-5)
    assert (pearson.pvalue, spearman.pvalue) == pytest.approx((a, b), rel=0.02)
    assert c == unknown
    score, sections = ours.evaluate_word_analogies(datapath("questions-words.txt"))
    their_score, their_sections = theirs.evaluate_word_analogies(datapath("questions-words.txt"))
    assert score == pytest.approx(their_score) and len(sections) == len(their_sections)


def test_gensim_finds_the_same_phrases():
    theirs = pytest.importorskip("gensim.models.phrases").Phrases
    rng = np.random.default_rng(0)
    sentences = [[f"w{int(i)}" for i in rng.zipf(1.5, 20) if i < 60] for _ in range(300)]
    for options in ({"min_count": 2, "threshold": 0.3}, {"min_count": 3, "threshold": 0.5, "connector_words": frozenset({"w1"})}):
        ours, other = Phrases(sentences, **options), theirs(sentences, **options)
        assert [ours[line] for line in sentences] == [list(other[line]) for line in sentences]
