"""Work on images for torch, in one of its two layouts: its tensors are (N, C, H, W) and lie so, or channels last."""

import numpy as np
import torch
import torch.nn.functional as F


class Images:
    """The functions below, for tensors of this memory format; `compiled` is what becomes of those that have a gradient."""

    def __init__(self, layout, compiled=lambda f: f):
        self.layout = layout
        self.compiled = compiled

    def tensor(self, array):
        """A (N, H, W, C) array as a tensor."""
        return torch.from_numpy(array).permute(0, 3, 1, 2).contiguous(memory_format=self.layout)

    def kernel(self, array):
        """(R, S, C, K) weights as a tensor (K, C, R, S)."""
        return torch.from_numpy(array).permute(3, 2, 0, 1).contiguous(memory_format=self.layout)

    @staticmethod
    def array(tensor):
        """(N, C, H, W) as (N, H, W, C)."""
        return tensor.detach().permute(0, 2, 3, 1).numpy()

    def conv(self, d):
        """F.conv2d, no gradient wanted."""
        x, w = self.tensor(d.x), self.kernel(d.w)

        def run():
            with torch.inference_mode():
                return F.conv2d(x, w, None, d.stride, d.padding)

        return run, lambda: [self.array(run())]

    def conv_grad(self, d):
        """F.conv2d and .backward(g)."""
        x, w, g = self.tensor(d.x).requires_grad_(d.wants_dx), self.kernel(d.w).requires_grad_(), self.tensor(d.g)

        def run():
            x.grad = w.grad = None
            y = F.conv2d(x, w, None, d.stride, d.padding)
            y.backward(g)
            return y

        def outputs():
            y, dw = self.array(run()), np.asarray(w.grad.permute(2, 3, 1, 0))
            return [y, dw, self.array(x.grad)] if d.wants_dx else [y, dw]

        return run, outputs

    def _grad(self, f, d, *others):
        """f of x and others, and .backward(g)."""
        x, g, f = self.tensor(d.x).requires_grad_(), self.tensor(d.g), self.compiled(f)

        def run():
            for t in (x, *others):
                t.grad = None
            y = f(x, *others)
            y.backward(g)
            return y

        def outputs():
            y = self.array(run())
            return [y, *(self.array(t.grad) if t.ndim == 4 else t.grad.numpy() for t in (x, *others))]

        return run, outputs

    def pool_grad(self, d):
        """F.max_pool2d or F.avg_pool2d, and .backward(g)."""
        pool = F.max_pool2d if d.op == "max" else F.avg_pool2d
        return self._grad(lambda x: pool(x, d.size, d.stride, d.padding), d)

    def image_norm_grad(self, d):
        """F.batch_norm, + and F.relu, and .backward(g)."""

        def f(x, w, b, *past):
            y = F.batch_norm(x, None, None, w, b, training=True, eps=d.eps)
            return F.relu(y + past[0] if past else y)

        w, b = (torch.from_numpy(a).requires_grad_() for a in (d.w, d.b))
        past = [] if d.past is None else [self.tensor(d.past).requires_grad_()]
        return self._grad(f, d, w, b, *past)

    def upsample_grad(self, d):
        """F.interpolate and .backward(g)."""
        return self._grad(lambda x: F.interpolate(x, scale_factor=2, mode="bilinear"), d)


_first = Images(torch.contiguous_format)
conv, conv_grad = _first.conv, _first.conv_grad
pool_grad, image_norm_grad, upsample_grad = _first.pool_grad, _first.image_norm_grad, _first.upsample_grad
