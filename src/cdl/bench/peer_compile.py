"""torch.compile: what is written for torch (peer_torch.py), the network and its loss compiled into one graph."""

import torch

from . import attention_torch, peer_torch
from .images_torch import Images
from .peer_torch import start, version
from .peer_torch_networks import Networks, frozen
from .peer_torch_recurrent import Recurrent
from .peer_torch_transformers import Transformers

__all__ = ["attention", "attention_grad", "cell_step", "char_step", "image_norm_grad", "network_epoch", "network_predict",
           "network_step", "pool_grad", "recurrent", "recurrent_grad", "regularised", "start", "transformer_predict",
           "transformer_predict_bfloat16", "transformer_step", "transformer_token", "upsample_grad", "version"]


_last = Images(torch.channels_last, torch.compile)  # the faster of the layouts, for max pooling by 4 %
pool_grad, image_norm_grad, upsample_grad = _last.pool_grad, _last.image_norm_grad, _last.upsample_grad
_networks = Networks(torch.channels_last, frozen)
network_predict, network_step = _networks.network_predict, _networks.network_step
network_epoch = _networks.network_epoch
_transformers = Transformers(lambda f: frozen(f) if isinstance(f, torch.nn.Module) else torch.compile(f))
transformer_predict, transformer_step = _transformers.transformer_predict, _transformers.transformer_step
transformer_predict_bfloat16, transformer_token = _transformers.transformer_predict_bfloat16, _transformers.transformer_token

_recurrent = Recurrent(torch.compile)
recurrent, recurrent_grad = _recurrent.recurrent, _recurrent.recurrent_grad
cell_step, char_step = _recurrent.cell_step, _recurrent.char_step


def regularised(d):
    """The same loop; the optimizer stays the fused Adam, which is one kernel already."""
    return peer_torch.regularised(d, torch.compile)


def attention(d):
    """The function as one graph."""
    return attention_torch.attention(d, torch.compile)


def attention_grad(d):
    """The same with its gradients."""
    return attention_torch.attention_grad(d, torch.compile)
