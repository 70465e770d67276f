"""Optimizers: one fused pass over all parameters a step; schedules of their options; clipping; the finder of learning rates."""
from functools import partial

from cdl.optim import adagrad, adam, base, clip, rmsprop, schedule, sgd
from cdl.optim.adagrad import *
from cdl.optim.adam import *
from cdl.optim.base import *
from cdl.optim.clip import *
from cdl.optim.cycle import CosineRestarts, OneCycle
from cdl.optim.decay import InverseSquareRoot, PiecewiseConstant, PolynomialDecay
from cdl.optim.rmsprop import *
from cdl.optim.schedule import *
from cdl.optim.sgd import *

# Those that stand in `cdl` too. The other schedules, and find_lr, are found here alone.
__all__ = [
    *base.__all__, *adagrad.__all__, *adam.__all__, *clip.__all__, *rmsprop.__all__, *schedule.__all__, *sgd.__all__,
]

# What `fit(optimizer="…")` makes, from the parameters, with the defaults of its class.
OPTIMIZERS = {
    "adam": Adam, "adamw": AdamW, "amsgrad": partial(Adam, amsgrad=True), "sgd": SGD, "momentum": Momentum,
    "nesterov": partial(Momentum, nesterov=True), "rmsprop": RMSprop, "adagrad": Adagrad,
}


def __getattr__(name):
    """The function `find_lr`, which is loaded when it is first used: it trains, which stands a floor higher."""
    if name == "find_lr":
        from cdl.train.find_lr import find_lr
        return find_lr
    raise AttributeError(f"module 'cdl.optim' has no attribute {name!r}")
