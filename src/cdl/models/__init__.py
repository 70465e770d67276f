"""Networks built from layers."""
from cdl.models.load import load
from cdl.models.sequential import Sequential

__all__ = ["Sequential", "load"]
