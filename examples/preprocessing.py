"""Scaled data and data as they come: the notes, section 7.1.

    python examples/preprocessing.py --picture preprocessing.png

The digits as bytes from 0 to 255, as [0, 1], as [-1, 1], and standardised, x' = (x - μ) / (σ + ε) with the μ and σ of the
training data; one network, one learning rate. Then the same with every second pixel in another unit, a thousand times as large:
only standardising helps. Printed are the accuracies on held-out digits after 10 epochs.
"""
import argparse

import numpy as np

import cdl


def train(x_train, x_test, y_train, y_test, seed):
    cdl.seed(seed)
    model = cdl.Sequential([cdl.Dense(32, activation="tanh"), cdl.Dense(10)])
    return model.fit(x_train, y_train, loss="cross_entropy", epochs=10, validation_data=(x_test, y_test), progress=False,
                     optimizer=lambda parameters: cdl.SGD(parameters, lr=0.05))


def main():
    parser = argparse.ArgumentParser(description="Scaled data and data as they come.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--picture", metavar="FILE", help="draw the training curves")
    options = parser.parse_args()
    x, y = cdl.load_digits()
    images = np.rint(255 * x / x.max()).astype(np.uint8).reshape(-1, 8, 8)
    units = x * np.where(np.arange(64) % 2, 1000, 1)
    runs = {}
    for name, x in (("0 to 255", images), ("[0, 1]", cdl.data.scale_images(images)),
                    ("[-1, 1]", cdl.data.scale_images(images, low=-1)), ("standardised", images),
                    ("mixed units", units), ("mixed, standardised", units)):
        x_train, x_test, y_train, y_test = cdl.train_test_split(x.reshape(-1, 64), y, rng=options.seed)
        if "standardised" in name:
            scaler = cdl.data.StandardScaler().fit(x_train)     # on training data only
            x_train, x_test = scaler.transform(x_train), scaler.transform(x_test)
        runs[name] = train(x_train, x_test, y_train, y_test, options.seed)
        print(f"{name:20} accuracy {runs[name]['val_accuracy'][-1]:.3f}")

    if options.picture:
        from matplotlib import pyplot
        figure, panels = pyplot.subplots(1, 2, figsize=(9, 3.6), layout="constrained", sharey=True)
        for ax, names in zip(panels, (list(runs)[:4], list(runs)[4:]), strict=True):
            cdl.plot.histories({name: runs[name] for name in names}, "val_accuracy", ax=ax)
            ax.set(ylabel="accuracy on held-out digits")
        figure.savefig(options.picture)


if __name__ == "__main__":
    main()
