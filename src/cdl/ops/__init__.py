"""The public functions on arrays and Tensors, a module per op family.

Each module lists its public functions in `__all__`, its methods of Tensor in `METHODS` and the NumPy functions it
answers for in `NUMPY`; this file brings them together.
"""
from cdl._core.tensor import METHODS, Tensor
from cdl.ops import activation, binary, conv, custom, gemm, index, products, protocol, reduce, shape, unary
from cdl.ops import attention as _attention
from cdl.ops import dropout as _dropout
from cdl.ops import einsum as _einsum
from cdl.ops import norm as _norm
from cdl.ops import pool as _pool
from cdl.ops import recurrent as _recurrent
from cdl.ops import resize as _resize
from cdl.ops import softmax as _softmax
from cdl.ops.activation import *
from cdl.ops.attention import *
from cdl.ops.binary import *
from cdl.ops.conv import *
from cdl.ops.custom import *
from cdl.ops.dropout import *
from cdl.ops.einsum import *
from cdl.ops.gemm import *
from cdl.ops.index import *
from cdl.ops.norm import *
from cdl.ops.pool import *
from cdl.ops.products import *
from cdl.ops.recurrent import *
from cdl.ops.reduce import *
from cdl.ops.resize import *
from cdl.ops.shape import *
from cdl.ops.softmax import *
from cdl.ops.unary import *

_FAMILIES = (activation, _attention, binary, conv, custom, _dropout, _einsum, gemm, index, _norm, _pool, products, protocol,
             _recurrent, reduce, _resize, shape, _softmax, unary)


def _install(family):
    """Give a family's methods to Tensor and its NumPy functions to the protocol."""
    METHODS.update(family.METHODS)
    protocol.DIFFERENTIATED.update(family.NUMPY)
    for name, method in family.METHODS.items():
        try:
            setattr(Tensor, name, method)       # 0.5 µs a call less than by way of __getattr__, which reads METHODS …
        except TypeError:                       # … for the build with the full API, whose types cannot be changed
            break


for _family in _FAMILIES:
    _install(_family)
# NumPy's functions of these names work on Tensors as they are; cdl's own are reached as cdl.ops.…, so that the names of cdl
# itself stay few.
_AS_IN_NUMPY = {
    "add", "argmin", "ceil", "divide", "exp2", "expand_dims", "expm1", "flip", "floor", "log10", "log1p", "log2", "moveaxis",
    "multiply", "negative", "outer", "reciprocal", "round", "sign", "squeeze", "subtract", "swapaxes", "tensordot",
}
# What layers are made of; a model names the layers.
_FOR_LAYERS = {
    "alpha_dropout", "conv1d", "conv2d", "conv_transpose2d", "group_norm", "hard_sigmoid", "hard_swish", "hard_tanh",
    "log_sigmoid", "prelu", "relu6", "rms_norm", "spatial_dropout", "attention_weights", *_pool.__all__, *_resize.__all__,
    *_recurrent.__all__,
}
__all__ = [_name for _family in _FAMILIES for _name in _family.__all__ if _name not in _AS_IN_NUMPY | _FOR_LAYERS]
