"""Batch normalisation, with and without: the notes, section 3.3.

    python examples/batch_norm.py --picture batch_norm.png

The notes' class, in NumPy, gives what `cdl.BatchNorm` gives in training. Then a network eight layers deep learns the digits
with and without it, at three learning rates of plain gradient descent: with it each of them will do. Printed are the
accuracies on held-out digits after 10 epochs.
"""
import argparse

import numpy as np

import cdl

RATES = 0.01, 0.1, 0.5


class BatchNorm:
    def __init__(self, dim, eps=1e-5):
        self.gamma = np.ones(dim)
        self.beta = np.zeros(dim)
        self.eps = eps

    def forward(self, x):
        mu = np.mean(x, axis=0)
        var = np.var(x, axis=0)
        x_norm = (x - mu) / np.sqrt(var + self.eps)
        return self.gamma * x_norm + self.beta


def network(normed):
    layers = []
    for _ in range(8):
        layers += [cdl.Dense(48, use_bias=False), cdl.BatchNorm(activation="relu")] if normed else [cdl.Dense(48, "relu")]
    return cdl.Sequential([*layers, cdl.Dense(10)])


def main():
    parser = argparse.ArgumentParser(description="Batch normalisation, with and without.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--picture", metavar="FILE", help="draw the training curves")
    options = parser.parse_args()
    x = np.random.default_rng(options.seed).normal(3, 2, (32, 5))
    layer = cdl.BatchNorm(5)
    layer.train()
    difference = abs(np.asarray(layer(x)) - BatchNorm(5).forward(x)).max()
    print(f"the notes' class and cdl's differ by {difference:.0e} at most")

    x_train, x_test, y_train, y_test = cdl.train_test_split(*cdl.load_digits(), rng=options.seed)
    runs = {}
    for normed in (True, False):
        for rate in RATES:
            cdl.seed(options.seed)
            name = f"{'with' if normed else 'without'}, rate {rate:g}"
            runs[name] = network(normed).fit(x_train, y_train, loss="cross_entropy", epochs=10, progress=False,
                                             optimizer=lambda parameters, rate=rate: cdl.SGD(parameters, lr=rate),
                                             validation_data=(x_test, y_test))
            print(f"{name:18} accuracy {runs[name]['val_accuracy'][-1]:.3f}")

    if options.picture:
        from matplotlib import pyplot
        figure, panels = pyplot.subplots(1, 2, figsize=(9, 3.6), layout="constrained", sharey=True)
        for word, ax in zip(("with", "without"), panels, strict=True):
            cdl.plot.histories({name.split(", ")[1]: run for name, run in runs.items() if name.startswith(f"{word},")},
                               "val_accuracy", ax=ax)
            ax.set_title(f"{word} BatchNorm", fontsize="medium")
        figure.savefig(options.picture)


if __name__ == "__main__":
    main()
