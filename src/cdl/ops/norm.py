"""Normalisation over the batch, along the last axes, and within groups of channels. The last axis holds the channels."""
from cdl._core.norm import batch_norm as _batch_norm
from cdl._core.norm import group_norm as _group_norm
from cdl._core.norm import row_norm as _row_norm

__all__ = ["batch_norm", "group_norm", "layer_norm", "rms_norm"]


def batch_norm(x, gamma=None, beta=None, *, running_mean=None, running_var=None, training=True, momentum=0.1, eps=1e-5,
               activation=None, added=None):
    """Batch normalisation, gamma * (x - mean) / sqrt(var + eps) + beta, per channel (last axis) over all other axes.

    With `added` and an activation, activation(gamma * (x - mean) / sqrt(var + eps) + beta + added): the end of a residual
    block in one pass, and its gradients in two.

    In training mean and var are the batch's, var dividing by the number n of values of a channel, and the running
    statistics are moved in place:

        running_mean = (1 - momentum) * running_mean + momentum * mean
        running_var  = (1 - momentum) * running_var  + momentum * var * n / (n - 1)

    momentum is the share of the new batch, as in torch (Keras means the share of the old value), and the running
    variance is the unbiased one. With `training=False` mean and var are the running ones.

    Parameters
    ----------
    x : array_like
        (…, channels), at least two axes.
    gamma, beta : array_like, optional
        (channels,); default: 1 and 0.
    running_mean, running_var : Tensor or ndarray, optional
        (channels,), floats; read with `training=False`, otherwise updated in place.
    training : bool
        Whether the statistics are the batch's.
    momentum : float
        0 to 1.
    eps : float
        At least 0; added to the variance, below the root.
    activation : {None, "relu"}
        "relu" gives max(y, 0) in the same pass.
    added : array_like, optional
        Of x's shape, as the shortcut of a residual block is; added before the activation.

    Returns
    -------
    Tensor or ndarray
        Of x's shape; a Tensor if x, gamma, beta or added is one.

    Raises
    ------
    ValueError
        For shapes that do not fit, in training for fewer than two values a channel, otherwise without running
        statistics. Nothing is changed then.
    TypeError
        For running statistics that cannot be updated in place.

    Source
    ------
    Notes, section 3.3; Ioffe, Szegedy, "Batch Normalization", 2015, algorithms 1 and 2.

    Examples
    --------
    >>> import cdl
    >>> cdl.batch_norm([[1.0, 5.0], [3.0, 5.0]], eps=0.0001).round(2)
    array([[-1.,  0.],
           [ 1.,  0.]])
    """
    if activation is not None and activation != "relu":
        raise ValueError(f'batch_norm: activation must be None or "relu", got {activation!r}')
    return _batch_norm(x, gamma, beta, running_mean, running_var, training, momentum, eps, activation is not None,
                       added)


def layer_norm(x, gamma=None, beta=None, *, eps=1e-5, axes=1):
    """Layer normalisation, gamma * (x - mean) / sqrt(var + eps) + beta, of each sample over its last axes.

    var divides by the number of values.

    Parameters
    ----------
    x : array_like
    gamma, beta : array_like, optional
        Of the shape of the last `axes` axes of x; default: 1 and 0.
    eps : float
        At least 0; added to the variance, below the root.
    axes : int
        How many of the last axes are normalised together.

    Returns
    -------
    Tensor or ndarray
        Of x's shape; a Tensor if x, gamma or beta is one.

    Raises
    ------
    ValueError
        For shapes that do not fit.

    Source
    ------
    Ba, Kiros, Hinton, "Layer Normalization", 2016, equation 4.

    Examples
    --------
    >>> import cdl
    >>> cdl.layer_norm([[1.0, 3.0], [10.0, 30.0]]).round(2)
    array([[-1.,  1.],
           [-1.,  1.]])
    """
    return _row_norm("layer_norm", x, gamma, beta, axes, eps, True)


def rms_norm(x, gamma=None, *, eps=1e-6, axes=1):
    """Root mean square normalisation, gamma * x / sqrt(mean(x²) + eps), of each sample over its last axes.

    Parameters, result and errors as in `layer_norm`.

    Source
    ------
    Zhang, Sennrich, "Root Mean Square Layer Normalization", 2019, equation 4.

    Examples
    --------
    >>> import cdl
    >>> cdl.ops.rms_norm([[3.0, 3.0, 3.0, 3.0]]).round(2)
    array([[1., 1., 1., 1.]])
    """
    return _row_norm("rms_norm", x, gamma, None, axes, eps, False)


def group_norm(x, groups, gamma=None, beta=None, *, eps=1e-5):
    """Group normalisation: gamma * (x - mean) / sqrt(var + eps) + beta, per sample and group of channels.

    x is (N, …, channels); each sample's mean and var (dividing by the number of values) are taken over all axes between
    and over channels / groups neighbouring channels. One group is layer normalisation of the whole sample; as many
    groups as channels is instance normalisation.

    Parameters
    ----------
    x : array_like
        (N, …, channels), at least two axes.
    groups : int
        Divides the number of channels.
    gamma, beta : array_like, optional
        (channels,); default: 1 and 0.
    eps : float
        At least 0; added to the variance, below the root.

    Returns
    -------
    Tensor or ndarray
        Of x's shape; a Tensor if x, gamma or beta is one.

    Raises
    ------
    ValueError
        For shapes that do not fit, or channels that do not make so many equal groups.

    Source
    ------
    Wu, He, "Group Normalization", 2018, equations 1 to 3, 7.

    Examples
    --------
    >>> import cdl
    >>> cdl.ops.group_norm([[1.0, 3.0, 10.0, 30.0]], 2).round(2)
    array([[-1.,  1., -1.,  1.]])
    """
    return _group_norm(x, gamma, beta, groups, eps)


METHODS = {}
NUMPY = {}
