"""Optimizers compared on one picture: the notes, section 4.2.

    python examples/optimizers.py --picture optimizers.png

On the left their ways down a long, narrow valley, (x² + 20 y²) / 2, 30 steps each: gradient descent is thrown from wall to
wall, and would leave the valley with steps a tenth longer; momentum swings, and runs on along the floor; RMSprop and Adam
give both directions steps of one size. On the right they train one network on the digits, each at its customary learning
rate. Printed are the height each ended at (24.9 at first), and the training loss after 15 epochs.
"""
import argparse

import numpy as np

import cdl

KINDS = {"SGD": (cdl.SGD, 0.092, 0.01), "Momentum": (cdl.Momentum, 0.008, 0.01),     # in the valley, on the digits
         "RMSprop": (cdl.RMSprop, 0.15, 0.001), "Adam": (cdl.Adam, 0.3, 0.001)}
START = -4.0, 1.3


def height(point):
    return (point[0] ** 2 + 20 * point[1] ** 2) / 2


def descend(kind, lr, steps=30):
    """The points an optimizer visits."""
    point = cdl.Tensor(START, requires_grad=True)
    optimizer, path = kind([point], lr=lr), [np.array(point)]
    for _ in range(steps):
        optimizer.zero_grad()
        height(point).backward()
        optimizer.step()
        path.append(np.array(point))
    return np.array(path)


def main():
    parser = argparse.ArgumentParser(description="Optimizers compared on one picture.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--picture", metavar="FILE", help="draw their ways and the training curves")
    options = parser.parse_args()
    x, y = cdl.load_digits()
    paths, runs = {}, {}
    for name, (kind, lr, digits_lr) in KINDS.items():
        paths[name] = descend(kind, lr)
        cdl.seed(options.seed)
        model = cdl.Sequential([cdl.Dense(64, activation="relu"), cdl.Dense(10)])
        runs[name] = model.fit(x, y, loss="cross_entropy", epochs=15, progress=False,
                               optimizer=lambda parameters, kind=kind, lr=digits_lr: kind(parameters, lr=lr))
        print(f"{name:9} height {height(paths[name][-1]):.4f}   training loss {runs[name]['loss'][-1]:.4f}")

    if options.picture:
        from matplotlib import pyplot
        figure, (left, right) = pyplot.subplots(1, 2, figsize=(9.6, 3.6), layout="constrained")
        cdl.plot.histories(runs, "loss", scale="log", ax=right)
        grid = np.meshgrid(np.linspace(-4.6, 3.6, 100), np.linspace(-1.6, 1.6, 100))
        left.contour(*grid, height(grid), levels=np.geomspace(0.1, 40, 8), colors="lightgrey", linewidths=0.8)
        for (name, path), line in zip(paths.items(), right.lines, strict=True):
            left.plot(*path.T, "o-", markersize=3, linewidth=1.2, color=line.get_color(), label=name)
        left.plot(0, 0, "k*", markersize=10)
        left.set(xlabel="x", ylabel="y", title="30 steps in a narrow valley")
        right.set(ylabel="training loss", title="the digits")
        right.get_legend().remove()
        left.legend(loc="lower right")
        figure.savefig(options.picture)


if __name__ == "__main__":
    main()
