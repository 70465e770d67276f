"""Text as numbers."""
import importlib

from cdl.text.characters import Characters
from cdl.text.windows import windows

# Loaded when they are asked for: `import cdl` does not wait for them.
_LATER = {"LineSentence": "corpus", "Phrases": "phrases", "Word2Vec": "word2vec", "WordVectors": "word_vectors"}

__all__ = ["Characters", "LineSentence", "Phrases", "Word2Vec", "WordVectors", "windows"]


def __getattr__(name):
    if name in _LATER:
        return getattr(importlib.import_module(f"cdl.text.{_LATER[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
