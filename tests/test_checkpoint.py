"""Checkpoints: the same bits as never having stopped, files that nothing can spoil, logs and runs beside them."""
import errno
import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

import cdl
from cdl.callbacks import Callback, Checkpoint, EarlyStopping
from cdl.io import FileFormatError, atomic_write, load_safetensors, save_safetensors
from cdl.io.atomic import remove_leftovers

EPOCHS = 5
POSIX = pytest.mark.skipif(os.name != "posix", reason="signals and locks of POSIX")


class Enough(Exception):
    """What kills a training here; the callback stands behind the checkpoint, so that its file is written."""


class KillAfter(Callback):
    def __init__(self, epochs):
        self.epochs = epochs

    def on_epoch_end(self, training):
        if training.epoch == self.epochs:
            raise Enough


def problem(n=90):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((n, 6, 6, 1)).astype(np.float32)
    return x, (x[:, 0, 0, 0] > x[:, 1, 1, 0]).astype(int)


def dense(optimizer=lambda p: cdl.Adam(p, lr=0.01), *, rng=7, **options):
    """A training whose every part can be changed: (model, arguments of fit, options of fit)."""
    def make():
        x, y = problem()
        model = cdl.Sequential([cdl.Flatten(), cdl.Dense(16, "relu"), cdl.BatchNorm(), cdl.Dropout(0.3), cdl.Dense(2)])
        return model, (x, y), dict(optimizer=optimizer, rng=rng, batch_size=40, validation_split=0.2) | options
    return make


def loaded(*, augment=False, prefetch=2, seed=3):
    def make():
        x, y = problem()
        transform = cdl.data.Augment(crop=1, flip=True, rng=5) if augment else None
        loader = cdl.data.Loader((x, y), 40, shuffle=True, transform=transform, prefetch=prefetch, rng=seed)
        model = cdl.Sequential([cdl.Conv2D(4, 3, activation="relu"), cdl.Flatten(), cdl.Dropout(0.2, rng=1), cdl.Dense(2)])
        return model, (loader,), dict(validation_data=(x, y))
    return make


def augmented():
    x, y = problem()
    model = cdl.Sequential([cdl.Conv2D(4, 3, activation="relu"), cdl.Flatten(), cdl.Dense(2)])
    return model, (x, y), dict(augment=cdl.data.Augment(crop=1, flip=True, rng=9), rng=2, validation_split=0.2)


def rule(name):
    return lambda p: getattr(cdl, name)(p, lr=0.01)


CASES = {
    "dropout and the library's orders": dense(rng=None),
    "exponential decay": dense(lambda p: cdl.SGD(p, lr=cdl.ExponentialDecay(0.1, 0.8), momentum=0.9)),
    "decay by steps": dense(lambda p: cdl.Adam(p, lr=cdl.CosineDecay(0.01, EPOCHS))),
    "groups": dense(lambda p: cdl.AdamW([{"params": p[:2], "weight_decay": 0.1}, {"params": p[2:]}], clip_norm=1.0)),
    "nesterov": dense(lambda p: cdl.SGD(p, lr=0.05, momentum=0.9, nesterov=True)),
    **{name: dense(rule(name)) for name in ("RMSprop", "Adagrad", "AdamW")},
    "Loader": loaded(), "Loader with Augment": loaded(augment=True), "Loader without a thread": loaded(prefetch=0),
    "Loader and the library's orders": loaded(seed=None), "augment": augmented,
}


def train(make, callbacks, epochs=EPOCHS, seed=11):
    cdl.seed(seed)
    model, data, options = make()
    history = model.fit(*data, loss="cross_entropy", epochs=epochs, callbacks=callbacks, progress=False, **options)
    return history, model.state_dict()


def same(one, other):
    """Histories and weights agree bit by bit."""
    assert json.dumps(one[0]) == json.dumps(other[0])
    assert one[1].keys() == other[1].keys()
    for name, array in one[1].items():
        np.testing.assert_array_equal(array.view(np.uint8), other[1][name].view(np.uint8), err_msg=name)


@pytest.mark.parametrize("case", CASES)
def test_a_training_killed_after_any_epoch_goes_on_with_the_same_bits(case, tmp_path):
    wanted = train(CASES[case], [])
    for after in range(1, EPOCHS):
        path = tmp_path / f"{after}.safetensors"
        with pytest.raises(Enough):
            train(CASES[case], [Checkpoint(path), KillAfter(after)])
        history, weights = train(CASES[case], [Checkpoint(path, resume=True)], seed=99)
        same((history, weights), wanted)


def test_early_stopping_goes_on_counting_and_brings_back_the_same_best_weights(tmp_path):
    def stop():
        return EarlyStopping("val_loss", patience=3, min_delta=0.05)

    make = dense(lambda p: cdl.SGD(p, lr=0.2))
    wanted = train(make, [stop()], epochs=30)
    assert 5 < wanted[0].epochs < 30
    for after in range(1, wanted[0].epochs):
        path = tmp_path / f"{after}.safetensors"
        with pytest.raises(Enough):
            train(make, [stop(), Checkpoint(path), KillAfter(after)], epochs=30)
        same(train(make, [stop(), Checkpoint(path, resume=True)], epochs=30, seed=99), wanted)


@pytest.mark.parametrize("make", [
    lambda: cdl.callbacks.ExponentialMovingAverage(0.9), lambda: cdl.callbacks.StochasticWeightAverage(start=1),
    lambda: cdl.callbacks.ReduceOnPlateau("loss", patience=1)], ids=["moving average", "average", "plateau"])
def test_callbacks_with_a_state_go_on_with_the_same_bits(make, tmp_path):
    wanted = train(dense(), [make()])
    for after in range(1, EPOCHS):
        path = tmp_path / f"{after}.safetensors"
        with pytest.raises(Enough):
            train(dense(), [make(), Checkpoint(path), KillAfter(after)])
        same(train(dense(), [make(), Checkpoint(path, resume=True)], seed=99), wanted)


def test_a_training_killed_again_and_again_has_the_same_bits(tmp_path):
    wanted = train(CASES["groups"], [])
    path = tmp_path / "training.safetensors"
    for after in range(1, EPOCHS):
        with pytest.raises(Enough):
            train(CASES["groups"], [Checkpoint(path, resume=True), KillAfter(after)], seed=10 + after)
    same(train(CASES["groups"], [Checkpoint(path, resume=True)], seed=5), wanted)


def test_a_finished_training_goes_on_with_more_epochs_and_one_without_does_nothing(tmp_path):
    path = tmp_path / "training.safetensors"
    wanted = train(dense(), [])
    train(dense(), [Checkpoint(path)], epochs=3)
    same(train(dense(), [Checkpoint(path, resume=True)], seed=1), wanted)
    before = path.read_bytes()
    same(train(dense(), [Checkpoint(path, resume=True)], seed=2), wanted)
    assert path.read_bytes() == before


SCRIPT = """
import sys
sys.path.insert(0, {tests!r})
import test_checkpoint as t
from cdl.callbacks import Checkpoint
from cdl.io import save_safetensors
callbacks = [Checkpoint({path!r}, resume=True)] + ([t.KillAfter({after})] if {after} else [])
try:
    history, weights = t.train(t.CASES[{case!r}], callbacks, seed={seed})
except t.Enough:
    sys.exit(0)
save_safetensors({out!r}, weights | {{"loss": t.np.array(history["loss"])}})
"""


@pytest.mark.parametrize("case", ["dropout and the library's orders", "Loader with Augment"])
def test_a_new_process_goes_on_with_the_same_bits(case, tmp_path):
    path, out = str(tmp_path / "training.safetensors"), str(tmp_path / "out.safetensors")
    for after, seed in ((2, 11), (0, 77)):
        script = SCRIPT.format(tests=str(pathlib.Path(__file__).parent), path=path, after=after, case=case, seed=seed, out=out)
        subprocess.run([sys.executable, "-c", script], check=True, timeout=120)
    history, wanted = train(CASES[case], [])
    arrays, _ = load_safetensors(out)
    assert arrays.pop("loss").tolist() == history["loss"]
    for name, array in wanted.items():
        np.testing.assert_array_equal(arrays[name], array, err_msg=name)


# --- the file ------------------------------------------------------------------------------------------------------------
def test_it_is_a_models_file_too(tmp_path):
    path = tmp_path / "training.safetensors"
    _, weights = train(dense(), [Checkpoint(path)])
    fresh, (x, _), _ = dense()()
    fresh.build((None, *x.shape[1:]))
    for model in (cdl.load(path), fresh.load(path)):
        for name, array in weights.items():
            np.testing.assert_array_equal(model.state_dict()[name], array)


def test_every_and_the_last(tmp_path):
    train(dense(), [Checkpoint(tmp_path / "{epoch:02}.safetensors", every=2, keep=None)])
    assert sorted(os.listdir(tmp_path)) == ["02.safetensors", "04.safetensors", "05.safetensors"]


def test_the_newest_few_stay_and_the_newest_is_gone_on_with(tmp_path):
    path = tmp_path / "e{epoch}.safetensors"
    (tmp_path / "e.safetensors").write_bytes(b"not one of them")
    (tmp_path / "e77.safetensors").write_bytes(b"of an earlier run, no longer whole")
    os.utime(tmp_path / "e77.safetensors", (1, 1))
    with pytest.raises(Enough):
        train(dense(), [Checkpoint(path, keep=2), KillAfter(3)])
    assert sorted(os.listdir(tmp_path)) == ["e.safetensors", "e2.safetensors", "e3.safetensors", "e77.safetensors"]
    same(train(dense(), [Checkpoint(path, keep=2, resume=True)], seed=1), train(dense(), []))
    assert {"e4.safetensors", "e5.safetensors"} <= set(os.listdir(tmp_path))
    assert not {"e2.safetensors", "e3.safetensors"} & set(os.listdir(tmp_path))


def test_only_the_best_is_written_and_remembered(tmp_path):
    path = tmp_path / "best-{epoch}.safetensors"
    keep = Checkpoint(path, monitor="figure", keep=None)
    figures = iter([3.0, 2.0, 2.5, float("nan"), 1.0])

    class Figure(Callback):
        def __call__(self, model, epoch, figures_of_epoch):
            figures_of_epoch["figure"] = next(figures)

    train(dense(), [Figure(), keep])
    assert sorted(os.listdir(tmp_path)) == [f"best-{epoch}.safetensors" for epoch in (1, 2, 5)]
    assert keep.best == 1.0
    for name in ("best-5.safetensors", "best-1.safetensors"):
        os.remove(tmp_path / name)
    figures = iter([2.2, 1.9, 1.95])        # the best so far is 2, of the file: 2.2 is none
    train(dense(), [Figure(), Checkpoint(path, monitor="figure", keep=None, resume=True)])
    assert sorted(os.listdir(tmp_path)) == ["best-2.safetensors", "best-4.safetensors"]


@pytest.mark.parametrize("options, message", [
    (dict(path="x", keep=3), "keep=3 files need names of their own"), (dict(path="x", every=0), "every must be a positive"),
    (dict(path="x", mode="most"), "Checkpoint: mode must be 'auto', 'min' or 'max', got 'most'"),
    (dict(path="{epoch:q}"), "is no name of a file with {epoch} in it"), (dict(path="{epoch}{what}"), "is no name of a file"),
])
def test_options_out_of_range(options, message):
    with pytest.raises(ValueError, match=message.replace("{", r"\{")):
        Checkpoint(**options)


def test_a_figure_that_is_not_there(tmp_path):
    with pytest.raises(ValueError, match=r"Checkpoint: there is no figure 'val_los'; did you mean 'val_loss'\?; monitor"):
        train(dense(), [Checkpoint(tmp_path / "a", monitor="val_los")])


# --- what does not fit ---------------------------------------------------------------------------------------------------
def other_model():
    model, data, options = dense()()
    return cdl.Sequential([*model.layers[:-1], cdl.Dense(4), cdl.Dense(2)]), data, options


def damaged(change):
    def damage(path):
        tensors, metadata = load_safetensors(path)
        state = json.loads(metadata["cdl.training"])
        change(state)
        save_safetensors(path, tensors, metadata=metadata | {"cdl.training": json.dumps(state)})
    return damage


@pytest.mark.parametrize("make, damage, message", [
    (other_model, None, "cannot go on from it: its model is another one"),
    (dense(lambda p: cdl.SGD(p, lr=0.1)), None, "SGD: the state is that of Adam"),
    (dense(lambda p: cdl.Adam(p, lr=cdl.CosineDecay(0.01, 5))), None, "schedule"),
    (dense(rng=None), None, "generators"),
    (dense(), lambda p: p.write_bytes(p.read_bytes()[:-100]), "truncated"),
    (dense(), lambda p: p.write_bytes(p.read_bytes()[:5]), "not a safetensors file"),
    (dense(), lambda p: p.write_bytes(b""), "not a safetensors file"),
    (dense(), lambda p: p.write_bytes(b"\0" * 5000), "not a safetensors file"),
    (dense(), lambda p: dense()()[0].build((None, 6, 6, 1)) or save_safetensors(p, {"a": np.ones(2)}), "no training to go on"),
    (dense(), damaged(lambda state: state.update(version=2)), "written by a newer version of cdl .state 2, this one reads 1"),
    (dense(), damaged(lambda state: state.pop("values")), "is damaged"),
    (dense(), damaged(lambda state: state["values"].pop("history")), "is damaged"),
    (dense(), damaged(lambda state: state["values"].update(epoch=7)), "is damaged"),
    (dense(), damaged(lambda state: state["values"].update(generators=[{}, {}])), "cannot go on"),
    (dense(), damaged(lambda state: state["values"].update(callbacks=[["Checkpoint", {}]])), "cannot go on"),
], ids=lambda value: None if callable(value) or value is None else value[:24])
def test_a_checkpoint_that_does_not_fit_is_told_and_changes_nothing(make, damage, message, tmp_path):
    path = tmp_path / "training.safetensors"
    train(dense(), [Checkpoint(path)], epochs=2)
    if damage:
        damage(path)
    before = path.read_bytes()
    cdl.seed(4)
    model, data, options = make()
    model.build((None, 6, 6, 1))
    weights = model.state_dict()
    with pytest.raises(FileFormatError, match=f"training.safetensors: .*{message}"):
        model.fit(*data, loss="cross_entropy", epochs=4, callbacks=Checkpoint(path, resume=True), progress=False, **options)
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["training.safetensors"]
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, weights[name])


# --- disks ---------------------------------------------------------------------------------------------------------------
FULL = """
import resource, signal, sys, numpy as np, cdl
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
x = np.ones((64, 20), np.float32)
class Fill(cdl.callbacks.Callback):
    def on_epoch_end(self, training):
        if training.epoch == 2:
            resource.setrlimit(resource.RLIMIT_FSIZE, (4000, resource.RLIM_INFINITY))
try:
    cdl.Sequential([cdl.Dense(300)]).fit(x, np.ones((64, 300)), loss="mse", epochs=4, progress=False,
                                         callbacks=[cdl.callbacks.Checkpoint(sys.argv[1]), Fill()])
except OSError as error:
    print(type(error).__name__, error)
"""


@POSIX
def test_a_file_that_cannot_be_written_whole_leaves_the_one_before(tmp_path):
    path = tmp_path / "training.safetensors"
    done = subprocess.run([sys.executable, "-c", FULL, str(path)], capture_output=True, text=True, timeout=120, check=True)
    assert "Checkpoint: cannot write it: File too large" in done.stdout and "written before, is whole" in done.stdout
    assert os.listdir(tmp_path) == ["training.safetensors"]
    assert json.loads(load_safetensors(path)[1]["cdl.training"])["values"]["epoch"] == 2


def test_a_full_disk_names_the_file_and_leaves_the_one_before(tmp_path, monkeypatch):
    path = tmp_path / "training.safetensors"
    train(dense(), [Checkpoint(path)], epochs=1)
    before = path.read_bytes()

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="Checkpoint: cannot write it: No space left on device") as error:
        train(dense(), [Checkpoint(path)], epochs=2)
    assert error.value.errno == errno.ENOSPC and error.value.filename == str(path)
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["training.safetensors"]


def test_a_folder_that_is_missing_or_may_not_be_written_is_told_before_the_training(tmp_path, monkeypatch):
    def never(parameters):
        rule = cdl.SGD(parameters)
        rule.step = lambda: pytest.fail("trained")
        return rule

    with pytest.raises(FileNotFoundError, match="Checkpoint: there is no such folder"):
        train(dense(never), [Checkpoint(tmp_path / "none" / "a.safetensors")])
    with pytest.raises(IsADirectoryError, match="this is a folder"):
        train(dense(never), [Checkpoint(tmp_path)])
    # The mode of a folder stops nobody who is root: what the system says of it is given here
    monkeypatch.setattr(os, "access", lambda *_, **__: False)
    with pytest.raises(PermissionError, match="Checkpoint: the folder may not be written"):
        train(dense(never), [Checkpoint(tmp_path / "a.safetensors")])


# --- kills ---------------------------------------------------------------------------------------------------------------
KILLS = """
import json, os, pathlib, signal, sys, time
import numpy as np
import cdl
from cdl.io import load_safetensors
path, kills = pathlib.Path(sys.argv[1]), int(sys.argv[2])

class Ready(cdl.callbacks.Callback):
    def __init__(self, pipe):
        self.pipe = pipe
    def on_epoch_end(self, training):
        if self.pipe is not None:
            os.write(self.pipe, b"!")
        self.pipe = None

def write(pipe):
    cdl.seed(0)
    x = np.ones((8, 64), np.float32)
    model = cdl.Sequential([cdl.Dense(256), cdl.Dense(64)])
    model.fit(x, x, loss="mse", epochs=10**9, progress=False,
              callbacks=[cdl.callbacks.Checkpoint(path, resume=True), Ready(pipe)])

rng, last, most = np.random.default_rng(0), 0, 0
for _ in range(kills):
    ours, theirs = os.pipe()
    writer = os.fork()
    if not writer:
        try:
            write(theirs)
        finally:
            os._exit(1)
    os.close(theirs)
    assert os.read(ours, 1) == b"!", "the writer failed"
    time.sleep(0.02 * rng.random())
    os.kill(writer, signal.SIGKILL)
    os.waitpid(writer, 0)
    os.close(ours)
    most = max(most, len(os.listdir(path.parent)) - 1)
    epoch = json.loads(load_safetensors(path)[1]["cdl.training"])["values"]["epoch"]
    cdl.load(path)
    assert epoch > last, "an epoch that was written is lost"
    last = epoch
print(json.dumps([last, most]))
"""


def kill_writers(path, kills):
    """Kill processes that do nothing but write checkpoints; the last epoch, and how many temporary files there were."""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", KILLS, str(path), str(kills)], capture_output=True, text=True,
                          timeout=3000)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@POSIX
def test_no_kill_leaves_an_unreadable_file(tmp_path):
    last, most = kill_writers(tmp_path / "training.safetensors", 40)
    assert last >= 40 and most <= 1     # a writer that starts removes what the one before it left


@POSIX
@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_thousand_kills_leave_no_unreadable_file(tmp_path):
    last, most = kill_writers(tmp_path / "training.safetensors", 1000)
    assert last >= 1000 and most == 1       # some were killed while they wrote


@POSIX
def test_leftovers_of_the_dead_go_and_files_of_writers_at_work_stay(tmp_path):
    dead = tmp_path / f".cdl-{'0' * 16}.tmp"
    other = tmp_path / ".cdl-notes.tmp"
    dead.write_bytes(b"half"), other.write_bytes(b"somebody's")
    with atomic_write(tmp_path / "a") as file:
        file.write(b"whole")
        assert remove_leftovers(tmp_path) == 1
    assert sorted(os.listdir(tmp_path)) == [".cdl-notes.tmp", "a"] and (tmp_path / "a").read_bytes() == b"whole"
