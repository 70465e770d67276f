"""Typed Cython over C kernels: the floors below the public functions."""
import os
from importlib import import_module


def _load_threads():
    """Import `threads`, and libgomp with it, so that waiting threads spin for a quarter of a millisecond, not for five.

    libgomp reads its wait policy while it is loaded. Spinning longer starves a machine that others use too; not at all
    makes every region wait 40 µs for its threads to wake. Whoever has set a policy keeps it, and the environment stays.
    """
    mine = "OMP_WAIT_POLICY" not in os.environ and "GOMP_SPINCOUNT" not in os.environ
    if mine:
        os.environ["GOMP_SPINCOUNT"] = "10000"
    try:
        import_module("cdl._core.threads")
    finally:
        if mine:
            del os.environ["GOMP_SPINCOUNT"]


_load_threads()
