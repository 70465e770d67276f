"""Tuning as a run: processes that die, Ctrl-C, kill -9, folders to go on from, tables and pictures, Optuna, the command."""
import csv
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from tuningcase import SPACE, X, Y, build, facts, forks, tune

import cdl
from cdl import tuning


def interrupting(after):
    """A callback that is as Ctrl-C in the epoch of this number, all trials counted together."""
    calls = []

    def interrupt(model, epoch, figures):
        calls.append(epoch)
        if len(calls) == after:
            raise KeyboardInterrupt
    return [interrupt]


# --- workers ----------------------------------------------------------------------------------------------------------
@forks
@pytest.mark.parametrize("options", [dict(), dict(method="halving", trials=9, epochs=9), dict(folds=3),
                                     dict(method="grid", space={"hidden": [4, 8], "lr": [0.1, 0.01]})])
def test_the_number_of_workers_changes_nothing(options):
    offset = 1      # a closure, and below a lambda
    results = [tune(lambda hidden: build(hidden + offset), **{"workers": workers, **options}) for workers in (1, 2, 3)]
    assert facts(results[0]) == facts(results[1]) == facts(results[2])
    if "folds" not in options:
        states = [result.model().state_dict() for result in results]
        for name, array in states[0].items():
            np.testing.assert_array_equal(array, states[1][name])


def test_spawned_workers():
    spawned = tune(tuning.DenseNetwork(10), workers=2, start="spawn", trials=2)
    assert facts(spawned) == facts(tune(tuning.DenseNetwork(10), trials=2))
    with pytest.raises(ValueError, match="make build a function of a module"):
        tune(lambda hidden: build(hidden), workers=2, start="spawn")


def test_spawned_workers_of_a_program_that_would_start_itself_again(tmp_path):
    program = tmp_path / "program.py"
    program.write_text("import cdl\nbuild = cdl.tuning.DenseNetwork(10)\n"
                       "cdl.tune(build, {'lr': [0.1, 0.2]}, cdl.load_digits(), loss='cross_entropy', workers=2,"
                       "start='spawn')\n")
    done = subprocess.run([sys.executable, program], capture_output=True, text=True, timeout=100)
    assert done.returncode == 1 and "belongs below `if __name__ == '__main__':`" in done.stderr.splitlines()[-1]


@forks
def test_workers_share_the_threads():
    def threads(y_true, y_pred):
        return float(cdl.get_num_threads())

    before = cdl.get_num_threads()
    try:
        cdl.set_num_threads(2)
        all_of_them = cdl.get_num_threads()     # one, in a build without OpenMP
        for workers, each in ((1, all_of_them), (2, 1), (3, 1)):
            result = tune(metric="val_threads", metrics=[threads], workers=workers, epochs=1)
            assert {t.value for t in result.trials} == {float(each)}
    finally:
        cdl.set_num_threads(before)


def dying(hidden, how):
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif how == "exit":
        os._exit(3)
    elif how == "leave":
        sys.exit("enough")
    elif how == "memory":
        raise MemoryError("too large")
    elif how == "diverge":
        return build(hidden), lambda parameters: cdl.SGD(parameters, lr=1e30)
    return build(hidden)


@forks
def test_what_fails_or_dies_is_recorded_and_the_search_goes_on(tmp_path):
    space = {"hidden": [8], "how": ["fine", "kill", "exit", "leave", "memory", "diverge", "well"]}
    result = tune(dying, space, method="grid", trials=None, workers=2, folder=tmp_path)
    errors = {t["how"]: t.error for t in result.trials}
    assert errors["fine"] is None and errors["well"] is None and result.best["how"] in ("fine", "well")
    assert "SIGKILL, as the system does when memory runs out" in errors["kill"] and "status 3" in errors["exit"]
    assert errors["memory"] == "MemoryError: too large" and errors["leave"] == "SystemExit: enough"
    assert errors["diverge"].startswith("FloatingPointError")
    assert "dying" in next(t.traceback for t in result.trials if t["how"] == "memory")
    assert "failed: MemoryError: too large" in repr(result)
    again = tune(dying, space, method="grid", trials=None, workers=2, folder=tmp_path)
    assert [t.error for t in again.trials] == [t.error for t in result.trials]


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=forks)])
def test_all_trials_failing(workers):
    def make(hidden):
        raise KeyError("columns")

    with pytest.raises(RuntimeError, match=r"all 4 trials failed; the first: KeyError: 'columns'") as caught:
        tune(make, workers=workers)
    assert [t.state for t in caught.value.result.trials] == ["failed"] * 4
    with pytest.raises(ValueError, match="no trial has a value"):
        caught.value.result.model()


def test_ctrl_c_in_this_process():
    result = tune(callbacks=interrupting(5))
    assert result.interrupted and [t.state for t in result.trials] == ["finished", "unfinished"]
    assert result.best.number == 0 and result.model().predict(X[:1]).shape == (1, 10)


PROGRAM = """
import json, os, sys, time
import cdl
from cdl import tuning
x, y = cdl.load_digits()
x, y = x[:300], y[:300]

def pause(model, epoch, figures):
    time.sleep({pause})

def build(hidden):
    return cdl.Sequential([cdl.Dense(hidden, activation="relu"), cdl.Dropout(0.2), cdl.Dense(10)])

print("ready", flush=True)
space = {{"hidden": [8, 16, 24], "lr": tuning.log_range(1e-4, 1e-1)}}
result = cdl.tune(build, space, (x, y), method="halving", trials=9, epochs=9, loss="cross_entropy", metric="val_accuracy",
                  workers=2, folder={folder!r}, progress=False, callbacks=[pause])
print(json.dumps([result.interrupted, len(result.trials), [[t.value, t.curve, t.state] for t in result.trials]]))
"""


def started(folder, pause):
    process = subprocess.Popen([sys.executable, "-c", PROGRAM.format(folder=str(folder), pause=pause)], stdout=subprocess.PIPE,
                               text=True, start_new_session=True)
    assert process.stdout.readline() == "ready\n"
    return process


def group_is_gone(group):
    """Whether no process of a group is left, within five seconds."""
    for _ in range(100):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


@forks
def test_ctrl_c_ends_all_workers_and_returns_what_is_there(tmp_path):
    process = started(tmp_path, 0.1)
    time.sleep(0.8)
    os.killpg(process.pid, signal.SIGINT)       # as a terminal does: the workers get it too
    output, _ = process.communicate(timeout=20)
    interrupted, count, _ = json.loads(output)
    assert interrupted and count < 9 + 1 and process.returncode == 0
    assert group_is_gone(process.pid)


@forks
def test_kill_9_leaves_a_search_that_goes_on_to_the_same_end(tmp_path):
    rng, kills = np.random.default_rng(0), 0
    for _ in range(4):
        process = started(tmp_path, 0.01)
        time.sleep(float(rng.uniform(0.05, 0.35)))
        if process.poll() is None:
            process.kill()
            kills += 1
        process.communicate()
        assert group_is_gone(process.pid)       # the workers notice that nobody is there
    process = started(tmp_path, 0)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    wanted = tune(method="halving", trials=9, epochs=9, callbacks=[lambda *_: None])
    assert kills > 0 and json.loads(output)[2] == [[t.value, t.curve, t.state] for t in wanted.trials]
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".jsonl", ".safetensors"]     # no state is left behind


# --- folders ----------------------------------------------------------------------------------------------------------
def counted(made):
    def make(hidden):
        made.append(hidden)
        return build(hidden)
    return make


def test_a_search_goes_on_with_more_trials(tmp_path):
    made = []
    tune(counted(made), folder=tmp_path, trials=3)
    assert len(made) == 3
    result = tune(counted(made), folder=tmp_path, trials=6)
    assert len(made) == 6
    assert facts(result) == facts(tune(trials=6))
    made.clear()
    again = tune(counted(made), folder=tmp_path, trials=6)
    assert made == [] and facts(again) == facts(result)
    np.testing.assert_array_equal(again.model().predict(X), result.model().predict(X))


@pytest.mark.parametrize("cut", [1, 20])
def test_a_line_that_was_cut_off_is_done_again(tmp_path, cut):
    result = tune(folder=tmp_path)
    log = tmp_path / "trials.jsonl"
    log.write_bytes(log.read_bytes()[:-cut])
    made = []
    assert facts(tune(counted(made), folder=tmp_path)) == facts(result) and len(made) == 1


def test_a_lost_state_is_trained_again(tmp_path):
    options = dict(folder=tmp_path, method="halving", trials=9, epochs=9)
    assert tune(callbacks=interrupting(12), **options).interrupted
    for path in tmp_path.glob("trial-*-at-*"):
        path.unlink()
    assert facts(tune(callbacks=[lambda *_: None], **options)) == facts(tune(method="halving", trials=9, epochs=9))


@pytest.mark.parametrize("method", ["halving", "asha"])
@pytest.mark.parametrize("after", [2, 11, 19])
def test_halving_goes_on_after_an_interrupt(tmp_path, method, after):
    options = dict(method=method, trials=9, epochs=9)
    assert tune(callbacks=interrupting(after), folder=tmp_path, **options).interrupted
    again = tune(callbacks=interrupting(0), folder=tmp_path, **options)
    assert facts(again) == facts(tune(**options)) and not again.interrupted
    np.testing.assert_array_equal(again.model().predict(X), tune(**options).model().predict(X))


@pytest.mark.parametrize("changed, words", [
    (dict(space={"hidden": [8]}), "its space was"), (dict(seed=1), "its seed was 0, now it is 1"),
    (dict(epochs=4), "its epochs was 3"), (dict(metric="val_loss"), "its metric"),
    (dict(method="grid", space={"hidden": [8]}), "log of another search"),
    (dict(data=(X[:200], Y[:200])), "its data was"),
    (dict(batch_size=7), "its options was"), (dict(folds=2), "its data was|folds"),
])
def test_a_folder_of_another_search_is_refused(tmp_path, changed, words):
    tune(folder=tmp_path, trials=1)
    before = (tmp_path / "trials.jsonl").read_bytes()
    with pytest.raises(ValueError, match=words):
        tune(**{"folder": tmp_path, **changed})
    assert (tmp_path / "trials.jsonl").read_bytes() == before


def test_damaged_logs(tmp_path):
    tune(folder=tmp_path, trials=2)
    log = tmp_path / "trials.jsonl"
    lines = log.read_bytes().splitlines(keepends=True)
    for content, words in ((b"hello\n", "line 1 is not JSON"), (b"[1]\n", "line 1 is not an object"),
                           (b'{"format": "x"}\n', "not the log of a search"),
                           (lines[0].replace(b'"version": 1', b'"version": 2'), "another version"),
                           (lines[0] + b"{}\n" + lines[1], "line 2 has no 'trial'"),
                           (lines[0] + b"?\n" + lines[1], "line 2 is not JSON")):
        log.write_bytes(content)
        with pytest.raises(cdl.io.FileFormatError, match=words):
            tune(folder=tmp_path)
        assert log.read_bytes() == content


@pytest.mark.parametrize("options", [dict(workers=0), dict(start="thread"), dict(method="gred"), dict(space={}), dict(seed=-1)])
def test_what_is_refused_leaves_no_folder(tmp_path, options):
    with pytest.raises(ValueError, match="tune: "):
        tune(folder=tmp_path / "search", **options)
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(os.name != "posix", reason="needs locks of files")
def test_two_searches_in_one_folder(tmp_path):
    def nested(hidden):
        tune(folder=tmp_path)

    with pytest.raises(RuntimeError, match="another search is under way"):
        tune(nested, folder=tmp_path)


# --- results ----------------------------------------------------------------------------------------------------------
def test_the_table_and_the_file(tmp_path):
    result = tune(trials=25, space={"hidden": [8, 9, 10, 11, 12], "lr": [0.1, 0.01, 0.001, 0.0001, 1.0]}, epochs=1)
    lines = repr(result).splitlines()
    assert lines[0] == "25 finished; val_accuracy, more is better" and lines[-1] == "… and 5 more" and len(lines) == 23
    values = [float(line.split()[3]) for line in lines[2:-1]]
    assert values == sorted(values, reverse=True) and values[0] == round(result.best_value, 4)
    assert len(result.table().splitlines()) == 26
    result.to_csv(tmp_path / "tried.csv")
    with open(tmp_path / "tried.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["value"]) for row in rows] == [t.value for t in result.trials]
    assert [float(row["parameter lr"]) for row in rows] == [t["lr"] for t in result.trials]
    assert [float(row["figure val_loss"]) for row in rows] == [t.figures["val_loss"] for t in result.trials]


def test_pictures(tmp_path):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("agg")
    space = {"hidden": tuning.integers(4, 40), "lr": tuning.log_range(1e-4, 1e-1), "optimizer": ["adam", "momentum"],
             "dropout": tuning.when("optimizer", "adam", [0.0, 0.2]), "activation": ["relu"]}
    result = tune(tuning.DenseNetwork(10), space, method="halving", trials=9, epochs=4)
    figure = result.plot()
    panels = [ax for ax in figure.axes if ax.get_visible()]
    assert [ax.get_xlabel() for ax in panels] == list(space) and panels[1].get_xscale() == "log"
    points = panels[0].collections[0].get_offsets()
    assert sorted(map(tuple, points.tolist())) == sorted((t["hidden"], t.value) for t in result.trials)
    ring = panels[0].collections[1].get_offsets()
    assert ring.tolist() == [[result.best["hidden"], result.best_value]]
    assert [text.get_text() for text in panels[2].get_xticklabels()] == ["adam", "momentum"]
    lines = result.plot("curves").axes[0].lines
    drawn = [line.get_ydata().tolist() if hasattr(line.get_ydata(), "tolist") else list(line.get_ydata()) for line in lines]
    assert all(t.curve in drawn for t in result.trials)
    ax = matplotlib.pyplot.subplots()[1]
    assert result.plot("parallel", ax=ax) is ax.figure
    wide = tune(space={"lr": [0.01, 5000.0]}, optimizer="sgd", method="grid", metric="val_loss")
    assert wide.plot().axes[0].get_yscale() == wide.plot("curves").axes[0].get_yscale() == "log"
    assert wide.plot("parallel") is not None
    figure.savefig(tmp_path / "a.png")
    matplotlib.pyplot.close("all")
    with pytest.raises(ValueError, match="unknown kind 'curve'; did you mean 'curves'"):
        result.plot("curve")
    with pytest.raises(ValueError, match="a panel each"):
        result.plot(ax=ax)
    assert tune(space={"lr": [0.1]}, trials=1, epochs=1).plot("parallel") is not None
    matplotlib.pyplot.close("all")


def test_the_line_of_progress(capsys):
    tune(progress=True)
    assert capsys.readouterr().out.startswith("tune  4/4  0:0")


# --- Optuna -----------------------------------------------------------------------------------------------------------
def test_optuna_with_its_own_study():
    optuna = pytest.importorskip("optuna")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.RandomSampler(seed=0),
                                pruner=optuna.pruners.MedianPruner(n_startup_trials=2))
    result = tune(space=SPACE | {"shape": [(1, 2), (3,)]}, make=lambda hidden, shape: build(hidden), study=study, trials=12,
                  epochs=5)
    assert result.study is study and len(study.trials) == 12
    states = {t.state for t in result.trials}
    assert states == {"finished", "stopped"}
    for trial, own in zip(result.trials, study.trials, strict=True):
        assert list(own.intermediate_values.values()) == trial.curve and own.params["lr"] == trial["lr"]
        assert own.state.name == {"finished": "COMPLETE", "stopped": "PRUNED"}[trial.state]
        assert own.value == trial.value or trial.state == "stopped"
    assert study.best_value == result.best_value and result.model().predict(X).shape == (300, 10)


def test_optuna_without_a_pruner_is_what_fit_does_and_failures_are_told():
    optuna = pytest.importorskip("optuna")
    study = optuna.create_study(direction="maximize", pruner=optuna.pruners.NopPruner())

    def make(hidden):
        if hidden == 8:
            raise OSError("no")
        return build(hidden)

    result = tune(make, study=study, trials=8, workers=2 if sys.platform == "linux" else 1)
    assert [t.state.name for t in study.trials] == [{"failed": "FAIL", "finished": "COMPLETE"}[t.state] for t in result.trials]


def test_optuna_goes_on_from_a_folder(tmp_path):
    pytest.importorskip("optuna")
    space = SPACE | {"decay": ["constant", "halving"], "n": tuning.integers(1, 3)}

    def make(hidden, n):
        return build(hidden * n)

    first = tune(make, space, method="optuna", trials=3, folder=tmp_path)
    second = tune(make, space, method="optuna", trials=7, folder=tmp_path)
    assert [t.parameters for t in second.trials[:3]] == [t.parameters for t in first.trials]
    assert len(second.trials) == 7 and len(second.study.trials) == 7
    assert facts(tune(make, space, method="optuna", trials=7, folder=tmp_path)) == facts(second)


def test_optuna_is_missed_in_one_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(ImportError, match=r"method='optuna' needs optuna, which is not installed: pip install 'cdl\[tune\]'"):
        tune(method="optuna")


def test_an_interrupt_is_told_to_the_study():
    optuna = pytest.importorskip("optuna")
    study = optuna.create_study(direction="maximize", pruner=optuna.pruners.NopPruner())
    assert tune(study=study, callbacks=interrupting(5)).interrupted
    assert [t.state.name for t in study.trials] == ["COMPLETE", "FAIL"]


def test_studies_that_do_not_fit():
    optuna = pytest.importorskip("optuna")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with pytest.raises(ValueError, match="the one direction 'maximize', as the metric has, got"):
        tune(study=optuna.create_study())
    with pytest.raises(TypeError, match=r"study must be an optuna\.Study, got str"):
        tune(study="mine")
    with pytest.raises(ValueError, match="a study is for method='optuna', not 'grid'"):
        tune(study=optuna.create_study(), method="grid")


# --- the command ------------------------------------------------------------------------------------------------------
def test_tune_digits_on_the_command_line(tmp_path, monkeypatch, capsys):
    from cdl.cli import main
    monkeypatch.chdir(tmp_path)
    arguments = ["tune", "digits", "--method", "halving", "--trials", "9", "--epochs", "9", "--csv", "tried.csv",
                 "--folder", "run"]
    assert main(arguments) == 0
    out = capsys.readouterr().out
    assert "9 images" not in out and "val_accuracy, more is better" in out and "tune  9/9" in out
    assert float(out.split("test accuracy ")[1].split()[0]) > 0.9
    model = cdl.load("digits-tuned.safetensors")
    assert model.predict(np.zeros((1, 64))).shape == (1, 10) and "lr" in model.extra["parameters"]
    assert main(arguments) == 0
    assert capsys.readouterr().out.split("test accuracy")[1] == out.split("test accuracy")[1]


@pytest.mark.parametrize("values, words", [("xyz", "test accuracy"), ("0.5 1.5 2.5", "test error")])
def test_tune_a_table_on_the_command_line(tmp_path, monkeypatch, capsys, values, words):
    from cdl.cli import main
    monkeypatch.chdir(tmp_path)
    values, rng = values.split() if " " in values else list(values), np.random.default_rng(0)
    rows = [(i, rng.normal(i)) for i in rng.integers(0, 3, 120)]
    (tmp_path / "t.csv").write_text("size,kind\n" + "".join(f"{size:.4f},{values[i]}\n" for i, size in rows))
    assert main(["tune", "t.csv", "--target", "kind", "--trials", "3", "--epochs", "4", "--workers", "1", "--quiet"]) == 0
    out = capsys.readouterr().out
    assert words in out and (tmp_path / "t-tuned.safetensors").exists()


@pytest.mark.parametrize("arguments, words", [
    (["none.csv"], "there is no such file"), (["digits", "--target", "a"], "--target is for tables"),
    (["digits", "--out", "no/such/file"], "there is no such folder"),
    (["digits", "--trials", "-3"], "trials must be a positive"),
    (["digits", "--seed", "-3"], "expected an integer of 0 or more"),
    (["digits", "--workers", "0"], "workers must be a positive"),
])
def test_the_command_refuses(arguments, words, tmp_path, monkeypatch, capsys):
    from cdl.cli import main
    monkeypatch.chdir(tmp_path)
    assert main(["tune", *arguments]) == 1
    assert words in capsys.readouterr().err and not list(tmp_path.iterdir())
