"""What Word2Vec is timed on: the file named in CDL_BENCH_CORPUS, or a text made up, and how it is told that it learns."""

import atexit
import os
import shutil
import tempfile
from types import SimpleNamespace

import numpy as np

# Of the text made up: words drawn by Zipf's law, which is what the speed depends on, in sentences of 20.
WORDS, VOCABULARY, LENGTH = 300_000, 30_000, 20
OPTIONS = {"vector_size": 100, "window": 5, "negative": 5, "sample": 1e-3, "seed": 1}


def _made_up():
    rng = np.random.default_rng(0)
    weight = 1 / np.arange(10, VOCABULARY + 10)
    words = rng.choice(VOCABULARY, WORDS, p=weight / weight.sum()).reshape(-1, LENGTH)
    folder = tempfile.mkdtemp(prefix="cdl-bench-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    path = os.path.join(folder, "corpus.txt")
    with open(path, "w", encoding="ascii") as file:
        file.writelines(" ".join(f"w{word}" for word in line) + "\n" for line in words.tolist())
    return path


def _topics():
    """Sentences of two topics without a common word."""
    rng = np.random.default_rng(0)
    return [[f"{'ab'[i % 2]}{word}" for word in rng.integers(0, 8, 10).tolist()] for i in range(400)]


def nearest_of_topic(wv):
    """The share of the words whose nearest is of their topic."""
    words = list(wv.key_to_index)
    return np.mean([wv.most_similar(word, topn=1)[0][0][0] == word[0] for word in words])


def word2vec(kind):
    """A corpus file and the options; the answer is a share of 1, of a small text of two topics."""
    path = os.environ.get("CDL_BENCH_CORPUS") or _made_up()
    small = {**OPTIONS, "vector_size": 16, "sample": 0, "min_count": 1, "epochs": 10}
    return SimpleNamespace(path=path, options={**OPTIONS, "min_count": 5, "sg": int(kind == "skip-gram")},
                           topics=_topics(), small={**small, "sg": int(kind == "skip-gram")}), [1.0]


def word_counts():
    """A corpus file; the answer is the words it has."""
    path = os.environ.get("CDL_BENCH_CORPUS") or _made_up()
    with open(path, encoding="utf-8") as file:
        return SimpleNamespace(path=path), [sum(len(line.split()) for line in file)]
