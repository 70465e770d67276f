"""torch.compile: what is written for torch (peer_torch.py), the network and its loss compiled into one graph."""

import torch

from . import attention_torch, peer_torch
from .images_torch import Images
from .peer_torch import start, version
from .peer_torch_networks import Networks, frozen

__all__ = ["attention", "attention_grad", "image_norm_grad", "network_epoch", "network_predict", "network_step", "pool_grad",
           "regularised", "start", "upsample_grad", "version"]

_last = Images(torch.channels_last, torch.compile)  # the faster of the layouts, for max pooling by 4 %
pool_grad, image_norm_grad, upsample_grad = _last.pool_grad, _last.image_norm_grad, _last.upsample_grad
_networks = Networks(torch.channels_last, frozen)
network_predict, network_step = _networks.network_predict, _networks.network_step
network_epoch = _networks.network_epoch


def regularised(d):
    """The same loop; the optimizer stays the fused Adam, which is one kernel already."""
    return peer_torch.regularised(d, torch.compile)


def attention(d):
    """The function as one graph."""
    return attention_torch.attention(d, torch.compile)


def attention_grad(d):
    """The same with its gradients."""
    return attention_torch.attention_grad(d, torch.compile)
