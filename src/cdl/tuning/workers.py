"""Where trials run: in this process, or in several others, which may die without ending the search."""
import contextlib
import multiprocessing
import os
import pickle
import signal
import sys
import tempfile
import traceback
from multiprocessing.connection import wait
from pathlib import Path

import numpy as np

from cdl._core.threads import get_num_threads, set_num_threads
from cdl.tuning.running import BuildError, advance

__all__ = ["Alone", "Workers", "start_method"]

# How long a worker that was asked to end may take before it is killed.
_PATIENCE = 2.0


def start_method(start):
    """How workers come to be: a fork shares data and takes any build, and is what works with threads only on Linux."""
    known = multiprocessing.get_all_start_methods()
    if start is None:
        return "fork" if sys.platform == "linux" else "spawn"
    if start not in ("fork", "spawn") or start not in known:
        raise ValueError(f"tune: start must be {' or '.join(repr(name) for name in ('fork', 'spawn') if name in known)}, "
                         f"got {start!r}")
    return start


class Alone:
    """One trial after the other, in this process."""

    free = property(lambda self: not self._done)
    busy = property(lambda self: bool(self._done))

    def __init__(self, plan):
        self._plan, self._done = plan, []

    def start(self, number, parameters, until, before):
        """Train a trial up to an epoch."""
        self._done.append((number, advance(self._plan, number, parameters, until, before)))

    def wait(self):
        """(number, outcome) of what is done."""
        done, self._done = self._done, []
        return done

    def close(self):
        """Nothing to end."""


class Workers:
    """So many processes, each with its share of the threads; they are started when there is work for them."""

    def __init__(self, plan, count, start, opened=()):
        self._opened = list(opened)     # files that a fork is to close
        self._plan, self._count, self._context = plan, count, multiprocessing.get_context(start)
        self._threads = max(1, get_num_threads() // count)
        self._idle, self._at_work, self._folder = [], {}, None
        plan.parent = os.getpid()
        if start == "spawn":
            self._pickled()

    def _pickled(self):
        """Arrays in files that workers map, and a plan that can be pickled."""
        try:
            pickle.dumps((self._plan.build, self._plan.space, self._plan.options))
        except Exception as error:
            raise ValueError("tune: workers that are spawned get build, space and options pickled, and one of them cannot be: "
                             f"{error}; make build a function of a module (not a lambda, nor one inside a function), or take "
                             "workers=1") from None
        self._folder = tempfile.TemporaryDirectory(prefix="cdl-tune-")

    @property
    def free(self):
        """Whether another trial may start."""
        return len(self._at_work) < self._count

    @property
    def busy(self):
        """Whether a trial runs."""
        return bool(self._at_work)

    def start(self, number, parameters, until, before):
        """Have a trial trained up to an epoch."""
        worker = self._idle.pop() if self._idle else self._made()
        try:
            worker[1].send((number, self._plan.space.encode(parameters), until, before))
        except (BrokenPipeError, ConnectionResetError):     # it died idle
            _ended(worker)
            worker = self._made()
            worker[1].send((number, self._plan.space.encode(parameters), until, before))
        self._at_work[worker[1]] = worker, number

    def _made(self):
        ours, theirs = self._context.Pipe()
        others = [worker[1] for worker in self._idle] + list(self._at_work) + [ours, *self._opened]
        forked = self._folder is None
        plan = self._plan if forked else _Mapped(self._plan, self._folder.name)
        process = self._context.Process(target=_work, args=(plan, theirs, others if forked else [], self._threads),
                                        name="cdl.tune", daemon=True)
        with _undisturbed():
            process.start()
        theirs.close()
        if not forked:
            try:
                ours.recv()         # that it has begun
            except EOFError:
                _ended((process, ours))
                raise ValueError("tune: a worker that was spawned ended before it began (what it said stands above); such a "
                                 "worker runs the program's file first, so what is not a definition there belongs below "
                                 "`if __name__ == '__main__':`") from None
        return process, ours

    def wait(self):
        """(number, outcome) of those that are done, or died, once there is one."""
        done = []
        for connection in wait(list(self._at_work)):
            worker, number = self._at_work.pop(connection)
            try:
                outcome = connection.recv()
            except (EOFError, ConnectionResetError):
                outcome = dict(error=_death(worker), traceback=None, seconds=0.0)
            else:
                self._idle.append(worker)
            if isinstance(outcome, BaseException):
                raise outcome
            done.append((number, outcome))
        return done

    def close(self):
        """End all workers: those at work at once."""
        workers = [*self._idle, *(worker for worker, _ in self._at_work.values())]
        self._idle, self._at_work = [], {}
        for process, connection in workers:
            connection.close()
            process.terminate()
        for worker in workers:
            _ended(worker)
        if self._folder is not None:
            self._folder.cleanup()


@contextlib.contextmanager
def _undisturbed():
    """No Ctrl-C comes while a process begins; the mask is its heritage, so that it is not met before it ignores Ctrl-C."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _ended(worker):
    process, connection = worker
    connection.close()
    process.join(_PATIENCE)
    if process.is_alive():
        process.kill()
        process.join()


def _death(worker):
    """Why a worker is no more."""
    _ended(worker)
    code = worker[0].exitcode
    if code is not None and code < 0:
        name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
        return f"the worker was ended by {name}" + (", as the system does when memory runs out" if -code == 9 else "")
    return f"the worker ended itself with status {code}"


class _Mapped:
    """A plan on its way to a spawned worker: arrays are files there, mapped by all and read by each as it needs them."""

    def __init__(self, plan, folder):
        self._fields = dict(vars(plan), last=None)
        for name in ("train", "held"):
            arrays = self._fields[name]
            if isinstance(arrays, tuple):
                self._fields[name] = tuple(None if a is None else _saved(a, Path(folder, f"{name}{i}.npy"))
                                           for i, a in enumerate(arrays))

    def plan(self):
        """The plan, in the worker."""
        from cdl.tuning.running import Plan

        plan = Plan.__new__(Plan)
        vars(plan).update(self._fields)
        for name in ("train", "held"):
            arrays = self._fields[name]
            if isinstance(arrays, tuple):
                setattr(plan, name, tuple(np.load(a, mmap_mode="r") if isinstance(a, Path) else a for a in arrays))
        return plan


def _saved(array, path):
    if not path.exists():
        np.save(path, array, allow_pickle=False)
    return path


def _work(plan, connection, others, threads):
    """The life of a worker: trials until the connection is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)        # Ctrl-C is the search's matter: it ends its workers
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    for other in others:        # ends of the search's that the fork copied: they would keep the pipes open after its death
        other.close()
    if isinstance(plan, _Mapped):
        plan = plan.plan()
        connection.send("begun")
    set_num_threads(threads)
    while True:
        try:
            number, parameters, until, before = connection.recv()
        except (EOFError, OSError):
            return
        try:
            outcome = advance(plan, number, plan.space.decode(parameters), until, before)
        except BuildError as error:
            outcome = error
        except BaseException as error:      # what ends an interpreter ends this trial only
            outcome = dict(error=f"{type(error).__name__}: {error}", traceback=traceback.format_exc(), seconds=0.0)
        try:
            connection.send(outcome)
        except (BrokenPipeError, ConnectionResetError):
            return
