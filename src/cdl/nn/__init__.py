"""Layers: thin classes that hold parameters and call the ops."""
from cdl.nn import activation, attention, conv, dense, dropout, embedding, norm, pool, recurrent, resize, transformer
from cdl.nn.activation import *
from cdl.nn.attention import *
from cdl.nn.conv import *
from cdl.nn.dense import *
from cdl.nn.dropout import *
from cdl.nn.embedding import *
from cdl.nn.layer import Layer
from cdl.nn.norm import *
from cdl.nn.pool import *
from cdl.nn.position import *
from cdl.nn.recompute import *
from cdl.nn.recurrent import *
from cdl.nn.resize import *
from cdl.nn.transformer import *

_IN_NN = {"KeyValueCache", "DecoderBlock", "EncoderBlock", "FeedForward"}     # reached as cdl.nn.…
__all__ = ["Layer", *dense.__all__, *conv.__all__, *activation.__all__, *dropout.__all__, *norm.__all__,
           *pool.__all__, *recurrent.__all__, *resize.__all__,
           *(_name for _name in attention.__all__ if _name not in _IN_NN), *embedding.__all__,
           *(_name for _name in transformer.__all__ if _name not in _IN_NN)]
