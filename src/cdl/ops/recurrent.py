"""Recurrent layers over whole sequences, one direction of one layer a call; `cdl.RNN`, `LSTM`, `GRU` stack and turn them."""
from cdl._core.recurrent import recurrent as _recurrent

__all__ = ["gru", "lstm", "rnn"]


def rnn(x, w_ih, w_hh, b_ih=None, b_hh=None, h=None, *, activation="tanh", lengths=None, reverse=False, recompute=False):
    """A plain recurrent layer over sequences.

        h[t] = act(x[t] @ w_ih + b_ih + h[t-1] @ w_hh + b_hh)

    Parameters
    ----------
    x : array_like
        (N, T, features); or (N, features), one step.
    w_ih, w_hh : array_like
        (features, units), (units, units).
    b_ih, b_hh : array_like, optional
        (units,) each; only their sum matters. Default: 0.
    h : array_like, optional
        The state before the first step, (N, units); default: 0.
    activation : {"tanh", "relu"}
    lengths : array_like of int, optional
        (N,), 1 to T: how many steps each sequence has. What x holds beyond is not read; there the output is 0, and the
        state stays as it was at the end. Default: all have T.
    reverse : bool
        From each sequence's last step to its first; the output of step t stays at t.
    recompute : bool
        Whether the backward computes the gates again, window of about sqrt(T) steps by window, instead of keeping them:
        a third more work for a fraction of the memory. Same bits, but for the gradients of weights and biases, which are
        then summed window by window.

    Returns
    -------
    y : Tensor or ndarray
        (N, T, units), the state after every step; (N, units) for one step.
    h : Tensor or ndarray
        The state after each sequence's last step, (N, units).

    Raises
    ------
    ValueError
        For shapes that do not fit, lengths that are not 1 to T, another activation.
    TypeError
        For lengths that are no integers.

    Source
    ------
    Notes, section 6.1 ("Vanilla RNN"); Elman, "Finding structure in time", 1990.

    Examples
    --------
    >>> import numpy as np
    >>> import cdl
    >>> y, h = cdl.ops.rnn(np.ones((1, 3, 1)), [[1.0]], [[0.5]], activation="relu")
    >>> y.ravel()
    array([1.  , 1.5 , 1.75])
    """
    if activation not in ("tanh", "relu"):
        raise ValueError(f'rnn: activation must be "tanh" or "relu", got {activation!r}')
    return _recurrent("rnn", x, w_ih, w_hh, b_ih, b_hh, h, None, lengths, reverse, activation == "relu", recompute)[:2]


def lstm(x, w_ih, w_hh, b_ih=None, b_hh=None, h=None, c=None, *, lengths=None, reverse=False, recompute=False):
    """A long short-term memory over sequences.

        i, f, g, o = split(x[t] @ w_ih + b_ih + h[t-1] @ w_hh + b_hh, 4)
        c[t] = sigmoid(f) * c[t-1] + sigmoid(i) * tanh(g)
        h[t] = sigmoid(o) * tanh(c[t])

    The gates stand side by side in the columns, in this order (torch's and Keras's).

    Parameters
    ----------
    x : array_like
        (N, T, features); or (N, features), one step.
    w_ih, w_hh : array_like
        (features, 4 units), (units, 4 units).
    b_ih, b_hh : array_like, optional
        (4 units,) each; only their sum matters. Default: 0.
    h, c : array_like, optional
        The state before the first step, (N, units) each; default: 0.
    lengths, reverse, recompute
        As in `rnn`.

    Returns
    -------
    y : Tensor or ndarray
        (N, T, units), h after every step; (N, units) for one step.
    h, c : Tensor or ndarray
        The state after each sequence's last step, (N, units) each.

    Raises
    ------
    ValueError, TypeError
        As in `rnn`.

    Source
    ------
    Notes, section 6.1; Hochreiter, Schmidhuber, "Long short-term memory", 1997; the forget gate: Gers et al., 2000.

    Examples
    --------
    >>> import numpy as np
    >>> import cdl
    >>> y, h, c = cdl.ops.lstm(np.ones((2, 5, 3)), np.zeros((3, 8)), np.zeros((2, 8)), c=np.ones((2, 2)))
    >>> y.shape, float(c[0, 0])
    ((2, 5, 2), 0.03125)
    """
    return _recurrent("lstm", x, w_ih, w_hh, b_ih, b_hh, h, c, lengths, reverse, False, recompute)


def gru(x, w_ih, w_hh, b_ih=None, b_hh=None, h=None, *, reset_after=True, lengths=None, reverse=False, recompute=False):
    """A gated recurrent unit over sequences.

        r, z = sigmoid(x[t] @ w_ih + b_ih + h[t-1] @ w_hh + b_hh), the first and second block of columns
        n = tanh(x[t] @ w_in + b_in + r * (h[t-1] @ w_hn + b_hn))       with reset_after
        n = tanh(x[t] @ w_in + b_in + (r * h[t-1]) @ w_hn + b_hn)       without
        h[t] = (1 - z) * n + z * h[t-1]

    w_in, w_hn, b_in, b_hn are the third block: r, z, n stand side by side, as in torch. z is the share of the old state
    that is kept, as in torch, Keras and ONNX (in the paper of Cho et al. too; other texts mean the new one's).

    Parameters
    ----------
    x : array_like
        (N, T, features); or (N, features), one step.
    w_ih, w_hh : array_like
        (features, 3 units), (units, 3 units).
    b_ih, b_hh : array_like, optional
        (3 units,) each; of the first two blocks, and without `reset_after` of all, only the sum matters. Default: 0.
    h : array_like, optional
        The state before the first step, (N, units); default: 0.
    reset_after : bool
        Whether the reset gate acts on the product with the state, as in torch, cuDNN and Keras's default (ONNX:
        linear_before_reset = 1), or on the state before it, as in the paper.
    lengths, reverse, recompute
        As in `rnn`.

    Returns
    -------
    y : Tensor or ndarray
        (N, T, units), the state after every step; (N, units) for one step.
    h : Tensor or ndarray
        The state after each sequence's last step, (N, units).

    Raises
    ------
    ValueError, TypeError
        As in `rnn`.

    Source
    ------
    Notes, section 6.1; Cho et al., "Learning phrase representations using RNN encoder-decoder", 2014.

    Examples
    --------
    >>> import numpy as np
    >>> import cdl
    >>> y, h = cdl.ops.gru(np.ones((1, 3, 1)), np.zeros((1, 3)), np.zeros((1, 3)), h=[[1.0]])
    >>> y.ravel()
    array([0.5  , 0.25 , 0.125])
    """
    return _recurrent("gru", x, w_ih, w_hh, b_ih, b_hh, h, None, lengths, reverse, reset_after, recompute)[:2]


METHODS = {}
NUMPY = {}
