"""The public functions on arrays and Tensors, a module per op family.

Each module lists its public functions in `__all__`, its methods of Tensor in `METHODS` and the NumPy functions it
answers for in `NUMPY`; this file brings them together.
"""
from cdl._core.tensor import METHODS
from cdl.ops import gemm, unary
from cdl.ops.gemm import *
from cdl.ops.unary import *

_FAMILIES = (gemm, unary)
for _family in _FAMILIES:
    METHODS.update(_family.METHODS)
__all__ = [_name for _family in _FAMILIES for _name in _family.__all__]
