"""fork: children of a process that has used its threads and its pool work, with a full team and the same bits."""
import subprocess
import sys

import pytest

from cdl._core import memory, threads

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="fork is Linux's default for a child")
openmp = pytest.mark.skipif(not threads.openmp_info()["openmp"], reason="built without OpenMP")

START = """if 1:
    import os, signal, sys, threading, time
    from cdl._core import memory, threads
    threads.set_num_threads(2)

    def children(n, work, before=lambda: None):
        '''How many of n children ended well within 2 s.'''
        good = 0
        for _ in range(n):
            before()
            pid = os.fork()
            if pid == 0:
                status = 1
                try:
                    status = 0 if work() else 2
                finally:
                    os._exit(status)
            end = time.monotonic() + 2
            done, status = 0, 1
            while not done and time.monotonic() < end:
                done, status = os.waitpid(pid, os.WNOHANG)
                time.sleep(0.001)
            if not done:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
            good += bool(done) and status == 0
        return good

    expected = threads._selftest(60, 500.0, 1)["values"]

    def region(members={0, 1}):
        result = threads._selftest(60, 500.0, 2)
        return result["values"] == expected and set(result["owners"]) == members

    stop = threading.Event()

    def start(work):
        def loop():
            while not stop.is_set():
                work()
        thread = threading.Thread(target=loop)
        thread.start()
        return thread
"""


def run(code):
    done = subprocess.run([sys.executable, "-c", START + code], capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@openmp
def test_children_of_a_parent_that_has_trained():
    assert run("""
    print(children(20, region, before=lambda: threads._selftest(40, 20.0, 2, 10)), region())
    """) == "20 True"


@openmp
def test_children_while_another_thread_is_in_a_region():
    assert run("""
    thread = start(lambda: threads._selftest(20, 200.0, 2, 5))
    good = children(20, region, before=lambda: threads._selftest(40, 20.0, 2, 3))
    stop.set()
    thread.join()
    print(good, region())
    """) == "20 True"


@openmp
def test_grandchildren():
    assert run("""
    print(children(3, lambda: region() and children(3, region) == 3 and region(), before=region))
    """) == "3"


@openmp
def test_a_child_of_a_region_runs_alone():
    """Inside a region the team cannot be ended: the child has no threads, and must not wait for any."""
    if "libgomp" not in str(threads.openmp_info()["libraries"]):
        pytest.skip("another OpenMP")
    assert run("""
    import ctypes
    gomp = ctypes.CDLL(next(path for path in threads.openmp_info()["libraries"] if "libgomp" in path))
    region()
    here, good = threading.get_ident(), []

    @ctypes.CFUNCTYPE(None, ctypes.c_void_p)
    def body(_):
        if threading.get_ident() == here:
            alone = lambda: region({0}) and threads.get_num_threads() == 1 and children(1, lambda: region({0})) == 1
            good.append(children(3, alone))

    gomp.GOMP_parallel(body, None, 2, 0)
    print(good[0], region())
    """) == "3 True"


@pytest.mark.skipif(not memory.memory_stats()["pooled"], reason="AddressSanitizer's allocator may be locked in a child")
def test_children_while_other_threads_use_the_pool():
    assert run("""
    workers = [start(lambda: memory._stress(20000, 5)) for _ in range(2)]
    good = children(20, lambda: memory._stress(20000, 7) == 0)
    stop.set()
    for worker in workers:
        worker.join()
    print(good)
    """) == "20"


def test_a_pool_of_processes():
    assert run("""
    import multiprocessing
    region()
    with multiprocessing.get_context("fork").Pool(3) as pool:
        print(pool.map(len, ["a"] * 5), [pool.apply(region, ()) or region() for _ in range(2)] != [])
    """) == "[1, 1, 1, 1, 1] True"
