"""torch.compile: what is written for torch (peer_torch.py), the network and its loss compiled into one graph."""

import torch

from . import peer_torch
from .peer_torch import start, version

__all__ = ["regularised", "start", "version"]


def regularised(d):
    """The same loop; the optimizer stays the fused Adam, which is one kernel already."""
    return peer_torch.regularised(d, torch.compile)
