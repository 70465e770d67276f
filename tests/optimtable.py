"""Every optimizer, once: how to make it, what one update is in NumPy, and its torch counterpart."""
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

import cdl


@dataclass(frozen=True)
class Row:
    """One optimizer. `formula(p, g, state, t)` returns the new p; state is a dict of its own for each parameter."""

    name: str
    make: Callable                  # (params) → optimizer
    formula: Callable
    torch: Callable                 # (torch, params) → torch's optimizer
    slots: int                      # state arrays per parameter


def adam(p, g, state, t, lr=0.01, beta1=0.9, beta2=0.999, eps=1e-8, decay=0.0, decoupled=0.0):
    g = g + decay * p
    p = p * (1 - lr * decoupled)
    state["m"] = beta1 * state.get("m", 0) + (1 - beta1) * g
    state["v"] = beta2 * state.get("v", 0) + (1 - beta2) * g**2
    m_hat, v_hat = state["m"] / (1 - beta1**t), state["v"] / (1 - beta2**t)
    return p - lr * m_hat / (np.sqrt(v_hat) + eps)


def sgd(p, g, state, t, lr=0.05, momentum=0.0, nesterov=False, decay=0.0):
    d = g + decay * p
    if momentum:
        state["m"] = momentum * state.get("m", 0) + d
        d = d + momentum * state["m"] if nesterov else state["m"]
    return p - lr * d


ROWS = [
    Row("Adam", lambda ps: cdl.Adam(ps, lr=0.01), adam, lambda torch, ps: torch.optim.Adam(ps, lr=0.01), 2),
    Row("Adam with decay", lambda ps: cdl.Adam(ps, lr=0.01, weight_decay=0.1),
        lambda *a: adam(*a, decay=0.1), lambda torch, ps: torch.optim.Adam(ps, lr=0.01, weight_decay=0.1), 2),
    Row("AdamW", lambda ps: cdl.AdamW(ps, lr=0.01, weight_decay=0.1),
        lambda *a: adam(*a, decoupled=0.1), lambda torch, ps: torch.optim.AdamW(ps, lr=0.01, weight_decay=0.1), 2),
    Row("SGD", lambda ps: cdl.SGD(ps, lr=0.05), sgd, lambda torch, ps: torch.optim.SGD(ps, lr=0.05), 0),
    Row("SGD with momentum and decay", lambda ps: cdl.SGD(ps, lr=0.05, momentum=0.9, weight_decay=0.01),
        lambda *a: sgd(*a, momentum=0.9, decay=0.01),
        lambda torch, ps: torch.optim.SGD(ps, lr=0.05, momentum=0.9, weight_decay=0.01), 1),
    Row("SGD with Nesterov's rule", lambda ps: cdl.SGD(ps, lr=0.05, momentum=0.9, nesterov=True),
        lambda *a: sgd(*a, momentum=0.9, nesterov=True),
        lambda torch, ps: torch.optim.SGD(ps, lr=0.05, momentum=0.9, nesterov=True), 1),
]
