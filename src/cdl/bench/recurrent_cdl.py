"""Recurrent layers in cdl."""

import numpy as np

import cdl

from . import reference


def _op(d):
    return getattr(cdl.ops, d.cell)


def recurrent(d):
    """The function, nothing recorded."""
    f, args = _op(d), [cdl.Tensor(a) for a in (d.x, *d.weights)]
    return lambda: f(*args)[0], lambda: [f(*args)[0].data]


def recurrent_grad(d):
    """The function and .backward(g)."""
    f, args, g = _op(d), [cdl.Tensor(a, requires_grad=True) for a in (d.x, *d.weights)], cdl.Tensor(d.g)

    def run():
        for t in args:
            t.grad = None
        y = f(*args)[0]
        y.backward(g)
        return y

    return run, lambda: [run().data, *(np.asarray(t.grad) for t in args)]


def cell_step(d):
    """cdl.LSTMCell on its own state, as in a stream."""
    cell = cdl.LSTMCell(d.h.shape[1], in_features=d.x.shape[1])
    cell.load_state_dict(dict(zip(("weight_ih", "weight_hh", "bias_ih", "bias_hh"), d.weights, strict=True)))
    x, state = cdl.Tensor(d.x), (cdl.Tensor(d.h), cdl.Tensor(d.c))

    def run():
        with cdl.no_grad():
            return cell(x, state)

    return run, lambda: [t.data for t in run()]


def char_step(d):
    """Forward, loss, backward and Adam."""
    units = d.out.shape[0]
    lstm = cdl.LSTM(units, layers=len(d.stack), return_sequences=True, in_features=d.x.shape[2])
    lstm.load_state_dict({f"{name}_l{i}": a for i, w in enumerate(d.stack)
                          for name, a in zip(("weight_ih", "weight_hh", "bias_ih", "bias_hh"), w, strict=True)})
    head = cdl.Dense(d.out.shape[1], in_features=units)
    head.load_state_dict({"weight": d.out, "bias": d.bias})
    x, y = cdl.Tensor(d.x), cdl.Tensor(d.y)
    adam = cdl.Adam(lstm.parameters() + head.parameters(), lr=reference.LEARNING_RATE)

    def loss():
        return cdl.cross_entropy(y, head(lstm(x)).reshape(-1, d.out.shape[1]))

    def run():
        adam.zero_grad()
        loss().backward()
        adam.step()

    def outputs():
        value = loss()
        value.backward()
        return [value.item(), np.array(head.weight.grad), np.array(lstm.weight_hh_l0.grad)]

    return run, outputs
