"""Vectors of words: which ones are alike."""
import numpy as np

from cdl.text.word_tests import evaluate_word_analogies, evaluate_word_pairs
from cdl.text.word_vectors_file import read_word2vec, write_word2vec

__all__ = ["UnknownWord", "WordVectors"]

# Of words that are looked through for the nearest spelling: a fifth of a second.
_MOST_SPELLINGS = 100_000


class UnknownWord(KeyError):
    """A word that has no vector. Its message, made when it is asked for, names the nearest spelling there is."""

    def __init__(self, word, known):
        super().__init__(word)
        self._known = known

    def __reduce__(self):
        return UnknownWord, (self.args[0], self._known)

    def __str__(self):
        word = self.args[0]
        near = nearest_spelling(word, self._known) if isinstance(word, str) else None
        return f"the word {word!r} is not in the vocabulary of {len(self._known)} words" + (
            f"; the nearest spelling is {near!r}" if near else "")


def nearest_spelling(word, words):
    """The word that is spelt most like this one, None where none is at all like it.

    Examples
    --------
    >>> nearest_spelling("naighbour", ["hour", "neighbour", "labour"])
    'neighbour'
    """
    import difflib

    folded = word.casefold()
    alike = {}
    for one in words[:_MOST_SPELLINGS]:
        if abs(len(one) - len(word)) <= 2:
            alike.setdefault(one.casefold(), one)
    near = difflib.get_close_matches(folded, alike, 1)
    return alike[near[0]] if near else None


class WordVectors:
    """Words, each with a vector: what Word2Vec makes, and reads and writes.

    Parameters
    ----------
    vector_size : int
        The length of a vector; there are no words yet. `load_word2vec_format` reads some.

    Attributes
    ----------
    index_to_key : list of str
        The words, the most frequent first.
    key_to_index : dict
        The number of each.
    vectors : ndarray (words, vector_size) of float32
    counts : ndarray of int64, or None
        How often each came, where that is known.

    Examples
    --------
    >>> import numpy as np
    >>> from cdl.text import WordVectors
    >>> wv = WordVectors.from_arrays(["cat", "dog", "car"], np.array([[1, 0.1], [1, 0.2], [0, 1]]))
    >>> wv.most_similar("cat", topn=1)
    [('dog', 0.9952...)]
    >>> wv.doesnt_match(["cat", "dog", "car"])
    'car'
    >>> wv["cta"]
    Traceback (most recent call last):
    cdl.text.word_vectors.UnknownWord: the word 'cta' is not in the vocabulary of 3 words; the nearest spelling is 'cat'
    """

    def __init__(self, vector_size):
        self.index_to_key, self.key_to_index, self.counts, self._norms = [], {}, None, None
        self.vectors = np.zeros((0, vector_size), np.float32)

    @classmethod
    def _of(cls, words, numbers, vectors, counts=None):
        wv = cls(vectors.shape[1])
        wv.index_to_key, wv.key_to_index, wv.vectors, wv.counts = words, numbers, vectors, counts
        return wv

    @classmethod
    def from_arrays(cls, words, vectors):
        """Vectors (words, size) of a list of words.

        Raises
        ------
        ValueError
            For another number of vectors than of words, or a word that is there twice.
        """
        words, vectors = list(words), np.asarray(vectors, np.float32)
        numbers = {word: number for number, word in enumerate(words)}
        if vectors.ndim != 2 or len(vectors) != len(words):
            raise ValueError(f"WordVectors: expected vectors of shape ({len(words)}, size), got {vectors.shape}")
        if len(numbers) != len(words):
            raise ValueError(f"WordVectors: {len(words) - len(numbers)} of the {len(words)} words are there twice")
        return cls._of(words, numbers, vectors)

    vector_size = property(lambda self: self.vectors.shape[1])

    def __len__(self):
        return len(self.index_to_key)

    def __contains__(self, word):
        return word in self.key_to_index

    def __getitem__(self, words):
        """The vector of a word, or those of a list of words, as copies."""
        if isinstance(words, str):
            return self.vectors[self.get_index(words)].copy()
        return self.vectors[[self.get_index(word) for word in words]]

    def __repr__(self):
        return f"WordVectors(words={len(self)}, vector_size={self.vector_size})"

    def get_index(self, word):
        """The number of a word; KeyError names the nearest spelling."""
        try:
            return self.key_to_index[word]
        except (KeyError, TypeError):
            raise UnknownWord(word, self.index_to_key) from None

    def _changed(self):
        self._norms = None

    def norms(self):
        """The length of each vector; 1 for one of zeros, which is like no other."""
        if self._norms is None:
            norms = np.sqrt(np.einsum("ij,ij->i", self.vectors, self.vectors))
            self._norms = np.where(norms > 0, norms, np.float32(1))
        return self._norms

    def _unit(self, word):
        if isinstance(word, np.ndarray):
            if word.shape != (self.vector_size,):
                raise ValueError(f"WordVectors: expected a vector of shape ({self.vector_size},), got {word.shape}")
            return word / (np.linalg.norm(word) or 1)
        index = self.get_index(word)
        return self.vectors[index] / self.norms()[index]

    def similarity(self, a, b):
        """The cosine of the angle between the vectors of two words, -1 to 1."""
        return float(self._unit(a) @ self._unit(b))

    def distance(self, a, b):
        """1 - similarity(a, b)."""
        return 1 - self.similarity(a, b)

    def most_similar(self, positive=(), negative=(), topn=10, *, restrict_vocab=None):
        """The words whose vectors have the least angle with the mean of some unit vectors; those asked with are left out.

        Parameters
        ----------
        positive, negative : str, ndarray, (word, weight) or a list of such
            What the words should be like, and unlike: ``most_similar(["king", "woman"], ["man"])``.
        topn : int or None, default 10
            How many; None gives the cosines of all words, an array.
        restrict_vocab : int, optional
            Only among so many words, the most frequent.

        Returns
        -------
        list of (str, float)

        Raises
        ------
        KeyError
            For an unknown word.
        ValueError
            For no words at all.
        """
        mean, asked = self._mean(positive, negative)
        count = len(self) if restrict_vocab is None else min(restrict_vocab, len(self))
        cosines = self.vectors[:count] @ mean / self.norms()[:count]
        if topn is None:
            return cosines
        found = min(max(topn, 0) + len(asked), count)
        best = np.argpartition(-cosines, found - 1)[:found] if 0 < found < count else np.arange(count)
        best = best[np.argsort(-cosines[best], kind="stable")]
        return [(self.index_to_key[i], float(cosines[i])) for i in best if i not in asked][:max(topn, 0)]

    def _mean(self, positive, negative):
        """(the unit vector of the weighted mean, the numbers of the words in it)."""
        parts, asked = [], set()
        for sign, words in ((1.0, positive), (-1.0, negative)):
            for word in [words] if isinstance(words, (str, np.ndarray)) else words:
                one, weight = word if isinstance(word, tuple) else (word, 1.0)
                parts.append(sign * weight * self._unit(one))
                if isinstance(one, str):
                    asked.add(self.get_index(one))
        if not parts:
            raise ValueError("WordVectors: name at least one word to compare with")
        mean = np.mean(parts, axis=0)
        return (mean / (np.linalg.norm(mean) or 1)).astype(np.float32), asked

    def similar_by_word(self, word, topn=10):
        """`most_similar` of one word."""
        return self.most_similar(word, topn=topn)

    def similar_by_vector(self, vector, topn=10):
        """The words most like a vector."""
        return self.most_similar(np.asarray(vector, np.float32), topn=topn)

    def doesnt_match(self, words):
        """The word least like the mean of all; unknown ones are passed over.

        Raises
        ------
        ValueError
            If none is known.
        """
        known = [word for word in words if word in self]
        if not known:
            raise ValueError(f"WordVectors: none of the words {list(words)} is in the vocabulary")
        units = np.array([self._unit(word) for word in known])
        return known[int((units @ units.mean(axis=0)).argmin())]

    def n_similarity(self, a, b):
        """The cosine between the means of the vectors of two lists of words."""
        one, other = (np.mean(self[list(words)], axis=0, dtype=np.float64) for words in (a, b))
        return float(one @ other / max(np.linalg.norm(one) * np.linalg.norm(other), 1e-300))

    evaluate_word_analogies = evaluate_word_analogies
    evaluate_word_pairs = evaluate_word_pairs

    @classmethod
    def load_word2vec_format(cls, path, *, binary=None, limit=None, errors="strict"):
        """Read the text or binary format of word2vec, as it and gensim write it, compressed if it ends in .gz.

        Parameters
        ----------
        path : str or os.PathLike
        binary : bool, optional
            Which of the two; default: what the bytes look like.
        limit : int, optional
            Only so many words, the first.
        errors : {"strict", "replace", "ignore"}
            What to do with words that are no UTF-8.

        Raises
        ------
        FileFormatError
            If the file is neither, is shorter than its first line says, has a word twice, or a number that is none.

        Examples
        --------
        >>> import pathlib, tempfile
        >>> folder = tempfile.TemporaryDirectory()
        >>> path = pathlib.Path(folder.name, "vectors.txt")
        >>> _ = path.write_text("2 3\\ncat 1 0 0.5\\ndog 1 0 0.25\\n")
        >>> WordVectors.load_word2vec_format(path)["dog"]
        array([1.  , 0.  , 0.25], dtype=float32)
        >>> folder.cleanup()
        """
        return cls.from_arrays(*read_word2vec(path, binary, limit, errors))

    def save_word2vec_format(self, path, *, binary=None):
        """Write the text or binary format of word2vec; binary by default where the name ends in .bin or .bin.gz.

        Raises
        ------
        ValueError
            For a word with white space in it, which the format cannot hold.
        """
        write_word2vec(path, self.index_to_key, self.vectors, binary)
