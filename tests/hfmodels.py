"""BERT and GPT-2 in NumPy float64, from the papers' formulas, on states with Hugging Face's names and layouts."""
import math

import numpy as np

erf = np.vectorize(math.erf, otypes=[float])


def gelu(x):
    return 0.5 * x * (1 + erf(x / math.sqrt(2)))


def gelu_tanh(x):
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def layer_norm(x, weight, bias, eps):
    mean, var = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
    return (x - mean) / np.sqrt(var + eps) * weight + bias


def attend(q, k, v, heads, allowed):
    """softmax(q kᵀ / √d) v of each head; allowed (N, T, T)."""
    split = lambda x: x.reshape(*x.shape[:2], heads, -1).transpose(0, 2, 1, 3)  # noqa: E731
    q, k, v = map(split, (q, k, v))
    scores = np.where(allowed[:, None], q @ k.transpose(0, 1, 3, 2) / math.sqrt(q.shape[-1]), -np.inf)
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    y = weights / weights.sum(-1, keepdims=True) @ v
    return y.transpose(0, 2, 1, 3).reshape(y.shape[0], y.shape[2], -1)


def doubled(state):
    return {name: np.asarray(array, np.float64) for name, array in state.items() if np.asarray(array).dtype.kind == "f"}


def bert(state, ids, mask, heads, layers, eps=1e-12, types=0):
    """The features (N, T, width) after each of the blocks whose numbers are `layers`, in their order."""
    s = doubled(state)
    dense = lambda x, name: x @ s[name + ".weight"].T + s[name + ".bias"]  # noqa: E731
    norm = lambda x, name: layer_norm(x, s[name + ".weight"], s[name + ".bias"], eps)  # noqa: E731
    ids, mask = np.asarray(ids), np.asarray(mask, bool)
    e = "embeddings."
    x = s[e + "word_embeddings.weight"][ids] + s[e + "position_embeddings.weight"][:ids.shape[1]]
    x = norm(x + s[e + "token_type_embeddings.weight"][types], e + "LayerNorm")
    allowed = np.broadcast_to(mask[:, None, :], (len(ids), ids.shape[1], ids.shape[1]))
    found = []
    for i in layers:
        b = f"encoder.layer.{i}."
        q, k, v = (dense(x, f"{b}attention.self.{part}") for part in ("query", "key", "value"))
        x = norm(x + dense(attend(q, k, v, heads, allowed), b + "attention.output.dense"), b + "attention.output.LayerNorm")
        x = norm(x + dense(gelu(dense(x, b + "intermediate.dense")), b + "output.dense"), b + "output.LayerNorm")
        found.append(x)
    return found


def gpt2(state, ids, heads, layers, eps=1e-5):
    """The logits (N, T, tokens)."""
    s = doubled(state)
    dense = lambda x, name: x @ s[name + ".weight"] + s[name + ".bias"]     # Conv1D: (in, out)  # noqa: E731
    norm = lambda x, name: layer_norm(x, s[name + ".weight"], s[name + ".bias"], eps)  # noqa: E731
    ids = np.asarray(ids)
    x = s["wte.weight"][ids] + s["wpe.weight"][:ids.shape[1]]
    allowed = np.broadcast_to(np.tri(ids.shape[1], dtype=bool), (len(ids), ids.shape[1], ids.shape[1]))
    for i in range(layers):
        b = f"h.{i}."
        q, k, v = np.split(dense(norm(x, b + "ln_1"), b + "attn.c_attn"), 3, axis=-1)
        x = x + dense(attend(q, k, v, heads, allowed), b + "attn.c_proj")
        x = x + dense(gelu_tanh(dense(norm(x, b + "ln_2"), b + "mlp.c_fc")), b + "mlp.c_proj")
    return norm(x, "ln_f") @ s["wte.weight"].T


def bert_state(layers, width, hidden, tokens, positions, seed=0):
    """Random arrays as BertModel would save them."""
    shapes = {"embeddings.word_embeddings.weight": (tokens, width), "embeddings.position_embeddings.weight": (positions, width),
              "embeddings.token_type_embeddings.weight": (2, width)} | norm_shapes("embeddings.LayerNorm", width)
    for i in range(layers):
        b = f"encoder.layer.{i}."
        for name in ("attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"):
            shapes |= {f"{b}{name}.weight": (width, width), f"{b}{name}.bias": (width,)}
        shapes |= {b + "intermediate.dense.weight": (hidden, width), b + "intermediate.dense.bias": (hidden,),
                   b + "output.dense.weight": (width, hidden), b + "output.dense.bias": (width,)}
        shapes |= norm_shapes(b + "attention.output.LayerNorm", width) | norm_shapes(b + "output.LayerNorm", width)
    shapes |= {"pooler.dense.weight": (width, width), "pooler.dense.bias": (width,)}
    return drawn(shapes, seed)


def gpt2_state(layers, width, tokens, positions, seed=0):
    """Random arrays as GPT2Model would save them."""
    shapes = {"wte.weight": (tokens, width), "wpe.weight": (positions, width)} | norm_shapes("ln_f", width)
    for i in range(layers):
        b = f"h.{i}."
        shapes |= norm_shapes(b + "ln_1", width) | norm_shapes(b + "ln_2", width)
        for name, n_in, n_out in (("attn.c_attn", width, 3 * width), ("attn.c_proj", width, width),
                                  ("mlp.c_fc", width, 4 * width), ("mlp.c_proj", 4 * width, width)):
            shapes |= {f"{b}{name}.weight": (n_in, n_out), f"{b}{name}.bias": (n_out,)}
    return drawn(shapes, seed)


def norm_shapes(name, width):
    return {f"{name}.weight": (width,), f"{name}.bias": (width,)}


def drawn(shapes, seed):
    rng = np.random.default_rng(seed)
    return {name: (0.3 * rng.standard_normal(shape) + (len(shape) == 1 and name.endswith("weight"))).astype(np.float32)
            for name, shape in shapes.items()}
