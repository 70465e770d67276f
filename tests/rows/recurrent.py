"""Rows of the recurrent layers: step by step, sequence by sequence, in NumPy."""
import numpy as np
from optable import Row

import cdl


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def rnn_step(a, h, w_hh, b_hh, act):
    return act(a + h @ w_hh + b_hh)


def lstm_step(a, h, c, w_hh, b_hh):
    i, f, g, o = np.split(a + h @ w_hh + b_hh, 4, axis=-1)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def gru_step(a, h, w_hh, b_hh, reset_after):
    (a_r, a_z, a_n), (w_r, w_z, w_n), (b_r, b_z, b_n) = (np.split(t, 3, axis=-1) for t in (a, w_hh, b_hh))
    r, z = sigmoid(a_r + h @ w_r + b_r), sigmoid(a_z + h @ w_z + b_z)
    n = np.tanh(a_n + (r * (h @ w_n + b_n) if reset_after else (r * h) @ w_n + b_n))
    return (1 - z) * n + z * h


def over_time(step, x, w_ih, b_ih, states, lengths=None, reverse=False):
    """y and the last states, for `step(x w_ih + b_ih, *states)`, which returns the new states, the output first."""
    whole = x if x.ndim == 3 else x[:, None]
    y = np.zeros((*whole.shape[:2], states[0].shape[-1]))
    states = [s.copy() for s in states]
    for n, sequence in enumerate(whole):
        steps = range(len(sequence) if lengths is None else lengths[n])
        now = [s[n] for s in states]
        for t in reversed(steps) if reverse else steps:
            now = step(sequence[t] @ w_ih + b_ih, *now)
            y[n, t] = now[0]
        for s, value in zip(states, now, strict=True):
            s[n] = value
    return (y if x.ndim == 3 else y[:, 0], *states)


def rnn(x, w_ih, w_hh, b_ih=0, b_hh=0, h=None, act=np.tanh, **options):
    h = np.zeros((len(x), len(w_hh))) if h is None else h
    return over_time(lambda a, h: (rnn_step(a, h, w_hh, b_hh, act),), x, w_ih, b_ih, [h], **options)


def lstm(x, w_ih, w_hh, b_ih=0, b_hh=0, h=None, c=None, **options):
    h, c = (np.zeros((len(x), len(w_hh))) if s is None else s for s in (h, c))
    return over_time(lambda a, h, c: lstm_step(a, h, c, w_hh, b_hh), x, w_ih, b_ih, [h, c], **options)


def gru(x, w_ih, w_hh, b_ih=0, b_hh=None, h=None, reset_after=True, **options):
    h = np.zeros((len(x), len(w_hh))) if h is None else h
    b_hh = np.zeros(w_hh.shape[1]) if b_hh is None else b_hh
    return over_time(lambda a, h: (gru_step(a, h, w_hh, b_hh, reset_after),), x, w_ih, b_ih, [h], **options)


def shapes(gates, states, n, t, f, units, wide=True):
    """(N, T, F) or, with t = 0, (N, F); weights, and if wanted biases and states."""
    x, g = ((n, t, f) if t else (n, f)), gates * units
    rest = ((g,), (g,), *[(n, units)] * states) if wide else ()
    return (x, (f, g), (units, g), *rest)


def sizes(gates, states):
    """One step, one sequence, a few, more than read the weights in place; units around every vector and panel."""
    return (*(shapes(gates, states, *each) for each in ((1, 1, 2, 1), (3, 0, 4, 5), (1, 4, 3, 15), (9, 3, 5, 33),
                                                        (7, 2, 0, 16), (0, 3, 4, 2))),
            shapes(gates, states, 2, 3, 4, 3, wide=False))


LENGTHS = [3, 1, 5, 5, 2, 4, 1, 5]
RAGGED = {"lengths": LENGTHS, "reverse": True}


def ragged(gates, states):
    return (shapes(gates, states, 8, 5, 3, 17),)


SCALE = {"low": -0.7, "high": 0.7}
SQUARE, WIDE = (4, 4), (4, 16)
ROWS = [
    Row("rnn", cdl.ops.rnn, rnn, sizes(1, 1), shapes(1, 1, 32, 12, 64, 96), **SCALE, raises=(
        (((2, 3, 4), SQUARE, (4, 5)), ValueError, r"rnn: w_hh must be \(units, units\), got shape \(4, 5\)"),
        (((2, 3, 4), (4, 5), SQUARE), ValueError, r"w_ih must be \(features, 4\), w_hh being \(4, 4\), got shape \(4, 5\)"),
        (((2, 3, 5), SQUARE, SQUARE), ValueError, r"rnn: expected 4 features .* got x of shape \(2, 3, 5\)"),
        (((4,), SQUARE, SQUARE), ValueError, r"x must be \(N, T, features\), or \(N, features\)"),
        (((2, 0, 4), SQUARE, SQUARE), ValueError, "one step or more"),
        (((2, 3, 4), SQUARE, SQUARE, (5,)), ValueError, r"b_ih must have shape \(4,\).*got \(5,\)"),
        (((2, 3, 4), SQUARE, SQUARE, (4,), (1, 4)), ValueError, r"b_hh must have shape \(4,\)"),
        (((2, 3, 4), SQUARE, SQUARE, (4,), (4,), (3, 4)), ValueError, r"the state h must have shape \(2, 4\).*got \(3, 4\)"),
        ((None, SQUARE, SQUARE), TypeError, "rnn: expected an array"))),
    Row("rnn relu", lambda *a: cdl.ops.rnn(*a, activation="relu"), lambda *a: rnn(*a, act=lambda v: np.maximum(v, 0)),
        (shapes(1, 1, 9, 2, 3, 17),), **SCALE),
    Row("rnn ragged", lambda *a: cdl.ops.rnn(*a, **RAGGED), lambda *a: rnn(*a, **RAGGED), ragged(1, 1), **SCALE),
    Row("lstm", cdl.ops.lstm, lstm, sizes(4, 2), shapes(4, 2, 32, 12, 64, 96), **SCALE, raises=(
        (((2, 3, 4), WIDE, (4, 12)), ValueError, r"lstm: w_hh must be \(units, 4 units\), got shape \(4, 12\)"),
        (((2, 3, 4), WIDE, WIDE, (16,), (16,), (2, 4), (2, 5)), ValueError, r"the state c must have shape \(2, 4\)"))),
    Row("lstm ragged", lambda *a: cdl.ops.lstm(*a, lengths=LENGTHS), lambda *a: lstm(*a, lengths=LENGTHS), ragged(4, 2),
        shapes(4, 2, 8, 5, 64, 96), **SCALE),
    Row("lstm recomputed", lambda *a: cdl.ops.lstm(*a, **RAGGED, recompute=True), lambda *a: lstm(*a, **RAGGED), ragged(4, 2),
        **SCALE),
    Row("gru", cdl.ops.gru, gru, sizes(3, 1), shapes(3, 1, 32, 12, 64, 96), **SCALE, raises=(
        (((2, 3, 4), (4, 12), WIDE), ValueError, r"gru: w_hh must be \(units, 3 units\)"),)),
    Row("gru ragged", lambda *a: cdl.ops.gru(*a, **RAGGED), lambda *a: gru(*a, **RAGGED), ragged(3, 1), **SCALE),
    Row("gru reset before", lambda *a: cdl.ops.gru(*a, reset_after=False), lambda *a: gru(*a, reset_after=False), sizes(3, 1),
        shapes(3, 1, 32, 12, 64, 96), **SCALE),
    Row("gru reset before, ragged", lambda *a: cdl.ops.gru(*a, reset_after=False, **RAGGED),
        lambda *a: gru(*a, reset_after=False, **RAGGED), ragged(3, 1), **SCALE),
]
