"""Thinc, as its documentation trains a classifier."""

import numpy as np
import thinc
from thinc.api import Adam, Relu, Softmax, chain, fix_random_seed

from . import reference


def start(threads):
    """Its matrix product (blis) runs on one thread."""


def version():
    """The library's version."""
    return getattr(thinc, "__version__", None) or thinc.about.__version__


def digits(d):
    """chain(Relu, Softmax) and its own Adam, without the clipping and averaging that are its defaults."""
    wanted = np.eye(10, dtype=np.float32)[d.y]

    def fit():
        fix_random_seed(0)
        model = chain(Relu(d.hidden), Softmax(10))
        model.initialize(X=d.x[:2], Y=wanted[:2])
        adam = Adam(reference.LEARNING_RATE, grad_clip=0.0, use_averages=False)
        for _ in range(reference.EPOCHS):
            for x, y in model.ops.multibatch(reference.BATCH, d.x, wanted, shuffle=True):
                p, backward = model.begin_update(x)
                backward((p - y) / len(y))
                model.finish_update(adam)
        return model

    return fit, lambda: [(fit().predict(d.x_test).argmax(1) == d.y_test).mean()]
