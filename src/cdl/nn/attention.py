"""Multi-head attention, and the cache of its keys and values for generation."""
import numpy as np

from cdl._core.attention import attention_of_heads
from cdl._core.check import positive_integer
from cdl._core.tape import is_recording, no_grad
from cdl._core.tensor import Tensor
from cdl.nn.dense import Dense
from cdl.nn.layer import Layer
from cdl.ops import attention_weights, dropout, matmul, where
from cdl.ops.dropout import check_drop_prob
from cdl.random import generator

__all__ = ["KeyValueCache", "MultiHeadAttention"]


class KeyValueCache:
    """The keys and values of the positions so far, so that generation computes only those of the new ones.

    Pass one and the same to every call of a `MultiHeadAttention` (one for each layer); it is for inference, inside
    `cdl.no_grad()` or a prediction. With `memory` the first call keeps the keys and values of the memory, and the next
    ones take them from here.

    Parameters
    ----------
    capacity : int
        For how many positions there is room at first; it doubles when that is used up.

    Attributes
    ----------
    length : int
        How many positions are kept.

    Examples
    --------
    >>> import numpy as np
    >>> import cdl
    >>> layer = cdl.MultiHeadAttention(2, causal=True, rng=0)
    >>> x = np.random.default_rng(0).standard_normal((1, 5, 4)).astype(np.float32)
    >>> whole = layer(x)
    >>> cache = cdl.nn.KeyValueCache()
    >>> with cdl.no_grad():
    ...     parts = [layer(x[:, i:i + 1], cache=cache).data for i in range(5)]
    >>> bool(np.allclose(np.concatenate(parts, 1), whole.data, atol=1e-6)), cache.length
    (True, 5)
    """

    def __init__(self, capacity=64):
        self._capacity = positive_integer(capacity, "KeyValueCache", "capacity")
        self._key = self._value = None      # (N, capacity, features)
        self.length = 0

    def append(self, key, value):
        """Keep the keys and values (N, T, features) of T more positions; returns those of all, as views."""
        if is_recording() and (key.requires_grad or value.requires_grad):
            raise RuntimeError("KeyValueCache: what is kept has no gradient; generate inside cdl.no_grad()")
        start, end = self.length, self.length + key.shape[1]
        if start and self._key.shape[0] != key.shape[0]:
            raise ValueError(f"KeyValueCache: it holds {self._key.shape[0]} sequences, got {key.shape[0]}; clear() begins "
                             "anew")
        self._key, self._value = self._with_room(self._key, key, end), self._with_room(self._value, value, end)
        with no_grad():
            self._key[:, start:end], self._value[:, start:end] = key, value
        self.length = end
        return self.kept()

    def _with_room(self, old, new, length):
        """The buffer, or a larger one with the same contents."""
        if self.length and old.shape[1] >= length:
            return old
        capacity = max(self._capacity, length, 2 * old.shape[1] if self.length else 0)
        buffer = Tensor(np.zeros((new.shape[0], capacity, new.shape[2]), new.dtype))
        if self.length:
            buffer[:, :self.length] = old[:, :self.length]
        return buffer

    def kept(self):
        """The keys and values of the positions so far, (N, length, features) each, as views."""
        return self._key[:, :self.length], self._value[:, :self.length]

    def take(self, rows):
        """Keep these sequences of the batch, in this order, each as often as it is named: for beam search."""
        if self.length:
            self._key, self._value = (Tensor(np.asarray(b)[np.asarray(rows)]) for b in (self._key, self._value))

    def truncate(self, length):
        """Forget the positions from `length` on."""
        if length < 0:
            raise ValueError(f"KeyValueCache: length must be 0 or more, got {length}")
        self.length = min(self.length, length)

    def clear(self):
        """Forget everything."""
        self.length, self._key, self._value = 0, None, None


class MultiHeadAttention(Layer):
    """Attention of several heads at once: out(attention of each head of query(x), key(x), value(x)).

    Parameters
    ----------
    heads : int
        The number of query heads.
    key_heads : int, optional
        The number of key and value heads, which divides `heads`: each serves heads / key_heads query heads (grouped
        queries; 1: multi-query). Default: as many.
    head_size : int, optional
        Features of a head; default: in_features / heads.
    causal : bool
        Whether a position looks at no later ones.
    use_bias : bool
        Whether the four projections have biases.
    dropout : float
        In training, the probability with which a weight, a query's look at a key, becomes 0; the others are divided by
        1 - dropout. The weights of all heads are then held in memory, (N, heads, Tq, Tk).
    rotary : callable, optional
        rotary(x, start), called with the queries (N, T, heads, head_size) and with the keys (N, T, key_heads, head_size)
        of the positions start, start + 1, …; returns them turned. Not in cross attention. It is not saved with the layer.
    in_features : int, optional
        The number of features of x, and of the output; default: taken from the first input.
    memory_features : int, optional
        Those of the memory in cross attention; default: taken from the first input, or as many as of x.
    kernel_initializer, rng
        As in `Dense`; default: "xavier_uniform" draws for the four weights.

    Attributes
    ----------
    query, key, value, out : Dense
        The projections.

    Shape
    -----
    x (N, Tq, in_features), memory (N, Tk, any features), output (N, Tq, in_features); query.weight (in_features, heads
    head_size), key.weight and value.weight (features of the memory, key_heads head_size), out.weight (heads head_size,
    in_features).

    Raises
    ------
    ValueError
        For heads that do not divide, and inputs of other shapes than the layer was built for.

    Source
    ------
    Notes, section 6.3; Vaswani et al., "Attention Is All You Need", 2017, section 3.2.2; key_heads: Ainslie et al.,
    "GQA", 2023.

    Examples
    --------
    >>> import numpy as np
    >>> import cdl
    >>> layer = cdl.MultiHeadAttention(4, causal=True)
    >>> layer(np.ones((2, 10, 32), np.float32)).shape
    (2, 10, 32)
    >>> y, weights = layer(np.ones((2, 10, 32), np.float32), return_weights=True)
    >>> weights.shape
    (2, 4, 10, 10)
    """

    def __init__(self, heads, *, key_heads=None, head_size=None, causal=False, use_bias=True, dropout=0.0, rotary=None,
                 in_features=None, memory_features=None, kernel_initializer=None, rng=None):
        who = "MultiHeadAttention"
        self.heads = positive_integer(heads, who, "heads")
        self.key_heads = self.heads if key_heads is None else positive_integer(key_heads, who, "key_heads")
        if self.heads % self.key_heads:
            raise ValueError(f"{who}: {self.key_heads} key heads do not divide {self.heads} heads")
        self.head_size = None if head_size is None else positive_integer(head_size, who, "head_size")
        check_drop_prob(dropout, who)
        self.causal, self.use_bias, self.dropout, self._rotary = causal, use_bias, dropout, rotary
        self._initializer, self._rng = kernel_initializer, None if rng is None else generator(rng)
        self.query = self.key = self.value = self.out = None
        self.memory_features = None if memory_features is None else positive_integer(memory_features, who, "memory_features")
        if in_features is not None:
            self.build((None, None, in_features))

    def build(self, input_shape, memory_features=None):
        if self.query is not None:
            return
        if len(input_shape) != 3 or input_shape[-1] is None:
            raise self._misfit("x", input_shape)
        n = positive_integer(input_shape[-1], "MultiHeadAttention", "in_features")
        if self.head_size is None and n % self.heads:
            raise ValueError(f"MultiHeadAttention: {self.heads} heads do not divide {n} features; give head_size")
        size = self.head_size or n // self.heads
        if self._rotary is not None and size % 2:
            raise ValueError(f"MultiHeadAttention: rotary positions turn pairs of features, of which a head has {size}")
        self.head_size = size
        self.query = self._projection(self.heads * size, n)
        self.memory_features = self.memory_features or memory_features or n
        self.key, self.value = (self._projection(self.key_heads * self.head_size, self.memory_features) for _ in range(2))
        self.out = self._projection(n, self.heads * self.head_size)

    def _projection(self, units, in_features):
        return Dense(units, use_bias=self.use_bias, in_features=in_features, rng=self._rng,
                     kernel_initializer=self._initializer or "xavier_uniform")

    def _misfit(self, name, shape):
        return ValueError(f"MultiHeadAttention: expected {name} of shape (N, T, features), got {tuple(shape)}"
                          + ("; write x[None] for a single sequence" if len(shape) == 2 else ""))

    def forward(self, x, memory=None, mask=None, cache=None, *, return_weights=False):
        """The output for x (N, Tq, features), which looks at the memory (N, Tk, features) or at itself.

        Parameters
        ----------
        x : array_like
        memory : array_like, optional
            What the keys and values are made from; default: x.
        mask : array_like, optional
            Booleans, True where a position may look, or floats that are added to the scores: (Tq, Tk), (N, Tq, Tk) for all
            heads or (N, heads, Tq, Tk); any of them may be 1. Padding of a batch: mask[:, None, :] of a mask (N, Tk).
        cache : KeyValueCache, optional
            Positions before x. Tk, also of the mask, then counts these too.
        return_weights : bool
            Whether the weights (N, heads, Tq, Tk) are returned as well, without dropout.

        Returns
        -------
        Tensor, or a pair of them
        """
        for name, value in (("x", x), ("memory", memory)):
            if value is not None and np.ndim(value) != 3:
                raise self._misfit(name, np.shape(value))
        if self.query is None:
            self.build(np.shape(x), None if memory is None else np.shape(memory)[-1])
        if cache is None:
            return self._attended(x, memory, mask, None, return_weights)
        length = cache.length
        try:
            return self._attended(x, memory, mask, cache, return_weights)
        except BaseException:
            cache.truncate(length)      # what was refused, or interrupted, has left nothing behind
            raise

    def _attended(self, x, memory, mask, cache, return_weights):
        query = self.query(x)
        if memory is None:
            start = 0 if cache is None else cache.length
            key, value = self.key(x), self.value(x)
            if self._rotary is not None:
                query, key = self._turned(query, self.heads, start), self._turned(key, self.key_heads, start)
            if cache is not None:
                key, value = cache.append(key, value)
        elif cache is not None and cache.length:
            key, value = cache.kept()
        else:
            key, value = self.key(memory), self.value(memory)
            if cache is not None:
                key, value = cache.append(key, value)
        if mask is not None and np.ndim(mask) == 3:
            mask = (mask if isinstance(mask, Tensor) else np.asarray(mask))[:, None]
        causal = self.causal and memory is None
        if self.dropout and self.training:
            y = self._dropped(query, key, value, mask, causal)
        else:
            y = attention_of_heads(query, key, value, self.heads, self.key_heads, mask, causal)
        y = self.out(y)
        if return_weights:
            return y, attention_weights(self._split(query, self.heads), self._split(key, self.key_heads), mask, causal)
        return y

    def _turned(self, x, heads, start):
        return self._rotary(x.reshape(*x.shape[:2], heads, self.head_size), start).reshape(x.shape)

    def _split(self, x, heads):
        """(N, heads, T, head_size) of (N, T, heads head_size)."""
        return x.reshape(*x.shape[:2], heads, self.head_size).transpose(0, 2, 1, 3)

    def _joined(self, y):
        n, heads, t, size = y.shape
        return y.transpose(0, 2, 1, 3).reshape(n, t, heads * size)

    def _dropped(self, query, key, value, mask, causal):
        """The output with weights that are dropped: the weights themselves, as a product."""
        groups = self.heads // self.key_heads
        weights = attention_weights(self._split(query, self.heads), self._split(key, self.key_heads), mask, causal)
        n, heads, tq, tk = weights.shape
        value = self._split(value, self.key_heads)
        if mask is not None:    # what nobody looks at may be NaN, and 0 NaN is
            seen = (np.asarray(weights) != 0).reshape(n, self.key_heads, groups * tq, tk).any(axis=2)
            value = where(seen[..., None], value, 0)
        weights = dropout(weights, self.dropout, True, rng=self._rng)
        y = matmul(weights.reshape(n, self.key_heads, groups * tq, tk), value)
        return self._joined(y.reshape(n, heads, tq, self.head_size))

    def output_shape(self, input_shape):
        return tuple(input_shape)

    def _is_built(self):
        return self.query is not None

    def config(self):
        config = {"heads": self.heads, "causal": self.causal}
        for name, default in (("key_heads", self.heads), ("use_bias", True), ("dropout", 0.0), ("head_size", None)):
            if getattr(self, name) != default:
                config[name] = getattr(self, name)
        if isinstance(self._initializer, (str, float, int)):    # a function has no place in a file; the weights have
            config["kernel_initializer"] = self._initializer
        if self.query is not None:
            config["in_features"] = self.out.units
            if self.memory_features != self.out.units:
                config["memory_features"] = self.memory_features
        return config
