"""Hugging Face's tokenizers, written in Rust, on one thread: `encode_batch_fast`, which leaves out the places of tokens."""

import tokenizers
from tokenizers import ByteLevelBPETokenizer, Tokenizer
from tokenizers.implementations import BertWordPieceTokenizer


def start(threads):
    """The environment keeps it to one thread."""


def version():
    """The library's version."""
    return tokenizers.__version__


def _work(tokenizer, d):
    tokenizer = Tokenizer.from_str(tokenizer.to_str())

    def run():
        return [encoding.ids for encoding in tokenizer.encode_batch_fast(d.lines)]

    return run, lambda: [[i for ids in run() for i in ids]]


def wordpiece(d):
    """WordPiece with BERT's normaliser."""
    return _work(BertWordPieceTokenizer(d.vocabulary), d)


def byte_pairs(d):
    """Byte-level BPE with GPT-2's pattern; its own cache of words stays as it is."""
    return _work(ByteLevelBPETokenizer(d.vocabulary, d.merges), d)
