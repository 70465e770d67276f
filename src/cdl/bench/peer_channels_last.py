"""torch with its channels-last memory format, which only work on images has."""

import torch

from .images_torch import Images
from .peer_torch import start, version
from .peer_torch_networks import Networks

__all__ = ["conv", "conv_grad", "image_norm_grad", "network_epoch", "network_predict", "network_step", "pool_grad", "start",
           "upsample_grad", "version"]

_last = Images(torch.channels_last)
conv, conv_grad = _last.conv, _last.conv_grad
pool_grad, image_norm_grad, upsample_grad = _last.pool_grad, _last.image_norm_grad, _last.upsample_grad
_networks = Networks(torch.channels_last)
network_predict, network_step = _networks.network_predict, _networks.network_step
network_epoch = _networks.network_epoch
