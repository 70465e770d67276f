"""Splitting data into parts: to train on, to validate with, to test on; and folds that take turns."""
import math
import operator

import numpy as np

from cdl._core.check import positive_integer
from cdl._core.index import take
from cdl.random import generator

from .labels import factorize

__all__ = ["folds", "split", "train_test_split"]

# Arrays of these types are gathered by the library's own kernel, in a quarter of the time of NumPy's indexing.
_GATHERED = frozenset(map(np.dtype, (np.float32, np.float64, np.int64)))


def train_test_split(*arrays, test_size=0.2, rng=None, stratify=None, shuffle=True):
    """Split arrays of equal length into random training and test parts, the same rows in each array.

    Parameters
    ----------
    *arrays : array, list or data frame
        At least one; usually x and y.
    test_size : float or int, default 0.2
        Below 1 and a float: the share of rows in the test part, rounded up. An int: their number. Both parts keep at
        least one row.
    rng : int or numpy.random.Generator, optional
        The source of the shuffle; without it a fresh one, different in every run.
    stratify : array, optional
        A label for each row, often y. Each label then has its share in the test part, within one row; every label
        keeps at least one row in the training part.
    shuffle : bool, default True
        False: the test part is the last rows in their order, for data that is a sequence in time.

    Returns
    -------
    list
        Training and test part of the first array, of the second, … : ``x_train, x_test, y_train, y_test``.
        NumPy arrays stay arrays (copies), lists lists, data frames data frames.

    Shape
    -----
    Each array : (N, …) → (N − T, …) and (T, …)

    Raises
    ------
    ValueError
        Arrays of different length; fewer than two rows; a test size that leaves one part empty; stratify with other
        than N labels, with ``shuffle=False``, or with so many labels of one row that the test part cannot be filled.
    TypeError
        No array, or a test size or rng of another type.

    Examples
    --------
    >>> x, y = np.arange(20).reshape(10, 2), np.array([0, 1] * 5)
    >>> x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=0.4, rng=0, stratify=y)
    >>> x_train.shape, x_test.shape, np.bincount(y_test)
    ((6, 2), (4, 2), array([2, 2]))
    """
    count = _count(arrays, "train_test_split")
    train, test = _indices(count, _test_count(test_size, count), rng, stratify, shuffle)
    return [_take(array, rows) for array in arrays for rows in (train, test)]


def _test_count(test_size, count):
    if isinstance(test_size, (bool, np.bool_)):
        raise TypeError("train_test_split: test_size must be a share or a number of rows, got a bool")
    if isinstance(test_size, (float, np.floating)):
        if not 0 < test_size < 1:
            raise ValueError(f"train_test_split: test_size as a share must be between 0 and 1, got {test_size}")
        # Rounding before the ceiling: 0.07 * 100 is 7.000000000000001, and 7 is meant.
        test_count = math.ceil(round(float(test_size) * count, 6))
    else:
        test_count = operator.index(test_size)
    if not 0 < test_count < count:
        raise ValueError(f"train_test_split: test_size={test_size} of {count} rows leaves {count - test_count} to "
                         f"train on and {test_count} to test; each part needs at least one")
    return test_count


def _indices(count, test_count, rng, stratify, shuffle):
    """Row numbers of the training and the test part."""
    if not shuffle:
        if stratify is not None:
            raise ValueError("train_test_split: stratify needs shuffle=True")
        return np.arange(count - test_count), np.arange(count - test_count, count)
    order = generator(rng).permutation(count)
    if stratify is None:
        return order[test_count:], order[:test_count]
    codes, sizes = _strata(stratify, count, "train_test_split")
    left = _shares(sizes, test_count)
    is_test = _first_of_each(codes[order], sizes, left)
    return order[~is_test], order[is_test]


def _strata(stratify, count, who):
    """The number of each row's label, and how many rows each label has."""
    if np.shape(stratify) != (count,):
        raise ValueError(f"{who}: stratify must hold one label for each of the {count} rows, got shape {np.shape(stratify)}")
    codes = factorize(stratify, f"{who}: stratify")[1]
    return codes, np.bincount(codes)


def _by_label(codes, labels):
    """The places of the rows in the order of their labels, rows of one label in their own order."""
    # Small integers are sorted by counting, a tenth of the time of comparing them.
    return codes.astype(np.uint8 if labels <= 256 else np.uint16 if labels <= 65536 else np.int64).argsort(kind="stable")


def _first_of_each(codes, sizes, shares):
    """Which rows are among the first `shares` of their label."""
    rank = np.arange(len(codes)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    chosen = np.zeros(len(codes), bool)
    chosen[_by_label(codes, len(sizes))] = rank < np.repeat(shares, sizes)
    return chosen


def _shares(sizes, test_count, who="train_test_split"):
    """How many rows of each label are tested: the exact shares rounded so that they add up, the largest rests first."""
    limit = sizes - 1
    if limit.sum() < test_count:
        raise ValueError(f"{who}: {test_count} rows to test, but with one row of each of the {len(sizes)} "
                         f"labels kept for training only {limit.sum()} are left; test fewer, or leave stratify out")
    exact = sizes * (test_count / sizes.sum())
    shares = np.minimum(np.floor(exact).astype(np.int64), limit)
    while (missing := test_count - shares.sum()) > 0:
        open_labels = np.flatnonzero(shares < limit)
        rests = exact[open_labels] - shares[open_labels]
        shares[open_labels[np.argsort(-rests, kind="stable")[:missing]]] += 1
    return shares


def _take(array, rows):
    if hasattr(array, "iloc"):
        return array.iloc[rows]
    if type(array) is np.ndarray and array.dtype in _GATHERED and array.flags.c_contiguous and array.size:
        return take(array, rows, 0)
    if hasattr(array, "shape"):
        return array[rows]
    return [array[row] for row in rows]


def split(*arrays, sizes=(0.8, 0.1, 0.1), rng=None, stratify=None, groups=None, shuffle=True):
    """Split arrays of equal length into several parts, such as training, validation and test, the same rows in each array.

    Parameters
    ----------
    *arrays : array, list or data frame
        At least one; usually x and y.
    sizes : sequence of float or of int, default (0.8, 0.1, 0.1)
        The share of each part, 1 in all, or its number of rows, N in all. Each part keeps at least one row.
    rng : int or numpy.random.Generator, optional
        The source of the shuffle; default: the library's generator.
    stratify : array, optional
        A label for each row, often y. Each label then has its share in each part, within one row.
    groups : array, optional
        What rows belong together, such as the person they are of: a group is never divided. The parts are then as near
        to their sizes as whole groups allow. Not together with `stratify`.
    shuffle : bool, default True
        False: the parts are consecutive rows in their order, for data that is a sequence in time.

    Returns
    -------
    list
        The parts of the first array, of the second, … : ``x_train, x_val, x_test, y_train, y_val, y_test``. What they
        are: as in `train_test_split`.

    Raises
    ------
    ValueError
        Arrays of different length, sizes that are not 1 or N in all, a part that would have no row, stratify or groups
        of another length, or options that exclude each other.
    TypeError
        No array, or sizes of another type.

    Examples
    --------
    >>> x, y = np.arange(20), np.array([0, 1] * 10)
    >>> x_train, x_val, x_test, y_train, y_val, y_test = split(x, y, sizes=(0.6, 0.2, 0.2), rng=0, stratify=y)
    >>> [len(part) for part in (x_train, x_val, x_test)], np.bincount(y_test)
    ([12, 4, 4], array([2, 2]))
    >>> people = np.repeat(["ann", "bob", "eve", "joe"], 5)
    >>> [sorted(set(part.tolist())) for part in split(people, sizes=(0.5, 0.5), rng=0, groups=people)]
    [['ann', 'joe'], ['bob', 'eve']]
    """
    count = _count(arrays, "split")
    counts = _counts(sizes, count)
    if stratify is not None and groups is not None:
        raise ValueError("split: stratify and groups exclude each other; give one of them")
    if not shuffle and (stratify is not None or groups is not None):
        raise ValueError(f"split: {'groups' if stratify is None else 'stratify'} needs shuffle=True")
    part_of = _parts_of(count, counts, generator(rng) if shuffle else None, stratify, groups, "split")
    rows = _by_part(*part_of, len(counts))
    empty = [i for i, part in enumerate(rows) if not len(part)]
    if empty:
        raise ValueError(f"split: part {empty[0]} would have no row; with {count} rows"
                         f"{'' if groups is None else ' in whole groups'}, take fewer parts or other sizes")
    return [_take(array, part) for array in arrays for part in rows]


def folds(data, count=5, *, stratify=None, groups=None, shuffle=True, rng=None):
    """Rows to train on and rows to test on, `count` times: each row is tested on exactly once (cross-validation).

    Parameters
    ----------
    data : int or array
        How many rows there are, or an array that has them along its first axis.
    count : int ≥ 2, default 5
        How many folds; not more than rows, or groups.
    stratify : array, optional
        A label for each row, often y: each label has its share in each fold, within one row.
    groups : array, optional
        What rows belong together: a group is never divided. Not together with `stratify`.
    shuffle : bool, default True
        False: folds are consecutive rows; with `stratify` each label's rows in their order.
    rng : int or numpy.random.Generator, optional
        The source of the shuffle; default: the library's generator.

    Yields
    ------
    (train, test) : arrays of int64
        Numbers of rows, in ascending order.

    Raises
    ------
    ValueError
        Fewer than 2 folds, more than rows or groups, a label of fewer rows than folds, or stratify or groups of another
        length.

    Examples
    --------
    >>> [test.tolist() for _, test in folds(6, 3, shuffle=False)]
    [[0, 1], [2, 3], [4, 5]]
    >>> y = np.array([0] * 6 + [1] * 3)
    >>> [np.bincount(y[test]).tolist() for _, test in folds(9, 3, stratify=y, rng=0)]
    [[2, 1], [2, 1], [2, 1]]
    """
    rows, count = _rows_and_folds(data, count)
    if stratify is not None and groups is not None:
        raise ValueError("folds: stratify and groups exclude each other; give one of them")
    counts = np.full(count, rows // count)
    counts[:rows % count] += 1
    rng = generator(rng) if shuffle else None
    if stratify is not None:
        part_of = _dealt(*_strata(stratify, rows, "folds"), count, rng)
    else:
        order, of_order = _parts_of(rows, counts, rng, None, groups, "folds")
        part_of = np.empty(rows, of_order.dtype)
        part_of[order] = of_order
    for fold in range(count):
        test = part_of == fold
        if not test.any():
            raise ValueError(f"folds: fold {fold} would have no row; there are fewer groups than folds")
        yield np.flatnonzero(~test), np.flatnonzero(test)


def _count(arrays, who):
    if not arrays:
        raise TypeError(f"{who}: expected at least one array, got none")
    lengths = [len(array) for array in arrays]
    if len(set(lengths)) > 1:
        raise ValueError(f"{who}: expected arrays of one length, got {lengths}")
    return lengths[0]


def _rows_and_folds(data, count):
    rows = data if isinstance(data, int | np.integer) else len(data)
    count = positive_integer(count, "folds", "count")
    if not 2 <= count <= rows:
        raise ValueError(f"folds: count must be from 2 to the number of rows, {rows}, got {count}")
    return int(rows), count


def _counts(sizes, count):
    """How many rows each part has: shares are rounded so that they add up, the largest rests first."""
    sizes = list(sizes)
    if len(sizes) < 2:
        raise ValueError(f"split: sizes must name two parts at least, got {sizes}")
    if any(isinstance(size, float | np.floating) for size in sizes):
        exact = np.array(sizes, np.float64)
        if not ((exact > 0).all() and abs(exact.sum() - 1) < 1e-6):
            raise ValueError(f"split: sizes as shares must be positive and 1 in all, got {sizes}")
        exact *= count
        counts = np.floor(np.round(exact, 6)).astype(np.int64)
        counts[np.argsort(counts - exact, kind="stable")[:count - counts.sum()]] += 1
    else:
        counts = np.array([operator.index(size) for size in sizes])
        if (counts < 0).any() or counts.sum() != count:
            raise ValueError(f"split: sizes as numbers of rows must be {count} in all, got {sizes}")
    if not counts.all():
        raise ValueError(f"split: sizes {sizes} of {count} rows leave a part without a row: {counts.tolist()}")
    return counts


def _parts_of(count, counts, rng, stratify, groups, who):
    """The rows in a random order (as they are without rng), and the number of the part of each."""
    order = np.arange(count) if rng is None else rng.permutation(count)
    if groups is not None:
        if np.shape(groups) != (count,):
            raise ValueError(f"{who}: groups must name one for each of the {count} rows, got shape {np.shape(groups)}")
        codes = factorize(groups, f"{who}: groups")[1]
        return order, _whole_groups(codes, counts, rng)[codes[order]]
    if stratify is None:
        return order, np.repeat(np.arange(len(counts)), counts)
    codes, sizes = _strata(stratify, count, who)
    left, part_of = sizes, np.zeros(count, np.int64)
    codes = codes[order]
    # The last part first, each from what those behind it left; the first part gets the rest.
    for part in range(len(counts) - 1, 0, -1):
        rows = np.flatnonzero(part_of == 0) if part < len(counts) - 1 else slice(None)
        shares = _shares(left, int(counts[part]), who)
        chosen = _first_of_each(codes[rows], left, shares)
        part_of[np.arange(count)[rows][chosen]] = part
        left = left - shares
    return order, part_of


def _by_part(order, part_of, parts):
    """The rows of each part, in the order given."""
    ordered = order[_by_label(part_of, parts)]
    return np.split(ordered, np.cumsum(np.bincount(part_of, minlength=parts))[:-1])


def _whole_groups(codes, counts, rng):
    """The part of each group: the largest groups first, each to the part that lacks most rows."""
    sizes = np.bincount(codes)
    order = np.arange(len(sizes)) if rng is None else rng.permutation(len(sizes))
    order = order[np.argsort(-sizes[order], kind="stable")]
    lacks, parts = [int(n) for n in counts], np.zeros(len(sizes), np.int64)
    for group, size in zip(order.tolist(), sizes[order].tolist(), strict=True):
        part = lacks.index(max(lacks))
        parts[group] = part
        lacks[part] -= size
    return parts


def _dealt(codes, sizes, count, rng):
    """The fold of each row: the rows of all labels, one label after the other, are dealt out in turn."""
    few = np.flatnonzero(sizes < count)
    if few.size:
        raise ValueError(f"folds: a label has {sizes[few[0]]} rows, fewer than the {count} folds; take fewer folds, or leave "
                         "stratify out")
    order = np.arange(len(codes)) if rng is None else rng.permutation(len(codes))
    dealt = np.empty(len(codes), np.int64)
    dealt[order[_by_label(codes[order], len(sizes))]] = np.arange(len(codes)) % count
    return dealt
