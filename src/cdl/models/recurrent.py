"""A recurrent network over tokens, with what comes next as its output."""
from functools import partial

from cdl._core.check import positive_integer
from cdl.init import normal
from cdl.models.generate import generate
from cdl.nn import GRU, LSTM, RNN, Dense, Embedding
from cdl.random import generator
from cdl.train.model import Model

__all__ = ["RecurrentLanguageModel"]

_KINDS = {"rnn": RNN, "lstm": LSTM, "gru": GRU}


class RecurrentLanguageModel(Model):
    """For each position how likely every token is to come next (logits), from those before it.

    Parameters
    ----------
    tokens : int
        How many token ids there are.
    units, layers : int
        The size of the recurrent layers, and how many are stacked.
    kind : {"lstm", "gru", "rnn"}
    width : int, optional
        Numbers that stand for a token; default: a quarter of the units.
    dropout : float
        What share of the outputs between the layers is dropped in training.
    rng : numpy.random.Generator or int, optional
        Where initial weights and dropout come from.

    Shape
    -----
    Input (N, T) of integers; output (N, T, tokens).

    Raises
    ------
    IndexError
        For a token id that is out of range.

    Source
    ------
    Notes, section 6.1; Mikolov et al., "Recurrent neural network based language model", 2010.

    Examples
    --------
    >>> import cdl
    >>> model = cdl.models.RecurrentLanguageModel(30, 16, kind="gru", rng=0)
    >>> model.predict([[5, 6, 7]]).shape
    (1, 3, 30)
    >>> model.generate([5, 6], 3).shape
    (5,)
    """

    positions = None    # as many as one likes: what went before is in the state

    def __init__(self, tokens, units=256, layers=2, *, kind="lstm", width=None, dropout=0.0, rng=None):
        if kind not in _KINDS:
            raise ValueError(f"RecurrentLanguageModel: kind must be one of {', '.join(_KINDS)}, got {kind!r}")
        for name, value in (("tokens", tokens), ("units", units), ("layers", layers)):
            positive_integer(value, "RecurrentLanguageModel", name)
        width = max(units // 4, 1) if width is None else positive_integer(width, "RecurrentLanguageModel", "width")
        rng = None if rng is None else generator(rng)
        self.kind = kind
        # Rows of deviation 1: the layers above expect inputs of about that size
        self.embedding = Embedding(tokens, width, initializer=partial(normal, deviation=1.0, rng=rng))
        self.recurrent = _KINDS[kind](units, layers=layers, dropout=dropout, return_sequences=True, return_state=True,
                                      in_features=width, rng=rng)
        self.scores = Dense(tokens, in_features=units, rng=rng)

    def forward(self, ids):
        y, _ = self.recurrent(self.embedding(ids))
        return self.scores(y)

    def step(self, ids, state=None):
        """One token of a stream: (scores, state) for ids (N,) and the state that the step before returned."""
        y, state = self.recurrent.step(self.embedding(ids), state)
        return self.scores(y), state

    def next_scores(self, ids, caches=None):
        """The scores of the token after the last one only, (N, tokens); `caches` hold the state of those before."""
        y, state = self.recurrent(self.embedding(ids), caches[0] if caches else None)
        if caches is not None:
            caches[0] = state
        return self.scores(y[:, -1])

    def new_caches(self):
        """No state yet, for `next_scores`."""
        return [None]

    def generate(self, ids, length, **options):
        """ids and `length` tokens more, each drawn from what comes next; see `cdl.models.generate`."""
        return generate(self, ids, length, **options)

    def output_shape(self, input_shape):
        return (*input_shape, self.embedding.tokens)

    def known_input_shape(self):
        return (None, None) if self._input_shape is None else self._input_shape

    def config(self):
        return {"tokens": self.embedding.tokens, "units": self.recurrent.units, "layers": self.recurrent.layers,
                "kind": self.kind, "width": self.embedding.width, "dropout": self.recurrent.dropout}
