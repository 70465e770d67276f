"""Loader: the same batches whatever is prepared ahead, no thread left behind, and what fit, evaluate and predict do with it."""
import gc
import os
import signal
import subprocess
import sys
import threading
import time
import traceback

import numpy as np
import pytest

import cdl
from cdl.data import Augment, Loader

X, Y = np.arange(20, dtype=np.float32).reshape(10, 2), np.arange(10)


def threads():
    return [thread for thread in threading.enumerate() if thread.name == "cdl.data.Loader"]


@pytest.fixture(autouse=True)
def nobody_is_left():
    yield
    assert threads() == []


def lists(loader):
    return [[np.asarray(part).tolist() for part in batch] for batch in loader]


class Squares:
    """A data set whose sample i is (i², i); `bad` is one that cannot be read."""

    def __init__(self, count=10, bad=None):
        self.count, self.bad, self.read = count, bad, []

    def __len__(self):
        return self.count

    def __getitem__(self, i):
        self.read.append(i)
        if i == self.bad:
            raise OSError(f"sample {i} is gone")
        return np.full(3, i * i), i


@pytest.mark.parametrize("prefetch", [0, 1, 2, 50])
def test_batches_in_order(prefetch):
    loader = Loader((X, Y), 4, prefetch=prefetch)
    assert len(loader) == 3 and loader.samples == 10
    batches = list(loader)
    np.testing.assert_array_equal(np.concatenate([x for x, _ in batches]), X)
    assert [len(y) for _, y in batches] == [4, 4, 2]
    assert not any(np.shares_memory(x, X) for x, _ in batches)
    assert lists(loader) == lists(loader)


@pytest.mark.parametrize("data", [(X, Y), Squares()], ids=["arrays", "samples"])
def test_the_seed_decides_not_the_prefetching(data):
    def noisy(x, y, rng):
        return x + rng.random(x.shape), y

    epochs = []
    for prefetch in (0, 1, 3):
        loader = Loader(data, 3, shuffle=True, transform=noisy, prefetch=prefetch, rng=7)
        epochs.append([lists(loader), lists(loader)])
    assert epochs[0] == epochs[1] == epochs[2]
    first, second = epochs[0]
    assert first != second
    assert sorted(i for _, labels in first for i in labels) == list(range(10))
    orders = []
    for _ in range(2):
        cdl.seed(3)
        orders.append(lists(Loader((X, Y), 3, shuffle=True)))
    assert orders[0] == orders[1]


def test_augment_has_its_own_draws_in_the_thread():
    """The library's generator may be drawn from meanwhile."""
    images = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 3), np.uint8)
    results = []
    for prefetch in (0, 4):
        cdl.seed(1)
        loader = Loader((images, np.arange(40)), 8, shuffle=True, transform=Augment(flip=True, crop=2), prefetch=prefetch)
        results.append([])
        for x, _ in loader:
            results[-1].append(x)
            cdl.random.generator().random(3)
    for one, other in zip(*results, strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_thread_works_alone():
    """A team of its own would take the processors from the training."""
    from cdl._core.threads import _selftest
    owners = []
    list(Loader(Y, 1, transform=lambda y: owners.append(set(_selftest(60, 500.0, 2)["owners"]))))
    assert owners == [{0}] * 10


def test_what_a_batch_is():
    assert [b.tolist() for b in Loader(Y, 5)] == [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]]
    assert [len(batch) for batch in Loader((X, Y, Y), 5)] == [3, 3]
    assert [b.tolist() for b in Loader([3, 1, 2], 2)] == [[3, 1], [2]]
    assert next(iter(Loader([(X[0], 1), (X[1], 2)], 2)))[1].tolist() == [1, 2]
    assert list(Loader(Y, 5, transform=np.sum)) == [10, 35]
    assert list(Loader((X, Y), 5, transform=lambda x, y: len(x), prefetch=0)) == [5, 5]
    for prefetch in (0, 2):
        assert list(Loader(Y, 5, transform=lambda y: None, prefetch=prefetch)) == [None, None]
    assert [b.tolist() for b in Loader(cdl.Tensor([1.0, 2.0]), 1)] == [[1.0], [2.0]]
    assert repr(Loader(Y, 5)) == "Loader(10 samples, batch_size=5, shuffle=False, prefetch=2, drop_last=False)"


def test_drop_last():
    loader = Loader((X, Y), 4, drop_last=True, shuffle=True, rng=0)
    assert len(loader) == 2 == len(list(loader)) and loader.samples == 8
    assert len({i for _ in range(20) for _, y in loader for i in y.tolist()}) == 10     # who is left out changes


def test_so_many_are_prepared_meanwhile_and_no_more():
    data = Squares(40)
    iteration = iter(Loader(data, 2, prefetch=3))
    data.read.clear()
    next(iteration)
    end = time.monotonic() + 10
    while len(data.read) < 2 * (1 + 3) and time.monotonic() < end:
        time.sleep(0.001)
    time.sleep(0.05)
    assert data.read == list(range(2 * (1 + 3)))
    iteration.close()


@pytest.mark.parametrize("prefetch", [0, 2])
def test_an_error_comes_where_its_batch_would(prefetch):
    got = []
    with pytest.raises(OSError, match="sample 7 is gone") as caught:
        for _, y in Loader(Squares(bad=7), 3, prefetch=prefetch):
            got.append(y.tolist())
    assert got == [[0, 1, 2], [3, 4, 5]]
    assert "__getitem__" in {frame.name for frame in traceback.extract_tb(caught.value.__traceback__)}
    assert getattr(caught.value, "__notes__", []) == ["(raised in the thread of a cdl.data.Loader)"] * bool(prefetch)


def test_an_error_of_the_transform():
    def wrong(x, y):
        raise ZeroDivisionError("no")

    with pytest.raises(ZeroDivisionError):
        next(iter(Loader((X, Y), 3, transform=wrong)))


def test_the_thread_ends_when_the_loop_is_left():
    for _ in range(20):
        for _ in Loader(Squares(1000), 2, prefetch=5):
            break
    with pytest.raises(ValueError, match="mine"):
        for _ in Loader((X, Y), 2):
            raise ValueError("mine")
    iteration = iter(Loader((X, Y), 2))
    assert threads() == []              # nothing was asked for yet
    next(iteration)
    assert len(threads()) == 1
    del iteration
    gc.collect()


def test_the_batch_under_way_is_given_up():
    class Slow(Squares):
        def __getitem__(self, i):
            time.sleep(0.05 * (i >= 20))
            return super().__getitem__(i)

    data = Slow(40)
    for _ in Loader(data, 20):
        break
    assert max(data.read) < 39


def test_two_iterations_at_once():
    loader = Loader((X, Y), 3)
    both = [(a.tolist(), b.tolist()) for (_, a), (_, b) in zip(loader, loader, strict=True)]
    assert both == [(y, y) for _, y in lists(loader)]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_child_process_begins_its_own():
    code = """if 1:
        import os, sys, numpy as np
        from cdl.data import Loader
        loader = Loader((np.arange(1000), np.arange(1000)), 2, prefetch=4, shuffle=True, rng=0)
        for _ in range(20):
            inherited = iter(loader)
            next(inherited)
            pid = os.fork()
            if pid == 0:
                status = 1
                try:
                    try:
                        next(inherited)
                    except RuntimeError as error:
                        status = 0 if "begin a new one" in str(error) and len(list(loader)) == 500 else 2
                    del inherited
                finally:
                    os._exit(status)
            assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
            assert len(list(inherited)) == 499
        print("good")
    """
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "good\n", done.stderr


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs POSIX timers")
def test_ctrl_c_ends_loop_and_thread():
    def slow(x, y):
        time.sleep(0.01)
        return x, y

    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        with pytest.raises(KeyboardInterrupt):
            for _ in Loader((np.arange(9999), np.arange(9999)), 1, transform=slow):
                pass
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_a_program_ends_with_an_iteration_under_way():
    code = "from cdl.data import Loader; import numpy as np; it = iter(Loader(np.arange(99), 2)); next(it); print('end')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "end\n", "")


@pytest.mark.parametrize("make, error, words", [
    (lambda: Loader(3), TypeError, "Loader: expected an array, a tuple of arrays, a data set with len.* got int"),
    (lambda: Loader("abc"), TypeError, "got str"), (lambda: Loader({"a": X}), TypeError, "got dict"),
    (lambda: Loader((X, Y[:3])), ValueError, r"arrays of one length, got shapes \[\(10, 2\), \(3,\)\]"),
    (lambda: Loader((X, 3)), ValueError, "arrays of one length"), (lambda: Loader(X[:0]), ValueError, "there are no samples"),
    (lambda: Loader([]), ValueError, "there are no samples"),
    (lambda: Loader((X, Y), 11, drop_last=True), ValueError, "no samples left: 10 are less than one batch"),
    (lambda: Loader(X, 0), ValueError, "Loader: batch_size must be a positive integer, got 0"),
    (lambda: Loader(X, prefetch=-1), ValueError, "prefetch must be 0 or more, got -1"),
    (lambda: Loader(X, prefetch=1.5), TypeError, "integer"),
    (lambda: Loader(X, transform=3), TypeError, "transform must be a function of a batch, got 3"),
    (lambda: Loader(np.ma.array(X)), TypeError, "masked"), (lambda: Loader(X, rng=-1), ValueError, "rng: expected an integer"),
    (lambda: list(Loader([X[:1], X[:2]], 2)), ValueError, r"must have equal shapes, got \(\(1, 2\),\), \(\(2, 2\),\)"),
])
def test_what_cannot_be_loaded(make, error, words):
    with pytest.raises(error, match=words):
        make()


# --- fit, evaluate, predict -------------------------------------------------------------------------------------------
def digits(count=300):
    x, y = cdl.load_digits()
    return x[:count], y[:count]


def network(**options):
    return cdl.Sequential([cdl.Dense(16, "relu", rng=0, **options), cdl.Dense(10, rng=1)])


def weights(model):
    return np.concatenate([np.asarray(p).reshape(-1) for p in model.parameters()])


@pytest.mark.parametrize("prefetch", [0, 2])
def test_fit_on_a_loader_is_fit_on_its_arrays(prefetch):
    x, y = digits()
    options = dict(loss="cross_entropy", epochs=3, progress=False)
    arrays, loaded = network(), network()
    first = arrays.fit(x, y, batch_size=32, shuffle=False, validation_data=(x[:50], y[:50]), **options)
    second = loaded.fit(Loader((x, y), 32, prefetch=prefetch), validation_data=Loader((x[:50], y[:50]), 20), **options)
    np.testing.assert_allclose(weights(arrays), weights(loaded), rtol=1e-6)
    assert first.keys() == second.keys() == {"loss", "val_loss", "val_accuracy"}
    for name in first:
        np.testing.assert_allclose(first[name], second[name], rtol=1e-6)
    seen = arrays.evaluate(x, y, loss="cross_entropy")
    for name, value in loaded.evaluate(Loader((x, y), 64), loss="cross_entropy").items():
        assert value == pytest.approx(seen[name], rel=1e-6)
    np.testing.assert_allclose(loaded.predict(Loader((x, y), 64)), arrays.predict(x), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(loaded.predict(Loader(x, 64)), arrays.predict(x), rtol=1e-5, atol=1e-6)


def test_a_third_array_is_weights():
    x, y = digits(96)
    w = np.arange(96) % 3 * (np.arange(96) >= 32)       # the first batch counts nothing
    arrays, loaded = network(), network()
    options = dict(loss="cross_entropy", epochs=2, progress=False)
    first = arrays.fit(x, y, sample_weight=w, batch_size=32, shuffle=False, **options)
    second = loaded.fit(Loader((x, y, w), 32), validation_data=Loader((x, y, w), 32), **options)
    np.testing.assert_allclose(weights(arrays), weights(loaded), rtol=1e-6)
    np.testing.assert_allclose(first["loss"], second["loss"], rtol=1e-6)
    assert loaded.evaluate(Loader((x, y, w)), loss="cross_entropy")["loss"] == pytest.approx(
        arrays.evaluate(x, y, loss="cross_entropy", sample_weight=w)["loss"])


def test_shuffled_epochs_learn_and_are_those_of_the_seed():
    x, y = digits()
    found = []
    for _ in range(2):
        model = network()
        history = model.fit(Loader((x.astype(np.float64), y.astype(np.uint8)), 32, shuffle=True, rng=3), loss="cross_entropy",
                            epochs=10, progress=False, optimizer=lambda parameters: cdl.Adam(parameters, lr=0.01))
        found.append(weights(model))
        assert history["loss"][-1] < 0.5 * history["loss"][0]
    np.testing.assert_array_equal(*found)


def test_the_first_epoch_is_not_spent_on_making_the_parameters():
    x, y = digits(64)
    models = network(), network(in_features=64)
    for model in models:
        model.fit(Loader((x, y), 32, shuffle=True, rng=0), loss="cross_entropy", progress=False)
    np.testing.assert_array_equal(weights(models[0]), weights(models[1]))


def test_losses_and_augment_get_what_they_get_of_arrays():
    x, y = digits(64)
    seen = []

    def loss(y_true, y_pred):
        seen.append((type(y_true), type(y_pred)))
        return cdl.cross_entropy(y_true, y_pred)

    def augment(x, y):
        seen.append((type(x), type(y)))
        return x, y

    for data in ((x, y), (Loader((x, y)),)):
        network().fit(*data, loss=loss, augment=augment, progress=False)
    assert seen[:4] == seen[4:] == [(np.ndarray, np.ndarray), (np.ndarray, cdl.Tensor)] * 2 or seen[:4] == seen[4:]


def test_the_line_counts_samples(capsys):
    x, y = digits(100)
    network().fit(Loader((x, y), 32, drop_last=True), loss="cross_entropy")
    assert "96/96" in capsys.readouterr().out


@pytest.mark.parametrize("use, error, words", [
    (lambda m, x, y: m.fit(x, loss="mse"), TypeError, "fit: y is missing; without it x must be a cdl.data.Loader, got ndarray"),
    (lambda m, x, y: m.fit(Loader((x, y)), y, loss="mse"), TypeError, "fit: a Loader has the targets in its batches"),
    (lambda m, x, y: m.fit(Loader((x, y)), loss="mse", batch_size=3, rng=0), ValueError,
     "fit: batch_size, rng cannot be given with a Loader"),
    (lambda m, x, y: m.fit(Loader((x, y)), loss="mse", validation_split=0.1), ValueError, "validation_split cannot be given"),
    (lambda m, x, y: m.fit(Loader((x, y)), loss="mse", class_weight="balanced"), ValueError, "class_weight cannot be given"),
    (lambda m, x, y: m.fit(Loader((x, y)), loss="mse", shuffle=False), ValueError, "shuffle cannot be given"),
    (lambda m, x, y: m.fit(Loader(x), loss="mse"), ValueError, r"must be \(x, y\) or \(x, y, sample_weight\), got ndarray"),
    (lambda m, x, y: m.fit(Loader((x, y, y, y)), loss="mse"), ValueError, "got 4 arrays"),
    (lambda m, x, y: m.fit(x, y, loss="mse", validation_data=Loader(x)), ValueError, "fit: validation_data: the batches of"),
    (lambda m, x, y: m.evaluate(Loader((x, y)), loss="mse", batch_size=3), ValueError, "evaluate: batch_size cannot be given"),
    (lambda m, x, y: m.evaluate(x, loss="mse"), TypeError, "evaluate: y is missing"),
    (lambda m, x, y: m.predict(Loader((x, y), shuffle=True)), ValueError, "predict: the Loader shuffles"),
    (lambda m, x, y: m.fit(Loader((x, y, -np.ones(64)), 32), loss="mse"), ValueError, "finite and 0 or more"),
])
def test_what_a_loader_is_not_for(use, error, words):
    with pytest.raises(error, match=words):
        use(network(), *digits(64))


def test_an_interrupt_in_fit_ends_the_thread():
    x, y = digits()

    def interrupted(model, epoch, figures):
        raise KeyboardInterrupt

    history = network().fit(Loader((x, y), 32), loss="cross_entropy", callbacks=interrupted, epochs=3, progress=False)
    assert history.interrupted

    def broken(x, y):
        raise RuntimeError("augment")

    with pytest.raises(RuntimeError, match="augment") as caught:
        network().fit(Loader((x, y), 32), loss="cross_entropy", augment=broken, progress=False)
    del caught
    gc.collect()
