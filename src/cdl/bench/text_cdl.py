"""cdl.text, each call with an empty cache: text that was seen a moment ago would tell nothing of other text."""

import numpy as np

import cdl.text


def _work(tokenizer, d):
    def run():
        tokenizer._cache.clear()
        return tokenizer.encode_batch(d.lines, padding=None)

    return run, lambda: [np.concatenate(run())]


def wordpiece(d):
    """cdl.text.WordPiece."""
    return _work(cdl.text.WordPiece(d.vocabulary), d)


def byte_pairs(d):
    """cdl.text.ByteLevelBPE."""
    return _work(cdl.text.ByteLevelBPE(d.vocabulary, d.merges), d)
