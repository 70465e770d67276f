"""Normalisation layers."""
import numpy as np

from cdl._core.check import number, positive_integer
from cdl._core.norm import batch_norm
from cdl._core.tensor import Tensor
from cdl.nn.layer import Layer
from cdl.ops import group_norm, layer_norm, rms_norm

__all__ = ["BatchNorm", "GroupNorm", "LayerNorm", "RMSNorm"]


class _Norm(Layer):
    """What normalisation layers share: weight and bias of a size that may be taken from the first input.

    The notes call them gamma and beta, by which names they can be reached too.
    """

    _with_bias = True

    def __init__(self, dim, eps, affine):
        self.dim = None
        self.eps = eps
        self.affine = affine
        self.weight = self.bias = None
        if not 0 <= number(eps, type(self).__name__, "eps") < float("inf"):
            raise ValueError(f"{type(self).__name__}: eps must be a finite number >= 0, got {eps!r}")
        if dim is not None:
            self._make(self._checked(dim))

    def _checked(self, dim):
        return positive_integer(dim, type(self).__name__, "dim")

    def _make(self, dim):
        self.dim = dim
        if self.affine:
            self.weight = _filled(dim, 1, requires_grad=True)
            if self._with_bias:
                self.bias = _filled(dim, 0, requires_grad=True)

    def build(self, input_shape):
        if self.dim is None:
            if not input_shape or input_shape[-1] is None:
                raise ValueError(f"{type(self).__name__}: the input needs a last axis of known length, got shape "
                                 f"{tuple(input_shape)}")
            self._make(self._checked(input_shape[-1]))

    def _is_built(self):
        return self.dim is not None

    @property
    def gamma(self):
        """The weight."""
        return self.weight

    @property
    def beta(self):
        """The bias."""
        return self.bias

    def config(self):
        config = {} if self.dim is None else {"dim": self.dim}
        config["eps"] = self.eps
        if not self.affine:
            config["affine"] = False
        return config


def _filled(shape, value, requires_grad=False):
    return Tensor(np.full(shape, value, np.float32), requires_grad=requires_grad)


class BatchNorm(_Norm):
    """weight * (x - mean) / sqrt(var + eps) + bias, per channel (last axis) over all other axes.

    In training mean and var are the batch's; in use (after eval(), in predict) the running ones. The convention of
    `momentum` is torch's, running = (1 - momentum) * running + momentum * batch; see `cdl.batch_norm`. layer(x, added) is
    activation(layer(x) + added) in the same pass: the end of a residual block.

    Parameters
    ----------
    dim : int, optional
        The number of channels; default: taken from the first input.
    eps : float
        Added to the variance, below the root.
    momentum : float
        The share of a new batch in the running statistics.
    affine : bool
        Whether there are weight and bias.
    activation : {None, "relu"}
        "relu" is computed in the same pass.

    Shape
    -----
    Input and output (…, dim); weight, bias, running_mean, running_var (dim,).

    Raises
    ------
    ValueError
        In training for fewer than two values a channel; the running statistics are unchanged then.

    Source
    ------
    Notes, section 3.3; Ioffe, Szegedy, "Batch Normalization", 2015.

    Examples
    --------
    >>> import numpy as np
    >>> import cdl
    >>> layer = cdl.BatchNorm(2)
    >>> layer(np.array([[1.0, 5.0], [3.0, 7.0]])).numpy().round(2)
    array([[-1., -1.],
           [ 1.,  1.]])
    >>> layer.running_mean
    Tensor([0.2, 0.6])
    """

    buffers = ("running_mean", "running_var")

    def __init__(self, dim=None, eps=1e-5, momentum=0.1, *, affine=True, activation=None):
        if not 0 <= number(momentum, "BatchNorm", "momentum") <= 1:
            raise ValueError(f"BatchNorm: momentum must be 0 to 1, got {momentum!r}")
        if activation is not None and activation != "relu":
            raise ValueError(f'BatchNorm: activation must be None or "relu", got {activation!r}')
        self.momentum = momentum
        self.activation = activation
        self.running_mean = self.running_var = None
        super().__init__(dim, eps, affine)

    def _make(self, dim):
        super()._make(dim)
        self.running_mean, self.running_var = _filled(dim, 0), _filled(dim, 1)

    def forward(self, x, added=None):
        """The output for x; `added`, of x's shape, is added before the activation in the same pass."""
        if self.dim is None:
            self.build(np.shape(x))
        return batch_norm(x, self.weight, self.bias, self.running_mean, self.running_var,
                          self.training, self.momentum, self.eps, self.activation is not None, added)

    def config(self):
        config = super().config() | {"momentum": self.momentum}
        if self.activation is not None:
            config["activation"] = self.activation
        return config


class LayerNorm(_Norm):
    """weight * (x - mean) / sqrt(var + eps) + bias, of each sample over its last axis or axes; see `cdl.layer_norm`.

    Parameters
    ----------
    dim : int or tuple of int, optional
        The length of the last axis, or the lengths of the last axes that are normalised together; default: the last
        axis of the first input.
    eps : float
        Added to the variance, below the root.
    affine : bool
        Whether there are weight and bias, both of shape dim.

    Source
    ------
    Ba, Kiros, Hinton, "Layer Normalization", 2016.

    Examples
    --------
    >>> import numpy as np
    >>> import cdl
    >>> cdl.LayerNorm(2)(np.array([[1.0, 3.0]])).numpy().round(2)
    array([[-1.,  1.]])
    """

    def __init__(self, dim=None, eps=1e-5, *, affine=True):
        super().__init__(dim, eps, affine)

    def _checked(self, dim):
        if isinstance(dim, (tuple, list)) and dim:
            return tuple(_Norm._checked(self, n) for n in dim)
        return super()._checked(dim)

    def _make(self, dim):
        super()._make(dim)
        self._axes = len(dim) if isinstance(dim, tuple) else 1

    def forward(self, x):
        if self.dim is None:
            self.build(np.shape(x))
        return layer_norm(x, self.weight, self.bias, eps=self.eps, axes=self._axes)


class RMSNorm(LayerNorm):
    """weight * x / sqrt(mean(x²) + eps), of each sample over its last axis or axes; see `cdl.ops.rms_norm`.

    Parameters
    ----------
    dim : int or tuple of int, optional
        As in LayerNorm.
    eps : float
        Added to the mean square, below the root.
    affine : bool
        Whether there is a weight.

    Source
    ------
    Zhang, Sennrich, "Root Mean Square Layer Normalization", 2019.

    Examples
    --------
    >>> import numpy as np
    >>> import cdl
    >>> cdl.RMSNorm(2)(np.array([[3.0, 3.0]])).numpy().round(2)
    array([[1., 1.]])
    """

    _with_bias = False

    def __init__(self, dim=None, eps=1e-6, *, affine=True):
        super().__init__(dim, eps, affine=affine)

    def forward(self, x):
        if self.dim is None:
            self.build(np.shape(x))
        return rms_norm(x, self.weight, eps=self.eps, axes=self._axes)


class GroupNorm(_Norm):
    """weight * (x - mean) / sqrt(var + eps) + bias, per sample and group of channels; see `cdl.ops.group_norm`.

    Parameters
    ----------
    groups : int
        How many groups the channels (last axis) make; divides their number.
    dim : int, optional
        The number of channels; default: taken from the first input.
    eps : float
        Added to the variance, below the root.
    affine : bool
        Whether there are weight and bias.

    Source
    ------
    Wu, He, "Group Normalization", 2018.

    Examples
    --------
    >>> import numpy as np
    >>> import cdl
    >>> cdl.GroupNorm(2)(np.array([[1.0, 3.0, 10.0, 30.0]])).numpy().round(2)
    array([[-1.,  1., -1.,  1.]])
    """

    def __init__(self, groups=32, dim=None, eps=1e-5, *, affine=True):
        self.groups = positive_integer(groups, "GroupNorm", "groups")
        super().__init__(dim, eps, affine)

    def _checked(self, dim):
        dim = super()._checked(dim)
        if dim % self.groups:
            raise ValueError(f"GroupNorm: {dim} channels do not make {self.groups} equal groups")
        return dim

    def forward(self, x):
        if self.dim is None:
            self.build(np.shape(x))
        return group_norm(x, self.groups, self.weight, self.bias, eps=self.eps)

    def config(self):
        return {"groups": self.groups, **super().config()}
