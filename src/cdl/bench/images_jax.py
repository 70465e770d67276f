"""Work on images for JAX, which is told that channels come last."""

import jax
import jax.numpy as jnp

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


def _pool(d):
    window, stride = (1, d.size, d.size, 1), (1, d.stride, d.stride, 1)
    padding = [(0, 0), (d.padding, d.padding), (d.padding, d.padding), (0, 0)]
    if d.op == "avg":
        return lambda x: jax.lax.reduce_window(x, 0.0, jax.lax.add, window, stride, padding) / d.size**2
    if d.size != d.stride or d.padding or d.x.shape[1] % d.size:
        return lambda x: jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, window, stride, padding)
    # The same for windows side by side, a third of the time: reduce_window's gradient takes 250 ms of 73 here.
    n, h, w, c = d.x.shape
    return lambda x: x.reshape(n, h // d.size, d.size, w // d.size, d.size, c).max((2, 4))


def pool_grad(d):
    """lax.reduce_window, or the maximum over axes, and the vector-Jacobian product in one compiled call."""

    def both(x, g):
        y, pull = jax.vjp(_pool(d), x)
        return y, pull(g)[0]

    run = call(both, d.x, d.g)
    return run, lambda: list(run())


def image_norm_grad(d):
    """The formula and its vector-Jacobian product in one compiled call."""

    def norm(x, w, b, *past):
        h = x - x.mean(axis=(0, 1, 2))
        y = h * jax.lax.rsqrt((h * h).mean(axis=(0, 1, 2)) + d.eps) * w + b
        return jax.nn.relu(y + past[0] if past else y)

    def both(g, *inputs):
        y, pull = jax.vjp(norm, *inputs)
        return y, *pull(g)

    run = call(both, d.g, d.x, d.w, d.b, *([] if d.past is None else [d.past]))
    return run, lambda: list(run())


def upsample_grad(d):
    """jax.image.resize and its vector-Jacobian product in one compiled call."""

    def both(x, g):
        y, pull = jax.vjp(lambda x: jax.image.resize(x, d.g.shape, "bilinear"), x)
        return y, pull(g)[0]

    run = call(both, d.x, d.g)
    return run, lambda: list(run())
