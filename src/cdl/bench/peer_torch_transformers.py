"""The networks of reference_transformer.py in torch, eager or compiled."""

import numpy as np
import torch
import torch.nn.functional as F

from . import reference
from .reference_transformer import EPSILON, forward


class Net(torch.nn.Module):
    """The weights as parameters, those of dense layers (outputs, inputs), and the functions that `forward` calls."""

    def __init__(self, net):
        super().__init__()
        self.net = net
        for name, array in net.weights.items():
            array = np.ascontiguousarray(array.T) if array.ndim == 2 and "." in name else array
            self.register_parameter(name.replace(".", "_"), torch.nn.Parameter(torch.from_numpy(array)))
        net.weights = None

    def _of(self, name):
        return [getattr(self, f"{name}_{part}".replace(".", "_")) for part in ("weight", "bias")]

    def embed(self, ids, start):
        return F.embedding(ids, self.tokens) + self.positions[start:start + ids.shape[1]]

    def add(self, a, b):
        return a + b

    def dense(self, x, name, act=None):
        z = F.linear(x, *self._of(name))
        return z if act is None else F.gelu(z, approximate="tanh" if act == "gelu_tanh" else "none")

    def norm(self, x, name):
        return F.layer_norm(x, x.shape[-1:], *self._of(name), EPSILON)

    def attend(self, joined, past):
        query, *pair = joined.chunk(3, dim=-1)
        if past is not None:
            pair = [torch.cat([old, new], 1) for old, new in zip(past, pair, strict=True)]
        parts = (part.unflatten(-1, (self.net.heads, -1)).transpose(1, 2) for part in (query, *pair))
        y = F.scaled_dot_product_attention(*parts, is_causal=self.net.causal and past is None)
        return y.transpose(1, 2).flatten(2)

    def scores(self, x):
        return F.linear(x, self.tokens)

    def forward(self, ids, past=None, scored=False):
        x = forward(self, self.net, ids, past)
        return self.scores(x if past is None else x[:, -1]) if scored else x


class Transformers:
    """The functions below; `compiled` is what becomes of a network."""

    def __init__(self, compiled=lambda f: f):
        self.compiled = compiled

    def transformer_predict(self, d, dtype=torch.float32):
        """The network in use, in inference mode."""
        net, ids = self.compiled(Net(d.net).eval().requires_grad_(False).to(dtype)), torch.from_numpy(d.ids)

        def run():
            with torch.inference_mode():
                return net(ids).float().numpy()

        return run, lambda: [run()]

    def transformer_predict_bfloat16(self, d):
        """The same with all of the network in bfloat16."""
        return self.transformer_predict(d, torch.bfloat16)

    def transformer_token(self, d):
        """One more token, its keys and values put behind those of the others."""
        net, ids = self.compiled(Net(d.net).eval().requires_grad_(False)), torch.from_numpy(d.ids)
        past = [[torch.from_numpy(part) for part in pair] for pair in d.past]

        def run():
            with torch.inference_mode():
                return net(ids, past, True).numpy()

        return run, lambda: [run()]

    def transformer_step(self, d):
        """Forward, loss, backward and the fused Adam."""
        module, ids, y = Net(d.net), torch.from_numpy(d.ids), torch.from_numpy(d.y).flatten()
        loss = self.compiled(lambda: F.cross_entropy(module(ids, None, True).flatten(0, 1), y))
        adam = torch.optim.Adam(module.parameters(), lr=reference.LEARNING_RATE, fused=True)

        def run():
            adam.zero_grad()
            value = loss()
            value.backward()
            adam.step()
            return value

        def outputs():
            value = loss()
            value.backward()
            grads = [p.grad.numpy().copy() for p in module._of("norm")]
            return [value.item(), *grads, reference.learns(lambda: loss().item(), run)]

        return run, outputs


_eager = Transformers()
transformer_predict, transformer_step = _eager.transformer_predict, _eager.transformer_step
transformer_predict_bfloat16, transformer_token = _eager.transformer_predict_bfloat16, _eager.transformer_token
