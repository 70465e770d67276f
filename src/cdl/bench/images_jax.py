"""Work on images for JAX, which is told that channels come last."""

import jax

from .peer_jax_call import call


def _convolution(d):
    padding = [(d.padding, d.padding)] * 2

    def f(x, w):
        return jax.lax.conv_general_dilated(x, w, (d.stride, d.stride), padding, dimension_numbers=("NHWC", "HWIO", "NHWC"))

    return f


def conv(d):
    """lax.conv_general_dilated."""
    run = call(_convolution(d), d.x, d.w)
    return run, lambda: [run()]


def conv_grad(d):
    """The function and its vector-Jacobian product in one compiled call."""
    f = _convolution(d)

    def both(x, w, g):
        y, pull = jax.vjp(f, x, w)
        dx, dw = pull(g)
        return (y, dw, dx) if d.wants_dx else (y, dw)

    run = call(both, d.x, d.w, d.g)
    return run, lambda: list(run())
