"""Rows of dropout, whose random words are computed once more here, from the definition of Threefry-4x32."""
import numpy as np
from optable import Row

import cdl

TURNS = ((10, 26), (11, 21), (13, 27), (23, 5), (6, 20), (17, 11), (25, 10), (18, 20))


def threefry(x, key, rounds=13):
    """The words of counters x (4, n) under a key of four words (Salmon et al. 2011, section 3.2)."""
    x = [np.asarray(word, np.uint32).copy() for word in x]
    schedule = [np.uint32(k) for k in key]
    schedule.append(np.bitwise_xor.reduce([np.uint32(0x1BD11BDA), *schedule]))
    with np.errstate(over="ignore"):
        for i in range(4):
            x[i] += schedule[i]
        for r in range(rounds):
            for a, turn in zip((0, 2), TURNS[r % 8], strict=True):
                b = a + 1 if r % 2 == 0 else 3 - a
                x[a] += x[b]
                x[b] = (x[b] << np.uint32(turn) | x[b] >> np.uint32(32 - turn)) ^ x[a]
            if r % 4 == 3:
                for i in range(4):
                    x[i] += schedule[(r // 4 + 1 + i) % 5]
                x[3] += np.uint32(r // 4 + 1)
    return np.array(x)


def draws(key, n):
    """The draw of each of n elements: upper halves from one stream of words, lower halves from another.

    A batch of 16 counters serves 128 elements: the low halves of their first words, the high ones, and so on.
    """
    counters = np.arange(-(-n // 128) * 16, dtype=np.uint64)
    zero = np.zeros_like(counters)

    def halves(stream):
        found = threefry((counters & np.uint64(0xFFFFFFFF), counters >> np.uint64(32), zero + np.uint64(stream), zero),
                         (key & 0xFFFFFFFF, key >> 32, 0, 0)).reshape(4, -1, 16)
        return np.stack([found & 0xFFFF, found >> 16], axis=2).transpose(1, 0, 2, 3).reshape(-1)[:n]

    return halves(0) << 16 | halves(1)


def key_of(seed):
    return int(np.random.default_rng(seed).bit_generator.random_raw())


def kept(shape, drop_prob, seed):
    return (draws(key_of(seed), int(np.prod(shape))) >= round(drop_prob * 2**32)).reshape(shape)


def alpha(x):
    q, s = 0.8, -1.7580993408473766
    a = 1 / np.sqrt(q + s**2 * q * (1 - q))
    return a * np.where(kept(x.shape, 0.2, 5), x, s) - a * (1 - q) * s


SHAPES = (((3, 5),), ((64,),), ((2, 33, 70),), ((),), ((0, 4),))
ROWS = [
    Row("dropout", lambda x: cdl.dropout(x, 0.4, rng=7), lambda x: x * kept(x.shape, 0.4, 7) / 0.6, SHAPES, ((300, 1000),),
        raises=(((None,), TypeError, "dropout: expected an array"),)),
    Row("dropout outside training", lambda x: cdl.dropout(x, 0.4, False), lambda x: x, SHAPES),
    Row("dropout of nothing", lambda x: cdl.dropout(x, 0), lambda x: x, SHAPES),
    Row("alpha_dropout", lambda x: cdl.ops.alpha_dropout(x, 0.2, rng=5), alpha, SHAPES, ((300, 1000),)),
    Row("alpha_dropout outside training", lambda x: cdl.ops.alpha_dropout(x, 0.4, False), lambda x: x, SHAPES),
    Row("spatial_dropout", lambda x: cdl.ops.spatial_dropout(x, 0.4, rng=7),
        lambda x: x * kept((x.shape[0], *[1] * (x.ndim - 2), x.shape[-1]), 0.4, 7) / 0.6,
        (((3, 5, 4),), ((2, 3, 3, 8),)), ((16, 100, 200),),
        raises=((((4, 5),), ValueError, r"spatial_dropout: x must be \(N, …, channels\)"),)),
    Row("spatial_dropout outside training", lambda x: cdl.ops.spatial_dropout(x, 0.4, False), lambda x: x, (((3, 5, 4),),)),
]
