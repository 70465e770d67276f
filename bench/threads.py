"""Measures the pool and the thread policy: what a region and an allocation cost, and a busy neighbour.

`python bench/threads.py` prints the launches and the allocations, run it under `chrt -r 1`. `python bench/threads.py busy`
prints small regions beside another process that keeps the second processor busy; run that one without a real-time
priority, which would push the other process aside.
"""
import contextlib
import statistics
import subprocess
import sys
import time

from cdl._core import memory, threads


def launches():
    """Microseconds of an empty region of two threads, after so long a pause."""
    threads._back_off(False)
    threads._selftest(2, 0, 2, 1000)
    print(f"{threads.WAIT_POLICY}: empty region of 2 threads, hot  {median(2, 0, 2, 100_000):7.2f} us")
    print(f"one thread (no region)                  {median(2, 0, 1, 100_000):7.3f} us")
    for pause in (0.2, 1, 5, 20):
        took = []
        for _ in range(60):
            time.sleep(pause / 1000)
            took += threads._selftest(2, 0, 2)["took"]
        print(f"after {pause:4g} ms idle                      {statistics.median(took):7.2f} us")
    for each in (2.5, 5, 10, 20, 50):
        alone, team = (median(4, each, n, 2000) for n in (1, 2))
        print(f"work of {alone:6.1f} us on 2 threads, hot      {team:7.2f} us   {alone / team:.2f}x")


def median(tasks, microseconds, n, repeats):
    return statistics.median(threads._selftest(tasks, microseconds, n, repeats)["took"])


def allocations():
    """Nanoseconds of an allocation and its free, reused and fresh."""
    for size in (64, 4096, 1 << 20, 64 << 20):
        times = []
        for limit, rounds in ((2 << 30, 1_000_000), (0, 2000)):
            memory.set_memory_limit(limit)
            memory._time(size, rounds)
            start = time.perf_counter()
            memory._time(size, rounds)
            times.append((time.perf_counter() - start) / rounds * 1e9)
        print(f"allocation and free of {size:9d} bytes: reused {times[0]:6.1f} ns, fresh (untouched) {times[1]:8.1f} ns")


def mean(microseconds, n, seconds=2.0):
    repeats, took = max(1, int(5e4 / microseconds)), []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        took += threads._selftest(8, microseconds / 8, n, repeats)["took"]
    return statistics.mean(took)


@contextlib.contextmanager
def neighbour():
    process = subprocess.Popen(["taskset", "-c", "1", sys.executable, "-c", "while 1: pass"])
    time.sleep(0.5)
    try:
        yield
    finally:
        process.kill()
        process.wait()


def neighbours():
    """Small regions on up to two threads against one thread, with and without the back-off."""
    threads.set_num_threads(2)
    for name, company in (("alone", contextlib.nullcontext), ("busy neighbour", neighbour)):
        with company():
            for microseconds in (30, 100, 300, 1000, 5000):
                alone = mean(microseconds, 1)
                ratios = []
                for enabled in (False, True):
                    threads._back_off(enabled)
                    ratios.append(mean(microseconds, 0) / alone)
                print(f"{name:15s} {alone:7.0f} us of work: {ratios[0]:.2f} of the time of one thread without back-off, "
                      f"{ratios[1]:.2f} with", flush=True)


if __name__ == "__main__":
    if "busy" in sys.argv[1:]:
        neighbours()
    else:
        launches()
        allocations()
