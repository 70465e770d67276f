"""Depth and first weights: the notes, sections 3.1 and 3.2.

    python examples/initialization.py --picture initialization.png

Xavier's weights (variance 1/n) keep the size of signals through layers of tanh, He's (2/n) through layers of ReLU. With
the other's, ReLU halves the variance at every layer and tanh is driven into saturation. Printed are, after 30 layers, the
signals' size (root of the mean square) and the share of units that are saturated (|y| > 0.9), and the accuracy on held-out
digits of networks 2, 10 and 30 layers deep, trained for 8 epochs in Adam's smallest customary steps. In depth the wrong pairing
falls behind; with few layers it does not matter, and tanh forgives more than ReLU.
"""
import argparse

import numpy as np

import cdl

PAIRS = {"ReLU, He": ("relu", "he_normal"), "ReLU, Xavier": ("relu", "lecun_normal"),
         "tanh, Xavier": ("tanh", "lecun_normal"), "tanh, He": ("tanh", "he_normal")}
DEPTHS = 2, 10, 30


def network(depth, activation, initializer):
    hidden = [cdl.Dense(64, activation=activation, kernel_initializer=initializer) for _ in range(depth)]
    return cdl.Sequential([*hidden, cdl.Dense(10)])


def signals(model, x):
    """The output of every hidden layer, before any training."""
    with cdl.no_grad():
        outputs = [x]
        for layer in model[:-1]:
            outputs.append(np.asarray(layer(outputs[-1])))
    return outputs[1:]


def main():
    parser = argparse.ArgumentParser(description="Depth and first weights.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--picture", metavar="FILE", help="draw the signals layer by layer, and accuracy over depth")
    options = parser.parse_args()
    x_train, x_test, y_train, y_test = cdl.train_test_split(*cdl.load_digits(), rng=options.seed)
    scaler = cdl.data.StandardScaler().fit(x_train)
    x_train, x_test = scaler.transform(x_train), scaler.transform(x_test)
    sizes, accuracies = {}, {}
    for name, (activation, initializer) in PAIRS.items():
        cdl.seed(options.seed)
        outputs = signals(network(30, activation, initializer), x_train)
        sizes[name], accuracies[name] = [np.sqrt((y ** 2).mean()) for y in outputs], []
        for depth in DEPTHS:
            model = network(depth, activation, initializer)
            model.fit(x_train, y_train, loss="cross_entropy", epochs=8, progress=False,
                      optimizer=lambda parameters: cdl.Adam(parameters, lr=1e-4))
            accuracies[name].append(model.evaluate(x_test, y_test, loss="cross_entropy")["accuracy"])
        print(f"{name:14} size {sizes[name][-1]:.5f}   saturated {(abs(outputs[-1]) > 0.9).mean():.2f}   accuracy "
              + "  ".join(f"{depth}: {accuracy:.3f}" for depth, accuracy in zip(DEPTHS, accuracies[name], strict=True)))

    if options.picture:
        from matplotlib import pyplot
        figure, (left, right) = pyplot.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
        for name, style in zip(PAIRS, ("#0072B2 -", "#0072B2 --", "#D55E00 -", "#D55E00 --"), strict=True):
            colour, line = style.split()
            left.semilogy(range(1, 31), sizes[name], line, color=colour, label=name)
            right.plot(DEPTHS, accuracies[name], line, color=colour, marker="o", label=name)
        left.set(xlabel="layer", ylabel="size of the signals")
        right.set(xlabel="hidden layers", ylabel="accuracy on held-out digits", ylim=(0, 1.02), xticks=DEPTHS)
        right.legend()
        figure.savefig(options.picture)


if __name__ == "__main__":
    main()
