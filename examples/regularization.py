"""Overfitting, and what helps: the notes, section 7.2.

    python examples/regularization.py --picture regularization.png

A large network learns from 300 digits of which every third has a label drawn at random: it learns these by heart too, and
its loss on held-out digits goes up while that in training goes down. L2, dropout and early stopping hold it back. Printed are
the accuracy in training, and the loss and accuracy on held-out digits, at the end.
"""
import argparse

import numpy as np

import cdl


def train(data, seed, *, drop_prob=0.0, l2=0.0, callbacks=()):
    cdl.seed(seed)
    x_train, y_train, x_test, y_test = data
    model = cdl.Sequential([cdl.Dense(256, activation="relu"), cdl.Dropout(drop_prob),
                            cdl.Dense(256, activation="relu"), cdl.Dropout(drop_prob), cdl.Dense(10)])
    history = model.fit(x_train, y_train, loss="cross_entropy", epochs=40, metrics=["accuracy"],
                        validation_data=(x_test, y_test), callbacks=callbacks, progress=False,
                        penalty=lambda model: cdl.l2_penalty(model, l2))
    return history, model.evaluate(x_test, y_test, loss="cross_entropy")


def main():
    parser = argparse.ArgumentParser(description="Overfitting, and what helps.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--picture", metavar="FILE", help="draw the losses")
    options = parser.parse_args()
    x_train, x_test, y_train, y_test = cdl.train_test_split(*cdl.load_digits(), test_size=1200, rng=options.seed)
    rng = np.random.default_rng(options.seed)
    x_train, y_train = x_train[:300], y_train[:300].copy()
    y_train[::3] = rng.integers(0, 10, 100)
    data = x_train, y_train, x_test, y_test
    runs = {}
    for name, how in {"nothing": {}, "L2": {"l2": 0.01}, "dropout": {"drop_prob": 0.5},
                      "early stopping": {"callbacks": [cdl.EarlyStopping(patience=5)]}}.items():
        runs[name], figures = train(data, options.seed, **how)
        print(f"{name:15} in training {runs[name]['accuracy'][-1]:.3f}   loss {figures['loss']:.3f}   "
              f"accuracy {figures['accuracy']:.3f}")

    if options.picture:
        from matplotlib import pyplot
        figure, panels = pyplot.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
        for what, ax in zip(("accuracy", "val_loss"), panels, strict=True):
            cdl.plot.histories(runs, what, ax=ax)
        panels[0].set(ylabel="accuracy in training")
        panels[1].set(ylabel="loss on held-out digits")
        figure.savefig(options.picture)


if __name__ == "__main__":
    main()
