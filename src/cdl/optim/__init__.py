"""Optimizers: one fused pass over all parameters a step."""
from cdl._core.optim import Fused as Optimizer
from cdl.optim import adam, sgd
from cdl.optim.adam import *
from cdl.optim.sgd import *

__all__ = ["Optimizer", *adam.__all__, *sgd.__all__]
