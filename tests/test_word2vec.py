"""Word2Vec: one step against the formula, reading against str.split, the files, the questions, what is refused."""
import copy
import gzip
import itertools
import math
import pickle
from collections import Counter

import numpy as np
import pytest

from cdl._core.word2vec import WordTable
from cdl.io.errors import FileFormatError
from cdl.text import LineSentence, Phrases, Word2Vec, corpus, opening
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
    with opening._OPENERS.get(path.suffix, open)(path, "wb") as file:
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


def test_text_without_a_blank_is_read_in_linear_time(tmp_path, monkeypatch):
    monkeypatch.setattr(corpus, "BLOCK", 16)
    (tmp_path / "a").write_text("x" * 2_000_000)        # 125,000 blocks: minutes, were each put behind all before it
    assert [len(block) for block in LineSentence(tmp_path / "a").blocks()] == [2_000_000]


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
    codes = ["".join(str(int(t)) for t in turns[a:b]) for a, b in itertools.pairwise(first)]
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

    def negatives(centre, count):
        rows = []
        for _ in range(count):
            bits = draws.next()
            word = (bits >> 32) * words // 2**32
            word = word if bits % 2**32 < model._noise[0][word] else model._noise[1][word]
            rows += [word] if word != centre else []
        return rows

    def window(centre):
        bits = draws.next() if model.shrink_windows else 0
        return model.window - (bits >> 32) * model.window // 2**32, [centre, *negatives(centre, min(model.negative, 31))]

    def tasks(centre, rows):
        """(table, rows, targets) of the steps towards a centre; those of more than 31 negatives are drawn as they come."""
        if model.negative:
            yield outer, rows, np.arange(len(rows)) == 0
            for left in range(model.negative - 31, 0, -32):
                more = negatives(centre, min(left, 32))
                yield outer, more, np.zeros(len(more))
        if model.hs:
            a, b = model._paths[0][centre:centre + 2]
            yield tree, model._paths[1][a:b], model._paths[2][a:b]

    def step(x, table, rows, target):
        y = table[rows]
        g = rate * (target - 1 / (1 + np.exp(-x @ y.T)))
        np.add.at(table, rows, g.T @ x)
        return g @ y

    for sentence in sentences:
        ids, ahead = [model.wv.key_to_index[word] for word in sentence], []
        for i, centre in enumerate(ids):
            ahead += [window(one) for one in ids[len(ahead):i + 2]]
            reach, rows = ahead[i]
            context = [ids[k] for k in range(max(i - reach, 0), min(i + reach + 1, len(ids))) if k != i]
            if model.sg:
                for group in (context[k:k + 16] for k in range(0, len(context), 16)):
                    for task in tasks(centre, rows):
                        np.add.at(inner, group, step(inner[group], *task))
            elif context:
                x = inner[context].sum(axis=0, keepdims=True) / (len(context) if model.cbow_mean else 1)
                pull = sum(step(x, *task) for task in tasks(centre, rows))
                np.add.at(inner, context, np.repeat(pull / (1 if model.cbow_mean else len(context)), len(context), 0))


@pytest.mark.parametrize("sg", [1, 0])
@pytest.mark.parametrize("options", [{"negative": 5}, {"negative": 0, "hs": 1}, {"negative": 3, "hs": 1, "window": 2},
                                     {"negative": 1, "shrink_windows": False, "cbow_mean": 0},
                                     {"negative": 70, "window": 12}], ids=str)    # more than a step takes, of both
def test_a_pass_is_the_formula(sg, options):
    sentences = [[word for line in topics(12)[i:i + 3] for word in line] for i in range(0, 12, 3)]
    model = Word2Vec(sg=sg, vector_size=20, min_count=1, sample=0, seed=7, **options)
    model.build_vocab(sentences)
    for table in (model._inner, model._outer, model._tree):
        if table is not None:
            table[:, :20] = RNG.normal(0, 0.4, (len(table), 20))
    wanted = [None if t is None else t[:, :20].astype(np.float64) for t in (model._inner, model._outer, model._tree)]
    rate = 0.1 if model.negative < 10 else 0.001        # 70 of 16 words add up to steps that diverge
    model.train(sentences, epochs=1, start_alpha=rate, end_alpha=rate)
    by_formula(model, sentences, rate, *wanted)
    for got, want in zip((model._inner, model._outer, model._tree), wanted, strict=True):
        if got is not None:
            assert np.abs(got[:, :20] - want).max() < 2e-5       # float32 sums over 120 steps
            assert (got[:, 20:] == 0).all()


@pytest.mark.parametrize("options", [{}, {"sg": 0}, {"negative": 0, "hs": 1}, {"sg": 0, "negative": 0, "hs": 1}], ids=str)
def test_words_of_a_topic_are_alike(options):
    for seed in range(3):
        wv = Word2Vec(topics(), vector_size=16, min_count=1, sample=0, epochs=10, seed=seed, **options).wv
        assert {word[:3] for word, _ in wv.most_similar("red0", topn=7)} == {"red"}
        assert wv.doesnt_match(["red1", "red2", "blue3", "red4"]) == "blue3"


def test_the_same_vectors_for_any_number_of_workers(tmp_path):
    sentences = topics(3000)
    (tmp_path / "a").write_text("".join(" ".join(line) + "\n" for line in sentences))
    made = [Word2Vec(sentences, vector_size=12, epochs=2, workers=workers, deterministic=True).wv.vectors
            for workers in (1, 2, 3)]
    made.append(Word2Vec(sentences, vector_size=12, epochs=2, workers=1).wv.vectors)
    made.append(Word2Vec(corpus_file=tmp_path / "a", vector_size=12, epochs=2, deterministic=True).wv.vectors)
    made.append(Word2Vec(iter(sentences), vector_size=12, epochs=2, deterministic=True).wv.vectors)
    for other in made[1:]:
        np.testing.assert_array_equal(made[0], other)
    assert not np.array_equal(made[0], Word2Vec(sentences, vector_size=12, epochs=2, workers=1, seed=2).wv.vectors)


@pytest.mark.parametrize("options", [{}, {"sg": 0}, {"hs": 1, "negative": 0}, {"negative": 31}, {"sg": 0, "cbow_mean": 0}],
                         ids=str)
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


@pytest.mark.parametrize("options", [{}, {"sg": 0, "hs": 1, "negative": 0}, {"hs": 1}], ids=str)
def test_a_saved_model_goes_on_where_it_was(tmp_path, options):
    model = Word2Vec(topics(), vector_size=12, epochs=2, workers=1, **options)
    model.save(tmp_path / "m.safetensors")
    again = Word2Vec.load(tmp_path / "m.safetensors")
    assert again.wv.index_to_key == model.wv.index_to_key and again.wv.counts.tolist() == model.wv.counts.tolist()
    np.testing.assert_array_equal(again.wv.vectors, model.wv.vectors)
    for one in (model, again):
        one.train(topics(), epochs=1)
    np.testing.assert_array_equal(again.wv.vectors, model.wv.vectors)


def test_a_broken_model_is_refused(tmp_path):
    from cdl.io import load_safetensors, save_safetensors

    path = tmp_path / "m.safetensors"
    Word2Vec(topics(), vector_size=4, epochs=1).save(path)
    arrays, metadata = load_safetensors(path)
    for change in ({"vectors": arrays["vectors"][1:]}, {"counts": arrays["counts"] * 1.0}, {"lengths": arrays["lengths"] + 1},
                   {"words": arrays["words"] * 0}):
        save_safetensors(path, arrays | change, metadata=metadata)
        with pytest.raises(FileFormatError):
            Word2Vec.load(path)
    save_safetensors(path, {k: v for k, v in arrays.items() if k != "outputs"}, metadata=metadata)
    with pytest.raises(FileFormatError, match="no whole Word2Vec: 'outputs'"):
        Word2Vec.load(path)
    save_safetensors(path, arrays)
    with pytest.raises(FileFormatError, match="no Word2Vec that was saved"):
        Word2Vec.load(path)


def test_the_line_of_an_epoch(capsys):
    Word2Vec(topics(), vector_size=8, epochs=2, verbose=True)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 and lines[0].startswith("epoch 1/2  4000") and "words/s" in lines[1]


# --- what is refused --------------------------------------------------------------------------------------------------
def test_a_string_is_no_list_of_sentences():
    with pytest.raises(TypeError, match="expected sentences, lists of words, got a string, 'the cat'; a file is given as"):
        Word2Vec("the cat")
    for given in (["the cat", "sat"], iter(["the cat", "sat"]), ("the cat" for _ in range(2))):
        with pytest.raises(TypeError, match=r"a sentence is a list of words.*'the cat': split it first"):
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
    ({"negative": -1}, ValueError, "negative must be 0 to 1000"),
    ({"negative": 0}, ValueError, "leave nothing to train"),
    ({"alpha": math.nan}, ValueError, "the learning rates must be positive"),
    ({"alpha": 0}, ValueError, "alpha must be above 0"),
    ({"alpha": 1e300}, ValueError, r"positive and finite, got alpha 1e\+300"),
    ({"alpha": "x"}, TypeError, "alpha must be a number, got 'x'"),
    ({"ns_exponent": math.nan}, ValueError, "ns_exponent must be from -10 to 10, got nan"),
    ({"seed": 1 << 64}, ValueError, "seed must be 0 to"),
    ({"workers": 1 << 31}, ValueError, "workers must be 1 to 65536"),
    ({"sample": -1}, ValueError, "sample must be 0 or more"),
    ({"workers": 0}, ValueError, "workers must be 1 to 65536"),
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


# --- what is not trained on, and what must go on after it -------------------------------------------------------------
def test_training_on_nothing_is_told():
    sentences = topics()
    used = iter(sentences)
    model = Word2Vec(vector_size=4, min_count=1)
    model.build_vocab(used)
    with pytest.raises(ValueError, match="there was no word to train on; an iterator is used up after one pass"):
        model.train(used)
    with pytest.raises(TypeError, match="a map can be gone through once only"):
        Word2Vec([map(str, sentence) for sentence in sentences])
    for odd in (None, 7, {"a": 1}):
        with pytest.raises(TypeError, match=f"a sentence is a list of words, got {type(odd).__name__}"):
            Word2Vec([["a"], odd], min_count=1)


def test_phrases_of_an_iterator_are_trained_on():
    sentences = topics()
    phrases = Phrases(sentences, min_count=1, threshold=1e9)
    options = {"vector_size": 4, "min_count": 1, "deterministic": True}
    kept = Word2Vec(phrases[(sentence for sentence in sentences)], **options)
    np.testing.assert_array_equal(kept.wv.vectors, Word2Vec(phrases[sentences], **options).wv.vectors)
    for odd in ("red green", iter(["red green"])):
        with pytest.raises(TypeError, match=r"Phrases: .*got .*'red green'"):
            list(phrases[odd])


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_a_copy_trains_its_own_vectors(copied, tmp_path):
    path = tmp_path / "text.txt"
    path.write_text("\n".join(map(" ".join, topics())))
    model = Word2Vec(corpus_file=path, vector_size=4, epochs=1, deterministic=True)
    other, before = copied(model), model.wv.vectors.copy()
    for one in (other, model):
        one.train(corpus_file=path, epochs=1)
        assert np.abs(one.wv.vectors - before).max() > 0
    np.testing.assert_array_equal(other.wv.vectors, model.wv.vectors)


def test_an_interrupted_training_leaves_no_stale_lengths():
    def broken():
        yield from topics()
        raise KeyboardInterrupt

    class Again:
        def __iter__(self):
            return broken()

    model = Word2Vec(topics(), vector_size=4, deterministic=True)
    model.wv.similarity("red0", "red1")
    with pytest.raises(KeyboardInterrupt):
        model.train(Again(), epochs=1, start_alpha=0.5, end_alpha=0.5)
    assert model.wv.similarity("red0", "red0") == pytest.approx(1, abs=1e-6)


def test_the_rate_falls_to_its_end_after_more_words(monkeypatch):
    from cdl.text import word2vec
    model, rates, train = Word2Vec(topics(2000), vector_size=4, epochs=1), [], word2vec.train_part

    def noted(*arguments, **options):
        rates.append(options["last_rate"])
        return train(*arguments, **options)

    monkeypatch.setattr(word2vec, "train_part", noted)
    model.build_vocab(topics(300, 1), update=True)
    model.train(topics(300, 1), epochs=1)
    assert rates[-1] == pytest.approx(model.min_alpha, rel=0.01)


def test_a_call_of_the_core_is_short_whatever_a_step_costs():
    """Ctrl-C waits for one call."""
    usual = Word2Vec(vector_size=100, window=5, negative=5)._ids_at_once()
    assert Word2Vec(vector_size=300, window=100, negative=15)._ids_at_once() * 40 < usual * 2
    assert Word2Vec(vector_size=1000, window=1000, negative=1000)._ids_at_once() == 1 << 12 < usual


def test_a_vocabulary_that_is_refused_changes_nothing():
    model = Word2Vec(topics(), vector_size=4)
    before = model.corpus_count, model.corpus_total_words
    with pytest.raises(ValueError, match="none of the 1 words"):
        model.build_vocab([["once"]])
    assert (model.corpus_count, model.corpus_total_words) == before


@pytest.mark.parametrize("name, content", [
    ("text.gz", b"no gzip"), ("text.xz", b"no xz"), ("text.bz2", b"no bz2"), ("text.gz", gzip.compress(b"a b " * 999)[:40]),
    ("text.gz", gzip.compress(b"a b " * 999)[:20] + b"\xff" * 30)])
def test_damaged_compressed_text_is_named(name, content, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(FileFormatError, match=name):
        Word2Vec(corpus_file=tmp_path / name, min_count=1)


def test_a_saved_model_that_does_not_fit_together(tmp_path):
    with pytest.raises(ValueError, match="there is no vocabulary yet, and nothing to save"):
        Word2Vec().save(tmp_path / "none.safetensors")
    model = Word2Vec(topics(), vector_size=4, epochs=1)
    model._inner[0, 0] = np.nan
    model.save(tmp_path / "nan.safetensors")
    with pytest.raises(FileFormatError, match="vectors holds numbers that are not finite"):
        Word2Vec.load(tmp_path / "nan.safetensors")
