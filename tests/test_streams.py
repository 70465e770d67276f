"""Loader on what comes one after the other, and on arrays in files: the same batches, and never the whole in memory."""
import itertools
import sys
import threading

import numpy as np
import pytest

import cdl
from cdl.data import Loader

N = 23
X, Y = np.arange(2.0 * N, dtype=np.float32).reshape(N, 2), np.arange(N)


@pytest.fixture(autouse=True)
def nobody_is_left():
    yield
    assert [thread for thread in threading.enumerate() if thread.name == "cdl.data.Loader"] == []


def samples():
    yield from zip(X, Y, strict=True)


class Samples:
    """A source that can be gone through again and again, and counts how often that was done."""

    def __init__(self, closed=None):
        self.begun, self.closed = 0, closed

    def __iter__(self):
        self.begun += 1
        try:
            yield from samples()
        finally:
            if self.closed is not None:
                self.closed.append(threading.current_thread().name)


class Sized(Samples):
    def __len__(self):
        return N


def batches():
    for i in range(0, N, 5):
        yield X[i:i + 5], Y[i:i + 5]


def lists(loader):
    return [[np.asarray(part).tolist() for part in batch] for batch in loader]


@pytest.mark.parametrize("prefetch", [0, 2])
@pytest.mark.parametrize("source", [samples, Samples(), Sized(), lambda: iter(list(samples()))],
                         ids=["function", "iterable", "sized", "iterator"])
def test_batches_of_a_stream_are_those_of_the_arrays(source, prefetch):
    for drop_last in (False, True):
        loader = Loader(source, 5, prefetch=prefetch, drop_last=drop_last)
        wanted = lists(Loader((X, Y), 5, drop_last=drop_last))
        assert lists(loader) == wanted == lists(loader)
    assert loader.first()[0].tolist() == [[0, 1]] and loader.first()[1].tolist() == [0]


def test_batches_that_come_whole():
    loader = Loader(batches, None)
    assert lists(loader) == lists(Loader((X, Y), 5)) and loader.samples is None
    assert [part.tolist() for part in loader.first()] == [[[0, 1]], [0]]
    assert [b.tolist() for b in Loader(lambda: iter([Y[:3], Y[3:5]]), None)] == [[0, 1, 2], [3, 4]]


def test_how_many_there_are():
    assert Loader(samples).samples is None and "samples unknown" in repr(Loader(samples))
    with pytest.raises(TypeError, match="does not tell how many samples"):
        len(Loader(samples))
    assert (len(Loader(Sized(), 5)), Loader(Sized(), 5).samples) == (5, N)
    assert (len(Loader(Sized(), 5, drop_last=True)), Loader(Sized(), 5, drop_last=True).samples) == (4, 20)


@pytest.mark.parametrize("size", [1, 4, 23, 1000])
def test_a_bounded_buffer_shuffles(size):
    loader = Loader(samples, 5, shuffle=True, buffer_size=size, rng=0)
    first, second = ([y for _, labels in lists(loader) for y in labels] for _ in range(2))
    assert sorted(first) == sorted(second) == list(range(N))
    assert (first == list(range(N))) == (size == 1)
    assert all(label < place + size for place, label in enumerate(first))     # nothing comes before it was read
    again = [y for _, labels in lists(Loader(samples, 5, shuffle=True, buffer_size=size, rng=0, prefetch=0)) for y in labels]
    assert again == first
    if size > 1:
        assert first != second


@pytest.mark.parametrize("size", [6, 60])
def test_every_place_is_as_likely_where_the_buffer_holds_all(size):
    """Each of 6 samples comes first in a sixth of 3,000 epochs: 500, within 5 standard deviations of 20."""
    loader = Loader(lambda: iter(range(6)), 6, shuffle=True, buffer_size=size, rng=1, prefetch=0)
    counts = np.zeros((6, 6), int)
    for _ in range(3000):
        counts[np.arange(6), next(iter(loader))] += 1
    assert abs(counts - 500).max() < 102


def test_the_library_s_seed_decides():
    found = []
    for _ in range(2):
        cdl.seed(3)
        found.append(lists(Loader(samples, 4, shuffle=True, buffer_size=6, transform=lambda x, y, rng: (x, y + rng.random()))))
    assert found[0] == found[1]


def test_the_source_is_closed_when_the_loop_is_left():
    for prefetch, where in ((0, "MainThread"), (2, "cdl.data.Loader")):
        closed = []
        for _ in Loader(Samples(closed), 3, prefetch=prefetch):
            break
        assert closed == [where]


def test_an_endless_source_is_left():
    taken = list(itertools.islice(iter(Loader(itertools.count, 4)), 3))
    assert [batch.tolist() for batch in taken] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]


def test_an_error_of_the_source_comes_where_its_batch_would():
    def broken():
        yield from itertools.islice(samples(), 7)
        raise OSError("the line is dead")

    got = []
    with pytest.raises(OSError, match="the line is dead"):
        for _, labels in Loader(broken, 3):
            got.append(labels.tolist())
    assert got == [[0, 1, 2], [3, 4, 5]]


@pytest.mark.parametrize("use, error, words", [
    (lambda: Loader(samples()), TypeError, "a generator can be gone through only once.*give the function that makes it"),
    (lambda: Loader(iter([1])), TypeError, "a list_iterator can be gone through only once"),
    (lambda: list(Loader(lambda: iter([]))), ValueError, "the iterator gave no samples"),
    (lambda: Loader(lambda: iter([])).first(), ValueError, "the iterator gave no samples"),
    (lambda: list(Loader(lambda: 3)), TypeError, "must return an iterator of samples, got int"),
    (lambda: Loader({1, 2}), TypeError, "got set"),
    (lambda: Loader((X, Y), None), ValueError, "batch_size=None is for an iterable"),
    (lambda: Loader(samples, buffer_size=0), ValueError, "buffer_size must be a positive integer"),
    (lambda: list(Loader(lambda: iter([X[0], X[:2]]), 2)), ValueError, "must have equal shapes"),
    (lambda: list(Loader(lambda: iter([(X, Y[:3])]), None)), ValueError, r"of one length.*got shapes \[\(23, 2\), \(3,\)\]"),
    (lambda: list(Loader(lambda: iter([3]), None)), ValueError, "of one length"),
])
def test_what_is_no_stream(use, error, words):
    with pytest.raises(error, match=words):
        use()


# --- arrays in files --------------------------------------------------------------------------------------------------
def on_disk(tmp_path, array, name="a"):
    np.save(tmp_path / f"{name}.npy", array)
    return np.load(tmp_path / f"{name}.npy", mmap_mode="r")


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("batch_size", [1, 4, 23, 100])
def test_mapped_arrays_give_the_same_batches(tmp_path, shuffle, batch_size):
    x, y = on_disk(tmp_path, X), on_disk(tmp_path, Y, "y")
    options = dict(shuffle=shuffle, rng=5)
    assert lists(Loader((x, y), batch_size, **options)) == lists(Loader((X, Y), batch_size, **options))
    assert lists(Loader((x[3:20], Y[3:20]), batch_size, **options)) == lists(Loader((X[3:20], Y[3:20]), batch_size, **options))
    raw = np.memmap(tmp_path / "raw", np.float32, "w+", shape=X.shape)
    raw[:] = X
    assert lists(Loader((raw, Y), batch_size, **options)) == lists(Loader((X, Y), batch_size, **options))
    assert not any(np.shares_memory(batch, raw) for batch, _ in Loader((raw, Y), batch_size))


def test_rows_of_a_file_are_read_forwards(tmp_path):
    from cdl.data.streams import gathered, in_file

    class Watched(np.ndarray):
        def __getitem__(self, rows):
            asked.append(np.asarray(rows))
            return np.asarray(super().__getitem__(rows))

    asked = []
    rows = np.array([9, 2, 14, 3])
    np.testing.assert_array_equal(gathered(X.view(Watched), rows, True), X[rows])
    assert asked[0].tolist() == [2, 3, 9, 14]
    x = on_disk(tmp_path, X)
    assert in_file(x) and in_file(np.asarray(x)[2:]) and not in_file(X) and not in_file(X[1:])


def anonymous():
    """Bytes of memory of this process that are not pages of files."""
    with open("/proc/self/status", encoding="ascii") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("RssAnon"))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc")
@pytest.mark.parametrize("megabytes", [128, pytest.param(1024, marks=pytest.mark.slow)])
def test_a_file_is_never_in_memory_as_a_whole(tmp_path, megabytes):
    features, rows = 256, megabytes << 10
    x = np.lib.format.open_memmap(tmp_path / "x.npy", "w+", np.float32, (rows, features))      # sparse: takes no disk
    x[:: rows // 64] = 1
    y = np.arange(rows) % 2
    model = cdl.Sequential([cdl.Dense(2, rng=0)])
    loader = Loader((np.load(tmp_path / "x.npy", mmap_mode="r"), y), 1024, shuffle=True, rng=0)
    model.fit(Loader((x[:2048], y[:2048]), 1024), loss="cross_entropy", progress=False)         # what a training takes anyway
    peak, before = [0], anonymous()

    def look(model):
        peak[0] = max(peak[0], anonymous() - before)

    class Looking(cdl.callbacks.Callback):
        def on_batch_end(self, model):
            look(model)

    model.fit(loader, loss="cross_entropy", progress=False, callbacks=[Looking()])
    model.evaluate(loader, loss="cross_entropy")
    look(model)
    from cdl.data import StandardScaler
    StandardScaler().fit(x)
    look(model)
    # Five batches of 1 MiB, the order of the rows, and what the allocator keeps; measured 5 to 10 MiB.
    assert peak[0] < 32 << 20


# --- fit, evaluate, predict -------------------------------------------------------------------------------------------
def weights(model):
    return np.concatenate([np.asarray(p).reshape(-1) for p in model.parameters()])


@pytest.mark.parametrize("kind", ["samples", "batches", "file"])
def test_training_on_each_is_training_on_the_arrays(tmp_path, kind, capsys):
    x, y = cdl.load_digits()
    x, y = x[:200], y[:200]

    def make(*arrays, shuffle=False):
        options = dict(shuffle=shuffle, rng=0)
        if kind == "file":
            return Loader(tuple(on_disk(tmp_path, a, f"a{i}") for i, a in enumerate(arrays)), 32, **options)
        if kind == "samples":
            return Loader(lambda: zip(*arrays, strict=True), 32, **options)
        return Loader(lambda: (tuple(a[i:i + 32] for a in arrays) for i in range(0, len(arrays[0]), 32)), None, **options)

    first, second = (cdl.Sequential([cdl.Dense(16, "relu", rng=0), cdl.Dense(10, rng=1)]) for _ in range(2))
    options = dict(loss="cross_entropy", epochs=2)
    one = first.fit(x, y, batch_size=32, shuffle=False, validation_data=(x, y), progress=False, **options)
    two = second.fit(make(x, y), validation_data=make(x, y), **options)
    assert one.keys() == two.keys()
    for name in one:
        np.testing.assert_allclose(one[name], two[name], rtol=1e-5)
    np.testing.assert_allclose(weights(first), weights(second), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(second.predict(make(x, y)), second.predict(x), rtol=1e-5, atol=1e-6)
    assert second.evaluate(make(x, y), loss="cross_entropy") == pytest.approx(second.evaluate(x, y, loss="cross_entropy"))
    shown = capsys.readouterr().out
    assert ("200/200" in shown) == (kind == "file") and "200" in shown
    with pytest.raises(ValueError, match="predict: the Loader shuffles"):
        second.predict(make(x, y, shuffle=True))
