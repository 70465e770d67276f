"""Splitting into several parts and folds: each row once, shares kept, groups whole, and what is refused."""
import numpy as np
import pytest

from cdl.data import folds, split, train_test_split

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("count, sizes", [(10, (0.8, 0.1, 0.1)), (1000, (0.5, 0.3, 0.1, 0.1)), (7, (0.5, 0.5)),
                                          (103, (0.6, 0.2, 0.2)), (100, (70, 20, 10))])
@pytest.mark.parametrize("options", [{}, {"stratify": True}, {"shuffle": False}])
def test_each_row_is_in_one_part(count, sizes, options):
    y = np.arange(count) % 2 if count < 50 else np.repeat([0, 1, 2], [count // 2, count // 3, count - count // 2 - count // 3])
    x, names = np.arange(count), [f"row {i}" for i in range(count)]
    options = {"stratify": y} if options.get("stratify") else options
    if count == 10 and "stratify" in options:
        sizes = (0.6, 0.2, 0.2)
    parts = split(x, names, sizes=sizes, rng=0, **options)
    rows = parts[:len(sizes)]
    assert np.sort(np.concatenate(rows)).tolist() == x.tolist() and parts[len(sizes):] == [[names[i] for i in p] for p in rows]
    for part, size in zip(rows, sizes, strict=True):
        assert abs(len(part) - (size if isinstance(size, int) else size * count)) < 1
        if "stratify" in options:
            share = np.bincount(y) * len(part) / count
            assert (abs(np.bincount(y[part], minlength=len(share)) - share) < len(sizes)).all()
    if options.get("shuffle") is False:
        np.testing.assert_array_equal(np.concatenate(rows), x)
    again = split(x, sizes=sizes, rng=0, **options)
    assert all((a == b).all() for a, b in zip(rows, again, strict=True))


def test_two_stratified_parts_are_as_exact_as_train_test_split():
    y = RNG.integers(0, 5, 1003)
    train, test = split(y, sizes=(0.8, 0.2), rng=3, stratify=y)
    wanted = train_test_split(y, test_size=len(test), rng=3, stratify=y)
    assert [np.bincount(part).tolist() for part in (train, test)] == [np.bincount(part).tolist() for part in wanted]


@pytest.mark.parametrize("seed", range(5))
def test_groups_stay_together(seed):
    groups = np.random.default_rng(seed).integers(0, 60, 1000)
    rows = split(np.arange(1000), sizes=(0.7, 0.2, 0.1), groups=groups, rng=seed)
    assert np.sort(np.concatenate(rows)).tolist() == list(range(1000))
    held = [set(groups[part]) for part in rows]
    assert not held[0] & held[1] and not held[0] & held[2] and not held[1] & held[2]
    for part, size in zip(rows, (700, 200, 100), strict=True):
        assert abs(len(part) - size) < 25      # a group has 17 rows on average
    others = split(np.arange(1000), sizes=(0.7, 0.2, 0.1), groups=groups, rng=seed + 1)
    assert set(groups[others[2]]) != held[2]


@pytest.mark.parametrize("options", [{}, {"shuffle": False}, {"stratify": "y"}, {"stratify": "y", "shuffle": False},
                                     {"groups": "g"}, {"groups": "g", "shuffle": False}])
@pytest.mark.parametrize("count", [2, 5, 7])
def test_each_row_is_tested_once(options, count):
    y, groups = RNG.integers(0, 3, 211), np.arange(211) // 4
    options = {name: y if value == "y" else groups if value == "g" else value for name, value in options.items()}
    parts = list(folds(211, count, rng=0, **options))
    assert np.sort(np.concatenate([test for _, test in parts])).tolist() == list(range(211)) and len(parts) == count
    for train, test in parts:
        assert np.sort(np.concatenate([train, test])).tolist() == list(range(211))
        assert (np.diff(train) > 0).all() and (np.diff(test) > 0).all() and train.dtype == np.int64
        assert abs(len(test) - 211 / count) < (5 if "groups" in options else 1)
        if "stratify" in options:
            assert (abs(np.bincount(y[test], minlength=3) - np.bincount(y) / count) < 1).all()
        if "groups" in options:
            assert not set(groups[train]) & set(groups[test])
    assert len(list(folds(np.zeros((9, 2)), 3))) == 3


def test_the_seed_decides():
    import cdl
    first = [test.tolist() for _, test in folds(50, rng=1)]
    assert first == [test.tolist() for _, test in folds(50, rng=1)] != [test.tolist() for _, test in folds(50, rng=2)]
    found = []
    for _ in range(2):
        cdl.seed(5)
        found.append([part.tolist() for part in split(np.arange(50))])
    assert found[0] == found[1]


def test_what_is_split_stays_what_it_is():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"a": range(10), "b": list("abcdefghij")})
    parts = split(frame, frame["a"], rng=0)
    assert all(type(part) is pandas.DataFrame for part in parts[:3]) and parts[0].index.tolist() == parts[3].tolist()
    labels = split(np.arange(10), sizes=(0.5, 0.5), rng=0, stratify=pandas.Series(["x", "y"] * 5, index=range(5, 15)))
    assert sorted(labels[0] % 2) == [0, 0, 0, 1, 1] or sorted(labels[0] % 2) == [0, 0, 1, 1, 1]


@pytest.mark.parametrize("array", [RNG.standard_normal((100, 3)), RNG.standard_normal((100, 3))[:, ::2],
                                   RNG.standard_normal((100, 3)).astype(np.float32), np.arange(100),
                                   np.arange(100, dtype=np.uint8),
                                   np.asfortranarray(RNG.standard_normal((100, 3))), np.array(list("ab") * 50)])
def test_rows_of_every_kind(array):
    train, test = train_test_split(array, rng=0)
    rows = train_test_split(list(range(100)), rng=0)
    assert type(train) is np.ndarray and train.dtype == array.dtype
    np.testing.assert_array_equal(train, array[rows[0]])
    np.testing.assert_array_equal(test, array[rows[1]])
    assert not np.shares_memory(train, array) and train.flags.writeable


@pytest.mark.parametrize("use, error, words", [
    (lambda: split(), TypeError, "split: expected at least one array"),
    (lambda: split([1, 2], [1]), ValueError, r"arrays of one length, got \[2, 1\]"),
    (lambda: split([1] * 9, sizes=(0.5, 0.4)), ValueError, "must be positive and 1 in all"),
    (lambda: split([1] * 9, sizes=(1.5, -0.5)), ValueError, "must be positive and 1 in all"),
    (lambda: split([1] * 9, sizes=(5, 5)), ValueError, r"must be 9 in all, got \[5, 5\]"),
    (lambda: split([1] * 9, sizes=(1.0,)), ValueError, "two parts at least"),
    (lambda: split([1] * 3, sizes=(0.9, 0.05, 0.05)), ValueError, r"leave a part without a row: \[3, 0, 0\]"),
    (lambda: split([1] * 9, sizes=("a", "b")), TypeError, "integer"),
    (lambda: split([1] * 9, stratify=[1] * 9, groups=[1] * 9), ValueError, "exclude each other"),
    (lambda: split([1] * 9, stratify=[1] * 9, shuffle=False), ValueError, "stratify needs shuffle=True"),
    (lambda: split([1] * 20, stratify=[1] * 9), ValueError, "split: stratify must hold one label for each of the 20 rows"),
    (lambda: split([1] * 20, groups=[1] * 9), ValueError, "split: groups must name one for each of the 20 rows"),
    (lambda: split([1] * 20, groups=[1] * 20), ValueError, "part 1 would have no row; with 20 rows in whole groups"),
    (lambda: split([1] * 20, stratify=range(20)), ValueError, "split: 2 rows to test"),
    (lambda: split([1] * 20, stratify=["a", None] * 10), ValueError, "split: stratify: the label of row 1 is None"),
    (lambda: list(folds(3, 5)), ValueError, "count must be from 2 to the number of rows, 3, got 5"),
    (lambda: list(folds(9, 1)), ValueError, "got 1"), (lambda: list(folds(9, 0)), ValueError, "positive integer"),
    (lambda: list(folds(9, 3, stratify=[0] * 7 + [1] * 2)), ValueError, "a label has 2 rows, fewer than the 3 folds"),
    (lambda: list(folds(9, 3, groups=[0] * 5 + [1] * 4)), ValueError, "fewer groups than folds"),
    (lambda: list(folds(9, 3, groups=[0] * 9, stratify=[0] * 9)), ValueError, "exclude each other"),
])
def test_splits_that_cannot_be(use, error, words):
    with pytest.raises(error, match=words):
        use()
