"""Rows of indexing: slices, integers, arrays and masks; their gradient adds up what was taken more than once."""
import numpy as np
from optable import Row

import cdl

IDS = np.array([2, 0, 2, -1])
KEYS = {
    "integer": 1, "negative": -1, "slice": slice(1, 3), "step": slice(None, None, 2),
    "backwards": slice(None, None, -1),
    "two": (slice(None), 2), "ellipsis": (..., 1), "newaxis": (None, slice(1, 2), ..., None), "element": (1, 2, 3),
    "steps back": (slice(3, 0, -2), slice(None), slice(5, None, -3)), "empty": slice(2, 2), "all": ...,
    "array": IDS, "array of two axes": np.array([[0, 1], [2, 2]]), "list": [1, 1], "array second": (slice(None), IDS),
    "arrays": (IDS, IDS), "arrays apart": (IDS, slice(None), IDS), "integer and array": (0, slice(None), IDS),
    "arrays that broadcast": (np.array([[0], [1]]), IDS), "mixed": (slice(1, 3), IDS, slice(None, None, 2)),
    "around newaxis": (IDS, None, IDS), "array last": (..., IDS), "no ids": np.array([], int), "empty list": [],
    "small ids": np.array([3, 1], np.uint8), "one id": np.int32(2), "id without axes": np.array(1),
    "mask": np.array([True, False, True, True]),
    "mask second": (slice(None), np.array([True, False, True, True, False])),
    "mask and array": (np.array([True, False, True, True]), np.array([0, 1, 1])), "mask of two axes": np.eye(4, 5) > 0,
    "Tensor": cdl.Tensor(IDS), "Tensor of booleans": (..., cdl.Tensor(np.array([True, False, True] * 2))),
}


def plain(key):
    if isinstance(key, tuple):
        return tuple(map(plain, key))
    return key.numpy() if isinstance(key, cdl.Tensor) else key


def get(x, key):
    return x[key if isinstance(x, cdl.Tensor) else plain(key)]


BIG = np.random.default_rng(0).integers(0, 4096, 4096)
ROWS = [
    *(Row(f"index: {name}", lambda x, key=key: np.asarray(get(x, key)) if isinstance(x, np.ndarray) else get(x, key),
          lambda x, key=key: get(x, key), (((4, 5, 6),),)) for name, key in KEYS.items() if name != "element"),
    Row("take", lambda x: cdl.take(x, BIG % 3, 0), lambda x: np.take(x, BIG % 3, 0),
        (((3, 2),), ((4,),)), ((4096, 256),), numpy=lambda x: np.take(x, BIG % 3, axis=0),
        raises=((((2, 3),), IndexError, r"take: index 2 is out of range for length 2 \(-2 to 1\)"),)),
    Row("take inside", lambda x: cdl.take(x, IDS, 1), lambda x: np.take(x, IDS, 1),
        (((2, 3, 5),), ((3, 3),), ((0, 3),)), numpy=lambda x: np.take(x, IDS, axis=1)),
    Row("take flat", lambda x: cdl.take(x, [[0, 5]]), lambda x: np.take(x, [[0, 5]]), (((2, 3),),),
        numpy=lambda x: np.take(x, [[0, 5]])),
    Row("take clip", lambda x: np.take(x, [-3, 9], mode="clip"), lambda x: np.take(x, [-3, 9], mode="clip"),
        (((4,),),)),
    Row("take wrap", lambda x: np.take(x, [-3, 9], axis=0, mode="wrap"), lambda x: np.take(x, [-3, 9], 0, mode="wrap"),
        (((4, 2),),)),
    Row("take errors", lambda *a: cdl.take(*a), lambda x: x, (), raises=(
        ((np.ones(3), np.array([7], np.int8)), IndexError, r"index 7 is out of range for length 3 \(-3 to 2\)"),
        ((np.ones(3), np.array([7], np.uint8)), IndexError, "index 7 is out of range for length 3"),
        ((np.ones(3), np.array([-4], np.int16)), IndexError, "index -4 is out of range for length 3"),
        ((np.ones(3), np.array([300], np.uint16)), IndexError, "index 300 is out of range for length 3"),
        ((np.ones(3), np.array([-2**31], np.int32)), IndexError, "index -2147483648 is out of range for length 3"),
        ((np.ones(3), np.array([2**31], np.uint32)), IndexError, "index 2147483648 is out of range for length 3"),
        ((np.ones(3), np.array([2**40])), IndexError, "index 1099511627776 is out of range for length 3"),
        ((np.ones(3), np.array([2**63 + 5], np.uint64)), IndexError, "index 9223372036854775813 is out of range"),
        ((np.ones(3), [1.0]), IndexError, "expected integers to index with, got dtype float64"),
        ((np.ones(0), [0]), IndexError, "index 0 is out of range for length 0"),
        ((np.ones((2, 3)), [0], 2), ValueError, "axis 2 is out of range for 2 axes"))),
    Row("take_along_axis", lambda x: np.take_along_axis(x, np.array([[0, 2], [1, 1]]), axis=1),
        lambda x: np.take_along_axis(x, np.array([[0, 2], [1, 1]]), axis=1), (((2, 3),),)),
    Row("sort", lambda x: np.sort(x, axis=0), lambda x: np.sort(x, axis=0), (((5, 3),), ((4,),))),
    Row("compress", lambda x: np.compress([True, False, True], x, axis=0),
        lambda x: np.compress([True, False, True], x, 0), (((3, 2),),)),
    Row("extract", lambda x: np.extract([True, False, True], x), lambda x: np.extract([True, False, True], x),
        (((3,),),)),
]
