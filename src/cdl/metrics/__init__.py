"""Figures that say how good predictions are: functions of (y_true, y_pred), and the same gathered over batches."""
from .accuracy import *
from .lookup import metric_of as metric_of
from .lookup import metrics_for as metrics_for
from .metric import Metric as Metric
