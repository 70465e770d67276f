"""cdl: a small, fast deep-learning library for CPUs.

Tensors are arrays that can be differentiated; functions work on them and on NumPy arrays alike; layers hold
parameters; a model is fitted, used, saved and loaded.
"""
import importlib

from cdl import callbacks, data, io, losses, nn, ops, optim, plot
from cdl._core.bfloat16 import set_precision
from cdl._core.memory import clear_memory, memory_stats, set_memory_limit
from cdl._core.tape import no_grad
from cdl._core.tensor import Tensor
from cdl._core.threads import get_num_threads, set_num_threads
from cdl._core.winograd import set_winograd
from cdl.callbacks import EarlyStopping
from cdl.data import load_digits, train_test_split
from cdl.gradcheck import GradientError, gradcheck, value_and_grad
from cdl.init import he_initialization, orthogonal, xavier_initialization
from cdl.losses import *
from cdl.models import Residual, Sequential, load
from cdl.nn import *
from cdl.ops import *
from cdl.ops.conv import conv_output_size
from cdl.optim import *
from cdl.random import seed
from cdl.train.linear import gradient_descent
from cdl.train.loop import evaluate, fit
from cdl.train.model import Model

__version__ = "0.1.0"


def __getattr__(name):
    """Namespaces that are loaded when they are first used, and the function `tune` of one of them."""
    if name in ("metrics", "sklearn", "text", "tuning"):
        return importlib.import_module(f"cdl.{name}")
    if name == "tune":
        return importlib.import_module("cdl.tuning").tune
    raise AttributeError(f"module 'cdl' has no attribute {name!r}")


__all__ = [
    "EarlyStopping", "GradientError", "Model", "Residual", "Sequential", "Tensor", "clear_memory", "conv_output_size",
    "evaluate",
    "fit", "get_num_threads", "gradcheck", "gradient_descent", "he_initialization", "load", "load_digits", "memory_stats",
    "no_grad", "orthogonal", "seed", "set_memory_limit", "set_num_threads", "set_precision", "set_winograd",
    "train_test_split",
    "value_and_grad", "xavier_initialization",
    *losses.__all__, *nn.__all__, *ops.__all__, *optim.__all__,
]
