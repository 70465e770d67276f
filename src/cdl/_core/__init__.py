"""Typed Cython over C kernels: the floors below the public functions."""
import os


def _load_threads():
    """Import `threads`, and libgomp with it, so that waiting threads spin for a quarter of a millisecond, not five.

    libgomp reads its wait policy while it is loaded. Spinning longer starves a machine that others use too; not at all makes
    every region wait 30 µs for its threads to wake. Whoever has set a policy keeps it, and the environment stays as it was.
    """
    if "OMP_WAIT_POLICY" in os.environ or "GOMP_SPINCOUNT" in os.environ:
        from . import threads  # noqa: F401
        return
    os.environ["GOMP_SPINCOUNT"] = "10000"
    try:
        from . import threads  # noqa: F401
    finally:
        del os.environ["GOMP_SPINCOUNT"]


_load_threads()
