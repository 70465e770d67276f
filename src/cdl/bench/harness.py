"""Starts one process per library, and has them time each row in turn, round after round."""

import contextlib
import json
import os
import select
import signal
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from .rows import ROWS


@dataclass(frozen=True)
class Peer:
    """A library to time: the module that drives it, what it must find installed, its own environment."""

    title: str
    module: str
    needs: tuple
    environ: tuple = ()
    uses_blas: bool = False  # its arithmetic is NumPy's BLAS
    here: bool = False  # it runs in this interpreter, wherever the others are installed


PEERS = {
    "cdl": Peer("cdl", "peer_cdl", ("cdl",), here=True),
    "loop": Peer("cdl, a loop by hand", "peer_loop", ("cdl",), here=True),
    "numpy": Peer("NumPy", "peer_numpy", ("numpy",), uses_blas=True),
    "torch": Peer("torch", "peer_torch", ("torch",)),
    "torch-avx512": Peer("torch, MKL AVX-512", "peer_torch", ("torch",), (("CDL_BENCH_MKL", "avx512"),)),
    "channels-last": Peer("torch, channels last", "peer_channels_last", ("torch",)),
    "compile": Peer("torch.compile", "peer_compile", ("torch",)),
    "jax": Peer("JAX", "peer_jax", ("jax",)),
    "onnxruntime": Peer("ONNX Runtime", "peer_onnx", ("onnxruntime", "onnx")),
    "openvino": Peer("OpenVINO", "peer_openvino", ("openvino",)),
    "sklearn": Peer("scikit-learn", "peer_sklearn", ("sklearn",), uses_blas=True),
    "thinc": Peer("Thinc", "peer_thinc", ("thinc",)),
    "tokenizers": Peer("tokenizers", "peer_tokenizers", ("tokenizers",), (("TOKENIZERS_PARALLELISM", "false"),)),
    "gensim": Peer("gensim", "peer_gensim", ("gensim",)),
}

# The child loads this folder as a package of its own name, so that `import cdl` does not run in a peer's process.
BOOT = """
import importlib.util as u, sys
folder, *args = sys.argv[1:]
spec = u.spec_from_file_location("cdl_bench", folder + "/__init__.py", submodule_search_locations=[folder])
sys.modules["cdl_bench"] = module = u.module_from_spec(spec)
spec.loader.exec_module(module)
from cdl_bench.worker import main
main(*args)
"""
ANSWER_SECONDS = 180  # the slowest honest answer is a first training of 30 epochs, a few seconds


def environment(peer, threads):
    """The environment of a worker: a thread count for every pool, nothing that picks BLAS kernels unseen."""
    env = {k: v for k, v in os.environ.items() if k not in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")}
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS"):
        env[name] = str(threads)
    # Where NumPy only computes the reference, its pool would spin beside the library's own.
    env["OPENBLAS_NUM_THREADS"] = str(threads if peer.uses_blas else 1)
    env.update(peer.environ, JAX_PLATFORMS="cpu", TF_CPP_MIN_LOG_LEVEL="2")
    return env


def _settle(cores, realtime):
    """In the child before Python starts, because a library may make its threads as soon as it is imported.

    Ctrl-C is the parent's to handle. So many cores and no more: JAX has no other way to be told its thread count.
    Real-time priority keeps other programs out of the figures, where it is permitted.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if not hasattr(os, "sched_setaffinity"):
        return
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-cores:])
    policy, priority = (os.SCHED_RR, 1) if realtime else (os.SCHED_OTHER, 0)
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, policy, os.sched_param(priority))


class WorkerError(Exception):
    """A worker ended, or did not answer in time."""


class Worker:
    """The process of one library."""

    def __init__(self, key, threads, python, realtime, cores=None):
        self.key, self.peer = key, PEERS[key]
        self.errors = tempfile.TemporaryFile("w+")
        command = [python, "-c", BOOT, str(Path(__file__).parent), self.peer.module, str(threads)]
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
            env=environment(self.peer, threads),
            preexec_fn=lambda: _settle(cores or threads, realtime),  # the parent has one thread: it cannot hang here
        )

    def ask(self, *request):
        """Send one request and wait for its answer."""
        try:
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            raise WorkerError(self._last_words()) from None
        ready, _, _ = select.select([self.process.stdout], [], [], ANSWER_SECONDS)
        if not ready:
            raise WorkerError(f"no answer in {ANSWER_SECONDS} s")
        line = self.process.stdout.readline()
        if not line:
            raise WorkerError(self._last_words())
        return json.loads(line)

    def _last_words(self):
        self.process.wait(10)
        self.errors.seek(0)
        lines = self.errors.read().strip().splitlines()
        return f"ended with status {self.process.returncode}: {lines[-1] if lines else 'no message'}"[:200]

    def close(self):
        """End the process."""
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.errors):
            with contextlib.suppress(BrokenPipeError):  # a request that the process did not live to read
                stream.close()


def installed(key, python):
    """Whether `python` has what the peer needs, found without importing it."""
    code = "import importlib.util as u, sys; sys.exit(not all(u.find_spec(n) for n in sys.argv[1:]))"
    found = subprocess.run([python, "-c", code, *PEERS[key].needs], stderr=subprocess.DEVNULL, check=False)
    return found.returncode == 0


def _has_amd_avx512():
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return False
    return "AuthenticAMD" in text and " avx512f " in text


def available(keys, python):
    """Those of the peers that can be timed here: cdl in this interpreter, the others in `python`."""
    found = [key for key in keys if installed(key, sys.executable if PEERS[key].here else python)]
    return [key for key in found if key != "torch-avx512" or _has_amd_avx512()]  # elsewhere it is plain torch


class Crew:
    """The workers of one thread count."""

    def __init__(self, keys, threads, python, realtime=True):
        self.threads, self.versions, self.workers, self.lost = threads, {}, {}, {}
        try:
            for key in keys:
                self.workers[key] = Worker(key, threads, sys.executable if PEERS[key].here else python, realtime)
            for key in keys:
                self.versions[key] = self._ask(key, "version")
            self.realtime = all(answer.get("realtime", True) for answer in self.versions.values())
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """End every process."""
        for worker in self.workers.values():
            worker.close()

    def _ask(self, key, *request):
        """The answer, or None with the reason kept in `lost` when the worker is gone."""
        try:
            return self.workers[key].ask(*request)
        except WorkerError as e:
            self.lost[key] = str(e)
            self.workers.pop(key).close()
            return {"fail": str(e)}

    def run(self, row, rounds, ms):
        """One row: every peer prepares and is checked, then all are timed in turn, `rounds` times."""
        cells, ready = {}, []
        for key in list(self.workers):
            if row.peers and key != "cdl" and key not in row.peers:
                continue
            answer = self._ask(key, "prepare", ROWS.index(row))
            if answer.get("error", 0) > row.tolerance:
                answer = {"fail": f"wrong result: error {answer['error']:.1e}, allowed {row.tolerance:.0e}"}
            cells[key] = answer
            if "error" in answer:
                ready.append(key)
        times, peaks = {key: [] for key in ready}, []
        for turn in range(rounds):
            if row.flop and "cdl" in self.workers:
                peaks.append(self._ask("cdl", "peak", 5, self.threads).get("gflops", 0))
            for i in range(len(ready)):
                key = ready[(turn + i) % len(ready)]  # nobody always follows the same neighbour
                answer = self._ask(key, "time", ms) if key in self.workers else {}
                times[key] += [answer["median"]] if "median" in answer else []
        for key, values in times.items():
            if values:
                cells[key] |= {"us": statistics.median(values) / 1e3, "spread": max(values) / min(values)}
        return {"row": row.name, "group": row.group, "threads": self.threads, "cells": cells} | (
            {"peak": statistics.median(peaks)} if peaks else {}
        )
