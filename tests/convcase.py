"""A convolution, its gradients and their references, on small integers: every sum is exact, whatever its order."""
import numpy as np
from rows.conv import convolution
from threadbits import assert_same_bits

import cdl
from cdl.ops import conv2d


def integers(shape, dtype=np.float32, seed=0):
    return np.random.default_rng([seed, *shape]).integers(-3, 4, shape).astype(dtype)


def gradients(x, w, g, stride, padding, dilation, groups):
    """dx and dw from the definition: each output pixel gives its gradient to what its taps saw."""
    (top, bottom), (left, right) = padding
    x = np.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)))
    (N, P, Q, K), (R, S, inputs, _) = g.shape, w.shape
    dx, dw = np.zeros(x.shape), np.zeros(w.shape)
    for r in range(R):
        for s in range(S):
            at = np.s_[:, r * dilation[0]:r * dilation[0] + (P - 1) * stride[0] + 1:stride[0],
                       s * dilation[1]:s * dilation[1] + (Q - 1) * stride[1] + 1:stride[1]]
            seen, of_group = x[at].reshape(N, P, Q, groups, inputs), g.reshape(N, P, Q, groups, K // groups)
            tap = w[r, s].reshape(inputs, groups, K // groups)
            dw[r, s] = np.einsum("npqgi,npqgk->igk", seen, of_group).reshape(inputs, K)
            dx[at] += np.einsum("npqgk,igk->npqgi", of_group, tap).reshape(N, P, Q, groups * inputs)
    return dx[:, top:dx.shape[1] - bottom, left:dx.shape[2] - right], dw


def agree(*shapes, **options):
    """y, dx, dw and db of a convolution have the exact values, where Winograd's way, which rounds, does not take part."""
    cdl.set_winograd(False)
    try:
        compare(*shapes, **options)
    finally:
        cdl.set_winograd(True)


def compare(x_shape, w_shape, dtype=np.float32, stride=(1, 1), padding=((0, 0), (0, 0)), dilation=(1, 1), groups=1):
    """Also a ReLU and an added array are applied to y."""
    x, w, b = (integers(s, dtype, i) for i, s in enumerate((x_shape, w_shape, w_shape[3:])))
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    want = convolution(*(a.astype(float) for a in (x, w, b)), **options)
    added, g = integers(want.shape, dtype, 3), integers(want.shape, dtype, 4)
    np.testing.assert_array_equal(conv2d(x, w, b, act="relu", added=added, **options), np.maximum(want + added, 0))
    tx, tw, tb = (cdl.Tensor(a, requires_grad=True) for a in (x, w, b))
    y = conv2d(tx, tw, tb, **options)
    np.testing.assert_array_equal(y, want)
    y.backward(g)
    dx, dw = gradients(*(a.astype(float) for a in (x, w, g)), **options)
    np.testing.assert_array_equal(tx.grad, dx)
    np.testing.assert_array_equal(tw.grad, dw)
    np.testing.assert_array_equal(tb.grad, g.sum((0, 1, 2)))


def same_bits(x_shape, w_shape, **options):
    """y, dx and dw have the same bits for 1, 2, 3 and 5 threads."""
    def run():
        draw = np.random.default_rng(1)
        x, w = (cdl.Tensor(draw.standard_normal(s).astype(np.float32), requires_grad=True) for s in (x_shape, w_shape))
        y = conv2d(x, w, act="tanh", **options)
        y.backward(draw.standard_normal(y.shape).astype(np.float32))
        return y.numpy(), x.grad.numpy(), w.grad.numpy()

    assert_same_bits(run)
