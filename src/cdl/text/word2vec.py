"""Word2Vec: vectors of words from the words around them."""
import operator

import numpy as np

from cdl._core.word2vec import train as train_part
from cdl.text.corpus import WordIndex, corpus_of
from cdl.text.word2vec_file import load_model, save_model
from cdl.text.word_counts import huffman, keep_limits, noise
from cdl.text.word_vectors import WordVectors
from cdl.train.progress import Progress

__all__ = ["Word2Vec"]

# Rows of the tables end on a cache line: 16 float32.
LANES = 16
# Ids of one call into the core, some 0.1 s: Ctrl-C and the progress line wait no longer.
CALL = 1 << 17
# The steps of such a call: windows of 5, 6 output words and 100 numbers for each id. A longer step has fewer ids in a call.
STEP = 2 * 5 * 6 * 100
PIECE = 1 << 12     # the core's: the least that it is given


class Word2Vec:
    """Vectors of words, such that each tells which words stand around it (skip-gram), or is told by them (CBOW).

    For a word w and its context c, of which those within a distance drawn anew from 1 to `window` are taken, skip-gram
    takes steps up

        log sigmoid(in[c] · out[w]) + Σ over negative words n: log sigmoid(-in[c] · out[n])

    and CBOW the same with the mean of in[c] over the whole context. The contexts of a window share their negative words and
    are one step of small matrix products, all from the values before it.

    Parameters
    ----------
    sentences : iterable of lists of str, or pathlib.Path, optional
        What to train on; an iterator is read once and kept, a path streamed, a line a sentence. Without it nothing is done
        yet: `build_vocab` and `train` follow.
    corpus_file : str or os.PathLike, optional
        The same as a file, which may be compressed (.gz) and larger than memory: it is read anew in each epoch.
    vector_size : int, default 100
    alpha, min_alpha : float, default 0.025 and 0.0001
        The learning rate falls from one to the other, evenly over all words.
    window : int, default 5
        The largest distance between a word and its context.
    min_count : int, default 5
        Words that come less often are left out, as if they were not there.
    max_final_vocab : int, optional
        Keep at most so many words, the most frequent.
    sample : float, default 1e-3
        Words more frequent than this share are thinned out; 0: none.
    seed : int, default 1
    workers : int, default 2
        Threads, at most as many as `set_num_threads` allows.
    sg : {1, 0}, default 1
        Skip-gram, or CBOW. gensim's default is 0.
    hs : {0, 1}, default 0
        Hierarchical softmax: words are told by their ways through a Huffman tree.
    negative : int, default 5
        Negative words for each word; 0: none.
    ns_exponent : float, default 0.75
        They are drawn in proportion to the counts to this power.
    cbow_mean : {1, 0}, default 1
        CBOW takes the mean of its context, or the sum.
    epochs : int, default 5
    shrink_windows : bool, default True
        False: always the whole window.
    deterministic : bool, default False
        The same vectors for any number of workers, each time. Threads write one table without locks, and who comes first
        depends on their timing; so this trains with one thread, at the speed of ``workers=1``, which is deterministic too.
    lowercase, errors
        As `LineSentence` has them, for files.
    verbose : bool, default False
        A line for each epoch, with the words a second.

    Attributes
    ----------
    wv : WordVectors

    Raises
    ------
    TypeError
        For a string where sentences are expected; for a sentence that is a string.
    ValueError
        For a corpus without words, or with none that comes `min_count` times; for options out of range.

    Source: Mikolov et al. 2013, arXiv:1301.3781 and 1310.4546; shared negative words: Ji et al. 2016, arXiv:1604.04661.

    Examples
    --------
    >>> from cdl.text import Word2Vec
    >>> sentences = [["red", "green", "blue", "green"], ["one", "two", "three", "two"]] * 100
    >>> model = Word2Vec(sentences, vector_size=16, sample=0, epochs=20, deterministic=True)
    >>> model.wv["red"].shape
    (16,)
    >>> sorted(word for word, _ in model.wv.most_similar("red", topn=2))
    ['blue', 'green']
    """

    def __init__(self, sentences=None, *, corpus_file=None, vector_size=100, alpha=0.025, window=5, min_count=5,
                 max_final_vocab=None, sample=1e-3, seed=1, workers=2, min_alpha=0.0001, sg=1, hs=0, negative=5,
                 ns_exponent=0.75, cbow_mean=1, epochs=5, shrink_windows=True, deterministic=False, lowercase=False,
                 errors="strict", verbose=False):
        self.vector_size = _whole("vector_size", vector_size, 1)
        self.window = _whole("window", window, 1, 1000)
        self.min_count = _whole("min_count", min_count, 0)
        self.max_final_vocab = None if max_final_vocab is None else _whole("max_final_vocab", max_final_vocab, 1)
        self.negative, self.epochs = _whole("negative", negative, 0, 1000), _whole("epochs", epochs, 0)
        self.workers, self.seed = _whole("workers", workers, 1, 1 << 16), _whole("seed", seed, 0, (1 << 63) - 1)
        alpha, min_alpha = _rate("alpha", alpha), _rate("min_alpha", min_alpha)
        if not alpha:
            raise ValueError("Word2Vec: alpha must be above 0")
        if not abs(ns_exponent) <= 10:
            raise ValueError(f"Word2Vec: ns_exponent must be from -10 to 10, got {ns_exponent}")
        if not 0 <= sample < np.inf:
            raise ValueError(f"Word2Vec: sample must be 0 or more, got {sample}")
        if not (negative or hs):
            raise ValueError("Word2Vec: negative=0 and hs=0 leave nothing to train; set one of them")
        self.alpha, self.min_alpha, self.sample = float(alpha), float(min_alpha), float(sample)
        self.ns_exponent = float(ns_exponent)
        self.sg, self.hs, self.cbow_mean, self.shrink_windows = bool(sg), bool(hs), bool(cbow_mean), bool(shrink_windows)
        self.deterministic, self.lowercase, self.verbose = bool(deterministic), bool(lowercase), bool(verbose)
        self.errors = errors
        self.corpus_count = self.corpus_total_words = 0
        self._counted = 0       # words of the vocabulary in the text that was counted last, for the decay over it
        self._tasks = 0         # of the core so far: the draws of each depend on its number
        self._inner = np.zeros((0, -(-self.vector_size // LANES) * LANES), np.float32)
        self._outer, self._tree = (self._inner if wanted else None for wanted in (self.negative, self.hs))
        self.wv = WordVectors(self.vector_size)
        if sentences is not None or corpus_file is not None:
            corpus = self._corpus(sentences, corpus_file)
            self.build_vocab(corpus)
            self.train(corpus, epochs=self.epochs)

    def __repr__(self):
        return f"Word2Vec(words={len(self.wv)}, vector_size={self.vector_size}, alpha={self.alpha})"

    def _corpus(self, sentences, corpus_file=None):
        if hasattr(sentences, "numbered"):
            return sentences
        return corpus_of(sentences, corpus_file, lowercase=self.lowercase, errors=self.errors)

    def build_vocab(self, corpus_iterable=None, *, corpus_file=None, update=False):
        """Count the words and make the tables; with `update` new words are added to those there are.

        Raises
        ------
        ValueError
            For a corpus without words, or with none that comes `min_count` times.
        """
        words, counts, sentences = self._corpus(corpus_iterable, corpus_file).count()
        if not len(words):
            raise ValueError("Word2Vec: the corpus has no words")
        chosen = np.argsort(-counts, kind="stable")
        chosen = chosen[counts[chosen] >= self.min_count][:self.max_final_vocab]
        if not len(chosen) and not update:
            raise ValueError(f"Word2Vec: none of the {len(words)} words comes min_count = {self.min_count} times; the most "
                             f"frequent, {words[counts.argmax()]!r}, comes {counts.max()} times. Give more text or a smaller "
                             "min_count")
        self.corpus_count, self.corpus_total_words = sentences, int(counts.sum())
        if not update or not len(self.wv):
            self._counted = int(counts[chosen].sum())
            self._inner = self._inner[:0]
            self._outer = self._inner if self.negative else None
            self._set_vocabulary([words[i] for i in chosen], counts[chosen])
            return
        before = self.wv.counts.copy()
        old, fresh = self.wv.key_to_index, [i for i in chosen if words[i] not in self.wv.key_to_index]
        for word, count in zip(words, counts.tolist(), strict=True):
            if word in old:
                before[old[word]] += count
        self._counted = int(before.sum() - self.wv.counts.sum() + counts[fresh].sum())
        self._set_vocabulary(self.wv.index_to_key + [words[i] for i in fresh], np.concatenate([before, counts[fresh]]))

    def _set_vocabulary(self, words, counts):
        """The tables for these words, of which the first have their rows already."""
        have, width = self._inner.shape
        inner = np.zeros((len(words), width), np.float32)
        inner[:have] = self._inner
        draws = np.random.default_rng([self.seed, have])
        first = draws.random((len(words) - have, self.vector_size), np.float32)
        inner[have:, :self.vector_size] = (2 * first - np.float32(1)) / self.vector_size
        self._inner = inner
        self._outer = _longer(self._outer, len(words)) if self.negative else None
        self._tree = np.zeros((len(words), width), np.float32) if self.hs else None   # its nodes are others than before
        self._index = WordIndex(words)
        self._keep = keep_limits(counts, self.sample)
        self._noise = noise(counts, self.ns_exponent) if self.negative else None
        self._paths = huffman(counts) if self.hs else None
        self.wv = WordVectors._of(words, self._index.numbers, inner[:, :self.vector_size], counts)

    def train(self, corpus_iterable=None, *, corpus_file=None, total_examples=None, total_words=None, epochs=None,
              start_alpha=None, end_alpha=None):
        """Train the vectors further, on the same text or another; words outside the vocabulary are passed over.

        Parameters
        ----------
        corpus_iterable, corpus_file
            As the constructor has them.
        total_examples, total_words : int, optional
            The sentences or words of an epoch, where the text is not the one that was counted: the learning rate falls over
            so many.
        epochs : int, optional
            Default: that of the constructor.
        start_alpha, end_alpha : float, optional
            The learning rates of this call.

        Returns
        -------
        (words, read) : words trained on, before they are thinned out, and words read

        Raises
        ------
        RuntimeError
            Before `build_vocab`.
        """
        if not len(self.wv):
            raise RuntimeError("Word2Vec: there is no vocabulary yet; call build_vocab first")
        corpus = self._corpus(corpus_iterable, corpus_file)
        epochs = self.epochs if epochs is None else _whole("epochs", epochs, 0)
        start = self.alpha if start_alpha is None else _rate("start_alpha", start_alpha)
        end = self.min_alpha if end_alpha is None else _rate("end_alpha", end_alpha)
        total = self._total(total_examples, total_words)
        words = read = 0
        try:
            for epoch in range(epochs):
                numbers, count = self._shown_epoch(corpus, epoch, epochs, (start, end), total, total_words)
                words, read = words + numbers, read + count
                if not count:
                    raise ValueError("Word2Vec: there was no word to train on; an iterator is used up after one pass: give a "
                                     "list, a file, or something that can be gone through again")
        finally:
            self.wv._changed()
        return words, read

    def _shown_epoch(self, corpus, epoch, epochs, alphas, total, total_words):
        """One epoch with its progress line; (words of the vocabulary, words read)."""
        rates = [alphas[0] + (alphas[1] - alphas[0]) * (epoch + share) / epochs for share in (0, 1)]
        words = read = 0
        with Progress(total_words or self.corpus_total_words, label=f"epoch {epoch + 1}/{epochs}", unit="words",
                      enabled=self.verbose) as line:
            for numbers, count in self._epoch(corpus, rates, total):
                words, read = words + numbers, read + count
                line.update(count)
            line.total = None       # the text may be another than the one that was counted
        return words, read

    def _epoch(self, corpus, rates, total):
        """Train on the corpus once; (words of the vocabulary, words read) after each part of it."""
        done, (start, end) = 0, rates
        for ids, read in corpus.numbered(self._index):
            for part in _parts(ids, self._ids_at_once()):
                first, last = (start + (end - start) * min(place / total, 1) for place in (done, done + len(part)))
                self._tasks += train_part(
                    part, self._inner, self._outer, self._tree, self._keep, self._noise, self._paths, window=self.window,
                    negative=self.negative, skip_gram=self.sg, mean=self.cbow_mean, shrink=self.shrink_windows, rate=first,
                    last_rate=last, seed=self.seed, first=self._tasks, workers=1 if self.deterministic else self.workers)
                done += len(part)
            yield int((ids >= 0).sum()), read

    def save(self, path):
        """Write the whole model, all its tables, as a safetensors file: `load` brings it back to be trained further."""
        save_model(self, path)

    @classmethod
    def load(cls, path):
        """The model that `save` wrote.

        Raises
        ------
        FileFormatError
            For a file that is something else, or whose parts do not fit together.

        Examples
        --------
        >>> import tempfile
        >>> model = Word2Vec([["a", "b", "c"]] * 5, vector_size=4, epochs=1)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     model.save(f"{folder}/model.safetensors")
        ...     Word2Vec.load(f"{folder}/model.safetensors")
        Word2Vec(words=3, vector_size=4, alpha=0.025)
        """
        return load_model(cls, path)

    def _ids_at_once(self):
        """How many ids are trained on in one call."""
        outputs = self.negative + 1 + 16 * self.hs
        return max(CALL * STEP // max(2 * self.window * outputs * self.vector_size, STEP), PIECE)

    def __getstate__(self):
        self._index.drop_table() if len(self.wv) else None       # it is made again
        return self.__dict__.copy()

    def __setstate__(self, state):
        self.__dict__.update(state)
        self.wv.vectors = self._inner[:, :self.vector_size]     # a copy of the table is no view of it

    def _outputs(self):
        """The tables of the outputs that this model has."""
        return {name: table for name, table in (("outputs", self._outer), ("tree", self._tree)) if table is not None}

    def _total(self, examples, words):
        """The ids of an epoch, ends of sentences too."""
        counted = self._counted
        if words is not None:
            return max(words * counted // max(self.corpus_total_words, 1), 1) + self.corpus_count
        if examples is not None:
            return max(examples * (counted + self.corpus_count) // max(self.corpus_count, 1), 1)
        return counted + self.corpus_count


def _parts(ids, length):
    """Slices of about so many ids that end with a sentence, where one ends."""
    first = 0
    while first < len(ids):
        part = ids[first:first + length]
        if first + length < len(ids):
            ends = np.flatnonzero(part < 0)
            part = part[:ends[-1] + 1] if len(ends) else part
        yield part
        first += len(part)


def _longer(table, rows):
    longer = np.zeros((rows, table.shape[1]), table.dtype)
    longer[:len(table)] = table
    return longer


def _rate(name, value):
    """A learning rate: finite in float32, 0 or more."""
    try:
        rate = float(value)
    except (TypeError, ValueError):
        raise TypeError(f"Word2Vec: {name} must be a number, got {value!r}") from None
    if not 0 <= rate <= 1e30:
        raise ValueError(f"Word2Vec: the learning rates must be positive and finite, got {name} {value}")
    return rate


def _whole(name, value, least, most=None):
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"Word2Vec: {name} must be an integer, got {value!r}") from None
    if number < least or (most is not None and number > most):
        limits = f"{least} or more" if most is None else f"{least} to {most}"
        raise ValueError(f"Word2Vec: {name} must be {limits}, got {number}")
    return number
