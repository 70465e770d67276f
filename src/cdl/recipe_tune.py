"""What `cdl tune` does: data from a file to the best of many networks, tested and saved."""
from pathlib import Path

import numpy as np

from cdl.data import StandardScaler, load_digits, train_test_split
from cdl.recipes import prepared_table

METHODS = ("random", "grid", "halving", "asha", "optuna")


def add_options(parser):
    """Give an argparse parser the options of `cdl tune`."""
    parser.add_argument("data", help="'digits' (ships with cdl), or a table in a text file (CSV)")
    parser.add_argument("--target", help="for a table: the column to predict")
    parser.add_argument("--method", choices=METHODS, default="random",
                        help="how parameters are chosen and trials ended (default %(default)s)")
    parser.add_argument("--trials", type=int, help="how many (default 20; 27 with halving and asha; all of a grid)")
    parser.add_argument("--epochs", type=int, default=20, help="for how many a trial is trained at most (default %(default)s)")
    parser.add_argument("--folds", type=int, help="cross-validation with so many folds, instead of a fifth held out")
    parser.add_argument("--workers", type=int, default=-1, help="processes that train (default: as many as there are threads)")
    parser.add_argument("--seed", type=int, default=0, help="of splits, parameters, weights, order (default %(default)s)")
    parser.add_argument("--folder", help="keep every step there; the same command again goes on where it was")
    parser.add_argument("--out", metavar="FILE", help="where to save the best model (default: named after the data)")
    parser.add_argument("--csv", metavar="FILE", help="save what was tried as a table")
    parser.add_argument("--picture", metavar="FILE", help="save a picture of what was tried (needs matplotlib)")
    parser.add_argument("--quiet", action="store_true", help="no line that shows how far it is")


def tune_data(options):
    """Tune on the data that the options name, and save the best model; returns the exit status."""
    from cdl.tuning import DenseNetwork, default_space, tune

    _check(options)
    train, test, name, outputs, extra, target = _digits(options) if options.data == "digits" else _table(options)
    classes = target is None
    try:
        result = tune(DenseNetwork(outputs), default_space(train[0].shape[1]), train, method=options.method,
                      trials=options.trials, epochs=options.epochs, folds=options.folds, workers=options.workers,
                      seed=options.seed, folder=options.folder, progress=not options.quiet,
                      loss="cross_entropy" if classes else "mse", metric="val_accuracy" if classes else "val_loss")
    except RuntimeError as error:       # all trials failed
        raise ValueError(str(error)) from None
    print(result)
    if options.csv is not None:
        result.to_csv(options.csv)
    if result.interrupted:
        raise KeyboardInterrupt
    best, model = result.best, result.model()
    print("the best: " + ", ".join(f"{name} {value}" for name, value in best.parameters.items()))
    if classes:
        print(f"test accuracy {model.evaluate(*test, loss='cross_entropy')['accuracy']:.4f}")
    else:
        error = target.inverse_transform(model.predict(test[0]))[:, 0] - test[1]
        print(f"test error {float(np.sqrt(np.mean(error**2))):.4g} (root mean square)")
    path = options.out or f"{name}-tuned.safetensors"
    from cdl.io.model import save_model
    save_model(path, model, extra=extra | {"parameters": best.parameters})
    print(f"saved {path} ({model.count_parameters():,} parameters)")
    if options.picture is not None:
        result.plot().savefig(options.picture, dpi=150)
    return 0


def _check(options):
    """Refuse what would fail only once the search is done."""
    if options.data == "digits":
        if options.target is not None:
            raise ValueError(f"tune digits: --target is for tables, got {options.target!r}")
    elif not Path(options.data).exists():
        raise ValueError(f"tune {options.data}: there is no such file; tune on 'digits' or a table in a text file (CSV)")
    elif options.target is None:
        raise ValueError(f"tune {options.data}: name the column to predict with --target")
    for name in ("out", "csv", "picture"):
        path = getattr(options, name)
        if path is not None and (not Path(path).absolute().parent.is_dir() or Path(path).is_dir()):
            words = "this is a folder; name the file to write" if Path(path).is_dir() else "there is no such folder"
            raise ValueError(f"tune: --{name} {path}: {words}")
        if path is not None and Path(path).exists() and Path(options.data).exists() and Path(path).samefile(options.data):
            raise ValueError(f"tune: --{name} {path}: these are the data; name another file")
    if options.picture is not None:
        from cdl.extras import require
        require("matplotlib", "plot", "tune --picture")


def _digits(options):
    x, y = load_digits()
    x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=0.2, rng=options.seed, stratify=y)
    print(f"digits: {len(x_train)} images of 8×8 to train and validate on, {len(x_test)} to test on, 10 classes")
    return (x_train, y_train), (x_test, y_test), "digits", 10, {}, None


def _table(options):
    """As `cdl train` reads a table; the target of a regression scaled too."""
    (x_train, y_train), test, encoder, scaler = prepared_table(options)
    extra, target, outputs = {"encoder": encoder, "scaler": scaler}, None, 1
    if encoder.task == "classification":
        outputs = len(encoder.classes)
    else:
        target = extra["target"] = StandardScaler().fit(y_train[:, None])
        y_train = target.transform(y_train[:, None])
    return (x_train, y_train), test, Path(options.data).stem, outputs, extra, target
