"""What weights must obey after every step."""
from cdl._core.check import number
from cdl._core.optim import Sweep, limit_norms
from cdl.callbacks.callback import Callback
from cdl.extras import nearest
from cdl.nn.conv import ConvTranspose2D
from cdl.nn.layer import Layer
from cdl.nn.weights import named_weights

__all__ = ["MaxNorm", "SoftThreshold"]


class _Constraint(Callback):
    """What constraints share: the weights they are about, in all layers or those that are named."""

    def __init__(self, layers):
        self.layers = [layers] if isinstance(layers, (str, Layer)) else layers if layers is None else list(layers)

    def _weights(self, model):
        """The weights, each with the layer that holds it."""
        places = {"": model, **dict(model.named_layers())}
        chosen = [model] if self.layers is None else [self._layer(places, layer) for layer in self.layers]
        owners = {id(tensor): layer for _, layer, _, tensor in model.tensor_places()}
        found = {id(tensor): tensor for layer in chosen for _, tensor in named_weights(layer, tables=False)}
        if not found:
            raise ValueError(f"{type(self).__name__}: there are no weights that are trained, of two axes or more, in "
                             f"{'the model' if self.layers is None else self.layers}")
        return [(owners[key], tensor) for key, tensor in found.items()]

    def _layer(self, places, layer):
        if isinstance(layer, str):
            if layer not in places:
                raise ValueError(f"{type(self).__name__}: the model has no layer {layer!r}{nearest(layer, places)}; there are "
                                 f"{', '.join(filter(None, places))}")
            return places[layer]
        if not any(layer is inside for inside in places.values()):
            raise ValueError(f"{type(self).__name__}: {layer!r} is not in the model")
        return layer


class MaxNorm(_Constraint):
    """A callback of `fit` that holds the norm of each unit's incoming weights within `limit`, after every step::

        w = w limit / ‖w‖       where ‖w‖ > limit

    w are the weights that lead to one unit: a column of Dense's weight, one filter of a convolution, a column of each gate of
    a recurrent layer; not biases, normalisations, embeddings, and not what is frozen. A norm that is not finite is left alone.

    Parameters
    ----------
    limit : float above 0
        3 or 4 with dropout, in the paper.
    layers : sequence of Layer or str, optional
        Where, each with all layers inside it: layers of the model, or their paths as in `named_layers()` and `summary()`.
        Default: everywhere.

    Raises
    ------
    ValueError
        For a limit out of its range; when the training begins, for a layer that is not in the model, or if there are no
        weights.

    Source
    ------
    Srivastava et al., "Dropout", 2014, section 5.1; Hinton et al., "Improving neural networks by preventing co-adaptation of
    feature detectors", 2012. Keras's MaxNorm(limit, axis) with all axes but the last, which divides by ‖w‖ + 1e-7, and so
    also shrinks what is within the limit, by 1e-7 a step.

    Examples
    --------
    >>> import numpy as np
    >>> import cdl
    >>> x = np.linspace(-1, 1, 64)[:, None]
    >>> model = cdl.Sequential([cdl.Dense(1)])
    >>> history = model.fit(x, 9 * x, loss="mse", epochs=50, callbacks=[cdl.callbacks.MaxNorm(1.0)], progress=False,
    ...                     optimizer=lambda parameters: cdl.SGD(parameters, lr=0.1))
    >>> model[0].weight.item()
    1.0
    """

    def __init__(self, limit=3.0, layers=None):
        if not 0 < number(limit, type(self).__name__, "limit") < float("inf"):
            raise ValueError(f"{type(self).__name__}: limit must be above 0 and finite, got {limit!r}")
        super().__init__(layers)
        self.limit, self._by_unit = float(limit), []

    def on_fit_begin(self, model):
        """Find the weights, and hold them from the first step on."""
        self._by_unit = [part for layer, tensor in self._weights(model) for part in _units_last(layer, tensor)]
        self.on_batch_end(model)

    def on_batch_end(self, model):
        """Hold the norms within the limit."""
        for weight in self._by_unit:
            limit_norms(weight, self.limit)

    def on_fit_end(self, model):
        """Let go of the weights."""
        self._by_unit = []

    def __repr__(self):
        return f"MaxNorm({self.limit:g}{'' if self.layers is None else f', {self.layers!r}'})"


def _units_last(layer, tensor):
    """The weights, on the same memory, with the axis of the units at the end; of several groups in a part for each."""
    if not isinstance(layer, ConvTranspose2D):
        return [tensor]
    rows, columns, filters, channels = tensor.shape
    within = tensor.numpy().reshape(rows, columns, filters, layer.groups, channels // layer.groups)
    return [within[:, :, :, group].transpose(0, 1, 3, 2) for group in range(layer.groups)]


class SoftThreshold(_Constraint):
    """A callback of `fit` that pulls weights towards 0 by lr · strength after every step, and no further: L1, decoupled::

        w = sign(w) max(|w| - lr strength, 0)

    This is the proximal step of strength Σ|w|: with plain gradient descent the two together minimise loss + penalty, and
    weights that the data do not hold become 0 exactly, where the gradient of `l1_penalty` lets them swing about it. With Adam
    it is to L1 what AdamW is to L2: the pull is not divided by the root of the second moment.

    Parameters
    ----------
    strength : float
        λ, 0 or more.
    layers : sequence of Layer or str, optional
        As for `MaxNorm`, as is what counts as a weight.

    Raises
    ------
    ValueError
        As `MaxNorm`, and for weights that the optimizer does not train.

    Source
    ------
    Daubechies, Defrise and De Mol, "An iterative thresholding algorithm for linear inverse problems with a sparsity
    constraint", 2004; Duchi and Singer, "Efficient online and batch learning using forward backward splitting", 2009.

    Examples
    --------
    >>> import numpy as np
    >>> import cdl
    >>> x = np.random.default_rng(0).standard_normal((256, 4))
    >>> model = cdl.Sequential([cdl.Dense(1)])
    >>> history = model.fit(x, 2 * x[:, :1], loss="mse", epochs=20, callbacks=[cdl.callbacks.SoftThreshold(0.5)],
    ...                     optimizer=lambda parameters: cdl.SGD(parameters, lr=0.05), progress=False)
    >>> (model[0].weight.numpy() == 0).ravel().tolist()
    [False, True, True, True]
    """

    def __init__(self, strength, layers=None):
        if not 0 <= number(strength, type(self).__name__, "strength") < float("inf"):
            raise ValueError(f"{type(self).__name__}: strength must be 0 or more and finite, got {strength!r}")
        super().__init__(layers)
        self.strength, self._sweeps = strength, []

    def on_fit_begin(self, model):
        """Find the weights of each of the optimizer's groups, which have learning rates of their own."""
        weights = {id(tensor): tensor for _, tensor in self._weights(model)}
        groups = getattr(self.training.optimizer, "groups", ())
        inside = [(group, [weights.pop(id(p)) for p in group.params if id(p) in weights]) for group in groups]
        if weights:
            raise ValueError(f"{type(self).__name__}: {len(weights)} of the weights are not among the parameters of the "
                             "optimizer; name the layers that it trains")
        self._sweeps = [(group, Sweep(tensors)) for group, tensors in inside if tensors]

    def on_batch_end(self, model):
        """Pull, by the learning rate that the step had."""
        for group, sweep in self._sweeps:
            sweep.shrink(group["lr"] * self.strength)

    def on_fit_end(self, model):
        """Let go of the weights."""
        self._sweeps = []

    def __repr__(self):
        return f"SoftThreshold({self.strength:g}{'' if self.layers is None else f', {self.layers!r}'})"
