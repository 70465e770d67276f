"""Activations compared: the notes, section 2.2.

    python examples/activations.py --picture activations.png

The same network, six layers deep, learns the digits with each activation, by plain gradient descent. Sigmoid, whose slope
is a quarter at most, hardly begins. Then one big step of the same size kills units of ReLU: no sample opens them, so no
gradient reaches them any more; those of Leaky ReLU still learn. Printed are the accuracy on held-out digits after 15 epochs
and the share of dead units after the big step.
"""
import argparse

import numpy as np

import cdl

NAMES = {"relu": "ReLU", "leaky_relu": "Leaky ReLU", "tanh": "tanh", "sigmoid": "sigmoid"}


def network(activation):
    return cdl.Sequential([cdl.Dense(48, activation=activation) for _ in range(5)] + [cdl.Dense(10)])


def dead_units(model, x, y):
    """The share of hidden units whose weights get no gradient from any sample."""
    for parameter in model.parameters():
        parameter.grad = None
    cdl.cross_entropy(y, model(x)).backward()
    return np.mean([(np.asarray(layer.weight.grad) == 0).all(axis=0) for layer in model[:-1]])


def main():
    parser = argparse.ArgumentParser(description="Activations compared.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--picture", metavar="FILE", help="draw the training curves")
    options = parser.parse_args()
    x_train, x_test, y_train, y_test = cdl.train_test_split(*cdl.load_digits(), rng=options.seed)
    runs, dead = {}, {}
    for activation, name in NAMES.items():
        cdl.seed(options.seed)
        model = network(activation)
        runs[name] = model.fit(x_train, y_train, loss="cross_entropy", epochs=15, progress=False,
                               optimizer=lambda parameters: cdl.SGD(parameters, lr=0.05), validation_data=(x_test, y_test))
        cdl.seed(options.seed)
        model = network(activation)
        model.fit(x_train, y_train, loss="cross_entropy", batch_size=len(x_train), progress=False,
                  optimizer=lambda parameters: cdl.SGD(parameters, lr=10.0))
        dead[name] = dead_units(model, x_train, y_train)
        print(f"{name:12} accuracy {runs[name]['val_accuracy'][-1]:.3f}   dead units {dead[name]:.2f}")

    if options.picture:
        from matplotlib import pyplot
        figure, (left, right) = pyplot.subplots(1, 2, figsize=(9, 3.6), layout="constrained", width_ratios=[2, 1])
        cdl.plot.histories(runs, "val_accuracy", ax=left)
        right.bar(list(dead), list(dead.values()), color="#D55E00")
        right.set(ylabel="dead units after a big step", ylim=(0, 1))
        right.tick_params(axis="x", rotation=30)
        figure.savefig(options.picture)


if __name__ == "__main__":
    main()
