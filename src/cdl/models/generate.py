"""Text from a language model: one token after another, each drawn from the scores after those before."""
import numpy as np

from cdl._core.check import number, positive_integer
from cdl._core.tape import enter_inference, leave_inference
from cdl.random import generator

__all__ = ["generate"]


def generate(model, ids, length, *, temperature=0.0, top_k=None, top_p=None, stop=None, cache=True, rng=None):
    """ids followed by `length` tokens, each the likeliest or drawn after those before.

    With scores z, tokens are drawn from softmax(z / temperature), of which top_k keeps the k likeliest tokens and top_p
    then the fewest whose probabilities (after top_k) sum up to at least p.

    Parameters
    ----------
    model : GPT2 or RecurrentLanguageModel
    ids : array_like of int, shape (T,) or (N, T)
        What it goes on from; T at least 1.
    length : int
        How many tokens are added; T + length may reach the model's number of positions, if it has one.
    temperature : float
        0: the likeliest token (greedy; of equals the first). Below 1 likelier ones are preferred more, above 1 less.
    top_k : int, optional
        At least 1. Tokens that are as likely as the k-th are kept too.
    top_p : float, optional
        Above 0, at most 1.
    stop : int, optional
        A token after which a sequence ends: the places after it are filled with it, and where all have ended nothing
        more is computed.
    cache : bool
        Whether keys and values of the tokens before are kept instead of computed again for every token.
    rng : numpy.random.Generator or int, optional
        What the draws come from; default: the library's own generator, which `cdl.seed` starts anew.

    Returns
    -------
    ndarray of int64, shape (T + length,) or (N, T + length); less long where every sequence ended.

    Raises
    ------
    ValueError
        For options out of range, top_k or top_p without a temperature, or more positions than the model has.

    Source
    ------
    top_p: Holtzman et al., "The Curious Case of Neural Text Degeneration", 2020.

    Examples
    --------
    >>> import cdl
    >>> model = cdl.models.GPT2(layers=1, width=8, heads=2, tokens=20, positions=16, rng=0)
    >>> a, b = (model.generate([1, 2], 6, temperature=1.0, rng=7) for _ in range(2))
    >>> bool((a == b).all())
    True
    """
    start = np.asarray(ids)
    _check(model, start, length, temperature, top_k, top_p)
    if stop is not None and (isinstance(stop, bool) or not isinstance(stop, (int, np.integer))):
        raise TypeError(f"generate: stop must be the id of a token, got {stop!r}")
    text = np.atleast_2d(start).astype(np.int64)
    rng = generator(rng) if temperature > 0 else None
    caches = model.new_caches() if cache else None
    ended = np.zeros(len(text), bool)
    seen = 0
    try:    # an interrupt may come right after the next call: it must be undone then too
        enter_inference()
        for _ in range(length):
            scores = model.next_scores(text[:, seen:], caches).numpy()
            seen = text.shape[1] if cache else 0
            if stop is not None and not 0 <= stop < scores.shape[-1]:
                raise ValueError(f"generate: stop must be one of the {scores.shape[-1]} tokens, got {stop}")
            if np.isnan(scores).any() or not np.isfinite(scores.max(axis=-1)).all():
                raise ValueError("generate: the model gave scores that are NaN, infinite or all -inf")
            token = scores.argmax(axis=-1) if rng is None else sampled(scores, temperature, top_k, top_p, rng)
            if stop is not None:
                token = np.where(ended, stop, token)
                ended |= token == stop
            text = np.concatenate([text, token[:, None]], axis=1)
            if ended.all():
                break
    finally:
        leave_inference()
    return text if start.ndim == 2 else text[0]


def _check(model, start, length, temperature, top_k, top_p):
    if start.ndim not in (1, 2) or start.size == 0:
        raise ValueError(f"generate: expected ids of shape (T,) or (N, T), at least one token, got {start.shape}")
    if start.dtype.kind not in "iu":
        raise TypeError(f"generate: ids must be integers, got dtype {start.dtype}")
    positive_integer(length, "generate", "length")
    room = model.positions
    if room is not None and start.shape[-1] + length > room:
        raise ValueError(f"generate: {start.shape[-1]} tokens and {length} more are beyond the {room} positions of the model")
    if not 0 <= number(temperature, "generate", "temperature") < float("inf"):
        raise ValueError(f"generate: temperature must be a finite number >= 0, got {temperature!r}")
    if top_k is not None:
        positive_integer(top_k, "generate", "top_k")
    if top_p is not None and not 0 < number(top_p, "generate", "top_p") <= 1:
        raise ValueError(f"generate: top_p must be above 0 and at most 1, got {top_p!r}")
    if temperature == 0 and not (top_k is None and top_p is None):
        raise ValueError("generate: top_k and top_p choose what is drawn from; with temperature 0 nothing is drawn")


def sampled(scores, temperature, top_k, top_p, rng):
    """A token for each row of scores (N, tokens), drawn as `generate` says."""
    z = scores.astype(np.float64)
    z = (z - z.max(axis=-1, keepdims=True)) / temperature
    if top_k is not None and top_k < z.shape[-1]:
        z[z < -np.partition(-z, top_k - 1, axis=-1)[:, top_k - 1:top_k]] = -np.inf
    p = np.exp(z)
    p /= p.sum(axis=-1, keepdims=True)
    if top_p is not None and top_p < 1:
        order = np.argsort(-p, axis=-1, kind="stable")
        sums = np.take_along_axis(p, order, -1).cumsum(axis=-1)
        dropped = np.zeros(p.shape, bool)       # those before which the sum is reached already
        dropped[:, 1:] = sums[:, :-1] >= top_p
        np.put_along_axis(p, order, np.where(dropped, 0, np.take_along_axis(p, order, -1)), -1)
    sums = p.cumsum(axis=-1)
    draws = rng.random((len(p), 1)) * sums[:, -1:]
    return (sums <= draws).sum(axis=-1)
