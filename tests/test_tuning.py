"""Tuning: what is tried follows from the seed alone, a trial is what `fit` does, and what cannot be meant is refused."""
import sys

import numpy as np
import pytest
from tuningcase import SPACE, X, Y, build, facts, forks, tune

import cdl
from cdl import tuning
from cdl.random import drawn_from, generator
from cdl.tuning.methods import rungs
from cdl.tuning.space import Space


# --- spaces -----------------------------------------------------------------------------------------------------------
def test_draws_are_in_their_ranges_and_as_likely_as_said():
    space = Space({"a": tuning.uniform(-1, 3), "b": tuning.log_range(1e-4, 1), "c": tuning.integers(2, 5), "d": ["x", "y"]})
    drawn = [p for p, _ in zip(space.drawn(0), range(2000), strict=False)]
    a, b, c = (np.array([p[name] for p in drawn]) for name in "abc")
    assert a.min() >= -1 and a.max() <= 3 and b.min() >= 1e-4 and b.max() <= 1 and set(c) == {2, 3, 4, 5}
    # Means of 2,000 draws: within 4.5 standard errors, σ/√2000 of the uniform distributions.
    assert abs(a.mean() - 1) < 4.5 * 4 / np.sqrt(12 * 2000)
    assert abs(np.log10(b).mean() + 2) < 4.5 * 4 / np.sqrt(12 * 2000)
    assert abs(np.mean([p["d"] == "x" for p in drawn]) - 0.5) < 4.5 * 0.5 / np.sqrt(2000)
    assert type(drawn[0]["c"]) is int and type(drawn[0]["a"]) is float


def test_the_first_draws_do_not_depend_on_how_many_follow():
    for space in (Space(SPACE), Space({"a": [1, 2, 3], "b": tuning.integers(0, 9)})):
        first, more = ([p for p, _ in zip(space.drawn(7), range(n), strict=False)] for n in (5, 20))
        assert more[:5] == first and first != [p for p, _ in zip(space.drawn(8), range(5), strict=False)]


def test_a_small_space_is_drawn_without_repetition_until_it_is_empty():
    result = tune(space={"hidden": [4, 8], "lr": [0.1, 0.01]}, trials=50, epochs=1)
    assert sorted((t["hidden"], t["lr"]) for t in result.trials) == [(4, 0.01), (4, 0.1), (8, 0.01), (8, 0.1)]


def test_grids():
    space = Space({"a": tuning.uniform(0, 1, steps=3), "b": tuning.integers(1, 2), "c": ("u", "v")})
    assert len(space.grid()) == 12 and space.grid()[1] == {"a": 0.0, "b": 1, "c": "v"}
    assert Space({"n": tuning.integers(1, 100, steps=4)}).grid() == [{"n": n} for n in (1, 34, 67, 100)]
    two = [lambda x: x, lambda x: -x]       # of one name, and still two
    assert [p["f"] for p in Space({"f": two}).grid()] == two
    assert [p["a"] for p in Space({"a": np.array([1, 2])}).grid()] == [1, 2]


def test_conditions():
    space = Space({"o": ["adam", "sgd"], "m": tuning.when("o", "sgd", tuning.uniform(0.8, 0.9)),
                   "n": tuning.when("m", [0.5], [1, 2])})
    drawn = [p for p, _ in zip(space.drawn(0), range(50), strict=False)]
    assert {tuple(p) for p in drawn} == {("o",), ("o", "m")}
    assert "when('o', ['sgd'], uniform(0.8, 0.9))" in repr(space.domains["m"])


def test_the_notes_ranges():
    space = tuning.default_space(7)
    assert space["lr"].values == [0.001, 0.01, 0.1] and space["hidden"].values == [11, 14]
    assert space["optimizer"].values == ["adam", "rmsprop", "momentum"]
    result = cdl.tune(tuning.DenseNetwork(10), None, (X, Y), loss="cross_entropy", trials=3, epochs=1, progress=False)
    assert set(result.trials[0].parameters) == {"lr", "optimizer", "hidden", "decay"} and result.metric == "val_loss"


# --- trials -----------------------------------------------------------------------------------------------------------
def test_a_trial_is_what_fit_does():
    result = tune(space={"hidden": [16], "lr": [0.01], "optimizer": ["momentum"], "batch_size": [50]},
                  validation_data=(X[200:], Y[200:]), data=(X[:200], Y[:200]), epochs=4)
    with drawn_from([0, 1, 0, 0]):
        model = build(16)
        history = model.fit(X[:200], Y[:200], validation_data=(X[200:], Y[200:]), loss="cross_entropy", batch_size=50, epochs=4,
                            optimizer=lambda parameters: cdl.Momentum(parameters, lr=0.01), progress=False)
    assert result.best.curve == history["val_accuracy"] and result.best_value == max(history["val_accuracy"])


@pytest.mark.parametrize("decay, rates", [("constant", [0.1] * 6), ("exponential", [0.1 * 0.95**e for e in range(6)]),
                                          ("halving", [0.1] * 5 + [0.05])])
def test_decays_are_the_notes(decay, rates):
    seen = []

    class Rates(cdl.callbacks.Callback):
        def __call__(self, model, epoch, figures):
            seen.append(self.training.optimizer.lr)

    tune(space={"lr": [0.1], "decay": [decay]}, trials=1, epochs=6, callbacks=[Rates()])
    assert seen == pytest.approx(rates)


@pytest.mark.parametrize("make", [
    lambda hidden: (build(hidden), "sgd"),
    lambda hidden: (build(hidden), {"optimizer": "sgd"}),
    lambda hidden: {"model": build(hidden), "optimizer": "sgd"},
    lambda hidden: (lambda model: (model.ensure_built(X), (model, cdl.SGD(model.parameters())))[1])(build(hidden)),
    lambda trial: (build(trial["hidden"]), lambda parameters: cdl.SGD(parameters)),
    lambda **parameters: (build(**parameters), cdl.SGD),
])
def test_forms_of_build(make):
    plain = tune(space={"hidden": [8, 16]}, optimizer="sgd")
    assert facts(tune(make, space={"hidden": [8, 16]})) == facts(plain)


def test_the_model_has_the_weights_of_the_best_epoch():
    result = tune(epochs=8, trials=3, validation_data=(X[200:], Y[200:]), data=(X[:200], Y[:200]))
    model = result.model()
    assert model.evaluate(X[200:], Y[200:], loss="cross_entropy")["accuracy"] == result.best_value == max(result.best.curve)
    assert result.model() is not model


def test_metrics_and_their_direction():
    for metric, mode, best in (("val_loss", "auto", min), ("val_accuracy", "auto", max), ("val_accuracy", "min", min),
                               ("loss", "auto", min)):
        result = tune(metric=metric, mode=mode)
        assert result.best_value == best(t.value for t in result.trials)
        assert all(t.value == best(t.curve) for t in result.trials)
    assert tune(metric="val_top_2_accuracy", metrics=["top_2_accuracy"]).mode == "max"
    assert tune(metric=None, validation_split=0).metric == "loss"


def test_patience_ends_a_trial():
    result = tune(space={"lr": [1e-7, 0.01]}, method="grid", epochs=30, patience=2, trials=None)
    assert result.trials[0].epochs < 30 and result.trials[0].state == "finished"
    assert len(tune(space={"lr": [1e-7, 0.01]}, method="grid", epochs=6, folds=2, patience=2).trials) == 2


def test_samples_weights_are_split_with_the_samples():
    weights = (Y < 5).astype(float)
    result = tune(data=(X, Y, weights), epochs=5, trials=1)
    assert result.best_value > tune(epochs=5, trials=1).best_value      # five classes are easier than ten
    assert result.model().predict(X).shape == (300, 10)


def test_the_library_generator_is_left_alone():
    cdl.seed(3)
    wanted = generator().random(4)
    cdl.seed(3)
    tune()
    np.testing.assert_array_equal(generator().random(4), wanted)


@pytest.mark.parametrize("folds", [2, 5])
def test_folds(folds):
    result = tune(folds=folds, trials=2)
    for trial in result.trials:
        assert len(trial.scores) == folds and trial.value == pytest.approx(np.mean(trial.scores), rel=1e-15)
    rows = result._plan.folds
    assert sorted(np.concatenate([held for _, held in rows]).tolist()) == list(range(300))
    for train, held in rows:
        assert not set(train) & set(held)
        assert np.abs(np.bincount(Y[held], minlength=10) - np.bincount(Y, minlength=10) / folds).max() <= 1
    assert result.model().evaluate(X, Y, loss="cross_entropy")["accuracy"] > 0.1


def test_targets_that_are_no_labels_and_classes_of_one():
    y = np.linspace(0, 1, 300, dtype=np.float32)[:, None]
    result = cdl.tune(lambda: cdl.Sequential([cdl.Dense(1)]), {"lr": [0.01, 0.001]}, (X, y), loss="mse", epochs=2,
                      progress=False)
    assert result.mode == "min" and len(result.trials) == 2
    labels = np.r_[np.zeros(299, int), 1]
    assert len(tune(data=(X, labels), trials=2).trials) == len(tune(data=(X, labels), trials=2, folds=3).trials) == 2


def test_a_loader_gives_every_trial_the_same_batches():
    def loaded(**options):
        flip = cdl.data.Augment(crop=1, rng=5)
        loader = cdl.data.Loader((X[:200].reshape(-1, 8, 8, 1), Y[:200]), 32, shuffle=True, rng=0,
                                 transform=lambda x, y: flip(x, y))
        held = cdl.data.Loader((X[200:].reshape(-1, 8, 8, 1), Y[200:]), 50)
        return tune(tuning.DenseNetwork(10), {"lr": [0.01, 0.02, 0.03]}, loader, validation_data=held, **options)

    def trained(**options):
        loader = cdl.data.Loader((X[:200], Y[:200]), 32, shuffle=True, rng=0)
        return tune(space={"lr": [0.01, 0.02, 0.03]}, data=loader, validation_data=(X[200:], Y[200:]), **options)

    assert loaded().model().predict(X[:3].reshape(-1, 8, 8, 1)).shape == (3, 10)
    assert facts(trained()) == facts(trained())
    if sys.platform == "linux":
        assert facts(trained()) == facts(trained(workers=2))
    for whole, part in zip(trained(epochs=9).trials, trained(method="halving", epochs=9).trials, strict=True):
        assert whole.curve[:part.epochs] == part.curve


# --- methods ----------------------------------------------------------------------------------------------------------
def test_rungs():
    assert rungs(1, 3, 1) == [1] and rungs(10, 2, 1) == [1, 2, 3, 5, 10] and rungs(9, 3, 4) == [9]


@pytest.mark.parametrize("method", ["halving", "asha"])
def test_halving_trains_on_with_the_same_bits(method):
    whole = tune(trials=9, epochs=9, space=SPACE | {"decay": ["exponential"], "optimizer": ["adam", "momentum"]})
    part = tune(trials=9, epochs=9, space=SPACE | {"decay": ["exponential"], "optimizer": ["adam", "momentum"]}, method=method)
    for a, b in zip(whole.trials, part.trials, strict=True):
        assert a.parameters == b.parameters and a.curve[:b.epochs] == b.curve
        assert (b.state, b.epochs) in (("finished", 9), ("stopped", 1), ("stopped", 3))
    assert part.best.epochs == 9
    model = part.model()
    assert model.predict(X).shape == (300, 10)


def test_halving_keeps_the_best_of_every_three():
    result = tune(trials=9, epochs=9, method="halving")
    at = {rung: [t for t in result.trials if t.epochs >= rung] for rung in (1, 3, 9)}
    assert [len(at[rung]) for rung in (1, 3, 9)] == [9, 3, 1]
    for rung, after in ((1, 3), (3, 9)):
        kept = {t.number for t in at[after]}
        ranked = sorted(at[rung], key=lambda t, rung=rung: (-max(t.curve[:rung]), t.number))
        assert {t.number for t in ranked[:len(kept)]} == kept


def test_halving_with_folds_failures_and_patience():
    def make(hidden):
        if hidden == 8:
            raise OSError("no 8 today")
        return build(hidden)

    result = tune(make, trials=12, epochs=9, method="halving", folds=2, patience=2)
    states = {t.state for t in result.trials}
    assert states == {"failed", "stopped", "finished"}
    assert tune(space={"lr": [1e-7, 2e-7, 0.01]}, trials=3, epochs=9, method="halving", factor=2, min_epochs=4,
                patience=1).best["lr"] == 0.01


# --- what is refused --------------------------------------------------------------------------------------------------
same = cdl.Sequential([cdl.Dense(10)])


@pytest.mark.parametrize("options, error, words", [
    (dict(space={}), ValueError, "the space is empty"),
    (dict(space=[1]), TypeError, "must be a dict"),
    (dict(space={"hidden": []}), ValueError, "no values for 'hidden'"),
    (dict(space={"hidden": 3}), TypeError, r"a single value is \[3\]"),
    (dict(space={1: [2]}), TypeError, "names of parameters are text"),
    (dict(space={"hiddn": [3]}), ValueError, "build does not take 'hiddn'; did you mean 'hidden'"),
    (dict(space={"lr": [1.0]}, make=lambda units: None), ValueError, "build needs 'units', which is not in the space"),
    (dict(space={"m": tuning.when("o", 1, [2])}), ValueError, "'m' depends on 'o', which must stand before it"),
    (dict(method="gred"), ValueError, "unknown method 'gred'; did you mean 'grid'"),
    (dict(method="grid"), ValueError, r"'lr' is a range; say how many it has, as in log_range\(0.0001, 0.1, steps=4\)"),
    (dict(trials=-1), ValueError, "trials must be a positive integer, got -1"),
    (dict(trials=0), ValueError, "trials must be a positive integer, got 0"),
    (dict(epochs=0), ValueError, "epochs must be a positive integer"),
    (dict(workers=0), ValueError, "workers must be a positive integer"),
    (dict(folds=1), ValueError, "folds must be 2 or more"),
    (dict(folds=301), ValueError, "301 folds of 300 samples"),
    (dict(factor=1), ValueError, "factor must be 2 or more"),
    (dict(method="halving", min_epochs=4), ValueError, "min_epochs must be at most epochs, got 4 and 3"),
    (dict(seed=-1), ValueError, "seed must be an integer of 0 or more, got -1"),
    (dict(mode="up"), ValueError, "mode must be 'auto', 'min' or 'max'"),
    (dict(start="thread"), ValueError, "start must be"),
    (dict(batchsize=3), TypeError, "unknown option 'batchsize'; did you mean 'batch_size'"),
    (dict(worker=3), TypeError, "unknown option 'worker'; did you mean 'workers'"),
    (dict(sample_weight=np.ones(300)), TypeError, "give sample_weight as the third of data"),
    (dict(metric="val_acuracy"), ValueError, "no figure 'val_acuracy'; did you mean 'val_accuracy'"),
    (dict(data=X), TypeError, r"data must be \(x, y\)"),
    (dict(data=(X, Y[:5])), ValueError, "x and y need one entry per sample"),
    (dict(data=cdl.data.Loader((X, Y))), ValueError, "with a Loader give validation_data"),
    (dict(validation_data=(X, Y), folds=3), ValueError, "one of validation_data, validation_split and folds"),
    (dict(validation_split=1.0), ValueError, r"validation_split must be in \[0, 1\)"),
    (dict(make=3), TypeError, "build must be a function"),
    (dict(make=lambda hidden: None), ValueError, "build must return a model.*got NoneType; is its `return` missing"),
    (dict(make=lambda hidden: (1, 2, 3)), ValueError, "build must return a model.*got tuple"),
    (dict(make=lambda hidden: (build(), {"batchsize": 3})), ValueError, "build returned the option 'batchsize'; did you mean"),
    (dict(make=lambda hidden: (build(), "adam")), ValueError, "'lr' comes from the space and build returned an optimizer"),
    (dict(make=lambda hidden: same), ValueError, "build returned the same model twice"),
    (dict(space={"optimizer": ["adm"], "lr": [0.1]}), ValueError, "got 'adm'; did you mean 'adam'"),
    (dict(space={"decay": ["halved"]}), ValueError, "unknown decay 'halved'; did you mean 'halving'"),
])
@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=forks)])
def test_bad_input(options, error, words, workers):
    with pytest.raises(error, match=words):
        tune(**{"workers": workers, **options})


@pytest.mark.parametrize("make, words", [
    (lambda: tuning.choice(), "at least one value"), (lambda: tuning.uniform(1, 1), "finite low < high, got 1 and 1"),
    (lambda: tuning.uniform(0, np.inf), "finite low < high"), (lambda: tuning.log_range(0, 1), "low must be above 0"),
    (lambda: tuning.integers(0.5, 3), "low must be an integer, got 0.5"), (lambda: tuning.uniform(0, 1, steps=1), "2 or more"),
])
def test_domains_refuse(make, words):
    with pytest.raises(ValueError, match=words):
        make()
