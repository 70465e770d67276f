"""The networks of reference_networks.py as ONNX graphs, for ONNX Runtime and OpenVINO."""

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from .reference_networks import NORM_EPSILON


def _constant(name, array, image):
    if array.ndim == 4:
        array = array.transpose(3, 2, 0, 1)
    elif image and array.ndim == 2:
        array = array.reshape(*image, -1).transpose(2, 0, 1, 3).reshape(array.shape)
    return numpy_helper.from_array(np.ascontiguousarray(array), name)


def _node(what, out, inputs, options, weights):
    def named(*names):
        return [f"{out}.{name}" for name in names if f"{out}.{name}" in weights]

    if what == "conv":
        return helper.make_node("Conv", [*inputs, *named("weight", "bias")], [out], strides=[options["stride"]] * 2,
                                pads=[options["padding"]] * 4)
    if what == "norm":
        return helper.make_node("BatchNormalization", [*inputs, *named("weight", "bias", "running_mean", "running_var")],
                                [out], epsilon=NORM_EPSILON)
    if what == "max_pool":
        return helper.make_node("MaxPool", inputs, [out], kernel_shape=[options["kernel"]] * 2,
                                strides=[options["stride"]] * 2, pads=[options["padding"]] * 4)
    if what == "dense":
        return helper.make_node("Gemm", [*inputs, *named("weight", "bias")], [out])
    if what == "mean":
        return helper.make_node("ReduceMean", [*inputs, "axes"], [out], keepdims=0)
    return helper.make_node({"relu": "Relu", "add": "Add", "flatten": "Flatten"}[what], inputs, [out])


def model(net, batch):
    """The model's bytes; its input is x (N, C, H, W)."""
    images = {out: options.get("image") for _, out, _, options in net.steps}
    constants = [_constant(name, array, images[name.rpartition(".")[0]]) for name, array in net.weights.items()]
    constants.append(numpy_helper.from_array(np.array([2, 3]), "axes"))
    last = net.steps[-1][1]
    outputs = len(net.weights[last + ".bias"])
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, (batch, net.channels, net.size, net.size))
    y = helper.make_tensor_value_info(last, TensorProto.FLOAT, (batch, outputs))
    graph = helper.make_graph([_node(*step, net.weights) for step in net.steps], "network", [x], [y], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10).SerializeToString()
