"""The networks of reference_networks.py in cdl: those of cdl.models."""

import numpy as np

import cdl

from . import reference

MODELS = {
    "resnet18": lambda: cdl.models.ResNet18(10, small=True),
    "resnet50": lambda: cdl.models.ResNet50(1000),
    "vgg16": lambda: cdl.models.VGG16(1000),
    "lenet5": lambda: cdl.models.LeNet5(activation="relu", pooling="max"),
}


def _model(d):
    with cdl.init.no_draws(10**9):
        model = MODELS[d.name]()
    model.load_state_dict(d.net.weights)
    return model


def network_predict(d):
    """model.fuse().predict, from an ndarray to an ndarray."""
    model = _model(d).fuse()
    d.net.weights = None  # they are the model's now, and its memory is measured
    return lambda: model.predict(d.x), lambda: [model.predict(d.x)]


def network_step(d):
    """Forward, loss, backward and Adam."""
    model, x, y = _model(d), cdl.Tensor(d.x), cdl.Tensor(d.y)
    adam = cdl.Adam(model.parameters(), lr=reference.LEARNING_RATE)

    def run():
        adam.zero_grad()
        loss = cdl.cross_entropy(y, model(x))
        loss.backward()
        adam.step()
        return loss

    def outputs():
        loss = cdl.cross_entropy(y, model(x))
        loss.backward()
        grads = [np.array(p.grad) for p in (model.fc.weight, model.fc.bias)]
        return [loss.item(), *grads, reference.learns(lambda: cdl.cross_entropy(y, model(x)).item(), run)]

    return run, outputs


def network_epoch(d):
    """model.fit, one epoch."""
    model = _model(d)

    def run():
        model.fit(d.x, d.y, loss="cross_entropy", optimizer=lambda params: cdl.Adam(params, reference.LEARNING_RATE),
                  batch_size=d.batch, progress=False)

    def outputs():
        run()
        return [(model.predict(d.x).argmax(1) == d.y).mean()]

    return run, outputs
