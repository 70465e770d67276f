"""Mini-batches, of arrays in memory or of samples that are read when their turn comes, prepared by a thread ahead of use."""
import atexit
import inspect
import operator
import os
import threading
from collections import deque

import numpy as np

from .._core.check import positive_integer
from .._core.threads import work_alone
from ..random import generator
from .streams import Stream, gathered, in_file, is_stream, stacked

__all__ = ["Loader"]

_END = object()


class Loader:
    """Batches of a data set; each iteration is an epoch. `fit`, `evaluate` and `predict` take it instead of arrays.

    A background thread prepares the next batches while the caller works on the one before. It begins with an iteration and
    ends with it, also where the loop is left early, by ``break``, an error or Ctrl-C. What it raises is raised in the
    loop. The batches are the same for every `prefetch`: they follow from the seed alone.

    Parameters
    ----------
    data : array, tuple of arrays, data set, iterable, or function
        Arrays of one length N: ``(x, y)``, or with weights of samples ``(x, y, w)``. They may be larger than memory, as
        `numpy.memmap` or ``numpy.load(path, mmap_mode="r")`` give them: only the rows of a batch are read, in ascending
        order. A data set has ``len()`` and ``data[i]``, sample i or a tuple (sample, label, …) of equal shapes, such as
        `ImageFolder`. An iterable gives such samples one after the other, anew for every epoch; so does the iterator that
        a function without arguments returns (a generator alone could be gone through only once).
    batch_size : int or None, default 32
        Samples of a batch; the last of an epoch may be smaller. None: an iterable, or a function's iterator, gives batches
        already, arrays or tuples of them, which are used as they come.
    shuffle : bool, default False
        Whether each iteration takes the samples in a new random order. Of an iterable `buffer_size` samples are held, and
        each next one is drawn from them: where the source is sorted, take a large buffer, or mix it beforehand.
    transform : callable, optional
        ``transform(*batch)`` returns the batch to use instead, such as `Augment`. One that has an argument `rng` gets a
        generator of its own there, so that its draws do not depend on what else draws meanwhile.
    prefetch : int, default 2
        How many batches are prepared ahead; 0: each is prepared when it is asked for, without a thread.
    drop_last : bool, default False
        Leave out the last batch of an epoch if it is smaller.
    rng : numpy.random.Generator or int, optional
        Where orders and the transform's draws come from; default: the library's generator, see `cdl.seed`.
    buffer_size : int, default 4096
        How many samples of an iterable (with ``batch_size=None`` batches) are held to draw from.

    Attributes
    ----------
    samples : int or None
        How many samples an epoch has; None for an iterable that does not say, whose ``len(loader)`` is a TypeError.

    Raises
    ------
    TypeError
        For data of another kind, or a transform that cannot be called.
    ValueError
        For arrays of different lengths, no samples, less than one batch with `drop_last`, or options out of range.

    Examples
    --------
    >>> x, y = np.arange(10).reshape(5, 2), np.arange(5)
    >>> loader = Loader((x, y), batch_size=2, shuffle=True, rng=0)
    >>> len(loader), [labels.tolist() for _, labels in loader]
    (3, [[2, 4], [3, 0], [1]])

    ``model.fit(loader, loss="cross_entropy", epochs=10)`` trains on it. A function's samples, four held to draw from:

    >>> def squares():
    ...     for i in range(6):
    ...         yield float(i), i * i
    >>> [labels.tolist() for _, labels in Loader(squares, batch_size=3, shuffle=True, buffer_size=4, rng=0)]
    [[9, 0, 1], [4, 16, 25]]
    """

    def __init__(self, data, batch_size=32, *, shuffle=False, transform=None, prefetch=2, drop_last=False, rng=None,
                 buffer_size=4096):
        self.batch_size = None if batch_size is None else positive_integer(batch_size, "Loader", "batch_size")
        self.buffer_size = positive_integer(buffer_size, "Loader", "buffer_size")
        self._stream = Stream(data, self.batch_size, self.buffer_size) if is_stream(data) else None
        self._read, self._alone, count = _reader(data) if self._stream is None else (None, None, self._stream.count)
        self.prefetch = operator.index(prefetch)
        if self.prefetch < 0:
            raise ValueError(f"Loader: prefetch must be 0 or more, got {prefetch}")
        if transform is not None and not callable(transform):
            raise TypeError(f"Loader: transform must be a function of a batch, got {transform!r}")
        self.shuffle, self.drop_last, self.transform = bool(shuffle), bool(drop_last), transform
        self.rng = None if rng is None else generator(rng)
        self._count, self._takes_rng = count, _takes_rng(transform)
        self.samples = self._samples(count)

    def _samples(self, count):
        """How many samples an epoch has, where that is known."""
        if self.batch_size is None:
            if self._stream is None:
                raise ValueError("Loader: batch_size=None is for an iterable, or a function's iterator, that gives batches")
            return None
        if count is None:
            return None
        samples = count - count % self.batch_size if self.drop_last else count
        if not samples:
            raise ValueError(f"Loader: there are no samples{f' left: {count} are less than one batch' if count else ''}")
        return samples

    def __len__(self):
        """How many batches an epoch has."""
        if self._count is None:
            raise TypeError("Loader: an iterator does not tell how many samples it has")
        return self._count if self.batch_size is None else -(-self.samples // self.batch_size)

    def __iter__(self):
        rng = generator(self.rng)       # drawn from here, not in the thread: the order of the draws is the caller's
        if self._stream is not None:
            order = np.random.default_rng(rng.integers(2**63)) if self.shuffle else None
        else:
            order = rng.permutation(self._count) if self.shuffle else np.arange(self._count)
        work = _Epoch(self, order, np.random.default_rng(rng.integers(2**63)) if self._takes_rng else None)
        return _prefetched(work, self.prefetch) if self.prefetch else iter(work)

    def first(self):
        """The first sample in the order of the data, as a batch of one; no generator is drawn from."""
        if self._stream is None:
            return next(iter(_Epoch(self, np.arange(1), np.random.default_rng(0))))
        return _Epoch(self, None, np.random.default_rng(0)).finished(*self._stream.first())

    def __repr__(self):
        count = "samples unknown" if self._count is None else f"{self._count} samples"
        count = count if self.batch_size is not None or self._count is None else f"{self._count} batches"
        return (f"Loader({count}, batch_size={self.batch_size}, shuffle={self.shuffle}, "
                f"prefetch={self.prefetch}, drop_last={self.drop_last})")


class _Epoch:
    """The batches of one iteration, made one after the other; `stop` is set when nobody wants more."""

    def __init__(self, loader, order, rng):
        self._loader, self._order, self._rng = loader, order, rng
        self.stop = threading.Event()

    def __iter__(self):
        loader = self._loader
        if loader._stream is not None:
            for batch, alone in loader._stream.batches(self._order, loader.drop_last, self.stop):
                yield self.finished(batch, alone)
            return
        end = len(self._order) if loader.samples > len(self._order) else loader.samples
        for i in range(0, end, loader.batch_size):
            batch = loader._read(self._order[i:i + loader.batch_size], self.stop)
            if batch is None:
                return
            yield self.finished(batch, loader._alone)

    def finished(self, batch, alone):
        """A batch as it is given out."""
        transform = self._loader.transform
        if transform is None:
            return batch[0] if alone else batch
        return transform(*batch, **({"rng": self._rng} if self._loader._takes_rng else {}))


def _prefetched(work, count):
    """The batches of `work`, made by a thread that is at most `count` ahead."""
    made, changed, process = deque(), threading.Condition(), os.getpid()
    thread = threading.Thread(target=_produce, args=(work, made, changed, count), name="cdl.data.Loader", daemon=True)

    def end():
        work.stop.set()
        # Another process has no such thread; and the thread itself may be where the garbage is collected
        if os.getpid() == process and thread.ident not in (None, threading.get_ident()):
            with changed:
                changed.notify()
            thread.join()       # no longer than one sample or one transform takes

    atexit.register(end)        # what is still under way then: once the interpreter ends, its thread could not be joined
    try:
        thread.start()
        while True:
            if os.getpid() != process:
                raise RuntimeError("Loader: this iteration belongs to the process that began it, its thread is not in this "
                                   "one; begin a new one")
            with changed:
                while not made:
                    changed.wait()
                kind, value = made.popleft()
                changed.notify()
            if kind == "end":
                return
            try:
                if kind == "error":
                    raise value
                yield value
            finally:
                del value       # the caller may be done with a batch before the next is there; an error would hold itself
    finally:
        atexit.unregister(end)
        end()


def _produce(work, made, changed, count):
    """In the thread: put ("batch", …) into `made`, and at last ("end", None) or ("error", what was raised)."""
    work_alone()
    batches = iter(work)
    while not work.stop.is_set():
        try:
            batch = next(batches, _END)
            entry = ("end", None) if batch is _END else ("batch", batch)
            del batch
        except BaseException as error:
            error.add_note("(raised in the thread of a cdl.data.Loader)")
            entry = "error", error
        with changed:
            made.append(entry)
            changed.notify()
            if entry[0] != "batch":
                return
            del entry
            while len(made) >= count and not work.stop.is_set():
                changed.wait()


def _reader(data):
    """(read(rows, stop), whether a batch is one array, how many samples there are) of arrays or a data set."""
    alone = hasattr(data, "__array__")
    if alone or (isinstance(data, tuple) and data):
        arrays = [data] if alone else list(data)
        if any(isinstance(array, np.ma.MaskedArray) for array in arrays):
            raise TypeError("Loader: masked arrays are not supported; fill the masked values first, with x.filled(value)")
        arrays = [np.asarray(array) for array in arrays]
        lengths = [len(array) if array.ndim else None for array in arrays]
        if None in lengths or len(set(lengths)) > 1:
            raise ValueError(f"Loader: expected arrays of one length, got shapes {[array.shape for array in arrays]}")
        forwards = [in_file(array) for array in arrays]
        return (lambda rows, stop: tuple(map(gathered, arrays, [rows] * len(arrays), forwards))), alone, lengths[0]
    if not (hasattr(data, "__getitem__") and hasattr(data, "__len__")) or isinstance(data, (str, bytes, dict)):
        raise TypeError("Loader: expected an array, a tuple of arrays, a data set with len() and data[i], an iterable of "
                        f"samples, or a function that returns one, got {type(data).__name__}")
    count = len(data)
    alone = count > 0 and not isinstance(data[0], tuple)
    return lambda rows, stop: _stacked(data, rows, stop), alone, count


def _stacked(data, rows, stop):
    """The samples of a data set as arrays, or None where nobody wants them any more."""
    samples = []
    for row in rows:
        if stop.is_set():
            return None
        sample = data[int(row)]
        samples.append(sample if isinstance(sample, tuple) else (sample,))
    return stacked(samples)


def _takes_rng(transform):
    try:
        return transform is not None and "rng" in inspect.signature(transform).parameters
    except (TypeError, ValueError):     # builtins without a signature
        return False
