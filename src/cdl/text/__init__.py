"""Text as numbers: tokenizers, vocabularies."""
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

__all__ = [
    "AddedToken", "Batch", "BertNormalizer", "ByteLevelBPE", "Characters", "Chinese", "PairBatch", "Tokenizer", "Vocabulary",
    "WordPiece", "Words", "load_tokenizer", "windows",
]
