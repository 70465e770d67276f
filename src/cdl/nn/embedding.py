"""The table of vectors that stand for tokens."""
import numpy as np

from cdl._core.check import positive_integer
from cdl._core.tensor import Tensor
from cdl.init import initialize, normal
from cdl.nn.layer import Layer
from cdl.ops import matmul, take

__all__ = ["Embedding"]

# The deviation that BERT and GPT-2 start all their weights with.
DEVIATION = 0.02


class Embedding(Layer):
    """weight[ids]: a row of numbers for each token.

    The gradient is added up on the rows that were used. It is an array as large as the table, since optimizers take
    no other, but where it exists already (a tied output, batches whose gradients are added) only those rows are
    visited.

    Parameters
    ----------
    tokens : int
        How many there are: ids are 0 to tokens - 1.
    width : int
        The length of a row.
    initializer : str, float or callable, optional
        What the rows start with, as `cdl.init.initialize` takes it; default: normal draws of deviation 0.02.
    rng : numpy.random.Generator or int, optional
        Where the initial weights come from.

    Shape
    -----
    Input (…) of integers, output (…, width); weight (tokens, width).

    Raises
    ------
    IndexError
        For an id below 0 or above tokens - 1; it is named with its position.
    TypeError
        For ids that are not integers.

    Examples
    --------
    >>> import cdl
    >>> layer = cdl.Embedding(10, 4)
    >>> layer([[1, 2, 1]]).shape
    (1, 3, 4)
    >>> layer([3, 10])
    Traceback (most recent call last):
    IndexError: Embedding: id 10 at position 1 is out of range; the table has 10 rows, 0 to 9
    """

    def __init__(self, tokens, width, *, initializer=None, rng=None):
        self.tokens = positive_integer(tokens, "Embedding", "tokens")
        self.width = positive_integer(width, "Embedding", "width")
        self._initializer = initializer
        shape = (self.tokens, self.width)
        rows = normal(shape, DEVIATION, rng=rng) if initializer is None else initialize(initializer, shape, rng=rng)
        self.weight = Tensor(rows, "float32", requires_grad=True)

    @classmethod
    def from_word2vec(cls, source, words=None, *, freeze=False, rng=None):
        """A layer whose rows are vectors of words.

        Parameters
        ----------
        source : Word2Vec, WordVectors or str or os.PathLike
            The vectors, or a file of them in a format of word2vec.
        words : iterable of str, optional
            The tokens in the order of their ids; those without a vector, such as "[PAD]", start with normal draws of the
            deviation that the vectors have. Default: the words of the source, whose ids are ``wv.key_to_index``.
        freeze : bool, default False
            Keep the vectors as they are in training.
        rng : numpy.random.Generator or int, optional
            Where the draws come from.

        Raises
        ------
        ValueError
            For a source without words, or `words` of which none is in it.

        Examples
        --------
        >>> import cdl
        >>> from cdl.text import WordVectors
        >>> wv = WordVectors.from_arrays(["cat", "dog"], [[1, 2, 3], [1, 2, 4]])
        >>> layer = cdl.Embedding.from_word2vec(wv, ["[PAD]", "dog", "cat"], rng=0)
        >>> layer([1]).data
        array([[1., 2., 4.]], dtype=float32)
        """
        wv = getattr(source, "wv", source)
        if not hasattr(wv, "key_to_index"):
            from cdl.text import WordVectors  # the floor above: only for a file

            wv = WordVectors.load_word2vec_format(source)
        if isinstance(words, str):
            raise TypeError(f"Embedding: words must be a list of them, got the string {words[:40]!r}")
        words = wv.index_to_key if words is None else list(words)
        rows = np.array([wv.key_to_index.get(word, -1) for word in words], np.int64)
        known = rows >= 0
        if not known.any():
            raise ValueError(f"Embedding: none of the {len(words)} words has a vector among the {len(wv)} of the source")
        vectors = np.asarray(wv.vectors)
        table = np.empty((len(words), vectors.shape[1]), np.float32)
        table[known] = vectors[rows[known]]
        if not known.all():
            table[~known] = normal((int((~known).sum()), vectors.shape[1]), float(table[known].std()) or DEVIATION, rng=rng)
        layer = cls(*table.shape, initializer=0.0)
        layer._initializer = None
        layer.weight.data[...] = table
        return layer.freeze() if freeze else layer

    def forward(self, ids):
        return take(self.weight, self.check(ids), 0)

    def check(self, ids):
        """ids as an array of integers that the table has; IndexError names the first that it has not, and its position."""
        return checked_ids(ids, self.tokens, "Embedding")

    def scores(self, x):
        """x @ weight.T, how much x (…, width) is like each token: the tied output of a language model.

        Examples
        --------
        >>> import numpy as np
        >>> import cdl
        >>> cdl.Embedding(10, 4).scores(np.ones((2, 4))).shape
        (2, 10)
        """
        return matmul(x, self.weight.transpose())

    def output_shape(self, input_shape):
        return (*input_shape, self.width)

    def config(self):
        config = {"tokens": self.tokens, "width": self.width}
        if isinstance(self._initializer, (str, float, int)):
            config["initializer"] = self._initializer
        return config


def checked_ids(ids, rows, who):
    """ids as an array of integers 0 to rows - 1; IndexError names the first that is none of these, and its position."""
    array = ids.numpy() if type(ids) is Tensor else np.asarray(ids)
    if array.size == 0:
        return array.astype(np.int64)
    if array.dtype.kind not in "iu":
        raise TypeError(f"{who}: ids must be integers, got dtype {array.dtype}")
    if array.min() < 0 or array.max() >= rows:
        place = np.unravel_index(((array < 0) | (array >= rows)).argmax(), array.shape)
        position = f" at position {', '.join(map(str, place))}" if place else ""
        raise IndexError(f"{who}: id {array[place]}{position} is out of range; the table has {rows} rows, 0 to {rows - 1}")
    return array
