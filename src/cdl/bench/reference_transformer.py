"""Transformers as a sequence of calls on a library's functions, their weights, and what they give in NumPy float64.

`forward` is the network; each library brings an object with `embed`, `add`, `dense`, `norm`, `attend` and `scores`. Weights are
(inputs, outputs), those of queries, keys and values side by side.
"""

import math
from types import SimpleNamespace

import numpy as np

from .reference_loss import loss_and_slope
from .reference_networks import DRAWS

EPSILON = 1e-5


class Transformer:
    """The sizes and weights of a network: BERT's (post-norm, all see all) or GPT's (pre-norm, causal, tied output)."""

    def __init__(self, kind, layers, width, heads, tokens, positions):
        self.kind, self.layers, self.width, self.heads = kind, layers, width, heads
        self.tokens, self.positions, self.causal = tokens, positions, kind == "gpt"
        pool = np.random.default_rng(0).standard_normal(DRAWS).astype(np.float32)
        self.weights = {"tokens": 0.1 * np.resize(pool, (tokens, width)),
                        "positions": 0.1 * np.resize(pool[7:], (positions, width))}

        def dense(name, n_in, n_out):   # from another place each: no library is to find two that are equal
            draws = pool[len(self.weights):]
            self.weights[name + ".weight"] = np.resize(draws, (n_in, n_out)) * np.float32(n_in**-0.5)
            self.weights[name + ".bias"] = 0.1 * np.resize(pool, n_out)

        def norm(name):
            self.weights[name + ".weight"] = 1 + 0.1 * np.resize(pool, width)
            self.weights[name + ".bias"] = 0.1 * np.resize(pool[3:], width)

        norm("norm")
        for i in range(layers):
            dense(f"{i}.qkv", width, 3 * width), dense(f"{i}.out", width, width), norm(f"{i}.norm1")
            dense(f"{i}.up", width, 4 * width), dense(f"{i}.down", 4 * width, width), norm(f"{i}.norm2")


NETWORKS = {
    "bert-base": lambda: Transformer("bert", 12, 768, 12, 1000, 512),   # of its 30,522 tokens only those that occur
    "gpt2": lambda: Transformer("gpt", 12, 768, 12, 50257, 1024),
    "tiny-bert": lambda: Transformer("bert", 2, 128, 2, 1000, 32),
    "tiny-gpt": lambda: Transformer("gpt", 2, 64, 2, 96, 64),
    "small-gpt": lambda: Transformer("gpt", 6, 384, 6, 256, 256),
}


def forward(f, net, ids, past=None):
    """The features of every position, before the scores; `past` are the keys and values of a block's earlier positions."""
    x = f.embed(ids, 0 if past is None else past[0][0].shape[1])
    if net.kind == "bert":
        x = f.norm(x, "norm")
    for i in range(net.layers):
        earlier = None if past is None else past[i]
        if net.kind == "bert":
            x = f.norm(f.add(x, f.dense(f.attend(f.dense(x, f"{i}.qkv"), earlier), f"{i}.out")), f"{i}.norm1")
            x = f.norm(f.add(x, f.dense(f.dense(x, f"{i}.up", "gelu"), f"{i}.down")), f"{i}.norm2")
        else:
            x = f.add(x, f.dense(f.attend(f.dense(f.norm(x, f"{i}.norm1"), f"{i}.qkv"), earlier), f"{i}.out"))
            x = f.add(x, f.dense(f.dense(f.norm(x, f"{i}.norm2"), f"{i}.up", "gelu_tanh"), f"{i}.down"))
    return x if net.kind == "bert" else f.norm(x, "norm")


def _erf(x):
    """Between the values at steps of 1e-4, where it is straight to 2e-9: millions of calls of math.erf would take a minute."""
    grid = np.arange(0, 6, 1e-4)
    return np.sign(x) * np.interp(np.abs(x), grid, [math.erf(a) for a in grid])


class InNumPy:
    """The functions in NumPy float64; `kept` collects the keys and values."""

    def __init__(self, net):
        self.net, self.kept = net, []
        self.weights = net.weights

    def _of(self, name):
        return self.weights[name].astype(float)

    def embed(self, ids, start):
        return self.weights["tokens"][ids].astype(float) + self._of("positions")[start:start + ids.shape[1]]

    def add(self, a, b):
        return a + b

    def dense(self, x, name, act=None):
        z = x @ self._of(name + ".weight") + self._of(name + ".bias")
        if act == "gelu":
            z = 0.5 * z * (1 + _erf(z / math.sqrt(2)))
        elif act == "gelu_tanh":
            z = 0.5 * z * (1 + np.tanh(math.sqrt(2 / math.pi) * (z + 0.044715 * z**3)))
        return z

    def standard(self, x):
        return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + EPSILON)

    def norm(self, x, name):
        return self.standard(x) * self._of(name + ".weight") + self._of(name + ".bias")

    def attend(self, joined, past):
        self.kept.append(np.split(joined, 3, axis=-1)[1:])
        q, k, v = (part.reshape(*part.shape[:2], self.net.heads, -1).swapaxes(1, 2) for part in np.split(joined, 3, axis=-1))
        z = q @ k.swapaxes(2, 3) / math.sqrt(q.shape[-1])
        if self.net.causal:
            z = np.where(np.tri(*z.shape[2:], dtype=bool), z, -np.inf)
        e = np.exp(z - z.max(-1, keepdims=True))
        return (e / e.sum(-1, keepdims=True) @ v).swapaxes(1, 2).reshape(*joined.shape[:2], -1)

    def scores(self, x):
        return x @ self._of("tokens").T


# --- rows ------------------------------------------------------------------------------------------------------------
def _ids(net, batch, length):
    return np.random.default_rng(1).integers(0, net.tokens, (batch, length))


def transformer_predict(name, batch, length):
    """The features of a batch: one sequence again and again, whose speed does not depend on that and whose reference does."""
    net = NETWORKS[name]()
    ids = _ids(net, 1, length)
    features = forward(InNumPy(net), net, ids)
    return SimpleNamespace(net=net, ids=np.repeat(ids, batch, axis=0)), [np.repeat(features, batch, axis=0)]


transformer_predict_bfloat16 = transformer_predict  # what is asked of products of rounded operands too


def transformer_step(name, batch, length):
    """The loss of a step, the gradients of the last normalisation, and that ten steps bring the loss down."""
    net = NETWORKS[name]()
    text = _ids(net, batch, length + 1)
    data = SimpleNamespace(net=net, ids=np.ascontiguousarray(text[:, :-1]), y=np.ascontiguousarray(text[:, 1:]))
    f = InNumPy(net)
    standard = []
    f.standard, plain = lambda x: standard.append(plain(x)) or standard[-1], f.standard
    x = forward(f, net, data.ids)
    loss, slope = loss_and_slope(f.scores(x).reshape(-1, net.tokens), data.y.reshape(-1))
    dx = slope @ f._of("tokens")
    return data, [loss, (dx * standard[-1].reshape(dx.shape)).sum(0), dx.sum(0), np.array(1)]


def transformer_token(name, length):
    """The scores after one more token, with the keys and values of `length` tokens before it at hand."""
    net = NETWORKS[name]()
    ids, f = _ids(net, 1, length + 1), InNumPy(net)
    scores = f.scores(forward(f, net, ids)[:, -1])
    past = [[np.ascontiguousarray(part[:, :-1], np.float32) for part in pair] for pair in f.kept]
    return SimpleNamespace(net=net, ids=ids[:, -1:].copy(), past=past), [scores]
