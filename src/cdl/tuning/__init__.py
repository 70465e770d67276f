"""Tuning: trying out the choices that a training does not learn itself (`cdl.tune`), and what they are drawn from."""
from cdl.tuning.networks import DenseNetwork, default_space
from cdl.tuning.result import Trial, TuningResult
from cdl.tuning.search import tune
from cdl.tuning.space import Domain, choice, integers, log_range, uniform, when

__all__ = ["DenseNetwork", "Domain", "Trial", "TuningResult", "choice", "default_space", "integers", "log_range", "tune",
           "uniform", "when"]
