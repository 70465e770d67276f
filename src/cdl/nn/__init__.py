"""Layers: thin classes that hold parameters and call the ops."""
from cdl.nn import activation, dense
from cdl.nn.activation import *
from cdl.nn.dense import *
from cdl.nn.layer import Layer

__all__ = ["Layer", *dense.__all__, *activation.__all__]
