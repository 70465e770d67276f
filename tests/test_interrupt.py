"""Ctrl-C in the middle of one long call; test_train.py has the one in fit."""
import signal

import numpy as np
import pytest

import cdl


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs POSIX timers")
def test_an_interrupt_ends_a_long_backward_in_the_middle():
    w = cdl.Tensor(np.eye(384, dtype=np.float32), requires_grad=True)
    y = w
    for _ in range(200):
        y = y @ w
    loss = y.sum()
    before = signal.signal(signal.SIGPROF, signal.default_int_handler)
    try:
        signal.setitimer(signal.ITIMER_PROF, 0.02)      # of processor time; the whole backward takes ten times that
        with pytest.raises(KeyboardInterrupt):
            loss.backward()
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
    assert w.grad is None
