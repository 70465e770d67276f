"""Recurrent layers as ONNX graphs of one node, for ONNX Runtime and OpenVINO: weights are constants."""

import numpy as np
from onnx import TensorProto, helper, numpy_helper

# Where ONNX has torch's gates: LSTM i, o, f, g; GRU z, r, n.
ORDER = {"rnn": (0,), "lstm": (0, 3, 1, 2), "gru": (1, 0, 2)}


def _ordered(cell, array):
    """Columns by gate as rows by gate, in ONNX's order."""
    gates = np.split(array, len(ORDER[cell]), axis=-1)
    return np.concatenate([gates[i].T for i in ORDER[cell]])


def model(cell, weights, x_shape, states=()):
    """The model's bytes. Inputs: x (T, N, F) and the names in `states`; outputs: y (T, 1, N, H), and h, c with states."""
    t, n, _ = x_shape
    units = weights[1].shape[0]
    w_ih, w_hh, b_ih, b_hh = (_ordered(cell, a) for a in weights)
    constants = {"w": w_ih[None], "r": w_hh[None], "b": np.concatenate([b_ih, b_hh])[None]}
    options = {"linear_before_reset": 1} if cell == "gru" else {}
    outputs = ["y", "h1", "c1"] if states else ["y"]
    node = helper.make_node(cell.upper(), ["x", "w", "r", "b", *(["", *states] if states else [])], outputs, hidden_size=units,
                            **options)
    shapes = {"y": (t, 1, n, units)} | dict.fromkeys(("h1", "c1", *states), (1, n, units))
    info = helper.make_tensor_value_info
    graph = helper.make_graph([node], cell, [info(name, TensorProto.FLOAT, x_shape if name == "x" else shapes[name])
                                             for name in ("x", *states)],
                              [info(name, TensorProto.FLOAT, shapes[name]) for name in outputs],
                              [numpy_helper.from_array(np.ascontiguousarray(a), name) for name, a in constants.items()])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10).SerializeToString()


def inputs(d):
    """x as a sequence of batches."""
    return np.ascontiguousarray(d.x.transpose(1, 0, 2))
