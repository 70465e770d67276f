"""Recurrent layers in torch, eager or compiled; its weights are (out, in)."""

import numpy as np
import torch
import torch.nn.functional as F

from . import reference


def _load(module, stack):
    for name, parameter in module.named_parameters():
        layer = int(name.rpartition("_l")[2]) if "_l" in name else 0
        array = stack[layer][("weight_ih", "weight_hh", "bias_ih", "bias_hh").index(name.partition("_l")[0])]
        parameter.data = torch.from_numpy(np.ascontiguousarray(array.T))
    return module


class Recurrent:
    """The functions below; `compiled` is what becomes of a module."""

    def __init__(self, compiled=lambda f: f):
        self.compiled = compiled

    def _layer(self, d):
        units = d.weights[1].shape[0]
        kind = {"rnn": torch.nn.RNN, "lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[d.cell]
        return _load(kind(d.x.shape[2], units, batch_first=True), [d.weights])

    def recurrent(self, d):
        """The module, in inference mode."""
        layer, x = self.compiled(self._layer(d).requires_grad_(False)), torch.from_numpy(d.x)

        def run():
            with torch.inference_mode():
                return layer(x)[0]

        return run, lambda: [run().numpy()]

    def recurrent_grad(self, d):
        """The module and .backward(g)."""
        module, x, g = self._layer(d), torch.from_numpy(d.x).requires_grad_(), torch.from_numpy(d.g)
        layer, leaves = self.compiled(module), [x, *module.parameters()]

        def run():
            for t in leaves:
                t.grad = None
            y = layer(x)[0]
            y.backward(g)
            return y

        def outputs():
            y = run().detach().numpy()
            return [y, x.grad.numpy(), *(p.grad.numpy().T for p in module.parameters())]

        return run, outputs

    def cell_step(self, d):
        """torch.nn.LSTMCell, in inference mode."""
        module = _load(torch.nn.LSTMCell(d.x.shape[1], d.h.shape[1]), [d.weights]).requires_grad_(False)
        cell, x, state = self.compiled(module), torch.from_numpy(d.x), (torch.from_numpy(d.h), torch.from_numpy(d.c))

        def run():
            with torch.inference_mode():
                return cell(x, state)

        return run, lambda: [t.numpy() for t in run()]

    def char_step(self, d):
        """Forward, loss, backward and the fused Adam."""
        lstm = _load(torch.nn.LSTM(d.x.shape[2], d.out.shape[0], num_layers=len(d.stack), batch_first=True), d.stack)
        head = torch.nn.Linear(*d.out.shape)
        head.weight.data, head.bias.data = torch.from_numpy(d.out.T.copy()), torch.from_numpy(d.bias)
        layer, last, x, y = self.compiled(lstm), self.compiled(head), torch.from_numpy(d.x), torch.from_numpy(d.y)
        adam = torch.optim.Adam([*lstm.parameters(), *head.parameters()], lr=reference.LEARNING_RATE, fused=True)

        def loss():
            return F.cross_entropy(last(layer(x)[0]).flatten(0, 1), y)

        def run():
            adam.zero_grad()
            loss().backward()
            adam.step()

        def outputs():
            value = loss()
            value.backward()
            return [value.item(), head.weight.grad.numpy().T.copy(), lstm.weight_hh_l0.grad.numpy().T.copy()]

        return run, outputs


_eager = Recurrent()
recurrent, recurrent_grad = _eager.recurrent, _eager.recurrent_grad
cell_step, char_step = _eager.cell_step, _eager.char_step
