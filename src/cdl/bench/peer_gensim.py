"""gensim, as its documentation trains vectors."""

import os

import gensim
from gensim.models import Word2Vec
from gensim.models.word2vec import LineSentence

from .reference_words import nearest_of_topic


def start(threads):
    """The workers are an option of its Word2Vec."""


def version():
    """The library's version."""
    return gensim.__version__


def word2vec(d):
    """An epoch over the file, the vocabulary made before."""
    model = Word2Vec(workers=int(os.environ["OMP_NUM_THREADS"]), **d.options)
    model.build_vocab(LineSentence(d.path))

    def epoch():
        model.train(LineSentence(d.path), total_examples=model.corpus_count, epochs=1)

    return epoch, lambda: [nearest_of_topic(Word2Vec(d.topics, workers=1, **d.small).wv)]


def word_counts(d):
    """Reading the file and making the vocabulary."""

    def count():
        model = Word2Vec(min_count=5)
        model.build_vocab(LineSentence(d.path))
        return model

    return count, lambda: [count().corpus_total_words]
