"""BERT: a post-norm Transformer encoder over tokens that see each other in both directions."""
import re

import numpy as np

from cdl._core.check import positive_integer
from cdl._core.tape import enter_inference, leave_inference
from cdl._core.tensor import Tensor
from cdl.data.loader import Loader
from cdl.models.huggingface import read_config, renamed
from cdl.nn import Dense, Dropout, Embedding, LayerNorm, LearnedPosition, TransformerEncoder
from cdl.random import generator
from cdl.train.model import Model

__all__ = ["BERT", "BERTBase", "BERTLarge"]

# The names of a checkpoint, for those of the parts here.
_NAMES = {
    "tokens.": "embeddings.word_embeddings.", "positions.": "embeddings.position_embeddings.",
    "types.": "embeddings.token_type_embeddings.", "norm.": "embeddings.LayerNorm.", "pooler.": "pooler.dense.",
}
_BLOCK_NAMES = {
    **{f"attention.{part}.": f"attention.self.{part}." for part in ("query", "key", "value")},
    "attention.out.": "attention.output.dense.", "norm1.": "attention.output.LayerNorm.",
    "feed_forward.up.": "intermediate.dense.", "feed_forward.down.": "output.dense.", "norm2.": "output.LayerNorm.",
}
# What checkpoints hold beside the network: the numbers 0 to 511, and the heads of the training tasks.
_LEFT_OUT = re.compile(r"embeddings\.(position_ids|token_type_ids)$|cls\.")
# Of config.json: its names for the arguments here.
_CONFIG = {"num_hidden_layers": "layers", "hidden_size": "width", "num_attention_heads": "heads", "intermediate_size": "hidden",
           "vocab_size": "tokens", "max_position_embeddings": "positions", "type_vocab_size": "types",
           "hidden_act": "activation", "hidden_dropout_prob": "dropout", "layer_norm_eps": "eps"}
_ACTIVATIONS = {"gelu_new": "gelu_tanh", "gelu_pytorch_tanh": "gelu_tanh"}


class BERT(Model):
    """A BERT network: embeddings, a TransformerEncoder, and a dense layer (pooler) on the first position.

    `BERTBase` and `BERTLarge` make those of the paper, `BERT.from_config` that of a config.json.

    Parameters
    ----------
    layers, width, heads : int
        Blocks, features of a position, heads of the attention; the defaults are BERT-base's.
    hidden : int, optional
        Of the feed-forward networks; default: four times the width.
    tokens, positions, types : int
        How many token ids, positions and kinds of segments there are.
    activation : str
        Of the feed-forward networks, as `Dense` takes it.
    dropout : float
        The share that is dropped in training.
    eps : float
        Of the normalisations.
    pooler : bool
        Whether there is one.
    recompute : bool
        As in `cdl.TransformerEncoder`.
    rng : numpy.random.Generator or int, optional
        Where the initial weights come from.

    Attributes
    ----------
    tokens, positions, types, norm, encoder, pooler
        Its parts. In the state they have the names of Hugging Face's checkpoints, so that `load` takes these, with the
        prefix ``bert.`` or without: ``encoder.layer.0.attention.self.query.weight``. Left out of a file are
        ``position_ids`` and the heads of the training tasks, ``cls.``.

    Shape
    -----
    Input (N, T) of integers, T at most `positions`; output (N, T, width).

    Raises
    ------
    IndexError
        For a token id, type or position that is out of range.
    ValueError
        For heads that do not divide the width, or a mask of another shape than the ids.

    Source
    ------
    Devlin et al., "BERT: Pre-training of Deep Bidirectional Transformers", 2019.

    Examples
    --------
    >>> import cdl
    >>> model = cdl.models.BERT(layers=2, width=16, heads=2, tokens=100)
    >>> model.predict([[5, 6, 7]]).shape
    (1, 3, 16)
    """

    def __init__(self, layers=12, width=768, heads=12, hidden=None, *, tokens=30522, positions=512, types=2,
                 activation="gelu", dropout=0.1, eps=1e-12, pooler=True, recompute=False, rng=None):
        self.width = width = positive_integer(width, "BERT", "width")
        rng = None if rng is None else generator(rng)
        self.tokens = Embedding(tokens, width, rng=rng)
        self.positions = LearnedPosition(positions, width, rng=rng)
        self.types = Embedding(types, width, rng=rng)
        self.norm = LayerNorm(width, eps)
        self.dropout = Dropout(dropout, rng=rng)
        self.encoder = TransformerEncoder(layers, heads, hidden, pre_norm=False, eps=eps, activation=activation,
                                          dropout=dropout, in_features=width, recompute=recompute, rng=rng)
        self.pooler = Dense(width, "tanh", in_features=width, rng=rng) if pooler else None

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
        >>> small = {"model_type": "bert", "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
        ...          "intermediate_size": 32, "vocab_size": 10}
        >>> cdl.models.BERT.from_config(small).count_parameters()
        10912
        """
        known = read_config(config, "bert", _CONFIG, {"position_embedding_type": "absolute", "is_decoder": False},
                            ["attention_probs_dropout_prob"])
        if "activation" in known:
            known["activation"] = _ACTIVATIONS.get(known["activation"], known["activation"])
        return cls(**known | options)

    def forward(self, ids, mask=None, types=None):
        """The features of every position.

        Parameters
        ----------
        ids : array_like of int, shape (N, T)
        mask : array_like of bool or of 0 and 1, shape (N, T), optional
            Which positions hold a token; the others are padding, which nobody sees.
        types : array_like of int, shape (N, T), optional
            The segment of each position; default: 0.
        """
        ids = ids if isinstance(ids, Tensor) else np.asarray(ids)
        if ids.ndim != 2:
            raise ValueError(f"BERT: expected ids of shape (N, T), got {tuple(ids.shape)}")
        x = self.tokens(ids) + self.types([0] if types is None else _of_shape(types, ids, "types"))
        x = self.dropout(self.norm(self.positions(x)))
        return self.encoder(x, None if mask is None else _attended(mask, ids))

    def pooled(self, features):
        """tanh(x weight + bias) of the first position's features (N, T, width): what a classifier reads."""
        if self.pooler is None:
            raise ValueError("BERT: this one was made with pooler=False")
        return self.pooler(features[:, 0])

    def predict(self, ids, mask=None, types=None, *, batch_size=32):
        """The features (N, T, width) as in use, an ndarray; arguments as for the call, `batch_size` sequences at a time."""
        if isinstance(ids, Loader):
            if mask is not None or types is not None:
                raise TypeError("predict: mask and types go with arrays of ids; a Loader's batches hold ids alone")
            return super().predict(ids)
        ids = np.asarray(ids)
        inputs = (ids, *(None if a is None else _of_shape(a, ids, name) for a, name in ((mask, "mask"), (types, "types"))))
        positive_integer(batch_size, "predict", "batch_size")
        if ids.ndim == 2:
            self.tokens.check(ids)      # so that the position named is that in `ids`, not in a batch
        parts = [[None if a is None else a[i:i + batch_size] for a in inputs]
                 for i in range(0, max(len(ids), 1), batch_size)]
        try:    # an interrupt may come right after the next call: it must be undone then too
            enter_inference()
            features = [self.forward(*part).numpy() for part in parts]
        finally:
            leave_inference()
        return features[0] if len(features) == 1 else np.concatenate(features)

    def embed(self, ids, mask=None, *, batch_size=32):
        """A vector of length 1 for each sequence: the mean of the features of its tokens, as sentence encoders are used.

        Parameters
        ----------
        ids, mask, batch_size
            As in `predict`.

        Returns
        -------
        ndarray, shape (N, width)

        Examples
        --------
        >>> import cdl
        >>> model = cdl.models.BERT(layers=1, width=16, heads=2, tokens=100)
        >>> a, b = model.embed([[5, 6, 0], [5, 6, 7]], [[1, 1, 0], [1, 1, 1]])
        >>> bool(abs((a * a).sum() - 1) < 1e-6), a.shape
        (True, (16,))
        """
        ids = np.asarray(ids)
        mask = np.ones(ids.shape, bool) if mask is None else _of_shape(mask, ids, "mask")
        features = self.predict(ids, mask, batch_size=batch_size)
        kept = mask.astype(features.dtype)[..., None]
        mean = (np.where(kept > 0, features, 0) * kept).sum(axis=1) / np.maximum(kept.sum(axis=1), 1)
        return mean / np.maximum(np.linalg.norm(mean, axis=-1, keepdims=True), 1e-12)

    # --- state -------------------------------------------------------------------------------------------------------
    def tensor_places(self, prefix="", above=()):
        for path, layer, name, tensor in super().tensor_places("", above):
            yield prefix + _name(path), layer, name, tensor

    def foreign_state(self, state):
        return renamed(state, "bert.", _LEFT_OUT, {".gamma": ".weight", ".beta": ".bias"})

    def output_shape(self, input_shape):
        return (*input_shape, self.width)

    def known_input_shape(self):
        return (None, self.positions.length) if self._input_shape is None else self._input_shape

    def config(self):
        block = self.encoder.config()
        kept = ("layers", "heads", "hidden", "activation", "dropout", "eps")
        return {name: block[name] for name in kept} | {
            "width": self.width, "tokens": self.tokens.tokens, "positions": self.positions.length, "types": self.types.tokens,
            "pooler": self.pooler is not None, "recompute": self.encoder.recompute}


def _name(path):
    """A path here as a checkpoint has it."""
    if path.startswith("encoder.layers."):
        _, _, number, rest = path.split(".", 3)
        prefix, names, path = f"encoder.layer.{number}.", _BLOCK_NAMES, rest
    else:
        prefix, names = "", _NAMES
    for here, there in names.items():
        if path.startswith(here):
            return prefix + there + path.removeprefix(here)
    return prefix + path


def _of_shape(array, ids, name):
    array = np.asarray(array)
    if array.shape != tuple(ids.shape):
        raise ValueError(f"BERT: {name} must have the shape of the ids, {tuple(ids.shape)}, got {array.shape}")
    return array


def _attended(mask, ids):
    """The mask of positions (N, T) for all heads and queries: (N, 1, 1, T) of bool."""
    mask = _of_shape(mask, ids, "mask")
    if mask.dtype != bool:
        if mask.dtype.kind not in "iuf" or ((mask != 0) & (mask != 1)).any():
            raise ValueError(f"BERT: mask must hold True and False, or 1 and 0, got dtype {mask.dtype}")
        mask = mask != 0
    return mask[:, None, None, :]


def BERTBase(**options):
    """BERT of 12 layers, 768 wide; 109,482,240 parameters with its pooler; options as for `BERT`.

    Examples
    --------
    >>> import cdl
    >>> with cdl.init.no_draws(10**9):      # zeros, for what is only counted
    ...     cdl.models.BERTBase().count_parameters()
    109482240
    """
    return BERT(**options)


def BERTLarge(**options):
    """BERT of 24 layers, 1024 wide; 335,141,888 parameters with its pooler; options as for `BERT`.

    Examples
    --------
    >>> import cdl
    >>> model = cdl.models.BERTLarge(layers=1, tokens=100)      # less of it
    >>> model.predict([[1, 2, 3]]).shape
    (1, 3, 1024)
    """
    return BERT(**{"layers": 24, "width": 1024, "heads": 16} | options)
