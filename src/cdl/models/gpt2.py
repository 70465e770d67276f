"""GPT-2: a pre-norm Transformer over tokens that see those before them, and what comes next as its output."""
import re
from functools import partial

import numpy as np

from cdl._core.attention import attention_of_heads
from cdl._core.check import positive_integer
from cdl._core.tensor import Tensor
from cdl.init import normal
from cdl.models.generate import generate
from cdl.models.huggingface import read_config, renamed, same_array
from cdl.nn import Dense, Dropout, Embedding, Layer, LayerNorm, LearnedPosition
from cdl.nn.attention import KeyValueCache
from cdl.nn.recompute import checkpoint
from cdl.random import generator
from cdl.train.model import Model

__all__ = ["GPT2", "GPT2Medium", "GPT2Small"]

# What checkpoints hold beside the network: the causal mask.
_LEFT_OUT = re.compile(r"h\.\d+\.attn\.(masked_)?bias$")
_CONFIG = {"n_layer": "layers", "n_embd": "width", "n_head": "heads", "n_inner": "hidden", "vocab_size": "tokens",
           "n_positions": "positions", "activation_function": "activation", "resid_pdrop": "dropout",
           "layer_norm_epsilon": "eps"}
_ACTIVATIONS = {"gelu_new": "gelu_tanh", "gelu_pytorch_tanh": "gelu_tanh"}


class _Attention(Layer):
    """Causal self-attention whose queries, keys and values come from one product, as the checkpoints have them."""

    def __init__(self, width, heads, dense, last, dropout, rng):
        if width % heads:
            raise ValueError(f"GPT2: the width {width} does not make {heads} equal heads")
        self.heads = heads
        self.c_attn, self.c_proj = dense(3 * width, in_features=width), last(width, in_features=width)
        self.dropout = Dropout(dropout, rng=rng)

    def forward(self, x, cache=None):
        F, joined = x.shape[-1], self.c_attn(x)
        query, key, value = (joined[:, :, i * F:(i + 1) * F] for i in range(3))
        if cache is not None:
            key, value = cache.append(key, value)
        y = attention_of_heads(query, key, value, self.heads, self.heads, causal=True)
        return self.dropout(self.c_proj(y))


class _MLP(Layer):
    """The feed-forward network."""

    def __init__(self, width, hidden, activation, dense, last, dropout, rng):
        self.c_fc = dense(hidden, activation, in_features=width)
        self.c_proj = last(width, in_features=hidden)
        self.dropout = Dropout(dropout, rng=rng)

    def forward(self, x):
        return self.dropout(self.c_proj(self.c_fc(x)))


class _Block(Layer):
    """x + attn(ln_1(x)), and of that x + mlp(ln_2(x))."""

    def __init__(self, width, heads, hidden, activation, dropout, eps, layers, rng):
        dense = partial(Dense, kernel_initializer=partial(normal, rng=rng))
        # The sum runs through 2 layers additions: each starts smaller by their root (Radford et al., section 2.3).
        last = partial(Dense, kernel_initializer=partial(normal, deviation=0.02 / (2 * layers) ** 0.5, rng=rng))
        self.ln_1, self.ln_2 = LayerNorm(width, eps), LayerNorm(width, eps)
        self.attn = _Attention(width, heads, dense, last, dropout, rng)
        self.mlp = _MLP(width, hidden, activation, dense, last, dropout, rng)

    def forward(self, x, cache=None):
        x = x + self.attn(self.ln_1(x), cache)
        return x + self.mlp(self.ln_2(x))


class GPT2(Model):
    """A GPT-2 network: for each position how likely every token is to come next (logits).

    `GPT2Small` and `GPT2Medium` make those of the paper, `GPT2.from_config` that of a config.json; the scores are
    products with the rows of the embedding (tied).

    Parameters
    ----------
    layers, width, heads : int
        Blocks, features of a position, heads of the attention; the defaults are GPT-2 small's.
    hidden : int, optional
        Of the feed-forward networks; default: four times the width.
    tokens, positions : int
        How many token ids and positions there are.
    activation : str
        Of the feed-forward networks, as `Dense` takes it.
    dropout : float
        The share that is dropped in training, of the embeddings and of what each part adds.
    eps : float
        Of the normalisations.
    recompute : bool
        In training keep only the input of each block (`cdl.nn.checkpoint`).
    rng : numpy.random.Generator or int, optional
        Where the initial weights come from.

    Attributes
    ----------
    wte, wpe, h, ln_f
        Its parts, under the names of Hugging Face's checkpoints, so that `load` takes these, with the prefix
        ``transformer.`` or without. Left out of a file are the masks ``attn.bias``, and ``lm_head.weight``, which must
        be ``wte.weight``.

    Shape
    -----
    Input (N, T) of integers, T at most `positions`; output (N, T, tokens).

    Raises
    ------
    IndexError
        For a token id or a position that is out of range.

    Source
    ------
    Radford et al., "Language Models are Unsupervised Multitask Learners", 2019.

    Examples
    --------
    >>> import cdl
    >>> model = cdl.models.GPT2(layers=2, width=16, heads=2, tokens=100, positions=8, rng=0)
    >>> model.predict([[5, 6, 7]]).shape
    (1, 3, 100)
    >>> model.generate([5, 6], 3).shape
    (5,)
    """

    def __init__(self, layers=12, width=768, heads=12, hidden=None, *, tokens=50257, positions=1024, activation="gelu_tanh",
                 dropout=0.1, eps=1e-5, recompute=False, rng=None):
        for name, value in (("layers", layers), ("width", width), ("heads", heads)):
            positive_integer(value, "GPT2", name)
        hidden = 4 * width if hidden is None else positive_integer(hidden, "GPT2", "hidden")
        rng = None if rng is None else generator(rng)
        self._options = {"layers": layers, "width": width, "heads": heads, "hidden": hidden, "activation": activation,
                         "dropout": dropout, "eps": eps, "recompute": bool(recompute)}
        self.wte = Embedding(tokens, width, rng=rng)
        self.wpe = LearnedPosition(positions, width, rng=rng)
        self.dropout = Dropout(dropout, rng=rng)
        self.h = [_Block(width, heads, hidden, activation, dropout, eps, layers, rng) for _ in range(layers)]
        self.ln_f = LayerNorm(width, eps)

    @classmethod
    def from_config(cls, config, **options):
        """The network that a Hugging Face config.json describes, its path or what is in it; options override it.

        Raises
        ------
        ValueError
            For another kind of network, or a setting that this one does not have.

        Examples
        --------
        >>> import cdl
        >>> small = {"model_type": "gpt2", "n_embd": 16, "n_layer": 1, "n_head": 2, "vocab_size": 10, "n_positions": 8}
        >>> cdl.models.GPT2.from_config(small).count_parameters()
        3600
        """
        known = read_config(config, "gpt2", _CONFIG, {"scale_attn_by_inverse_layer_idx": False, "scale_attn_weights": True,
                                                      "tie_word_embeddings": True, "add_cross_attention": False},
                            ["attn_pdrop", "embd_pdrop"])
        if "activation" in known:
            known["activation"] = _ACTIVATIONS.get(known["activation"], known["activation"])
        return cls(**known | options)

    @property
    def positions(self):
        """How many tokens it can look at."""
        return self.wpe.length

    def features(self, ids, caches=None):
        """What the scores are taken from, (N, T, width); with `caches` the ids follow those that they have seen."""
        ids = ids if isinstance(ids, Tensor) else np.asarray(ids)
        if ids.ndim != 2:
            raise ValueError(f"GPT2: expected ids of shape (N, T), got {tuple(ids.shape)}")
        x = self.dropout(self.wpe(self.wte(ids), 0 if caches is None else caches[0].length))
        for i, block in enumerate(self.h):
            if caches is not None:
                x = block(x, caches[i])
            else:
                x = checkpoint(block, x) if self._options["recompute"] and self.training else block(x)
        return self.ln_f(x)

    def forward(self, ids, caches=None):
        return self.wte.scores(self.features(ids, caches))

    def next_scores(self, ids, caches=None):
        """The scores of the token after the last one only, (N, tokens)."""
        return self.wte.scores(self.features(ids, caches)[:, -1])

    def new_caches(self):
        """An empty cache for each block, which `features` and `next_scores` fill."""
        return [KeyValueCache() for _ in self.h]

    def generate(self, ids, length, **options):
        """ids and `length` tokens more, each drawn from what comes next; see `cdl.models.generate`.

        Examples
        --------
        >>> import cdl
        >>> model = cdl.models.GPT2(layers=1, width=8, heads=2, tokens=20, positions=16, rng=0)
        >>> model.generate([1, 2, 3], 5, temperature=0.8, top_k=10, rng=0).shape
        (8,)
        """
        return generate(self, ids, length, **options)

    # --- state -------------------------------------------------------------------------------------------------------
    def foreign_state(self, state):
        state = renamed(state, "transformer.", _LEFT_OUT, {})
        tied = state.pop("lm_head.weight", None)
        if tied is not None and not same_array(tied, state.get("wte.weight", tied)):
            raise ValueError("lm_head.weight differs from wte.weight, and the output of this GPT2 is tied to its embedding")
        return state

    def output_shape(self, input_shape):
        return (*input_shape, self.wte.tokens)

    def known_input_shape(self):
        return (None, self.wpe.length) if self._input_shape is None else self._input_shape

    def config(self):
        return self._options | {"tokens": self.wte.tokens, "positions": self.wpe.length}


def GPT2Small(**options):
    """GPT-2 of 12 layers, 768 wide; 124,439,808 parameters; options as for `GPT2`.

    Examples
    --------
    >>> import cdl
    >>> with cdl.init.no_draws(10**9):      # zeros, for what is only counted
    ...     cdl.models.GPT2Small().count_parameters()
    124439808
    """
    return GPT2(**options)


def GPT2Medium(**options):
    """GPT-2 of 24 layers, 1024 wide; 354,823,168 parameters; options as for `GPT2`.

    Examples
    --------
    >>> import cdl
    >>> model = cdl.models.GPT2Medium(layers=1, tokens=100)     # less of it
    >>> model.features([[1, 2, 3]]).shape
    (1, 3, 1024)
    """
    return GPT2(**{"layers": 24, "width": 1024, "heads": 16} | options)
