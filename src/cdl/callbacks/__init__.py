"""Callbacks of `fit`: what happens beside the training, after each batch, each epoch, and at its end."""
from .average import ExponentialMovingAverage, StochasticWeightAverage
from .callback import Callback
from .checkpoint import Checkpoint
from .constraint import MaxNorm, SoftThreshold
from .early_stopping import EarlyStopping
from .log import CSVLog, JSONLog
from .reduce_on_plateau import ReduceOnPlateau
from .run import Run
from .scheduled import Scheduled

__all__ = ["CSVLog", "Callback", "Checkpoint", "EarlyStopping", "ExponentialMovingAverage", "JSONLog", "MaxNorm",
           "ReduceOnPlateau", "Run", "Scheduled", "SoftThreshold", "StochasticWeightAverage"]
