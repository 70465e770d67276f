"""Stand-ins, never committed."""
import numpy as np
from cdl import ops
from cdl._core.tensor import Tensor
from cdl.init import initialize
from cdl.nn.layer import Layer
from cdl.nn.activation import FUSED

__all__ = ["MaxPool2D", "AvgPool2D", "GlobalAvgPool2D", "Flatten"]

def _pair(v): return v if isinstance(v, tuple) else (v, v)

class _Pool(Layer):
    def __init__(self, pool_size=2, stride=None, padding=0):
        self.pool_size, self.stride, self.padding = pool_size, stride or pool_size, padding
    def cols(self, x, fill):
        k, st, p = self.pool_size, self.stride, self.padding
        if p: x = ops.pad(x, ((0, 0), (p, p), (p, p), (0, 0)), value=fill)
        P, Q = (x.shape[1] - k) // st + 1, (x.shape[2] - k) // st + 1
        return [x[:, r:r + (P - 1) * st + 1:st, s:s + (Q - 1) * st + 1:st, :] for r in range(k) for s in range(k)]
    def output_shape(self, s):
        one = lambda W: None if W is None else (W + 2 * self.padding - self.pool_size) // self.stride + 1
        return (s[0], one(s[1]), one(s[2]), s[3])
    def config(self): return dict(pool_size=self.pool_size, stride=self.stride, padding=self.padding)

class MaxPool2D(_Pool):
    def forward(self, x):
        a = self.cols(x, -1e30); y = a[0]
        for b in a[1:]: y = ops.maximum(y, b)
        return y

class AvgPool2D(_Pool):
    def forward(self, x):
        a = self.cols(x, 0.0); y = a[0]
        for b in a[1:]: y = y + b
        return y / len(a)

class GlobalAvgPool2D(Layer):
    def forward(self, x): return ops.mean(x, axis=(1, 2))
    def output_shape(self, s): return (s[0], s[3])

class Flatten(Layer):
    def forward(self, x): return ops.reshape(x, (x.shape[0], int(np.prod(x.shape[1:]))))
    def output_shape(self, s): return (s[0], int(np.prod(s[1:])))
