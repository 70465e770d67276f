"""A million rows to prepare: numbers, labels, a table in a file; and what comes of them, from the formulas."""

import atexit
import os
import shutil
import tempfile
from types import SimpleNamespace

import numpy as np

ROWS, FEATURES, CLASSES = 1_000_000, 10, 10
COLOURS = np.array(["red", "green", "blue", "violet", "orange"])
TABLE_ROWS, NUMBERS, CITIES = 200_000, 8, 50
TEST_SHARE = 0.2


def _numbers(dtype):
    """Columns of different means and deviations."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((ROWS, FEATURES), np.float32) * np.arange(1, FEATURES + 1) + np.arange(FEATURES)
    return x.astype(dtype)


def _labels(kind):
    y = np.random.default_rng(0).integers(0, CLASSES, ROWS)
    return COLOURS[y % len(COLOURS)] if kind == "texts" else y


def standard_fit(dtype):
    """Mean and deviation of each column."""
    x = _numbers(dtype)
    return SimpleNamespace(x=x), [x.mean(0, dtype=float), x.astype(float).std(0)]


def standard_transform(dtype):
    """(x − mean) / deviation."""
    data, (mean, std) = standard_fit(dtype)
    return data, [(data.x.astype(float) - mean) / std]


def minmax_fit(dtype):
    """Least and greatest value of each column."""
    x = _numbers(dtype)
    return SimpleNamespace(x=x), [x.min(0).astype(float), x.max(0).astype(float)]


def minmax_transform(dtype):
    """(x − min) / (max − min)."""
    data, (low, high) = minmax_fit(dtype)
    return data, [(data.x.astype(float) - low) / (high - low)]


def label_codes(kind):
    """The number of each label among the different ones in ascending order."""
    y = _labels(kind)
    return SimpleNamespace(y=y), [np.unique(y, return_inverse=True)[1]]


def one_hot_rows(kind):
    """Rows of 0 with a 1 in the place of the label."""
    data, (codes,) = label_codes(kind)
    return data, [np.eye(codes.max() + 1)[codes]]


def balanced_weights():
    """samples / (classes × samples of the class)."""
    y = _labels("numbers")
    return SimpleNamespace(y=y), [ROWS / (CLASSES * np.bincount(y))]


def stratified():
    """A fifth to test on; the answer is what `shares` tells of it."""
    y = _labels("numbers")
    return SimpleNamespace(x=_numbers(np.float32), y=y), [TEST_SHARE * np.bincount(y), np.array([1.0])]


def shares(d, x_train, x_test, y_train, y_test):
    """How many test rows each label has, and whether all rows are there, each with its label."""
    sums = [x.sum(0, dtype=float) for x in (x_train, x_test, d.x)]
    by_label = [np.bincount(y, weights=x[:, 0]) for x, y in ((x_train, y_train), (x_test, y_test), (d.x, d.y))]
    whole = np.allclose(sums[0] + sums[1], sums[2]) and np.allclose(by_label[0] + by_label[1], by_label[2])
    return [np.bincount(y_test), np.array([float(whole)])]


def table():
    """A table in a file, 8 columns of numbers, one with missing values, and 2 of categories, as an array."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((TABLE_ROWS, NUMBERS)).round(6) * 10.0 ** (np.arange(NUMBERS) % 3)
    x[::97, 1] = np.nan
    colours, cities = (rng.integers(0, count, TABLE_ROWS) for count in (len(COLOURS), CITIES))
    folder = tempfile.mkdtemp(prefix="cdl-bench-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)      # every process that times it has its own
    path = os.path.join(folder, "table.csv")
    with open(path, "w", encoding="ascii") as file:
        file.write(",".join([*(f"n{i}" for i in range(NUMBERS)), "colour", "city", "y"]) + "\n")
        for row, colour, city in zip(x.tolist(), colours, cities, strict=True):
            numbers = ",".join("" if value != value else repr(value) for value in row)
            file.write(f"{numbers},{COLOURS[colour]},city {city:02},{row[0] / 3!r}\n")
    filled = np.where(np.isnan(x), np.nanmean(x, axis=0), x)
    rank = np.argsort(np.argsort(COLOURS))
    answer = np.concatenate([filled, np.eye(len(COLOURS))[rank[colours]], np.eye(CITIES)[cities]], axis=1)
    return SimpleNamespace(path=path), [answer]
