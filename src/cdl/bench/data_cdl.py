"""cdl.data: preparing a million rows."""

from cdl.data import (
    LabelEncoder,
    MinMaxScaler,
    StandardScaler,
    TableEncoder,
    class_weights,
    one_hot,
    read_table,
    train_test_split,
)

from .reference_data import TEST_SHARE, shares


def standard_fit(d):
    """StandardScaler.fit."""
    scaler = StandardScaler(eps=0)

    def outputs():
        scaler.fit(d.x)
        return [scaler.mean, scaler.std]

    return lambda: scaler.fit(d.x), outputs


def standard_transform(d):
    """StandardScaler.transform."""
    scaler = StandardScaler(eps=0).fit(d.x)
    return lambda: scaler.transform(d.x), lambda: [scaler.transform(d.x)]


def minmax_fit(d):
    """MinMaxScaler.fit."""
    scaler = MinMaxScaler()

    def outputs():
        scaler.fit(d.x)
        return [scaler.min, scaler.max]

    return lambda: scaler.fit(d.x), outputs


def minmax_transform(d):
    """MinMaxScaler.transform."""
    scaler = MinMaxScaler().fit(d.x)
    return lambda: scaler.transform(d.x), lambda: [scaler.transform(d.x)]


def label_codes(d):
    """LabelEncoder."""
    encoder = LabelEncoder()
    return lambda: encoder.fit_transform(d.y), lambda: [encoder.fit_transform(d.y)]


def one_hot_rows(d):
    """one_hot."""
    return lambda: one_hot(d.y), lambda: [one_hot(d.y)]


def balanced_weights(d):
    """class_weights."""
    return lambda: class_weights(d.y), lambda: [list(class_weights(d.y).values())]


def stratified(d):
    """train_test_split."""

    def run():
        return train_test_split(d.x, d.y, test_size=TEST_SHARE, stratify=d.y, rng=0)

    return run, lambda: shares(d, *run())


def table(d):
    """read_table and TableEncoder."""

    def run():
        table = read_table(d.path)
        return TableEncoder("y").fit(table).transform(table).x

    return run, lambda: [run()]
