"""Callbacks of `fit`: what happens beside the training, after each batch, each epoch, and at its end."""
from .callback import Callback
from .checkpoint import Checkpoint
from .early_stopping import EarlyStopping
from .log import CSVLog, JSONLog
from .run import Run

__all__ = ["CSVLog", "Callback", "Checkpoint", "EarlyStopping", "JSONLog", "Run"]
