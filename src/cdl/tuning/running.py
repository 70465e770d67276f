"""What a trial does: build a model, train it up to some epoch, say how good it is, and go on from there later."""
import copy
import inspect
import os
import time
import traceback

import numpy as np

from cdl.callbacks import Callback, EarlyStopping
from cdl.data.loader import Loader
from cdl.extras import nearest
from cdl.nn.layer import Layer
from cdl.optim import OPTIMIZERS, ExponentialDecay, StepDecay
from cdl.random import drawn_from
from cdl.train.loop import fit
from cdl.tuning.result import Trial

__all__ = ["DECAYS", "TRAINED", "BuildError", "Plan", "advance"]

# Parameters that go to the training where build does not take them.
TRAINED = ("lr", "optimizer", "decay", "batch_size")
# The notes' two, of the rate at the start.
DECAYS = {"constant": None, "exponential": lambda lr: ExponentialDecay(lr, 0.95), "halving": lambda lr: StepDecay(lr, 0.5, 5)}
# What the options of `fit` are that neither tune sets itself nor has under another name.
FIT_OPTIONS = [name for name in inspect.signature(fit).parameters
               if name not in ("model", "x", "y", "epochs", "validation_data", "validation_split", "progress", "rng")]


class BuildError(ValueError):
    """What build returned is no model: every other trial would fail alike, so the search ends."""


class Plan:
    """What all trials have in common; made once, before there are workers."""

    def __init__(self, build, takes, space, train, held, folds, *, epochs, metric, mode, patience, options, seed):
        self.build, self.takes, self.space, self.train, self.held, self.folds = build, takes, space, train, held, folds
        self.epochs, self.metric, self.mode, self.patience = epochs, metric, mode, patience
        self.options, self.seed, self.parent, self.last = options, seed, None, None

    def parts(self):
        """(fold, what is trained on, what is evaluated) of every fold."""
        if self.folds is None:
            yield 0, self.train, self.held
            return
        for fold, (rows, held) in enumerate(self.folds):
            yield fold, *(tuple(None if array is None else array[part] for array in self.train) for part in (rows, held))

    def made(self, number, parameters):
        """The model of a trial, and the options with which it is fitted."""
        to_build, trained = parameters, {}
        if self.takes is not None:
            trained = {name: value for name, value in parameters.items() if name in TRAINED and name not in self.takes}
            to_build = {name: value for name, value in parameters.items() if name not in trained}
        if self.takes == "trial":
            built, trained = self.build(Trial(number, dict(parameters))), {}
        else:
            built = self.build(**to_build)
        model, own = _unpacked(built)
        if model is self.last:
            raise BuildError("tune: build returned the same model twice; make a new one each time it is called")
        self.last = model
        _check_options(own, "build returned the option")
        twice = sorted(set(own) & set(trained)) or (["lr"] if "optimizer" in own and {"lr", "decay"} & set(trained) else [])
        if twice:
            raise BuildError(f"tune: {twice[0]!r} comes from the space and build returned an optimizer or options too; let "
                             f"build take {twice[0]!r}, or return the model alone")
        options = self.options | own
        optimizer = trained.pop("optimizer", options.get("optimizer", "adam"))
        options["optimizer"] = _optimizer(optimizer, trained.pop("lr", None), trained.pop("decay", "constant"))
        return model, options | trained

    def seed_of(self, number, fold):
        return [self.seed, 1, number, fold]


def _unpacked(built):
    if isinstance(built, Layer):
        return built, {}
    if isinstance(built, tuple) and len(built) == 2 and isinstance(built[0], Layer):
        return built[0], dict(built[1]) if isinstance(built[1], dict) else {"optimizer": built[1]}
    if isinstance(built, dict) and isinstance(built.get("model"), Layer):
        return built["model"], {name: value for name, value in built.items() if name != "model"}
    hint = "; is its `return` missing?" if built is None else ""
    raise BuildError("tune: build must return a model, (model, optimizer), (model, {options of fit}) or {'model': …, options}, "
                     f"got {type(built).__name__}{hint}")


def _check_options(options, what="unknown option"):
    for name in options:
        if name not in FIT_OPTIONS:
            raise BuildError(f"tune: {what} {name!r}{nearest(name, FIT_OPTIONS)}; known are {', '.join(FIT_OPTIONS)}")


def _optimizer(optimizer, lr, decay):
    """What fit takes for an optimizer by name with a learning rate and how that decays."""
    if lr is None and decay == "constant":
        return optimizer
    if not isinstance(optimizer, str) or optimizer not in OPTIMIZERS:
        raise BuildError(f"tune: lr and decay are for an optimizer by its name, got {optimizer!r}"
                         f"{nearest(optimizer, OPTIMIZERS)}; known are {', '.join(OPTIMIZERS)}")
    if decay not in DECAYS:
        raise BuildError(f"tune: unknown decay {decay!r}{nearest(decay, DECAYS)}; known are {', '.join(DECAYS)}")

    def make(parameters):
        made = OPTIMIZERS[optimizer](parameters, **({} if lr is None else {"lr": lr}))
        return made if decay == "constant" else OPTIMIZERS[optimizer](parameters, lr=DECAYS[decay](made.lr))

    return make


class _Segment(Callback):
    """Begins where the trial was, and ends the training at the epoch `until` with the state to go on from."""

    def __init__(self, before, until, plan):
        self.before, self.until, self.parent, self.metric, self.state = before, until, plan.parent, plan.metric, None

    def __call__(self, model, epoch, figures):
        """See that there is the metric."""
        if self.metric not in figures:
            raise BuildError(f"tune: there is no figure {self.metric!r}{nearest(self.metric, figures)}; there are "
                             f"{', '.join(figures)}, and what metrics= names")

    def resume(self, training):
        """Go on from the state before."""
        if self.before is not None:
            training.load_state_dict(*self.before)

    def on_epoch_end(self, training):
        """Keep the state at the last epoch asked for."""
        if self.parent is not None and os.getppid() != self.parent:
            os._exit(1)         # nobody is left to be told; after kill -9 of the search no worker trains on
        if training.epoch >= self.until and training.epoch < training.epochs and not training.stopped:
            self.state = training.state_dict()
            training.stop()


class _Best(EarlyStopping):
    """Early stopping that keeps the best weights for the search, and looks for the parameters once, not at every best epoch:
    of a trial of 15 ms that was 0.6.
    """

    weights = _known = None

    def __call__(self, model, epoch, figures):
        """Compare, and keep the weights if the epoch is the best."""
        self._known = self._known or _Known(model)
        return super().__call__(self._known, epoch, figures)

    def on_fit_end(self, model):
        """Have the weights ready."""
        self.weights, self._state = self._state, None


class _Known:
    """The parameters and buffers of a model, found once."""

    def __init__(self, model):
        self._tensors = [(path, tensor) for path, _, _, tensor in model.tensor_places()]

    def state_dict(self):
        """Copies, as the model's `state_dict` gives them."""
        return {path: tensor.numpy().copy() for path, tensor in self._tensors}


def advance(plan, number, parameters, until, before=None):
    """Train a trial up to the epoch `until`, from what an earlier call gave as "folds", and say how it went.

    Returns
    -------
    dict
        error (None, or the words), traceback, seconds, value (mean over the folds of the best of the epochs so far), curve
        (the figure epoch by epoch, mean over the folds), figures (those of the last epoch), epochs, finished, folds (what
        goes on from here; empty once it is finished), weights (of the best epoch; only of one fold).
    """
    start = time.perf_counter()
    outcome = dict(error=None, traceback=None, value=None, curve=[], figures={}, epochs=0, finished=False, folds=[],
                   weights=None)
    try:
        before = before or [None] * (1 if plan.folds is None else len(plan.folds))
        done = [_advance_fold(plan, number, parameters, until, part, before[part[0]]) for part in plan.parts()]
        outcome |= _together(plan, done)
    except BuildError:
        raise
    except Exception as error:
        outcome |= dict(error=f"{type(error).__name__}: {error}", traceback=traceback.format_exc())
    return outcome | {"seconds": time.perf_counter() - start}


def _advance_fold(plan, number, parameters, until, part, before):
    fold, train, held = part
    if before is not None and before["state"] is None:      # its early stopping has ended it
        return before
    with drawn_from(plan.seed_of(number, fold)):
        model, options = plan.made(number, parameters)
        callbacks = options.pop("callbacks", ())
        keeper = _Best(plan.metric, patience=plan.patience or plan.epochs + 1, mode=plan.mode)
        segment = _Segment(before and before["state"], until, plan)
        options["callbacks"] = [segment, *([callbacks] if callable(callbacks) else callbacks), keeper]
        if options.get("augment") is not None:
            options["augment"] = _own(options["augment"])
        if isinstance(train, Loader):
            arrays = [_own(train)]
        else:
            arrays, options["sample_weight"] = train[:2], train[2]
        held = _own(held) if isinstance(held, Loader) else held
        if isinstance(held, tuple) and held[-1] is None:
            held = held[:2]
        history = fit(model, *arrays, validation_data=held, epochs=plan.epochs, progress=False, **options)
    if history.interrupted:
        raise KeyboardInterrupt
    if keeper.best is None:
        raise FloatingPointError(f"{plan.metric} was NaN in every epoch")
    weights = keeper.weights if plan.folds is None and segment.state is None else None
    return {"state": segment.state, "best": keeper.best, "history": dict(history), "weights": weights}


def _together(plan, folds):
    """The outcome of the folds of a trial."""
    finished = all(fold["state"] is None for fold in folds)
    epochs = max(len(fold["history"][plan.metric]) for fold in folds)
    curves = [column + column[-1:] * (epochs - len(column)) for column in (fold["history"][plan.metric] for fold in folds)]
    names = [name for name in folds[0]["history"] if all(name in fold["history"] for fold in folds)]
    return dict(value=float(np.mean([fold["best"] for fold in folds])), curve=np.mean(curves, axis=0).tolist(), epochs=epochs,
                figures={name: float(np.mean([fold["history"][name][-1] for fold in folds])) for name in names},
                scores=[fold["best"] for fold in folds], finished=finished, weights=folds[0]["weights"],
                folds=[] if finished else folds)


def _own(thing):
    """A copy that draws from generators of its own, which stand where those of the original stand: each trial's are alike."""
    if not hasattr(thing, "__dict__"):
        return thing
    own = copy.copy(thing)
    for name, value in vars(own).items():
        if isinstance(value, np.random.Generator):
            setattr(own, name, copy.deepcopy(value))
    if isinstance(own, Loader) and own.transform is not None:
        own.transform = _own(own.transform)
    return own
