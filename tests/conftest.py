"""Makes the tables importable from every test, and every test start from the same random state."""
import signal
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

# A shell that runs the tests in the background has them, and all they start, ignore Ctrl-C; the tests of it need it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def rng():
    import numpy as np

    return np.random.default_rng(0)
