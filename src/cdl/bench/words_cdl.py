"""Word2Vec of cdl."""

from cdl.text import Word2Vec

from .reference_words import nearest_of_topic


def word2vec(d):
    """An epoch over the file, the vocabulary made before."""
    from cdl._core.threads import get_num_threads

    model = Word2Vec(workers=get_num_threads(), **d.options)
    model.build_vocab(corpus_file=d.path)
    return (lambda: model.train(corpus_file=d.path, epochs=1),
            lambda: [nearest_of_topic(Word2Vec(d.topics, workers=1, **d.small).wv)])


def word_counts(d):
    """Reading the file and making the vocabulary."""

    def count():
        model = Word2Vec(min_count=5)
        model.build_vocab(corpus_file=d.path)
        return model

    return count, lambda: [count().corpus_total_words]
