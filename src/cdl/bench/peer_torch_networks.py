"""The networks of reference_networks.py in torch, in one of its two layouts, eager or compiled."""

from itertools import chain

import numpy as np
import torch
import torch.nn.functional as F

from . import reference
from .reference_networks import NORM_EPSILON


def _tensor(name, array, image, layout):
    """A weight in torch's order."""
    if array.ndim == 4:
        return torch.from_numpy(array).permute(3, 2, 0, 1).contiguous(memory_format=layout)
    if array.ndim == 2 and image:
        array = array.reshape(*image, -1).transpose(3, 2, 0, 1).reshape(array.shape[1], -1)
    elif array.ndim == 2:
        array = array.T
    return torch.from_numpy(np.ascontiguousarray(array))


class Net(torch.nn.Module):
    """The steps, whose weights are parameters and whose running statistics are buffers."""

    def __init__(self, net, layout):
        super().__init__()
        self.steps, self.last = net.steps, net.steps[-1][1]
        images = {out: options.get("image") for _, out, _, options in net.steps}
        for name, array in net.weights.items():
            tensor = _tensor(name, array, images[name.rpartition(".")[0]], layout)
            if "running" in name:
                self.register_buffer(name.replace(".", "_"), tensor)
            else:
                self.register_parameter(name.replace(".", "_"), torch.nn.Parameter(tensor))

    def _weights(self, out, *names):
        return [getattr(self, f"{out}.{name}".replace(".", "_"), None) for name in names]

    def forward(self, x):
        values = {"x": x}
        for what, out, inputs, options in self.steps:
            a, *rest = (values[name] for name in inputs)
            if what == "conv":
                y = F.conv2d(a, *self._weights(out, "weight", "bias"), options["stride"], options["padding"])
            elif what == "norm":
                y = F.batch_norm(a, *self._weights(out, "running_mean", "running_var", "weight", "bias"), self.training,
                                 0.1, NORM_EPSILON)
            elif what == "dense":
                y = F.linear(a, *self._weights(out, "weight", "bias"))
            elif what == "max_pool":
                y = F.max_pool2d(a, options["kernel"], options["stride"], options["padding"])
            elif what == "flatten":
                y = a.flatten(1)
            else:
                y = {"relu": torch.relu, "add": torch.add, "mean": lambda a: a.mean((2, 3))}[what](a, *rest)
            values[out] = y
        return values[self.last]


class Networks:
    """The functions below, for tensors of this memory format; `compiled` is what becomes of a network."""

    def __init__(self, layout, compiled=lambda f: f):
        self.layout, self.compiled = layout, compiled

    def _images(self, array):
        return torch.from_numpy(array).permute(0, 3, 1, 2).contiguous(memory_format=self.layout)

    def network_predict(self, d):
        """The network in use, in inference mode; images come as they lie in the network."""
        module, x = Net(d.net, self.layout).eval().requires_grad_(False), self._images(d.x)
        d.net.weights = None
        net = self.compiled(module)

        def run():
            with torch.inference_mode():
                return net(x).numpy()

        return run, lambda: [run()]

    def network_step(self, d):
        """Forward, loss, backward and the fused Adam."""
        module, x, y = Net(d.net, self.layout).train(), self._images(d.x), torch.from_numpy(d.y)
        net = self.compiled(module)
        adam = torch.optim.Adam(module.parameters(), lr=reference.LEARNING_RATE, fused=True)

        def run():
            adam.zero_grad()
            loss = F.cross_entropy(net(x), y)
            loss.backward()
            adam.step()
            return loss

        def loss():
            with torch.no_grad():
                return F.cross_entropy(module(x), y).item()

        def outputs():
            value = F.cross_entropy(module(x), y)
            value.backward()
            weight, bias = list(module.parameters())[-2:]
            return [value.item(), weight.grad.numpy().T.copy(), bias.grad.numpy().copy(), reference.learns(loss, run)]

        return run, outputs

    def network_epoch(self, d):
        """The loop of the tutorial over shuffled rows of one tensor (a DataLoader would be slower)."""
        module, x, y = Net(d.net, self.layout).train(), self._images(d.x), torch.from_numpy(d.y)
        net = self.compiled(module)

        def run():
            adam = torch.optim.Adam(module.parameters(), lr=reference.LEARNING_RATE, fused=True)
            for rows in torch.randperm(len(x)).split(d.batch):
                adam.zero_grad()
                F.cross_entropy(net(x[rows]), y[rows]).backward()
                adam.step()

        def outputs():
            run()
            with torch.no_grad():
                parts = [module(part).argmax(1) for part in x.split(256)]
            return [(torch.cat(parts) == y).float().mean().item()]

        return run, outputs


def frozen(module):
    """torch.compile; for inference with weights as constants, which folds batch normalisation into convolutions."""
    if not any(p.requires_grad for p in chain(module.parameters())):
        torch._inductor.config.freezing = True
    return torch.compile(module)


_first = Networks(torch.contiguous_format)
network_predict, network_step, network_epoch = _first.network_predict, _first.network_step, _first.network_epoch
