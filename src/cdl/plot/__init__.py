"""Pictures of what a network has learned, drawn with matplotlib (``pip install 'cdl[plot]'``).

Each function returns a `Picture`: the figure, whose ``savefig(path)`` saves it, and the numbers that it shows. The curves
of a training are drawn by ``history.plot()``.
"""
from .metrics import confusion_matrix, precision_recall_curve, reliability, roc_curve
from .networks import attention_map, feature_maps, filters, word_neighbours
from .picture import Picture

__all__ = ["Picture", "attention_map", "confusion_matrix", "feature_maps", "filters", "precision_recall_curve", "reliability",
           "roc_curve", "word_neighbours"]
