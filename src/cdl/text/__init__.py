"""Text as numbers: tokenizers, vocabularies, vectors of words."""
import importlib

from cdl.text.added import AddedToken
from cdl.text.bpe import ByteLevelBPE
from cdl.text.characters import Characters
from cdl.text.normalize import BertNormalizer
from cdl.text.tokenizer import Batch, PairBatch, Tokenizer
from cdl.text.tokenizer_json import load_tokenizer
from cdl.text.vocabulary import Vocabulary
from cdl.text.windows import windows
from cdl.text.wordpiece import WordPiece
from cdl.text.words import Chinese, Words

# Loaded when they are asked for: `import cdl` does not wait for them.
_LATER = {"LineSentence": "corpus", "Phrases": "phrases", "Word2Vec": "word2vec", "WordVectors": "word_vectors"}

__all__ = [
    "AddedToken", "Batch", "BertNormalizer", "ByteLevelBPE", "Characters", "Chinese", "LineSentence", "PairBatch", "Phrases",
    "Tokenizer", "Vocabulary", "Word2Vec", "WordPiece", "WordVectors", "Words", "load_tokenizer", "windows",
]


def __getattr__(name):
    if name in _LATER:
        return getattr(importlib.import_module(f"cdl.text.{_LATER[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
