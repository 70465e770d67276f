"""The search that the tests of tuning vary: a network for 300 of the digits, its hidden units and learning rate."""
import sys

import pytest

import cdl
from cdl import tuning

X, Y = (part[:300] for part in cdl.load_digits())
SPACE = {"hidden": [8, 16, 24], "lr": tuning.log_range(1e-4, 1e-1)}
forks = pytest.mark.skipif(sys.platform != "linux", reason="workers are forked on Linux")


def build(hidden=16):
    return cdl.Sequential([cdl.Dense(hidden, activation="relu"), cdl.Dropout(0.2), cdl.Dense(10)])


def tune(make=build, space=SPACE, data=(X, Y), **options):
    defaults = dict(loss="cross_entropy", metric="val_accuracy", trials=4, epochs=3, progress=False)
    return cdl.tune(make, space, data, **{**defaults, **options})


def facts(result):
    return [(t.number, t.parameters, t.state, t.value, t.curve, t.figures, t.epochs) for t in result.trials]
