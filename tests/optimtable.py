"""Every optimizer and schedule, once: how to make it, what it computes in NumPy, and its torch counterpart."""
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import numpy as np

import cdl


@dataclass(frozen=True)
class Row:
    """One optimizer. `formula(p, g, state, t)` returns the new p; state is a dict of its own for each parameter."""

    name: str
    make: Callable                  # (params) → optimizer
    formula: Callable
    slots: int                      # state arrays per parameter
    torch: Callable | None          # (torch.optim, params) → torch's optimizer; None: torch has none
    clip: Callable = lambda grads: grads            # what the optimizer does to all gradients first
    torch_clip: Callable = lambda utils, params: None   # (torch.nn.utils, params)


def decayed(p, g, decay, decoupled, lr):
    """p and g as weight decay leaves them."""
    return (p * (1 - lr * decay), g) if decoupled else (p, g + decay * p)


def adam(p, g, state, t, lr=0.01, beta1=0.9, beta2=0.999, eps=1e-8, decay=0.0, decoupled=False, amsgrad=False):
    p, g = decayed(p, g, decay, decoupled, lr)
    state["m"] = beta1 * state.get("m", 0) + (1 - beta1) * g
    state["v"] = beta2 * state.get("v", 0) + (1 - beta2) * g**2
    state["top"] = np.maximum(state.get("top", 0), state["v"]) if amsgrad else state["v"]
    m_hat, v_hat = state["m"] / (1 - beta1**t), state["top"] / (1 - beta2**t)
    return p - lr * m_hat / (np.sqrt(v_hat) + eps)


def sgd(p, g, state, t, lr=0.05, momentum=0.0, nesterov=False, decay=0.0, decoupled=False):
    p, d = decayed(p, g, decay, decoupled, lr)
    if momentum:
        state["m"] = momentum * state.get("m", 0) + d
        d = d + momentum * state["m"] if nesterov else state["m"]
    return p - lr * d


def rmsprop(p, g, state, t, lr=0.01, rho=0.9, eps=1e-8, momentum=0.0, centred=False, decay=0.0, decoupled=False):
    p, g = decayed(p, g, decay, decoupled, lr)
    state["v"] = rho * state.get("v", 0) + (1 - rho) * g**2
    state["mean"] = rho * state.get("mean", 0) + (1 - rho) * g if centred else 0
    step = g / (np.sqrt(state["v"] - state["mean"] ** 2) + eps)
    state["m"] = momentum * state.get("m", 0) + step
    return p - lr * state["m"]


def adagrad(p, g, state, t, lr=0.05, eps=1e-10, start=0.0, decay=0.0, decoupled=False):
    p, g = decayed(p, g, decay, decoupled, lr)
    state["s"] = state.get("s", start) + g**2
    return p - lr * g / (np.sqrt(state["s"]) + eps)


def clip_norm(grads, bound):
    norm = np.sqrt(sum((g**2).sum() for g in grads))
    return [g * bound / norm for g in grads] if norm > bound else grads


def clip_value(grads, bound):
    return [np.clip(g, -bound, bound) for g in grads]


ROWS = [
    Row("Adam", lambda ps: cdl.Adam(ps, lr=0.01), adam, 2, lambda o, ps: o.Adam(ps, lr=0.01)),
    Row("Adam with decay", lambda ps: cdl.Adam(ps, lr=0.01, weight_decay=0.1), partial(adam, decay=0.1), 2,
        lambda o, ps: o.Adam(ps, lr=0.01, weight_decay=0.1)),
    Row("Adam in numbers of its own", lambda ps: cdl.AdamOptimizer(ps, 0.02, 0.8, 0.99, 1e-3),
        partial(adam, lr=0.02, beta1=0.8, beta2=0.99, eps=1e-3), 2,
        lambda o, ps: o.Adam(ps, lr=0.02, betas=(0.8, 0.99), eps=1e-3)),
    Row("AdamW", lambda ps: cdl.AdamW(ps, lr=0.01, weight_decay=0.1), partial(adam, decay=0.1, decoupled=True), 2,
        lambda o, ps: o.AdamW(ps, lr=0.01, weight_decay=0.1)),
    Row("AMSGrad", lambda ps: cdl.Adam(ps, lr=0.01, amsgrad=True), partial(adam, amsgrad=True), 3,
        lambda o, ps: o.Adam(ps, lr=0.01, amsgrad=True)),
    Row("AMSGrad with decoupled decay", lambda ps: cdl.AdamW(ps, lr=0.01, weight_decay=0.1, amsgrad=True),
        partial(adam, amsgrad=True, decay=0.1, decoupled=True), 3,
        lambda o, ps: o.AdamW(ps, lr=0.01, weight_decay=0.1, amsgrad=True)),
    Row("Adam, clipped by norm", lambda ps: cdl.Adam(ps, lr=0.01, eps=0.1, clip_norm=2.0), partial(adam, eps=0.1), 2,
        lambda o, ps: o.Adam(ps, lr=0.01, eps=0.1), partial(clip_norm, bound=2.0),
        lambda utils, ps: utils.clip_grad_norm_(ps, 2.0)),
    Row("SGD", lambda ps: cdl.SGD(ps, lr=0.05), sgd, 0, lambda o, ps: o.SGD(ps, lr=0.05)),
    Row("SGD with momentum and decay", lambda ps: cdl.SGD(ps, lr=0.05, momentum=0.9, weight_decay=0.01),
        partial(sgd, momentum=0.9, decay=0.01), 1, lambda o, ps: o.SGD(ps, lr=0.05, momentum=0.9, weight_decay=0.01)),
    Row("SGD with decoupled decay", lambda ps: cdl.SGD(ps, lr=0.05, weight_decay=0.1, decoupled=True),
        partial(sgd, decay=0.1, decoupled=True), 0, None),
    Row("SGD, clipped by value", lambda ps: cdl.SGD(ps, lr=0.05, clip_value=0.5), sgd, 0, lambda o, ps: o.SGD(ps, lr=0.05),
        partial(clip_value, bound=0.5), lambda utils, ps: utils.clip_grad_value_(ps, 0.5)),
    Row("SGD, no gradient beyond the norm", lambda ps: cdl.SGD(ps, lr=0.05, clip_norm=1e9), sgd, 0,
        lambda o, ps: o.SGD(ps, lr=0.05)),
    Row("Momentum", lambda ps: cdl.Momentum(ps, lr=0.05), partial(sgd, momentum=0.9), 1,
        lambda o, ps: o.SGD(ps, lr=0.05, momentum=0.9)),
    Row("Nesterov", lambda ps: cdl.Momentum(ps, lr=0.05, nesterov=True), partial(sgd, momentum=0.9, nesterov=True), 1,
        lambda o, ps: o.SGD(ps, lr=0.05, momentum=0.9, nesterov=True)),
    Row("RMSprop", lambda ps: cdl.RMSprop(ps, lr=0.01), rmsprop, 1, lambda o, ps: o.RMSprop(ps, lr=0.01, alpha=0.9)),
    Row("RMSprop, centred", lambda ps: cdl.RMSprop(ps, lr=0.01, rho=0.99, eps=1e-3, centred=True),
        partial(rmsprop, rho=0.99, eps=1e-3, centred=True), 2,
        lambda o, ps: o.RMSprop(ps, lr=0.01, alpha=0.99, eps=1e-3, centered=True)),
    Row("RMSprop with momentum and decay", lambda ps: cdl.RMSprop(ps, lr=0.01, momentum=0.5, weight_decay=0.1),
        partial(rmsprop, momentum=0.5, decay=0.1), 2,
        lambda o, ps: o.RMSprop(ps, lr=0.01, alpha=0.9, momentum=0.5, weight_decay=0.1)),
    Row("RMSprop, centred, with momentum and decoupled decay",
        lambda ps: cdl.RMSprop(ps, lr=0.01, momentum=0.5, centred=True, weight_decay=0.1, decoupled=True),
        partial(rmsprop, momentum=0.5, centred=True, decay=0.1, decoupled=True), 3, None),
    Row("Adagrad", lambda ps: cdl.Adagrad(ps, lr=0.05), adagrad, 1, lambda o, ps: o.Adagrad(ps, lr=0.05)),
    Row("Adagrad from 0.1, with decay", lambda ps: cdl.Adagrad(ps, lr=0.05, eps=1e-7, start=0.1, weight_decay=0.1),
        partial(adagrad, eps=1e-7, start=0.1, decay=0.1), 1,
        lambda o, ps: o.Adagrad(ps, lr=0.05, eps=1e-7, initial_accumulator_value=0.1, weight_decay=0.1)),
]


@dataclass(frozen=True)
class Schedule:
    """One schedule and its formula of the position."""

    name: str
    make: Callable
    formula: Callable
    torch: Callable | None = None   # (torch.optim.lr_scheduler, optimizer of lr 0.1) → torch's


def between(k, *knots):
    """Half a cosine from each of the knots (position, value) to the next."""
    for (start, before), (stop, after) in pairwise(knots):
        if k < stop:
            return before + (after - before) * (1 - np.cos(np.pi * (k - start) / (stop - start))) / 2
    return knots[-1][1]


SCHEDULES = [
    Schedule("ConstantRate", lambda **o: cdl.ConstantRate(0.1, **o), lambda k: 0.1),
    Schedule("ExponentialDecay", lambda **o: cdl.ExponentialDecay(0.1, 0.95, **o), lambda k: 0.1 * 0.95**k,
             lambda s, o: s.ExponentialLR(o, 0.95)),
    Schedule("ExponentialDecay every 4", lambda **o: cdl.ExponentialDecay(0.1, 0.5, every=4, **o),
             lambda k: 0.1 * 0.5 ** (k / 4)),
    Schedule("StepDecay", lambda **o: cdl.StepDecay(0.1, **o), lambda k: 0.1 / 2 ** (k // 5),
             lambda s, o: s.StepLR(o, 5, 0.5)),
    Schedule("CosineDecay", lambda **o: cdl.CosineDecay(0.1, 12, final=0.01, **o),
             lambda k: 0.01 + 0.09 * (1 + np.cos(np.pi * min(k, 12) / 12)) / 2,
             lambda s, o: s.CosineAnnealingLR(o, 12, 0.01)),
    Schedule("WarmUp", lambda **o: cdl.WarmUp(0.1, 3, **o), lambda k: 0.1 * min(k + 1, 4) / 4,
             lambda s, o: s.LinearLR(o, 0.25, 1.0, 3)),
    Schedule("WarmUp to ExponentialDecay", lambda **o: cdl.WarmUp(cdl.ExponentialDecay(0.1, 0.95, **o), 3),
             lambda k: 0.1 * (k + 1) / 4 if k < 3 else 0.1 * 0.95 ** (k - 3)),
    Schedule("PolynomialDecay", lambda **o: cdl.optim.PolynomialDecay(0.1, 10, 0.9, **o),
             lambda k: 0.1 * (1 - min(k, 10) / 10) ** 0.9, lambda s, o: s.PolynomialLR(o, 10, 0.9)),
    Schedule("PolynomialDecay to 0.01", lambda **o: cdl.optim.PolynomialDecay(0.1, 10, final=0.01, **o),
             lambda k: 0.01 + 0.09 * (1 - min(k, 10) / 10)),
    Schedule("PiecewiseConstant", lambda **o: cdl.optim.PiecewiseConstant([0.1, 0.05, 0.025], [3, 7], **o),
             lambda k: 0.1 / 2 ** ((k >= 3) + (k >= 7)), lambda s, o: s.MultiStepLR(o, [3, 7], 0.5)),
    Schedule("InverseSquareRoot", lambda **o: cdl.optim.InverseSquareRoot(0.1, 4, **o),
             lambda k: 0.1 * min((k + 1) / 4, 2 / np.sqrt(k + 1)),
             lambda s, o: s.LambdaLR(o, lambda k: min((k + 1) / 4, 2 * (k + 1) ** -0.5))),
    Schedule("CosineRestarts", lambda **o: cdl.optim.CosineRestarts(0.1, 4, final=0.01, **o),
             lambda k: 0.01 + 0.09 * (1 + np.cos(np.pi * (k % 4) / 4)) / 2,
             lambda s, o: s.CosineAnnealingWarmRestarts(o, 4, 1, 0.01)),
    Schedule("CosineRestarts, growing", lambda **o: cdl.optim.CosineRestarts(0.1, 3, growth=2, **o),
             lambda k: 0.1 * (1 + np.cos(np.pi * (k / 3 if k < 3 else (k - 3) / 6 if k < 9 else (k - 9) / 12 if k < 21 else
                                                  (k - 21) / 24))) / 2,
             lambda s, o: s.CosineAnnealingWarmRestarts(o, 3, 2)),
    Schedule("CosineRestarts, shrinking", lambda **o: cdl.optim.CosineRestarts(0.1, 5, shrink=0.5, final=0.02, **o),
             lambda k: 0.02 + 0.08 * 0.5 ** (k // 5) * (1 + np.cos(np.pi * (k % 5) / 5)) / 2),
    Schedule("OneCycle", lambda **o: cdl.optim.OneCycle(0.1, 20, **o),
             lambda k: between(k, (0, 0.004), (5, 0.1), (19, 4e-7)), lambda s, o: s.OneCycleLR(o, 0.1, 20)),
    Schedule("OneCycle in straight lines",
             lambda **o: cdl.optim.OneCycle(0.1, 20, rise=0.25, divide=10, final_divide=100, shape="linear", **o),
             lambda k: np.interp(k, (0, 4, 19), (0.01, 0.1, 0.0001)),
             lambda s, o: s.OneCycleLR(o, 0.1, 20, pct_start=0.25, div_factor=10, final_div_factor=100,
                                       anneal_strategy="linear")),
    Schedule("OneCycle in three phases", lambda **o: cdl.optim.OneCycle(0.1, 20, three_phases=True, **o),
             lambda k: between(k, (0, 0.004), (5, 0.1), (10, 0.004), (19, 4e-7)),
             lambda s, o: s.OneCycleLR(o, 0.1, 20, three_phase=True)),
    Schedule("Opposite of OneCycle", lambda **o: cdl.optim.OneCycle(0.1, 20, **o).opposite(0.8, 0.9),
             lambda k: between(k, (0, 0.9), (5, 0.8), (19, 0.9))),
    Schedule("WarmUp to CosineRestarts", lambda **o: cdl.WarmUp(cdl.optim.CosineRestarts(0.1, 4, **o), 3),
             lambda k: 0.1 * (k + 1) / 4 if k < 3 else 0.1 * (1 + np.cos(np.pi * ((k - 3) % 4) / 4)) / 2),
]
