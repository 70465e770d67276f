"""Transformers: blocks of attention and a feed-forward network, each added to its input, and stacks of them."""
from functools import partial

import numpy as np

from cdl._core.check import positive_integer
from cdl.nn.activation import check_activation
from cdl.nn.attention import MultiHeadAttention
from cdl.nn.dense import Dense
from cdl.nn.dropout import Dropout
from cdl.nn.layer import Layer
from cdl.nn.norm import LayerNorm, RMSNorm
from cdl.nn.position import RotaryPosition
from cdl.nn.recompute import checkpoint
from cdl.ops import silu
from cdl.random import generator

__all__ = ["DecoderBlock", "EncoderBlock", "FeedForward", "TransformerDecoder", "TransformerEncoder"]

_NORMS = {"layer": LayerNorm, "rms": RMSNorm}


class FeedForward(Layer):
    """down(activation(up(x))), or with "swiglu" down(silu(gate(x)) * up(x)): the same at every position.

    Parameters
    ----------
    hidden : int, optional
        The outputs of `up`; default: four times the width of the input.
    activation : str
        "swiglu", or a name as `Dense` takes it: "gelu" (exact), "gelu_tanh" (GPT-2's), "relu", …
    use_bias : bool
    dropout : float
        The share of the hidden values that is dropped in training.
    in_features : int, optional
        The width of input and output; default: taken from the first input.
    rng : numpy.random.Generator or int, optional

    Attributes
    ----------
    up, down, gate : Dense
        `gate` is None without "swiglu".

    Shape
    -----
    Input and output (…, F).

    Source
    ------
    Vaswani et al., 2017, section 3.3; SwiGLU: Shazeer, "GLU variants improve Transformer", 2020.

    Examples
    --------
    >>> import numpy as np
    >>> import cdl
    >>> layer = cdl.nn.FeedForward(8, "swiglu", use_bias=False)
    >>> layer(np.ones((2, 3, 4))).shape, layer.count_parameters()
    ((2, 3, 4), 96)
    """

    def __init__(self, hidden=None, activation="gelu", *, use_bias=True, dropout=0.0, in_features=None, rng=None):
        self.hidden = None if hidden is None else positive_integer(hidden, "FeedForward", "hidden")
        self.activation, self.use_bias = activation, use_bias
        if activation != "swiglu":
            check_activation(activation, "FeedForward")
        self._rng = None if rng is None else generator(rng)
        self.up = self.down = self.gate = None
        self.dropout = Dropout(dropout, rng=self._rng)
        if in_features is not None:
            self.build((positive_integer(in_features, "FeedForward", "in_features"),))

    def build(self, input_shape):
        if self.up is not None:
            return
        width = positive_integer(input_shape[-1], "FeedForward", "in_features")
        hidden = 4 * width if self.hidden is None else self.hidden
        dense = partial(Dense, use_bias=self.use_bias, rng=self._rng)
        gated = self.activation == "swiglu"
        self.up = dense(hidden, None if gated else self.activation, in_features=width)
        self.gate = dense(hidden, in_features=width) if gated else None
        self.down = dense(width, in_features=hidden)

    def forward(self, x):
        if self.up is None:
            self.build(np.shape(x))
        y = self.up(x) if self.gate is None else silu(self.gate(x)) * self.up(x)
        return self.down(self.dropout(y))

    def _is_built(self):
        return self.up is not None

    def config(self):
        config = {"hidden": self.hidden, "activation": self.activation, "use_bias": self.use_bias,
                  "dropout": self.dropout.drop_prob}
        return config | ({} if self.up is None else {"in_features": self.down.units})


class _Block(Layer):
    """What both blocks share: the options, and a part added to its input, normalised before or after."""

    def __init__(self, heads, hidden=None, *, pre_norm=True, norm="layer", eps=1e-5, activation="gelu", use_bias=True,
                 key_heads=None, causal=False, rotary=False, dropout=0.0, in_features=None, rng=None):
        who = type(self).__name__
        if norm not in _NORMS:
            raise ValueError(f'{who}: norm must be "layer" or "rms", got {norm!r}')
        self.pre_norm = bool(pre_norm)
        self._rng = rng = None if rng is None else generator(rng)
        self._options = {"heads": heads, "hidden": hidden, "pre_norm": self.pre_norm, "norm": norm, "eps": eps,
                         "activation": activation, "use_bias": use_bias, "key_heads": key_heads, "causal": bool(causal),
                         "rotary": bool(rotary), "dropout": dropout}
        self._attention = partial(MultiHeadAttention, heads, key_heads=key_heads, use_bias=use_bias, dropout=dropout,
                                  rng=rng)
        self._norm = partial(_NORMS[norm], eps=eps)
        turn = partial(RotaryPosition().forward, axis=-3) if rotary else None
        self.attention = self._attention(causal=causal, rotary=turn, in_features=in_features)
        self.norm1 = self._norm(in_features)
        self._make_more(in_features)
        self.feed_forward = FeedForward(hidden, activation, use_bias=use_bias, dropout=dropout, in_features=in_features,
                                        rng=rng)
        self.dropout = Dropout(dropout, rng=rng)

    def _make_more(self, width):
        """The parts that stand between self-attention and the feed-forward network."""
        self.norm2 = self._norm(width)

    def _added(self, x, norm, part):
        """x + part(norm(x)), or norm(x + part(x)); what the part gives is dropped in training."""
        if self.pre_norm:
            return x + self.dropout(part(norm(x)))
        return norm(x + self.dropout(part(x)))

    def build(self, input_shape):
        for _, layer in self.children():
            layer.build(input_shape)

    def _build_attention(self, x):
        """At the first call, before a norm takes x's width: heads that do not divide it leave the block as it was."""
        if self.norm1.dim is None:
            self.attention.build(np.shape(x))

    def config(self):
        config = dict(self._options)
        return config | ({} if self.norm1.dim is None else {"in_features": self.norm1.dim})


class EncoderBlock(_Block):
    """Self-attention and a feed-forward network, each added to its input.

    pre_norm: x = x + attention(norm1(x)), then x + feed_forward(norm2(x)), in which the sum runs through the whole depth
    and trains without a warm-up; else the paper's x = norm1(x + attention(x)), then norm2(x + feed_forward(x)), BERT's.

    Parameters
    ----------
    heads : int
        Of the attention; divides the width.
    hidden : int, optional
        Of the feed-forward network; default: four times the width.
    pre_norm : bool
    norm : {"layer", "rms"}
        LayerNorm or RMSNorm.
    eps : float
        Of the normalisations.
    activation : str
        As `FeedForward` takes it.
    use_bias : bool
        Of the dense layers.
    key_heads : int, optional
        How many heads have keys and values of their own; divides `heads`; default: all.
    causal : bool
        Whether each position sees only itself and those before: the block of a language model.
    rotary : bool
        Whether queries and keys are turned by their positions (`cdl.nn.RotaryPosition`); nothing else tells positions apart.
    dropout : float
        The share that is dropped in training, of attention weights, hidden values and what is added.
    in_features : int, optional
        The width; default: taken from the first input.
    rng : numpy.random.Generator or int, optional

    Attributes
    ----------
    attention, norm1, feed_forward, norm2
        Its parts.

    Shape
    -----
    Input and output (N, T, F). ``block(x, mask, cache)`` takes mask and cache as `cdl.MultiHeadAttention` does.

    Source
    ------
    Vaswani et al., 2017, figure 1; pre-norm: Xiong et al., "On layer normalization in the Transformer architecture", 2020.

    Examples
    --------
    >>> import numpy as np
    >>> import cdl
    >>> cdl.nn.EncoderBlock(2)(np.ones((1, 3, 8))).shape
    (1, 3, 8)
    """

    def forward(self, x, mask=None, cache=None):
        self._build_attention(x)
        x = self._added(x, self.norm1, lambda x: self.attention(x, mask=mask, cache=cache))
        return self._added(x, self.norm2, self.feed_forward)


class DecoderBlock(_Block):
    """Self-attention, attention to a memory and a feed-forward network, each added to its input; see `EncoderBlock`.

    Parameters
    ----------
    heads, hidden, pre_norm, norm, eps, activation, use_bias, key_heads, causal, rotary, dropout, in_features, rng
        As in EncoderBlock; causal is True where nothing is said.

    Attributes
    ----------
    attention, norm1, cross, norm2, feed_forward, norm3
        Its parts.

    Shape
    -----
    Input and output (N, T, F), memory (N, S, F). ``block(x, memory, mask, memory_mask, cache)``.

    Source
    ------
    Vaswani et al., 2017, figure 1.

    Examples
    --------
    >>> import numpy as np
    >>> import cdl
    >>> cdl.nn.DecoderBlock(2)(np.ones((1, 3, 8)), np.ones((1, 5, 8))).shape
    (1, 3, 8)
    """

    def __init__(self, heads, hidden=None, *, causal=True, **options):
        super().__init__(heads, hidden, causal=causal, **options)

    def _make_more(self, width):
        self.cross = self._attention(in_features=width)
        self.norm2, self.norm3 = self._norm(width), self._norm(width)

    def forward(self, x, memory=None, mask=None, memory_mask=None, cache=None):
        if memory is None:
            raise ValueError("DecoderBlock: memory is missing, what the encoder gave; a block without one is EncoderBlock("
                             "…, causal=True)")
        self._build_attention(x)
        x = self._added(x, self.norm1, lambda x: self.attention(x, mask=mask, cache=cache))
        x = self._added(x, self.norm2, lambda x: self.cross(x, memory, mask=memory_mask))
        return self._added(x, self.norm3, self.feed_forward)


class _Stack(Layer):
    """Blocks one after another, and a normalisation of the sum at the end where they normalise before."""

    def __init__(self, layers, heads, hidden=None, *, recompute=False, **options):
        who = type(self).__name__
        rng = options.pop("rng", None)
        rng = None if rng is None else generator(rng)
        self.recompute = bool(recompute)
        self.layers = [self._block(heads, hidden, rng=rng, **options) for _ in range(positive_integer(layers, who, "layers"))]
        first = self.layers[0]
        self.norm = first._norm(options.get("in_features")) if first.pre_norm else None

    def build(self, input_shape):
        for _, layer in self.children():
            layer.build(input_shape)

    def _run(self, x, caches, *inputs):
        """x through all blocks, each with its cache."""
        if caches is not None and len(caches) != len(self.layers):
            raise ValueError(f"{type(self).__name__}: expected a cache for each of the {len(self.layers)} layers, got "
                             f"{len(caches)}")
        for i, block in enumerate(self.layers):
            if self.recompute and self.training and caches is None:
                x = checkpoint(block, x, *inputs)
            else:
                x = block(x, *inputs, None if caches is None else caches[i])
        return x if self.norm is None else self.norm(x)

    def config(self):
        block = self.layers[0].config()
        return {"layers": len(self.layers), **block} | ({"recompute": True} if self.recompute else {})


class TransformerEncoder(_Stack):
    """Blocks of self-attention and feed-forward networks, as deep as you like; see `cdl.nn.EncoderBlock`.

    With causal=True it is the trunk of a language model. With pre_norm the sum is normalised once more at the end.

    Parameters
    ----------
    layers : int
        How many blocks.
    heads, hidden, pre_norm, norm, eps, activation, use_bias, key_heads, causal, rotary, dropout, in_features, rng
        As in `cdl.nn.EncoderBlock`.
    recompute : bool
        In training keep only the input of each block and compute the rest again in the backward (`cdl.nn.checkpoint`):
        a third more time, and the memory of one block instead of all.

    Attributes
    ----------
    layers : list of EncoderBlock
    norm : LayerNorm, RMSNorm or None
        The last normalisation, of pre_norm.

    Shape
    -----
    Input and output (N, T, F). ``encoder(x, mask, caches)``: the mask as in `cdl.MultiHeadAttention`, the caches one
    for each block.

    Raises
    ------
    ValueError
        For heads that do not divide the width, or a mask that does not fit.

    Source
    ------
    Vaswani et al., "Attention is all you need", 2017.

    Examples
    --------
    >>> import numpy as np
    >>> import cdl
    >>> encoder = cdl.TransformerEncoder(layers=12, heads=4, in_features=16)
    >>> encoder(np.ones((2, 5, 16))).shape
    (2, 5, 16)
    """

    _block = EncoderBlock

    def forward(self, x, mask=None, caches=None):
        return self._run(x, caches, mask)


class TransformerDecoder(_Stack):
    """Blocks that attend to themselves and to a memory, the output of an encoder; see `cdl.nn.DecoderBlock`.

    Parameters
    ----------
    layers : int
        How many blocks.
    heads, hidden, pre_norm, norm, eps, activation, use_bias, key_heads, causal, rotary, dropout, in_features, rng
        As in `cdl.nn.DecoderBlock`.
    recompute : bool
        As in `TransformerEncoder`.

    Attributes
    ----------
    layers : list of DecoderBlock
    norm : LayerNorm, RMSNorm or None

    Shape
    -----
    Input and output (N, T, F), memory (N, S, F). ``decoder(x, memory, mask, memory_mask, caches)``.

    Source
    ------
    Vaswani et al., "Attention is all you need", 2017.

    Examples
    --------
    >>> import numpy as np
    >>> import cdl
    >>> encoder, decoder = (make(layers=2, heads=2, in_features=8) for make in (cdl.TransformerEncoder, cdl.TransformerDecoder))
    >>> decoder(np.ones((1, 3, 8)), encoder(np.ones((1, 5, 8)))).shape
    (1, 3, 8)
    """

    _block = DecoderBlock

    def forward(self, x, memory=None, mask=None, memory_mask=None, caches=None):
        return self._run(x, caches, memory, mask, memory_mask)
