"""torch with its channels-last memory format, which only work on images has."""

import torch

from .images_torch import Images
from .peer_torch import start, version

__all__ = ["conv", "conv_grad", "start", "version"]

_last = Images(torch.channels_last)
conv, conv_grad = _last.conv, _last.conv_grad
