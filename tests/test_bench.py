"""The speed table: its rows are whole, its comparison sees wrong results, a run gives figures and a table."""
import sys

import numpy as np
import pytest

from cdl.bench import main, reference, report, worker
from cdl.bench.harness import PEERS, Crew
from cdl.bench.rows import ROWS, Row


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
