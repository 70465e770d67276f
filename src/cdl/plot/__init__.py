"""Pictures of what a network has learned, drawn with matplotlib (``pip install 'cdl[plot]'``).

Each function returns a `Picture`: the figure, whose ``savefig(path)`` saves it, and the numbers that it shows. The curves
of one training are drawn by ``history.plot()`` too.
"""
from .metrics import confusion_matrix, precision_recall_curve, reliability, roc_curve
from .networks import attention_map, feature_maps, filters, word_neighbours
from .picture import Picture
from .training import histories

__all__ = ["Picture", "attention_map", "confusion_matrix", "feature_maps", "filters", "histories", "precision_recall_curve",
           "reliability", "roc_curve", "word_neighbours"]
