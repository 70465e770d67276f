"""Splitting data into a part to train on and a part to test on."""
import math
import operator

import numpy as np

from cdl.random import generator


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
    if not arrays:
        raise TypeError("train_test_split: expected at least one array, got none")
    lengths = [len(array) for array in arrays]
    if len(set(lengths)) > 1:
        raise ValueError(f"train_test_split: expected arrays of one length, got {lengths}")
    test_count = _test_count(test_size, lengths[0])
    train, test = _indices(lengths[0], test_count, rng, stratify, shuffle)
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
    labels = np.asarray(stratify)
    if labels.shape != (count,):
        raise ValueError(f"train_test_split: stratify must hold one label for each of the {count} rows, got shape "
                         f"{labels.shape}")
    _, codes, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    left = _shares(sizes, test_count)
    is_test = np.zeros(count, bool)
    for code, share in enumerate(left):
        is_test[order[codes[order] == code][:share]] = True
    return order[~is_test[order]], order[is_test[order]]


def _shares(sizes, test_count):
    """How many rows of each label are tested: the exact shares rounded so that they add up, the largest rests first."""
    limit = sizes - 1
    if limit.sum() < test_count:
        raise ValueError(f"train_test_split: {test_count} rows to test, but with one row of each of the {len(sizes)} "
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
    if hasattr(array, "shape"):
        return array[rows]
    return [array[row] for row in rows]
