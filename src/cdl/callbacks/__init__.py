"""Callbacks of `fit`: what happens beside the training, after each batch, each epoch, and at its end."""
from .callback import Callback
from .early_stopping import EarlyStopping

__all__ = ["Callback", "EarlyStopping"]
