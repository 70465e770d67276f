"""Figures that say how good predictions are.

Each is a function ``f(y_true, y_pred, *, sample_weight=None, …)``, and a class of the same options that gathers it over
batches: ``update(y_true, y_pred, sample_weight=None)``, ``result()``, ``reset()``, ``merge(other)``. Both count in float64.
"""
from .agreement import *
from .averages import *
from .confusion import *
from .correct import *
from .lookup import larger_is_better as larger_is_better
from .lookup import metric_of as metric_of
from .lookup import metrics_for as metrics_for
from .metric import Metric as Metric
from .probability import *
from .ranking import *
from .regression import *
from .variance import *
