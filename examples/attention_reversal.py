"""What attention looks at: the notes, section 6.2.

    python examples/attention_reversal.py --picture attention.png

A network of one attention layer learns to write words backwards, from nothing but random letters and their reversals.
To write letter i it must look at letter T - 1 - i, and so it does: the map of its weights is the other diagonal. Printed are
the share of new letters that it gets right, that of its strongest looks that go where they should, and a word.
"""
import argparse

import numpy as np

import cdl

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
LENGTH = 9


class Reverser(cdl.Model):
    def __init__(self, width=32):
        self.letters = cdl.Embedding(len(LETTERS), width, initializer="lecun_normal")
        self.places = cdl.Embedding(LENGTH, width, initializer="lecun_normal")
        self.attention = cdl.MultiHeadAttention(1, in_features=width)
        self.out = cdl.Dense(len(LETTERS), in_features=width)

    def forward(self, ids):
        return self.out(self.attention(self.seen(ids)))

    def seen(self, ids):
        return self.letters(ids) + self.places(np.arange(LENGTH))


def main():
    parser = argparse.ArgumentParser(description="What attention looks at.")
    parser.add_argument("word", nargs="?", default="ATTENTION", help="of nine letters, to be written backwards")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--picture", metavar="FILE", help="draw where it looks")
    options = parser.parse_args()
    if len(options.word) != LENGTH or not set(options.word.upper()) <= set(LETTERS):
        parser.error(f"expected a word of {LENGTH} letters from A to Z, got {options.word!r}")
    cdl.seed(options.seed)
    ids = np.random.default_rng(options.seed).integers(0, len(LETTERS), (4000, LENGTH))
    model = Reverser()
    model.fit(ids[:3000], ids[:3000, ::-1], loss="cross_entropy", epochs=12, batch_size=64, progress=False,
              optimizer=lambda parameters: cdl.Adam(parameters, lr=0.01))
    right = (model.predict(ids[3000:]).argmax(-1) == ids[3000:, ::-1]).mean()
    with cdl.no_grad():
        weights = np.asarray(model.attention(model.seen(ids[3000:]), return_weights=True)[1])[:, 0]
        word = np.array([[LETTERS.index(letter) for letter in options.word.upper()]])
        looks = np.asarray(model.attention(model.seen(word), return_weights=True)[1])[0, 0]
    there = (weights.argmax(-1) == np.arange(LENGTH)[::-1]).mean()
    written = "".join(LETTERS[i] for i in model.predict(word)[0].argmax(-1))
    print(f"letters right {right:.4f}\nlooks right   {there:.4f}\n{options.word.upper()} backwards is {written}")

    if options.picture:
        picture = cdl.plot.attention_map(looks, list(written), list(options.word.upper()))
        picture.figure.axes[0].set(xlabel="looks at", ylabel="writes")
        picture.figure.axes[0].tick_params(axis="x", rotation=0)
        picture.figure.savefig(options.picture)


if __name__ == "__main__":
    main()
