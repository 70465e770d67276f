"""Recurrent layers in NumPy: those of reference_recurrent.py, in float32."""

from . import reference_recurrent as ref


def recurrent(d):
    """A loop over the steps."""
    return lambda: ref.forward(d.cell, d.x, *d.weights)[0], lambda: [ref.forward(d.cell, d.x, *d.weights)[0]]


def recurrent_grad(d):
    """The same, and back."""

    def run():
        y, kept = ref.forward(d.cell, d.x, *d.weights)
        return [y, *ref.gradients(d.cell, kept, d.g, d.x, *d.weights[:2])]

    return run, run


def cell_step(d):
    """One step."""
    w_ih, w_hh, b_ih, b_hh = d.weights

    def run():
        return ref.step("lstm", d.x @ w_ih + b_ih, d.h, d.c, w_hh, b_hh)[:2]

    return run, lambda: list(run())
