"""torch with its channels-last memory format, which only work on images has."""

import torch

from .images_torch import Images
from .peer_torch import start, version

__all__ = ["conv", "conv_grad", "image_norm_grad", "pool_grad", "start", "upsample_grad", "version"]

_last = Images(torch.channels_last)
conv, conv_grad = _last.conv, _last.conv_grad
pool_grad, image_norm_grad, upsample_grad = _last.pool_grad, _last.image_norm_grad, _last.upsample_grad
