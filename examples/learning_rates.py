"""Learning rates and their schedules: the notes, section 4.1.

    python examples/learning_rates.py --picture learning_rates.png

The same network learns the digits with momentum at the notes' three learning rates and a larger one: too small is slow, too
large does not settle. Then the large one is kept, or lowered as the epochs pass: by 5 % each (the notes' exponential decay), by
half every 5, along a cosine; lowered it settles. Printed are the training loss and the accuracy on held-out digits after 30
epochs.
"""
import argparse

import cdl

EPOCHS, LARGE = 30, 0.5


def train(lr, data, seed):
    cdl.seed(seed)
    model = cdl.Sequential([cdl.Dense(64, activation="relu"), cdl.Dense(10)])
    x_train, x_test, y_train, y_test = data
    return model.fit(x_train, y_train, loss="cross_entropy", epochs=EPOCHS, validation_data=(x_test, y_test), progress=False,
                     optimizer=lambda parameters: cdl.Momentum(parameters, lr=lr))


def main():
    parser = argparse.ArgumentParser(description="Learning rates and their schedules.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--picture", metavar="FILE", help="draw the training curves and the schedules")
    options = parser.parse_args()
    data = cdl.train_test_split(*cdl.load_digits(), rng=options.seed)
    rates = {f"{lr:g}": train(lr, data, options.seed) for lr in (0.001, 0.01, 0.1, LARGE)}
    kinds = {"constant": cdl.ConstantRate(LARGE), "exponential": cdl.ExponentialDecay(LARGE, 0.95),
             "step": cdl.StepDecay(LARGE, 0.5, every=5), "cosine": cdl.CosineDecay(LARGE, EPOCHS)}
    schedules = {name: train(kind, data, options.seed) for name, kind in kinds.items()}
    for name, run in (rates | schedules).items():
        print(f"{name:12} loss {run['loss'][-1]:.4f}   accuracy {run['val_accuracy'][-1]:.3f}")

    if options.picture:
        from matplotlib import pyplot
        figure, (left, middle, right) = pyplot.subplots(1, 3, figsize=(11, 3.4), layout="constrained")
        cdl.plot.histories(rates, "loss", scale="log", ax=left)
        cdl.plot.histories({name: {"learning rate": [kind(epoch) for epoch in range(EPOCHS)]} for name, kind in kinds.items()},
                           "learning rate", scale="linear", ax=middle)
        cdl.plot.histories(schedules, "loss", scale="log", ax=right)
        left.set(ylabel="training loss")
        right.set(ylabel="training loss")
        figure.savefig(options.picture)


if __name__ == "__main__":
    main()
