"""Residual blocks against plain ones, in depth: the notes, section 5.2.

    python examples/residual_block.py --picture residual_block.png

The notes' block is two convolutions with the input added to what they make of it; the plain block is the same without
that. Networks of 2, 8 and 16 blocks, 5 to 33 convolutions deep, learn the digits for 3 epochs. Printed is the accuracy on
held-out digits: the plain ones get worse with every block, the residual ones lose next to nothing.
"""
import argparse

import cdl

DEPTHS = 2, 8, 16
FILTERS = 8


def plain_block():
    return cdl.Sequential([cdl.Conv2D(FILTERS, 3, padding="same", activation="relu") for _ in range(2)])


def network(block, blocks):
    return cdl.Sequential([cdl.Conv2D(FILTERS, 3, padding="same", activation="relu"), *(block() for _ in range(blocks)),
                           cdl.MaxPool2D(2), cdl.Flatten(), cdl.Dense(10)])


def main():
    parser = argparse.ArgumentParser(description="Residual blocks against plain ones, in depth.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--picture", metavar="FILE", help="draw the accuracy over the depth")
    options = parser.parse_args()
    x, y = cdl.load_digits()
    x_train, x_test, y_train, y_test = cdl.train_test_split(x.reshape(-1, 8, 8, 1), y, rng=options.seed)
    accuracies = {}
    for name, block in (("residual", lambda: cdl.models.ResidualBlock(FILTERS)), ("plain", plain_block)):
        accuracies[name] = []
        for blocks in DEPTHS:
            cdl.seed(options.seed)
            model = network(block, blocks)
            model.fit(x_train, y_train, loss="cross_entropy", epochs=3, progress=False,
                      optimizer=lambda parameters: cdl.Adam(parameters, lr=0.002))
            accuracies[name].append(model.evaluate(x_test, y_test, loss="cross_entropy")["accuracy"])
        print(f"{name:9} " + "  ".join(f"{n}: {accuracy:.3f}" for n, accuracy in zip(DEPTHS, accuracies[name], strict=True)))

    if options.picture:
        from matplotlib import pyplot
        figure, ax = pyplot.subplots(figsize=(5.6, 3.6), layout="constrained")
        for (name, values), style in zip(accuracies.items(), ("o-", "s--"), strict=True):
            ax.plot(DEPTHS, values, style, color={"residual": "#0072B2", "plain": "#D55E00"}[name], label=name)
        ax.set(xlabel="blocks of two convolutions", ylabel="accuracy on held-out digits", ylim=(0, 1.02), xticks=DEPTHS)
        ax.grid(alpha=0.3)
        ax.legend()
        figure.savefig(options.picture)


if __name__ == "__main__":
    main()
