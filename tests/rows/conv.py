"""Rows of convolutions: strides, dilations, groups, paddings; sizes that take each algorithm."""
import numpy as np
from optable import Row

from cdl.ops import conv1d, conv2d, conv_transpose2d

# Sums of up to 1,200 products of numbers up to 4; Winograd's transforms cost another digit (its docstring states the error).
SUMS = {"tolerance": {np.float32: 2e-4, np.float64: 1e-11}, "reason": "sums of up to 1,200 products of numbers up to 4",
        "layout_bits": False}


def pads(x, w, padding, stride, dilation):
    """((top, bottom), (left, right)) from the definitions of 'same' and 'valid'."""
    if padding == "valid":
        return ((0, 0), (0, 0))
    if padding == "same":
        found = []
        for axis in (0, 1):
            length, extent, step = x.shape[1 + axis], (w.shape[axis] - 1) * dilation[axis] + 1, stride[axis]
            total = max((-(-length // step) - 1) * step + extent - length, 0)
            found.append((total // 2, total - total // 2))
        return tuple(found)
    return padding


def convolution(x, w, b=None, stride=(1, 1), padding="valid", dilation=(1, 1), groups=1):
    """The sum over the kernel's taps, as the docstring of conv2d has it."""
    x = np.pad(x, ((0, 0), *pads(x, w, padding, stride, dilation), (0, 0)))
    R, S, inputs, K = w.shape
    P = (x.shape[1] - (R - 1) * dilation[0] - 1) // stride[0] + 1
    Q = (x.shape[2] - (S - 1) * dilation[1] - 1) // stride[1] + 1
    y = np.zeros((x.shape[0], P, Q, K), np.result_type(x, w))
    for group in range(groups):
        out, seen = slice(group * K // groups, (group + 1) * K // groups), slice(group * inputs, (group + 1) * inputs)
        for r in range(R):
            for s in range(S):
                top, left = r * dilation[0], s * dilation[1]
                window = x[:, top:top + (P - 1) * stride[0] + 1:stride[0], left:left + (Q - 1) * stride[1] + 1:stride[1], seen]
                y[..., out] += window @ w[r, s, :, out]
    return y if b is None else y + b


def transposed(x, w, stride=(1, 1), crop=((0, 0), (0, 0)), extra=(0, 0), groups=1):
    """Every pixel of x adds its kernel to y."""
    N, P, Q, C = x.shape
    R, S, outputs, _ = w.shape
    y = np.zeros((N, (P - 1) * stride[0] + R + extra[0], (Q - 1) * stride[1] + S + extra[1], outputs * groups))
    for i in range(P):
        for j in range(Q):
            for group in range(groups):
                seen = slice(group * C // groups, (group + 1) * C // groups)
                at = np.s_[:, i * stride[0]:i * stride[0] + R, j * stride[1]:j * stride[1] + S,
                           group * outputs:(group + 1) * outputs]
                y[at] += np.einsum("nc,rskc->nrsk", x[:, i, j, seen], w[..., seen])
    (top, bottom), (left, right) = crop
    return y[:, top:y.shape[1] - bottom, left:y.shape[2] - right]


PLAIN = (((2, 5, 6, 3), (3, 3, 3, 4), (4,)), ((1, 1, 1, 1), (1, 1, 1, 1), (1,)), ((2, 4, 4, 5), (1, 1, 5, 7), (7,)),
         ((0, 5, 5, 3), (3, 3, 3, 2), (2,)), ((1, 3, 3, 3), (3, 3, 3, 2), (2,)), ((1, 9, 7, 1), (5, 2, 1, 6), (6,)),
         ((1, 12, 12, 17), (3, 3, 17, 33), (33,)), ((3, 10, 9, 6), (5, 5, 6, 16), (16,)), ((1, 4, 4, 0), (3, 3, 0, 2), (2,)),
         ((1, 4, 4, 2), (3, 3, 2, 0), (0,)))
STRIDED = (((2, 9, 8, 3), (3, 3, 3, 4)), ((1, 14, 13, 3), (7, 7, 3, 5)), ((2, 6, 6, 4), (1, 1, 4, 5)))
RAISES = (
    (((5, 5, 3), (3, 3, 3, 2)), ValueError, r"x\[None\]"), (((1, 5, 5, 3), (3, 3, 3)), ValueError, "w must be"),
    (((1, 5, 5, 4), (3, 3, 3, 2)), ValueError, "expected 3 channels"),
    (((1, 2, 5, 3), (3, 3, 3, 2)), ValueError, "larger than the padded input"),
    (((1, 5, 5, 3), (0, 3, 3, 2)), ValueError, "no pixels"),
    (((1, 5, 5, 3), (3, 3, 3, 2), (3,)), ValueError, r"b must have shape \(2,\)"),
)
ROWS = [
    Row("conv2d", conv2d, convolution, PLAIN, ((1, 56, 56, 64), (3, 3, 64, 64), (64,)), raises=RAISES, **SUMS),
    Row("conv2d_same", lambda x, w, b: conv2d(x, w, b, padding="same"),
        lambda x, w, b: convolution(x, w, b, padding="same"),
        (((2, 5, 6, 3), (3, 3, 3, 4), (4,)), ((1, 7, 7, 18), (3, 3, 18, 20), (20,)), ((2, 4, 5, 2), (2, 4, 2, 3), (3,)),
         ((2, 13, 14, 16), (3, 3, 16, 16), (16,)), ((1, 1, 1, 2), (3, 3, 2, 2), (2,))), **SUMS),
    Row("conv2d_stride", lambda x, w: conv2d(x, w, stride=(2, 3), padding="same"),
        lambda x, w: convolution(x, w, stride=(2, 3), padding="same"), STRIDED, **SUMS),
    Row("conv2d_dilation", lambda x, w: conv2d(x, w, stride=(2, 1), padding=((1, 2), (3, 0)), dilation=(2, 3)),
        lambda x, w: convolution(x, w, stride=(2, 1), padding=((1, 2), (3, 0)), dilation=(2, 3)),
        (((2, 9, 8, 3), (3, 3, 3, 4)), ((1, 7, 12, 5), (4, 2, 5, 2))), **SUMS),
    Row("conv2d_groups", lambda x, w: conv2d(x, w, padding=1, groups=2),
        lambda x, w: convolution(x, w, padding=((1, 1), (1, 1)), groups=2),
        (((2, 5, 6, 6), (3, 3, 3, 4)), ((1, 8, 8, 4), (3, 3, 2, 6))), **SUMS),
    Row("conv2d_depthwise", lambda x, w: conv2d(x, w, padding=1, groups=18, stride=2),
        lambda x, w: convolution(x, w, padding=((1, 1), (1, 1)), groups=18, stride=(2, 2)),
        (((2, 7, 6, 18), (3, 3, 1, 18)), ((1, 5, 5, 18), (3, 3, 1, 36))), **SUMS),
    Row("conv2d_relu_added", lambda x, w, b, added: conv2d(x, w, b, padding=1, act="relu", added=added),
        lambda x, w, b, added: np.maximum(convolution(x, w, b, padding=((1, 1), (1, 1))) + added, 0),
        (((2, 5, 6, 3), (3, 3, 3, 4), (4,), (2, 5, 6, 4)), ((1, 7, 7, 20), (3, 3, 20, 40), (40,), (1, 7, 7, 40))),
        raises=((((1, 5, 5, 3), (3, 3, 3, 2), (2,), (1, 3, 3, 2)), ValueError, "shape of the output"),), **SUMS),
    Row("conv2d_tanh_of_pixels", lambda x, w, b, added: conv2d(x, w, b, act="tanh", added=added),
        lambda x, w, b, added: np.tanh(convolution(x, w, b) + added),
        (((2, 3, 2, 5), (1, 1, 5, 4), (4,), (2, 3, 2, 4)),), **SUMS),
    Row("conv1d", lambda x, w, b: conv1d(x, w, b, stride=2, padding=(2, 0), dilation=2),
        lambda x, w, b: convolution(x[:, None], w[None], b, (1, 2), ((0, 0), (2, 0)), (1, 2))[:, 0],
        (((2, 9, 3), (2, 3, 4), (4,)), ((0, 9, 3), (2, 3, 4), (4,))),
        raises=((((2, 9, 3, 1), (2, 3, 4), (4,)), ValueError, "N, T, channels"),
                (((2, 9, 3), (3, 4), (4,)), ValueError, "filters")), **SUMS),
    Row("conv_transpose2d", lambda x, w: conv_transpose2d(x, w, stride=(2, 1), padding=((1, 0), (1, 1)), output_padding=(1, 0)),
        lambda x, w: transposed(x, w, (2, 1), ((1, 0), (1, 1)), (1, 0)),
        (((2, 3, 4, 3), (3, 3, 5, 3)), ((1, 2, 2, 20), (4, 4, 3, 20))),
        raises=((((2, 3, 4, 3), (3, 3, 5, 4)), ValueError, "expected 4 channels"),
                (((1, 1, 1, 3), (1, 1, 5, 3)), ValueError, "nothing is left")), **SUMS),
    Row("conv_transpose2d_groups", lambda x, w: conv_transpose2d(x, w, stride=2, groups=2),
        lambda x, w: transposed(x, w, (2, 2), groups=2), (((2, 3, 3, 4), (2, 3, 3, 4)),), **SUMS),
]
