"""What is tried inside a library's own process beside its speed: forks, threads, memory, a neighbour."""

import contextlib
import ctypes
import gc
import hashlib
import os
import select
import signal
import time
from types import SimpleNamespace

import numpy as np

from . import reference
from .reference_networks import NETWORKS

WIDE = (128, 784, 512, 10)  # batch and sizes: every library uses a second thread for these products
SMALL = (32, 784, 512, 10)
TINY = (16, 4, 16, 3)
STARTED_STEPS = 1000  # until then a pool may fill


def digest(arrays):
    """A word for the bits of all arrays."""
    sha = hashlib.sha256()
    for array in arrays:
        sha.update(np.ascontiguousarray(array).tobytes())
    return sha.hexdigest()[:16]


def neighbour(peer, seconds):
    """Mean microseconds of a training step over so many seconds, whatever else the machine does meanwhile."""
    call = peer.step(reference.step(*SMALL)[0])[0]
    _spend(call, seconds / 4)
    return {"us": _spend(call, seconds)}


def _spend(call, seconds):
    start, count = time.perf_counter(), 0
    while (spent := time.perf_counter() - start) < seconds:
        call()
        count += 1
    return spent / count * 1e6


def fork(peer, patience):
    """Train, fork, train the same from the same start in the child: its seconds, and whether its bits are the same."""
    data = reference.step(*WIDE)[0]
    want = digest(peer.step(data)[1]())
    reader, writer = os.pipe()
    start = time.perf_counter()
    child = os.fork()
    if child == 0:
        signal.alarm(2 * int(patience) + 2)  # it never outlives a parent that was killed meanwhile
        try:
            os.write(writer, digest(peer.step(data)[1]()).encode())
        finally:
            os._exit(0)
    os.close(writer)
    ready, _, _ = select.select([reader], [], [], patience)
    seconds = time.perf_counter() - start
    got = os.read(reader, 100).decode() if ready else None
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    os.close(reader)
    return {"fail": f"hangs (over {patience:g} s)"} if got is None else {"seconds": seconds, "same": got == want}


def epochs(peer, threads):
    """The bits of the weights after three epochs with so many threads."""
    return {"digest": digest(peer.epochs(reference.digits(64, 512, 10)[0], threads))}


def memory(peer, steps):
    """Bytes by which the process and the library's pool grow over so many training steps."""
    call = peer.step(reference.step(*TINY)[0])[0]
    held = getattr(peer, "pool_bytes", lambda: 0)
    for _ in range(STARTED_STEPS):
        call()
    before = _resident(), held()
    for _ in range(steps):
        call()
    return {"resident": _resident() - before[0], "pool": held() - before[1]}


def _resident():
    with open("/proc/self/statm") as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def peak(peer, name, batch):
    """Bytes that the process, its interpreter and libraries included, has at most while the network infers."""
    net = NETWORKS[name]()
    x = np.random.default_rng(0).standard_normal((batch, net.size, net.size, net.channels)).astype(np.float32)
    call = peer.network_predict(SimpleNamespace(name=name, net=net, x=x))[0]
    del net
    gc.collect()
    with contextlib.suppress(AttributeError):
        ctypes.CDLL(None).malloc_trim(0)  # the reference's weights, which glibc keeps although they are freed
    with open("/proc/self/clear_refs", "w") as f:
        f.write("5")  # the peak counts from here: what loading took is another matter
    for _ in range(3):
        call()
    with open("/proc/self/status") as f:
        return {"peak": 1024 * int(f.read().partition("VmHWM:")[2].split()[0])}
