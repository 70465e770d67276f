"""Networks built from layers."""
from cdl.models.load import load
from cdl.models.residual import Residual
from cdl.models.sequential import Sequential

__all__ = ["Residual", "Sequential", "load"]
