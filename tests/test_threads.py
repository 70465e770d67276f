"""The thread policy: every task once, the same bits, who limits the number of threads, and the back-off."""
import contextlib
import os
import subprocess
import sys
import time

import pytest

from cdl._core import host, threads

openmp = pytest.mark.skipif(not threads.openmp_info()["openmp"], reason="built without OpenMP")


@pytest.fixture(autouse=True)
def _default_policy():
    threads._back_off(False)
    yield
    threads._back_off(True)
    threads.set_num_threads(None)


def run(code, **environment):
    """The output of a Python program in a process of its own; a variable that is None is removed."""
    variables = {k: v for k, v in {**os.environ, **environment}.items() if v is not None}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, env=variables,
                          check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip() + done.stderr.strip()


@pytest.mark.parametrize("n", [1, 2, 3, 5, 8])
@pytest.mark.parametrize("tasks", [0, 1, 2, 7, 100])
def test_every_task_runs_once_with_the_same_bits(tasks, n):
    alone = threads._selftest(tasks, 3.0, 1)
    team = threads._selftest(tasks, 3.0, n)
    assert team["values"] == alone["values"]
    assert alone["owners"] == [0] * tasks
    assert set(team["owners"]) <= set(range(n))
    assert all(value != 0 for value in team["values"])


def test_a_sweep_begins_where_the_one_before_it_ended():
    there, back, again = (threads._selftest(10, 1.0, 1, swept=True)["order"] for _ in range(3))
    assert there == again == back[::-1]
    assert sorted([there, back]) == [list(range(10)), list(range(9, -1, -1))]


@openmp
@pytest.mark.parametrize("n", [2, 3, 70])
@pytest.mark.parametrize("tasks", [1, 2, 7, 200])
def test_a_sweep_on_several_threads_runs_every_task_once(tasks, n):
    alone = threads._selftest(tasks, 3.0, 1)
    for _ in range(2):      # there and back
        team = threads._selftest(tasks, 3.0, n, swept=True)
        assert team["values"] == alone["values"]
        assert sorted(team["order"]) == list(range(tasks))


@openmp
def test_a_thread_keeps_to_its_share_of_a_sweep_and_then_helps_the_others():
    for _ in range(2):
        owners = threads._selftest(8, 500.0, 2, swept=True, repeats=3)["owners"]
        assert set(owners[:2]) == {0} or set(owners[-2:]) == {1}    # who comes late finds part of its share done
    stalled = threads._selftest(8, 10.0, 2, swept=True, stall=5000)["owners"]
    assert stalled.count(0) >= 4


@openmp
def test_a_team_of_two_shares_the_work():
    assert set(threads._selftest(100, 1000.0, 2)["owners"]) == {0, 1}


@openmp
def test_a_team_grows_with_the_regions_that_follow():
    """On machines of many processors a first region of two tasks once held every later one to two threads."""
    code = """if 1:
        from cdl._core import threads
        for n in (2, 3, 6):
            print(sorted(set(threads._selftest(100, 500.0, n, stall=500)["owners"])))
    """
    assert run(code).splitlines() == ["[0, 1]", "[0, 1, 2]", "[0, 1, 2, 3, 4, 5]"]


@openmp
def test_a_smaller_region_keeps_the_idle_members_out():
    threads.set_num_threads(4)
    threads._selftest(400, 500.0)
    assert set(threads._selftest(100, 500.0, 2)["owners"]) == {0, 1}


@openmp
@pytest.mark.parametrize("n", [1, 2])
def test_a_task_gets_no_threads_of_its_own(n):
    assert set(threads._selftest(20, 100.0, n)["nested"]) == {1}


@openmp
def test_small_work_stays_on_one_thread():
    threads.set_num_threads(2)
    assert set(threads._selftest(100, 0.05, repeats=100)["owners"]) == {0}
    assert set(threads._selftest(100, 1000.0)["owners"]) == {0, 1}


@openmp
def test_short_work_after_a_pause_does_not_wake_the_team():
    threads.set_num_threads(2)
    time.sleep(0.01)
    assert set(threads._selftest(100, 0.5)["owners"]) == {0}


@pytest.mark.parametrize("n", [0, -1, 1025, 2**70])
def test_wrong_numbers_of_threads(n):
    with pytest.raises(ValueError, match=f"expected 1 to 1024 threads, or None for the default, got {n}"):
        threads.set_num_threads(n)


def test_a_number_of_threads_is_an_integer():
    with pytest.raises(TypeError):
        threads.set_num_threads(2.0)


@openmp
def test_the_number_set_may_exceed_the_processors():
    default = threads.get_num_threads()
    threads.set_num_threads(default + 3)
    assert threads.get_num_threads() == default + 3
    threads.set_num_threads(None)
    assert threads.get_num_threads() == default


@openmp
def test_threadpoolctl_lowers_even_a_number_that_was_set():
    threadpoolctl = pytest.importorskip("threadpoolctl")
    if threads.get_num_threads() == 1:
        pytest.skip("one processor: a limit of 1 cannot be told from none")
    threads.set_num_threads(5)
    with threadpoolctl.threadpool_limits(1):
        assert threads.get_num_threads() == 1
        assert set(threads._selftest(50, 200.0)["owners"]) == {0}
    assert threads.get_num_threads() == 5


@openmp
def test_affinity_is_honoured():
    code = """if 1:
        import os
        from cdl._core import threads
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        print(threads.get_num_threads(), *set(threads._selftest(50, 200.0)["owners"]))
    """
    assert run(code, OMP_NUM_THREADS="8") == "1 0"


@openmp
def test_omp_num_threads_is_honoured():
    assert run("from cdl._core import threads; print(threads.get_num_threads())", OMP_NUM_THREADS="1") == "1"


def cgroup(root, lines, files):
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(lines)
    for path, text in files.items():
        file = root / "sys/fs/cgroup" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


@pytest.mark.parametrize(("lines", "files", "quota"), [
    ("", {}, None),
    ("0::/\n", {"cpu.max": "max 100000\n"}, None),
    ("0::/\n", {"cpu.max": "150000 100000\n"}, 1.5),
    ("0::/a/b\n", {"a/b/cpu.max": "max 100000\n", "a/cpu.max": "400000 100000\n"}, 4.0),
    ("0::/a/b\n", {"a/b/cpu.max": "300000 100000\n", "a/cpu.max": "200000 100000\n"}, 2.0),
    ("0::/host/path\n", {"cpu.max": "50000 100000\n"}, 0.5),
    ("3:cpu,b:/x\n", {"cpu,b/x/cpu.cfs_quota_us": "200000", "cpu,b/x/cpu.cfs_period_us": "100000"}, 2.0),
    ("3:cpuacct,cpu:/x\n", {"cpu/cpu.cfs_quota_us": "70000", "cpu/cpu.cfs_period_us": "100000"}, 0.7),
    ("3:cpu:/\n", {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, None),
    ("3:cpu:/\n0::/\n", {"unified/cpu.max": "100000 100000"}, 1.0),
    ("0::/\n", {"cpu.max": "garbage"}, None),
    ("0::/\n", {"cpu.max": ""}, None),
    ("0::/\n", {"cpu.max": "100000 0"}, None),
])
def test_cpu_quota(tmp_path, lines, files, quota):
    cgroup(tmp_path, lines, files)
    assert host.cpu_quota(str(tmp_path)) == quota


def test_processors(monkeypatch):
    monkeypatch.setattr(host, "affinity", lambda: 4)
    assert [host.processors(q) for q in (None, 0.2, 1.0, 1.4, 1.5, 3.9, 64.0)] == [4, 1, 1, 1, 2, 4, 4]


@openmp
def test_a_real_quota_is_honoured():
    version_1 = os.path.isdir("/sys/fs/cgroup/cpu")
    group = f"/sys/fs/cgroup/{'cpu/' if version_1 else ''}cdl_test_quota_{os.getpid()}"
    files = {"cpu.cfs_quota_us": "100000"} if version_1 else {"cpu.max": "100000 100000"}
    try:
        os.mkdir(group)
        for name, text in files.items():
            with open(f"{group}/{name}", "w") as file:
                file.write(text)
    except OSError:
        with contextlib.suppress(OSError):
            os.rmdir(group)
        pytest.skip("control groups cannot be made here")
    code = f"""if 1:
        import os
        with open("{group}/cgroup.procs", "w") as file:
            file.write(str(os.getpid()))
        from cdl._core import threads
        print(threads.get_num_threads(), threads.openmp_info()["cpu_quota"])
    """
    try:
        assert run(code) == "1 1.0"
    finally:
        os.rmdir(group)


WATCH_IMPORT = """if 1:
    import ctypes, os
    import numpy
    getenv = ctypes.CDLL(None).getenv
    getenv.restype = ctypes.c_char_p
    before, tasks = dict(os.environ), len(os.listdir("/proc/self/task"))
    import cdl._core
    assert dict(os.environ) == before
    assert len(os.listdir("/proc/self/task")) == tasks
    print(getenv(b"GOMP_SPINCOUNT"), getenv(b"OMP_WAIT_POLICY"), cdl._core.threads.WAIT_POLICY)
"""


@openmp
@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="counts threads through /proc")
@pytest.mark.parametrize(("spin", "wait", "printed"), [
    (None, None, "None None GOMP_SPINCOUNT=10000"),
    ("77", None, "b'77' None GOMP_SPINCOUNT=77"),
    (None, "passive", "None b'passive' OMP_WAIT_POLICY=passive"),
])
def test_import_leaves_the_environment_and_starts_no_thread(spin, wait, printed):
    assert run(WATCH_IMPORT, GOMP_SPINCOUNT=spin, OMP_WAIT_POLICY=wait) == printed


@openmp
def test_libgomp_reads_the_wait_policy():
    if "libgomp" not in str(threads.openmp_info()["libraries"]):
        pytest.skip("another OpenMP")
    shown = run("import cdl._core", OMP_DISPLAY_ENV="VERBOSE", GOMP_SPINCOUNT=None, OMP_WAIT_POLICY=None)
    assert "GOMP_SPINCOUNT = '10000'" in shown


@openmp
def test_a_stalled_member_sends_small_work_to_one_thread():
    threads.set_num_threads(2)
    threads._back_off(True)
    before = threads._back_off()["retreats"]
    for _ in range(50):  # until the second member got a task, which on a busy machine it may not
        threads._selftest(20, 20.0, repeats=20, stall=5000)
        if threads._back_off()["seconds_left"] > 0:
            break
    state = threads._back_off()
    assert state["retreats"] > before
    assert 0 < state["seconds_left"] <= state["length"] <= 1.0
    threads._selftest(20, 5.0)
    assert set(threads._selftest(20, 20.0)["owners"]) == {0}
    assert set(threads._selftest(20, 1000.0)["owners"]) == {0, 1}, "large work is not held back"


@openmp
def test_the_pauses_grow_to_a_second():
    threads.set_num_threads(2)
    threads._back_off(True)
    lengths, end = [], time.monotonic() + 20
    while time.monotonic() < end and (not lengths or lengths[-1] < 1.0):
        threads._selftest(20, 20.0, repeats=5, stall=20_000)
        length = threads._back_off()["length"]
        if length and (not lengths or length != lengths[-1]):
            lengths.append(length)
    assert lengths == sorted(lengths)
    assert lengths[-1] == 1.0


@openmp
@pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_NPROC counts threads on Linux")
@pytest.mark.parametrize("limit", [1, 3])
def test_a_limit_on_threads_lowers_the_team(limit):
    """libgomp would end the process. The superuser has no such limit: there the program becomes another user first."""
    code = f"""if 1:
        import os, resource
        from cdl._core import threads
        if os.geteuid() == 0:
            resource.setrlimit(resource.RLIMIT_NPROC, ({limit}, {limit}))
            os.setgroups([]); os.setgid(54321); os.setuid(54321)
        else:
            resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))
        alone = threads._selftest(300, 300.0, 1)["values"]
        team = threads._selftest(300, 300.0, 8)
        print(team["values"] == alone, max(team["owners"]) < {limit})
    """
    assert run(code) == "True True"


def test_info_names_what_is_loaded():
    info = threads.openmp_info()
    assert info["threads"] >= 1
    assert info["processors"] == host.affinity()
    if info["openmp"] and sys.platform == "linux":
        assert any("omp" in path for path in info["libraries"])


@openmp
def test_calls_from_several_python_threads():
    import threading
    alone = threads._selftest(50, 20.0, 1)["values"]
    wrong = []

    def work():
        for _ in range(20):
            if threads._selftest(50, 20.0, 3)["values"] != alone:
                wrong.append(1)

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not wrong
