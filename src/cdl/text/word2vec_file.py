"""A Word2Vec with all its tables in a safetensors file, to be trained further."""
import json

import numpy as np

from cdl.io.errors import FileFormatError
from cdl.io.safetensors import load_safetensors, save_safetensors

__all__ = ["load_model", "save_model"]

_KEY = "cdl.word2vec"
_OPTIONS = ("vector_size", "alpha", "window", "min_count", "max_final_vocab", "sample", "seed", "workers", "min_alpha", "sg",
            "hs", "negative", "ns_exponent", "cbow_mean", "epochs", "shrink_windows",
            "deterministic", "lowercase", "errors", "verbose")
_STATE = ("_tasks", "_counted", "corpus_count", "corpus_total_words")


def save_model(model, path):
    """The words, counts and tables as arrays; the options as JSON beside them."""
    if not len(model.wv):
        raise ValueError("Word2Vec: there is no vocabulary yet, and nothing to save; call build_vocab first")
    words = [word.encode("utf-8", "surrogatepass") for word in model.wv.index_to_key]
    arrays = {"words": np.frombuffer(b"".join(words), np.uint8), "lengths": np.array([len(word) for word in words], np.int64),
              "counts": model.wv.counts, "vectors": model.wv.vectors}
    arrays |= {name: table[:, :model.vector_size] for name, table in model._outputs().items()}
    options = {name: getattr(model, name) for name in _OPTIONS}
    options |= {name: getattr(model, name) for name in _STATE}
    save_safetensors(path, arrays, metadata={_KEY: json.dumps(options)})


def load_model(make, path):
    """The Word2Vec in a file, which `make` makes of its options; what does not fit together is refused."""
    arrays, metadata = load_safetensors(path)
    if _KEY not in metadata:
        raise FileFormatError(f"{path}: no Word2Vec that was saved by `save`; vectors alone are read by "
                              "WordVectors.load_word2vec_format")
    try:
        options = json.loads(metadata[_KEY])
        model = make(**{name: options[name] for name in _OPTIONS})
        state = {name: int(options[name]) for name in _STATE}
        if not all(0 <= value < 1 << 62 for value in state.values()):
            raise ValueError(f"numbers out of range: {state}")
        counts, lengths = arrays["counts"], arrays["lengths"]
        text, ends = arrays["words"].tobytes(), np.cumsum(lengths).tolist()
        if (lengths < 1).any() or (ends[-1] if ends else 0) != len(text):
            raise ValueError("the lengths of the words do not fit their bytes")
        words = [text[end - length:end].decode("utf-8", "surrogatepass")
                 for end, length in zip(ends, lengths.tolist(), strict=True)]
        tables = {name: arrays[name] for name in ("vectors", *model._outputs())}
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise FileFormatError(f"{path}: what is saved is no whole Word2Vec: {error}") from None
    shape = (len(words), model.vector_size)
    good = counts.shape == shape[:1] and counts.dtype == np.int64 and ((counts >= 1) & (counts < 1 << 40)).all()
    if not good or len(set(words)) != len(words):
        raise FileFormatError(f"{path}: {len(words)} words, and counts of shape {counts.shape}")
    odd = next((name for name, table in tables.items() if not np.isfinite(table).all()), None)
    if odd is not None:
        raise FileFormatError(f"{path}: {odd} holds numbers that are not finite")
    odd = next((name for name, table in tables.items() if table.shape != shape or table.dtype != np.float32), None)
    if odd is not None:
        raise FileFormatError(f"{path}: {odd} is {tables[odd].dtype} of shape {tables[odd].shape}, expected float32 of {shape}")
    model._set_vocabulary(words, counts)
    for name, table in {"vectors": model._inner, **model._outputs()}.items():
        table[:, :model.vector_size] = tables[name]
    for name, value in state.items():
        setattr(model, name, value)
    return model
