"""The same library without `fit`: the loop that a user writes by hand over its layers, loss and optimizer."""

import cdl

from . import reference
from .peer_cdl import start, version

__all__ = ["fit", "fit_validated", "start", "version"]


def fit(d):
    """Batches in the order of the samples, no figures."""
    return _work(d, None)


def fit_validated(d):
    """The same, and after every epoch the loss and the accuracy on other samples."""
    return _work(d, (d.x_test, d.y_test))


def _work(d, held_out):
    def train():
        cdl.seed(0)
        model = cdl.Sequential([cdl.Dense(d.hidden, activation="relu"), cdl.Dense(10)])
        model.predict(d.x[:1])
        adam = cdl.Adam(model.parameters(), lr=reference.LEARNING_RATE)
        for _ in range(reference.FIT_EPOCHS):
            for i in range(0, len(d.x), reference.BATCH):
                loss = cdl.cross_entropy(d.y[i : i + reference.BATCH], model(d.x[i : i + reference.BATCH]))
                adam.zero_grad()
                loss.backward()
                adam.step()
            if held_out:
                x, y = held_out
                logits = model.predict(x)
                float(cdl.cross_entropy(y, logits)), (logits.argmax(1) == y).mean()
        return model

    return train, lambda: [(train().predict(d.x_test).argmax(1) == d.y_test).mean()]
