"""Callbacks of `fit`: what happens beside the training, after each batch, each epoch, and at its end."""
from .average import ExponentialMovingAverage, StochasticWeightAverage
from .callback import Callback
from .constraint import MaxNorm, SoftThreshold
from .early_stopping import EarlyStopping
from .reduce_on_plateau import ReduceOnPlateau
from .scheduled import Scheduled

__all__ = ["Callback", "EarlyStopping", "ExponentialMovingAverage", "MaxNorm", "ReduceOnPlateau", "Scheduled",
           "SoftThreshold", "StochasticWeightAverage"]
