"""Why classifiers are trained with cross-entropy: the notes, section 2.3.

    python examples/binary_cross_entropy.py --picture losses.png

The notes' binary_cross_entropy gives cdl's value, and is differentiated as it stands. Then one sigmoid tells whether a
digit is an 8, from weights that are confidently wrong: cross-entropy soon finds out; the mean squared error, whose
slope vanishes where a sigmoid is far off, stays where it was. Printed are the accuracies on held-out digits.
"""
import argparse

import numpy as np

import cdl


def binary_cross_entropy(y_true, y_pred):
    epsilon = 1e-15  # log(0) is not to be
    y_pred = np.clip(y_pred, epsilon, 1 - epsilon)
    return -np.mean(y_true * np.log(y_pred) + (1 - y_true) * np.log(1 - y_pred))


def slope(loss, logits):
    """∂ loss / ∂ logit of one sample whose label is 1."""
    return [cdl.value_and_grad(lambda z: loss(np.ones(1), cdl.sigmoid(z)), np.array([z]))[1].item() for z in logits]


def main():
    parser = argparse.ArgumentParser(description="Why classifiers are trained with cross-entropy.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--picture", metavar="FILE", help="draw losses and slopes, and how the training went")
    options = parser.parse_args()
    x, digit = cdl.load_digits()
    x_train, x_test, y_train, y_test = cdl.train_test_split(x, (digit == 8)[:, None].astype(np.float32), rng=options.seed,
                                                            stratify=digit)
    p = np.random.default_rng(options.seed).uniform(0.01, 0.99, y_train.shape)
    print(f"the notes' loss {binary_cross_entropy(y_train, p):.6f}, cdl's {cdl.binary_cross_entropy(y_train, p):.6f}")
    runs = {}
    for name, loss in (("cross-entropy", "binary_cross_entropy"), ("mean squared error", "mse")):
        cdl.seed(options.seed)
        model = cdl.Sequential([cdl.Dense(1, activation="sigmoid", in_features=64)])
        model[0].bias.data[:] = 12.0    # "an 8, I am sure", of everything
        runs[name] = model.fit(x_train, y_train, loss=loss, epochs=20, metrics=["binary_accuracy"], progress=False,
                               optimizer=lambda parameters: cdl.SGD(parameters, lr=0.2), validation_data=(x_test, y_test))
        print(f"{name:18} accuracy {runs[name]['val_binary_accuracy'][-1]:.3f}")

    if options.picture:
        from matplotlib import pyplot
        figure, (left, right) = pyplot.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
        logits = np.linspace(-8, 4, 100)
        left.plot(logits, slope(cdl.binary_cross_entropy, logits), color="#0072B2", label="cross-entropy")
        left.plot(logits, slope(cdl.mse, logits), color="#E69F00", label="mean squared error")
        left.set(xlabel="logit of a sample of class 1", ylabel="slope of the loss")
        left.grid(alpha=0.3)
        left.legend()
        cdl.plot.histories(runs, "val_binary_accuracy", ax=right)
        figure.savefig(options.picture)


if __name__ == "__main__":
    main()
