"""ONNX Runtime: forward only. Weights are constants of the graph, so it may pack them; outputs go to bound buffers."""

import numpy as np
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

_threads = 1


def start(threads):
    """For the sessions made from now on."""
    global _threads
    _threads = threads


def version():
    """The runtime's version."""
    return ort.__version__


def _session(nodes, inputs, constants, shape):
    """A session of the graph `nodes`, whose last output is y."""
    graph = helper.make_graph(
        [helper.make_node(op, ins, outs, **(options[0] if options else {})) for op, ins, outs, *options in nodes],
        "row",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, value.shape) for name, value in inputs.items()],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    # Opset 20 is the first with Gelu; IR 10 is what runtimes of the last two years read.
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=10)
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = _threads, 1
    return ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def _bound(nodes, inputs, constants, shape):
    session, out = _session(nodes, inputs, constants, shape), np.empty(shape, np.float32)
    binding = session.io_binding()
    for name, value in inputs.items():
        binding.bind_cpu_input(name, value)
    kept = ort.OrtValue.ortvalue_from_numpy(out)
    binding.bind_ortvalue_output("y", kept)

    def run():
        session.run_with_iobinding(binding)

    def outputs():
        run()
        return [kept.numpy()]

    return run, outputs


def dense(d):
    """MatMul of two inputs, or a layer with constant weights that the runtime fuses with its activation."""
    shape = (len(d.x), d.w.shape[1])
    if d.act is None:
        return _bound([("MatMul", ["x", "w"], ["y"])], {"x": d.x, "w": d.w}, {}, shape)
    if d.act == "relu":
        nodes = [("Gemm", ["x", "w", "b"], ["z"]), ("Relu", ["z"], ["y"])]
    else:
        nodes = [("MatMul", ["x", "w"], ["p"]), ("Add", ["p", "b"], ["z"]), ("Gelu", ["z"], ["y"])]
    return _bound(nodes, {"x": d.x}, {"w": d.w, "b": d.b}, shape)


def unary(d):
    """One node."""
    return _bound([(d.op.capitalize(), ["x"], ["y"])], {"x": d.x}, {}, d.x.shape)


def conv(d):
    """One Conv; images are (N, C, H, W) outside, and lie as it likes inside."""
    n, p, q, k = d.g.shape
    x, w = (np.ascontiguousarray(d.x.transpose(0, 3, 1, 2)), np.ascontiguousarray(d.w.transpose(3, 2, 0, 1)))
    node = ("Conv", ["x", "w"], ["y"], {"strides": [d.stride] * 2, "pads": [d.padding] * 4})
    run, outputs = _bound([node], {"x": x}, {"w": w}, (n, k, p, q))
    return run, lambda: [outputs()[0].transpose(0, 2, 3, 1)]


def network_predict(d):
    """The whole graph; images are (N, C, H, W) outside."""
    from .peer_onnx_networks import model

    options = ort.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = _threads, 1
    session = ort.InferenceSession(model(d.net, len(d.x)), options, providers=["CPUExecutionProvider"])
    d.net.weights = None
    x = np.ascontiguousarray(d.x.transpose(0, 3, 1, 2))

    def run():
        return session.run(None, {"x": x})

    return run, run


def _recurrent(d, x, states=()):
    from .peer_onnx_recurrent import model

    options = ort.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = _threads, 1
    cell = getattr(d, "cell", "lstm")
    return ort.InferenceSession(model(cell, d.weights, x.shape, states), options, providers=["CPUExecutionProvider"])


def recurrent(d):
    """One node; time is the first axis."""
    from .peer_onnx_recurrent import inputs

    x = inputs(d)
    session = _recurrent(d, x)

    def run():
        return session.run(None, {"x": x})[0]

    return run, lambda: [run()[:, 0].transpose(1, 0, 2)]


def cell_step(d):
    """The LSTM node over one step, with states in and out."""
    given = {"x": d.x[None], "h0": d.h[None], "c0": d.c[None]}
    session = _recurrent(d, given["x"], ("h0", "c0"))

    def run():
        return session.run(("h1", "c1"), given)

    return run, lambda: [a[0] for a in run()]


def _transformer(d, scored):
    from .peer_onnx_transformers import inputs, model

    options = ort.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = _threads, 1
    session, given = ort.InferenceSession(model(d, scored), options, providers=["CPUExecutionProvider"]), inputs(d)

    def run():
        return session.run(None, given)

    return run, run


def transformer_predict(d):
    """The whole graph."""
    return _transformer(d, False)


def transformer_token(d):
    """The whole graph; the keys and values before are inputs."""
    run, _ = _transformer(d, True)
    return run, lambda: [run()[0][:, -1]]


def predict(d):
    """From an ndarray to an ndarray."""
    nodes = [("Gemm", ["x", "w1", "b1"], ["h"]), ("Relu", ["h"], ["r"]), ("Gemm", ["r", "w2", "b2"], ["y"])]
    shape = (len(d.x), len(d.params[3]))
    session = _session(nodes, {"x": d.x}, dict(zip(("w1", "b1", "w2", "b2"), d.params, strict=True)), shape)

    def run():
        return session.run(None, {"x": d.x})

    return run, run


def attention(d):
    """The runtime's own MultiHeadAttention, whose heads lie side by side: (N, T, heads d)."""
    n, heads, t, size = d.q.shape
    q, k, v = (np.ascontiguousarray(a.swapaxes(1, 2)).reshape(n, t, -1) for a in (d.q, d.k, d.v))
    node = ("MultiHeadAttention", ["q", "k", "v"], ["y"],
            {"num_heads": heads, "unidirectional": int(d.causal), "domain": "com.microsoft"})
    run, outputs = _bound([node], {"q": q, "k": k, "v": v}, {}, q.shape)
    return run, lambda: [outputs()[0].reshape(n, t, heads, size).swapaxes(1, 2)]
