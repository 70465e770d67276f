"""Learning the merges of byte-pair encoding."""
from collections import Counter, defaultdict
from heapq import heapify, heappop, heappush
from itertools import pairwise

from cdl._core.check import positive_integer
from cdl.text.byte_characters import BYTES, written
from cdl.text.reading import texts_of


def train(kind, texts, vocab_size, min_frequency, special_tokens, options):
    """A tokenizer of that kind with the pairs of the texts, the most frequent first; of equally frequent the lowest ids."""
    vocab_size = positive_integer(vocab_size, "ByteLevelBPE.train", "vocab_size")
    positive_integer(min_frequency, "ByteLevelBPE.train", "min_frequency")
    tokens = [*dict.fromkeys([*special_tokens, *sorted(BYTES.values())])]
    if vocab_size < len(tokens):
        raise ValueError(f"ByteLevelBPE.train: vocab_size={vocab_size} has no room for 256 bytes and "
                         f"{len(tokens) - 256} special tokens")
    ids = {token: i for i, token in enumerate(tokens)}
    options.setdefault("added_tokens", special_tokens)
    empty = kind(ids, [], **options)
    counts = _counted(empty, texts)
    words = [[ids[character] for character in word] for word in counts]
    merges = Merger(words, list(counts.values())).run(ids, vocab_size, min_frequency)
    return kind(ids, merges, **options)


def _counted(tokenizer, texts):
    """How often each word occurs, written in the characters that stand for bytes."""
    counts = Counter()
    for text in texts_of(texts, "ByteLevelBPE.train", tokenizer.errors):
        text = tokenizer._text(text)
        for part in tokenizer._raw.split(text) if tokenizer._raw else [text]:
            if isinstance(part, str):
                counts.update(tokenizer.words(part))
    found = Counter()
    for word, count in counts.items():
        found[written(tokenizer.bytes_of(word))] += count
    return found


class Merger:
    """The words of a corpus, and where and how often each pair of neighbours stands in them."""

    def __init__(self, words, counts):
        self.words, self.counts = words, counts
        self.pairs, self.places = defaultdict(int), defaultdict(set)
        for i, word in enumerate(words):
            for pair in pairwise(word):
                self.pairs[pair] += counts[i]
                self.places[pair].add(i)

    def run(self, ids, vocab_size, min_frequency):
        """Merge the most frequent pair until there are tokens enough; puts them into `ids`, returns the merges."""
        names = list(ids)
        queue = [(-count, pair) for pair, count in self.pairs.items()]
        heapify(queue)
        merges = []
        while queue and len(ids) < vocab_size:
            count, pair = heappop(queue)
            if -count != self.pairs[pair]:      # it has become rarer since it was put there
                if self.pairs[pair] > 0:
                    heappush(queue, (-self.pairs[pair], pair))
                continue
            if -count < min_frequency:
                break
            left, right = names[pair[0]], names[pair[1]]
            new = ids.setdefault(left + right, len(names))
            if new == len(names):
                names.append(left + right)
            merges.append((left, right))
            for found in self._merge(pair, new):
                if self.pairs[found] > 0:
                    heappush(queue, (-self.pairs[found], found))
        return merges

    def _merge(self, pair, new):
        """Put `new` in the place of the pair in all words; the pairs that it thereby is part of."""
        a, b = pair
        grown = set()
        for i in self.places.pop(pair):
            word, count, j = self.words[i], self.counts[i], 0
            while j < len(word) - 1:
                if word[j] != a or word[j + 1] != b:
                    j += 1
                    continue
                if j > 0:
                    self._move((word[j - 1], a), (word[j - 1], new), i, count, grown)
                if j + 2 < len(word):
                    self._move((b, word[j + 2]), (new, word[j + 2]), i, count, grown)
                word[j:j + 2] = [new]
                j += 1
        self.pairs[pair] = 0
        return grown

    def _move(self, old, pair, i, count, grown):
        self.pairs[old] -= count
        self.pairs[pair] += count
        self.places[pair].add(i)
        grown.add(pair)
