"""What follows from the counts of words: which ones stay, the noise they are told from, the tree above them."""
import numpy as np

__all__ = ["huffman", "keep_limits", "noise"]


def keep_limits(counts, sample):
    """Where a draw of 32 bits is at most this, an occurrence of the word stays; None where all stay.

        probability = sqrt(limit / count) + limit / count,  limit = sample * all words

    Source: word2vec.c; Mikolov et al. 2013, "Distributed Representations", section 2.3, has another formula than its code.
    """
    if not sample:
        return None
    limit = sample * counts.sum() if sample < 1 else sample * (3 + 5 ** 0.5) / 2
    share = np.minimum(np.sqrt(limit / counts) + limit / counts, 1)
    return np.minimum(share * 2.0 ** 32, 2 ** 32 - 1).astype(np.uint32)


def noise(counts, exponent):
    """Walker's alias table for draws in proportion to counts ** exponent: (threshold, alias).

    A word drawn evenly stays where 32 more bits are below its threshold, else its alias is taken.

    Source: Walker 1977; the exponent 3/4 from Mikolov et al. 2013, section 2.2.
    """
    weight = counts.astype(np.float64) ** exponent
    share = (weight * (len(weight) / weight.sum())).tolist()
    alias = list(range(len(share)))
    small = [i for i, part in enumerate(share) if part < 1]
    large = [i for i, part in enumerate(share) if part >= 1]
    while small and large:
        low, high = small.pop(), large[-1]
        alias[low] = high
        share[high] -= 1 - share[low]
        if share[high] < 1:
            small.append(large.pop())
    threshold = np.minimum(np.array(share) * 2.0 ** 32, 2 ** 32 - 1).astype(np.uint32)
    return threshold, np.array(alias, np.int32)


def huffman(counts):
    """The ways from the root of Huffman's tree to each word: (first of each way, nodes, turns as targets).

    Way i is nodes[first[i]:first[i + 1]], at each of which the target is 1 (the more frequent branch comes second) or 0.
    """
    words = len(counts)
    parent, second = np.zeros(2 * words - 1, np.int64), np.zeros(2 * words - 1, bool)
    _join(counts, parent, second)
    owner, nodes, turns = [], [], []
    word = place = np.arange(words)
    while True:
        going = place != 2 * words - 2      # the root
        word, place = word[going], place[going]
        if not len(word):
            break
        owner.append(word)
        turns.append(~second[place])
        place = parent[place]
        nodes.append(place - words)
    if not owner:
        return np.zeros(words + 1, np.int64), np.zeros(0, np.int32), np.zeros(0, np.float32)
    level = np.concatenate([np.full(len(part), -i) for i, part in enumerate(owner)])
    owner = np.concatenate(owner)
    order = np.lexsort((level, owner))
    first = np.concatenate([[0], np.cumsum(np.bincount(owner, minlength=words))]).astype(np.int64)
    return first, np.concatenate(nodes)[order].astype(np.int32), np.concatenate(turns)[order].astype(np.float32)


def _join(counts, parent, second):
    """Join the two least frequent of what is left, words or nodes made of them, until one is left: node `words - 1` more."""
    words, leaves = len(counts), np.argsort(counts, kind="stable").tolist()
    weight = counts.tolist() + [0] * (words - 1)
    leaf = 0
    node = made = words
    for made in range(words, 2 * words - 1):
        pair = []
        for _ in range(2):
            if node == made or (leaf < words and weight[leaves[leaf]] <= weight[node]):
                pair.append(leaves[leaf])
                leaf += 1
            else:
                pair.append(node)
                node += 1
        weight[made] = weight[pair[0]] + weight[pair[1]]
        parent[pair] = made
        second[pair[1]] = True
