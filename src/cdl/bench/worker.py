"""The process of one library: it prepares, checks and times rows as it is told over a pipe, a line of JSON each."""

import importlib
import json
import os
import statistics
import sys
import time
from itertools import repeat

import numpy as np

from . import habits, reference
from .rows import ROWS

# A call is timed in batches at least this long: the clock's own 50 ns are then 0.1 % of what it says.
BATCH_NS = 50_000


def _batch(call, sync, number):
    start = time.perf_counter_ns()
    for _ in repeat(None, number):
        call()
    if sync:
        sync()
    return time.perf_counter_ns() - start


def measure(call, sync, ms):
    """Median and least nanoseconds a call, over batches that fill `ms` milliseconds; three at least, if they are short.

    A call longer than the whole time given (a training of 30 epochs) counts once: the rounds repeat it.
    """
    number = 1
    while (spent := _batch(call, sync, number)) < BATCH_NS:
        number = max(2 * number, int(number * BATCH_NS / max(spent, 1)))
    budget = ms * 1_000_000
    if spent > budget:
        times = [spent / number]
    else:
        times, end = [], time.perf_counter_ns() + budget
        while len(times) < 3 or time.perf_counter_ns() < end:
            times.append(_batch(call, sync, number) / number)
    return {"median": statistics.median(times), "min": min(times), "count": len(times) * number}


def error_of(outputs, expected):
    """The largest difference, as a share of the largest value, over all outputs; NaN counts as infinite."""
    if len(outputs) != len(expected):
        raise ValueError(f"expected {len(expected)} outputs, got {len(outputs)}")
    worst = 0.0
    for got, want in zip(outputs, expected, strict=True):
        got = np.asarray(got, dtype=float)
        if got.shape != np.shape(want):
            raise ValueError(f"expected an output of shape {np.shape(want)}, got {got.shape}")
        error = float(np.max(np.abs(got - want), initial=0) / (np.max(np.abs(want), initial=0) or 1))
        worst = max(worst, float("inf") if np.isnan(error) else error)
    return worst


def rest():
    """Wait until this process's threads sleep: pools spin on after their last call, OpenBLAS's for some 45 ms.

    The next library would otherwise start beside a busy core, and two real-time threads that once share a core are
    not parted by the kernel: a product of 0.2 ms was seen to take 30.
    """
    while True:
        before = time.process_time()
        time.sleep(0.02)  # the kernel brings the time of a thread on another core up to date once a tick, 10 ms at most
        if time.process_time() - before < 0.002:
            return


class Session:
    """One peer, and the row it is at."""

    def __init__(self, module, threads):
        self.peer = importlib.import_module("." + module, __package__)
        self.peer.start(threads)
        self.work = None
        self.rest = rest if threads > 1 else lambda: None

    def prepare(self, index):
        """Build the row's work and compare its outputs with the reference."""
        row = ROWS[index]
        self.work = None
        build = getattr(self.peer, row.kind, None)
        if build is None:
            return {"skip": "not in this library"}
        data, expected = getattr(reference, row.kind)(*row.args)
        work = build(data)
        if work is None:
            return {"skip": "not in this library"}
        call, outputs, *sync = work
        error = error_of(outputs(), expected)
        self.rest()
        self.work = call, sync[0] if sync else None
        return {"error": error}

    def time(self, ms):
        """Time the prepared row."""
        figures = measure(*self.work, ms)
        self.rest()
        return figures

    def peak(self, ms, threads):
        """GF/s of the FMA loop on so many threads (cdl only)."""
        return {"gflops": self.peer.fma_peak(ms, threads)}

    def trial(self, name, *args):
        """Try what is no row of times (habits.py)."""
        return getattr(habits, name)(self.peer, *args)

    def version(self):
        """The library's version and what else is worth knowing of its build."""
        realtime = hasattr(os, "SCHED_RR") and os.sched_getscheduler(0) == os.SCHED_RR
        return {"version": self.peer.version(), "realtime": realtime}


def main(module, threads):
    """Answer requests until the pipe closes."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # a library that prints does not reach the parent's pipe
    session = None
    for line in sys.stdin:
        name, *args = json.loads(line)
        try:
            if session is None:
                session = Session(module, int(threads))
            answer = getattr(session, name)(*args)
        except Exception as e:  # whatever a peer raises is an entry of the table, not the end of the run
            answer = {"fail": f"{type(e).__name__}: {e}".splitlines()[0][:200]}
        print(json.dumps(answer), file=answers, flush=True)
