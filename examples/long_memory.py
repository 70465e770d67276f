"""LSTM and GRU against the plain RNN on a memory that must last: the notes, section 6.1.

    python examples/long_memory.py --picture long_memory.png

Each sequence is 20 signs of four kinds, and one of them, in the first half, is marked: the network is to say, at the end,
which it was. Gates let the marked one in and keep it from those that follow; the plain RNN, which takes every sign in the
same way, guesses. Printed is the accuracy on new sequences.
"""
import argparse

import numpy as np

import cdl

SIGNS, STEPS, EPOCHS = 4, 20, 15


def sequences(count, rng):
    """Sequences (count, STEPS, SIGNS + 1), one-hot signs and the mark, and the signs that are marked."""
    signs, marked = rng.integers(0, SIGNS, (count, STEPS)), rng.integers(0, STEPS // 2, count)
    mark = np.arange(STEPS) == marked[:, None]
    x = np.concatenate([np.eye(SIGNS)[signs], mark[..., None]], axis=-1)
    return x.astype(np.float32), signs[mark]


def main():
    parser = argparse.ArgumentParser(description="LSTM and GRU against the plain RNN on a memory that must last.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--picture", metavar="FILE", help="draw the training curves")
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    (x, y), test = sequences(2000, rng), sequences(500, rng)
    runs = {}
    for name, layer in (("LSTM", cdl.LSTM), ("GRU", cdl.GRU), ("RNN", cdl.RNN)):
        cdl.seed(options.seed)
        model = cdl.Sequential([layer(32), cdl.Dense(SIGNS)])
        runs[name] = model.fit(x, y, loss="cross_entropy", epochs=EPOCHS, validation_data=test, progress=False,
                               optimizer=lambda parameters: cdl.Adam(parameters, lr=cdl.CosineDecay(0.01, EPOCHS)))
        print(f"{name:5} accuracy {runs[name]['val_accuracy'][-1]:.3f}")

    if options.picture:
        picture = cdl.plot.histories(runs, "val_accuracy")
        picture.figure.axes[0].axhline(1 / SIGNS, linestyle=":", color="grey")
        picture.figure.axes[0].set(ylabel="accuracy on new sequences", ylim=(0, 1.02))
        picture.figure.savefig(options.picture)


if __name__ == "__main__":
    main()
