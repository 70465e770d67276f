"""OpenVINO: forward only. Weights are constants of the model, so that it may pack and transform them."""

import numpy as np
import openvino as ov
from openvino import opset13 as op

_threads = 1


def start(threads):
    """For the models compiled from now on."""
    global _threads
    _threads = threads


def version():
    """The runtime's version."""
    return ov.__version__


def compiled(result, *inputs):
    """The model that computes `result`, in float32: left alone it takes bfloat16 where the processor has it."""
    options = {"INFERENCE_NUM_THREADS": _threads, "INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
    return ov.Core().compile_model(ov.Model([result], list(inputs)), "CPU", options)


def conv(d):
    """One Convolution; images are (N, C, H, W) outside, and lie as it likes inside."""
    x = np.ascontiguousarray(d.x.transpose(0, 3, 1, 2))
    image, pads = op.parameter(x.shape, np.float32), [d.padding, d.padding]
    weight = op.constant(np.ascontiguousarray(d.w.transpose(3, 2, 0, 1)))
    request = compiled(op.convolution(image, weight, [d.stride] * 2, pads, pads, [1, 1]), image).create_infer_request()
    request.set_input_tensor(ov.Tensor(x, shared_memory=True))

    def run(_kept=x):   # the request does not hold the array
        return request.infer()

    return run, lambda: [run()[0].transpose(0, 2, 3, 1)]


def _recurrent(cell, d, given):
    """A request of the ONNX graph of one node; the arrays are its inputs' memory."""
    from .peer_onnx_recurrent import model

    options = {"INFERENCE_NUM_THREADS": _threads, "INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
    graph = model(cell, d.weights, given["x"].shape, tuple(name for name in given if name != "x"))
    request = ov.Core().compile_model(ov.Core().read_model(graph), "CPU", options).create_infer_request()
    for name, array in given.items():
        request.set_tensor(name, ov.Tensor(array, shared_memory=True))
    return request


def recurrent(d):
    """One node; time is the first axis."""
    from .peer_onnx_recurrent import inputs

    given = {"x": inputs(d)}
    request = _recurrent(d.cell, d, given)

    def run(_kept=given):
        return request.infer()[0]

    return run, lambda: [run()[:, 0].transpose(1, 0, 2)]


def cell_step(d):
    """The LSTM node over one step, with states in and out."""
    given = {"x": d.x[None].copy(), "h0": d.h[None].copy(), "c0": d.c[None].copy()}
    request = _recurrent("lstm", d, given)

    def run(_kept=given):
        return request.infer()

    return run, lambda: [run()[1][0], run()[2][0]]


def network_predict(d):
    """The ONNX graph; images are (N, C, H, W) outside."""
    from .peer_onnx_networks import model

    x = np.ascontiguousarray(d.x.transpose(0, 3, 1, 2))
    options = {"INFERENCE_NUM_THREADS": _threads, "INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
    compiled = ov.Core().compile_model(ov.Core().read_model(model(d.net, len(x))), "CPU", options)
    d.net.weights = None
    request = compiled.create_infer_request()
    request.set_input_tensor(ov.Tensor(x, shared_memory=True))

    def run(_kept=x):
        return request.infer()[0]

    return run, lambda: [run()]


def _transformer(d, scored, precision="f32"):
    from .peer_onnx_transformers import inputs, model

    options = {"INFERENCE_NUM_THREADS": _threads, "INFERENCE_PRECISION_HINT": precision, "PERFORMANCE_HINT": "LATENCY"}
    request = ov.Core().compile_model(ov.Core().read_model(model(d, scored)), "CPU", options).create_infer_request()
    given = inputs(d)

    def run():
        return request.infer(given, share_inputs=True)[0]

    return run, lambda: [run()]


def transformer_predict(d):
    """The ONNX graph."""
    return _transformer(d, False)


def transformer_predict_bfloat16(d):
    """The same in the precision that it takes by itself where the processor has it."""
    return _transformer(d, False, "bf16")


def transformer_token(d):
    """The ONNX graph; the keys and values before are inputs."""
    run, _ = _transformer(d, True)
    return run, lambda: [run()[:, -1]]


def attention(d):
    """One ScaledDotProductAttention."""
    inputs = [op.parameter(a.shape, np.float32) for a in (d.q, d.k, d.v)]
    request = compiled(op.scaled_dot_product_attention(*inputs, causal=d.causal), *inputs).create_infer_request()
    for i, a in enumerate((d.q, d.k, d.v)):
        request.set_input_tensor(i, ov.Tensor(a, shared_memory=True))

    def run(_kept=(d.q, d.k, d.v)):
        return request.infer()

    return run, lambda: [run()[0]]
