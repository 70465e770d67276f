"""What second readers found in training, runs, searches and estimators."""
import errno
import functools
import json
import os
from pathlib import Path

import numpy as np
import pytest

import cdl
from cdl.callbacks import Callback, Checkpoint, EarlyStopping, ExponentialMovingAverage, Run
from cdl.cli import main
from cdl.io.atomic import atomic_write, remove_leftovers
from cdl.random import Draws, drawn_from, generator

RNG = np.random.default_rng(0)
X = RNG.standard_normal((90, 5)).astype(np.float32)
Y = (X[:, 0] > 0).astype(int)


def network(*, activation="relu"):
    cdl.seed(0)
    return cdl.Sequential([cdl.Dense(8, activation=activation), cdl.Dense(2)])


def fit(callbacks=(), epochs=2, model=None, **options):
    options = dict(loss="cross_entropy", progress=False, validation_data=(X, Y), rng=0) | options
    model = network() if model is None else model
    return model, model.fit(X, Y, epochs=epochs, callbacks=callbacks, **options)


def test_fit_takes_a_loader_of_unknown_length():
    loader = cdl.data.Loader(lambda: iter(zip(X, Y, strict=True)), 32)
    history = network().fit(loader, loss="cross_entropy", epochs=2, progress=False)
    assert history.epochs == 2


def test_tune_knows_of_which_figures_more_is_better():
    result = cdl.tune(network, {"lr": [1e-6, 0.05]}, (X, Y), method="grid", epochs=3, loss="cross_entropy",
                      metrics=["cohen_kappa"], metric="val_cohen_kappa", validation_data=(X, Y), progress=False)
    assert result.best.parameters == {"lr": 0.05}


def test_tune_takes_averages_and_refuses_callbacks_of_one_place(tmp_path):
    options = dict(method="grid", epochs=2, loss="cross_entropy", metric="val_loss", validation_data=(X, Y), progress=False)
    result = cdl.tune(network, {"lr": [0.01, 0.1]}, (X, Y), callbacks=[ExponentialMovingAverage()], **options)
    assert all(trial.error is None for trial in result.trials)
    for callback in (Checkpoint(tmp_path / "c.safetensors"), Run(tmp_path / "run")):
        with pytest.raises(ValueError, match="every trial would write there"):
            cdl.tune(network, {"lr": [0.01]}, (X, Y), callbacks=[callback], **options)


class Broken(Callback):
    def on_fit_end(self, model):
        raise OSError(errno.ENOSPC, "full")


def test_the_end_of_one_callback_does_not_take_that_of_the_others():
    stop = EarlyStopping("val_loss", patience=1, min_delta=10)
    weights = []
    with pytest.raises(OSError, match="full"):
        fit([lambda model, epoch, figures: weights.append(model[0].weight.numpy().copy()), Broken(), stop], epochs=3,
            model=(model := network()))
    np.testing.assert_array_equal(model[0].weight.numpy(), weights[0])       # the best epoch is the first


def test_a_file_about_to_be_renamed_is_no_leftover(tmp_path, monkeypatch):
    replace = os.replace

    def swept(source, target):
        assert remove_leftovers(tmp_path) == 0
        replace(source, target)

    monkeypatch.setattr(os, "replace", swept)
    with atomic_write(tmp_path / "a") as file:
        file.write(b"whole")
    assert (tmp_path / "a").read_bytes() == b"whole"


def test_draws_come_again_inside_a_generator_of_its_own():
    draws = Draws()
    with draws.noted():
        first = generator().random()
    with drawn_from(3), draws.again():
        assert generator().random() == first


class Noise:
    def __init__(self, rng):
        self.rng = np.random.default_rng(rng)

    def add(self, scale, x, y):
        return x + scale * self.rng.standard_normal(x.shape).astype(np.float32), y


@pytest.mark.parametrize("augment", [lambda: Noise(1).add, lambda: Steps([Noise(1)])], ids=["partial of a method", "steps"])
def test_generators_are_found_where_they_are_kept(augment, tmp_path):
    def run(epochs, resume):
        step = functools.partial(augment(), 0.1) if hasattr(augment(), "__self__") else augment()
        callbacks = [Checkpoint(tmp_path / "c.safetensors", resume=resume)]
        return fit(callbacks, epochs, augment=step)[0].state_dict()

    wanted = run(4, False)
    run(2, False)
    for name, array in run(4, True).items():
        np.testing.assert_array_equal(array, wanted[name])


class Steps:
    def __init__(self, steps):
        self.steps = steps

    def __call__(self, x, y):
        for step in self.steps:
            x, y = step.add(0.1, x, y)
        return x, y


def test_a_refused_resume_changes_no_callback(tmp_path):
    path = tmp_path / "c.safetensors"
    fit([Checkpoint(path), EarlyStopping()], 2)
    model = network(activation="tanh")
    model.build((None, 5))
    before = model.state_dict()
    with pytest.raises(cdl.io.FileFormatError, match="its model is another one"):
        fit([Checkpoint(path, resume=True), EarlyStopping()], 3, model=model)
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


def test_the_best_of_one_figure_is_not_that_of_another(tmp_path):
    fit([Run(tmp_path / "run")], 2)
    state = json.loads((tmp_path / "run" / "state.json").read_text())
    assert state["monitor"] == "val_loss"
    fit([Run(tmp_path / "run", resume=True)], 2)
    assert json.loads((tmp_path / "run" / "state.json").read_text())["monitor"] == "val_loss"
    run = Run(tmp_path / "run", "val_accuracy", resume=True)
    _, history = fit([run], 4)
    assert run.best == max(history["val_accuracy"][2:])


def test_a_training_without_any_weight_is_refused():
    loader = cdl.data.Loader((X, Y, np.zeros(90)), 32)
    for use in (network().fit, network().evaluate):
        with pytest.raises(ValueError, match="all weights are 0"):
            use(loader, loss="cross_entropy", **({"progress": False} if use.__name__ == "fit" else {}))


@pytest.mark.parametrize("answer, epochs", [(True, 1), (np.True_, 1), (None, 3), (np.False_, 3), (1, 3)])
def test_what_ends_a_training(answer, epochs):
    assert fit(lambda model, epoch, figures: answer, 3)[1].epochs == epochs


def test_messages_of_callbacks():
    with pytest.raises(TypeError, match=r"the class EarlyStopping; write EarlyStopping\(…\)"):
        fit([EarlyStopping])
    with pytest.raises(ValueError, match=r"no figure 'val_los'; did you mean 'val_loss'[?]; monitor one of"):
        fit([EarlyStopping("val_los")])
    with pytest.raises(FileNotFoundError):       # and not what comes of it
        fit([Checkpoint("no/such/folder/c.safetensors"), Run("run")])
    assert not Path("run").exists()


def test_a_full_disk_names_the_file(tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"No space left on device: '.*a\.bin'"), atomic_write(tmp_path / "a.bin") as file:
        file.write(b"half")
    assert os.listdir(tmp_path) == []


def test_the_command_does_not_write_over_its_data(tmp_path, capsys):
    path = tmp_path / "table.csv"
    path.write_text("a,y\n" + "".join(f"{i},{i % 2}\n" for i in range(40)) + "3,\n")
    text = path.read_text()
    for command in ("train", "tune"):
        assert main([command, str(path), "--target", "y", "--epochs", "1", "--quiet", "--out", str(path)]) == 1
        assert "these are the data" in capsys.readouterr().err and path.read_text() == text
    assert main(["train", str(path), "--target", "y", "--epochs", "1", "--quiet", "--out", str(tmp_path / "m")]) == 0
    assert "1 rows without it are left out" in capsys.readouterr().out


def test_estimators_with_averages_small_rests_and_classes_of_a_batch():
    pytest.importorskip("sklearn")
    from cdl.sklearn import MLPClassifier
    kept = []
    mlp = MLPClassifier((8,), early_stopping=True, max_iter=30, n_iter_no_change=40, random_state=0, tol=1.0,
                        callbacks=[ExponentialMovingAverage(), lambda model, epoch, figures: kept.append(
                            (figures["val_score"], model[0].weight.numpy().copy()))])
    with pytest.warns(UserWarning):
        mlp.fit(X, Y)
    best = max(range(len(kept)), key=lambda i: kept[i][0])
    np.testing.assert_array_equal(mlp.coefs_[0], kept[best][1])
    mlp = MLPClassifier((8,), batch_norm=True, batch_size=89, max_iter=2, random_state=0)
    with pytest.warns(UserWarning):
        mlp.fit(X, Y)      # 90 samples leave one beside 89
    mlp = MLPClassifier((8,), class_weight={1: 5.0}, random_state=0)
    mlp.partial_fit(X[Y == 0], Y[Y == 0], classes=[0, 1, 2])
