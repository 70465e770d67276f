"""The speed table: its rows are whole, its comparison sees wrong results, a run gives figures and a table."""
import importlib.util
import json
import math
import os
import signal
import subprocess
import sys
import types

import numpy as np
import pytest

import cdl
from cdl._core.threads import openmp_info
from cdl.bench import habits, main, reference, report, trials, worker
from cdl.bench.harness import PEERS, Crew, available
from cdl.bench.rows import ROWS, Row

openmp = pytest.mark.skipif(not openmp_info()["openmp"], reason="built without OpenMP: no second thread to compare with")


def test_rows_have_unique_names_and_a_reference():
    assert len({row.name for row in ROWS}) == len(ROWS)
    assert [row.name for row in ROWS if not hasattr(reference, row.kind)] == []


def test_error_is_relative_to_the_largest_value_and_sees_nan():
    assert worker.error_of([[1.0, 9.0]], [np.array([1.0, 10.0])]) == pytest.approx(0.1)
    assert worker.error_of([[np.nan]], [np.array([1.0])]) == np.inf
    with pytest.raises(ValueError, match="shape"):
        worker.error_of([[1.0, 2.0]], [np.array([1.0])])


def test_measure_counts_only_calls_it_made():
    calls = []
    figures = worker.measure(lambda: calls.append(1), None, 1)
    assert 0 < figures["min"] <= figures["median"]
    assert 0 < figures["count"] < len(calls)


def test_reference_gradients_by_central_differences():
    data, (_, *grads) = reference.backprop(6, 4, 5, 3)
    x, params = data.x.astype(float), [p.astype(float) for p in data.params]
    rng = np.random.default_rng(0)
    step = [rng.standard_normal(p.shape) * 1e-5 for p in params]
    up = reference.loss_and_gradients([p + s for p, s in zip(params, step, strict=True)], x, data.y)[0]
    down = reference.loss_and_gradients([p - s for p, s in zip(params, step, strict=True)], x, data.y)[0]
    assert (up - down) / 2 == pytest.approx(sum((g * s).sum() for g, s in zip(grads, step, strict=True)), rel=1e-5)


def test_reference_gradients_of_the_regularised_network_by_central_differences():
    data = reference.regularised(6, 4, 5, 3)[0]
    x, weights = data.x.astype(float), [w.astype(float) for w in data.weights]
    grads, _ = reference.regularised_gradients(weights, x, data.y)

    def loss(weights):
        h = x
        for w in weights[:-1]:
            z = h @ w
            h = np.maximum((z - z.mean(0)) / np.sqrt(z.var(0) + reference.NORM_EPSILON), 0)
        return reference.loss_and_slope(h @ weights[-1], data.y)[0]

    rng = np.random.default_rng(0)
    step = [rng.standard_normal(w.shape) * 1e-6 for w in weights]
    up, down = (loss([w + sign * s for w, s in zip(weights, step, strict=True)]) for sign in (1, -1))
    of_weights = [g for g in grads if g.ndim == 2]
    assert (up - down) / 2 == pytest.approx(sum((g * s).sum() for g, s in zip(of_weights, step, strict=True)), rel=1e-4)


def test_a_crew_times_a_row_and_the_table_shows_it():
    row = next(row for row in ROWS if row.kind == "predict")
    with Crew(["numpy"], 1, sys.executable) as crew:
        result = crew.run(row, rounds=2, ms=1)
    entry = result["cells"]["numpy"]
    assert entry["error"] < 1e-5
    assert entry["us"] > 0.1
    lines = report.table([result], {})
    assert PEERS["numpy"].title in lines[0]
    assert report.duration(entry["us"]) in lines[2]


def test_a_worker_that_dies_is_an_entry_not_an_end():
    with Crew(["numpy"], 1, sys.executable) as crew:
        crew.workers["numpy"].process.kill()
        cells = crew.run(ROWS[0], rounds=1, ms=1)["cells"]
    assert "ended with status -9" in cells["numpy"]["fail"]


def test_verdict_wants_every_goal():
    row = Row("gemm", ROWS[0].name, "dense", (), flop=1e6, peak=(0.5,), ratio=2.0)
    result = {"threads": 1, "peak": 10.0, "cells": {"cdl": {"us": 150.0}, "numpy": {"us": 400.0}}}
    assert report.reached(row, result, None)
    result["cells"]["numpy"]["us"] = 290.0  # not twice as slow
    assert not report.reached(row, result, None)
    result["cells"] = {"cdl": {"us": 250.0}, "numpy": {"us": 900.0}}  # 40 % of the peak
    assert not report.reached(row, result, None)


def test_unknown_row_and_list(capsys):
    assert main(["no such row"]) == 2
    assert "no such row" in capsys.readouterr().err
    assert main(["--list"]) == 0
    assert ROWS[0].name in capsys.readouterr().out


def test_goals_over_single_peers_count():
    row = next(row for row in ROWS if row.over)
    assert "≥ 2 × JAX" in row.goal(1)
    cells = {"cdl": {"us": 10.0}, "jax": {"us": 21.0}, "torch": {"us": 29.0}}
    assert not report.reached(row, {"threads": 1, "cells": cells}, None)
    cells["torch"]["us"] = 31.0
    assert report.reached(row, {"threads": 1, "cells": cells}, None)


def test_a_share_of_the_peak_is_asked_for_only_where_it_is_given():
    row = Row("gemm", "name", "dense", (), peak=(0.9,))
    assert (row.share(1), row.share(2)) == (0.9, 0)
    assert "peak" in row.goal(1)
    assert "peak" not in row.goal(2)


def test_digest_sees_one_bit():
    array = np.ones(5, np.float32)
    other = array.copy()
    other[3] = np.nextafter(np.float32(1), np.float32(2))
    assert habits.digest([array]) == habits.digest([array.copy()]) != habits.digest([other])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.parametrize("name, args, key", [("fork", [10], "same"), ("memory", [10], "pool"),
                                             ("neighbour", [0.01], "us"), pytest.param("epochs", [3], "digest", marks=openmp)])
def test_habits_in_a_worker(name, args, key):
    with Crew(["cdl"], 1, sys.executable, realtime=False) as crew:
        answer = crew.workers["cdl"].ask("trial", name, *args)
    assert key in answer, answer
    if name == "fork":
        assert answer["same"]
        assert answer["seconds"] < 10


def test_a_promise_broken_is_shown():
    result = {"trial": "what", "goal": "goal", "cells": {"cdl": {"text": "hangs", "ok": False}}}
    assert report.habits([result])[2] == "| what | goal | hangs | no |"


def test_trials_name_libraries_and_goals():
    for trial in trials.TRIALS:
        assert "cdl" in trial.peers
        assert set(trial.peers) <= set(PEERS)


def test_report_shows_times_and_trials(tmp_path):
    store, page = tmp_path / "figures.json", tmp_path / "RESULTS.md"
    row = next(row for row in ROWS if row.kind == "predict")
    assert main([row.name, "--peers", "numpy", "--rounds", "1", "--ms", "1", "--store", str(store)]) == 0
    figures = json.loads(store.read_text())
    figures["habits"] = {"date": "", "machine": "", "realtime": False, "versions": {}, "results": [],
                         "trials": [{"trial": "what", "goal": "goal", "cells": {"cdl": {"text": "equal", "ok": True}}}]}
    store.write_text(json.dumps(figures))
    arguments = [row.name, "--peers", "numpy", "--rounds", "1", "--ms", "1"]
    assert main([*arguments, "--store", str(store), "--markdown", str(page)]) == 0
    text = page.read_text()
    assert row.name in text
    assert "| what | goal | equal | yes |" in text


@pytest.mark.parametrize("arguments, words", [
    (["--store", "no/such/folder/x"], "there is no folder no/such/folder"), (["--markdown", "."], ". is a folder"),
    (["--rounds", "0"], "expected a positive number, got 0")])
def test_what_cannot_work_is_told_before_the_measuring(arguments, words, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
    assert words in capsys.readouterr().err


def test_missing_libraries_are_named_in_one_line(capsys):
    missing = [key for key in PEERS if key not in available(PEERS, sys.executable)]
    if not missing:
        pytest.skip("every library is installed here")
    row = next(row for row in ROWS if row.kind == "predict")
    assert main([row.name, "--peers", "numpy", *missing, "--rounds", "1", "--ms", "1"]) == 0
    first = capsys.readouterr().out.splitlines()[0]
    assert first == "not installed, left out: " + ", ".join(PEERS[key].title for key in missing)


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_ctrl_c_ends_the_command_and_its_workers():
    command = [sys.executable, "-m", "cdl", "bench", "gemm", "--peers", "cdl", "numpy", "--full"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, start_new_session=True) as process:
        for line in process.stdout:
            if line.startswith("256"):
                break
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: the workers get it too
        _, error = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in error
    assert "interrupted" in error
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)  # nobody is left


NETWORKS = {"cnn", "transformer"}


def smallest():
    """The smallest row of each kind of work and each op; of networks one does for all, whose steps are the same."""
    rows = {}
    sizes = {i: (math.prod(a for a in row.args if isinstance(a, int)), row.flop) for i, row in enumerate(ROWS)}
    for i, row in sorted(enumerate(ROWS), key=lambda pair: sizes[pair[0]]):
        rows.setdefault((row.kind, *(a for a in row.args if not isinstance(a, int) and row.group not in NETWORKS)), i)
    return sorted(rows.values())


@pytest.mark.parametrize("index", smallest(), ids=lambda i: ROWS[i].name)
@pytest.mark.parametrize("module", ["peer_cdl", "peer_numpy", "peer_loop"])
def test_what_is_timed_is_right(module, index):
    row, session = ROWS[index], worker.Session(module, 1)
    answer = session.prepare(index)
    if "skip" in answer:
        known = {"peer_cdl": row.group != "estimators" or bool(importlib.util.find_spec("sklearn")),
                 "peer_loop": row.group == "fit",
                 "peer_numpy": "gelu" not in row.name and not row.peers and row.kind != "regularised"
                 and row.group not in {*NETWORKS, "tokenizers"}}
        assert not known[module]
        return
    assert answer["error"] <= ROWS[index].tolerance
    if row.kind not in {"digits", "char_step"}:     # the work of seconds, which a test need not do again
        assert session.time(1)["min"] > 0


def test_a_session_says_its_version_and_knows_what_its_library_lacks():
    session = worker.Session("peer_cdl", 1)
    assert cdl.__version__ in session.version()["version"]
    assert 0 < session.peak(1, 1)["gflops"] < 1e4
    session.peer = types.SimpleNamespace()
    assert session.prepare(0) == {"skip": "not in this library"}


@openmp
def test_habits_in_this_process():
    session = worker.Session("peer_cdl", 1)
    before = cdl.get_num_threads()
    try:
        words = {session.trial("epochs", threads)["digest"] for threads in (1, 2)}
    finally:
        cdl.set_num_threads(before)
    assert len(words) == 1
    assert session.trial("neighbour", 0.01)["us"] > 1
    assert session.trial("memory", 10)["pool"] <= 0


@pytest.mark.skipif(sys.platform != "linux", reason="forks, and reads /proc")
@openmp
@pytest.mark.parametrize("trial", trials.TRIALS, ids=lambda trial: trial.goal)
def test_every_trial_gives_an_entry(trial, monkeypatch):
    monkeypatch.setattr(trials, "SECONDS", 0.01)
    monkeypatch.setattr(trials, "STEPS", 10)
    monkeypatch.setattr(trials, "PEAK_OF", ("lenet5", 1))
    entry = trials.run(trial, ["cdl"], sys.executable)["cells"]["cdl"]
    assert "failed" not in entry["text"]
    if "bits" in trial.goal or "bit for bit" in trial.goal:
        assert entry["ok"], entry


@pytest.mark.parametrize("trial", trials.TRIALS, ids=lambda trial: trial.goal)
def test_a_trial_that_fails_is_an_entry(trial, monkeypatch):
    monkeypatch.setattr(trials, "_ask", lambda *_: {"fail": "no such library"})
    assert trials.run(trial, ["cdl"], sys.executable)["cells"]["cdl"] == {
        "text": "no such library" if "fork" in trial.name else "failed: no such library", "ok": False}
