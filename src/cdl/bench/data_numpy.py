"""NumPy: preparing a million rows, as one writes it."""

import numpy as np


def standard_fit(d):
    """mean and std."""

    def run():
        return [d.x.mean(0, dtype=float), d.x.std(0, dtype=float)]

    return run, run


def standard_transform(d):
    """(x − mean) / std."""
    mean, std = (a.astype(d.x.dtype) for a in (d.x.mean(0, dtype=float), d.x.std(0, dtype=float)))

    def run():
        y = d.x - mean
        y /= std
        return y

    return run, lambda: [run()]


def minmax_fit(d):
    """min and max."""

    def run():
        return [d.x.min(0), d.x.max(0)]

    return run, run


def minmax_transform(d):
    """(x − min) / (max − min)."""
    low, width = d.x.min(0), np.ptp(d.x, axis=0)

    def run():
        y = d.x - low
        y /= width
        return y

    return run, lambda: [run()]


def label_codes(d):
    """unique."""
    return lambda: np.unique(d.y, return_inverse=True), lambda: [np.unique(d.y, return_inverse=True)[1]]


def one_hot_rows(d):
    """Rows of the unit matrix."""

    def run():
        classes, codes = np.unique(d.y, return_inverse=True)
        return np.eye(len(classes), dtype=np.float32)[codes]

    return run, lambda: [run()]


def balanced_weights(d):
    """unique and its counts."""

    def run():
        _, counts = np.unique(d.y, return_counts=True)
        return len(d.y) / (len(counts) * counts)

    return run, lambda: [run()]
