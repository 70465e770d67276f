"""torch.compile: what is written for torch (peer_torch.py), the network and its loss compiled into one graph."""

import torch

from . import peer_torch
from .images_torch import Images
from .peer_torch import start, version
from .peer_torch_networks import Networks, frozen
from .peer_torch_recurrent import Recurrent

__all__ = ["cell_step", "char_step", "image_norm_grad", "network_epoch", "network_predict", "network_step", "pool_grad",
           "recurrent", "recurrent_grad", "regularised", "start", "upsample_grad", "version"]

_last = Images(torch.channels_last, torch.compile)  # the faster of the layouts, for max pooling by 4 %
pool_grad, image_norm_grad, upsample_grad = _last.pool_grad, _last.image_norm_grad, _last.upsample_grad
_networks = Networks(torch.channels_last, frozen)
network_predict, network_step = _networks.network_predict, _networks.network_step
network_epoch = _networks.network_epoch

_recurrent = Recurrent(torch.compile)
recurrent, recurrent_grad = _recurrent.recurrent, _recurrent.recurrent_grad
cell_step, char_step = _recurrent.cell_step, _recurrent.char_step


def regularised(d):
    """The same loop; the optimizer stays the fused Adam, which is one kernel already."""
    return peer_torch.regularised(d, torch.compile)
