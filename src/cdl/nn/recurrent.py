"""Recurrent layers over sequences (N, T, features), and their cells for one step.

The parameters have torch's names and its order of gates, weights being (in, out) here: LSTM i, f, g, o; GRU r, z, n. There are
two biases, as in torch, so that its checkpoints load; where they act as one, both are trained.
"""
import numpy as np

from cdl._core.check import positive_integer
from cdl._core.recurrent import recurrent
from cdl._core.tensor import Tensor
from cdl.init import check_initializer, initialize
from cdl.nn.layer import Layer
from cdl.ops import concatenate, dropout, stack
from cdl.ops.dropout import check_drop_prob
from cdl.ops.recurrent import gru, lstm, rnn
from cdl.random import generator

__all__ = ["GRU", "LSTM", "RNN", "GRUCell", "LSTMCell", "RNNCell"]


class _Gated(Layer):
    """What layers and cells share: their weights, whose size the first input may tell."""

    _gates = 1
    _forget = None      # the gate whose bias starts at 1, so that what is remembered stays at first
    _suffixes = ("",)

    def _options(self, units, use_bias, kernel_initializer, recurrent_initializer, rng):
        who = type(self).__name__
        self.units, self.use_bias = positive_integer(units, who, "units"), use_bias
        for initializer in (kernel_initializer, recurrent_initializer):
            check_initializer(initializer, who)
        self._initializers, self._rng = (kernel_initializer, recurrent_initializer), None
        if rng is not None:
            self._rng = generator(rng)
        self.in_features = None

    def _inputs(self, suffix):
        """How many features the weights of this name read."""
        return self.in_features

    def build(self, input_shape):
        if self.in_features is not None:
            return
        who = type(self).__name__
        if not input_shape or input_shape[-1] is None:
            raise ValueError(f"{who}: the input needs a last axis of known length, got shape {tuple(input_shape)}")
        self.in_features = positive_integer(input_shape[-1], who, "in_features")
        kernel, recurrent = self._initializers
        for suffix in self._suffixes:
            for name, start, n_in in (("weight_ih", kernel, self._inputs(suffix)), ("weight_hh", recurrent, self.units)):
                gates = [initialize(start, (n_in, self.units), rng=self._rng) for _ in range(self._gates)]
                self._add(name + suffix, np.concatenate(gates, axis=1))
            if self.use_bias:
                for name in ("bias_ih", "bias_hh"):
                    bias = np.zeros((self._gates, self.units))
                    if name == "bias_ih" and self._forget is not None:
                        bias[self._forget] = 1
                    self._add(name + suffix, bias.ravel())

    def _add(self, name, values):
        setattr(self, name, Tensor(values, "float32", requires_grad=True))

    def _weights(self, suffix):
        """w_ih, w_hh, b_ih, b_hh of one direction of one layer."""
        own = vars(self)
        return (own["weight_ih" + suffix], own["weight_hh" + suffix], own.get("bias_ih" + suffix), own.get("bias_hh" + suffix))

    def _check_features(self, shape):
        if shape[-1] not in (None, self.in_features):
            raise ValueError(f"{type(self).__name__}: expected {self.in_features} features in the last axis of x, got x of "
                             f"shape {tuple(shape)}")

    def _is_built(self):
        return self.in_features is not None

    def config(self):
        config = {"units": self.units}
        if not self.use_bias:
            config["use_bias"] = False
        for name, value, usual in zip(("kernel_initializer", "recurrent_initializer"), self._initializers,
                                      ("xavier_uniform", "orthogonal"), strict=True):
            if value != usual and isinstance(value, (str, float, int)):
                config[name] = value
        if self.in_features is not None:
            config["in_features"] = self.in_features
        return config


class _Recurrent(_Gated):
    """What the layers share: stacking, directions, states."""

    _states = 1

    def __init__(self, units, *, layers=1, bidirectional=False, dropout=0.0, return_sequences=False, return_state=False,
                 in_features=None, use_bias=True, recompute=False, kernel_initializer="xavier_uniform",
                 recurrent_initializer="orthogonal", rng=None):
        self._options(units, use_bias, kernel_initializer, recurrent_initializer, rng)
        who = type(self).__name__
        self.layers, self.bidirectional = positive_integer(layers, who, "layers"), bool(bidirectional)
        check_drop_prob(dropout, who)
        if dropout and self.layers == 1:
            raise ValueError(f"{who}: dropout acts between layers, and there is one; put a Dropout behind it, or set layers")
        self.dropout = dropout
        self.return_sequences, self.return_state, self.recompute = return_sequences, return_state, recompute
        self._suffixes = tuple(f"_l{i}{end}" for i in range(self.layers)
                               for end in (("", "_reverse") if self.bidirectional else ("",)))
        if in_features is not None:
            self.build((in_features,))

    @property
    def _directions(self):
        return 2 if self.bidirectional else 1

    def _inputs(self, suffix):
        return self.in_features if suffix.startswith("_l0") else self._directions * self.units

    def _run(self, x, suffix, state, lengths, reverse):
        """y and the state (h,) or (h, c) of one direction of one layer."""
        raise NotImplementedError

    def forward(self, x, state=None, lengths=None):
        """y, or (y, state) with return_state."""
        shape = np.shape(x)
        if self.in_features is None:
            self._check_axes(shape)
            self.build(shape)
        if len(shape) != 3 or shape[-1] != self.in_features:
            self._check_axes(shape)
        y, last, state = self._through(x, self._parts_of(state, shape[0]), lengths)
        y = y if self.return_sequences else last
        return (y, state) if self.return_state else y

    def step(self, x, state=None):
        """One step of a stream: (y, state) for x (N, features) and the state that the step before returned.

        Parameters
        ----------
        x : array_like
            (N, features).
        state : Tensor, ndarray or tuple, optional
            As the call takes it; default: 0.

        Returns
        -------
        y : Tensor
            (N, units).
        state : Tensor, or a tuple of two for LSTM

        Raises
        ------
        ValueError
            For a bidirectional layer, which would have to see the end first.
        """
        shape = np.shape(x)
        if self.bidirectional:
            raise ValueError(f"{type(self).__name__}: a bidirectional layer cannot go step by step: it reads from the end too")
        if len(shape) != 2:
            raise ValueError(f"{type(self).__name__}: step takes (N, features), got shape {shape}")
        self.build(shape)
        self._check_features(shape)
        y, _, state = self._through(x, self._parts_of(state, shape[0]), None)
        return y, state

    def _through(self, x, parts, lengths):
        """The last layer's output, its states side by side, and all states."""
        ends, sides, directions = [], [], self._directions
        for i, suffix in enumerate(self._suffixes):
            if i and i % directions == 0 and self.dropout:
                x = dropout(x, self.dropout, self.training, rng=self._rng)
            y, *end = self._run(x, suffix, parts[i], lengths, i % directions == 1)
            ends.append(end)
            sides.append(y)
            if len(sides) == directions:
                x, sides = y if directions == 1 else concatenate(sides, axis=-1), []
        last = ends[-1][0] if directions == 1 else concatenate([ends[-2][0], ends[-1][0]], axis=-1)
        if not self.return_state and x.ndim == 3:
            return x, last, None
        state = tuple(stack([end[k] for end in ends]) for k in range(self._states))
        return x, last, state if self._states > 1 else state[0]

    def _parts_of(self, state, n):
        """The state of each direction of each layer, as tuples."""
        count = len(self._suffixes)
        if state is None:
            return [(None,) * self._states] * count
        who, wanted = type(self).__name__, (count, n, self.units)
        if self._states == 1:
            state = (state,)
        elif not isinstance(state, (tuple, list)) or len(state) != self._states:
            raise ValueError(f"{who}: the state is a pair (h, c), got {type(state).__name__}"
                             + (f" of {len(state)}" if isinstance(state, (tuple, list)) else ""))
        for name, part in zip("hc", state, strict=False):
            if np.shape(part) != wanted:
                raise ValueError(f"{who}: the state {name} must have shape {wanted}, (layers x directions, N, units), got "
                                 f"{np.shape(part)}")
        return [tuple(part[i] for part in state) for i in range(count)]

    def _check_axes(self, shape):
        if len(shape) != 3:
            raise ValueError(f"{type(self).__name__}: expected (N, T, features), got shape {tuple(shape)}"
                             + ("; write x[None] for a single sequence" if len(shape) == 2 else ""))
        if self.in_features is not None:
            self._check_features(shape)

    def output_shape(self, input_shape):
        shape = tuple(input_shape)
        self._check_axes(shape)
        wide = self._directions * self.units
        return (shape[0], shape[1], wide) if self.return_sequences else (shape[0], wide)

    def config(self):
        config = super().config()
        for name, usual in (("layers", 1), ("bidirectional", False), ("dropout", 0.0), ("return_sequences", False),
                            ("return_state", False), ("recompute", False)):
            if getattr(self, name) != usual:
                config[name] = getattr(self, name)
        return config


class RNN(_Recurrent):
    """A plain recurrent layer, h[t] = act(x[t] @ weight_ih + bias_ih + h[t-1] @ weight_hh + bias_hh).

    Parameters
    ----------
    units : int
    activation : {"tanh", "relu"}
    **options
        As in LSTM, and so are the arguments of a call but for the state, which is h alone.

    Source
    ------
    Notes, section 6.1.

    Examples
    --------
    >>> import numpy as np
    >>> import cdl
    >>> cdl.RNN(4, return_sequences=True)(np.ones((2, 5, 3))).shape
    (2, 5, 4)
    """

    def __init__(self, units, activation="tanh", **options):
        if activation not in ("tanh", "relu"):
            raise ValueError(f'RNN: activation must be "tanh" or "relu", got {activation!r}')
        self.activation = activation
        super().__init__(units, **options)

    def _run(self, x, suffix, state, lengths, reverse):
        return rnn(x, *self._weights(suffix), *state, activation=self.activation, lengths=lengths, reverse=reverse,
                   recompute=self.recompute)

    def config(self):
        return super().config() | ({"activation": self.activation} if self.activation != "tanh" else {})


class LSTM(_Recurrent):
    """A long short-term memory; see `cdl.ops.lstm` for the formula. The bias of the forget gate starts at 1.

    Parameters
    ----------
    units : int
        The number of outputs of a direction, and the size of the state.
    layers : int
        How many are stacked: each reads what the one below puts out.
    bidirectional : bool
        Whether every layer also has a second set of weights that goes from the end to the start; both outputs stand side by
        side, (…, 2 units).
    dropout : float
        What share of the outputs of every layer but the last is dropped in training.
    return_sequences : bool
        Whether the output is that of every step, (N, T, units), or only the state after the last, (N, units): where
        sequences differ in length, each one's own last step.
    return_state : bool
        Whether a call returns (y, state).
    in_features : int, optional
        The number of inputs; default: taken from the first input.
    use_bias : bool
        Whether there are biases, two of them as in torch.
    recompute : bool
        Whether the backward computes the gates again instead of keeping them: a third more work, little memory.
    kernel_initializer, recurrent_initializer : str, float or callable
        What the weights of inputs and of states start with, gate by gate, as `cdl.init.initialize` takes it.
    rng : numpy.random.Generator or int, optional
        Where initial weights and dropout come from.

    A call takes x (N, T, features), and:

    state : Tensor, ndarray or a pair (h, c) of them, optional
        Before the first step, (layers x directions, N, units), in torch's order: layer by layer, forward before backward;
        default: 0.
    lengths : array_like of int, optional
        (N,), 1 to T: how many steps each sequence has. Beyond them x is not read, the output is 0 and the state is held.

    Raises
    ------
    ValueError
        For sizes that are not positive, an input, a state or lengths that do not fit.

    Source
    ------
    Notes, section 6.1; Hochreiter, Schmidhuber, "Long short-term memory", 1997; the forget gate's bias: Jozefowicz et al.,
    "An empirical exploration of recurrent network architectures", 2015.

    Examples
    --------
    >>> import numpy as np
    >>> import cdl
    >>> layer = cdl.LSTM(4, layers=2, return_state=True)
    >>> y, (h, c) = layer(np.ones((2, 5, 3)), lengths=[5, 3])
    >>> y.shape, h.shape
    ((2, 4), (2, 2, 4))
    >>> y, state = layer.step(np.ones((2, 3)), (h, c))
    """

    _gates = 4
    _forget = 1
    _states = 2

    def _run(self, x, suffix, state, lengths, reverse):
        return lstm(x, *self._weights(suffix), *state, lengths=lengths, reverse=reverse, recompute=self.recompute)


class GRU(_Recurrent):
    """A gated recurrent unit; see `cdl.ops.gru` for the formula, in both conventions of the reset gate.

    Parameters
    ----------
    units : int
    reset_after : bool
        Whether the reset gate acts on the product with the state, as in torch, or on the state before it.
    **options
        As in LSTM, and so are the arguments of a call but for the state, which is h alone.

    Source
    ------
    Notes, section 6.1; Cho et al., 2014.

    Examples
    --------
    >>> import numpy as np
    >>> import cdl
    >>> cdl.GRU(4, bidirectional=True)(np.ones((2, 5, 3))).shape
    (2, 8)
    """

    _gates = 3

    def __init__(self, units, *, reset_after=True, **options):
        self.reset_after = bool(reset_after)
        super().__init__(units, **options)

    def _run(self, x, suffix, state, lengths, reverse):
        return gru(x, *self._weights(suffix), *state, reset_after=self.reset_after, lengths=lengths, reverse=reverse,
                   recompute=self.recompute)

    def config(self):
        return super().config() | ({} if self.reset_after else {"reset_after": False})


class _Cell(_Gated):
    """What the cells share."""

    def __init__(self, units, *, in_features=None, use_bias=True, kernel_initializer="xavier_uniform",
                 recurrent_initializer="orthogonal", rng=None):
        self._options(units, use_bias, kernel_initializer, recurrent_initializer, rng)
        if in_features is not None:
            self.build((in_features,))

    def _ready(self, x):
        """The weights; x is refused if it is not (N, features). Lean: a step of 128 units takes 6 µs itself."""
        shape = x.shape if type(x) is Tensor else np.shape(x)
        if len(shape) != 2 or shape[1] != self.in_features:
            if len(shape) != 2:
                raise ValueError(f"{type(self).__name__}: expected (N, features), one step, got shape {shape}")
            self.build(shape)
            self._check_features(shape)
        own = self.__dict__
        return own["weight_ih"], own["weight_hh"], own.get("bias_ih"), own.get("bias_hh")

    def output_shape(self, input_shape):
        return (*input_shape[:-1], self.units)


class RNNCell(_Cell):
    """One step of a plain recurrent layer: `h = cell(x, h)` for x (N, in_features) and h (N, units), or None for 0.

    Parameters
    ----------
    units : int
    activation : {"tanh", "relu"}
    in_features, use_bias, kernel_initializer, recurrent_initializer, rng
        As in RNN.

    Examples
    --------
    >>> import numpy as np
    >>> import cdl
    >>> cell = cdl.RNNCell(4)
    >>> h = cell(np.ones((2, 3)))
    >>> cell(np.ones((2, 3)), h).shape
    (2, 4)
    """

    def __init__(self, units, activation="tanh", **options):
        if activation not in ("tanh", "relu"):
            raise ValueError(f'RNNCell: activation must be "tanh" or "relu", got {activation!r}')
        self.activation = activation
        super().__init__(units, **options)

    def forward(self, x, state=None):
        return recurrent("rnn", x, *self._ready(x), state, None, None, False, self.activation == "relu", False)[0]

    def config(self):
        return super().config() | ({"activation": self.activation} if self.activation != "tanh" else {})


class LSTMCell(_Cell):
    """One step of an LSTM: `h, c = cell(x, (h, c))` for x (N, in_features) and h, c (N, units), or None for 0.

    Parameters
    ----------
    units : int
    in_features, use_bias, kernel_initializer, recurrent_initializer, rng
        As in LSTM.

    Examples
    --------
    >>> import numpy as np
    >>> import cdl
    >>> cell = cdl.LSTMCell(4)
    >>> h, c = cell(np.ones((2, 3)))
    >>> h, c = cell(np.ones((2, 3)), (h, c))
    >>> h.shape
    (2, 4)
    """

    _gates = 4
    _forget = 1

    def forward(self, x, state=None):
        if state is None:
            state = None, None
        elif not isinstance(state, (tuple, list)) or len(state) != 2:
            raise ValueError(f"LSTMCell: the state is a pair (h, c), got {type(state).__name__}")
        y, _, c = recurrent("lstm", x, *self._ready(x), *state, None, False, False, False)
        return y, c


class GRUCell(_Cell):
    """One step of a GRU: `h = cell(x, h)` for x (N, in_features) and h (N, units), or None for 0.

    Parameters
    ----------
    units : int
    reset_after : bool
        As in GRU.
    in_features, use_bias, kernel_initializer, recurrent_initializer, rng
        As in GRU.

    Examples
    --------
    >>> import numpy as np
    >>> import cdl
    >>> cdl.GRUCell(4)(np.ones((2, 3))).shape
    (2, 4)
    """

    _gates = 3

    def __init__(self, units, *, reset_after=True, **options):
        self.reset_after = bool(reset_after)
        super().__init__(units, **options)

    def forward(self, x, state=None):
        return recurrent("gru", x, *self._ready(x), state, None, None, False, self.reset_after, False)[0]

    def config(self):
        return super().config() | ({} if self.reset_after else {"reset_after": False})
