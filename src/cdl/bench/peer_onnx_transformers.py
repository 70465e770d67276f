"""The networks of reference_transformer.py as ONNX graphs, for ONNX Runtime and OpenVINO."""

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from .reference_transformer import EPSILON, forward


class Graph:
    """Nodes that the functions which `forward` calls append; values are their names."""

    def __init__(self, net, past=()):
        self.net, self.nodes, self.constants = net, [], []
        for name, array in net.weights.items():
            self._constant(name, array)
        self._constant("shape of heads", np.array([0, 0, net.heads, -1]))
        self._constant("shape of rows", np.array([0, 0, -1]))
        self._constant("scale", np.array((net.width // net.heads) ** -0.5, np.float32))
        self.past = past

    def _constant(self, name, array):
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def node(self, kind, *inputs, outputs=1, **options):
        names = [f"{kind}.{len(self.nodes)}.{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(kind, list(inputs), names, **options))
        return names[0] if outputs == 1 else names

    def embed(self, ids, start):
        rows = self._constant("places", self.net.weights["positions"][start:start + ids.shape[1]])
        return self.node("Add", self.node("Gather", "tokens", "ids"), rows)

    def add(self, a, b):
        return self.node("Add", a, b)

    def dense(self, x, name, act=None):
        z = self.node("Add", self.node("MatMul", x, name + ".weight"), name + ".bias")
        return z if act is None else self.node("Gelu", z, approximate="tanh" if act == "gelu_tanh" else "none")

    def norm(self, x, name):
        return self.node("LayerNormalization", x, name + ".weight", name + ".bias", epsilon=EPSILON)

    def _heads(self, x, axes=(0, 2, 1, 3)):
        return self.node("Transpose", self.node("Reshape", x, "shape of heads"), perm=list(axes))

    def attend(self, joined, past):
        query, key, value = self.node("Split", joined, outputs=3, axis=-1, num_outputs=3)
        if past is not None:
            key, value = (self.node("Concat", old.name, new, axis=1) for old, new in zip(past, (key, value), strict=True))
        z = self.node("Mul", self.node("MatMul", self._heads(query), self._heads(key, (0, 2, 3, 1))), "scale")
        y = self.node("MatMul", self.node("Softmax", z, axis=-1), self._heads(value))
        return self.node("Reshape", self.node("Transpose", y, perm=[0, 2, 1, 3]), "shape of rows")

    def scores(self, x):
        transposed = self._constant("output", self.net.weights["tokens"].T)
        return self.node("MatMul", x, transposed)


class _Past:
    """An input of the graph: keys or values of earlier positions."""

    def __init__(self, name, array):
        self.name, self.shape = name, array.shape


def model(d, scored=False):
    """The model's bytes: its inputs are ids and, for d.past, past.0.key, past.0.value, …"""
    pairs = [[_Past(f"past.{i}.{word}", array) for word, array in zip(("key", "value"), pair, strict=True)]
             for i, pair in enumerate(getattr(d, "past", ()))]
    graph = Graph(d.net)
    last = forward(graph, d.net, d.ids, pairs or None)
    shape = [*d.ids.shape, d.net.tokens if scored else d.net.width]
    last = graph.scores(last) if scored else last
    inputs = [helper.make_tensor_value_info("ids", TensorProto.INT64, d.ids.shape)]
    inputs += [helper.make_tensor_value_info(part.name, TensorProto.FLOAT, part.shape) for pair in pairs for part in pair]
    outputs = [helper.make_tensor_value_info(last, TensorProto.FLOAT, shape)]
    made = helper.make_graph(graph.nodes, "network", inputs, outputs, graph.constants)
    d.net.weights = None
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 20)], ir_version=10).SerializeToString()


def inputs(d):
    """The arrays by the names of the inputs."""
    return {"ids": d.ids} | {f"past.{i}.{word}": array for i, pair in enumerate(getattr(d, "past", ()))
                             for word, array in zip(("key", "value"), pair, strict=True)}
