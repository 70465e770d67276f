"""Words that belong together, as one."""
import itertools
from collections import Counter

__all__ = ["Phrases"]


class Phrases:
    """Finds pairs of words that come together more often than by chance, and writes them as one: ``new_york``.

        score(a, b) = (count(a b) - min_count) / count(a) / count(b) * number of different words and pairs

    Parameters
    ----------
    sentences : iterable of lists of str, optional
        What to count; `add_vocab` counts more.
    min_count : float, default 5
        Pairs that come less often are left alone.
    threshold : float, default 10
        Of the score: the higher, the fewer pairs.
    delimiter : str, default "_"
        Between the words of a pair.
    connector_words : iterable of str, default none
        Words that may stand inside a phrase and count for nothing: of, the.

    Source: Mikolov et al. 2013, arXiv:1310.4546, equation 6, as word2vec and gensim have it.

    Examples
    --------
    >>> from cdl.text import Phrases
    >>> sentences = [["in", "new", "york"], ["new", "york", "is", "large"], ["is", "it", "new"], ["in", "it"]]
    >>> phrases = Phrases(sentences, min_count=1, threshold=1)
    >>> phrases[["from", "new", "york"]]
    ['from', 'new_york']
    """

    def __init__(self, sentences=None, *, min_count=5, threshold=10.0, delimiter="_", connector_words=()):
        if min_count <= 0 or threshold < 0:
            raise ValueError(f"Phrases: min_count must be above 0 and threshold 0 or more, got {min_count} and {threshold}")
        self.min_count, self.threshold, self.delimiter = min_count, threshold, delimiter
        self.connector_words = frozenset(connector_words)
        self._counts = Counter()    # of words, and of pairs: the words parted by the delimiter
        if sentences is not None:
            self.add_vocab(sentences)

    def add_vocab(self, sentences):
        """Count more sentences."""
        words, pairs = Counter(), Counter()
        for sentence in sentences:
            if isinstance(sentence, str):
                raise TypeError("Phrases: a sentence is a list of words, and a string is a list of its letters; got "
                                f"{sentence[:40]!r}: split it first, as with sentence.split()")
            sentence = list(sentence)
            words.update([word for word in sentence if word not in self.connector_words])
            pairs.update(self._pairs(sentence))
        self._counts.update(words)
        self._counts.update(pairs)

    def _pairs(self, sentence):
        """(first word, what stands between, last word) of neighbours, connector words passed over."""
        if not self.connector_words:
            yield from itertools.pairwise(sentence)
            return
        first, between = None, []
        for word in sentence:
            if word in self.connector_words:
                if first is not None:
                    between.append(word)
                continue
            if first is not None:
                yield (first, *between, word)
            first, between = word, []

    def score(self, pair):
        """How much more often the words of a pair come together than by chance; 0 for a pair that was not seen."""
        first, last, together = (self._counts.get(key, 0) for key in (pair[0], pair[-1], tuple(pair)))
        return (together - self.min_count) / first / last * len(self._counts) if together else 0.0

    def find_phrases(self):
        """The pairs above the threshold, as they are written, with their scores."""
        pairs = ((key, self.score(key)) for key in self._counts if not isinstance(key, str))
        return {self.delimiter.join(pair): score for pair, score in pairs if score > self.threshold}

    def __getitem__(self, sentences):
        """A sentence (list of str) with its pairs written as one; of other iterables each sentence, whenever gone through."""
        if isinstance(sentences, (str, bytes)):
            raise TypeError(f"Phrases: expected a list of words, or sentences, got a string, {sentences[:40]!r}")
        if isinstance(sentences, (list, tuple)) and all(isinstance(word, str) for word in sentences):
            return self._joined(sentences)
        return _Joined(self, sentences)

    def _joined(self, sentence):
        joined, place = [], 0
        while place < len(sentence):
            end = self._end(sentence, place)
            joined.append(self.delimiter.join(sentence[place:end]))
            place = end
        return joined

    def _end(self, sentence, place):
        """Where the phrase that begins at `place` ends; place + 1 where none does."""
        if sentence[place] not in self.connector_words:
            end = place + 1
            while end < len(sentence) and sentence[end] in self.connector_words:
                end += 1
            if end < len(sentence) and self.score(sentence[place:end + 1]) > self.threshold:
                return end + 1
        return place + 1


class _Joined:
    """Sentences whose pairs are joined each time they are gone through."""

    def __init__(self, phrases, sentences):
        self._phrases, self._sentences = phrases, sentences
        self.once = iter(sentences) is sentences or getattr(sentences, "once", False)     # then Word2Vec keeps them

    def __iter__(self):
        for sentence in self._sentences:
            if isinstance(sentence, (str, bytes)):
                raise TypeError(f"Phrases: a sentence is a list of words, got {sentence[:40]!r}")
            yield self._phrases._joined(list(sentence))
