"""scikit-learn, and pandas where it reads the file: preparing a million rows."""

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import LabelEncoder, MinMaxScaler, OneHotEncoder, StandardScaler
from sklearn.utils.class_weight import compute_class_weight

from .reference_data import CLASSES, NUMBERS, TEST_SHARE, shares


def standard_fit(d):
    """StandardScaler.fit."""
    scaler = StandardScaler()

    def outputs():
        scaler.fit(d.x)
        return [scaler.mean_, scaler.scale_]

    return lambda: scaler.fit(d.x), outputs


def standard_transform(d):
    """StandardScaler.transform."""
    scaler = StandardScaler().fit(d.x)
    return lambda: scaler.transform(d.x), lambda: [scaler.transform(d.x)]


def minmax_fit(d):
    """MinMaxScaler.fit."""
    scaler = MinMaxScaler()

    def outputs():
        scaler.fit(d.x)
        return [scaler.data_min_, scaler.data_max_]

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
    """OneHotEncoder, dense."""
    encoder, x = OneHotEncoder(sparse_output=False, dtype=np.float32), d.y[:, None]
    return lambda: encoder.fit_transform(x), lambda: [encoder.fit_transform(x)]


def balanced_weights(d):
    """compute_class_weight."""

    def run():
        return compute_class_weight("balanced", classes=np.arange(CLASSES), y=d.y)

    return run, lambda: [run()]


def stratified(d):
    """train_test_split."""

    def run():
        return train_test_split(d.x, d.y, test_size=TEST_SHARE, stratify=d.y, random_state=0)

    return run, lambda: shares(d, *run())


def table(d):
    """pandas.read_csv and a ColumnTransformer of SimpleImputer and OneHotEncoder."""
    try:
        import pandas
    except ImportError:
        return None

    def run():
        steps = [("numbers", SimpleImputer(), [f"n{i}" for i in range(NUMBERS)]),
                 ("categories", OneHotEncoder(sparse_output=False, dtype=np.float32), ["colour", "city"])]
        return ColumnTransformer(steps, sparse_threshold=0).fit_transform(pandas.read_csv(d.path))

    return run, lambda: [run()]
