"""Every op, once: a Row says how to call it, what it must equal, and what it refuses.

Consumers: tests/test_ops.py (values, gradients, errors, memory layouts, threads) and the benchmark. The rows of a family
stand in tests/rows/<family>.py, under the stem the family has on every floor.
"""
import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class Row:
    """One op. `op` takes arrays or Tensors; `ref` takes float64 arrays and is written from the formula."""

    name: str
    op: Callable
    ref: Callable
    cases: tuple                    # each case: a tuple of input shapes, one per argument
    bench: tuple = ()               # the input shapes to time, one per argument
    low: float = -2.0               # inputs are drawn uniformly from [low, high)
    high: float = 2.0
    away_from: tuple = ()           # kinks: inputs nearer than 0.01 are moved off them
    raises: tuple = ()              # (arguments, exception, words of the message) triples; shapes stand for arrays
    differentiable: bool = True
    tolerance: dict | None = None   # looser bounds than TOLERANCE, by dtype …
    reason: str = ""                # … and why; a row with the one has the other
    layout_bits: bool = True        # False: in another memory order a sum may be taken in another order
    numpy: Callable | None = None   # NumPy's own form, to time against and, on a Tensor, to check the protocol

    def __post_init__(self):
        if bool(self.tolerance) != bool(self.reason):
            raise ValueError(f"{self.name}: a looser tolerance and its reason go together")


# Relative and absolute error allowed against the float64 reference.
TOLERANCE = {np.float32: 4e-6, np.float64: 1e-13}


def tolerance(row, dtype):
    bound = (row.tolerance or {}).get(dtype, TOLERANCE[dtype])
    return {"rtol": bound, "atol": bound}


def draw(row, shapes, dtype, seed=0):
    """Inputs for one case, off the kinks of the op."""
    rng = np.random.default_rng(seed)
    arrays = [rng.uniform(row.low, row.high, shape) for shape in shapes]
    for kink in row.away_from:
        arrays = [np.where(np.abs(x - kink) < 0.01, kink + 0.1, x) for x in arrays]
    return [x.astype(dtype) for x in arrays]


def rows():
    """All rows, family by family."""
    found = []
    for path in sorted((Path(__file__).parent / "rows").glob("[a-z]*.py")):
        found += importlib.import_module(f"rows.{path.stem}").ROWS
    return found
