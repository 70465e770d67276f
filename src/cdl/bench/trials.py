"""The promises that are no row of times: each is tried in fresh processes, and kept or not."""

import contextlib
import os
import subprocess
import sys
from dataclasses import dataclass

from .harness import Worker, WorkerError

SECONDS = 1.5  # of a measurement beside a neighbour; the kernel moves threads between cores every few milliseconds
PATIENCE = 10  # seconds before a forked child counts as hanging
STEPS = 100_000
PEAK_OF = ("resnet50", 1)  # network and batch


@dataclass(frozen=True)
class Trial:
    """One promise: `run(key, python)` gives an entry {text, ok} for one library."""

    name: str
    goal: str
    run: object
    peers: tuple


@contextlib.contextmanager
def _busy_core():
    """Another process, which computes all the time on the last core."""
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(process.pid, [max(os.sched_getaffinity(0))])
        yield
    finally:
        process.kill()
        process.wait()


def _ask(key, threads, python, *request):
    """The answer of a fresh process of this library, at normal priority, on two cores."""
    worker = Worker(key, threads, sys.executable if key == "cdl" else python, realtime=False, cores=2)
    try:
        return worker.ask("trial", *request)
    except WorkerError as e:
        return {"fail": str(e)}
    finally:
        worker.close()


def _neighbour(key, python):
    with _busy_core():
        one, two = (_ask(key, threads, python, "neighbour", SECONDS) for threads in (1, 2))
    if "fail" in one or "fail" in two:
        return {"text": "failed: " + (one.get("fail") or two["fail"]), "ok": False}
    ratio = two["us"] / one["us"]
    return {"text": f"{ratio:.2f} × ({one['us'] / 1e3:.2f} → {two['us'] / 1e3:.2f} ms)", "ok": ratio <= 1.5}


def _fork(key, python):
    answer = _ask(key, 2, python, "fork", PATIENCE)
    if "fail" in answer:
        return {"text": answer["fail"], "ok": False}
    text = f"{answer['seconds']:.2g} s, {'same' if answer['same'] else 'other'} bits"
    return {"text": text, "ok": answer["same"] and answer["seconds"] <= 2}


def _threads(key, python):
    answers = {threads: _ask(key, threads, python, "epochs", threads) for threads in (1, 2, 3, 5, 8)}
    failed = [answer["fail"] for answer in answers.values() if "fail" in answer]
    if failed:
        return {"text": "failed: " + failed[0], "ok": False}
    kinds = len({answer["digest"] for answer in answers.values()})
    return {"text": "equal" if kinds == 1 else f"{kinds} different results", "ok": kinds == 1}


def _memory(key, python):
    answer = _ask(key, 1, python, "memory", STEPS)
    if "fail" in answer:
        return {"text": "failed: " + answer["fail"], "ok": False}
    text = f"{answer['resident'] / 1024:+.0f} KB resident, {answer['pool']:+d} bytes in the pool"
    # The interpreter itself maps an arena of 1 MB now and then.
    return {"text": text, "ok": answer["pool"] <= 0 and answer["resident"] <= 1 << 20}


def _peak(key, python):
    answer = _ask(key, 1, python, "peak", *PEAK_OF)
    if "fail" in answer:
        return {"text": "failed: " + answer["fail"], "ok": False}
    return {"text": f"{answer['peak'] / 1e6:.0f} MB", "ok": answer["peak"] <= 160e6}


TRIALS = [
    Trial("step of 784-512-10, batch 32, 2 threads, a core kept busy by another process", "≤ 1.5 × one thread",
          _neighbour, ("cdl", "torch", "numpy")),
    Trial("training in a child forked from a process that has trained, 2 threads", "≤ 2 s, same bits",
          _fork, ("cdl", "numpy", "torch", "jax")),
    Trial("weights after 3 epochs with 1, 2, 3, 5 and 8 threads", "equal bit for bit", _threads, ("cdl", "torch")),
    Trial("memory after 100,000 steps of a 4-16-3 MLP", "does not grow", _memory, ("cdl",)),
    Trial("peak memory of ResNet-50 inference, 224², batch 1, 102 MB of weights", "≤ 160 MB", _peak,
          ("cdl", "onnxruntime", "openvino", "torch")),
]


def run(trial, keys, python):
    """The trial with each of the libraries that has a part in it."""
    cells = {key: trial.run(key, python) for key in keys if key in trial.peers}
    return {"trial": trial.name, "goal": trial.goal, "cells": cells}
