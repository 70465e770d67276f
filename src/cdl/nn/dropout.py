"""Dropout layers: they drop in training, and pass their input on in use (after eval(), in predict)."""
from cdl.nn.layer import Layer
from cdl.ops import alpha_dropout, dropout, spatial_dropout
from cdl.ops.dropout import check_drop_prob
from cdl.random import generator

__all__ = ["AlphaDropout", "Dropout", "SpatialDropout"]


class Dropout(Layer):
    """In training every element becomes 0 with probability drop_prob, the others x / (1 - drop_prob); see `cdl.dropout`.

    Parameters
    ----------
    drop_prob : float
        At least 0, less than 1.
    rng : numpy.random.Generator or int, optional
        What decides; default: the library's own generator, which `cdl.seed` starts anew.

    Raises
    ------
    ValueError
        For a drop_prob outside [0, 1).

    Source
    ------
    Notes, section 7.2; Srivastava et al., "Dropout", 2014.

    Examples
    --------
    >>> import numpy as np
    >>> import cdl
    >>> layer = cdl.Dropout(0.5, rng=1)
    >>> layer(np.ones(6))
    array([0., 2., 2., 0., 0., 2.])
    >>> layer.eval()(np.ones(6))
    array([1., 1., 1., 1., 1., 1.])
    """

    _function = staticmethod(dropout)

    def __init__(self, drop_prob=0.5, *, rng=None):
        check_drop_prob(drop_prob, type(self).__name__)
        self.drop_prob = drop_prob
        self._rng = None if rng is None else generator(rng)

    def forward(self, x):
        return self._function(x, self.drop_prob, self.training, rng=self._rng)

    def config(self):
        return {"drop_prob": self.drop_prob}


class AlphaDropout(Dropout):
    """Dropout for networks with SELU, which keeps mean 0 and variance 1; see `cdl.ops.alpha_dropout`.

    Parameters as in Dropout.

    Source
    ------
    Klambauer et al., "Self-Normalizing Neural Networks", 2017, section 3.

    Examples
    --------
    >>> import cdl
    >>> cdl.AlphaDropout(0.1)
    AlphaDropout(drop_prob=0.1)
    """

    _function = staticmethod(alpha_dropout)


class SpatialDropout(Dropout):
    """Dropout of whole channels of x (N, …, channels); see `cdl.ops.spatial_dropout`.

    Parameters as in Dropout.

    Source
    ------
    Tompson et al., "Efficient Object Localization Using Convolutional Networks", 2015, section 3.2.

    Examples
    --------
    >>> import cdl
    >>> cdl.SpatialDropout(0.1)
    SpatialDropout(drop_prob=0.1)
    """

    _function = staticmethod(spatial_dropout)
