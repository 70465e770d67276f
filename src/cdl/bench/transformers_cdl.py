"""The networks of reference_transformer.py in cdl: those of cdl.models."""

import numpy as np

import cdl

from . import reference
from .reference_transformer import EPSILON

_GPT = {"qkv": "attn.c_attn", "out": "attn.c_proj", "up": "mlp.c_fc", "down": "mlp.c_proj", "norm1": "ln_1", "norm2": "ln_2"}
_BERT = {"out": "attention.output.dense", "up": "intermediate.dense", "down": "output.dense",
         "norm1": "attention.output.LayerNorm", "norm2": "output.LayerNorm"}


def _gpt(weights):
    state = {"wte.weight": weights["tokens"], "wpe.weight": weights["positions"]}
    for name, array in weights.items():
        first, *rest = name.split(".")
        if first == "norm":
            state["ln_f." + rest[0]] = array
        elif rest:
            state[f"h.{first}.{_GPT[rest[0]]}.{rest[1]}"] = array
    return state


def _bert(weights):
    state = {"embeddings.word_embeddings.weight": weights["tokens"],
             "embeddings.position_embeddings.weight": weights["positions"],
             "embeddings.token_type_embeddings.weight": np.zeros((2, weights["tokens"].shape[1]), np.float32)}
    for name, array in weights.items():
        first, *rest = name.split(".")
        if first == "norm":
            state["embeddings.LayerNorm." + rest[0]] = array
        elif rest and rest[0] == "qkv":
            for part, piece in zip(("query", "key", "value"), np.split(array, 3, axis=-1), strict=True):
                state[f"encoder.layer.{first}.attention.self.{part}.{rest[1]}"] = piece
        elif rest:
            state[f"encoder.layer.{first}.{_BERT[rest[0]]}.{rest[1]}"] = array
    return state


def _model(net):
    """The model with these weights, which are its own then: its memory is measured."""
    sizes = {"layers": net.layers, "width": net.width, "heads": net.heads, "tokens": net.tokens, "positions": net.positions,
             "dropout": 0.0, "eps": EPSILON}
    with cdl.init.no_draws(10**9):
        model = cdl.models.BERT(pooler=False, **sizes) if net.kind == "bert" else cdl.models.GPT2(**sizes)
    model.load_state_dict((_bert if net.kind == "bert" else _gpt)(net.weights))
    net.weights = None
    return model


def transformer_predict(d):
    """model.predict of the fused model, from ids to an ndarray."""
    model = _model(d.net).fuse()
    return lambda: model.predict(d.ids), lambda: [model.predict(d.ids)]


def transformer_predict_bfloat16(d):
    """The same with weights held as bfloat16, for which the setting is needed while they are packed only."""
    before = cdl.set_precision("bfloat16")
    try:
        return transformer_predict(d)
    finally:
        cdl.set_precision(before)


def transformer_step(d):
    """Forward, loss, backward and Adam."""
    model, y = _model(d.net), cdl.Tensor(d.y)
    adam = cdl.Adam(model.parameters(), lr=reference.LEARNING_RATE)

    def loss():
        return cdl.cross_entropy(y, model(d.ids))

    def run():
        adam.zero_grad()
        value = loss()
        value.backward()
        adam.step()
        return value

    def outputs():
        value = loss()
        value.backward()
        grads = [np.array(p.grad) for p in (model.ln_f.weight, model.ln_f.bias)]
        return [value.item(), *grads, reference.learns(lambda: loss().item(), run)]

    return run, outputs


def transformer_token(d):
    """model.next_scores with caches, from which the token is taken again."""
    model, caches = _model(d.net).fuse(), []
    for key, value in d.past:
        caches.append(cdl.nn.KeyValueCache())
        caches[-1].append(cdl.Tensor(key), cdl.Tensor(value))
    length = caches[0].length

    def run():
        with cdl.no_grad():
            scores = model.next_scores(d.ids, caches)
        for cache in caches:
            cache.truncate(length)
        return scores.numpy()

    return run, lambda: [run()]
